"""Pixels of chips from the Web-Mercator tiles of a source."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mosaic_assets.chips.records import Transform, Window
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE
from mosaic_assets.errors import SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mosaic_assets.sources.base import TileSource

KEPT_TILES = 256
"""Decoded tiles that are kept for the neighbours that need them too; 50 MB."""


class TileImagery:
    """The Web-Mercator tiles of a source at one zoom as one picture of the world: 256 * 2**zoom pixels a side."""

    crs, bands, dtype, nodata = "EPSG:3857", ("red", "green", "blue"), "uint8", None

    def __init__(self, source: TileSource, zoom: int) -> None:
        self._source, self.zoom = source, zoom
        self.record = source.record
        side = TILE_SIZE << zoom
        half = np.pi * EARTH_RADIUS_M
        pixel = 2 * half / side
        self.size = (side, side)
        self.transform: Transform = (pixel, 0.0, -half, 0.0, -pixel, half)
        self.licence, self.attribution = source.record.licence, source.record.attribution
        self.identity = f"tiles:{'/'.join(source.record.identity)}:{source.record.name}:{zoom}"
        self._tiles: OrderedDict[Tile, NDArray[np.uint8] | None] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, windows: Iterable[Window]) -> None:
        """Fetch the tiles of some windows together, as many at a time as the source allows."""
        with self._lock:
            self._fetch([tile for window in windows for tile in self._tiles_of(window)])

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Return (3, height, width) pixels, masked where the source has no tile.

        Raises
        ------
        SourceUnavailableError
            A tile failed although it was asked for again and again; running again later may help.
        SourceError
            A tile that is no picture, or refused.
        """
        window = Window(row, column, height, width)
        pixels: Any = np.ma.array(np.zeros((3, height, width), np.uint8), mask=True)
        with self._lock:
            tiles = self._tiles_of(window)
            self._fetch(tiles)
            held = [(tile, self._tiles[tile]) for tile in tiles]
        for tile, picture in held:
            if picture is not None:
                _paste(pixels, picture, tile.y * TILE_SIZE - row, tile.x * TILE_SIZE - column)
        answer: NDArray[Any] = pixels
        return answer

    def _tiles_of(self, window: Window) -> list[Tile]:
        rows = range(window.row // TILE_SIZE, -(-(window.row + window.height) // TILE_SIZE))
        columns = range(window.column // TILE_SIZE, -(-(window.column + window.width) // TILE_SIZE))
        side = 1 << self.zoom
        return [Tile(x, y, self.zoom) for y in rows for x in columns if x < side and y < side]

    def _fetch(self, tiles: list[Tile]) -> None:
        wanted = list(dict.fromkeys(tiles))
        for tile in wanted:
            if tile in self._tiles:
                self._tiles.move_to_end(tile)
        missing = [tile for tile in wanted if tile not in self._tiles]
        if missing:
            with closing(self._source.fetch(missing)) as answers:
                for answer in answers:
                    self._tiles[answer.tile] = self._picture(answer)
        while len(self._tiles) > max(KEPT_TILES, len(wanted)):
            self._tiles.popitem(last=False)

    def _picture(self, answer: Fetched) -> NDArray[np.uint8] | None:
        outcome, detail, image = answer.outcome, answer.detail, None
        if answer.body is not None:
            image, outcome, detail = decode_tile(answer.body)
        if outcome in (None, Outcome.MISSING, Outcome.PLACEHOLDER):
            return image
        where = f"tile x={answer.tile.x} y={answer.tile.y} z={answer.tile.z} of {self.record.name}"
        if outcome is Outcome.FETCH_FAILED:
            raise SourceUnavailableError(
                f"fetching {where} failed: {detail}. Chips cut so far are kept; run again later"
            )
        raise SourceError(
            f"{where} cannot be used: {outcome} ({detail}); mend or change chips.source. Chips cut so far are kept"
        )

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)


def _paste(pixels: Any, picture: NDArray[np.uint8], top: int, left: int) -> None:
    """Put a tile into a window at a place that may lie partly outside."""
    height, width = pixels.shape[1:]
    rows = slice(max(0, top), min(height, top + TILE_SIZE))
    columns = slice(max(0, left), min(width, left + TILE_SIZE))
    part = picture[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    pixels[:, rows, columns] = np.moveaxis(part, 2, 0)
