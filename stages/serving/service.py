"""A server's work without HTTP: uploads become scans in line, masks are corrected, kept and handed out."""

import asyncio
import errno
import os
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.datastructures import Headers

from stages.serving import archives, demo, intake, upload
from stages.serving.entry import Entry, Statement
from stages.serving.line import Line, full
from stages.serving.refusal import Refusal
from stages.serving.settings import Settings
from stages.serving.upload import Received

_NAME = "scan"
"""What an upload of loose files is called, as a folder of them."""


class Service:
    """Of one server. home: the folder that is its own while it runs."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings = settings
        self.home = home
        self.line = Line(settings.path, settings.max_waiting)
        if settings.keep:
            self.line.finished = self._keep

    def model(self) -> dict[str, Any]:
        """What the page says of the model."""
        opened, settings = self.line.opened, self.settings
        spec = opened.spec
        return {
            "name": settings.model,
            "version": settings.version,
            "hash": spec.model_hash,
            "regions": spec.output.regions,
            "classes": {str(number): name for number, name in spec.output.classes.items()},
            "noun": spec.output.noun,
            "channels": spec.input.channels,
            "low_confidence_below": spec.decision.low_confidence_below,
            "demo": demo.suits(spec.input),
            "corrections": settings.corrections is not None,
            "remark": opened.remark,
        }

    def card(self) -> str:
        """The model's card as HTML. Raises `Refusal` where it has none."""
        from stages.reporting import markdown  # not needed to segment

        folder = self.settings.path if self.settings.path.is_dir() else self.settings.path.parent
        try:
            return markdown.html((folder / "model_card.md").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise Refusal(404, "the model has no card beside it") from None

    async def take(self, headers: Headers, named: str | None, chunks: AsyncIterator[bytes]) -> list[Entry]:
        """The scans of an upload, in line. Raises `Refusal` where there is none, or no room for them."""
        if self.line.waiting >= self.settings.max_waiting:
            raise full(self.line.waiting)
        folder = self._new_folder()
        try:
            received = await upload.receive(headers, named, chunks, folder, self.settings.max_bytes)
            return await self._admit(received)
        except BaseException as error:
            shutil.rmtree(folder.parent, ignore_errors=True)
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise Refusal(507, "the disk is full; free some space") from None
            raise

    async def show_demo(self) -> list[Entry]:
        """A generated scan, in line. Raises `Refusal` where the model takes others."""
        if not demo.suits(self.line.opened.spec.input):
            raise Refusal(409, "the model takes other sequences than the sample's scans have")
        folder = self._new_folder()
        await asyncio.to_thread(demo.write, folder)
        return await self._admit(Received(folder, []))

    def _new_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.home)) / _NAME
        folder.mkdir()
        return folder

    async def _admit(self, received: Received) -> list[Entry]:
        model_input = self.line.opened.spec.input
        listing = await asyncio.to_thread(intake.scans, received, model_input, self.settings.max_bytes)
        uploaded, notes = received.folder.parent, tuple(listing.notes())
        entries = [Entry(scan, uploaded, notes) for scan in listing.scans]
        entries += [Entry.lost(path, why, uploaded, notes) for path, why in listing.failed]
        self.line.admit(entries)
        return entries

    async def correct(self, key: str, who: str, content: bytes, packed: bool) -> Entry:
        """Give a scan the labels that a person drew: bytes, of gzip where packed. Raises `Refusal` for
        labels that are not of this scan's size and this model's classes.
        """
        entry, answer = self.line.done(key)
        seen = answer.view
        shape = seen.slices, seen.rows, seen.columns
        labels = np.frombuffer(_unpacked(content, packed, int(np.prod(shape))), np.uint8)
        if labels.size != np.prod(shape):
            raise Refusal(400, f"labels are {shape[0]} x {shape[1]} x {shape[2]} bytes, not {labels.size}")
        classes = self.line.opened.spec.output.classes
        if labels.max(initial=0) > max(classes):
            raise Refusal(400, f"labels are 0 to {max(classes)}, not {labels.max()}")
        await self.line.correct(entry, answer, labels.reshape(shape))
        await self._collect(entry, who)
        return entry

    async def accept(self, key: str, who: str) -> Entry:
        """Say that a scan's mask is right."""
        entry, _ = self.line.done(key)
        if entry.verdict is None:
            entry.verdict = "accepted"
        await self._collect(entry, who)
        return entry

    async def _collect(self, entry: Entry, who: str) -> None:
        """Add a mask that a person judged to the corrections, where these are kept."""
        answer = entry.answer
        if self.settings.corrections and entry.verdict and answer:
            statement = Statement(entry.verdict, who, self.settings.version)
            await self.line.collect(entry, answer, statement, self.settings.corrections)

    def results(self, key: str) -> Path:
        """An archive of a scan's files with its summary, which its reader removes."""
        entry, _ = self.line.done(key)
        return self._summarised([replace(entry, place="")])

    def all_results(self) -> Path:
        """An archive of all scans' files with their summary, which its reader removes."""
        return self._summarised(self.line.entries.values())

    def _summarised(self, entries: Iterable[Entry]) -> Path:
        with tempfile.TemporaryDirectory(dir=self.home) as folder:
            return self._packed(archives.everything(entries, self.line.opened.spec, Path(folder)))

    def folder_of_masks(self, folder: Path) -> Path:
        """An archive of a folder of masks, which its reader removes."""
        return self._packed(list(archives.below(folder, folder.name)))

    def _packed(self, files: list[tuple[str, Path]]) -> Path:
        handle, name = tempfile.mkstemp(suffix=".zip", dir=self.home)
        os.close(handle)
        archives.pack(Path(name), files)
        return Path(name)

    def _keep(self, entry: Entry) -> None:
        """Put a scan's results where they stay, beside those of others and their summary."""
        assert self.settings.keep is not None
        shutil.copytree(entry.results, self.settings.keep / entry.place, dirs_exist_ok=True)
        archives.summarised(self.line.entries.values(), self.line.opened.spec, self.settings.keep)


def _unpacked(content: bytes, packed: bool, size: int) -> bytes:
    """Labels of `size` bytes, and no more than these of gzip. Raises `Refusal` where it is damaged."""
    if not packed:
        return content
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, size + 1)
    except zlib.error:
        raise Refusal(400, "the labels are no gzip; send them as they are, or packed whole") from None
