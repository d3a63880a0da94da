"""The server's life: its socket, its folder, its process with the model, and how these end."""

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import uvicorn

from stages.core.errors import UserError
from stages.serving import workspace
from stages.serving.guard import EVERY
from stages.serving.service import Service
from stages.serving.settings import Settings

_PATIENCE = 3
"""Seconds that answers under way are given at the end."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address; port 0 takes a free one. Raises `UserError` where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UserError(f"--host {host} is no address of this machine; leave it out, or name one") from None
    # With its protocol: asyncio lets small answers wait, for 40 ms, at sockets that do not tell theirs.
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(uvicorn.Config(app="").backlog)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} is taken, perhaps by another `brainseg serve`; choose one with --port"
        else:
            why = f"{host}:{port} cannot be had ({error.strerror}); choose others with --host and --port"
        raise UserError(why) from None
    try:
        yield opened
    finally:
        opened.close()


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM. Raises `UserError` where the model cannot be opened."""
    with workspace.opened() as home:
        service = Service(settings, home)
        opening = asyncio.create_task(service.line.open())
        await asyncio.sleep(0)  # the model is opened while this process loads what it answers with
        from stages.serving import app

        await opening
        try:
            config = uvicorn.Config(
                app.of(service),
                lifespan="on",
                log_level="error",
                access_log=False,  # names of patients' files are nobody's business
                server_header=False,
                timeout_graceful_shutdown=_PATIENCE,
            )
            server = _Server(config, lambda: _announce(settings, listener, service.line.opened.remark))
            await server.serve([listener])
        finally:
            service.line.close()


def _announce(settings: Settings, listener: socket.socket, remark: str) -> None:
    host, port = listener.getsockname()[:2]
    named = socket.gethostname() if host in EVERY else f"[{host}]" if ":" in host else host
    secret = f"#token={quote(settings.access.token, safe='')}" if settings.access.token else ""
    if remark:
        print(f"note: {remark}", file=sys.stderr)
    print(f"http://{named}:{port}/{secret} shows new scans with their masks; Ctrl-C ends it", flush=True)


class _Server(uvicorn.Server):
    """One that ends at a signal and lets its caller clean up; uvicorn's raises the signal again. announce:
    called once it answers, and signals end it well.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self.announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
