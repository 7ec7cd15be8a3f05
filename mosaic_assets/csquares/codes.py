"""Relations between c-squares, and lists of them as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import FINEST_LEVEL, level_of, resolution_of, side_of, split_code
from mosaic_assets.core.csquare_codes import Numbers, as_texts
from mosaic_assets.errors import CodeError

_WILD = re.compile(r"[*%]")


@overload
def parent(code: str, resolution: float | None = ...) -> str: ...
@overload
def parent(code: Numbers, resolution: float | None = ...) -> arrays.Texts: ...
def parent(code: str | Numbers, resolution: float | None = None) -> str | arrays.Texts:
    """Return the square that holds a square, for one or many.

    Parameters
    ----------
    code : str or array of str
        Codes; an array may mix lengths when ``resolution`` is given.
    resolution : float, optional
        Size of the parent, degrees; by default the next larger.

    Returns
    -------
    str or array of str
        Of the shape of ``code``.

    Raises
    ------
    CodeError
        Not a code, or one whose square is not smaller than ``resolution``.

    Examples
    --------
    >>> parent("3414:227:4"), parent("3414:227:4", 10)
    ('3414:227', '3414')
    """
    texts = as_texts(code)
    flat = np.atleast_1d(texts).ravel()
    good = arrays.valid_codes(flat)
    if not good.all():
        arrays.refuse_first(flat, good, "expected ones like 3414:227:4")
    lengths = np.strings.str_len(flat)
    wanted = lengths - 2 if resolution is None else np.full(len(flat), 4 + 2 * level_of(resolution))
    good = (wanted >= 4) & (wanted < lengths)
    if not good.all():
        at = int(np.argmin(good))
        raise CodeError(
            f"looking for the parent of {str(flat[at])!r}: its square of "
            f"{resolution_of((int(lengths[at]) - 4) // 2):g} degrees has none of {resolution or 'a larger size'}; "
            "ask for a coarser resolution, 10 at most"
        )
    cut = np.strings.slice(flat, 0, wanted) if len(flat) else flat
    if isinstance(code, str):
        return str(cut[0])
    return cut.astype(f"<U{max(4, int(wanted.max(initial=4)))}").reshape(texts.shape)


def parents(code: str) -> list[str]:
    """Return all squares that hold a square, the largest first; none for a 10-degree square.

    Raises
    ------
    CodeError
        Not a code.

    Examples
    --------
    >>> parents("3414:227:4")
    ['3414', '3414:2', '3414:227']
    """
    split_code(code)
    return [code[:length] for length in range(4, len(code), 2)]


@overload
def children(code: str) -> list[str]: ...
@overload
def children(code: Numbers) -> arrays.Texts: ...
def children(code: str | Numbers) -> list[str] | arrays.Texts:
    """Return the squares of the next smaller size inside a square, sorted; for one or many.

    Parameters
    ----------
    code : str or array of str
        An array must be of one length.

    Returns
    -------
    list of str, or array of str of shape ``code.shape + (4 or 25,)``
        4 from 10, 1, 0.1 ... degrees, 25 from 5, 0.5, ... degrees.

    Raises
    ------
    CodeError
        Not a code, or of the smallest size.

    Examples
    --------
    >>> children("3414")
    ['3414:1', '3414:2', '3414:3', '3414:4']
    """
    texts, level = _one_level(code)
    if level >= FINEST_LEVEL:
        raise CodeError(f"looking for children of squares of {resolution_of(level):g} degrees: there are none smaller")
    factor = arrays.factor_of(level + 1)
    ids = arrays.ids_of_codes(texts.ravel(), level)[:, None] * factor + np.arange(factor)
    found = arrays.codes_of_ids(ids.ravel(), level + 1).reshape(*texts.shape, factor)
    if isinstance(code, str):
        inside: list[str] = found[0].tolist()
        return inside
    return found


@overload
def neighbours(code: str) -> list[str]: ...
@overload
def neighbours(code: Numbers) -> arrays.Texts: ...
def neighbours(code: str | Numbers) -> list[str] | arrays.Texts:
    """Return the squares around a square: N, NE, E, SE, S, SW, W, NW; for one or many.

    Columns go on over the date line. Beyond a pole there is no row: squares at a pole have five neighbours.

    Parameters
    ----------
    code : str or array of str
        An array must be of one length.

    Returns
    -------
    list of str, or array of str of shape ``code.shape + (8,)``
        In the array an empty text stands where there is none.

    Raises
    ------
    CodeError
        Not a code.

    Examples
    --------
    >>> neighbours("1000")
    ['1100', '1101', '1001', '3001', '3000', '5000', '7000', '7100']
    """
    texts, level = _one_level(code)
    side = side_of(level)
    row, col = arrays.cells_of_ids(arrays.ids_of_codes(texts.ravel(), level), level)
    rows = row[:, None] + np.array([1, 1, 0, -1, -1, -1, 0, 1])
    cols = (col[:, None] + np.array([0, 1, 1, 1, 0, -1, -1, -1]) + 18 * side) % (36 * side) - 18 * side
    there = (rows >= -9 * side) & (rows < 9 * side)
    codes = arrays.codes_of_cells(np.where(there, rows, 0).ravel(), cols.ravel(), level).reshape(rows.shape)
    if isinstance(code, str):
        around: list[str] = codes[there].tolist()
        return around
    return np.where(there, codes, "").reshape(*texts.shape, 8)


def _one_level(code: str | Numbers) -> tuple[arrays.Texts, int]:
    """Return codes as an array, one code as an array of one, and the level of the first."""
    texts = as_texts([code] if isinstance(code, str) else code)
    first = str(texts.ravel()[0]) if texts.size else "1000"
    return texts, split_code(first)[4]


def read_code(text: str, *, wildcards: bool = False) -> str:
    """Return a code in its proper spelling from a careless one.

    Colons may be missing or be written ``-``, ``_``, ``.`` or blanks: ``34142274`` and ``3414-227-4`` are
    ``3414:227:4``. Digits are never guessed.

    Parameters
    ----------
    text : str
    wildcards : bool
        Accept ``*`` and ``%`` for digits (both come out as ``*``).

    Raises
    ------
    CodeError
        What is left is not a code.

    Examples
    --------
    >>> read_code("1500-111-133"), read_code(" 34141001 ")
    ('1500:111:133', '3414:100:1')
    """
    signs = re.sub(r"[\s:._-]", "", text)
    blocks = [signs[:4], *(signs[at : at + 3] for at in range(4, len(signs), 3))]
    code = ":".join(block for block in blocks if block)
    if wildcards and _WILD.search(code):
        from mosaic_assets.csquares.compress import expand

        code = code.replace("%", "*")
        expand([code])  # says what is wrong, if anything
        return code
    try:
        split_code(code)
    except CodeError as error:
        raise CodeError(f"reading {text!r} as {code!r}: {error}") from error
    return code


def parse(text: str, *, lenient: bool = False, wildcards: bool = False) -> list[str]:
    """Return the codes of a list such as ``3416:237|3416:238``.

    Parameters
    ----------
    text : str
        Codes with ``|`` between them, of any sizes; blank text is an empty list.
    lenient : bool
        Also read what `read_code` reads, commas, semicolons and line ends between codes, and empty places.
    wildcards : bool
        Accept compressed codes; `expand` makes them full.

    Returns
    -------
    list of str
        In the order of the text, repeats included, colons in place.

    Raises
    ------
    CodeError
        A part is not a code; the message says which and why.

    Examples
    --------
    >>> parse("3416:237|3416:238")
    ['3416:237', '3416:238']
    >>> parse("3416237, 3416-238", lenient=True)
    ['3416:237', '3416:238']
    """
    if not text.strip():
        return []
    parts: Sequence[str] = re.split(r"[|,;\n\r]", text) if lenient else text.split("|")
    parts = [part for part in parts if part.strip() or not lenient]
    codes = []
    for number, part in enumerate(parts):
        try:
            code = read_code(part, wildcards=wildcards)
            if not lenient and code != part.replace("%", "*"):
                raise CodeError(f"it is spelled {part!r}; expected {code!r}; pass lenient=True to read it")
        except CodeError as error:
            raise CodeError(f"reading a list of {len(parts)} c-squares, number {number}: {error}") from error
        codes.append(code)
    return codes


def format_codes(codes: Iterable[str]) -> str:
    """Return a list of codes as one text, ``|`` between them, in the order given.

    Raises
    ------
    CodeError
        Something is neither a code nor a compressed code in its proper spelling.

    Examples
    --------
    >>> format_codes(["3416:237", "3416:2**"])
    '3416:237|3416:2**'
    """
    written = list(codes)
    for code in written:
        if _WILD.search(code) is None:
            split_code(code)
        elif read_code(code, wildcards=True) != code:
            raise CodeError(f"writing {code!r}: expected {read_code(code, wildcards=True)!r}; mend its spelling")
    return "|".join(written)
