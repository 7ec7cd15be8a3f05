"""Compressed lists of c-squares: a full square of squares becomes one code with ``*`` for what is left open.

A compressed code keeps the length of its leaves, the squares that it stands for::

    3414:100:*    the 4 half-degree squares of 3414:100
    3414:1**:*    the 100 half-degree squares of 3414:1
    3414:***:*    the 400 half-degree squares of 3414
    3414:1**      the 25 one-degree squares of 3414:1

Merging full squares from the bottom up gives the only shortest list, for the squares form a tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import FINEST_LEVEL
from mosaic_assets.core.csquare_codes import as_texts
from mosaic_assets.csquares.merging import first_leaf, merge_ids
from mosaic_assets.errors import CodeError

Ints = arrays.Ints

MOST = 20_000_000
"""Most codes that a list may expand to."""


def compress(codes: Iterable[str]) -> list[str]:
    """Return the shortest equal list of codes, with ``*`` where whole squares are full.

    Parameters
    ----------
    codes : iterable of str
        Codes, compressed codes, or both; order and repeats do not matter. Codes of different sizes are compressed
        apart, each kind in its own length.

    Returns
    -------
    list of str
        Sorted, without repeats.

    Raises
    ------
    CodeError
        Something is not a code.

    Examples
    --------
    >>> compress(["3414:100:1", "3414:100:2", "3414:100:3", "3414:100:4", "3414:227:4"])
    ['3414:100:*', '3414:227:4']
    """
    shortest: list[str] = []
    for level, ids in _ids_by_level(codes).items():
        squares, levels = merge_ids(ids, level)
        first = np.zeros_like(squares)
        for step in range(level + 1):
            which = levels == step
            first[which] = first_leaf(squares[which], step, level)
        shortest.extend(arrays.starred(first, levels, level).tolist())
    return sorted(shortest)


def expand(codes: Iterable[str]) -> list[str]:
    """Return every code that a list with wildcards stands for.

    Parameters
    ----------
    codes : iterable of str
        Codes in which ``*`` (or ``%``) stands for any digit. Only codes that obey the grammar come out:
        ``1000:***`` is 100 codes.

    Returns
    -------
    list of str
        Sorted, without repeats.

    Raises
    ------
    CodeError
        A text is not a code, matches none, or stands for more than 20 million squares.

    Examples
    --------
    >>> expand(["1000:*"])
    ['1000:1', '1000:2', '1000:3', '1000:4']
    """
    expanded: list[str] = []
    for level, ids in _ids_by_level(codes).items():
        expanded.extend(arrays.codes_of_ids(ids, level).tolist())
    return sorted(expanded)


def _ids_by_level(codes: Iterable[str]) -> dict[int, Ints]:
    """Return the ids, ascending, of all squares of each level that a list stands for."""
    texts = as_texts([codes] if isinstance(codes, str) else list(codes)).ravel()
    lengths = np.strings.str_len(texts)
    fit = (lengths >= 4) & (lengths <= 4 + 2 * FINEST_LEVEL) & (lengths % 2 == 0)
    if not fit.all():
        arrays.refuse_first(texts, fit, "expected codes of 4, 6, 8, ... characters, such as 3414:227:4 or 3414:1**")
    found: dict[int, Ints] = {}
    for length in np.unique(lengths):
        same = texts[lengths == length]
        level = (int(length) - 4) // 2
        wild = (np.strings.find(same, "*") >= 0) | (np.strings.find(same, "%") >= 0)
        lists = [arrays.ids_of_codes(same[~wild], level), *_ids_of_patterns(same[wild], level)]
        if sum(map(len, lists)) > MOST:
            raise CodeError(
                f"expanding {len(same)} codes, some with wildcards: more than {MOST:,} squares; split the list"
            )
        found[level] = np.unique(np.concatenate(lists))
    return found


def _ids_of_patterns(patterns: arrays.Texts, level: int) -> list[Ints]:
    """Return the ids that codes with wildcards stand for, those that name one whole square all at once."""
    lists: list[Ints] = []
    for whole in range(level):
        length, size = 4 + 2 * whole, arrays.total_of(level) // arrays.total_of(whole)
        tail = f"{':***' * FINEST_LEVEL}"[(length - 4) % 4 : (length - 4) % 4 + 2 * (level - whole)]
        prefixes = np.strings.slice(patterns, 0, length)
        fit = np.strings.endswith(patterns, tail) & arrays.valid_codes(prefixes)
        first = arrays.ids_of_codes(prefixes[fit], whole) * size
        if len(first) * size > MOST:
            raise CodeError(f"expanding {len(first)} codes: more than {MOST:,} squares; split the list")
        lists.append((first[:, None] + np.arange(size if len(first) else 0)).ravel())
        patterns = patterns[~fit]
    return [*lists, *(_ids_of_pattern(str(pattern)) for pattern in patterns)]


def _ids_of_pattern(pattern: str) -> Ints:
    """Return the ids that a code with wildcards stands for: the sum of every choice in every block."""
    text = pattern.replace("%", "*")
    good = 4 <= len(text) <= 4 + 2 * FINEST_LEVEL and len(text) % 2 == 0
    pieces = [text[:4], *(text[at : at + 4] for at in range(4, len(text), 4))]
    choices = [_choices(piece) for piece in pieces] if good else [()]
    if not all(choices):
        raise CodeError(
            f"expanding {pattern!r}: it matches no c-square code; expected one like 3414:1**:*, "
            "where * stands for any digit"
        )
    count = int(np.prod([float(len(choice)) for choice in choices]))
    if count > MOST:
        raise CodeError(f"expanding {pattern!r}: {count:,} squares, more than {MOST:,}; expand a part of it")
    ids = np.zeros(1, np.int64)
    for piece, choice in zip(pieces, choices, strict=True):
        width = {4: 100 if piece[0] == ":" else 648, 2: 4}[len(piece)]
        ids = (ids[:, None] * width + np.array(choice)).ravel()
    return ids


@cache
def _choices(piece: str) -> tuple[int, ...]:
    """Return the numbers of the choices that fit a piece of a pattern: ``Q T LL``, ``:I y x`` or ``:I``."""
    if piece[0] == ":":
        ends = [f":{quarter}" for quarter in "1234"]
        if len(piece) == 4:
            ends = [
                f":{quarter + 1}{quarter // 2 * 5 + place // 5}{quarter % 2 * 5 + place % 5}"
                for quarter in range(4)
                for place in range(25)
            ]
    else:
        ends = [f"{q}{t}{ll:02d}" for q in (1, 3, 5, 7) for t in range(9) for ll in range(18)]
    return tuple(
        number
        for number, end in enumerate(ends)
        if all(sign in ("*", exact) for sign, exact in zip(piece, end, strict=True))
    )
