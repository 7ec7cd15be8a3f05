"""What two lists of squares have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.compress import compress
from mosaic_assets.csquares.places import ids_at, keys_of_codes, level_at

Ints = arrays.Ints


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two lists of squares have in common."""

    first: int
    """Squares in the first list, of the resolution asked for."""
    second: int
    both: int
    codes: list[str]
    """The common squares, compressed."""


def overlap(first: Iterable[str], second: Iterable[str], resolution: float = 0.5) -> Overlap:
    """Return what two lists of c-squares have in common, each a list of one area.

    Parameters
    ----------
    first, second : iterable of str
        Codes of 10 to 0.5 degrees, compressed or not, mixed as you like; or one text with ``|`` between codes.
    resolution : float
        Size of the squares that are counted: 10, 5, 1 or 0.5 degrees. Smaller squares count as the one around them.

    Raises
    ------
    CodeError
        Not a code, or of another size.

    Examples
    --------
    >>> overlap(["3414:1**:*"], ["3414:100", "3415:100:1"])
    Overlap(first=100, second=5, both=4, codes=['3414:100:*'])
    """
    a, b = (np.array(keys_of_codes(codes), np.int64) for codes in (first, second))
    return overlap_of_keys(a, b, level_at(resolution))


def overlap_of_keys(first: Ints, second: Ints, level: int) -> Overlap:
    """Return what two lists of squares, given as keys, have in common, in squares of a level."""
    a, b = ids_at(first, level), ids_at(second, level)
    both = np.intersect1d(a, b, assume_unique=True)
    codes = compress(arrays.codes_of_ids(both, level).tolist()) if len(both) else []
    return Overlap(len(a), len(b), len(both), codes)
