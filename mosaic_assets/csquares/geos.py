"""Squares of a geometry by other code than `mosaic_assets.csquares.cover`: GEOS asked square by square, for checks."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.core.csquare_codes import decode, encode

if TYPE_CHECKING:
    from shapely import Geometry, Polygon

_SLIVER = 1e-9
"""Overlap that rounding can make or take away, square degrees."""


def differing_squares(geometry: Geometry, codes: Iterable[str]) -> list[str] | None:
    """Return the half-degree squares on which GEOS disagrees with a cover.

    A square belongs to a geometry if they intersect and do not merely touch. GEOS rounds: it overlooks an edge that
    passes a corner of the grid by less than a float can tell. Where exact fractions say that the edge does enter the
    square, that is no disagreement.

    Parameters
    ----------
    geometry : shapely geometry
        Longitude and latitude, degrees; edges straight in them.
    codes : iterable of str
        Explicit codes of 0.5 degrees.

    Returns
    -------
    list of str or None
        Sorted. None for what the plane has no answer to: points and lines, which own squares by a rule; invalid
        rings; rings round a pole; rings with holes over the date line.

    Examples
    --------
    >>> import shapely
    >>> differing_squares(shapely.box(140, -40.5, 140.5, -40), ["3414:100:1"])
    []
    >>> differing_squares(shapely.box(140, -40.5, 140.5, -40), ["3414:100:1", "3414:100:2"])
    ['3414:100:2']
    >>> differing_squares(shapely.Polygon([(179.6, 0.1), (-179.6, 0.1), (179.6, 0.4)]), ["1017:209:2"])
    ['7017:209:2']
    """
    parts = {"Polygon": lambda: [geometry], "MultiPolygon": lambda: list(geometry.geoms)}.get(geometry.geom_type)
    if parts is None or not geometry.is_valid:
        return None
    plane = [_in_the_plane(polygon) for polygon in parts()]
    polygons = [polygon for polygon in plane if polygon is not None]
    if len(polygons) < len(plane):
        return None
    expected = {code for polygon in polygons for code in _squares(polygon)}
    differing = expected ^ set(codes)
    return sorted(code for code in differing if not any(_is_sliver(polygon, code) for polygon in polygons))


def _in_the_plane(polygon: Polygon) -> Polygon | None:
    """Return a polygon with longitudes that go on beyond 180 where its edges cross the date line."""
    from shapely import Polygon

    x, y = np.array(polygon.exterior.coords)[:, :2].T
    steps = np.diff(x)
    if not (np.abs(steps) > 180).any():
        return polygon
    steps -= 360 * np.round(steps / 360)
    unwrapped = x[0] + np.concatenate([[0.0], np.cumsum(steps)])
    plain = Polygon(np.stack([unwrapped, y], axis=1))
    closed = abs(unwrapped[-1] - unwrapped[0]) < 1
    return plain if closed and plain.is_valid and not len(polygon.interiors) else None


def _squares(polygon: Polygon) -> list[str]:
    import shapely

    west, south, east, north = polygon.bounds
    columns = np.arange(np.floor(west * 2), np.ceil(east * 2))
    rows = np.arange(np.floor(south * 2), np.ceil(north * 2))
    column, row = (part.ravel() for part in np.meshgrid(columns, rows))
    shapely.prepare(polygon)
    boxes = shapely.box(column / 2, row / 2, column / 2 + 0.5, row / 2 + 0.5)
    near = np.flatnonzero(shapely.intersects(polygon, boxes))
    taken = near[~shapely.touches(polygon, boxes[near])]
    # Nothing is asked of a square's edge, so its centre names it without any rule on who owns a line.
    lng = (column[taken] / 2 + 0.25 + 180) % 360 - 180
    codes: list[str] = np.unique(encode(lng, row[taken] / 2 + 0.25, 0.5)).tolist()
    return codes


def _is_sliver(polygon: Polygon, code: str) -> bool:
    """Whether polygon and square overlap by so little that floats cannot tell, and an edge does enter the square."""
    from shapely import box

    found = decode(code)
    for turn in (-360, 0, 360):  # a polygon over the date line goes on beyond 180
        west, east = found.west + turn, found.east + turn
        near = not (east < polygon.bounds[0] or west > polygon.bounds[2])
        if near and polygon.intersection(box(west, found.south, east, found.north)).area < _SLIVER:
            beyond = polygon.bounds[0] < -180 or polygon.bounds[2] > 180  # moving it there has rounded its corners
            if _is_entered(polygon, (west, found.south, east, found.north), Fraction(_SLIVER if beyond else 0)):
                return True
    return False


def _is_entered(polygon: Polygon, bounds: tuple[float, float, float, float], slack: Fraction) -> bool:
    """Whether an edge passes through an open box, grown on all sides by some slack, in exact arithmetic."""
    west, south, east, north = map(Fraction, bounds)
    limits = [(west - slack, east + slack), (south - slack, north + slack)]
    for ring in (polygon.exterior, *polygon.interiors):
        corners = [(Fraction(x), Fraction(y)) for x, y, *_ in ring.coords]
        if any(_passes(start, end, limits) for start, end in pairwise(corners)):
            return True
    return False


def _passes(
    start: tuple[Fraction, Fraction], end: tuple[Fraction, Fraction], limits: list[tuple[Fraction, Fraction]]
) -> bool:
    """Whether a stretch of an edge lies between the limits of both axes at a time."""
    enter, leave = Fraction(0), Fraction(1)
    for a, b, (low, high) in zip(start, end, limits, strict=True):
        if a == b:
            if not low < a < high:
                return False
            continue
        first, last = sorted(((low - a) / (b - a), (high - a) / (b - a)))
        enter, leave = max(enter, first), min(leave, last)
    return enter < leave
