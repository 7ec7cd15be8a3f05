"""The grid: native pixels, cells of one patch, and chips on them. Integers only; nothing is half a pixel off.

Cell (i, j) has the rows ``i * patch`` to ``(i + 1) * patch - 1`` of the imagery and the columns alike, so every pixel lies in exactly
one cell. A chip begins on a cell's corner, or at a whole number of strides after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from mosaic_assets.chips.records import Transform, Window

if TYPE_CHECKING:
    import shapely

Cell = tuple[int, int]
"""Row and column of a cell."""


def offsets(patch: int, overlap: float) -> list[int]:
    """Return where chips begin in a cell, along one axis: multiples of the stride below `patch`; always 0.

    Examples
    --------
    >>> offsets(256, 0.0), offsets(256, 0.5), offsets(10, 0.7), offsets(1, 0.9)
    ([0], [0, 128], [0, 3, 6, 9], [0])
    """
    stride = max(1, round(patch * (1 - overlap)))
    return list(range(0, patch, stride))


def cell_window(cell: Cell, patch: int) -> Window:
    """Return the pixels of a cell."""
    return Window(cell[0] * patch, cell[1] * patch, patch, patch)


def cells_of(window: Window, patch: int) -> list[Cell]:
    """Return the cells that a window meets, at most four for one of a patch's size.

    Examples
    --------
    >>> cells_of(Window(5, 8, 8, 8), 8)
    [(0, 1), (1, 1)]
    """
    rows = range(window.row // patch, -(-(window.row + window.height) // patch))
    columns = range(window.column // patch, -(-(window.column + window.width) // patch))
    return [(i, j) for i in rows for j in columns]


def in_image(window: Window, size: tuple[int, int]) -> bool:
    """Tell whether a window shows a pixel of an image of so many rows and columns."""
    down = window.row < size[0] and window.row + window.height > 0
    return down and window.column < size[1] and window.column + window.width > 0


def windows_about(cell: Cell, patch: int, overlap: float, size: tuple[int, int]) -> Iterator[Window]:
    """Yield the windows of chips that show a pixel of a cell, in order of row and column: those of it and of its neighbours."""
    starts = offsets(patch, overlap)
    neighbours = (0,) if starts == [0] else (-1, 0)
    for i in neighbours:
        for row in starts:
            for j in neighbours:
                for column in starts:
                    window = Window((cell[0] + i) * patch + row, (cell[1] + j) * patch + column, patch, patch)
                    if (
                        cell in cells_of(window, patch)
                        and in_image(window, size)
                        and min(window.row, window.column) >= 0
                    ):
                        yield window


def cells_in_box(box: tuple[float, float, float, float], patch: int, size: tuple[int, int]) -> Iterator[Cell]:
    """Yield the cells of an image that a box (left, top, right, bottom, in pixels) meets, its edges included."""
    left, top, right, bottom = box
    first_row, first_column = max(0, math.floor(top / patch)), max(0, math.floor(left / patch))
    last_row = min((size[0] - 1) // patch, math.floor(bottom / patch))
    last_column = min((size[1] - 1) // patch, math.floor(right / patch))
    for i in range(first_row, last_row + 1):
        for j in range(first_column, last_column + 1):
            yield i, j


def chip_id(window: Window, transform: Transform, code: str) -> str:
    """Name a chip by its place: code of the CRS, column and row in whole pixels from the CRS's origin, size.

    Examples
    --------
    >>> chip_id(Window(0, 256, 256, 256), (10.0, 0, 500_000.0, 0, -10.0, 6_200_000.0), "32734")
    '32734_50256_-620000_256'
    """
    a, _, left, _, e, top = transform
    # Rounded down after adding a half: rounding to even would give two neighbours one number where the corner is half a pixel off.
    x, y = math.floor(left / a + window.column + 0.5), math.floor(top / e + window.row + 0.5)
    return f"{code}_{x}_{y}_{window.height}"


def bounds_of(window: Window, transform: Transform) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top of a window in the CRS."""
    a, _, left, _, e, top = transform
    return (
        left + a * window.column,
        top + e * (window.row + window.height),
        left + a * (window.column + window.width),
        top + e * window.row,
    )


def footprint(window: Window, transform: Transform, crs: str) -> shapely.Polygon:
    """Return the outline of a window in degrees, with points along its edges, which may be bent there."""
    import numpy as np
    import shapely
    from pyproj import Transformer

    box = shapely.segmentize(shapely.box(*bounds_of(window, transform)), abs(transform[0]) * window.width / 8)
    to_degrees = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    outline: shapely.Polygon = shapely.transform(
        box, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1]))
    )
    return outline


@cache
def crs_code(crs: str) -> str:
    """Return the EPSG code of a CRS as digits; for one without, ``crs`` and eight digits of its digest.

    Examples
    --------
    >>> crs_code("EPSG:3857"), crs_code("OGC:CRS84"), len(crs_code("+proj=laea +lat_0=7 +lon_0=8"))
    ('3857', '4326', 11)
    """
    import hashlib

    from pyproj import CRS

    known = CRS.from_user_input(crs)
    code = 4326 if known == CRS.from_user_input("OGC:CRS84") else known.to_epsg(min_confidence=70)
    return str(code) if code else f"crs{hashlib.sha256(known.to_wkt().encode()).hexdigest()[:8]}"
