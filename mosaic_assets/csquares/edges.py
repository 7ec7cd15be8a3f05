"""Polygons, lines and points of the plane to the runs of squares that they cross."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import side_of
from mosaic_assets.csquares.raster import Edges, Runs, runs_of_edges
from mosaic_assets.csquares.rings import LongEdges, turns_before

Floats = arrays.Floats
Ints = arrays.Ints
Objects: TypeAlias = npt.NDArray[np.object_]


def line_runs(lines: Objects, level: int, long_edges: LongEdges) -> Runs:
    """Return the runs of squares that lines cross."""
    import shapely

    points, line = shapely.get_coordinates(lines, return_index=True)
    turns = turns_before(points[:, 0], line) if long_edges == "short" else 0
    x, y = to_squares(points[:, 0] + 360.0 * turns, level), to_squares(points[:, 1], level)
    edge = np.flatnonzero(line[1:] == line[:-1])
    return runs_of_edges(_off_lines(x[edge], y[edge], x[edge + 1], y[edge + 1], line[edge], level))


def polygon_runs(polygons: Objects, level: int) -> Runs:
    """Return the runs of squares that sound polygons of the plane cross, holes included."""
    import shapely

    ring, polygon = shapely.get_rings(polygons, return_index=True)
    points, number = shapely.get_coordinates(ring, return_index=True)
    x, y = to_squares(points[:, 0], level), to_squares(points[:, 1], level)
    first = np.diff(polygon, prepend=-1) != 0  # a polygon's outline comes before its holes
    inward = np.where(shapely.is_ccw(ring) == first, 1, -1)
    edge = np.flatnonzero(number[1:] == number[:-1])
    of = number[edge]
    return runs_of_edges(Edges(x[edge], y[edge], x[edge + 1], y[edge + 1], polygon[of], inward[of]))


def point_runs(points: Objects, level: int) -> Runs:
    """Return the squares that own points, as runs of one."""
    import shapely

    at = shapely.get_coordinates(points)
    row, col = arrays.cells_of_points(_fold(at[:, 0]), at[:, 1], level)
    return Runs(np.arange(len(row)), row, col, col, np.zeros(len(row), np.int64))


def _fold(lng: Floats) -> Floats:
    return np.where(np.abs(lng) > 180, np.round(lng - 360 * np.rint(lng / 360), 12), lng)


def to_squares(degrees: Floats, level: int) -> Floats:
    """Return degrees in units of squares; decimals on a grid line become whole numbers.

    Examples
    --------
    >>> to_squares(np.array([42.8, -147.3]), 4)
    array([  428., -1473.])
    """
    side = side_of(level)
    scaled: Floats = degrees * (side / 10) if side >= 10 else degrees / (10 // side)
    if side <= 20:
        return scaled
    line = np.rint(scaled)
    ahead = degrees - line * 10 / side
    beside = np.nextafter(line, np.where(ahead > 0, np.inf, -np.inf))
    return np.where(ahead == 0, line, np.where(scaled == line, beside, scaled))


def _off_lines(x0: Floats, y0: Floats, x1: Floats, y1: Floats, part: Ints, level: int) -> Edges:
    """Move stretches of a line that run along a grid line into the squares that own them."""
    side = side_of(level)
    flat = (y0 == y1) & (y0 == np.floor(y0)) & (x0 != x1)
    steep = (x0 == x1) & (x0 == np.floor(x0)) & (y0 != y1)
    still = (x0 == x1) & (y0 == y1)
    y = np.where(flat | (still & (y0 == np.floor(y0))), _owner(y0, 9 * side) + 0.5, y0)
    y_end = np.where(flat, y, y1)
    world = 36 * side
    turn = np.where(np.abs(x0) > 18 * side, np.rint(x0 / world) * world, 0)
    x = np.where(steep | (still & (x0 == np.floor(x0))), _owner(x0 - turn, 18 * side) + turn + 0.5, x0)
    x_end = np.where(steep, x, x1)
    # A vertex repeated has no length; as a short stroke inside its square it marks just that one.
    x_end = np.where(still, np.nextafter(x, np.floor(x) + 0.5), x_end)
    return Edges(x, y, x_end, np.where(still, y, y_end), part, np.zeros(len(part), np.int64))


def _owner(line: Floats, outermost: int) -> Floats:
    """Return the row or column that owns a grid line: the one further from zero."""
    return np.clip(np.where(line >= 0, line, line - 1), -outermost, outermost - 1)
