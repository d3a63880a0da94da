"""What the server answers: the page, and the same for programs over HTTP (openapi.json describes it)."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from stages.serving import view
from stages.serving.entry import KINDS, Entry
from stages.serving.guard import Guard
from stages.serving.refusal import Refusal
from stages.serving.service import Service

PAGE = Path(__file__).parent / "page"
_OPENAPI = Path(__file__).parent / "openapi.json"
OCTETS = "application/octet-stream"
_MAX_WORDS = 1 << 14
"""Bytes of a request that says something of a scan."""
_WHO = 200
"""Characters of who looked at a scan."""


def of(service: Service) -> Starlette:
    """The application over a service, whose line works while it runs."""

    @asynccontextmanager
    async def working(app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(service.line.work())
        try:
            yield
        finally:
            work.cancel()

    handlers: dict[Any, Any] = {Refusal: refused, HTTPException: unknown, Exception: unforeseen}
    return Starlette(
        routes=routes(Answers(service)),
        lifespan=working,
        exception_handlers=handlers,
        middleware=[Middleware(Guard, access=service.settings.access)],
    )


def routes(answers: "Answers") -> list[BaseRoute]:
    """Which answer stands where."""
    scan = "/api/scans/{key}"
    return [
        Route("/", answers.page),
        Route("/healthz", answers.health),
        Route("/openapi.json", answers.description),
        Route("/api/model", answers.model),
        Route("/api/model/card", answers.card),
        Route("/api/scans", answers.scans),
        Route("/api/scans", answers.send, methods=["POST"]),
        Route("/api/demo", answers.demo, methods=["POST"]),
        Route("/api/files", answers.all_files),
        Route(scan, answers.scan),
        Route(scan, answers.remove, methods=["DELETE"]),
        Route(f"{scan}/mask", answers.mask),
        Route(f"{scan}/files", answers.files),
        Route(f"{scan}/planes/{{axis}}/{{index:int}}", answers.plane),
        Route(f"{scan}/labels", answers.labels),
        Route(f"{scan}/labels", answers.correct, methods=["PUT"]),
        Route(f"{scan}/verdict", answers.verdict, methods=["PUT"]),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]


async def refused(request: Request, refusal: Refusal) -> Response:
    headers = {"retry-after": "5"} if refusal.status == 429 else None
    return JSONResponse({"error": refusal.sentence}, refusal.status, headers)


async def unknown(request: Request, error: HTTPException) -> Response:
    return JSONResponse(
        {"error": f"{request.url.path[:80]}: {error.detail}"}, error.status_code, error.headers
    )


async def unforeseen(request: Request, error: Exception) -> Response:
    sentence = f"{type(error).__name__}; this was not foreseen, please report it"
    return JSONResponse({"error": sentence}, 500)


class Answers:
    """An answer for each route."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.line = service.line

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def description(self, request: Request) -> Response:
        return FileResponse(_OPENAPI, media_type="application/json")

    async def model(self, request: Request) -> Response:
        return JSONResponse(self.service.model())

    async def card(self, request: Request) -> Response:
        return Response(await asyncio.to_thread(self.service.card), media_type="text/html")

    async def scans(self, request: Request) -> Response:
        return JSONResponse([entry.full() for entry in self.line.entries.values()])

    async def send(self, request: Request) -> Response:
        named = request.query_params.get("name")
        return _accepted(await self.service.take(request.headers, named, request.stream()))

    async def demo(self, request: Request) -> Response:
        return _accepted(await self.service.show_demo())

    async def scan(self, request: Request) -> Response:
        return JSONResponse(self._entry(request).full())

    async def remove(self, request: Request) -> Response:
        self.line.remove(request.path_params["key"])
        return Response(status_code=204)

    async def mask(self, request: Request) -> Response:
        kind = request.query_params.get("format", "mask")
        if kind not in KINDS:
            raise Refusal(400, f"there is no format {kind[:40]!r}; ask for {', '.join(KINDS[1:])}, or none")
        entry, _ = self.line.done(request.path_params["key"])
        path = entry.path_of(kind)
        if path is None:
            raise Refusal(
                404, f"{entry.scan} has no {kind}: it is no DICOM series, or one that lacks what it takes"
            )
        if path.is_dir():
            return _archive(await asyncio.to_thread(self.service.folder_of_masks, path), f"{path.name}.zip")
        return FileResponse(path, filename=path.name, media_type=_media_type(path))

    async def files(self, request: Request) -> Response:
        entry = self._entry(request)
        return _archive(await asyncio.to_thread(self.service.results, entry.key), f"{entry.scan.name}.zip")

    async def all_files(self, request: Request) -> Response:
        return _archive(await asyncio.to_thread(self.service.all_results), "brainseg.zip")

    async def plane(self, request: Request) -> Response:
        entry, answer = self.line.done(request.path_params["key"])
        axis, index = request.path_params["axis"], request.path_params["index"]
        sequence = request.query_params.get("sequence", "0")
        try:
            if axis not in view.AXES or not sequence.isdecimal():
                raise IndexError
            content = await self.line.plane(entry, answer.view, int(sequence), axis, index)
        except IndexError:
            raise Refusal(404, f"{entry.scan} has no such plane") from None
        kept = {"cache-control": "private, max-age=3600"}
        return Response(content, headers=kept, media_type=OCTETS)

    async def labels(self, request: Request) -> Response:
        entry, _ = self.line.done(request.path_params["key"])
        packed = await asyncio.to_thread(view.labels, entry.view)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(await asyncio.to_thread(gzip.decompress, packed), media_type=OCTETS)
        return Response(packed, headers={"content-encoding": "gzip"}, media_type=OCTETS)

    async def correct(self, request: Request) -> Response:
        entry, answer = self.line.done(request.path_params["key"])
        seen = answer.view
        content = await _body(request, seen.slices * seen.rows * seen.columns + _MAX_WORDS)
        packed = request.headers.get("content-encoding", "") == "gzip"
        who = request.query_params.get("who", "")[:_WHO]
        return JSONResponse((await self.service.correct(entry.key, who, content, packed)).full())

    async def verdict(self, request: Request) -> Response:
        entry = self._entry(request)
        try:
            words = json.loads(await _body(request, _MAX_WORDS))
            verdict, who = words["verdict"], words.get("who", "")
        except (ValueError, TypeError, KeyError, AttributeError):
            verdict, who = None, ""
        if verdict != "accepted" or not isinstance(who, str):
            raise Refusal(
                400,
                'a verdict is {"verdict": "accepted", "who": "a name"}; a corrected mask is sent as labels',
            )
        return JSONResponse((await self.service.accept(entry.key, who[:_WHO])).full())

    def _entry(self, request: Request) -> Entry:
        return self.line.entry(request.path_params["key"])


def _accepted(entries: list[Entry]) -> Response:
    """One scan, or a list of several."""
    answers = [entry.short() for entry in entries]
    return JSONResponse(answers[0] if len(answers) == 1 else answers, 202)


def _archive(path: Path, name: str) -> Response:
    """An archive that is removed once it is sent."""
    return FileResponse(
        path, filename=name, media_type="application/zip", background=BackgroundTask(path.unlink)
    )


def _media_type(path: Path) -> str:
    known = {".png": "image/png", ".tif": "image/tiff", ".dcm": "application/dicom"}
    return known.get(path.suffix, OCTETS)


async def _body(request: Request, most: int) -> bytes:
    """All of a request's body. Raises `Refusal` where it is longer."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise Refusal(413, f"it is longer than {most} bytes")
    return bytes(content)
