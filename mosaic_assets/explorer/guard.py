"""What every request must pass before anything looks at it, and the headers of every answer.

The explorer listens on loopback, where any page that a browser has open can send requests. So it answers only under names
that it was given (a page that rebinds its own name to 127.0.0.1 is turned away), lets nobody else read its answers (no
CORS, ``same-origin`` resources), takes no method that could change anything, and runs no script but its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_assets.explorer.problems import problem

LONGEST_ADDRESS = 8_192
"""Bytes of path and query together."""
LARGEST_BODY = 65_536
"""Bytes of a request's body; only a STAC search has one."""
METHODS = ("GET", "HEAD", "POST")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?", re.ASCII)
_RAW = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())


class Guard:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(map(host_of, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that must not pass; hand on all others."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no WebSockets here

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_RAW]
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            status, detail = refusal
            headers = {"allow": ", ".join(METHODS)} if status == 405 else None
            await problem(status, detail, headers)(scope, receive, send_guarded)
            return
        # Whatever can be got can be asked about; routes know GET only.
        got = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self._app(got, _Limited(receive), send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason if a request must not pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = host_of(hosts[0]) if len(hosts) == 1 else ""
        if host not in self._hosts:
            return 421, (
                f"asking for the host {host[:80]!r}: expected one of {', '.join(sorted(self._hosts))}; "
                "start the explorer with --allow-host to add another"
            )
        if scope["method"] not in METHODS:
            return 405, f"the method {scope['method'][:20]!r}: the explorer only reads; use GET"
        if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > LONGEST_ADDRESS:
            return 414, f"the address has more than {LONGEST_ADDRESS:,} bytes; ask for less at a time"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > LARGEST_BODY:
            return 413, f"a body of {length[:20]} bytes: expected {LARGEST_BODY:,} at most; ask for less at a time"
        return None


class _Limited:
    """Receives a body up to the limit, also when it comes in chunks without a length."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left = receive, LARGEST_BODY

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            return {"type": "http.disconnect"}
        return message


def host_of(header: str) -> str:
    """Return the name or address of a Host header, lower-case, without its port.

    Examples
    --------
    >>> host_of("LocalHost:8000"), host_of("[::1]:8000"), host_of("127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1')
    >>> host_of("localhost:80@example.org")
    'localhost:80@example.org'
    """
    host = header.strip().lower()
    found = _HOST.fullmatch(host)
    return found[1] if found else host
