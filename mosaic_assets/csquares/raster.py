"""Edges in units of squares to the squares they enclose, exactly, many outlines at a time.

A square is taken if an edge passes through its open interior or if it lies inside. Per row of squares each edge
is clipped to the row: the columns under it are crossed (+1 at the first, -1 behind the last), and what lies to its
right flips between outside and inside (a large +-1 there). Summing up along the rows gives both at once, and a
square is in where the sum is not 0.

Whether an edge passes a grid corner left or right is decided with exact fractions when floats are too near to
tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import side_of

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_INSIDE = 1 << 20
"""Weight of "inside" in the sum: more than the edges that can cross one square."""
_CANVAS = 1 << 24
"""Squares drawn at a time; larger outlines are drawn in bands of one row of blocks."""
_STEPS = 3
"""Levels between a block and its leaves: a block of 10 degrees has 400 leaves of 0.5."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Boundary pieces, arrays of one length. Columns count on beyond the date line, rows from the equator."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    part: Ints
    """Number of the outline, 0.. ascending; each gets a canvas of its own."""
    weight: Ints
    """+1 or -1: direction in which the inside lies; 0 for a line, which has none."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Horizontal runs of crossed squares: columns ``first`` to ``last`` of ``row``, both included."""

    part: Ints
    row: Ints
    first: Ints
    last: Ints
    weight: Ints
    """What changes behind ``last``: +1 or -1 when the edge passes the middle of the row, else 0."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Covered leaves by blocks: the squares some levels up. Ascending by ``owner``, then by block id."""

    owner: Ints
    """(n,) int64: number of the geometry."""
    block: Ints
    """(n,) int64: id of the block at level ``block_level(level)``."""
    leaves: Bools
    """(n, leaves a block) bool, in the order of their ids."""


def block_level(level: int) -> int:
    """Return the level of the blocks for leaves of a level."""
    return max(0, level - _STEPS)


def runs_of_edges(edges: Edges) -> Runs:
    """Clip edges to rows of squares.

    Examples
    --------
    >>> one = np.array([0]); at = np.array
    >>> runs = runs_of_edges(Edges(at([0.5]), at([0.5]), at([2.5]), at([1.5]), one, one))
    >>> runs.row.tolist(), runs.first.tolist(), runs.last.tolist()
    ([0, 1], [0, 1], [1, 2])
    """
    up = edges.y1 >= edges.y0
    xl, yl = np.where(up, edges.x0, edges.x1), np.where(up, edges.y0, edges.y1)
    xh, yh = np.where(up, edges.x1, edges.x0), np.where(up, edges.y1, edges.y0)
    low = np.floor(yl).astype(np.int64)
    count = np.maximum(np.ceil(yh).astype(np.int64) - low, 0)  # 0 for a level edge on a line
    which = np.repeat(np.arange(len(low)), count)
    behind = np.cumsum(count)
    row = np.arange(len(which)) - np.repeat(behind - count - low, count)
    starts = (behind - count)[count > 0]
    xa = _crossings(xl, yl, xh, yh, which, row, starts)
    xb = np.empty_like(xa)
    xb[:-1] = xa[1:]
    xb[(behind - 1)[count > 0]] = xh[count > 0]
    first = np.floor(np.minimum(xa, xb)).astype(np.int64)
    last = np.ceil(np.maximum(xa, xb)).astype(np.int64) - 1
    centre = (yl[which] <= row + 0.5) & (row + 0.5 < yh[which])
    weight = np.where(centre, np.where(up, -1, 1)[which] * edges.weight[which], 0)
    return Runs(edges.part[which], row, first, last, weight)


def _crossings(xl: Floats, yl: Floats, xh: Floats, yh: Floats, which: Ints, row: Ints, starts: Ints) -> Floats:
    """Return where each edge enters each of its rows from below."""
    ax, ay, bx, by = xl[which], yl[which], xh[which], yh[which]
    height = by - ay
    # Multiplying before dividing keeps crossings at grid corners exact between vertices on the grid.
    rise = np.divide((row - ay) * (bx - ax), height, out=np.zeros_like(height), where=height > 0)
    x = ax + rise
    x[starts] = ax[starts]
    near = np.abs(x - np.rint(x)) < 8 * np.finfo(float).eps * (np.abs(ax) + np.abs(bx) + 1)
    near &= bx != ax
    near[starts] = False
    for at in np.flatnonzero(near):
        x[at] = _exact(ax[at], ay[at], bx[at], by[at], int(row[at]))
    return x


def _exact(ax: float, ay: float, bx: float, by: float, row: int) -> float:
    """Return where a line meets a row line, on the right side of the nearest column line."""
    x0, y0 = Fraction(ax), Fraction(ay)
    x = x0 + (row - y0) * (Fraction(bx) - x0) / (Fraction(by) - y0)
    column = round(x)
    if x == column:
        return float(column)
    return float(np.nextafter(column, np.inf if x > column else -np.inf))


def blocks_of_runs(runs: Runs, owner_of_part: Ints, level: int) -> Blocks:
    """Fill the runs of every outline and gather the squares of every owner.

    Parameters
    ----------
    runs : Runs
        Ascending by part; parts without a run are fine.
    owner_of_part : (parts,) int64
        Number of the geometry each outline belongs to.
    level : int
        Level of the squares that rows and columns count.

    Returns
    -------
    Blocks
        Columns folded modulo 360 degrees; squares of several outlines of one owner united.
    """
    size = side_of(level) // side_of(block_level(level))
    found = [_fill(group, size) for group in _groups(runs, size)]
    found = found or [_nothing(size)]
    part, row, col, leaves = (np.concatenate(column) for column in zip(*found, strict=True))
    turn = 36 * side_of(block_level(level))
    col = (col + turn // 2) % turn - turn // 2
    return _unite(owner_of_part[part], row, col, leaves, level)


def _groups(runs: Runs, size: int) -> Iterator[Runs]:
    """Split runs so that the canvases of a group fit into memory; one group as a rule."""
    if len(runs.part) == 0:
        return
    starts, _, rows, _, cols = _canvases(runs, size)
    if int(np.sum(rows * cols)) * size * size <= _CANVAS:
        yield runs
        return
    band = runs.row // size
    order = np.lexsort((band, runs.part))
    runs = Runs(*(getattr(runs, name)[order] for name in ("part", "row", "first", "last", "weight")))
    band = band[order]
    starts = np.flatnonzero((np.diff(runs.part, prepend=-1) != 0) | (np.diff(band, prepend=band[0]) != 0))
    for start, end in zip(starts, [*starts[1:], len(band)], strict=True):
        which = slice(int(start), int(end))
        yield Runs(runs.part[which], runs.row[which], runs.first[which], runs.last[which], runs.weight[which])


def _canvases(runs: Runs, size: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return, for each part, its first run, first block row, block rows, first block column, block columns."""
    starts = np.flatnonzero(np.diff(runs.part, prepend=-1))
    row0 = np.minimum.reduceat(runs.row, starts) // size
    col0 = np.minimum.reduceat(runs.first, starts) // size
    rows = np.maximum.reduceat(runs.row, starts) // size - row0 + 1
    # A run along a grid line is empty, last = first - 1; alone it would leave no column at all.
    cols = np.maximum(np.maximum.reduceat(runs.last, starts) // size - col0 + 1, 1)
    return starts, row0, rows, col0, cols


def _nothing(size: int) -> tuple[Ints, Ints, Ints, Bools]:
    none = np.zeros(0, np.int64)
    return none, none, none, np.zeros((0, size * size), bool)


def _fill(runs: Runs, size: int) -> tuple[Ints, Ints, Ints, Bools]:
    """Return part, block row, block column and leaves of the blocks that hold any, row by row of squares."""
    starts, row0, rows, col0, cols = _canvases(runs, size)
    parts = runs.part[starts]
    width = cols * size
    offset = np.concatenate([[0], np.cumsum(rows * size * width)])
    which = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(runs.part))))
    base = offset[which] + (runs.row - row0[which] * size) * width[which] - col0[which] * size
    change = np.zeros(int(offset[-1]) + 1, np.int32)
    np.add.at(change, base + runs.first, np.int32(1))
    np.add.at(change, base + runs.last + 1, (runs.weight * _INSIDE - 1).astype(np.int32))
    # Every row's changes add up to 0, so one sum runs through all canvases.
    inside = np.cumsum(change, out=change) != 0
    return _cut_up(inside, offset, parts, (row0, rows), (col0, cols), size)


def _cut_up(
    inside: Bools, offset: Ints, parts: Ints, rows: tuple[Ints, Ints], cols: tuple[Ints, Ints], size: int
) -> tuple[Ints, Ints, Ints, Bools]:
    """Cut canvases into blocks and keep those that hold any square."""
    leaves = np.empty((int(offset[-1]) // (size * size), size * size), bool)
    at = 0
    for canvas in range(len(parts)):
        high, wide = int(rows[1][canvas]), int(cols[1][canvas])
        picture = inside[offset[canvas] : offset[canvas + 1]].reshape(high, size, wide, size)
        target = leaves[at : at + high * wide].reshape(high, wide, size, size)
        target[...] = picture.transpose(0, 2, 1, 3)
        at += high * wide
    count = rows[1] * cols[1]
    canvas_of = np.repeat(np.arange(len(parts)), count)
    number = np.arange(at) - np.repeat(np.cumsum(count) - count, count)
    block_row, block_col = np.divmod(number, cols[1][canvas_of])
    held = np.flatnonzero(leaves.any(axis=1))
    canvas_of = canvas_of[held]
    return (
        parts[canvas_of],
        block_row[held] + rows[0][canvas_of],
        block_col[held] + cols[0][canvas_of],
        leaves[held],
    )


def _unite(owner: Ints, row: Ints, col: Ints, leaves: Bools, level: int) -> Blocks:
    """Put blocks and their leaves into the order of ids, uniting blocks that came more than once."""
    block = arrays.ids_of_cells(row, col, block_level(level))
    order = np.lexsort((block, owner))
    owner, block = owner[order], block[order]
    kind = ((row < 0) * 2 + (col < 0))[order]
    sorted_leaves = np.empty_like(leaves)
    for quadrant, places in enumerate(_places(level)):
        which = np.flatnonzero(kind == quadrant)
        sorted_leaves[which] = leaves[order[which]][:, places]
    fresh = np.ones(len(owner), bool)
    fresh[1:] = (owner[1:] != owner[:-1]) | (block[1:] != block[:-1])
    if fresh.all():
        return Blocks(owner, block, sorted_leaves)
    return Blocks(owner[fresh], block[fresh], _or_together(sorted_leaves, fresh))


def _or_together(leaves: Bools, fresh: Bools) -> Bools:
    """Unite each row with those behind it that are not fresh."""
    united = leaves[fresh]
    extra = np.flatnonzero(~fresh)
    target = (np.cumsum(fresh) - 1)[extra]
    while len(extra):  # one copy of each block at a time; there are rarely more than two
        first = np.diff(target, prepend=-1) != 0
        united[target[first]] |= leaves[extra[first]]
        extra, target = extra[~first], target[~first]
    return united


@cache
def _places(level: int) -> tuple[Ints, ...]:
    """Return, for blocks NE, NW, SE, SW, where in a picture of the block (rows from the south) each leaf is."""
    size = side_of(level) // side_of(block_level(level))
    places = []
    for south, west in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, col = np.divmod(np.arange(size * size), size)
        ids = arrays.ids_of_cells(row - south * size, col - west * size, level)
        order = np.argsort(ids)
        order.setflags(write=False)
        places.append(order)
    return tuple(places)
