"""The arithmetic of the grid ``GoogleCRS84Quad``, as `mosaic_assets.core.tiles` has that of Web Mercator; see `core.grids`.

A tile of zoom z is 360 / 2**z degrees wide and high, row 0 begins at latitude 180, and so half of the rows lie on Earth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosaic_assets.core.tiles import checked_zoom

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def rows(zoom: int) -> tuple[int, int]:
    """Return the first and the last row that lie on Earth, at zoom 0..30; `GeometryError` otherwise.

    Examples
    --------
    >>> rows(1), rows(3)
    ((0, 1), (2, 5))
    """
    side = 1 << checked_zoom(zoom)
    return (0, side - 1) if zoom < 2 else (side // 4, 3 * side // 4 - 1)


def tiles_at(lng: _Floats, lat: _Floats, zoom: int) -> tuple[_Ints, _Ints]:
    """Columns and rows that own points, int64; arrays of one shape, degrees, of points on Earth: they are not checked.

    Examples
    --------
    >>> tiles_at(np.array([-180.0, 180.0]), np.array([90.0, -90.0]), 2)
    (array([0, 3]), array([1, 2]))
    """
    first, last = rows(zoom)
    side = 1 << zoom
    x = np.clip(np.floor((lng + 180.0) / 360.0 * side).astype(np.int64), 0, side - 1)
    y = np.clip(np.floor((180.0 - lat) / 360.0 * side).astype(np.int64), first, last)
    # Rounding may miss by one at an edge; the edges themselves decide.
    west, south, east, north = bounds_of(x, y, zoom)
    x = x - (lng < west) + (lng >= east)
    y = y - (lat > north) + (lat <= south)
    return np.clip(x, 0, side - 1), np.clip(y, first, last)


def bounds_of(x: ArrayLike, y: ArrayLike, zoom: int) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """Give the west, south, east and north edges of tiles, degrees, float64; integers that broadcast together, not checked.

    Examples
    --------
    >>> [float(edge) for edge in bounds_of(0, 1, 2)]
    [-180.0, 0.0, -90.0, 90.0]
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.int64), np.asarray(y, np.int64))
    # Exact: 360 k / 2**z needs no more than 39 bits.
    west, east = (np.asarray(edge * 360.0 / (1 << zoom) - 180.0, np.float64) for edge in (x, x + 1))
    north, south = (np.asarray(180.0 - edge * 360.0 / (1 << zoom), np.float64) for edge in (y, y + 1))
    return west, south, east, north
