"""The grammar of c-square codes, many at a time, and the integers that stand for squares.

Three forms of a square, all arrays:

* **cells**: ``row`` and ``col``, int64, counted north- and eastwards from the equator and Greenwich in
  squares of the level; negative in the south and west. Geometry works on these.
* **ids**: int64 from 0, in the order in which the codes sort as text. The id of a square's parent is the id
  divided by 4 or 25 and rounded down, so everything inside a square is one run of ids.
* **codes**: text, ``<U4`` to ``<U36``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mosaic_assets.core.csquare import FINEST_LEVEL, side_of, why_invalid
from mosaic_assets.errors import CodeError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]

_CHUNK = 16_384
"""Points worked on at a time: the intermediate arrays then stay in the processor's cache."""
_ZERO, _COLON, _STAR = (np.uint32(ord(character)) for character in "0:*")


def factor_of(level: int) -> int:
    """Return how many squares of a level make one of the level above: 4 or 25 (648 at level 0)."""
    return (4 if level % 2 else 25) if level else 648


def total_of(level: int) -> int:
    """Return how many squares of a level cover the world: 648, 2,592, 64,800, 259,200, ..."""
    return 648 * side_of(level) ** 2


def cells_of_points(lng: Floats, lat: Floats, level: int) -> tuple[Ints, Ints]:
    """Return the cells that own points.

    Parameters
    ----------
    lng, lat : (n,) float64
        Degrees, in range; the caller has checked.
    level : int
        0..16.

    Returns
    -------
    row, col : (n,) int64

    Examples
    --------
    >>> cells_of_points(np.array([147.3]), np.array([-42.8]), 4)
    (array([-429]), array([1473]))
    """
    return _own(lat, level, 9), _own(lng, level, 18)


def _own(values: Floats, level: int, tens: int) -> Ints:
    side = side_of(level)
    size = np.abs(values)
    line = lines_below(size, side)
    np.minimum(line, tens * side - 1, out=line)
    cells: Ints = np.where(values < 0, -1 - line, line)
    return cells


def lines_below(values: Floats, side: int) -> Ints:
    """Return the number of the last grid line at or below values >= 0, decimals taken at their word.

    ``line * 10 / side`` is the float nearest to a grid line; comparing with it puts 42.8 on the line 42.8.
    """
    line: Ints = (values * (side / 10)).astype(np.int64)
    if side <= 20:  # scaling by 0.1, 0.2, 1 or 2: the first two round, the others are exact
        if side <= 2:
            line += (line + 1) * (10 // side) <= values
            line -= line * (10 // side) > values
        return line
    tens = line * 10.0
    line += (tens + 10.0) / side <= values
    line -= tens / side > values
    return line


def ids_of_cells(row: Ints, col: Ints, level: int) -> Ints:
    """Return the ids of cells; ``row`` in -9 * side..9 * side - 1, ``col`` in -18 * side..18 * side - 1.

    Examples
    --------
    >>> ids_of_cells(np.array([0, -1]), np.array([0, 0]), 0)
    array([  0, 162])
    """
    side = side_of(level)
    south, west = row < 0, col < 0
    a, b = np.where(south, -1 - row, row), np.where(west, -1 - col, col)
    quadrant = south + 3 * west.astype(np.int64) - 2 * (south & west)
    ids: Ints = quadrant * 162 + (a // side) * 18 + b // side
    while side > 1:
        a, b = a % side, b % side
        half = side // 2
        ids = ids * 4 + 2 * (a >= half) + (b >= half)
        side //= 10
        if side:
            ids = ids * 25 + (a // side) % 5 * 5 + (b // side) % 5
    return ids


def cells_of_ids(ids: Ints, level: int) -> tuple[Ints, Ints]:
    """Return ``row, col`` of ids; the reverse of `ids_of_cells`."""
    a, b, south, west = _split_ids(ids, level)
    return np.where(south, -1 - a, a), np.where(west, -1 - b, b)


def _split_ids(ids: Ints, level: int) -> tuple[Ints, Ints, Bools, Bools]:
    """Return row and column away from zero, and whether south and west."""
    a = b = np.zeros_like(ids)
    size = 1  # of the part read so far, in squares of the level
    for step in range(level, 0, -1):
        ids, part = np.divmod(ids, factor_of(step))
        width = 2 if step % 2 else 5
        a, b = a + part // width * size, b + part % width * size
        size *= width
    quadrant, rest = np.divmod(ids, 162)
    a, b = a + rest // 18 * size, b + rest % 18 * size
    return a, b, (quadrant == 1) | (quadrant == 2), quadrant >= 2


def codes_of_ids(ids: Ints, level: int) -> Texts:
    """Return the codes of ids, (n,) text of ``4 + 2 * level`` characters."""
    return codes_of_cells(*cells_of_ids(ids, level), level)


def codes_of_points(lng: Floats, lat: Floats, level: int) -> Texts:
    """Return the codes of the squares that own points; see `cells_of_points`."""
    letters = np.empty((len(lng), 4 + 2 * level), np.uint32)
    for start in range(0, len(lng), _CHUNK):
        part = slice(start, start + _CHUNK)
        letters[part] = _letters(*cells_of_points(lng[part], lat[part], level), level).T
    return texts_of_letters(letters)


def codes_of_cells(row: Ints, col: Ints, level: int) -> Texts:
    """Return the codes of cells, (n,) text of ``4 + 2 * level`` characters.

    Examples
    --------
    >>> codes_of_cells(np.array([-81]), np.array([280]), 3)
    array(['3414:100:1'], dtype='<U10')
    """
    letters = np.empty((len(row), 4 + 2 * level), np.uint32)
    for start in range(0, len(row), _CHUNK):
        part = slice(start, start + _CHUNK)
        letters[part] = _letters(row[part], col[part], level).T
    return texts_of_letters(letters)


def _letters(row: Ints, col: Ints, level: int) -> npt.NDArray[np.uint8]:
    """Return the characters of codes, one row a position: (4 + 2 * level, n)."""
    side = side_of(level)
    # 32-bit division takes a fraction of the time.
    small: type[np.int32] | type[np.int64] = np.int32 if side <= 10**7 else np.int64
    south, west = row < 0, col < 0
    a: npt.NDArray[np.integer] = np.where(south, -1 - row, row).astype(small)
    b: npt.NDArray[np.integer] = np.where(west, -1 - col, col).astype(small)
    letters = np.empty((4 + 2 * level, len(row)), np.uint8)
    letters[4::4] = _COLON
    letters[0] = 49 + 2 * south + 6 * west - 4 * (south & west)
    tens_a, tens_b = a // side, b // side
    a, b = a - tens_a * side, b - tens_b * side
    letters[1] = 48 + tens_a
    letters[2] = 48 + (tens_b >= 10)
    letters[3] = 48 + tens_b % 10
    at = 5
    while side > 1:
        half = side // 2
        letters[at] = 49 + 2 * (a >= half) + (b >= half)
        side //= 10
        if side:
            digit_a, digit_b = a // side, b // side
            letters[at + 1], letters[at + 2] = 48 + digit_a, 48 + digit_b
            a, b = a - digit_a * side, b - digit_b * side
        at += 4
    return letters


def texts_of_letters(letters: npt.NDArray[np.uint32]) -> Texts:
    """Return rows of Unicode code points, (n, length) contiguous, as (n,) text, without a copy."""
    texts: Texts = letters.view(f"<U{letters.shape[1]}")[:, 0]
    return texts


def letters_of_texts(codes: Texts) -> npt.NDArray[np.uint32]:
    """Return texts as (n, longest) Unicode code points, shorter ones filled with 0."""
    codes = np.ascontiguousarray(codes)
    width = codes.dtype.itemsize // 4
    return codes.view(np.uint32).reshape(len(codes), width)


def valid_codes(codes: Texts) -> Bools:
    """Return which of (n,) texts are codes of squares, (n,) bool."""
    letters, lengths = letters_of_texts(codes), np.strings.str_len(codes)
    good = np.zeros(len(codes), bool)
    for length in np.unique(lengths):
        if 4 <= length <= 4 + 2 * FINEST_LEVEL and length % 2 == 0:
            which = np.flatnonzero(lengths == length)
            good[which] = _valid_letters(letters[which, :length])
    return good


def _valid_letters(letters: npt.NDArray[np.uint32]) -> Bools:
    """Return which rows, all of one possible length, follow the grammar."""
    digits = letters.astype(np.int64) - 48
    good = np.isin(digits[:, 0], (1, 3, 5, 7)) & (digits[:, 1] >= 0) & (digits[:, 1] <= 8)
    tens, ones = digits[:, 2], digits[:, 3]
    good &= (ones >= 0) & (ones <= 9) & ((tens == 0) | ((tens == 1) & (ones <= 7)))
    for at in range(5, letters.shape[1], 4):
        quarter = digits[:, at]
        good &= (letters[:, at - 1] == _COLON) & (quarter >= 1) & (quarter <= 4)
        if at + 2 < letters.shape[1]:
            y, x = digits[:, at + 1], digits[:, at + 2]
            good &= (y >= 0) & (y <= 9) & (x >= 0) & (x <= 9) & (quarter == 1 + 2 * (y >= 5) + (x >= 5))
    return good


def ids_of_codes(codes: Texts, level: int) -> Ints:
    """Return the ids of (n,) codes that are all of one level.

    Raises
    ------
    CodeError
        One of them is no code, or of another level; the message names the first.
    """
    good = valid_codes(codes) & (np.strings.str_len(codes) == 4 + 2 * level)
    if not good.all():
        refuse_first(codes, good, f"expected codes of {4 + 2 * level} characters")
    return ids_of_letters(letters_of_texts(codes)[:, : 4 + 2 * level].astype(np.int64) - 48)


def ids_of_letters(digits: Ints) -> Ints:
    """Return the ids of valid codes given as (n, length) digits."""
    ids = (digits[:, 0] - 1) // 2 * 162 + digits[:, 1] * 18 + digits[:, 2] * 10 + digits[:, 3]
    for at in range(5, digits.shape[1], 4):
        ids = ids * 4 + digits[:, at] - 1
        if at + 2 < digits.shape[1]:
            ids = ids * 25 + digits[:, at + 1] % 5 * 5 + digits[:, at + 2] % 5
    return ids


def refuse_first(codes: Texts, good: Bools, expected: str) -> None:
    """Raise `CodeError` about the first code that is not good."""
    at = int(np.argmin(good))
    code = str(codes[at])
    reason = why_invalid(code) or "its length does not fit the others"
    raise CodeError(f"reading c-square codes: number {at}, {code!r}: {reason}; {expected}. Mend or leave out that one")


def starred(first_leaf: Ints, levels: Ints, leaf_level: int) -> Texts:
    """Write compressed codes: squares of any level in the length of a leaf code, ``*`` for what is open.

    Parameters
    ----------
    first_leaf : (n,) int64
        Id of the first leaf inside each square.
    levels : (n,) int64
        Level of each square, at most ``leaf_level``.

    Examples
    --------
    >>> starred(np.array([0, 0, 0]), np.array([0, 1, 2]), 3)
    array(['1000:***:*', '1000:1**:*', '1000:100:*'], dtype='<U10')
    """
    letters = letters_of_texts(codes_of_ids(first_leaf, leaf_level)).copy()
    places = np.arange(4 + 2 * leaf_level)
    for level in range(leaf_level):
        rows = np.flatnonzero(levels == level)
        if len(rows):
            open_places = places[(places >= 4 + 2 * level) & (places % 4 != 0)]
            letters[np.ix_(rows, open_places)] = _STAR
    return texts_of_letters(letters)
