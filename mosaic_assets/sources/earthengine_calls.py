"""How Earth Engine is spoken to: one session, one transport, a limit on requests, and patience where it helps.

Passing failures (429, 408, 5xx, a lost connection, a rate limit told by 403) are tried again after a growing pause
with jitter; a 429 slows all requests down, not only the one refused. Everything else ends at the first answer. No
message contains an address, because addresses carry tokens.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from mosaic_assets import __version__
from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.settings import Network
from mosaic_assets.sources.answers import PASSING_STATUSES, retry_after_s
from mosaic_assets.sources.limits import RateLimiter

Answer = TypeVar("Answer")

HIGH_VOLUME = "https://earthengine-highvolume.googleapis.com"
"""The endpoint made for many small requests."""
IN_FLIGHT = 40
"""Requests that a project may have under way at a time."""
REQUESTS_PER_S = 100.0
"""Requests a second that a project may send."""
COMPUTE_S = 300.0
"""How long an answer is waited for, seconds; a median over years is slow to compute."""
MAX_BACKOFF_S = 32.0
"""Where pauses stop doubling, seconds; quotas are counted by the minute."""
CHECK_REQUEST = "check collection, dates, bands, permissions and the size of a chip"
"""What to do when pixels are refused."""
_RATE_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
_RATE_WORDS = ("too many requests", "rate limit", "rate of requests", "too many concurrent")
_started = threading.Lock()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed, and whether asking again may help."""

    detail: str
    passing: bool
    limited: bool = False
    """True when the server says that there are too many requests."""
    retry_after_s: float | None = None
    remedy: str = ""
    """What to do about it, when that does not depend on what was asked for."""


class Transport:
    """Connections to Earth Engine, pooled and with a timeout; what the client takes for an ``httplib2.Http``.

    The client's own one keeps 10 connections and waits for ever.

    Parameters
    ----------
    connect_s, answer_s
        How long a connection and an answer are waited for, seconds.
    """

    def __init__(
        self, connect_s: float, *, answer_s: float = COMPUTE_S, connections: int = IN_FLIGHT, agent: str = ""
    ) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self._timeout_s = (connect_s, answer_s)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"mosaic_assets/{__version__}{agent}"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=connections))

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        redirections: int | None = None,
        connection_type: object = None,
    ) -> tuple[Any, bytes]:
        """Send a request; return what ``httplib2`` would: (response, body)."""
        import httplib2  # type: ignore[import-untyped]
        import requests

        del redirections, connection_type
        try:
            answer = self._session.request(method, uri, data=body, headers=headers, timeout=self._timeout_s)
        except requests.exceptions.ConnectTimeout:
            raise TimeoutError(f"no connection within {self._timeout_s[0]:g} s") from None
        except requests.exceptions.Timeout:
            raise TimeoutError(f"no answer within {self._timeout_s[1]:g} s") from None
        except requests.exceptions.RequestException as error:
            raise ConnectionError(f"connection failed or lost ({type(error).__name__})") from None
        return httplib2.Response({**answer.headers, "status": answer.status_code}), answer.content

    def get(self, address: str) -> bytes:
        """Return the body behind an address; another status than 200 raises the client's own ``HttpError``."""
        from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

        answer, body = self.request(address)
        if answer.status != 200:
            raise HttpError(answer, body)
        return body

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


def load_client() -> Any:
    """Return Earth Engine's client, the module ``ee``.

    Raises
    ------
    SourceError
        It is not installed.
    """
    try:
        import ee
    except ImportError as error:
        raise SourceError(
            f"Earth Engine was asked for imagery, but its client cannot be imported ({error}); it is an optional extra: "
            'install it by `pip install "mosaic_assets[earthengine]"`, or choose another imagery back end'
        ) from error
    return ee


class Caller:
    """Sends requests within Earth Engine's limits and tries again what may pass; safe to share between threads.

    Parameters
    ----------
    network
        ``retries``, ``backoff_s`` and ``max_retry_after_s`` are used.
    in_flight
        Requests under way at a time, over all threads.
    clock, sleep, spread
        Monotonic seconds; how to wait; a factor 0.5..1.5 for every pause. Replaced in tests.
    """

    def __init__(
        self,
        network: Network,
        *,
        in_flight: int = IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        spread: Callable[[], float] = lambda: random.SystemRandom().uniform(0.5, 1.5),
    ) -> None:
        self._network = network
        self._places = threading.BoundedSemaphore(in_flight)
        self._limiter = RateLimiter(REQUESTS_PER_S, clock=clock)
        self._sleep = sleep
        self._spread = spread

    def __call__(self, attempt: str, call: Callable[[], Answer], *, remedy: str = CHECK_REQUEST) -> Answer:
        """Return what `call` returns; `attempt` says what it does, `remedy` what to do when it is refused.

        Raises
        ------
        SourceError
            Earth Engine refuses for good.
        SourceUnavailableError
            Passing failures outlasted the retries.
        """
        tries = self._network.retries + 1
        for number in range(tries):
            try:
                return self._once(call)
            except Exception as error:
                failure = read_failure(error)
                if failure is None:
                    raise  # not an answer of the service: a bug, which must not be retried or hidden
                if not failure.passing:
                    raise SourceError(
                        f"{attempt} was refused by Earth Engine: {failure.detail}. Asking again would not help; "
                        f"{failure.remedy or remedy}"
                    ) from error
                last, cause = failure, error
            if number + 1 < tries:
                self._pause(last, number)
        raise SourceUnavailableError(
            f"{attempt} failed {tries} times, last with: {last.detail}. Run again later; chips already cut are kept"
        ) from cause

    def _once(self, call: Callable[[], Answer]) -> Answer:
        wait_s = self._limiter.reserve(HIGH_VOLUME)
        if wait_s > 0:
            self._sleep(wait_s)
        with self._places:
            return call()

    def _pause(self, failure: Failure, number: int) -> None:
        delay_s = min(self._network.backoff_s * 2**number, MAX_BACKOFF_S) * self._spread()
        if failure.retry_after_s is not None:
            delay_s = max(delay_s, min(failure.retry_after_s, self._network.max_retry_after_s))
        if failure.limited:
            self._limiter.pause(HIGH_VOLUME, delay_s)  # the next try waits for its turn in `_once`
        else:
            self._sleep(delay_s)


def start_session(ee: Any, caller: Caller, project: str, transport: Transport, credentials: Any, endpoint: str) -> None:
    """Initialize the client for a project; it keeps one session a process, the one started last.

    Parameters
    ----------
    project
        The Google Cloud project that is charged, registered for Earth Engine.
    credentials
        ``"persistent"``: those of ``earthengine authenticate`` or the environment's; else an object of google-auth.
    endpoint
        Address of the service, without a path.

    Raises
    ------
    SourceError
        No project, no credentials, or the service refuses them.
    SourceUnavailableError
        The service did not answer.
    """
    if not project:
        raise SourceError(
            "Earth Engine charges a Google Cloud project, and none is named; register one for Earth Engine and name it"
        )

    def initialize() -> None:
        # The client would retry by itself, and nobody else would slow down meanwhile.
        ee.data.setMaxRetries(0)
        ee.Initialize(credentials=credentials, project=project, url=endpoint, http_transport=transport)

    with _started:  # the client's state is the process's
        caller(
            f"starting a session with Earth Engine for project {project!r}",
            initialize,
            remedy="run `earthengine authenticate`, or check the project and the network",
        )


def read_failure(error: BaseException) -> Failure | None:
    """Say what an exception of the client or the transport means; None when it is not about the service."""
    from google.auth.exceptions import GoogleAuthError

    chain = _chain(error)
    for link in chain:
        answer = getattr(link, "resp", None)  # googleapiclient's HttpError, often behind an EEException
        if answer is not None and hasattr(answer, "status"):
            return _failure_of_status(link, answer)
    for link in chain:
        if isinstance(link, (ConnectionError, TimeoutError)):
            return Failure(str(link) or type(link).__name__, passing=True)
        if isinstance(link, GoogleAuthError):
            passing = bool(getattr(link, "retryable", False))
            return Failure(f"signing in failed ({link})", passing=passing, remedy="run `earthengine authenticate`")
    if type(error).__name__ == "EEException":
        limited = any(words in str(error).lower() for words in _RATE_WORDS)
        return Failure(str(error), passing=limited, limited=limited)
    return None


def _failure_of_status(error: BaseException, answer: Any) -> Failure:
    status = int(answer.status)
    content = getattr(error, "content", b"") or b""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    limited = status == 429 or (status == 403 and any(reason in text for reason in _RATE_REASONS))
    return Failure(
        f"status {status}, {getattr(error, 'reason', '') or 'no reason given'}",
        passing=limited or status in PASSING_STATUSES or status >= 500,
        limited=limited,
        retry_after_s=retry_after_s(str(answer.get("retry-after", "")), datetime.now(UTC)),
    )


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an exception and those behind it, nearest first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
