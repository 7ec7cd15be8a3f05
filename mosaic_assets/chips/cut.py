"""Cutting: the chips of a region become files. What is there and matches is left alone, so a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.chips.burning import Bands
from mosaic_assets.chips.formats import Georeference, check_format, encode
from mosaic_assets.chips.imagery import is_synthetic, open_imagery
from mosaic_assets.chips.ledger import append, file_sha256, ledger_path, read_ledger, rewrite
from mosaic_assets.chips.plan import Tell
from mosaic_assets.chips.plan_store import StoredPlan, read_plan
from mosaic_assets.chips.records import IGNORE, Chip, ChipImagery, CutChip, pixels_and_gaps
from mosaic_assets.chips.tile_imagery import TileImagery
from mosaic_assets.errors import LabelError, UnknownNameError
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sweep, sync, temporary_beside

if TYPE_CHECKING:
    from mosaic_assets.settings import Settings

BATCH = 64
"""Chips between two entries in the ledger: what a killed run may have to cut again."""
EDITION = "1"
"""Changes when the same pixels are written otherwise."""


@dataclass(frozen=True, slots=True)
class CutReport:
    """What cutting a region did."""

    region: str
    chips: int
    """Planned."""
    cut: int
    """Fetched and written now."""
    kept: int
    """Found as they should be."""
    without_imagery: int
    """Not written: nowhere in them is imagery."""
    size_bytes: int
    """Of all files of the region."""
    seconds: float

    @property
    def chips_a_second(self) -> float:
        """Chips written a second; 0 when none was."""
        return self.cut / self.seconds if self.cut and self.seconds else 0.0


def cut_region(settings: Settings, region: str, tell: Tell = lambda _: None) -> CutReport:
    """Cut the chips of a region that are not there yet.

    Parameters
    ----------
    region
        A partition key, as in ``region-000``.
    tell
        Told of chips as they are done.

    Raises
    ------
    UnknownNameError
        The plan has no such region.
    LabelError
        No plan, one of other settings, or of other imagery.
    BusyError
        Another process cuts the same region.
    SourceError
        Imagery that cannot be read; chips cut so far are kept.
    """
    stored = read_plan(settings, current=True)
    wanted = [chip for chip in stored.chips if chip.region == region]
    if not wanted:
        raise UnknownNameError("region of chips", region, stored.regions, "Choose one of them.")
    path, began = ledger_path(settings.chips_folder, region), time.perf_counter()
    with holding(path.with_suffix(".lock"), f"cutting {region}"):
        ledger = read_ledger(path)
        todo = [
            chip for chip in wanted if not _is_there(settings.chips_folder, chip, ledger.get(chip.id), stored, settings)
        ]
        tell(len(wanted) - len(todo))
        if todo:
            for batch in _cut(settings, stored, todo, tell):
                append(path, batch)
                ledger.update({cut.id: cut for cut in batch})
        rewrite(path, [ledger[chip.id] for chip in wanted])
    done = [ledger[chip.id] for chip in wanted]
    return CutReport(
        region=region,
        chips=len(wanted),
        cut=len(todo),
        kept=len(wanted) - len(todo),
        without_imagery=sum(not cut.pixels for cut in done),
        size_bytes=sum(cut.size_bytes for cut in done),
        seconds=time.perf_counter() - began,
    )


def key_of(chip: Chip, stored: StoredPlan, settings: Settings) -> str:
    """Return a digest of everything that a chip's files depend on."""
    chips = settings.chips
    parts = (
        EDITION, stored.identity, stored.crs, repr(stored.transform), chips.format, chip.id, chip.path, chip.label_digest,
        chips.attribution, str(is_synthetic(settings)),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_there(folder: Path, chip: Chip, cut: CutChip | None, stored: StoredPlan, settings: Settings) -> bool:
    """Tell whether a chip's files are those that cutting would write."""
    if cut is None or cut.key != key_of(chip, stored, settings):
        return False
    if not cut.pixels:
        return True
    mask = file_sha256(folder / chip.mask_path) if chip.mask_path else ""
    return mask == cut.mask_sha256 and file_sha256(folder / chip.path) == cut.sha256


def _cut(settings: Settings, stored: StoredPlan, todo: Sequence[Chip], tell: Tell) -> Iterator[list[CutChip]]:
    """Cut chips in batches; yield each once its files are durable."""
    folder = settings.chips_folder
    with open_imagery(settings) as imagery, ThreadPoolExecutor(settings.workers, "chips") as pool:
        _check_same(imagery, stored)
        check_format(settings.chips.format, imagery.dtype, len(imagery.bands))
        for parent in {(folder / chip.path).parent for chip in todo}:
            make_folder(parent)
            sweep(parent / "*")  # whatever a killed run was writing there
        cutter = _cutter(settings, stored, imagery, tell)
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            if isinstance(imagery, TileImagery):
                imagery.prepare(chip.window for chip in batch)
            futures = [pool.submit(cutter, chip) for chip in batch]
            done, failure = [], None
            for future in futures:
                try:
                    done.append(future.result())
                except Exception as error:  # the others of the batch are kept
                    failure = failure or error
            for parent in {(folder / chip.path).parent for chip in batch}:
                sync(parent)
            yield done
            if failure:
                raise failure


def _check_same(imagery: ChipImagery, stored: StoredPlan) -> None:
    if (imagery.identity, tuple(imagery.transform), tuple(imagery.size)) != (
        stored.identity,
        stored.transform,
        stored.size,
    ):
        raise LabelError(
            f"the imagery is not that of the plan: {imagery.identity} instead of {stored.identity}; run `mosaic chips split` again"
        )


def _cutter(settings: Settings, stored: StoredPlan, imagery: ChipImagery, tell: Tell) -> Callable[[Chip], CutChip]:
    """Return a function that cuts one chip; called in many threads."""
    bands: Bands = stored.bands(settings)
    bands.burner.prepare()  # once, before the threads would each do it
    place = Georeference(
        stored.crs,
        stored.transform,
        imagery.bands,
        imagery.attribution or settings.chips.attribution,
        is_synthetic(settings),
    )

    def cut(chip: Chip) -> CutChip:
        label = bands.band(chip.window, chip.split)
        pixels, gaps = pixels_and_gaps(imagery, chip.window)
        label[gaps] = IGNORE
        key = key_of(chip, stored, settings)
        tell(1)
        if gaps.all():
            return CutChip(chip.id, key, "", "", 0)
        image, mask = encode(settings.chips.format, pixels, label, chip.window, place, Path(chip.path).stem)
        _write(settings.chips_folder / chip.path, image)
        if mask:
            _write(settings.chips_folder / chip.mask_path, mask)
        values, counts = np.unique(label, return_counts=True)
        found = {str(value): count for value, count in zip(values.tolist(), counts.tolist(), strict=True)}
        mask_digest = hashlib.sha256(mask).hexdigest() if mask else ""
        return CutChip(chip.id, key, hashlib.sha256(image).hexdigest(), mask_digest, len(image) + len(mask), found)

    return cut


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made durable once a batch, not once a file."""
    temporary = temporary_beside(path)
    try:
        with explaining_refusals("writing a chip", path):
            temporary.write_bytes(content)
            sync(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
