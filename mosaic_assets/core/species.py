"""How many kinds are there that nobody has seen yet? Estimators from ecology, applied to colour buckets.

A *kind* is a bucket, an *individual* a judged tile. All functions take the abundances: how often each seen kind was
met, as integers above 0 in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _counts(abundances: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(abundances, np.int64).ravel()
    return counts[counts > 0]


def chao1(abundances: ArrayLike) -> float:
    """Lower bound for the number of kinds, seen and unseen: the bias-corrected Chao1 estimator.

    ``S + f1 (f1 - 1) / (2 (f2 + 1))`` with f1, f2 the kinds met once and twice.
    Source: Chao, "Estimating the population size...", Biometrics 43 (1987); bias-corrected form in Gotelli & Colwell (2011).

    Examples
    --------
    >>> chao1([1, 1, 1, 2, 5])
    6.5
    """
    counts = _counts(abundances)
    singles, doubles = int((counts == 1).sum()), int((counts == 2).sum())
    return float(len(counts) + singles * (singles - 1) / (2 * (doubles + 1)))


def discovery_rate(abundances: ArrayLike) -> float:
    """Probability that the next individual is of an unseen kind: Good and Turing's f1 / n; 1.0 when none was met yet.

    Source: Good, "The population frequencies of species...", Biometrika 40 (1953).

    Examples
    --------
    >>> discovery_rate([1, 1, 2])
    0.5
    """
    counts = _counts(abundances)
    return float((counts == 1).sum() / counts.sum()) if len(counts) else 1.0


def expected_new(abundances: ArrayLike, further: int) -> float:
    """Expected number of unseen kinds among ``further`` more individuals.

    Up to as many again as were met, the Good-Toulmin series ``-sum((-t)^i f_i)`` with t = further / n; beyond, where
    that series diverges, the extrapolation of Colwell et al. (2012, eq. 9) from Chao1's estimate of the unseen.
    Sources: Good & Toulmin, Biometrika 43 (1956); Colwell et al., Journal of Plant Ecology 5 (2012).

    Returns
    -------
    A number from 0 to ``further``; ``further`` itself when nothing was met yet.

    Examples
    --------
    >>> expected_new([1, 1, 2, 3], 7)
    2.0
    """
    counts = _counts(abundances)
    if not len(counts):
        return float(further)
    met = int(counts.sum())
    if further <= met:
        share = further / met
        kinds = np.bincount(counts).astype(float)  # kinds[i]: kinds met i times
        order = np.arange(1, len(kinds))
        found = -float((((-share) ** order) * kinds[1:]).sum())
    else:
        unseen, singles = chao1(counts) - len(counts), float((counts == 1).sum())
        rate = singles / (met * unseen + singles) if singles else 0.0
        found = unseen * (1 - (1 - rate) ** further)
    return min(max(found, 0.0), float(further))
