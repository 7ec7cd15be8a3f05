"""The data set: one manifest of all chips, made from the ledgers of the regions once all of them are cut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.chips.cut import key_of
from mosaic_assets.chips.formats import read_chip
from mosaic_assets.chips.grid import bounds_of, footprint
from mosaic_assets.chips.imagery import is_synthetic, open_imagery
from mosaic_assets.chips.ledger import ledger_path, read_ledger
from mosaic_assets.chips.overlays import ChipPicture
from mosaic_assets.chips.plan_store import StoredPlan, read_plan
from mosaic_assets.chips.records import BACKGROUND, IGNORE, Chip, CutChip
from mosaic_assets.chips.split import precedence
from mosaic_assets.errors import LabelError
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import geopandas as gpd

    from mosaic_assets.settings import Settings

IMAGE_FOLDERS = ("images", "Chips")
"""Where chips lie, by the two ways to name them."""


@dataclass(frozen=True)
class DatasetReport:
    """What the manifest holds."""

    path: Path
    chips: int
    without_imagery: int
    removed: int
    """Files of earlier plans, removed."""
    size_bytes: int
    balance: list[dict[str, Any]]
    synthetic: bool
    attribution: str


def manifest_path(settings: Settings) -> Path:
    """Return where the manifest is."""
    return settings.chips_folder / "manifest.parquet"


def make_dataset(settings: Settings) -> DatasetReport:
    """Publish the manifest, and remove the files of chips that the plan no longer has.

    Raises
    ------
    LabelError
        No current plan, or regions that are not cut; the message names them.
    """
    stored = read_plan(settings, current=True)
    pairs = _pairs(settings, stored)
    written = [(chip, cut) for chip, cut in pairs if cut.pixels]
    if not written:
        raise LabelError(
            f"none of {len(pairs)} chips has imagery: {stored.identity} is empty wherever labels are; choose other imagery or labels"
        )
    with open_imagery(settings) as imagery:
        said = {"licence": imagery.licence, "attribution": imagery.attribution, "dtype": imagery.dtype}
        said["bands"] = ",".join(imagery.bands)
    synthetic = is_synthetic(settings)
    frame = _frame(written, stored, settings, {**said, "synthetic": synthetic})
    path = manifest_path(settings)
    with publishing(path, "publishing the manifest of the chips") as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")
    removed = _remove_strays(settings, stored)
    size = sum(cut.size_bytes for _, cut in written)
    balance = class_balance_rows(frame, stored.classes)
    return DatasetReport(
        path, len(written), len(pairs) - len(written), removed, size, balance, synthetic, said["attribution"]
    )


def _pairs(settings: Settings, stored: StoredPlan) -> list[tuple[Chip, CutChip]]:
    """Return every chip of the plan with what was cut of it.

    Raises
    ------
    LabelError
        Some are not cut, or were cut from other labels or imagery.
    """
    ledgers = {region: read_ledger(ledger_path(settings.chips_folder, region)) for region in stored.regions}
    pairs, missing = [], dict[str, int]()
    for chip in stored.chips:
        cut = ledgers[chip.region].get(chip.id)
        if cut is None or cut.key != key_of(chip, stored, settings):
            missing[chip.region] = missing.get(chip.region, 0) + 1
        else:
            pairs.append((chip, cut))
    if missing:
        named = ", ".join(f"{region} ({count})" for region, count in list(missing.items())[:10])
        raise LabelError(
            f"the data set is not whole: {sum(missing.values())} of {len(stored.chips)} chips are not cut, in {named}; run "
            "`mosaic chips cut`, or materialize the partitions of chips"
        )
    return pairs


def _frame(
    written: list[tuple[Chip, CutChip]], stored: StoredPlan, settings: Settings, said: dict[str, Any]
) -> gpd.GeoDataFrame:
    import geopandas as gpd

    rows = [_row(chip, cut, stored) for chip, cut in written]
    columns = list(rows[0]) if rows else ["id", "split"]
    content = {name: [row[name] for row in rows] for name in columns}
    outlines = [footprint(chip.window, stored.transform, stored.crs) for chip, _ in written]
    constant = {"source": settings.chips.imagery, "imagery": stored.identity, **said}
    return gpd.GeoDataFrame({**content, **constant}, geometry=outlines, crs="OGC:CRS84")


def _row(chip: Chip, cut: CutChip, stored: StoredPlan) -> dict[str, Any]:
    left, bottom, right, top = bounds_of(chip.window, stored.transform)
    total = chip.size**2
    shares = {
        f"share_{name}": cut.pixels.get(str(number), 0) / total for name, number in _names(stored.classes).items()
    }
    return {
        "id": chip.id,
        "split": chip.split,
        "fold": chip.fold,
        "region": chip.region,
        "row": chip.row,
        "column": chip.column,
        "size": chip.size,
        "left": left,
        "bottom": bottom,
        "right": right,
        "top": top,
        "crs": stored.crs,
        "positive": any(value not in (str(BACKGROUND), str(IGNORE)) for value in cut.pixels),
        "share_background": cut.pixels.get(str(BACKGROUND), 0) / total,
        "share_ignored": cut.pixels.get(str(IGNORE), 0) / total,
        **shares,
        "path": chip.path,
        "mask_path": chip.mask_path,
        "sha256": cut.sha256,
        "mask_sha256": cut.mask_sha256,
        "bytes": cut.size_bytes,
    }


def _names(classes: dict[str, int]) -> dict[str, int]:
    """Return class numbers by one name each: values that share a number are one class."""
    names: dict[int, str] = {}
    for name, number in classes.items():
        if number != IGNORE:
            # A class may be called background, but its column must not be that of label 0.
            own = f"class {name}" if name in ("background", "ignored") else name
            names[number] = f"{names[number]}+{own}" if number in names else own
    return {name: number for number, name in sorted(names.items())}


def read_manifest(settings: Settings) -> gpd.GeoDataFrame:
    """Read the manifest: a row a chip, footprints in degrees.

    Raises
    ------
    LabelError
        There is none, or it is damaged.
    """
    import geopandas as gpd

    path = manifest_path(settings)
    if not path.exists():
        raise LabelError(
            f"there is no manifest of chips at {path}; run `mosaic chips cut`, or materialize chip_dataset"
        )
    try:
        return gpd.read_parquet(path)
    except Exception as error:  # Arrow's and GeoPandas'
        raise LabelError(f"reading the manifest {path} failed: {error}; run `mosaic chips cut` again") from error


def class_balance_rows(frame: gpd.GeoDataFrame, classes: dict[str, int]) -> list[dict[str, Any]]:
    """Return a row a split: chips, positive ones, and pixels of background, ignored and every class."""
    rows = []
    for split, own in frame.groupby("split", sort=True):
        pixels = own["size"] ** 2
        counts = {name: round(float((own[f"share_{name}"] * pixels).sum())) for name in _names(classes)}
        rows.append(
            {
                "split": split,
                "chips": len(own),
                "positive": int(own["positive"].sum()),
                "background": round(float((own["share_background"] * pixels).sum())),
                "ignored": round(float((own["share_ignored"] * pixels).sum())),
                **counts,
            }
        )
    return rows


def _remove_strays(settings: Settings, stored: StoredPlan) -> int:
    """Remove chips and ledgers of earlier plans; return how many files went."""
    ledgers = {ledger_path(settings.chips_folder, region) for region in stored.regions}
    old = [path for path in (settings.chips_folder / "ledger").glob("*.jsonl") if path not in ledgers]
    strays = stray_files(settings, stored) + old
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def stray_files(settings: Settings, stored: StoredPlan) -> list[Path]:
    """Return files beside the chips that the plan does not know."""
    folder = settings.chips_folder
    known = {folder / path for chip in stored.chips for path in (chip.path, chip.mask_path) if path}
    images = (path for name in IMAGE_FOLDERS for path in (folder / name).rglob("*") if path.is_file())
    return sorted(path for path in images if path not in known and not path.name.startswith("."))


def planned_table(stored: StoredPlan) -> list[dict[str, Any]]:
    """Return a row a region: chips planned, by split."""
    splits = sorted({chip.split for chip in stored.chips}, key=precedence, reverse=True)
    rows = []
    for region in stored.regions:
        own = [chip for chip in stored.chips if chip.region == region]
        counts = {split: sum(chip.split == split for chip in own) for split in splits}
        rows.append({"region": region, "chips": len(own), "positive": sum(chip.positive for chip in own), **counts})
    return rows


def sheet_chips(settings: Settings, count: int) -> list[ChipPicture]:
    """Read some chips for a sheet: of every split, those with most labels and evenly spread ones.

    Raises
    ------
    LabelError
        No manifest, or a chip that cannot be read.
    """
    manifest = read_manifest(settings)
    labelled = manifest.assign(labelled=1 - manifest["share_background"] - manifest["share_ignored"])
    splits = sorted(labelled["split"].unique(), key=precedence, reverse=True)
    chosen = []
    for at, split in enumerate(splits):
        own = labelled[labelled["split"] == split].sort_values(["labelled", "id"], ascending=[False, True])
        share = count // len(splits) + (at < count % len(splits))
        chosen += list(own.iloc[:: max(1, -(-len(own) // max(1, share)))].itertuples())[:share]
    read = ((row, read_chip(settings.chips_folder, row.path, row.mask_path)) for row in chosen)
    return [ChipPicture(row.id, row.split, chip.pixels, chip.label) for row, chip in read]
