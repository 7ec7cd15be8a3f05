"""Vertices on great circles, so that straight lines between them are near enough."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mosaic_assets.errors import GeometryError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_ROUNDS = 40
"""Times an edge may be halved; 2**-40 of the longest edge is below a millimetre."""


def densify(points: Floats, ring: Ints, tolerance: float) -> tuple[Floats, Ints]:
    """Put vertices on great-circle edges until straight lines between them are near enough.

    Parameters
    ----------
    points : (n, 2) float64
        Longitude and latitude, degrees; lines or rings one after another.
    ring : (n,) int64
        Number of the ring of each vertex, ascending.
    tolerance : float
        Largest difference in latitude allowed, degrees.

    Returns
    -------
    points, ring
        The given vertices, unchanged, with further ones between them. A vertex at a pole becomes two, below each
        other's neighbours, for meridians meet there.

    Raises
    ------
    GeometryError
        An edge joins opposite points of the globe: every direction would be a great circle.

    Examples
    --------
    >>> points, ring = densify(np.array([[0.0, 60], [40, 60]]), np.array([0, 0]), 0.3)
    >>> points.round(2).tolist()
    [[0.0, 60.0], [9.76, 61.13], [20.0, 61.52], [30.24, 61.13], [40.0, 60.0]]
    """
    for _ in range(_ROUNDS):
        middle, bad = _halves(points, ring, tolerance)
        if len(bad) == 0:
            break
        points = np.insert(points, bad + 1, middle, axis=0)
        ring = np.insert(ring, bad + 1, ring[bad])
    return _split_poles(points, ring)


def _halves(points: Floats, ring: Ints, tolerance: float) -> tuple[Floats, Ints]:
    """Return the middle points of the edges that are too coarse, and the numbers of these edges."""
    edge = np.flatnonzero(ring[1:] == ring[:-1])
    low, high = points[edge], points[edge + 1]
    middle = _middle(low, high)
    span = (high[:, 0] - low[:, 0] + 180) % 360 - 180
    ahead = (middle[:, 0] - low[:, 0] + 180) % 360 - 180
    share = np.divide(ahead, span, out=np.full(len(span), 0.5), where=np.abs(span) > 1e-9)
    off = np.abs(middle[:, 1] - (low[:, 1] + np.clip(share, 0, 1) * (high[:, 1] - low[:, 1])))
    # Over a pole the middle in longitude says little; halve until the turn hides within the tolerance.
    under = 90 - np.minimum(np.abs(low[:, 1]), np.abs(high[:, 1]))
    coarse = ((off > tolerance) | ((np.abs(span) > 90) & (under > tolerance))) & (np.abs(span) > 1e-9)
    return middle[coarse], edge[coarse]


def _middle(low: Floats, high: Floats) -> Floats:
    """Return the points half-way on great circles, degrees."""
    total = _vectors(low) + _vectors(high)
    flat = np.hypot(total[:, 0], total[:, 1])
    if (np.hypot(flat, total[:, 2]) < 1e-9).any():
        raise GeometryError(
            "drawing a great circle between opposite points of the globe: every direction would do; "
            "put a vertex between them or use edges='planar'"
        )
    lng, lat = np.arctan2(total[:, 1], total[:, 0]), np.arctan2(total[:, 2], flat)
    middle: Floats = np.degrees(np.stack([lng, lat], axis=1))
    return middle


def _vectors(points: Floats) -> Floats:
    lng, lat = np.radians(points).T
    vectors: Floats = np.stack([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)], axis=1)
    return vectors


def _split_poles(points: Floats, ring: Ints) -> tuple[Floats, Ints]:
    """Give a vertex at a pole the longitudes of the vertices before and after it."""
    at = np.flatnonzero(np.abs(points[:, 1]) > 90 - 1e-9)
    if len(at) == 0:
        return points, ring
    points = points.copy()
    before = np.where((at > 0) & (ring[at - 1] == ring[at]), at - 1, at)
    behind = np.minimum(at + 1, len(ring) - 1)
    behind = np.where(ring[behind] == ring[at], behind, at)
    after = points[behind, 0]
    points[at, 0] = points[before, 0]
    second = np.stack([after, points[at, 1]], axis=1)
    return np.insert(points, at + 1, second, axis=0), np.insert(ring, at + 1, ring[at])
