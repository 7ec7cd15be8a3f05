"""One ring of the globe laid out in the plane, where longitudes run on past +-180."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Polygon

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

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


def lay_ring(points: Floats) -> Polygon:
    """Lay one ring out, closed along a pole if it goes round one.

    Parameters
    ----------
    points : (n, 2) float64
        Longitude and latitude, degrees, the first vertex repeated at the end; edges go the short way round.

    Returns
    -------
    Polygon
        It may still cross itself. A ring over the date line has longitudes beyond +-180.

    Raises
    ------
    GeometryError
        It goes round more than once, round a pole that cannot be told, or would take more than half the globe.

    Examples
    --------
    >>> lay_ring(np.array([(0.0, 80), (120, 80), (-120, 80), (0, 80)])).bounds
    (0.0, 80.0, 360.0, 90.0)
    """
    import shapely

    turns = turns_before(points[:, 0], np.zeros(len(points), np.int64))
    if abs(turns[-1]) > 1:
        raise GeometryError(
            f"laying out a ring of {len(points)} vertices: its longitudes add up to {turns[-1]} full turns; "
            "expected one at most; cut the footprint across into pieces of less than half an orbit"
        )
    if turns[-1] == 0:
        return _not_huge(shapely.Polygon(np.stack([points[:, 0] + 360.0 * turns, points[:, 1]], axis=1)))
    pole = _pole_of(points, turns)
    # Starting at the vertex nearest to the pole, the two closing lines cannot meet the ring.
    start = int(np.argmax(points[:-1, 1] * np.sign(pole)))
    points = np.roll(points[:-1], -start, axis=0)
    points = np.concatenate([points, points[:1]])
    turns = turns_before(points[:, 0], np.zeros(len(points), np.int64))
    lng = points[:, 0] + 360.0 * turns
    closing = [(lng[-1], pole), (lng[0], pole)]
    return _not_huge(shapely.Polygon(np.concatenate([np.stack([lng, points[:, 1]], axis=1), closing])))


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


def signed_share(points: Floats) -> float:
    """Return the area inside a closed ring of the plane as a share of the globe's, positive if it runs clockwise.

    Examples
    --------
    >>> round(signed_share(np.array([(0.0, 0), (0, 90), (90, 90), (90, 0), (0, 0)])), 3)
    0.125
    """
    lng, height = np.radians(points[:, 0]), np.sin(np.radians(points[:, 1]))
    return float(np.sum(np.diff(lng) * (height[1:] + height[:-1])) / 2 / (4 * np.pi))


def _not_huge(shell: Polygon) -> Polygon:
    """Refuse what comes out larger than half the globe: a swath round both poles, read inside out."""
    import shapely

    share = abs(signed_share(shapely.get_coordinates(shell)))
    if share > 0.5:
        raise GeometryError(
            f"laying out a ring over the date line: it would take {share:.0%} of the globe, so it holds both poles "
            "or laps itself; cut the footprint across into pieces of less than half an orbit, or pass "
            "long_edges='as_drawn' if the area is meant"
        )
    return shell
