"""The plan: every chip of a data set, decided before the first pixel is fetched.

Whoever cuts a region needs nothing but the plan and the labels beside it, so regions can be cut anywhere, in any order, again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.chips.account import Account, Counted, candidate_cells, count_pixels, make_account
from mosaic_assets.chips.burning import NOBODY, Bands
from mosaic_assets.chips.grid import Cell, cells_of, chip_id, crs_code, windows_about
from mosaic_assets.chips.labels import Labels, load_labels
from mosaic_assets.chips.naming import name_files
from mosaic_assets.chips.records import BACKGROUND, IGNORE, Chip, Transform, Window
from mosaic_assets.chips.regions import Regions, make_regions, region_name
from mosaic_assets.chips.split import Owners, make_owners
from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mosaic_assets.chips.records import ChipImagery
    from mosaic_assets.settings import Chips, Settings

Tell = Callable[[int], None]
"""Told of the windows finished."""


@dataclass(frozen=True)
class Plan:
    """All chips of a data set, and how they came about."""

    chips: list[Chip]
    labels: Labels
    account: Account
    label_pixels: dict[int, int]
    """Pixels of the imagery that each label owns, by its row in the file."""
    held: dict[Cell, str]
    """Split of each cell that a chip may show."""
    crs: str
    transform: Transform
    size: tuple[int, int]
    recipe: str
    """Digest of the settings that chips depend on."""
    identity: str
    """Of the imagery."""


def make_plan(settings: Settings, imagery: ChipImagery, tell: Tell = lambda _: None) -> Plan:
    """Decide on every chip.

    Parameters
    ----------
    imagery
        Opened; only what it says of itself is used, no pixel is read.

    Raises
    ------
    LabelError
        Labels that cannot be used, none inside the imagery, a patch larger than it, or more chips than `chips.max_chips`.
    """
    chips = settings.chips
    _check_size(chips, imagery)
    labels = load_labels(chips, imagery.crs)
    bands = Bands(labels.frame, imagery.transform, imagery.size, chips, {})
    counted = _counted(bands, imagery, chips, tell)
    # Labels outside the imagery must not have regions of their own, which would stay empty.
    inside = labels.frame.geometry.values[counted.by_label > 0]
    regions = make_regions(inside, imagery.crs, chips.regions, chips.clustering, settings.seed)
    owners = make_owners(counted.cells, chips, settings.seed)
    windows = _windows(sorted(counted.cells), owners, regions, imagery, chips)
    bands.held.update({cell: split for window, split in windows.items() for cell in cells_of(window, chips.patch)})
    draft = _draft(sorted(windows), bands, owners, regions, imagery, tell)
    kept = [chip for chip in draft if chip.positive] + _negatives(draft, bands, chips, settings.seed)
    account = make_account(counted, kept, bands, owners)
    if not any(chip.positive for chip in kept):
        raise LabelError(_why_none(account, chips))
    ordered = sorted(kept, key=lambda chip: (chip.region, chip.fold, chip.split, chip.row, chip.column))
    return Plan(
        chips=name_files(ordered, chips),
        labels=labels,
        account=account,
        label_pixels=dict(zip(labels.frame["number"].tolist(), counted.by_label.tolist(), strict=True)),
        held=bands.held,
        crs=imagery.crs,
        transform=imagery.transform,
        size=imagery.size,
        recipe=recipe(settings),
        identity=imagery.identity,
    )


def _why_none(account: Account, chips: Chips) -> str:
    parts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in vars(account).items() if count)
    return (
        f"no chip would be positive: of {account.total:,} label pixels none is taught ({parts or 'there are none'}); lower "
        f"chips.min_label ({chips.min_label:g}) or chips.buffer ({chips.buffer}), or choose a smaller chips.patch"
    )


def recipe(settings: Settings) -> str:
    """Return a digest of every setting that chips depend on."""
    content = settings.chips.model_dump_json() + f" {settings.seed}"
    return hashlib.sha256(content.encode()).hexdigest()


def _check_size(chips: Chips, imagery: ChipImagery) -> None:
    height, width = imagery.size
    if chips.patch > height or chips.patch > width:
        raise LabelError(
            f"cutting chips of {chips.patch} x {chips.patch} pixels failed: the imagery has {height} x {width} pixels; "
            f"set chips.patch to {min(height, width)} or less"
        )


def _counted(bands: Bands, imagery: ChipImagery, chips: Chips, tell: Tell) -> Counted:
    cells = candidate_cells(bands, chips.patch, chips.max_chips)
    _refuse_many(len(cells), chips)
    counted = count_pixels(bands, cells, chips.patch, tell)
    if counted.cells:
        return counted
    place = f"{imagery.transform[2]:g}, {imagery.transform[5]:g}"
    where = "lie outside it" if not cells else "own no pixel of it: they are smaller than one, or have no class"
    raise LabelError(
        f"no label can be burnt into the imagery ({imagery.size[0]} x {imagery.size[1]} pixels from {place}): "
        f"all {len(bands.classes)} {where}. Are both of the same place? A wrong chips.label_crs, or latitude before longitude, puts "
        "labels elsewhere; chips.all_touched helps small ones"
    )


def _refuse_many(count: int, chips: Chips) -> None:
    if count > chips.max_chips:
        raise LabelError(
            f"the labels reach over more than {chips.max_chips:,} chips of {chips.patch} pixels; cut a part of them, raise "
            "chips.max_chips, or check that the imagery's pixels are as small as they should be"
        )


def _windows(
    labelled: list[Cell], owners: Owners, regions: Regions, imagery: ChipImagery, chips: Chips
) -> dict[Window, str]:
    """Return the windows that chips may have, with their splits: all of their cells are of one split and fold."""
    cells = set(labelled)
    if chips.keep == "all":
        cells |= _cells_among(labelled, regions, imagery, chips)
    windows: dict[Window, str] = {}
    for cell in sorted(cells):
        for window in windows_about(cell, chips.patch, chips.overlap, imagery.size):
            keys = {owners.key(met) for met in cells_of(window, chips.patch)}
            if len(keys) == 1:
                windows[window] = keys.pop()[0]
        _refuse_many(len(windows), chips)
    return windows


def _cells_among(labelled: list[Cell], regions: Regions, imagery: ChipImagery, chips: Chips) -> set[Cell]:
    """Return the cells of each region in the box of its labelled ones."""
    numbers = _regions_of(labelled, regions, imagery, chips)
    found: set[Cell] = set()
    for number in np.unique(numbers).tolist():
        own = np.array(labelled)[numbers == number]
        (top, left), (bottom, right) = own.min(axis=0).tolist(), own.max(axis=0).tolist()
        _refuse_many((bottom - top + 1) * (right - left + 1), chips)
        box = [(i, j) for i in range(top, bottom + 1) for j in range(left, right + 1)]
        mine = _regions_of(box, regions, imagery, chips) == number
        found.update(cell for cell, inside in zip(box, mine.tolist(), strict=True) if inside)
    return found


def _regions_of(cells: list[Cell], regions: Regions, imagery: ChipImagery, chips: Chips) -> NDArray[np.int64]:
    """Return the region of each cell: that of its centre."""
    a, _, left, _, e, top = imagery.transform
    middles = (np.array(cells, np.float64) + 0.5) * chips.patch
    # The last cells may reach past the edge of the imagery, and of the world.
    middles = np.minimum(middles, np.array(imagery.size) - 0.5)
    return regions.of(left + a * middles[:, 1], top + e * middles[:, 0])


def _draft(
    windows: list[Window], bands: Bands, owners: Owners, regions: Regions, imagery: ChipImagery, tell: Tell
) -> list[Chip]:
    """Return a chip for every window, positive or not."""
    patch = bands.chips.patch
    cells = [(window.row // patch, window.column // patch) for window in windows]
    numbers = _regions_of(cells, regions, imagery, bands.chips).tolist()
    draft = []
    for window, cell, number in zip(windows, cells, numbers, strict=True):
        split, fold = owners.key(cell)
        band = bands.band(window, split)
        taught = int(np.count_nonzero((band != BACKGROUND) & (band != IGNORE)))
        draft.append(
            Chip(
                id=chip_id(window, imagery.transform, crs_code(imagery.crs)),
                region=region_name(number),
                split=split,
                fold=fold,
                row=window.row,
                column=window.column,
                size=patch,
                positive=taught > 0 and taught >= bands.chips.min_label * patch**2,
                path="",
                mask_path="",
                label_digest=hashlib.sha256(band.tobytes()).hexdigest(),
            )
        )
        tell(1)
    return draft


def _negatives(draft: list[Chip], bands: Bands, chips: Chips, seed: int) -> list[Chip]:
    """Return chips without any label, as many as are wanted for each split and fold, drawn by their ids."""
    if chips.keep == "positive":
        return []
    empty = [chip for chip in draft if not chip.positive and (bands.burner.owners(chip.window) == NOBODY).all()]
    if chips.negatives is None:
        return empty
    empty.sort(key=lambda chip: hashlib.sha256(f"{seed} {chip.id}".encode()).digest())
    kept: list[Chip] = []
    for key in sorted({(chip.split, chip.fold) for chip in draft}):
        positives = sum(chip.positive and (chip.split, chip.fold) == key for chip in draft)
        kept += [chip for chip in empty if (chip.split, chip.fold) == key][: round(chips.negatives * positives)]
    return kept
