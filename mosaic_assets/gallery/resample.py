"""From one grid to the other. Columns are the same in both, so only rows are resampled, in one dimension.

A pixel of ``GoogleCRS84Quad`` is as wide as one of ``WebMercatorQuad`` at the same zoom and 1 / cos(latitude) times as high.
Hence from Web Mercator each row is the exact average of what it covers, and the other way it is interpolated between the two
nearest rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.core.tile_range import TileRange
from mosaic_assets.core.tiles import MAX_LAT, TILE_SIZE

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float64]


def mercator_tiles_under(tile: Tile) -> list[Tile]:
    """Web-Mercator tiles of the same zoom and column that a plate-carree tile needs, from the north; none beyond 85.05 degrees.

    Examples
    --------
    >>> mercator_tiles_under(Tile(16400, 12016, 15))
    [Tile(x=16400, y=11392, z=15), Tile(x=16400, y=11393, z=15)]
    """
    west, south, east, north = CRS84_QUAD.bounds(tile)
    if north > MAX_LAT or south < -MAX_LAT:
        return []
    return list(WEB_MERCATOR_QUAD.tiles_in(Bounds(west, south, east, north), tile.z))


def to_plate_carree(tile: Tile, found: Mapping[Tile, Pixels]) -> Pixels | None:
    """Draw a plate-carree tile from Web-Mercator tiles: each row is the average of the rows under it.

    Parameters
    ----------
    tile : of `GoogleCRS84Quad`.
    found : uint8 (256, 256, 3) by Web-Mercator tile.

    Returns
    -------
    uint8 (256, 256, 3), or None where one of `mercator_tiles_under` is not found.
    """
    under = mercator_tiles_under(tile)
    if not under or not all(one in found for one in under):
        return None
    edges = _row_edges(tile) - under[0].y * TILE_SIZE
    return average_rows(np.concatenate([found[one] for one in under]), edges)


def average_rows(picture: Pixels, edges: _Floats) -> Pixels:
    """Average the rows between edges, each weighted by the share of it that lies between them.

    Parameters
    ----------
    picture : uint8 (rows, columns, 3).
    edges : float64 (n + 1,), ascending, in rows from the top of the picture, 0 to its height.

    Examples
    --------
    >>> rows = np.array([0, 100, 200], np.uint8).reshape(3, 1, 1)
    >>> average_rows(rows, np.array([0.5, 2.0, 3.0])).ravel()
    array([ 67, 200], dtype=uint8)
    """
    height = len(picture)
    edges = np.clip(edges, 0.0, height)  # rounding may leave the picture by 1e-9 of a row
    sums = np.zeros((height + 1, *picture.shape[1:]), np.int64)
    np.cumsum(picture, axis=0, dtype=np.int64, out=sums[1:])
    whole = np.minimum(edges.astype(np.int64), height - 1)
    share = (edges - whole)[:, None, None]
    until = sums[whole] + share * picture[whole]
    return np.asarray(np.rint(np.diff(until, axis=0) / np.diff(edges)[:, None, None]), np.uint8)


def plate_carree_tiles_over(tile: Tile) -> TileRange:
    """Plate-carree tiles of the same zoom that a Web-Mercator tile lies in, one or two of one column."""
    return CRS84_QUAD.tiles_in(WEB_MERCATOR_QUAD.bounds(tile), tile.z)


def to_mercator(tile: Tile, found: Mapping[Tile, Pixels]) -> Pixels | None:
    """Draw a Web-Mercator tile from plate-carree tiles: each row is interpolated at the latitude of its middle.

    Rows beyond the middle of the outermost row found repeat it, half a row at most.

    Parameters
    ----------
    tile : of `WebMercatorQuad`.
    found : uint8 (256, 256, 3) by plate-carree tile.

    Returns
    -------
    uint8 (256, 256, 3), or None where one of `plate_carree_tiles_over` is not found.
    """
    over = list(plate_carree_tiles_over(tile))
    if not all(one in found for one in over):
        return None
    middles = tile.y * TILE_SIZE + np.arange(TILE_SIZE) + 0.5
    _, lat = WEB_MERCATOR_QUAD.lnglat_at(0.0, middles, tile.z)
    _, rows = CRS84_QUAD.pixel_at(0.0, lat, tile.z)
    picture = np.concatenate([found[one] for one in over]).astype(np.float64)
    place = np.clip(rows - over[0].y * TILE_SIZE - 0.5, 0.0, len(picture) - 1.0)
    upper = np.minimum(place.astype(np.int64), len(picture) - 2)
    share = (place - upper)[:, None, None]
    return np.asarray(np.rint(picture[upper] * (1.0 - share) + picture[upper + 1] * share), np.uint8)


def _row_edges(tile: Tile) -> _Floats:
    """Edges of a plate-carree tile's rows, float64 (257,), in rows of the whole Web-Mercator world."""
    rows = tile.y * TILE_SIZE + np.arange(TILE_SIZE + 1)
    _, lat = CRS84_QUAD.lnglat_at(0.0, rows, tile.z)
    return WEB_MERCATOR_QUAD.pixel_at(0.0, lat, tile.z)[1]
