"""Tiles over HTTP, from any server with one URL a tile."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tiles import check_tile
from mosaic_assets.errors import SettingsError, SourceError, SourceUnavailableError
from mosaic_assets.settings import Settings
from mosaic_assets.sources.answers import Answer
from mosaic_assets.sources.client import HttpClient
from mosaic_assets.sources.records import SourceRecord

UNREACHABLE_AT_ONCE = 8
"""Tiles in a row without a connection, none answered before, after which a source counts as down."""
REFUSED_AT_ONCE = 20
"""Tiles refused for good, none answered before, after which a source counts as shut to us: a wrong key, say."""
FAILED_IN_A_ROW = 20
"""Passing failures in a row, each after all its retries, after which a source counts as down."""


class XyzSource:
    """Tiles of a server whose record has ``kind="xyz"``.

    Parameters
    ----------
    record
        Template, limits and placeholder rules of the provider.
    settings
        Timeouts and retries are taken from ``settings.network``.
    client
        Asks the server; replaced in tests.
    environ
        Where the access key is looked up; default: the process environment.

    Raises
    ------
    SettingsError
        The record names an environment variable for its key, and that is not set.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> from mosaic_assets.sources.providers import PRESETS
    >>> with XyzSource(PRESETS["usgs"], load_settings()) as source:
    ...     source.url(Tile(x=3, y=5, z=4))[-5:]
    '4/5/3'
    """

    def __init__(
        self,
        record: SourceRecord,
        settings: Settings,
        *,
        client: HttpClient | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.record = record
        self._key = _key(record, os.environ if environ is None else environ)
        self._client = client or HttpClient(
            settings.network, requests_per_s=record.requests_per_s, max_connections=record.max_connections
        )
        self._breaker = _Breaker(record)
        # The same for all tiles.
        self._template = record.url.replace("{key}", quote(self._key, safe=""))
        self._template = self._template.replace("{release}", quote(record.release, safe=""))

    def url(self, tile: Tile) -> str:
        """Return the address of a tile. It contains the access key: never show it."""
        y = 2**tile.z - 1 - tile.y if self.record.y_from_south else tile.y
        return self._template.replace("{z}", str(tile.z)).replace("{x}", str(tile.x)).replace("{y}", str(y))

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        """Yield one answer for each tile, in order; at most four times `max_connections` tiles are fetched ahead.

        Raises
        ------
        GeometryError
            A tile that does not exist.
        SourceUnavailableError
            The server is down: `UNREACHABLE_AT_ONCE` or `FAILED_IN_A_ROW` tiles failed one after the other.
        SourceError
            No tile can be had from it as things stand: its certificate is not valid, its address is none, or it refuses
            the first `REFUSED_AT_ONCE` tiles.
        """
        for tile in tiles:
            check_tile(tile)
        with closing(self._client.get_all(map(self.url, tiles))) as answers:
            for tile, answer in zip(tiles, answers, strict=True):
                self._breaker.note(answer)
                yield self._judge(tile, answer)

    def _judge(self, tile: Tile, answer: Answer) -> Fetched:
        """Turn the client's answer into a tile's; here the provider's own "no imagery" marks are known."""
        headers = answer.headers
        outcome, detail = answer.outcome, answer.detail
        if outcome is None:
            detail = _placeholder(self.record, headers, answer.body)
            outcome = Outcome.PLACEHOLDER if detail else None
        return Fetched(
            tile=tile,
            body=answer.body if outcome is None else None,
            outcome=outcome,
            fetched_at=datetime.now(UTC),
            etag=headers.get("etag", ""),
            content_type=headers.get("content-type", ""),
            detail=detail,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


class _Breaker:
    """Notices that a whole server is down, so that nobody grinds through a thousand tiles."""

    def __init__(self, record: SourceRecord) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._alive = False
        self._failed = 0
        self._unreachable = 0
        self._refused = 0

    def note(self, answer: Answer) -> None:
        """Count one answer; raise when it is the one too many."""
        if answer.outcome is None and self._alive and not self._failed:
            return  # as most are: nothing changes
        with self._lock:
            if answer.unusable:
                raise self._unusable(answer.detail)
            if answer.outcome is Outcome.REFUSED and not self._alive:
                self._refused += 1
                if self._refused >= REFUSED_AT_ONCE:
                    raise self._shut(answer.detail)
                return
            if answer.outcome is not Outcome.FETCH_FAILED:
                self._alive, self._failed, self._unreachable = True, 0, 0
                return
            self._failed += 1
            self._unreachable = self._unreachable + 1 if answer.unreachable else 0
            never_there = not self._alive and self._unreachable >= UNREACHABLE_AT_ONCE
            if never_there or self._failed >= FAILED_IN_A_ROW:
                raise self._error(answer.detail)

    def _server(self) -> str:
        parts = urlsplit(self._record.url)
        try:
            port: object = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:  # the address is none, which is what this is about
            port = "unknown"
        return f"source {self._record.name!r} from {parts.hostname} port {port}"

    def _unusable(self, reason: str) -> SourceError:
        return SourceError(
            f"fetching tiles of {self._server()} was given up: {reason}. No tile was recorded. If its certificate is of "
            "an authority of your own, name that authority's file in SSL_CERT_FILE; if the address is wrong, mend the "
            "source's url; else ask whoever runs the server"
        )

    def _shut(self, reason: str) -> SourceError:
        return SourceError(
            f"fetching tiles of {self._server()} was given up: it refused the first {self._refused} tiles asked for, and "
            f"gave none; the last reason was: {reason}. No tile was recorded. Check the access key, the terms, and the "
            "source's url and zoom"
        )

    def _error(self, reason: str) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"fetching tiles of {self._server()} failed for "
            f"{self._failed} tiles in a row, each after all retries; the last reason was: {reason}. "
            "Check that the server runs and can be reached from here, then try again later"
        )


def _key(record: SourceRecord, environ: Mapping[str, str]) -> str:
    if "{key}" not in record.url:
        return ""
    key = environ.get(record.key_variable, "").strip()
    if not key:
        raise SettingsError(
            f"opening source {record.name!r} needs its provider's access key in the environment variable "
            f"{record.key_variable}, which is not set; set it and try again"
        )
    return key


def _placeholder(record: SourceRecord, headers: Mapping[str, str], body: bytes) -> str:
    """Name the sign by which a picture is known to stand for "no imagery here", or ''."""
    if headers.get("blank-tile", "").lower() == "true":
        return "header blank-tile"
    if headers.get("x-ve-tile-info", "").lower() == "no-tile":
        return "header X-VE-Tile-Info"
    if record.placeholder_sha256 and hashlib.sha256(body).hexdigest() in record.placeholder_sha256:
        return "a known placeholder picture"
    return ""
