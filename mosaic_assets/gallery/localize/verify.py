"""Which of the matches of two pictures agree on a turn, a scale and a shift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.gallery.localize.features import Features

RATIO = 0.85
"""A match counts when its distance is at most so much of the second best's."""

REACH_PX = 4.0
"""Distance up to which a match agrees, pixels of the gallery."""

SCALES = (0.25, 4.0)
"""Pixel of the gallery in pixels of the query: agreement on anything beyond is chance."""


class Agreement(NamedTuple):
    """A similarity, and the matches that agree on it."""

    matrix: NDArray[np.float64]
    """(2, 3), from the query's column and row to the gallery's."""
    query_points: NDArray[np.float32]
    """(n, 2)"""
    gallery_points: NDArray[np.float32]

    @property
    def inliers(self) -> int:
        """How many matches agree."""
        return len(self.query_points)


def agreement(query: Features, gallery: Features) -> Agreement | None:
    """Find the similarity that most matches agree on; None where there is none.

    RANSAC draws from a generator with a fixed seed: the same pictures give the same answer. Matches are one to one.
    """
    import cv2

    ours, theirs = matched(query, gallery)
    if len(ours) < 4:
        return None
    cv2.setRNGSeed(1)
    matrix, inside = cv2.estimateAffinePartial2D(
        ours, theirs, method=cv2.RANSAC, ransacReprojThreshold=REACH_PX, maxIters=2000, confidence=0.999
    )
    if matrix is None or not SCALES[0] <= float(np.hypot(*matrix[:, 0])) <= SCALES[1]:
        return None
    keep = _distinct(ours, theirs, inside.ravel() > 0)
    return Agreement(_fitted(ours[keep], theirs[keep], np.asarray(matrix, np.float64)), ours[keep], theirs[keep])


def _fitted(ours: NDArray[np.float32], theirs: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the similarity to all that agree, by least squares, twice: the second time without those beyond half the reach."""
    for reach in (REACH_PX, REACH_PX / 2):
        near = np.hypot(*(ours @ matrix[:, :2].T + matrix[:, 2] - theirs).T) <= reach
        if near.sum() < 4:
            break
        z, w = (points[near].astype(np.float64) @ np.array([1, 1j]) for points in (ours, theirs))
        # A similarity is w = a z + b in the complex plane.
        centred = z - z.mean()
        turn = (centred.conj() @ (w - w.mean())) / (centred.conj() @ centred).real
        shift = w.mean() - turn * z.mean()
        matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return matrix


def matched(query: Features, gallery: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the points (n, 2) of both that are each other's nearest and pass Lowe's test with `RATIO`."""
    if len(query.points) < 2 or len(gallery.points) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    likeness = query.descriptors @ gallery.descriptors.T
    best = likeness.argmax(axis=1)
    rows = np.arange(len(best))
    first = likeness[rows, best]
    back = likeness.argmax(axis=0)[best] == rows
    likeness[rows, best] = -1
    second = likeness.max(axis=1)
    # Of vectors of length 1, the squared distance is 2 - 2 cosine.
    good = back & (1 - first <= RATIO**2 * (1 - second))
    return query.points[good], gallery.points[best[good]]


def _distinct(ours: NDArray[np.float32], theirs: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Keep one match of several at one place: SIFT gives a place a key point for each of its directions and scales."""
    inner = np.flatnonzero(inside)
    places = np.rint(np.concatenate([ours[inner], theirs[inner]], axis=1) / 3).astype(np.int64)
    _, first = np.unique(places[:, :2], axis=0, return_index=True)
    return inner[np.sort(first)]
