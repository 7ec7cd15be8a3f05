"""The one HTTP client: it asks politely, gives up in time, and says in one record what came of it.

Passing failures (timeout, connection refused or lost, truncated answer, a status in `answers.PASSING_STATUSES`) are
tried again with growing pauses; everything else is final at the first answer. No error and no record of this
module contains a URL, because URLs carry access keys.
"""

from __future__ import annotations

import functools
import heapq
import queue
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mosaic_assets import __version__
from mosaic_assets.core.records import Outcome
from mosaic_assets.settings import Network
from mosaic_assets.sources.answers import (
    HOSTS,
    PASSING_STATUSES,
    REDIRECTS,
    Answer,
    host,
    judge,
    origin,
    retry_after_s,
    target_on_host,
)
from mosaic_assets.sources.limits import RateLimiter

if TYPE_CHECKING:
    from mosaic_assets.sources.transfers import Received, Transfers

MAX_REDIRECTS = 3
AHEAD = 4
"""Answers under way or waiting to be taken, in units of the connections: bounds memory when the taker is slow."""
MAX_BACKOFF_S = 8.0
"""Where pauses stop doubling, seconds; what a server asks for by Retry-After is another matter."""
TICK_S = 0.01
"""How soon the thread of the transfers notices what another thread did, seconds."""


class HttpClient:
    """A pooled, rate-limited HTTP client for tiles; safe to share between threads.

    Parameters
    ----------
    network
        Timeouts, retries and limits.
    requests_per_s
        Limit a host; ``None`` for none.
    max_connections
        Requests under way at a time.
    clock
        Monotonic seconds; replaced in tests.
    pause
        Told of every pause about to be made, seconds; answers with the one to make. Replaced in tests.
    now
        The time of day, UTC, against which a ``Retry-After`` date is read.

    Examples
    --------
    >>> client = HttpClient(Network(retries=0), requests_per_s=None, max_connections=1)
    >>> client.get("http://127.0.0.1:9/").detail
    'connection refused'
    >>> client.close()
    """

    def __init__(
        self,
        network: Network,
        *,
        requests_per_s: float | None,
        max_connections: int,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], float] = float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.network = network
        self.max_connections = max_connections
        self.clock = clock
        self.pause = pause
        self.now = now
        self.limiter = RateLimiter(requests_per_s, clock=clock)
        self.closed = threading.Event()

    def get(self, url: str) -> Answer:
        """Ask for `url`, with retries; never raises for anything a server does."""
        with closing(self.get_all([url])) as answers:
            return next(answers)

    def get_all(self, urls: Iterable[str]) -> Generator[Answer]:
        """Ask for all of `urls`; yield the answers in their order.

        At most ``4 * max_connections`` answers are under way or waiting to be taken, so a slow taker bounds memory.
        Closing the iterator early breaks off what is under way.
        """
        run = _Run(self, urls)
        thread = threading.Thread(target=run.drive, name="http-transfers", daemon=True)
        thread.start()
        try:
            yield from run.answers()
        finally:
            run.stopped.set()
            thread.join()

    def close(self) -> None:
        """End all pauses and break off what is under way; its answers are failures."""
        self.closed.set()

    def headers(self) -> list[str]:
        """Return what every request says of us."""
        contact = f" (+{self.network.contact})" if self.network.contact else ""
        return [f"User-Agent: mosaic_assets/{__version__}{contact}", "Accept: image/*,*/*;q=0.5"]


@dataclass(slots=True)
class _Request:
    """One URL on its way through redirects and retries."""

    number: int
    first_url: str
    url: str
    """Where the next try goes: behind a redirect, its target."""
    attempt: int = 0
    redirects: int = 0
    booked: bool = False
    """It has its place in the rate limit; only the time has to come."""
    failure: str = "the client was closed"


class _Run:
    """All requests of one `HttpClient.get_all`: driven by one thread, taken by another.

    What one wait for the servers brought is handed over together: to wake the taker for every answer would have the two
    threads hand the interpreter's lock around.
    """

    def __init__(self, client: HttpClient, urls: Iterable[str]) -> None:
        self._client = client
        self._urls = iter(enumerate(urls))
        self._more = True
        self._due: list[tuple[float, int, _Request]] = []  # a heap: when to start it, its number, the request
        self._early: dict[int, Answer] = {}  # waiting for those before them
        self._ready: list[Answer] = []  # in order, to be handed over
        self._ordered = 0  # answers that were ever ready
        self._ended: queue.SimpleQueue[list[Answer] | BaseException | None] = queue.SimpleQueue()
        self._begun = 0
        self._taken = 0  # only the taker counts it, only the driver compares it
        self._most = AHEAD * client.max_connections
        self._room = threading.Event()
        self._host = functools.lru_cache(HOSTS)(host)
        self.stopped = threading.Event()

    def answers(self) -> Generator[Answer]:
        """Yield the answers in order, each as soon as those before it have come."""
        enough = self._most - self._client.max_connections
        while (group := self._ended.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            group.reverse()
            while group:
                yield group.pop()  # what was taken is not kept
                self._taken += 1
                if self._begun - self._taken == enough:
                    self._room.set()

    def drive(self) -> None:
        """Send requests and receive answers until all are done; the body of the thread."""
        from mosaic_assets.sources.transfers import Transfers

        client = self._client
        try:
            with closing(Transfers[_Request](client.network, client.headers(), client.max_connections)) as transfers:
                while not self.stopped.is_set() and self._step(transfers):
                    continue
            self._hand_over()
            self._ended.put(None)
        except BaseException as error:  # a bug of ours: whoever takes the answers must not wait for ever
            self._hand_over()
            self._ended.put(error)

    def _step(self, transfers: Transfers[_Request]) -> bool:
        """Start what may start and receive what has come; False when nothing is left to do."""
        if self._client.closed.is_set():
            self._give_up(transfers)
            return False
        self._begin(transfers)
        self._hand_over()  # now that the servers have something to do
        if transfers.busy:
            for request, received in transfers.wait(self._until_due()):
                self._receive(request, received)
        elif self._due:
            self._client.closed.wait(self._until_due())
        elif self._more:  # and no room: go on when there is work for all connections, or for some after a while
            self._room.wait(TICK_S)
        return bool(self._due or self._more or transfers.busy)

    def _until_due(self) -> float:
        return min(TICK_S, max(0.0, self._due[0][0] - self._client.clock())) if self._due else TICK_S

    def _begin(self, transfers: Transfers[_Request]) -> None:
        booked = 0
        if self._due:
            now = self._client.clock()
            while self._due and self._due[0][0] <= now and transfers.free:
                self._send(transfers, heapq.heappop(self._due)[2])
            booked = sum(request.booked for _, _, request in self._due)
        while transfers.free > booked and (request := self._next()):
            booked += not self._send(transfers, request)

    def _next(self) -> _Request | None:
        """Return the next request that was not begun yet, if there is room for its answer."""
        if not self._more:
            return None
        if self._begun - self._taken >= self._most:
            self._room.clear()
            return None
        for number, url in self._urls:
            self._begun += 1
            return _Request(number, url, url)
        self._more = False
        return None

    def _send(self, transfers: Transfers[_Request], request: _Request) -> bool:
        """Start a request, or book its place in the rate limit for later; True if it was started."""
        if not request.booked:
            wait_s = self._client.limiter.reserve(self._host(origin(request.url)))
            if wait_s > 0:
                request.booked = True
                self._schedule(request, wait_s)
                return False
        request.booked = False
        transfers.start(request, request.url)
        return True

    def _schedule(self, request: _Request, wait_s: float) -> None:
        pause_s = self._client.pause(wait_s) if wait_s else 0.0
        heapq.heappush(self._due, (self._client.clock() + pause_s, request.number, request))

    def _receive(self, request: _Request, received: Received) -> None:
        """Follow a redirect, try again after a passing failure, or pass the answer on."""
        if received.status == 200 and received.body:
            self._end(request, judge(received, self._client.network.max_body_bytes))
        elif received.failure:
            if received.final:
                # Behind a redirect it is that one tile's fault.
                self._end(request, Answer(Outcome.REFUSED, received.failure, unusable=not request.redirects))
            else:
                self._retry(request, received.failure, None, received.unreachable)
        elif received.status in REDIRECTS:
            self._redirect(request, received)
        elif received.status in PASSING_STATUSES:
            asked_s = retry_after_s(received.headers.get("retry-after", ""), self._client.now())
            self._retry(request, f"status {received.status}", asked_s)
        elif received.status == 200 and received.body == b"" and "content-length" not in received.headers:
            self._retry(request, "a truncated answer", None)  # lost while its header was still coming
        else:
            self._end(request, judge(received, self._client.network.max_body_bytes))

    def _redirect(self, request: _Request, received: Received) -> None:
        target = target_on_host(request.url, received.headers.get("location", ""))
        request.redirects += 1
        if target is None:
            self._end(request, Answer(Outcome.REFUSED, f"status {received.status}, a redirect away from its host"))
        elif request.redirects > MAX_REDIRECTS:
            self._end(request, Answer(Outcome.REFUSED, f"a redirect loop, or more than {MAX_REDIRECTS} redirects"))
        else:
            request.url = target
            self._schedule(request, 0.0)

    def _retry(self, request: _Request, failure: str, retry_after_s: float | None, unreachable: bool = False) -> None:
        """Try again after a pause, or give up; a pause that the server asks for holds for every request to it."""
        network = self._client.network
        if request.attempt >= network.retries:
            self._end(request, Answer(Outcome.FETCH_FAILED, failure, unreachable=unreachable))
            return
        delay_s = min(network.backoff_s * 2**request.attempt, MAX_BACKOFF_S) * _spread(
            request.first_url, request.attempt
        )
        request.attempt += 1
        request.url, request.redirects, request.failure = request.first_url, 0, failure
        if retry_after_s is None:
            self._schedule(request, delay_s)
        else:
            asked_s = max(min(retry_after_s, network.max_retry_after_s), delay_s)
            self._client.limiter.pause(host(request.url), asked_s)
            self._schedule(request, 0.0)

    def _end(self, request: _Request, answer: Answer) -> None:
        self._early[request.number] = answer
        while self._ordered in self._early:
            self._ready.append(self._early.pop(self._ordered))
            self._ordered += 1

    def _hand_over(self) -> None:
        if self._ready:
            self._ended.put(self._ready)
            self._ready = []

    def _give_up(self, transfers: Transfers[_Request]) -> None:
        """Answer everything that is open: the client was closed."""
        for request in [*transfers.under_way, *(request for _, _, request in self._due)]:
            self._end(request, Answer(Outcome.FETCH_FAILED, request.failure))
        for number, url in self._urls:
            self._end(_Request(number, url, url), Answer(Outcome.FETCH_FAILED, "the client was closed"))


def _spread(url: str, attempt: int) -> float:
    """Return a factor 0.5..1.5 that differs between tiles, so that they do not all return at once."""
    return 0.5 + zlib.crc32(f"{attempt} {url}".encode()) / 2**32
