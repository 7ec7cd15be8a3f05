"""One short vector for a picture: VLAD over RootSIFT, reduced and whitened by PCA.

For each word of a vocabulary the residuals of its descriptors are added up; the sums are normed one by one, so that a
repeated pattern (a roof, a furrow) does not drown the rest, then square-rooted and projected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.gallery.localize.features import Floats

WORDS = 64
"""Size of the vocabulary."""

DIMENSIONS = 512
"""Of the reduced vector: 1,024 bytes at half precision."""

SMOOTHING = 1.0
"""Mean variance that is added before whitening, so that the weakest directions are not blown up."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns descriptors into a vector."""

    words: Floats
    """(WORDS, 128)"""
    mean: Floats
    """(WORDS * 128,)"""
    projection: Floats
    """(d, WORDS * 128), whitening included; d is `DIMENSIONS` or less for a small gallery."""

    def encode(self, descriptors: Floats) -> Floats:
        """Return a vector (d,) of length 1; zeros for a picture without key points."""
        return np.asarray(self.project(vlad(descriptors, self.words)[None])[0], np.float32)

    def project(self, vectors: Floats) -> Floats:
        """Reduce VLAD vectors (n, WORDS * 128) to (n, d), each of length 1 or 0."""
        found: Any = vectors.any(axis=1, keepdims=True)
        reduced = np.asarray((vectors - self.mean) @ self.projection.T, np.float32)
        return np.asarray(_normed(reduced) * found, np.float32)


def vlad(descriptors: Floats, words: Floats) -> Floats:
    """Add up the residuals of descriptors (n, 128) by word; (words * 128,), of length 1, or 0 for no descriptors.

    Examples
    --------
    >>> vlad(np.float32([[3, 0], [0, 4]]), np.float32([[0, 0], [9, 9]])).astype(float).round(2).tolist()
    [0.65, 0.76, 0.0, 0.0]
    """
    sums: Floats = np.zeros_like(words)
    if len(descriptors):
        nearest = nearest_word(descriptors, words)
        # A product with the table of memberships is several times faster than np.add.at.
        member = np.zeros((len(words), len(descriptors)), np.float32)
        member[nearest, np.arange(len(descriptors))] = 1
        sums = member @ descriptors - member.sum(axis=1, keepdims=True) * words
    flat = _normed(sums).ravel()
    rooted = np.sign(flat) * np.sqrt(np.abs(flat))
    return np.asarray(_normed(rooted[None])[0], np.float32)


def nearest_word(points: Floats, words: Floats) -> NDArray[np.int64]:
    """Return the number of the nearest of ``words`` (k, d) for each of ``points`` (n, d)."""
    apart = (words**2).sum(axis=1) - 2 * points @ words.T
    return np.asarray(apart.argmin(axis=1), np.int64)


def k_means(points: Floats, count: int, random: np.random.Generator, *, rounds: int = 15) -> Floats:
    """Return the centres (count, d) of clusters of points; those that lose all their points keep their place.

    Runs on one thread, so that the same points and seed give the same bytes on one machine.
    """
    from threadpoolctl import threadpool_limits

    centres = points[random.choice(len(points), count, replace=len(points) < count)].copy()
    with threadpool_limits(1):
        for _ in range(rounds):
            nearest = nearest_word(points, centres)
            order = np.argsort(nearest, kind="stable")
            filled, starts = np.unique(nearest[order], return_index=True)
            sums = np.add.reduceat(points[order], starts, axis=0)
            centres[filled] = sums / np.diff([*starts, len(points)])[:, None]
    return centres


def whitening(vectors: Floats, dimensions: int = DIMENSIONS) -> tuple[Floats, Floats]:
    """Return the mean (d,) of vectors (n, d) and a whitening projection (m, d) on their main directions, m < n.

    Directions come from the n x n matrix of products, which is smaller than the covariance of 8,192 numbers.
    """
    from threadpoolctl import threadpool_limits

    mean = vectors.mean(axis=0)
    centred = vectors - mean
    with threadpool_limits(1):
        variances, weights = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        keep = np.argsort(variances)[::-1][: max(1, min(dimensions, len(vectors) - 1))]
        variances, weights = np.maximum(variances[keep], 1e-12), weights[:, keep]
        directions = (centred.T @ weights / np.sqrt(variances)).T
    scale = 1 / np.sqrt(variances + SMOOTHING * variances.mean())
    return mean, np.asarray(directions * scale[:, None], np.float32)


def _normed(vectors: Floats) -> Floats:
    length = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
