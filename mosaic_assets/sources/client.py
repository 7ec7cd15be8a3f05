"""The one HTTP client: it asks politely, gives up in time, and says in one record what came of it.

Passing failures (timeout, connection refused or lost, truncated answer, a status in `PASSING_STATUSES`) are
tried again with growing pauses; everything else is final at the first answer. No error and no record of this
module contains a URL, because URLs carry access keys.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse, HTTPResponse

from mosaic_assets import __version__
from mosaic_assets.core.records import Outcome
from mosaic_assets.settings import Network
from mosaic_assets.sources.limits import RateLimiter

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3
PATIENCE = 4
"""Time limit of a whole answer in units of ``Network.timeout_s``, which itself limits each part of it."""
CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request, after all retries.

    ``outcome`` is ``None`` for a body that may be a picture, else as in `Fetched`; ``unreachable`` marks a
    host to which not even a connection could be made.
    """

    outcome: Outcome | None
    detail: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    unreachable: bool = False


class _PassingError(Exception):
    """May not happen again; never leaves this module."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable


class _FinalError(Exception):
    """Would happen again; never leaves this module."""


class HttpClient:
    """A pooled, rate-limited HTTP client for tiles; safe to share between threads.

    Parameters
    ----------
    network
        Timeouts, retries and limits.
    requests_per_s
        Limit a host; ``None`` for none.
    max_connections
        Connections kept open to a host; no more callers than that should ask at a time.
    clock, sleep
        Monotonic seconds, and a way to wait for seconds; replaced in tests. The default sleep ends at once
        when the client is closed.
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
        sleep: Callable[[float], object] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._network = network
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._clock = clock
        self._now = now
        self._limiter = RateLimiter(requests_per_s, clock=clock, sleep=self._sleep)
        self._connections = max_connections
        self._managers: dict[str, urllib3.PoolManager] = {}
        self._managers_lock = threading.Lock()
        self._watchdog = _Watchdog(PATIENCE * network.timeout_s)

    def get(self, url: str) -> Answer:
        """Ask for `url`, with retries; never raises for anything a server does."""
        failure = _PassingError("the client was closed")
        for attempt in range(self._network.retries + 1):
            if self._closed.is_set():
                break
            try:
                return self._follow(url)
            except _FinalError as error:
                return Answer(Outcome.REFUSED, str(error))
            except _PassingError as error:
                failure = error
            if attempt < self._network.retries:
                self._back_off(url, attempt, failure)
        return Answer(Outcome.FETCH_FAILED, failure.reason, unreachable=failure.unreachable)

    def close(self) -> None:
        """Close idle connections and end all pauses; callers under way return with their last failure."""
        self._closed.set()
        with self._managers_lock:
            for manager in self._managers.values():
                manager.clear()
        self._watchdog.close()

    def _back_off(self, url: str, attempt: int, failure: _PassingError) -> None:
        """Wait before the next try; a pause that the server asks for holds for every request to it."""
        delay_s = self._network.backoff_s * 2**attempt * _spread(url, attempt)
        if failure.retry_after_s is None:
            self._sleep(delay_s)
        else:
            asked_s = min(failure.retry_after_s, self._network.max_retry_after_s)
            self._limiter.pause(_host(url), max(asked_s, delay_s))

    def _follow(self, url: str) -> Answer:
        """One try, following redirects that stay on the host."""
        for _ in range(MAX_REDIRECTS + 1):
            status, headers, body = self._exchange(url)
            if status not in REDIRECTS:
                return self._judge(status, headers, body)
            target = _target_on_host(url, headers.get("Location", ""))
            if target is None:
                return Answer(Outcome.REFUSED, f"status {status}, a redirect away from its host")
            url = target
        return Answer(Outcome.REFUSED, f"a redirect loop, or more than {MAX_REDIRECTS} redirects")

    def _exchange(self, url: str) -> tuple[int, Mapping[str, str], bytes | None]:
        """One request and its answer; the body is None when it is larger than allowed."""
        self._limiter.wait(_host(url))
        deadline = self._clock() + PATIENCE * self._network.timeout_s
        try:
            response = self._manager(url).urlopen(
                "GET",
                url,
                headers=self._headers(),
                timeout=urllib3.Timeout(connect=self._network.timeout_s, read=self._network.timeout_s),
                redirect=False,
                retries=False,
                preload_content=False,
            )
            try:
                return response.status, response.headers, self._read(response, deadline)
            finally:
                # After a whole body the connection is back in its pool; otherwise it is of no more use.
                response.close()
                response.release_conn()
        except (HTTPError, OSError) as error:
            raise _sorted_out(error) from None  # not chained: urllib3's own texts contain the URL

    def _read(self, response: BaseHTTPResponse, deadline: float) -> bytes | None:
        """Read the body part by part, so that neither a flood nor a drip goes on for ever."""
        limit = self._network.max_body_bytes
        if isinstance(response, HTTPResponse) and (response.length_remaining or 0) > limit:
            return None
        parts: list[bytes] = []
        size = 0
        while part := response.read1(CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if size > limit:
                return None
            if self._clock() > deadline:
                raise _PassingError(f"the answer took longer than {PATIENCE * self._network.timeout_s:g} s")
        return b"".join(parts)

    def _judge(self, status: int, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Say what a final answer means for the tile."""
        if status in PASSING_STATUSES:
            wait_s = retry_after_s(headers.get("Retry-After", ""), self._now())
            raise _PassingError(f"status {status}", retry_after_s=wait_s)
        if status in (204, 404):
            return Answer(Outcome.MISSING, f"status {status}")
        if status != 200:
            return Answer(Outcome.REFUSED, f"status {status}")
        if body is None:
            return Answer(Outcome.REFUSED, f"an answer larger than {self._network.max_body_bytes} bytes")
        if not body and "Content-Length" not in headers:
            raise _PassingError("a truncated answer")  # lost while its header was still coming
        document = _document(headers.get("Content-Type", ""), body)
        if document:
            return Answer(Outcome.NOT_AN_IMAGE, document, headers=headers)
        return Answer(None, body=body, headers=headers)

    def _headers(self) -> dict[str, str]:
        contact = f" (+{self._network.contact})" if self._network.contact else ""
        agent = f"mosaic_assets/{__version__}{contact}"
        return {"User-Agent": agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}

    def _manager(self, url: str) -> urllib3.PoolManager:
        """Return the pools for direct connections, or for the proxy named by the environment."""
        host = _host(url)
        with self._managers_lock:
            if host not in self._managers:
                self._managers[host] = _new_manager(_proxy(urlsplit(url)), self._connections, self._watchdog)
            return self._managers[host]


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks to wait, >= 0; None when absent or unreadable.

    Examples
    --------
    >>> noon = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    >>> retry_after_s("5", noon), retry_after_s("soon", noon)
    (5.0, None)
    >>> retry_after_s("Thu, 01 Jan 2026 12:00:30 GMT", noon)
    30.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _spread(url: str, attempt: int) -> float:
    """Return a factor 0.5..1.5 that differs between tiles, so that they do not all return at once."""
    return 0.5 + zlib.crc32(f"{attempt} {url}".encode()) / 2**32


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _target_on_host(url: str, location: str) -> str | None:
    """Return where a redirect leads, or None when that is no address on the same host and port.

    The step up from http to https on their standard ports stays on the host.
    """
    try:
        target = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(target)
        ports = (here.port or _standard_port(here), there.port or _standard_port(there))
    except ValueError:  # not an address at all
        return None
    upgrade = (here.scheme, there.scheme, *ports) == ("http", "https", 80, 443)
    same = here.scheme == there.scheme and ports[0] == ports[1]
    return target if location and here.hostname == there.hostname and (same or upgrade) else None


def _standard_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _document(content_type: str, body: bytes) -> str:
    """Name the kind of text that came instead of a picture, or ''; bytes outrank their label."""
    if body.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")):
        return ""
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "an empty answer"
    if "html" in content_type.lower() or start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if "json" in content_type.lower() or start.startswith((b"{", b"[")):
        return "a JSON document"
    return "an XML document" if start.startswith(b"<?xml") else ""


def _sorted_out(error: Exception) -> _PassingError | _FinalError:
    """Translate what urllib3 raises; texts are our own, because its texts contain the URL."""
    if isinstance(error, NameResolutionError):
        return _PassingError("host name not found", unreachable=True)
    if isinstance(error, NewConnectionError):
        refused = isinstance(error.__cause__, ConnectionRefusedError)
        return _PassingError("connection refused" if refused else "no connection", unreachable=True)
    if isinstance(error, ConnectTimeoutError):
        return _PassingError("no connection in time", unreachable=True)
    if isinstance(error, ProxyError):
        return _PassingError("the proxy refused or failed", unreachable=True)
    if isinstance(error, ReadTimeoutError):
        return _PassingError("no answer in time")
    if isinstance(error, SSLError):
        inner = error.args[0] if error.args else None
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _FinalError("its certificate is not valid")
        return _PassingError("the encrypted connection failed")
    if any(isinstance(part, IncompleteRead) for part in error.args):
        return _PassingError("a truncated answer")
    return _PassingError("connection lost")


def _proxy(parts: SplitResult) -> str:
    """Return the URL of the proxy to use, or ''; loopback is never asked for through one."""
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return ""
    return getproxies().get(parts.scheme, "")


def _new_manager(proxy: str, connections: int, watchdog: _Watchdog) -> urllib3.PoolManager:
    """Return connection pools whose connections are watched while a header is under way."""

    class Http(HTTPConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself does
            with watchdog.over(self):
                return super().getresponse()

    class Https(HTTPSConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]
            with watchdog.over(self):
                return super().getresponse()

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    manager = (
        urllib3.ProxyManager(proxy, num_pools=4, maxsize=connections)
        if proxy
        else urllib3.PoolManager(num_pools=4, maxsize=connections)
    )
    manager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return manager


class _Watchdog:
    """Breaks connections whose header has not come in time.

    A socket's own timeout begins anew with every byte, so a header that drips would hold a thread for ever. One
    thread watches all requests of a client: a timer for each costs a third of the throughput on a fast network.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._deadlines: dict[HTTPConnection, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: HTTPConnection) -> Iterator[None]:
        """Watch a connection for as long as the block runs."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + self._limit_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                in_time = self._deadlines.pop(connection, None) is not None
            if not in_time:  # what came of the header looks like a whole one to http.client
                raise TimeoutError("header not complete in time")

    def close(self) -> None:
        """Break everything that is still watched, and end."""
        self._stop.set()
        self._break_older_than(math.inf)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._limit_s / 20):
            self._break_older_than(time.monotonic())

    def _break_older_than(self, now: float) -> None:
        with self._lock:
            late = [connection for connection, deadline in self._deadlines.items() if deadline < now]
            for connection in late:
                del self._deadlines[connection]
                if connection.sock is not None:
                    with suppress(OSError):  # it broke by itself
                        connection.sock.shutdown(socket.SHUT_RDWR)
