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
4. **Soundness.** A polygon that crosses itself is repaired when that changes its area by 1 % at most, else
   refused. A ring over the date line that comes out larger than half the globe holds both poles or laps
   itself; it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Geometry, Polygon

EdgeKind: TypeAlias = Literal["planar", "great_circle"]
LongEdges: TypeAlias = Literal["short", "as_drawn"]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_REPAIRABLE = 0.01
"""Share of the area by which a repair may change it: enough for a crossed corner, not for a figure of eight."""
_ALIKE = 0.2
"""Smallest mean of sin(latitude) of a ring that says which pole it goes round."""


def turns_before(lng: Floats, ring: Ints) -> Ints:
    """Return the full turns to add to each vertex so that no edge spans more than 180 degrees.

    Parameters
    ----------
    lng : (n,) float64
        Degrees, rings one after another.
    ring : (n,) int64
        Number of the ring of each vertex, ascending.

    Returns
    -------
    (n,) int64
        0 at the first vertex of a ring. At the last vertex of a closed ring: 0, or +-1 when it goes round a pole.

    Examples
    --------
    >>> turns_before(np.array([170.0, -170, 175]), np.array([0, 0, 0]))
    array([0, 1, 0])
    """
    step = np.diff(lng)
    turns = np.zeros(len(lng), np.int64)
    long = np.flatnonzero((np.abs(step) > 180) & (ring[1:] == ring[:-1]))
    if len(long) == 0:
        return turns
    turns[long + 1] = -np.rint(step[long] / 360).astype(np.int64)
    turns = np.cumsum(turns)
    first = np.searchsorted(ring, ring)
    return turns - turns[first]


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
    shell = _unroll_ring(shapely.get_coordinates(polygon.exterior))
    _refuse_huge(shell)
    holes = [_unroll_ring(shapely.get_coordinates(hole)) for hole in polygon.interiors]
    if not holes:
        return [shell]
    cut = shapely.difference(shell, shapely.union_all([_beneath(hole, shell) for hole in holes]))
    return _polygons(cut)


def _is_cut(polygon: Polygon) -> bool:
    """Whether a polygon was cut at the date line already: its only long edges follow the map's frame."""
    import shapely

    step = np.abs(np.diff(shapely.get_coordinates(polygon.exterior)[:, 0]))
    return bool((step[step > 180] == 360).all() and shapely.is_valid(polygon))


def _unroll_ring(points: Floats) -> Polygon:
    """Lay one ring out, closed along a pole if it goes round one."""
    import shapely

    turns = turns_before(points[:, 0], np.zeros(len(points), np.int64))
    if abs(turns[-1]) > 1:
        raise GeometryError(
            f"laying out a ring of {len(points)} vertices: its longitudes add up to {turns[-1]} full turns; "
            "expected one at most; split the footprint into shorter pieces"
        )
    if turns[-1] == 0:
        return shapely.Polygon(np.stack([points[:, 0] + 360.0 * turns, points[:, 1]], axis=1))
    pole = _pole_of(points, turns)
    # Starting at the vertex nearest to the pole, the two closing lines cannot meet the ring.
    start = int(np.argmax(points[:-1, 1] * np.sign(pole)))
    points = np.roll(points[:-1], -start, axis=0)
    points = np.concatenate([points, points[:1]])
    turns = turns_before(points[:, 0], np.zeros(len(points), np.int64))
    lng = points[:, 0] + 360.0 * turns
    closing = [(lng[-1], pole), (lng[0], pole)]
    return shapely.Polygon(np.concatenate([np.stack([lng, points[:, 1]], axis=1), closing]))


def _pole_of(points: Floats, turns: Ints) -> float:
    """Return the latitude of the pole that a ring goes round: the one with the smaller area."""
    lng, height = np.radians(points[:, 0] + 360.0 * turns), np.sin(np.radians(points[:, 1]))
    mean = float(np.sum(np.diff(lng) * (height[1:] + height[:-1])) / 2 / (lng[-1] - lng[0]))
    if abs(mean) < _ALIKE:
        raise GeometryError(
            f"closing a ring of {len(points)} vertices round a pole: north and south would leave areas of "
            f"{(1 - mean) / 2:.0%} and {(1 + mean) / 2:.0%} of the globe, too alike to tell; split the footprint"
        )
    return 90.0 if mean > 0 else -90.0


def share_of_globe(points: Floats) -> float:
    """Return the area inside a closed ring of the plane as a share of the globe's, 0..1 and more."""
    lng, height = np.radians(points[:, 0]), np.sin(np.radians(points[:, 1]))
    return float(abs(np.sum(np.diff(lng) * (height[1:] + height[:-1])) / 2) / (4 * np.pi))


def _refuse_huge(shell: Polygon) -> None:
    """Refuse what comes out larger than half the globe: a swath round both poles, read inside out."""
    import shapely

    share = share_of_globe(shapely.get_coordinates(shell))
    if share > 0.5:
        raise GeometryError(
            f"laying out a ring over the date line: it would take {share:.0%} of the globe, so it holds both poles "
            "or laps itself; split the footprint, or pass long_edges='as_drawn' if the area is meant"
        )


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
