"""Squares merged into the fewest squares, as integers; `mosaic_assets.csquares.compress` does it with codes."""

from __future__ import annotations

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.raster import Blocks, block_level
from mosaic_assets.errors import CodeError

Ints = arrays.Ints
Bools = arrays.Bools

KEY_LEVEL = 3
"""Keys count half-degree leaves: they are defined for squares of 10, 5, 1 and 0.5 degrees."""
_CHUNK = 2048
"""Blocks merged at a time, so that they stay in the processor's cache."""


def merge_ids(ids: Ints, level: int) -> tuple[Ints, Ints]:
    """Merge squares of one level into the fewest squares of it and the levels above.

    Parameters
    ----------
    ids : (n,) int64
        Ascending, without repeats. Ids of several lists may be told apart by adding multiples of
        ``total_of(level)``.
    level : int
        Their level.

    Returns
    -------
    ids, levels : (m,) int64
        Squares in order; each id counts squares of its own level.

    Examples
    --------
    >>> [part.tolist() for part in merge_ids(np.array([0, 1, 2, 3, 5]), 1)]
    [[0, 5], [0, 1]]
    """
    found: list[tuple[int, Ints]] = []
    while level > 0:
        factor = arrays.factor_of(level)
        full = _full_runs(ids, factor)
        inside = np.repeat(full, factor) + np.tile(np.arange(factor), len(full))
        rest = np.ones(len(ids), bool)
        rest[inside] = False
        found.append((level, ids[rest]))
        ids, level = ids[full] // factor, level - 1
    found.append((0, ids))
    return _in_order(found)


def _full_runs(ids: Ints, factor: int) -> Ints:
    """Return where complete runs of ``factor`` siblings start."""
    heads = np.flatnonzero(ids[: max(0, len(ids) - factor + 1)] % factor == 0)
    full: Ints = heads[ids[heads + factor - 1] == ids[heads] + factor - 1]
    return full


def _in_order(found: list[tuple[int, Ints]]) -> tuple[Ints, Ints]:
    """Join squares of several levels and sort them by their first leaf."""
    finest = found[0][0]
    levels = np.concatenate([np.full(len(ids), level) for level, ids in found])
    ids = np.concatenate([ids for _, ids in found])
    order = np.argsort(np.concatenate([first_leaf(ids, level, finest) for level, ids in found]), kind="stable")
    return ids[order], levels[order]


def first_leaf(ids: Ints, level: int, leaf_level: int) -> Ints:
    """Return the id of the first leaf inside squares of a level."""
    for step in range(level + 1, leaf_level + 1):
        ids = ids * arrays.factor_of(step)
    return ids


def merge_blocks(blocks: Blocks, level: int) -> tuple[Ints, Ints, Ints]:
    """Merge the leaves of many geometries, each within itself.

    Returns
    -------
    owner, first, levels : (m,) int64
        Number of the geometry, id of the first leaf (at ``level``) and level of each square, ascending by owner,
        then in the order of the codes.
    """
    top, total = block_level(level), arrays.total_of(block_level(level))
    if len(blocks.owner) and (int(blocks.owner[-1]) + 1) * total >= 1 << 62:
        return _merge_singly(blocks, level)  # numbers of the smallest squares of many owners leave 63 bits
    found: list[tuple[Ints, Ints, Ints]] = []
    full: list[Ints] = [np.zeros(0, np.int64)]
    for start in range(0, len(blocks.owner), _CHUNK):
        part = slice(start, start + _CHUNK)
        owner, block, held = blocks.owner[part], blocks.block[part], blocks.leaves[part]
        for step in range(level, top, -1):
            rest, whole = _split_full(held, arrays.factor_of(step))
            found.append(_first_of(rest, owner, block, step, level))
            held = whole
        whole_block = held[:, 0]
        full.append(owner[whole_block] * total + block[whole_block])
    ids, levels = merge_ids(np.concatenate(full), top)
    found.append(_untag(ids, levels, top, level))
    owners, first, steps = (np.concatenate(column) for column in zip(*found, strict=True))
    return _by_owner(owners, first, steps, level)


def _merge_singly(blocks: Blocks, level: int) -> tuple[Ints, Ints, Ints]:
    merged = []
    for number in np.unique(blocks.owner):
        part = blocks.owner == number
        alone = Blocks(np.zeros(int(part.sum()), np.int64), blocks.block[part], blocks.leaves[part])
        zeros, first, levels = merge_blocks(alone, level)
        merged.append((zeros + number, first, levels))
    owner, first, levels = (np.concatenate(column) for column in zip(*merged, strict=True))
    return owner, first, levels


def _by_owner(owner: Ints, first: Ints, steps: Ints, level: int) -> tuple[Ints, Ints, Ints]:
    """Sort squares by owner and first leaf."""
    total = arrays.total_of(level)
    if len(owner) == 0 or (int(owner.max()) + 1) * total > 1 << 57:
        order = np.lexsort((first, owner))
        return owner[order], first[order], steps[order]
    # One number that holds all three sorts several times faster than three columns.
    joined = np.sort((owner * total + first) << 5 | steps)
    owner, first = np.divmod(joined >> 5, total)
    return owner, first, joined & 31


def _split_full(held: Bools, factor: int) -> tuple[Bools, Bools]:
    """Return the squares outside complete families, (n, width), and which families are complete."""
    if factor == 4:  # four flags are one 32-bit word; numpy's `all` over four takes 300 times as long
        words = np.ascontiguousarray(held).view(np.uint32)
        whole: Bools = np.asarray(words == 0x01010101)
        return (words * ~whole).view(bool), whole
    whole = np.asarray(held.reshape(len(held), -1, factor).all(axis=2))
    return held & ~np.repeat(whole, factor, axis=1), whole


def _first_of(rest: Bools, owner: Ints, block: Ints, step: int, level: int) -> tuple[Ints, Ints, Ints]:
    at = np.flatnonzero(rest)
    row, place = np.divmod(at, rest.shape[1])
    ids = block[row] * rest.shape[1] + place
    return owner[row], first_leaf(ids, step, level), np.full(len(at), step)


def _untag(ids: Ints, levels: Ints, top: int, level: int) -> tuple[Ints, Ints, Ints]:
    first = np.zeros_like(ids)
    owner = np.zeros_like(ids)
    for step in range(top + 1):
        which = np.flatnonzero(levels == step)
        owner[which], plain = np.divmod(ids[which], arrays.total_of(step))
        first[which] = first_leaf(plain, step, level)
    return owner, first, levels


def keys_of(first: Ints, levels: Ints, level: int) -> Ints:
    """Return the integer keys of squares: four times the id of the first half-degree leaf, plus the level.

    Sorted by key is sorted by code, and everything inside a square is one run of keys.

    Parameters
    ----------
    first : (n,) int64
        Id of the first leaf of each square, at ``level``.
    levels : (n,) int64
        Level of each square, 0..3.
    level : int
        0..3.

    Returns
    -------
    (n,) int64
        0..1,036,799: 20 bits.

    Raises
    ------
    CodeError
        The leaves are smaller than half a degree.

    Examples
    --------
    >>> keys_of(np.array([0, 0, 4]), np.array([0, 2, 3]), 3)
    array([ 0,  2, 19])
    """
    if level > KEY_LEVEL:
        raise CodeError(f"making keys of squares of level {level}: only 10, 5, 1 and 0.5 degrees have them")
    return first_leaf(first, level, KEY_LEVEL) * 4 + levels
