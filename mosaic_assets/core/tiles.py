"""The Web-Mercator tile grid: which tile holds a place, and where a tile lies.

A tile owns its west and its north edge; its east and south edges belong to the neighbours. Two edges of the
world have no neighbour to own them: longitude 180 belongs to the last column, the south edge to the last row.

Everything is derived from two edge functions, so that a tile's corner, computed here, is found in that tile
again, to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.errors import GeometryError

TILE_SIZE = 256
"""Rows and columns of a tile, pixels."""

MAX_LAT = 85.05112877980659
"""Where the square world ends to the north and south, degrees."""

MAX_ZOOM = 30
"""Deepest zoom level that is accepted; a tile is then 4 cm wide."""

EARTH_RADIUS_M = 6_378_137.0
"""Radius of EPSG:3857's sphere, metres."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def check_tile(tile: Tile) -> Tile:
    """Return the tile if the grid has it.

    Raises
    ------
    GeometryError
        The zoom lies outside 0..30, or x or y outside ``0..2**z - 1``.

    Examples
    --------
    >>> check_tile(Tile(x=1, y=0, z=1))
    Tile(x=1, y=0, z=1)
    """
    side = 1 << checked_zoom(tile.z)
    if not (0 <= tile.x < side and 0 <= tile.y < side):
        raise GeometryError(
            f"tile {tuple(tile)} is not in the grid: at zoom {tile.z}, x and y go from 0 to {side - 1}; "
            "check the order (x, y, z) and that y counts from the north"
        )
    return tile


def tile_at(lng: float, lat: float, zoom: int) -> Tile:
    """Tile that owns a point.

    Parameters
    ----------
    lng : degrees, -180..180; 180 belongs to the last column.
    lat : degrees, -85.0511..85.0511; a point on an edge belongs to the tile south of it.
    zoom : 0..30.

    Raises
    ------
    GeometryError
        The point lies outside the tiled world, or the zoom outside 0..30.

    Examples
    --------
    >>> tile_at(2.3522, 48.8566, 15)
    Tile(x=16598, y=11273, z=15)
    """
    x, y = tiles_at(lng, lat, zoom)
    return Tile(int(x), int(y), zoom)


def tiles_at(lng: ArrayLike, lat: ArrayLike, zoom: int) -> tuple[_Ints, _Ints]:
    """Tiles that own points; `tile_at` for arrays.

    Parameters
    ----------
    lng, lat : degrees, any shapes that broadcast together.
    zoom : 0..30.

    Returns
    -------
    x and y, int64, of the broadcast shape.

    Raises
    ------
    GeometryError
        Any point lies outside the tiled world or is not a number, or the zoom outside 0..30.

    Examples
    --------
    >>> tiles_at([-180, 0, 180], 0, 1)
    (array([0, 1, 1]), array([1, 1, 1]))
    """
    side = 1 << checked_zoom(zoom)
    lng, lat = np.broadcast_arrays(np.asarray(lng, np.float64), np.asarray(lat, np.float64))
    _check_points(lng, lat)
    x = np.clip(np.floor((lng + 180.0) / 360.0 * side).astype(np.int64), 0, side - 1)
    # Rounding may miss by one at an edge; the edges themselves decide.
    x = x - (lng < _west(x, zoom)) + (lng >= _west(x + 1, zoom))
    mercator = np.arctanh(np.sin(np.radians(lat))) / np.pi
    y = np.clip(np.floor((1.0 - mercator) / 2.0 * side).astype(np.int64), 0, side - 1)
    y = y - (lat > _north(y, zoom)) + (lat <= _north(y + 1, zoom))
    return np.clip(x, 0, side - 1), np.clip(y, 0, side - 1)


def bounds_of(x: ArrayLike, y: ArrayLike, zoom: int) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """Give the west, south, east and north edges of tiles, degrees, float64.

    x and y are integers that broadcast together; they are not checked. Neighbours get the very same number for
    the edge they share.

    Examples
    --------
    >>> [edge.tolist() for edge in bounds_of([0, 1], [0, 0], 1)]
    [[-180.0, 0.0], [0.0, 0.0], [0.0, 180.0], [85.05112877980659, 85.05112877980659]]
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.int64), np.asarray(y, np.int64))
    return _west(x, zoom), _north(y + 1, zoom), _west(x + 1, zoom), _north(y, zoom)


def tile_bounds(tile: Tile) -> Bounds:
    """Give the edges of a tile, degrees; `GeometryError` as in `check_tile`.

    Examples
    --------
    >>> tile_bounds(Tile(x=1, y=1, z=1))
    Bounds(west=0.0, south=-85.05112877980659, east=180.0, north=0.0)
    """
    check_tile(tile)
    return Bounds(*(float(edge) for edge in bounds_of(tile.x, tile.y, tile.z)))


def mercator_bounds(tile: Tile) -> tuple[float, float, float, float]:
    """Give the left, bottom, right and top of a tile, EPSG:3857 metres; `GeometryError` as in `check_tile`.

    Examples
    --------
    >>> [round(edge) for edge in mercator_bounds(Tile(x=1, y=0, z=1))]
    [0, 0, 20037508, 20037508]
    """
    side = 1 << check_tile(tile).z
    half = np.pi * EARTH_RADIUS_M
    # The quotients are exact, so neighbours agree on their common edge.
    columns, rows = (tile.x / side, (tile.x + 1) / side), ((tile.y + 1) / side, tile.y / side)
    (left, right), (bottom, top) = ((2 * c - 1) * half for c in columns), ((1 - 2 * r) * half for r in rows)
    return left, bottom, right, top


def tile_area(x: ArrayLike, y: ArrayLike, zoom: int) -> _Floats:
    """Share of the sphere's surface that tiles cover, 0..1, float64.

    Parameters
    ----------
    x, y : integers that broadcast together; the area depends on y alone.
    zoom : 0..30.

    Returns
    -------
    Half the difference of the sines of the north and south edge, times the share of the circle. All tiles
    of a zoom add up to sin(85.0511 degrees) = 0.99627.

    Examples
    --------
    >>> float(tile_area(0, 0, 0).round(5))
    0.99627
    """
    side = 1 << checked_zoom(zoom)
    _, y = np.broadcast_arrays(np.asarray(x, np.int64), np.asarray(y, np.int64))
    north, step = np.pi * (1.0 - 2.0 * y / side), 2.0 * np.pi / side
    # sin(lat) is tanh of the Mercator ordinate; this keeps the digits that tanh(a) - tanh(b) would lose.
    return np.asarray(np.sinh(step) / (np.cosh(north) * np.cosh(north - step)) / (2.0 * side), np.float64)


def tile_distance(a: Tile, b: Tile) -> int:
    """Count the steps between tiles of a zoom, diagonal ones allowed, wrapping round the date line.

    Raises
    ------
    GeometryError
        The tiles are of different zooms, or the grid has not got them.

    Examples
    --------
    >>> tile_distance(Tile(0, 3, 4), Tile(15, 5, 4))
    2
    """
    check_tile(a)
    check_tile(b)
    if a.z != b.z:
        raise GeometryError(
            f"distance between {a} and {b}: their zooms differ; give two tiles of one zoom, "
            "for instance the deeper one's parent"
        )
    across = abs(a.x - b.x)
    return max(min(across, (1 << a.z) - across), abs(a.y - b.y))


def _west(x: _Ints, zoom: int) -> _Floats:
    """West edge of a column, degrees; exact, since 360 x / 2**z needs no more than 39 bits."""
    return np.asarray(x * 360.0 / (1 << zoom) - 180.0, np.float64)


def _north(y: _Ints, zoom: int) -> _Floats:
    """North edge of a row, degrees."""
    lat = np.degrees(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * y / (1 << zoom)))))
    return np.asarray(np.clip(lat, -MAX_LAT, MAX_LAT), np.float64)  # the last digit of the world's own edge is off


def checked_zoom(zoom: int) -> int:
    """Return the zoom if it lies in 0..`MAX_ZOOM`; `GeometryError` otherwise."""
    if not 0 <= zoom <= MAX_ZOOM:
        raise GeometryError(f"zoom {zoom} is outside the grid; give a whole number from 0 to {MAX_ZOOM}")
    return zoom


def _check_points(lng: _Floats, lat: _Floats) -> None:
    wrong = ~((np.abs(lng) <= 180.0) & (np.abs(lat) <= MAX_LAT))  # catches NaN too
    if wrong.any():
        first = np.argmax(wrong.ravel())
        raise GeometryError(
            f"no tile holds the point lng {lng.ravel()[first]}, lat {lat.ravel()[first]}; "
            f"expected lng in -180..180 and lat in -{MAX_LAT}..{MAX_LAT}: check their order, or clip"
        )
