"""Where within a biome the next tiles lie best: near tiles that fell in buckets the library still lacks.

Colours lie together on the ground, so what a tile brings is foretold by the tiles around it. A focused round looks
further ahead in the biome's seeded sequence than it asks for and takes the tiles whose neighbours were useful; those
not taken stay for later rounds. The sequence itself does not change, so the same knowledge gives the same tiles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRETCH = 8
"""Candidates that a focused round looks at for each tile it takes; with more, little better is found."""

NEIGHBOURS = 4
"""Judged tiles that foretell a candidate, the nearest counting most."""


def focus(
    candidates: NDArray[np.int64], judged: NDArray[np.int64], useful: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Choose the candidates that lie among useful tiles.

    A candidate's score is the share of useful ones among its `NEIGHBOURS` nearest judged tiles, weighted 1, 1/2, 1/3,
    ... by rank of distance.

    Parameters
    ----------
    candidates : int64 of shape (n, 2); x and y of tiles in the order of their plan.
    judged : int64 of shape (m, 2); x and y of the judged tiles of the same biome and zoom.
    useful : bool of shape (m,); whether each fell in a bucket that is under the floor now.
    count : how many to choose.

    Returns
    -------
    int64 of shape (min(n, count),); ascending positions in ``candidates``. Of equal scores the earlier is chosen; where
    nothing was judged, or nothing useful, these are the first ones.

    Examples
    --------
    >>> judged = np.array([[0, 0], [100, 100]])
    >>> focus(np.array([[1, 0], [99, 100], [0, 2], [101, 99]]), judged, np.array([False, True]), 2)
    array([1, 3])
    """
    from scipy.spatial import cKDTree

    if len(candidates) <= count or not useful.any():
        return np.arange(min(len(candidates), count))
    ranks = np.arange(1, min(NEIGHBOURS, len(judged)) + 1)
    near = cKDTree(judged).query(candidates, k=ranks, workers=-1)[1]
    score = (useful[near] / ranks).sum(axis=1)
    return np.sort(np.argsort(-score, kind="stable")[:count])
