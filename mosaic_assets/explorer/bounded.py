"""HTTP as uvicorn reads it, within limits of size and time that it leaves open.

A request's head (its line and its headers) may be no larger than `LARGEST_HEAD`; a request must be there `REQUEST_S` after it
began, and an answer must be taken within `ANSWER_S` of being stuck. Whoever does otherwise is told so, or cut off.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mosaic_assets.explorer.guard import HEADERS, LONGEST_ADDRESS
from mosaic_assets.explorer.problems import problem

LARGEST_HEAD = 32_768
"""Bytes."""
MOST_HEADERS = 100
REQUEST_S = 20.0
ANSWER_S = 30.0


class _RefusedError(ValueError):
    """Stops uvicorn's parser."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; see the module."""

    request_s = REQUEST_S
    answer_s = ANSWER_S

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head = 0
        """Bytes of the head so far; -1 once it is whole."""
        self._told = False
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head has become too large without an end."""
        if self._told:
            return
        if self._head >= 0:
            self._head += len(data)
        before = self._head
        super().data_received(data)
        if self._head == before and before > LARGEST_HEAD:
            self._refuse(431, f"a head of more than {LARGEST_HEAD:,} bytes; send fewer or shorter headers")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = max(self._head, 0)
        if self._late is None:
            self._await_request()

    def on_headers_complete(self) -> None:
        """The head is whole: refuse what no browser and no script of good will sends."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if not self.url.startswith(b"/"):
            self._refuse(400, f"the target {self.url[:60]!r}: expected a path such as /api/search")
        elif len(self.url) > LONGEST_ADDRESS:
            self._refuse(414, f"the address has more than {LONGEST_ADDRESS:,} bytes; ask for less at a time")
        elif size > LARGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._refuse(431, f"a head of {size:,} bytes and {len(self.headers)} headers; send fewer or shorter ones")
        elif self.limit_concurrency and max(len(self.connections), len(self.tasks)) >= self.limit_concurrency:
            self._refuse(
                503, f"{self.limit_concurrency} connections or requests are open already; ask again in a moment"
            )
        if self._told:
            raise _RefusedError
        self._head = -1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Whoever asked does not take the answer."""
        super().pause_writing()
        self._stuck = self.loop.call_later(self.answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        """They take it again."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Say that this is not HTTP, as a problem; uvicorn calls it when its parser gives up."""
        self._refuse(400, msg)

    def _await_request(self) -> None:
        self._late = self.loop.call_later(self.request_s, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of an answer nothing else can be said
        else:
            self._refuse(408, f"the request was not whole after {self.request_s:g} s; send it at once")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer once, and hang up."""
        if self._told or self.transport.is_closing():
            return
        self._told = True
        if self._head >= 0 and self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # the request before is not answered yet: this would be taken for its answer
            return
        answer = problem(status, detail, {**HEADERS, "connection": "close"})
        lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in answer.raw_headers), b"\r\n", answer.body]
        self.transport.write(b"".join(bytes(line) for line in lines))
        self.transport.close()
