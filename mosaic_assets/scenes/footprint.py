"""Outlines of scenes as geometries: over the date line and round a pole, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from mosaic_assets.errors import ProductError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Point = tuple[float, float]
"""Longitude, latitude, degrees."""


def footprint_of_ring(ring: Sequence[Point]) -> BaseGeometry:
    """Turn a closed ring into a polygon, or into several cut along the date line.

    An edge goes the short way round. A ring whose longitudes add up to a full turn goes round the pole that is
    nearer to its vertices.

    Parameters
    ----------
    ring : at least four vertices (longitude, latitude), degrees, the last equal to the first.

    Raises
    ------
    ProductError
        Fewer vertices, a vertex outside the world, an open ring, or one without area.

    Examples
    --------
    >>> square = footprint_of_ring([(170, 0), (-170, 0), (-170, 10), (170, 10), (170, 0)])
    >>> [tuple(map(float, part.bounds)) for part in square.geoms]
    [(170.0, 0.0, 180.0, 10.0), (-180.0, 0.0, -170.0, 10.0)]
    """
    import shapely

    _refuse_bad(ring)
    laid_out = _over_the_pole(_unrolled(ring))
    shape = shapely.make_valid(shapely.Polygon(laid_out))
    west, _, east, _ = shape.bounds
    parts = []
    for turn in range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1):
        inside = shapely.intersection(shape, shapely.box(-180 + 360 * turn, -90, 180 + 360 * turn, 90))
        parts += _polygons(shapely.affinity.translate(inside, -360 * turn))
    if not parts:
        raise ProductError("it encloses no area")
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _refuse_bad(ring: Sequence[Point]) -> None:
    if len(ring) < 4:
        raise ProductError(f"it has {len(ring)} vertices, fewer than 4")
    for lng, lat in ring:
        if not (-180 <= lng <= 180 and -90 <= lat <= 90):  # also what is no number
            raise ProductError(f"it has a vertex at lng={lng}, lat={lat}, outside the world")
    if tuple(ring[0]) != tuple(ring[-1]):
        raise ProductError(f"it starts at {ring[0]} and ends at {ring[-1]}, so it is not closed")


def _unrolled(ring: Sequence[Point]) -> list[Point]:
    """Return the ring with longitudes that go on over the date line instead of jumping."""
    out, turns = [ring[0]], 0
    for (before, _), (after, lat) in pairwise(ring):
        turns += (after - before < -180) - (after - before > 180)
        out.append((after + 360 * turns, lat))
    return out


def _over_the_pole(ring: list[Point]) -> list[Point]:
    """Close a ring that went a full turn by way of the pole."""
    if abs(ring[-1][0] - ring[0][0]) < 180:
        return ring
    pole = math.copysign(90.0, sum(lat for _, lat in ring))
    return [*ring, (ring[-1][0], pole), (ring[0][0], pole)]


def _polygons(shape: BaseGeometry) -> list[BaseGeometry]:
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))  # twice: a collection may hold a multipolygon
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
