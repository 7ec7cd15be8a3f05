"""Large files over HTTP: ranges where the server gives them, whole files with their checksum where it does not.

Passing failures (timeouts, lost connections, truncated answers, a status in `PASSING_STATUSES`) are tried again with
growing pauses. A pause that the server asks for holds for every request to it; one longer than
`network.max_retry_after_s` ends the attempt with a `SourceUnavailableError` that says when to come back. No error
contains a header, so none contains a token.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from mosaic_assets import __version__
from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.settings import Network
from mosaic_assets.sources.answers import PASSING_STATUSES, REDIRECTS, retry_after_s
from mosaic_assets.sources.client import MAX_BACKOFF_S
from mosaic_assets.sources.http_errors import (
    ComeBackLaterError,
    FileRefusedError,
    PassingAnswerError,
    as_passing,
    kind_of_failure,
    redirected,
)
from mosaic_assets.sources.limits import RateLimiter

if TYPE_CHECKING:
    import requests

MAX_REDIRECTS = 5
PART_BYTES = 1 << 18
"""Read from a connection at a time."""
MAX_FORM_ANSWER_BYTES = 1_000_000
MIN_BYTES_PER_S = 1_000
"""A body that has come more slowly than this for `network.timeout_s` is broken off."""

Result = TypeVar("Result")


class Tokens(Protocol):
    """Gives bearer tokens, and takes back those that a server no longer accepts."""

    def get(self) -> str:
        """Return a token that is valid now."""

    def drop(self, token: str) -> None:
        """Forget a token that was refused."""


class HttpFiles:
    """A pooled client for JSON and large files; safe to share between threads.

    Parameters
    ----------
    network : timeouts, pauses, contact.
    connections : requests under way at a time.
    retries : further tries after a passing failure.
    sleep, now : replaced in tests.
    """

    def __init__(
        self,
        network: Network,
        *,
        connections: int,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._network = network
        self._retries = retries
        self._tokens: Tokens | None = None  # see `with_tokens`
        self._sleep = sleep
        self._now = now
        self._limiter = RateLimiter(None)
        self._room = threading.BoundedSemaphore(connections)
        self._idle: list[requests.Session] = []
        self._lock = threading.Lock()
        self.bytes_received = 0
        """Of all bodies so far."""
        self.no_ranges = threading.Event()
        """Set once a server has answered a request for a range with the whole file."""

    def metered(self) -> HttpFiles:
        """Return a client that counts its own bytes and shares everything else with this one."""
        meter = copy.copy(self)
        meter.bytes_received = 0
        return meter

    def with_tokens(self, tokens: Tokens) -> HttpFiles:
        """Return a client that sends tokens and shares connections, limits and pauses with this one."""
        bearer = self.metered()
        bearer._tokens = tokens
        return bearer

    def get(
        self,
        url: str,
        use: Callable[[requests.Response], Result],
        *,
        attempt: str,
        headers: Mapping[str, str] | None = None,
        tries: int | None = None,
    ) -> Result:
        """Ask for `url` until `use` has made something of a good answer (200 or 206); return that.

        Parameters
        ----------
        url : its scheme, host and path; redirects stay on the host or its sister hosts.
        use : reads the body; raises `PassingAnswerError` for an answer worth another try.
        attempt : what is being done, to begin messages with.
        tries : how often at most; default: once and the retries.

        Raises
        ------
        SourceUnavailableError
            Passing failures outlasted the retries, or the server asks to come back much later.
        FileRefusedError
            403, 404, 410 or another final refusal.
        SourceError
            The token is refused again and again.
        """
        return self._persist(attempt, lambda: self._once(url, use, attempt, headers or {}), tries or self._retries + 1)

    def body(self, url: str, at_most: int, *, attempt: str) -> bytes:
        """Return the whole body of an answer, at most so many bytes; see `get`."""
        return self.get(url, lambda response: b"".join(self.read(response, at_most)), attempt=attempt)

    def post(self, url: str, data: Mapping[str, str], *, attempt: str) -> tuple[int, Any]:
        """Send a form; return the status and the JSON of the answer (``None`` if it is none). No token is sent."""
        return self._persist(attempt, lambda: self._post_once(url, data), self._retries + 1)

    def pause_after(self, tries: int, error: SourceUnavailableError) -> None:
        """Pause before a further try of the caller's own, or raise ``error`` when there were enough or it bars them."""
        if tries > self._retries or isinstance(error, ComeBackLaterError):
            raise error
        self._sleep(self._delay_s(tries))

    def _delay_s(self, number: int) -> float:
        return float(min(self._network.backoff_s * 2 ** min(number, 10), MAX_BACKOFF_S))

    def read(self, response: requests.Response, at_most: int) -> Iterator[bytes]:
        """Yield a body in parts as they come. Raises `PassingAnswerError` when it breaks off, dawdles or is too long."""
        import requests
        import urllib3

        began, received = time.monotonic(), 0
        try:
            while part := response.raw.read1(PART_BYTES, decode_content=True):
                received += len(part)
                self._count(len(part))
                if received > at_most:
                    raise PassingAnswerError(f"more than {at_most:,} bytes")
                yield part
                seconds = time.monotonic() - began
                if seconds > self._network.timeout_s and received < MIN_BYTES_PER_S * seconds:
                    raise PassingAnswerError(f"a body that dawdles: {received:,} bytes in {seconds:.0f} s")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise PassingAnswerError(kind_of_failure(error)) from error

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            for session in self._idle:
                session.close()
            self._idle.clear()

    def _count(self, size: int) -> None:
        with self._lock:
            self.bytes_received += size

    def _persist(self, attempt: str, once: Callable[[], Result], tries: int) -> Result:
        """Call `once` until it answers; pause after each passing failure."""
        failure = "no try was made"
        for number in range(tries):
            try:
                return once()
            except PassingAnswerError as passing:
                failure = str(passing)
                self._refuse_long_wait(attempt, passing)
                if number < tries - 1:
                    self._sleep(max(self._delay_s(number), passing.wait_s or 0.0))
        raise SourceUnavailableError(
            f"{attempt} failed {tries} time(s), the last with {failure}; nothing that was done is lost. Try again later"
        )

    def _refuse_long_wait(self, attempt: str, passing: PassingAnswerError) -> None:
        if passing.wait_s is None or passing.wait_s <= self._network.max_retry_after_s:
            return
        until = self._now() + timedelta(seconds=passing.wait_s)
        raise ComeBackLaterError(
            f"{attempt} failed: {passing}; the server asks to come back at {until:%Y-%m-%d %H:%M} UTC, which is longer than "
            f"network.max_retry_after_s = {self._network.max_retry_after_s:.0f} s. Nothing that was done is lost: run again then"
        )

    def _once(
        self, url: str, use: Callable[[requests.Response], Result], attempt: str, headers: Mapping[str, str]
    ) -> Result:
        """Ask once, and once more with a new token when the first is refused."""
        token = self._tokens.get() if self._tokens else ""
        with self._asked(url, token, headers) as response:
            if response.status_code != 401 or self._tokens is None:
                return self._used(response, use, attempt)
        self._tokens.drop(token)
        with self._asked(url, self._tokens.get(), headers) as response:
            return self._used(response, use, attempt)

    def _used(self, response: requests.Response, use: Callable[[requests.Response], Result], attempt: str) -> Result:
        self._refuse(response, attempt)
        return use(response)

    @contextmanager
    def _asked(self, url: str, token: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Send a request and follow its redirects; hold one of the connections until the answer is done with."""
        import requests

        with self._room, self._borrowed(url) as session:
            for _ in range(MAX_REDIRECTS + 1):
                self._wait_for(url)
                try:
                    response = session.get(
                        url,
                        headers=dict(headers),
                        auth=_Bearer(token),
                        timeout=self._network.timeout_s,
                        stream=True,
                        allow_redirects=False,
                    )
                except requests.RequestException as error:
                    raise as_passing(error) from error
                with response:
                    if response.status_code not in REDIRECTS:
                        yield response
                        return
                    url = redirected(url, response.headers.get("Location", ""))
        raise SourceError(f"fetching from {urlsplit(url).netloc} failed: more than {MAX_REDIRECTS} redirects")

    def _post_once(self, url: str, data: Mapping[str, str]) -> tuple[int, Any]:
        import json

        import requests

        with self._room, self._borrowed(url) as session:
            self._wait_for(url)
            try:
                response = session.post(
                    url,
                    data=dict(data),
                    auth=_Bearer(""),
                    timeout=self._network.timeout_s,
                    stream=True,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise as_passing(error) from error
            with response:
                self._raise_if_passing(response)
                body = b"".join(self.read(response, MAX_FORM_ANSWER_BYTES))
        try:
            return response.status_code, json.loads(body)
        except (ValueError, RecursionError):
            return response.status_code, None

    def _refuse(self, response: requests.Response, attempt: str) -> None:
        """Raise for any status but 200 and 206."""
        self._raise_if_passing(response)
        status = response.status_code
        if status in (200, 206):
            return
        if status == 401:
            raise SourceError(f"{attempt} failed: status 401, the token is refused; check the account, then run again")
        raise FileRefusedError(f"{attempt} failed: the server refuses it with status {status}", status)

    def _raise_if_passing(self, response: requests.Response) -> None:
        asked = response.headers.get("Retry-After", "")
        if response.status_code not in PASSING_STATUSES and not (response.status_code == 403 and asked):
            return
        wait_s = retry_after_s(asked, self._now())
        if wait_s is not None and wait_s <= self._network.max_retry_after_s:
            self._limiter.pause(urlsplit(response.url).netloc, wait_s)
        raise PassingAnswerError(f"status {response.status_code}", wait_s)

    def _wait_for(self, url: str) -> None:
        wait_s = self._limiter.reserve(urlsplit(url).netloc)
        if wait_s > 0:
            self._sleep(wait_s)

    @contextmanager
    def _borrowed(self, url: str) -> Iterator[requests.Session]:
        """Lend a session to one thread at a time: sessions are not made to be shared."""
        with self._lock:
            session = self._idle.pop() if self._idle else self._new_session()
        session.trust_env = urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")  # no proxy to oneself
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)

    def _new_session(self) -> requests.Session:
        import requests

        session = requests.Session()
        contact = f" (+{self._network.contact})" if self._network.contact else ""
        session.headers["User-Agent"] = f"mosaic_assets/{__version__}{contact}"
        session.headers["Accept-Encoding"] = "identity"  # a compressed range could not be told from a short one
        return session


class _Bearer:
    """Puts the token into a request; also keeps `requests` from taking a password out of ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request
