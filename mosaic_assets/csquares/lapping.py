"""Rings that lap themselves, such as the swath of a full orbit, cut into pieces that do not.

Why the pieces are right. Crossing a closed curve on the globe from one side to the other changes its winding number
by one, which fixes the number everywhere but for a constant. A chord cuts a ring in two; it is walked once in each
direction, so the winding numbers of the pieces add up to that of the ring. If both pieces are simple and have their
areas on the same side of the walk, then the ring's number, counted from its lowest value, is the number of pieces that
hold a place: wherever the cuts are made, the union of the pieces is the area with a number above the lowest.
Read with the other side as the inside it would be the area below the highest. Every place lies in at least one of the
two areas, so at most one of them takes less than half the globe. Pieces that take less than half together are accepted,
all others are not. The usual rule for a ring, the smaller area, is this one for a ring of one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.csquares.laying import Floats, lay_ring, signed_share
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Polygon

_DEPTH = 3
"""A ring is cut in two, and each half again, at most so often: eight pieces."""
_TRIES = 12
"""Chords tried for one cut."""
_STARTS = 400
"""Vertices of a ring from which a chord is looked for."""
_SIDE, _SPREAD = 0.1, 0.01
"""Shares of a ring's length: the ends of a chord are at least so far from each other, the starts of two chords so far."""


def split_lapping(points: Floats) -> list[Polygon]:
    """Cut a ring that laps itself into pieces that do not.

    Parameters
    ----------
    points : (n, 2) float64
        Longitude and latitude, degrees, the first vertex repeated at the end; edges go the short way round.

    Returns
    -------
    list of Polygon
        Sound polygons of the plane whose union is the ring's area; empty where there is no such cut. They overlap where
        the ring laps itself.

    Examples
    --------
    >>> turn, side = np.radians(np.arange(0, 391, 5.0)), np.radians([[-5.0], [5.0]])  # over both poles and on
    >>> lat = np.degrees(np.arcsin(np.cos(side) * np.sin(turn)))
    >>> lng = np.degrees(np.arctan2(np.tan(side), np.cos(turn)))
    >>> left, right = np.stack([lng, lat], axis=2)
    >>> [piece.is_valid for piece in split_lapping(np.concatenate([left, right[::-1], left[:1]]))]
    [True, True]
    """
    pieces = _pieces(points, _DEPTH)
    if not pieces or sum(abs(share) for _, share in pieces) >= 0.5:
        return []
    return [polygon for polygon, _ in pieces]


def _pieces(points: Floats, depth: int) -> list[tuple[Polygon, float]]:
    """Return sound pieces of a ring and their signed shares of the globe, all of one sign; none if there is no cut."""
    whole = _simple(points)
    if whole is not None:
        return [whole]
    if depth == 0:
        return []
    for start, end in _chords(points):
        halves = points[start : end + 1], np.concatenate([points[end:-1], points[: start + 1]])
        found = [_pieces(np.concatenate([half, half[:1]]), depth - 1) for half in halves]
        if all(found) and len({share > 0 for _, share in found[0] + found[1]}) == 1:
            return found[0] + found[1]
    return []


def _simple(points: Floats) -> tuple[Polygon, float] | None:
    """Return a ring laid out with its signed share of the globe, or None if it crosses itself or cannot be laid out."""
    import shapely

    try:
        polygon = lay_ring(points)
    except GeometryError:
        return None
    if not shapely.is_valid(polygon):
        return None
    return polygon, signed_share(shapely.get_coordinates(polygon))


def _chords(points: Floats) -> Iterator[tuple[int, int]]:
    """Yield pairs of vertices that lie across the swath from each other, those that halve the ring best first."""
    place = _vectors(points)
    steps = np.arccos(np.clip((place[1:] * place[:-1]).sum(axis=1), -1, 1))
    along = np.concatenate([[0.0], np.cumsum(steps)[:-1]]) / max(float(steps.sum()), 1e-12)
    start = np.arange(0, len(along), max(1, len(along) // _STARTS))
    apart = np.abs(along[start, None] - along)
    apart = np.minimum(apart, 1 - apart)
    near = np.where(apart < _SIDE, -2.0, place[start] @ place[:-1].T)  # neighbours on one side do not count
    across = near.argmax(axis=1)
    halving = apart[np.arange(len(start)), across]
    tried: list[float] = []
    for number in np.argsort(-halving, kind="stable").tolist():
        one, other = sorted((int(start[number]), int(across[number])))
        new = all(abs(along[one] - other_start) > _SPREAD for other_start in tried)
        if new and halving[number] >= _SIDE and other - one >= 2:
            tried.append(float(along[one]))
            yield one, other
        if len(tried) == _TRIES:
            return


def _vectors(points: Floats) -> Floats:
    lng, lat = np.radians(points).T
    vectors: Floats = np.stack([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)], axis=1)
    return vectors
