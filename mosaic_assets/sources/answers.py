"""What the answer of a tile server means: a body that may be a picture, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from mosaic_assets.core.records import Outcome

if TYPE_CHECKING:
    from mosaic_assets.sources.transfers import Received

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HOSTS = 16
"""Servers of which one run remembers what it needs for every tile."""


class Answer(NamedTuple):
    """What came of one request, after all retries.

    ``outcome`` is ``None`` for a body that may be a picture, else as in `Fetched`; ``unreachable`` marks a
    host to which not even a connection could be made, ``unusable`` one that no tile can be had from as things
    stand: its certificate is not valid, or its address is none.
    """

    outcome: Outcome | None
    detail: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    """Those that are used, by their names in lower case."""
    unreachable: bool = False
    unusable: bool = False


def judge(received: Received, max_body_bytes: int) -> Answer:
    """Say what a final answer means for the tile."""
    status, body, headers = received.status, received.body, received.headers
    if status != 200:
        return Answer(Outcome.MISSING if status in (204, 404) else Outcome.REFUSED, f"status {status}")
    if body is None:
        return Answer(Outcome.REFUSED, f"an answer larger than {max_body_bytes} bytes")
    document = _document(headers.get("content-type", ""), body)
    if document:
        return Answer(Outcome.NOT_AN_IMAGE, document, headers=headers)
    return Answer(None, body=body, headers=headers)


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


def origin(url: str) -> str:
    """Return an address up to its path: all of it that tells the host, and the same for all tiles of a server.

    Examples
    --------
    >>> origin("https://tiles.example:8443/15/1/2?key=3")
    'https://tiles.example:8443'
    """
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


def host(url: str) -> str:
    """Return the host and port of an address, without the name and password that may stand before them.

    Examples
    --------
    >>> host("http://me:secret@tiles.example:8080/15/1/2")
    'tiles.example:8080'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def target_on_host(url: str, location: str) -> str | None:
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
