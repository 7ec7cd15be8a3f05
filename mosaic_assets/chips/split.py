"""Splits: every cell of the grid belongs to exactly one split and fold, so every pixel does.

A chip lies in cells of one split and one fold only. Two chips of different splits therefore lie in different cells, and cells share
no pixel: nothing leaks, whatever the overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.grid import Cell

if TYPE_CHECKING:
    from mosaic_assets.settings import Chips

HELD_OUT = ("test", "validation", "val", "valid")
"""Splits before which others give way, in this order; the rest follow by name."""
ORDERS = 32
"""Orders of the blocks that are tried; the one whose shares come nearest to those wanted is taken."""


class Owners:
    """Who owns which cell; answers for every cell of the plane.

    Parameters
    ----------
    units
        Split of each block (blocks) or cell (column) that holds labels.
    folds
        Fold of each block that holds labels.
    """

    def __init__(self, units: dict[Cell, str], folds: dict[Cell, int], chips: Chips, seed: int) -> None:
        self.units, self.folds, self.chips, self.seed = units, folds, chips, seed

    def split(self, cell: Cell) -> str:
        """Return the split of a cell."""
        if self.chips.split == "blocks":
            block = self._block(cell)
            return self.units.get(block) or _drawn(block, self.seed, shares(self.chips))
        return self.units.get(cell) or self.units[self._nearest(cell)]

    def fold(self, cell: Cell) -> int:
        """Return the fold of a cell, 1 to ``chips.folds``."""
        block = self._block(cell)
        return self.folds.get(block) or 1 + _number(block, self.seed, "fold") % self.chips.folds

    def key(self, cell: Cell) -> tuple[str, int]:
        """Return split and fold, which all cells of a chip must have in common."""
        return self.split(cell), self.fold(cell)

    def _block(self, cell: Cell) -> Cell:
        return cell[0] // self.chips.block, cell[1] // self.chips.block

    @cached_property
    def _labelled(self) -> tuple[list[Cell], Any]:
        from scipy.spatial import KDTree

        cells = sorted(self.units)
        return cells, KDTree(np.array(cells))

    def _nearest(self, cell: Cell) -> Cell:
        """Return the labelled cell nearest to one without labels; of several as near, the one that comes first."""
        cells, tree = self._labelled
        distance, _ = tree.query(cell)
        first: int = min(tree.query_ball_point(cell, distance + 1e-9))
        return cells[first]


def precedence(split: str) -> tuple[int, str]:
    """Return what splits are ordered by: those held out first.

    Examples
    --------
    >>> sorted(["train", "validation", "extra", "test"], key=precedence)
    ['test', 'validation', 'extra', 'train']
    """
    return (HELD_OUT.index(split) if split in HELD_OUT else len(HELD_OUT)), split


def shares(chips: Chips) -> dict[str, float]:
    """Return the share of label pixels that each split is to have."""
    train = 1 - chips.validation_share - chips.test_share
    wanted = {"train": train, "validation": chips.validation_share, "test": chips.test_share}
    return {name: share for name, share in wanted.items() if share > 0}


def make_owners(pixels: Mapping[Cell, Mapping[str, int]], chips: Chips, seed: int) -> Owners:
    """Give every cell to a split and a fold.

    Parameters
    ----------
    pixels
        Label pixels by cell and split; the split is "" when blocks decide.
    """
    blocks: dict[Cell, int] = {}
    for (i, j), counts in pixels.items():
        block = i // chips.block, j // chips.block
        blocks[block] = blocks.get(block, 0) + sum(counts.values())
    if chips.split == "column":
        units = {cell: _majority(counts) for cell, counts in pixels.items()}
    else:
        units = _dealt(blocks, shares(chips), seed, "split")
    return Owners(units, _folds(blocks, units, chips, seed), chips, seed)


def _majority(counts: Mapping[str, int]) -> str:
    """Return the split with most label pixels in a cell; of several with as many, the one held out."""
    return min(counts, key=lambda split: (-counts[split], precedence(split)))


def _folds(blocks: Mapping[Cell, int], units: Mapping[Cell, str], chips: Chips, seed: int) -> dict[Cell, int]:
    if chips.folds == 1:
        return dict.fromkeys(blocks, 1)
    equal = {str(number): 1 / chips.folds for number in range(1, chips.folds + 1)}
    # By split, so that each fold has its share of each; where a column decides, a block may hold several.
    groups: dict[str, dict[Cell, int]] = {}
    for block, weight in blocks.items():
        groups.setdefault(units.get(block, "") if chips.split == "blocks" else "", {})[block] = weight
    dealt = [_dealt(group, equal, seed, f"fold {name}") for name, group in sorted(groups.items())]
    return {block: int(fold) for part in dealt for block, fold in part.items()}


def _dealt(weights: Mapping[Cell, int], wanted: Mapping[str, float], seed: int, purpose: str) -> dict[Cell, str]:
    """Deal blocks out so that each name gets its share of the weight; the best of some seeded orders."""
    best: tuple[float, dict[Cell, str]] | None = None
    for attempt in range(ORDERS):
        order = sorted(weights, key=partial(_number, seed=seed, purpose=f"{purpose} {attempt}"))
        dealt, miss = _deal(order, weights, wanted)
        if best is None or miss < best[0]:
            best = miss, dealt
    return best[1] if best else {}


def _deal(
    order: Iterable[Cell], weights: Mapping[Cell, int], wanted: Mapping[str, float]
) -> tuple[dict[Cell, str], float]:
    """Give each block to whoever lacks most; return who got what, and by how much of the total it is missed."""
    total = max(1, sum(weights.values()))
    lacking = {name: share * total for name, share in wanted.items()}
    dealt = {}
    for block in order:
        name = max(lacking, key=lambda one: lacking[one])
        dealt[block] = name
        lacking[name] -= weights[block]
    return dealt, sum(map(abs, lacking.values())) / total


def _drawn(block: Cell, seed: int, wanted: Mapping[str, float]) -> str:
    """Draw the split of a block without labels, from its place alone."""
    place = _number(block, seed, "empty") / 2**64
    for name, share in wanted.items():
        if place < share:
            return name
        place -= share
    return next(iter(wanted))


def _number(block: Cell, seed: int, purpose: str) -> int:
    """Return 64 bits that a block, a seed and a purpose determine, on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed} {purpose} {block[0]} {block[1]}".encode()).digest()[:8], "big")
