"""How many kinds are there that nobody has seen yet? Estimators from ecology, applied to colour buckets.

A *kind* is a bucket, an *individual* a judged tile. Abundances are how often each seen kind was met: integers, in any
order and shape; those not above 0 are left out. With ``n`` individuals, ``S`` kinds seen, and ``f1``, ``f2``, ... the
kinds met exactly once, twice, ...:

=================== ================================ =====================================================
function            formula                          source
=================== ================================ =====================================================
`chao1`             S + f1 (f1 - 1) / (2 (f2 + 1))   Chao 1984, 1987; bias-corrected: Gotelli & Colwell 2011
`discovery_rate`    f1 / n                           Good 1953, after Turing
`expected_new`      f1 t - f2 t^2 + f3 t^3 - ...     Good & Toulmin 1956; beyond t = 1 Colwell et al. 2012
`expected_filled`   sum of I_q(need, hits)           negative binomial: Greenwood & Yule 1920
=================== ================================ =====================================================

All take the individuals for independent draws from one unchanging mixture of kinds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _counts(abundances: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(abundances, np.int64).ravel()
    return counts[counts > 0]


def chao1(abundances: ArrayLike) -> float:
    """Lower bound for the number of kinds, seen and unseen: the bias-corrected Chao1 estimator.

    ``S + f1 (f1 - 1) / (2 (f2 + 1))``. A lower bound because kinds too rare to be met even once leave no trace.
    Sources: Chao, Scandinavian Journal of Statistics 11 (1984) 265-270, and Biometrics 43 (1987) 783-791; the
    bias-corrected form, which needs no kind met twice, in Gotelli & Colwell, *Biological Diversity* (2011) ch. 4.

    Parameters
    ----------
    abundances : integers; how often each kind was met.

    Returns
    -------
    Kinds, at least the number seen; 0.0 when nothing was met.

    Examples
    --------
    >>> chao1([1, 1, 1, 2, 5])
    6.5
    """
    counts = _counts(abundances)
    singles, doubles = int((counts == 1).sum()), int((counts == 2).sum())
    return float(len(counts) + singles * (singles - 1) / (2 * (doubles + 1)))


def discovery_rate(abundances: ArrayLike) -> float:
    """Probability that the next individual is of an unseen kind: Good and Turing's ``f1 / n``.

    Source: Good, Biometrika 40 (1953) 237-264, who credits Turing. One minus it is Good's coverage.

    Parameters
    ----------
    abundances : integers; how often each kind was met.

    Returns
    -------
    Probability, 0..1; 1.0 when nothing was met yet.

    Examples
    --------
    >>> discovery_rate([1, 1, 2])
    0.5
    """
    counts = _counts(abundances)
    return float((counts == 1).sum() / counts.sum()) if len(counts) else 1.0


def expected_new(abundances: ArrayLike, further: int) -> float:
    """Expected number of unseen kinds among ``further`` more individuals.

    With ``t = further / n`` up to 1, the Good-Toulmin series ``f1 t - f2 t^2 + f3 t^3 - ...``. Beyond, where the series
    diverges, ``f0 (1 - (1 - r)^further)`` with ``f0`` Chao1's estimate of the unseen kinds and ``r = f1 / (n f0 + f1)``.
    Sources: Good & Toulmin, Biometrika 43 (1956) 45-63; Colwell et al., Journal of Plant Ecology 5 (2012) 3-21, eq. 9.

    Parameters
    ----------
    abundances : integers; how often each kind was met.
    further : individuals to come, 0 or more.

    Returns
    -------
    Kinds, from 0 to ``further``; ``further`` itself when nothing was met yet.

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


def expected_filled(hits: ArrayLike, need: ArrayLike, met: int, further: int) -> float:
    """Expected number of kinds that ``further`` more individuals complete.

    A kind met ``h`` times among ``met`` individuals comes at a rate that is Gamma(h, met) distributed, so the number
    to come is negative binomial, and at least ``need`` of them come with probability ``I_q(need, h)``, the regularized
    incomplete beta function at ``q = further / (met + further)``.
    Source: Greenwood & Yule, Journal of the Royal Statistical Society 83 (1920) 255-279, for the mixture.

    Parameters
    ----------
    hits : how often each kind was met, above 0; fractions are allowed.
    need : how many more each kind lacks, above 0; of the same shape.
    met, further : individuals so far, 1 or more, and to come.

    Returns
    -------
    Kinds, from 0 to their number.

    Examples
    --------
    >>> round(expected_filled([1, 4], [1, 2], 100, 100), 4)
    1.3125
    """
    from scipy.special import betainc

    share = further / (met + further) if further else 0.0
    return float(np.sum(betainc(np.asarray(need, float), np.asarray(hits, float), share)))
