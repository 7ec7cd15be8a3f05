"""What must hold of the chips, recomputed from the files, the labels and the imagery; nothing here trusts what the cutter noted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.dataset import manifest_path, read_manifest, stray_files
from mosaic_assets.chips.formats import ReadChip, read_chip
from mosaic_assets.chips.imagery import open_imagery
from mosaic_assets.chips.labels import load_labels
from mosaic_assets.chips.leakage import LabelledWindow, Shown, label_loss, leakage, window_of
from mosaic_assets.chips.ledger import file_sha256, ledger_path, read_ledger
from mosaic_assets.chips.plan_store import StoredPlan, as_planned, plan_path, read_plan
from mosaic_assets.chips.records import BACKGROUND, IGNORE, Window, pixels_and_gaps
from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    from mosaic_assets.settings import Settings

NEWEST_CHIPS = 24
"""Chips whose imagery is fetched again after a run; `check_sample` of them by night."""
BLOCK = 512
"""Side of the windows in which polygons are burnt anew, pixels."""
JPEG_DIFFERENCE = 12.0
"""Mean difference from the imagery that JPEG is allowed, of 255."""


Run = Callable[["Settings", Scope], CheckResult]


def _where_there_are(needed: Callable[[Settings], Path]) -> Callable[[Run], Run]:
    """Make a check look only where there is a file, and by the settings that the plan was made with, options included."""

    def decorate(run: Run) -> Run:
        @wraps(run)
        def looking(settings: Settings, scope: Scope) -> CheckResult:
            if not needed(settings).exists():
                return CheckResult(True, f"nothing to look at: there is no {needed(settings).name}")
            return run(as_planned(settings), scope)

        return looking

    return decorate


@_where_there_are(plan_path)
def every_label_is_planned_for(settings: Settings, scope: Scope) -> CheckResult:
    """Every label of the file is used or has a reason, and every pixel of them has a fate in the plan."""
    del scope
    stored = read_plan(settings)
    labels = load_labels(settings.chips, stored.crs)
    problems = []
    dropped = sum(reject.action == "dropped" for reject in labels.rejects)
    if len(labels.frame) + dropped != labels.found:
        problems.append(f"{labels.found} labels in the file, but {len(labels.frame)} used and {dropped} dropped")
    if (labels.found, labels.rejects) != (stored.found, stored.rejects):
        problems.append("the file of labels is not the one that the plan was made from")
    burnt = _burnt_anew(labels.frame.geometry.values, stored, settings)
    if burnt != stored.account.total:
        problems.append(f"labels burnt anew own {burnt:,} pixels, the plan accounts for {stored.account.total:,}")
    expected, tolerance = _area(labels.frame.geometry.values, stored)
    if not settings.chips.all_touched and abs(burnt - expected) > tolerance:
        problems.append(
            f"labels own {burnt:,} pixels, but have the area of {expected:,.0f}; centres allow {tolerance:,.0f} more or less"
        )
    details = {
        **vars(stored.account),
        "burnt": burnt,
        "area in pixels": round(expected, 1),
        "allowed": round(tolerance, 1),
    }
    return result_of(problems, f"{labels.found:,} label(s), {burnt:,} pixels", details)


def _burnt_anew(shapes: Any, stored: StoredPlan, settings: Settings) -> int:
    """Count the pixels of the imagery that lie in a label, with a burner that the cutter does not use."""
    from mosaic_assets.chips.leakage import burner

    burn = burner(list(shapes), stored.transform, all_touched=settings.chips.all_touched)
    return sum(int(np.count_nonzero(burn(window))) for window in _blocks(shapes, stored))


def _blocks(shapes: Any, stored: StoredPlan) -> Iterator[Window]:
    """Yield windows that together hold every pixel of the imagery that a label's box meets, each once."""
    import shapely

    a, _, left, _, e, top = stored.transform
    seen = set()
    for west, south, east, north in shapely.bounds(shapes).tolist():
        rows = math.floor((north - top) / e / BLOCK), math.floor((south - top) / e / BLOCK)
        columns = math.floor((west - left) / a / BLOCK), math.floor((east - left) / a / BLOCK)
        rows = max(0, rows[0]), min((stored.size[0] - 1) // BLOCK, rows[1])
        columns = max(0, columns[0]), min((stored.size[1] - 1) // BLOCK, columns[1])
        seen |= {(i, j) for i in range(rows[0], rows[1] + 1) for j in range(columns[0], columns[1] + 1)}
    for i, j in sorted(seen):
        height, width = min(BLOCK, stored.size[0] - i * BLOCK), min(BLOCK, stored.size[1] - j * BLOCK)
        yield Window(i * BLOCK, j * BLOCK, height, width)


def _area(shapes: Any, stored: StoredPlan) -> tuple[float, float]:
    """Return the area of all labels together inside the imagery, in pixels, and how far counting centres may be from it.

    A pixel counts wrong only where an outline crosses it; an outline of length n crosses at most 2 n + 2 pixels and errs by
    half a pixel on average at worst.
    """
    import shapely

    a, _, left, _, e, top = stored.transform
    pixels = shapely.transform(shapes, lambda xy: np.column_stack([(xy[:, 0] - left) / a, (xy[:, 1] - top) / e]))
    inside = shapely.clip_by_rect(shapely.union_all(pixels), 0, 0, stored.size[1], stored.size[0])
    return float(inside.area), float(inside.length) + len(shapes)


@_where_there_are(manifest_path)
def splits_share_no_pixel(settings: Settings, scope: Scope) -> CheckResult:
    """No pixel of the imagery lies in chips of two splits, nor of two folds: exact, by the places the files give."""
    del scope
    stored, manifest = read_plan(settings), read_manifest(settings)
    windows = [(_window(settings, row, stored), str(row.split), f"fold {row.fold}") for row in manifest.itertuples()]
    problems, details = [], dict[str, Any]()
    for what, at in (("split", 1), ("fold", 2)):
        groups = sorted({group[at] for group in windows})
        for first in range(0, len(groups), 4):  # of every two groups, some round has both
            for second in range(first, len(groups), 4):
                some = {*groups[first : first + 4], *groups[second : second + 4]}
                found = leakage([Shown(group[0], str(group[at])) for group in windows if group[at] in some])
                problems += [
                    f"{count:,} pixels in {what}s {a} and {b}" for (a, b), count in found.pairs.items() if count
                ]
                details |= {name: count for name, count in found.distinct.items() if what == "split"}
    return result_of(
        sorted(set(problems)), f"{len(windows):,} chips", {"pixels of " + k: v for k, v in details.items()}
    )


def _window(settings: Settings, row: Any, stored: StoredPlan) -> Window:
    """Return the pixels a chip covers, by its file's georeference where it has one, else by the manifest's bounds."""
    if row.path.endswith(".tif"):
        import rasterio
        from rasterio.errors import RasterioError

        try:
            with rasterio.open(settings.chips_folder / row.path) as dataset:
                return window_of(tuple(dataset.bounds), stored.transform)
        except RasterioError as error:
            raise LabelError(f"opening the chip {row.path} failed: {error}; run `mosaic chips cut` again") from error
    return window_of((row.left, row.bottom, row.right, row.top), stored.transform)


@_where_there_are(manifest_path)
def label_pixels_are_accounted_for(settings: Settings, scope: Scope) -> CheckResult:
    """No label pixel is taught as background, none is made up, and as many are taught as the plan says."""
    stored, manifest = read_plan(settings), read_manifest(settings)
    labels = load_labels(settings.chips, stored.crs)
    rows = _drawn(settings, manifest, scope)
    chips = [(row, read_chip(settings.chips_folder, row.path, row.mask_path)) for row in rows]
    bands = [LabelledWindow(_window(settings, row, stored), chip.label) for row, chip in chips]
    found = label_loss(
        bands, list(labels.frame.geometry.values), stored.transform, all_touched=settings.chips.all_touched
    )
    problems = [f"{found.lost:,} label pixels are background in {found.chips_touched} chip(s)"] if found.lost else []
    problems += [f"{found.made_up:,} pixels have a class without a label"] if found.made_up else []
    if len(rows) == len(manifest):
        problems += _taught(bands, stored, settings)
    details = {"label pixels": found.positive, "ignored": found.ignored, "lost": found.lost, "made up": found.made_up}
    return result_of(problems, f"{len(rows):,} of {len(manifest):,} chips", details)


def _taught(bands: Sequence[LabelledWindow], stored: StoredPlan, settings: Settings) -> list[str]:
    """Compare the distinct pixels that files teach with what the plan promised, less those without imagery."""
    shown = [Shown(window, "any", (label != BACKGROUND) & (label != IGNORE)) for window, label in bands]
    taught = leakage(shown).union
    if taught == stored.account.taught:
        return []
    without = stored.account.taught - taught
    gaps = _gaps(bands, stored, settings)
    return (
        [] if 0 < without <= gaps else [f"files teach {taught:,} label pixels, the plan says {stored.account.taught:,}"]
    )


def _gaps(bands: Sequence[LabelledWindow], stored: StoredPlan, settings: Settings) -> int:
    """Count pixels of the chips that are ignored for want of imagery; those of chips that were not written cannot be told."""
    with open_imagery(settings) as imagery:
        found = sum(int(np.count_nonzero(pixels_and_gaps(imagery, window)[1])) for window, _ in bands)
    unwritten = len(stored.chips) - len(bands)
    return found + unwritten * settings.chips.patch**2


@_where_there_are(plan_path)
def chips_are_as_published(settings: Settings, scope: Scope) -> CheckResult:
    """Every chip of the plan is there with its checksum; regions that nobody has begun to cut are left out."""
    del scope
    stored = read_plan(settings)
    problems, looked_at = [], 0
    for region in stored.regions:
        ledger = read_ledger(ledger_path(settings.chips_folder, region))
        for chip in (chip for chip in stored.chips if chip.region == region and ledger):
            cut = ledger.get(chip.id)
            looked_at += 1
            if cut is None:
                problems.append(f"{chip.id} of {region} is not cut")
                continue
            pairs = ((chip.path, cut.sha256), (chip.mask_path, cut.mask_sha256)) if cut.pixels else ()
            problems += [_difference(settings, path, sha256) for path, sha256 in pairs if path]
    problems = [problem for problem in problems if problem]
    return result_of(problems, f"{looked_at:,} of {len(stored.chips):,} chips")


def _difference(settings: Settings, path: str, sha256: str) -> str:
    found = file_sha256(settings.chips_folder / path)
    return "" if found == sha256 else f"{path} {'has changed' if found else 'is missing'}"


@_where_there_are(manifest_path)
def manifest_and_chips_agree(settings: Settings, scope: Scope) -> CheckResult:
    """The manifest has each chip once, with the shares and checksums of its files, and no other file lies beside them."""
    stored, manifest = read_plan(settings), read_manifest(settings)
    problems = [f"{len(manifest) - manifest['id'].nunique()} id(s) come twice"] if not manifest["id"].is_unique else []
    if strangers := set(manifest["id"]) - {chip.id for chip in stored.chips}:
        problems.append(f"{len(strangers)} chip(s) are not in the plan")
    # Of the data set, not of the chips: those of an earlier plan lie there until the manifest is made.
    problems += [f"{path.name} belongs to no chip of the plan" for path in stray_files(settings, stored)]
    rows = _drawn(settings, manifest, scope)
    for row in rows:
        label = read_chip(settings.chips_folder, row.path, row.mask_path).label
        shares = (np.mean(label == BACKGROUND), np.mean(label == IGNORE))
        if not np.allclose(shares, (row.share_background, row.share_ignored), atol=1e-9):
            problems.append(f"{row.id}: its shares of background and ignored pixels are {shares}")
        problems += [p for p in (_difference(settings, row.path, row.sha256),) if p]
    return result_of(problems, f"{len(rows):,} of {len(manifest):,} chips")


@_where_there_are(plan_path)
def image_and_label_are_aligned(settings: Settings, scope: Scope) -> CheckResult:
    """Sampled chips show the imagery of their place to the pixel; what has no imagery is ignored; types and classes are right."""
    stored = read_plan(settings)
    written = [chip for chip in stored.chips if (settings.chips_folder / chip.path).exists()]
    step = max(1, len(written) // (settings.check_sample if scope is Scope.ALL else NEWEST_CHIPS))
    sample, problems = written[::step], list[str]()
    allowed = {BACKGROUND, IGNORE, *stored.classes.values()}
    with open_imagery(settings) as imagery:
        for chip in sample:
            read = read_chip(settings.chips_folder, chip.path, chip.mask_path)
            pixels, gaps = pixels_and_gaps(imagery, chip.window)
            exact = settings.chips.format != "jpg"
            problems += [f"{chip.id}: {wrong}" for wrong in _wrong(read, pixels, gaps, allowed, exact)]
            if read.transform and window_of(_bounds(read), stored.transform) != chip.window:
                problems.append(f"{chip.id}: the file's georeference is not that of its place")
    return result_of(problems, f"{len(sample):,} of {len(written):,} chips")


def _bounds(chip: ReadChip) -> tuple[float, float, float, float]:
    a, _, left, _, e, top = chip.transform or (0.0,) * 6
    height, width = chip.label.shape
    return left, top + e * height, left + a * width, top


def _wrong(read: ReadChip, pixels: Any, gaps: Any, allowed: set[int], exact: bool) -> Iterator[str]:
    """Yield what is wrong with a chip, given what the imagery has at its place."""
    if read.pixels.dtype != pixels.dtype or read.pixels.shape != pixels.shape:
        yield f"its pixels are {read.pixels.dtype} {read.pixels.shape}, the imagery has {pixels.dtype} {pixels.shape}"
        return
    if exact and not np.array_equal(read.pixels, pixels, equal_nan=pixels.dtype.kind == "f"):
        yield "its pixels are not those of the imagery at its place"
    if not exact and np.abs(read.pixels.astype(float) - pixels).mean() > JPEG_DIFFERENCE:
        yield "its picture is not that of the imagery at its place"
    if (read.label[gaps] != IGNORE).any():
        yield "pixels without imagery are not ignored"
    if strangers := sorted(set(np.unique(read.label).astype(int).tolist()) - allowed):
        yield f"its label band has the values {strangers}, which are no class"


CHIP_CHECKS: tuple[Check, ...] = tuple(
    Check(run.__name__, asset, True, run)
    for asset, run in (
        ("chip_regions", every_label_is_planned_for),
        ("chips", chips_are_as_published),
        ("chips", image_and_label_are_aligned),
        ("chip_dataset", splits_share_no_pixel),
        ("chip_dataset", label_pixels_are_accounted_for),
        ("chip_dataset", manifest_and_chips_agree),
    )
)
"""Every check of the chips, in the order of the lineage. All block: a leak found after training has cost the training."""


def _drawn(settings: Settings, manifest: Any, scope: Scope) -> list[Any]:
    """Return the rows to open: all of a small data set or by night, else evenly spread ones."""
    most = len(manifest) if scope is Scope.ALL else 10 * NEWEST_CHIPS
    step = max(1, -(-len(manifest) // max(1, most)))
    del settings
    return list(manifest.itertuples())[::step]
