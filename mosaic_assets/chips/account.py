"""Where every label pixel went: counted one by one, none estimated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.burning import BUFFER, NO_CLASS, NOBODY, OTHER_SPLIT, OUTSIDE, Bands
from mosaic_assets.chips.grid import Cell, cell_window, cells_in_box, cells_of
from mosaic_assets.chips.records import IGNORE, Chip, Window
from mosaic_assets.chips.split import Owners

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Account:
    """What became of the label pixels: each is in exactly one of these. Pixels of the imagery's grid."""

    taught: int = 0
    """Labelled with their class in a chip."""
    other_split: int = 0
    """Ignored: their label's split is not that of the cell they lie in (`chips.split` column)."""
    buffer: int = 0
    """Ignored: nearer than `chips.buffer` to a cell of a split held out from theirs."""
    without_class: int = 0
    """Ignored: their label has no class or no split."""
    below_min_label: int = 0
    """In no chip: too few in theirs (`chips.min_label`)."""

    @property
    def total(self) -> int:
        """All label pixels inside the imagery."""
        return sum(vars(self).values())


@dataclass(frozen=True, slots=True)
class Counted:
    """Label pixels inside the imagery."""

    cells: dict[Cell, dict[str, int]]
    """By cell and split, of labels that have a class; the split is "" where blocks decide."""
    touched: list[Cell]
    """Cells with a pixel of any label."""
    by_label: NDArray[np.int64]
    """By position of the label."""


def candidate_cells(bands: Bands, patch: int, most: int) -> set[Cell]:
    """Return the cells that a label's box meets; stops soon after there are more than `most`."""
    import shapely

    cells: set[Cell] = set()
    for box in shapely.bounds(bands.burner.shapes).tolist():
        for cell in cells_in_box((box[0], box[1], box[2], box[3]), patch, bands.size):
            cells.add(cell)
            if len(cells) > most:
                return cells
    return cells


def count_pixels(bands: Bands, cells: Iterable[Cell], patch: int, tell: Any) -> Counted:
    """Count label pixels. Cells partition the grid, so each pixel counts once."""
    pixels: dict[Cell, dict[str, int]] = {}
    touched: list[Cell] = []
    by_label = np.zeros(len(bands.classes), np.int64)
    for cell in sorted(cells):
        owners = bands.burner.owners(cell_window(cell, patch))
        owners = owners[: bands.size[0] - cell[0] * patch, : bands.size[1] - cell[1] * patch]
        found, counts = np.unique(owners[owners != NOBODY], return_counts=True)
        by_label[found] += counts
        if len(found):
            touched.append(cell)
        for position, count in zip(found.tolist(), counts.tolist(), strict=True):
            if bands.classes[position] != IGNORE:
                splits = pixels.setdefault(cell, {})
                splits[bands.splits[position]] = splits.get(bands.splits[position], 0) + count
        tell(1)
    return Counted(pixels, touched, by_label)


def make_account(counted: Counted, kept: list[Chip], bands: Bands, owners: Owners) -> Account:
    """Say of every label pixel what became of it."""
    patch, account = bands.chips.patch, Account()
    over: dict[Cell, list[Window]] = {}
    for chip in kept:
        for cell in cells_of(chip.window, patch):
            over.setdefault(cell, []).append(chip.window)
    for cell in counted.touched:
        window = cell_window(cell, patch)
        found = bands.burner.owners(window)
        reasons = bands.reasons(found, window, owners.split(cell))
        shown = _shown(window, over.get(cell, []))
        labelled = (found != NOBODY) & (reasons != OUTSIDE)
        account.without_class += _number(labelled & (reasons == NO_CLASS))
        account.other_split += _number(labelled & (reasons == OTHER_SPLIT))
        account.buffer += _number(labelled & (reasons == BUFFER))
        account.taught += _number(labelled & (reasons == 0) & shown)
        account.below_min_label += _number(labelled & (reasons == 0) & ~shown)
    return account


def _shown(window: Window, others: list[Window]) -> NDArray[np.bool_]:
    """Return which pixels of a window lie in one of the others."""
    shown = np.zeros((window.height, window.width), bool)
    for other in others:
        top, left = other.row - window.row, other.column - window.column
        shown[max(0, top) : max(0, top + other.height), max(0, left) : max(0, left + other.width)] = True
    return shown


def _number(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))
