"""The gallery as methods see it: one picture of the world in Web Mercator pixels, cut into cells of 256 x 256.

A pixel of ``GoogleCRS84Quad`` is as high as wide in degrees, so on the ground it is a rectangle, 4.77 m by 3.27 m in central
France; a query may be turned, and no turn of it fits such pixels. Web Mercator keeps shapes: the same place differs by a
turn and a scale only. So rows of a ``GoogleCRS84Quad`` gallery are resampled, and one of its tiles fills about 1 / cos(latitude)
cells. A ``WebMercatorQuad`` gallery is taken as it is: its cells are its tiles.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD, Grid
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.records import Corners, Image, LngLat
from mosaic_assets.store.gallery_db import GalleryDatabase

MIN_COVERED = 0.25
"""Share of a cell that tiles of the gallery must cover for it to count."""

TILES_KEPT = 600
"""Decoded tiles that are kept in memory, 0.2 MB each."""


class Window(NamedTuple):
    """A piece of the world picture."""

    image: Image
    """Black where the gallery has no tile."""
    covered: NDArray[np.bool_]
    """(h, w), where the gallery has a tile."""
    left: int
    """Column of the world picture that the first column is."""
    top: int


class GalleryView:
    """Tiles of one zoom of an opened gallery, the newest of each place, in Web Mercator pixels."""

    def __init__(self, database: GalleryDatabase, zoom: int, time: str | None = None) -> None:
        self.database, self.zoom, self.time = database, zoom, time
        self.tiles = frozenset(database.tiles(zoom, time))
        if not self.tiles:
            had = ", ".join(map(str, database.zooms())) or "none"
            raise GalleryError(
                f"localizing in {database.path}: the gallery has no tiles at zoom {zoom} (zooms with tiles: {had}); build them "
                "with `mosaic gallery build`, or set gallery.localize_zoom"
            )
        self.tile = functools.lru_cache(TILES_KEPT)(self._decoded)

    @property
    def grid(self) -> Grid:
        """Grid of the gallery's own tiles."""
        return self.database.grid

    @functools.cached_property
    def synthetic(self) -> bool:
        """Whether any of the gallery's imagery is made up."""
        return any(bool(coverage.provenance.get("synthetic")) for coverage in self.database.coverages())

    @functools.cached_property
    def cells(self) -> list[Tile]:
        """Web Mercator tiles that the gallery covers to `MIN_COVERED` at least, column by column from the west."""
        if self.grid.is_mercator:
            return sorted(self.tiles)
        shares: dict[Tile, float] = {}
        for tile in self.tiles:
            for cell, share in _shares(self.grid.bounds(tile), self.zoom, tile.x):
                shares[cell] = shares.get(cell, 0.0) + share
        return sorted(cell for cell, share in shares.items() if share >= MIN_COVERED)

    @functools.cached_property
    def covered_cells(self) -> frozenset[Tile]:
        """The same, to look up whether one is there."""
        return frozenset(self.cells)

    def cell(self, cell: Tile) -> Window:
        """Read the picture of a cell."""
        return self.window(cell.x * TILE_SIZE, cell.y * TILE_SIZE, TILE_SIZE, TILE_SIZE)

    def window(self, left: int, top: int, width: int, height: int) -> Window:
        """Read a piece of the world picture; places without a tile are black and not covered."""
        wanted = np.arange(top, top + height)
        if self.grid.is_mercator:
            return Window(*self._rows(wanted, left, width), left, top)
        _, lat = WEB_MERCATOR_QUAD.lnglat_at(0.0, wanted + 0.5, self.zoom)
        middles = self.grid.pixel_at(0.0, np.clip(lat, -90.0, 90.0), self.zoom)[1] - 0.5
        above = np.floor(middles).astype(np.int64)
        image, covered = self._rows(above, left, width)
        below, also = self._rows(above + 1, left, width)
        # Linear between the two rows where both are there; at the gallery's edge the one that is.
        share = (middles - above)[:, None, None] * (covered & also)[:, :, None] + (also & ~covered)[:, :, None]
        mixed = image + (below.astype(np.float32) - image) * share.astype(np.float32)
        return Window(np.rint(mixed).astype(np.uint8), covered | also, left, top)

    def _rows(self, rows: NDArray[np.int64], left: int, width: int) -> tuple[Image, NDArray[np.bool_]]:
        """Pixels of some rows of the gallery's own picture of the world, and which of them are there."""
        image = np.zeros((len(rows), width, 3), np.uint8)
        covered = np.zeros((len(rows), width), np.bool_)
        for x in range(left // TILE_SIZE, (left + width - 1) // TILE_SIZE + 1):
            at, to = max(x * TILE_SIZE, left), min((x + 1) * TILE_SIZE, left + width)
            out, within = slice(at - left, to - left), slice(at - x * TILE_SIZE, to - x * TILE_SIZE)
            for y in np.unique(rows // TILE_SIZE).tolist():
                picture = self.tile(Tile(x, y, self.zoom)) if Tile(x, y, self.zoom) in self.tiles else None
                if picture is not None:
                    mine = rows // TILE_SIZE == y
                    image[mine, out] = picture[rows[mine] % TILE_SIZE, within]
                    covered[mine, out] = True
        return image, covered

    def lnglat(self, column: float, row: float) -> LngLat:
        """Place of a point of the world picture."""
        lng, lat = WEB_MERCATOR_QUAD.lnglat_at(column, row, self.zoom)
        return float(lng), float(lat)

    def corners(self, points: NDArray[np.float64]) -> Corners:
        """Places of four points (4, 2) of the world picture: column, row."""
        one, two, three, four = (self.lnglat(float(column), float(row)) for column, row in points)
        return one, two, three, four

    def cell_corners(self, cell: Tile) -> Corners:
        """Corners of a cell."""
        left, top = cell.x * TILE_SIZE, cell.y * TILE_SIZE
        right, bottom = left + TILE_SIZE, top + TILE_SIZE
        return self.corners(np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64))

    def _decoded(self, tile: Tile) -> Image | None:
        body = self.database.read(tile, self.time)
        return None if body is None else decode_tile(body)[0]


def _shares(bounds: Bounds, zoom: int, x: int) -> list[tuple[Tile, float]]:
    """Say which cells of a column a box meets, and which share of their height it covers."""
    limit = WEB_MERCATOR_QUAD.max_lat
    lat = np.clip([bounds.north, bounds.south], -limit, limit)
    top, bottom = (float(row) / TILE_SIZE for row in WEB_MERCATOR_QUAD.pixel_at(0.0, lat, zoom)[1])
    cells = range(int(np.floor(top)), int(np.ceil(bottom)))
    return [(Tile(x, y, zoom), min(bottom, y + 1) - max(top, y)) for y in cells]
