"""Which vectors are most like one: all of them compared, or, in a large index, the lists nearest to it.

A large index keeps its vectors in lists by their nearest of some hundred centres ("inverted file"), each list in one piece of
the memory-mapped file. A query compares itself with the centres, then with the nearest lists until a share of all vectors has
been seen; the rest of the file is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.gallery.localize.features import Floats
from mosaic_assets.gallery.localize.vlad import k_means, nearest_word

EXACT_UP_TO = 20_000
"""An index of no more vectors has one list: comparing with all of them takes some 20 ms."""

TRAINED_ON = 40
"""Vectors that a centre is trained on, at most."""

BLOCK = 8_192
"""Vectors that are compared at a time: 16 MB at single precision."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Where the lists lie: rows ``starts[i]`` to ``starts[i + 1]`` belong to centre i."""

    centres: Floats
    """(k, d)"""
    starts: NDArray[np.int64]
    """(k + 1,)"""


def number_of_lists(count: int) -> int:
    """Return how many lists an index of that many vectors has: the square root, or one.

    Examples
    --------
    >>> number_of_lists(800), number_of_lists(824_796)
    (1, 908)
    """
    return 1 if count <= EXACT_UP_TO else round(count**0.5)


def make_lists(vectors: NDArray[np.float16], count: int, seed: int) -> tuple[Lists, NDArray[np.int64]]:
    """Divide vectors (n, d) among ``count`` lists; return them and the order in which the vectors are to be stored."""
    random = np.random.default_rng(seed)
    if count == 1:
        lists = Lists(np.zeros((1, vectors.shape[1]), np.float32), np.array([0, len(vectors)]))
        return lists, np.arange(len(vectors))
    sample = np.sort(random.permutation(len(vectors))[: TRAINED_ON * count])
    centres = k_means(vectors[sample].astype(np.float32), count, random, rounds=8)
    nearest = np.concatenate(
        [nearest_word(vectors[at : at + BLOCK].astype(np.float32), centres) for at in range(0, len(vectors), BLOCK)]
    )
    starts = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=count))])
    return Lists(centres, starts.astype(np.int64)), np.argsort(nearest, kind="stable")


def most_alike(
    query: Floats, vectors: NDArray[np.float16], lists: Lists, top: int, *, share: float = 1.0
) -> tuple[NDArray[np.int64], Floats]:
    """Return the rows of the vectors most like a query, best first, and their cosines.

    Parameters
    ----------
    query : (d,), of length 1.
    vectors : (n, d) in the order of the lists; may be memory-mapped.
    top : how many are wanted.
    share : 0..1, of the vectors that are looked at; the lists nearest to the query first, and always enough for ``top``.
    """
    order = np.argsort(-(lists.centres @ query), kind="stable")
    sizes = np.diff(lists.starts)[order]
    wanted = max(share * len(vectors), top)
    enough = int(np.searchsorted(np.cumsum(sizes), min(wanted, len(vectors)))) + 1
    rows, likeness = [], []
    for number in np.sort(order[:enough]):
        for at in range(int(lists.starts[number]), int(lists.starts[number + 1]), BLOCK):
            to = min(at + BLOCK, int(lists.starts[number + 1]))
            rows.append(np.arange(at, to))
            likeness.append(np.asarray(vectors[at:to], np.float32) @ query)
    every, cosines = np.concatenate(rows), np.concatenate(likeness)
    best = np.argsort(-cosines, kind="stable")[:top]
    return every[best], cosines[best]
