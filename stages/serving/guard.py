"""Who may ask: programs of this machine, or whoever has the token, and no other page in a browser."""

import hmac
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stages.serving.refusal import Refusal

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERY = ("0.0.0.0", "::")
"""Addresses that mean all of a machine's."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Of every answer."""


@dataclass(frozen=True)
class Access:
    """hosts: names under which the server answers, None for any. token: what a request must have, if any."""

    hosts: frozenset[str] | None
    token: str | None

    @classmethod
    def to(cls, host: str, token: str | None) -> "Access":
        """To a server that listens on `host`. Under which names one of all addresses is asked nobody knows;
        there it is the token that other pages do not have.
        """
        return cls(None if host in EVERY else frozenset({*LOOPBACK, host.lower()}), token)

    def refusal(self, path: str, headers: Headers) -> Refusal | None:
        """Why a request is refused; None where it is not."""
        host = headers.get("host", "")
        if self.hosts is not None and hostname(host) not in self.hosts:
            # A page elsewhere whose name was made to lead to this machine sends its own name.
            return Refusal(421, "this server has another name; use the address that it printed")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin is not None and origin.partition("://")[2] != host
        if path.startswith("/api") and (foreign or site in ("cross-site", "same-site")):
            return Refusal(403, "another page asked for this; only the server's own may")
        if self.token is not None and path.startswith("/api"):
            scheme, _, sent = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(sent.strip().encode(), self.token.encode())
            if scheme.lower() != "bearer" or not right:
                return Refusal(401, "the token is missing or wrong; send Authorization: Bearer <token>")
        return None


def hostname(host: str) -> str:
    """A Host header without its port, in lower case."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if ":" in name else name


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self.access.refusal(scope["path"], Headers(scope=scope))
        if refused is None:
            await self.app(scope, receive, send_guarded)
            return
        more = {"www-authenticate": "Bearer"} if refused.status == 401 else None
        answer = JSONResponse({"error": refused.sentence}, refused.status, headers=more)
        await answer(scope, receive, send_guarded)
