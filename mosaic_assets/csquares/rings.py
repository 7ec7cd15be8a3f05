"""Outlines on the globe made into polygons of a plane that can be rasterised.

The plane is plate carree with longitudes that run on past +-180: a ring over the date line becomes one polygon,
and the grid is later folded back modulo 360. What happens to an outline, in this order:

1. **Edges.** ``planar`` edges are straight in longitude and latitude; ``great_circle`` edges get vertices
   until they differ from the plane's straight line by less than a hundredth of a square.
2. **Long edges.** An edge over more than 180 degrees of longitude goes the short way round (``short``), or as
   it is written (``as_drawn``, as RFC 7946 has it). With ``short``, a polygon that runs along the map's frame,
   exactly from -180 to +180, and is sound as written has been cut already and is left alone.
3. **Poles.** A ring whose longitudes add up to a full turn goes round a pole: the one that leaves the smaller
   area. It is closed along that pole. When both would leave about the same it is refused.
4. **Laps.** A ring over the date line that comes out unsound or larger than half the globe may be a swath that
   laps itself: a full orbit. It is cut into pieces that do not, where that has one answer only: see `lapping`.
5. **Soundness.** A polygon that crosses itself is repaired when that changes its area by 1 % at most, else
   refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mosaic_assets.csquares.lapping import split_lapping
from mosaic_assets.csquares.laying import Floats, lay_ring, turns_before
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Geometry, Polygon

EdgeKind: TypeAlias = Literal["planar", "great_circle"]
LongEdges: TypeAlias = Literal["short", "as_drawn"]

__all__ = ["EdgeKind", "LongEdges", "sound", "turns_before", "unroll"]

_REPAIRABLE = 0.01
"""Share of the area by which a repair may change it: enough for a crossed corner, not for a figure of eight."""


def unroll(polygon: Polygon, long_edges: LongEdges) -> list[Polygon]:
    """Lay a polygon with long edges out in the plane.

    Parameters
    ----------
    polygon : shapely Polygon
        Degrees; rings may jump over the date line, go round a pole, have holes.
    long_edges : {"short", "as_drawn"}

    Returns
    -------
    list of Polygon
        One or more, with longitudes beyond +-180 where needed. They may still cross themselves: see `sound`.

    Raises
    ------
    GeometryError
        It cannot be told which pole is meant, a hole lies outside, or the ring laps itself.

    Examples
    --------
    >>> from shapely import Polygon
    >>> [part.bounds for part in unroll(Polygon([(0, 80), (120, 80), (-120, 80)]), "short")]
    [(0.0, 80.0, 360.0, 90.0)]
    """
    import shapely

    if long_edges == "as_drawn" or _is_cut(polygon):
        return [polygon]
    if not len(polygon.interiors):
        return _unroll_shell(shapely.get_coordinates(polygon.exterior))
    shell = lay_ring(shapely.get_coordinates(polygon.exterior))
    holes = [lay_ring(shapely.get_coordinates(hole)) for hole in polygon.interiors]
    cut = shapely.difference(shell, shapely.union_all([_beneath(hole, shell) for hole in holes]))
    return _polygons(cut)


def _unroll_shell(points: Floats) -> list[Polygon]:
    """Lay a ring without holes out, in pieces if it laps itself."""
    try:
        return sound([lay_ring(points)])
    except GeometryError:
        pieces = split_lapping(points)
        if not pieces:
            raise
        return pieces


def _is_cut(polygon: Polygon) -> bool:
    """Whether a polygon was cut at the date line already: its only long edges follow the map's frame."""
    import shapely

    step = np.abs(np.diff(shapely.get_coordinates(polygon.exterior)[:, 0]))
    return bool((step[step > 180] == 360).all() and shapely.is_valid(polygon))


def _beneath(hole: Polygon, shell: Polygon) -> Geometry:
    """Move a hole by full turns to where its shell is."""
    import shapely
    from shapely import affinity

    copies = [affinity.translate(hole, turn * 360.0) for turn in (-2, -1, 0, 1, 2)]
    inside = [copy for copy in copies if shapely.intersects(copy, shell)]
    if not inside:
        raise GeometryError(f"laying out a polygon: a hole at {hole.bounds} lies outside its outline; leave it out")
    return shapely.union_all(inside)


def sound(polygons: list[Polygon]) -> list[Polygon]:
    """Return polygons that do not cross themselves, repaired where that is harmless.

    Raises
    ------
    GeometryError
        A polygon has no area, or a repair would change its area by more than 1 %.

    Examples
    --------
    >>> from shapely import Polygon
    >>> sound([Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])])
    Traceback (most recent call last):
    mosaic_assets.errors.GeometryError: ...
    """
    import shapely

    kept: list[Polygon] = []
    for polygon in polygons:
        kept.extend([polygon] if shapely.is_valid(polygon) else _repair(polygon))
    return kept


def _repair(polygon: Polygon) -> list[Polygon]:
    import shapely

    mended = _polygons(shapely.make_valid(polygon))
    area, drawn = sum(part.area for part in mended), polygon.area
    if not mended or abs(area - drawn) > _REPAIRABLE * area:
        raise GeometryError(
            f"reading a polygon of {shapely.get_num_coordinates(polygon)} vertices: "
            f"{shapely.is_valid_reason(polygon)} (degrees); a repair would change its area from {drawn:.6g} to "
            f"{area:.6g} square degrees, more than 1 %; redraw it, or split it if it laps itself"
        )
    return mended


def _polygons(geometry: Geometry) -> list[Polygon]:
    """Return the parts of a geometry that have an area."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
