"""``mosaic chips``: labelled chips from imagery and polygons, without a leak between splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bar
from mosaic_assets.cli.screen import err, out, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.settings import Settings

EXIT_FAILED = 1
SHEET_CHIPS = 12


@click.group()
def chips() -> None:
    """Labelled chips: divide labels, cut imagery and labels into chips, verify them, look at them.

    What is cut is set in the table [chips] of mosaic.toml. Without one, made-up parcels are cut from the embedded imagery; both
    are synthetic.
    """


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what is cut; each overrides a setting."""
    for option in (
        click.option("--overlap", type=float, help="Share of a chip that the next repeats, 0 to below 1."),
        click.option("--patch", type=int, help="Side of a chip, pixels."),
        click.option("--regions", type=int, help="Regions to divide the labels into."),
        click.option(
            "--raster", type=click.Path(path_type=Path, dir_okay=False), help="GeoTIFF, COG or VRT to cut from."
        ),
        click.option("--labels", type=click.Path(path_type=Path), help="File of label polygons."),
        options.home,
    ):
        command = option(command)
    return command


@chips.command()
@choosing
@options.as_json
def split(as_json: bool, **given: Any) -> None:
    r"""Divide the labels into regions and splits, and plan every chip; no pixel is fetched.

    Says what becomes of every label pixel, and which labels were repaired, ignored or dropped.

    \b
    Examples:  mosaic chips split
               mosaic chips split --labels fields.gpkg --raster scene.tif --patch 128
    """
    settings = _settings(given)
    from mosaic_assets.chips.dataset import planned_table
    from mosaic_assets.chips.imagery import is_synthetic
    from mosaic_assets.chips.plan_store import plan_path, split_labels

    with bar("planning") as tell:
        plan = split_labels(settings, tell)
    content: dict[str, Any] = {
        "chips": len(plan.chips),
        "regions": planned_table(plan),
        "labels": plan.found,
        "labels_without_pixel": plan.without_pixel,
        "label_pixels": asdict(plan.account),
        "rejects": [asdict(reject) for reject in plan.rejects],
        "synthetic": is_synthetic(settings),
        "path": str(plan_path(settings)),
    }
    if as_json:
        print_json(content)
        return
    print_table(content["regions"])
    fates = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in content["label_pixels"].items())
    out.print(f"\n{plan.account.total:,} label pixels: {fates}")
    out.print(f"{plan.found:,} labels, {plan.without_pixel:,} of them without a pixel of the imagery")
    _tell_rejects(content["rejects"])
    _tell_synthetic(content["synthetic"])
    out.print(f"{len(plan.chips):,} chips planned: {content['path']}\nNext: mosaic chips cut")


@chips.command()
@click.argument("regions", metavar="[REGION]...", nargs=-1)
@options.home
@options.as_json
def cut(regions: tuple[str, ...], home: Path | None, as_json: bool) -> None:
    r"""Cut the chips of some regions, or of all; then publish the manifest, once every region is cut.

    The settings are those that `mosaic chips split` planned with, its options included. Chips that are there and match are left
    alone, so a run that was killed goes on where it was.

    \b
    Examples:  mosaic chips cut
               mosaic chips cut region-000 region-003
    """
    from mosaic_assets.chips.cut import cut_region
    from mosaic_assets.chips.dataset import make_dataset
    from mosaic_assets.chips.plan_store import as_planned, read_plan

    settings = as_planned(options.settings_from(home=home))
    plan = read_plan(settings, current=True)
    chosen = list(dict.fromkeys(regions)) or plan.regions
    with bar("cutting", sum(chip.region in chosen for chip in plan.chips)) as tell:
        reports = [cut_region(settings, region, tell) for region in chosen]
    rows = [{**asdict(report), "seconds": round(report.seconds, 2)} for report in reports]
    dataset = make_dataset(settings) if not regions or set(regions) == set(plan.regions) else None
    if as_json:
        manifest, balance = (str(dataset.path), dataset.balance) if dataset else (None, [])
        print_json({"regions": rows, "manifest": manifest, "balance": balance})
        return
    print_table(rows)
    if dataset is None:
        out.print("\nNo manifest yet: cut the other regions too, with `mosaic chips cut`")
        return
    out.print("\npixels of each class")
    print_table(dataset.balance)
    _tell_synthetic(dataset.synthetic)
    out.print(f"{dataset.chips:,} chips: {dataset.path}")


@chips.command()
@options.home
@options.as_json
def verify(home: Path | None, as_json: bool) -> None:
    r"""Run every check of the chips over all of them; exit with 1 when one fails.

    \b
    Example:  mosaic chips verify --home /data/chips
    """
    from mosaic_assets.chips.chip_checks import CHIP_CHECKS
    from mosaic_assets.chips.dataset import read_manifest
    from mosaic_assets.chips.plan_store import as_planned
    from mosaic_assets.core.checks import Scope, run_check

    settings = as_planned(options.settings_from(home=home))
    read_manifest(
        settings
    )  # the checks have nothing against chips that are not cut yet; whoever types this command has
    results = [(check, run_check(check, settings, Scope.ALL)) for check in CHIP_CHECKS]
    rows = [{"check": check.name, "of": check.asset, "passed": r.passed, "summary": r.summary} for check, r in results]
    print_json(rows) if as_json else print_table([{**row, "passed": "yes" if row["passed"] else "NO"} for row in rows])
    if not all(result.passed for _, result in results):
        raise click.exceptions.Exit(EXIT_FAILED)


@chips.command()
@options.home
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures; default: that of the chips.",
)
@options.as_json
def show(home: Path | None, output: Path | None, as_json: bool) -> None:
    r"""Print the class balance, and draw a map of the chips by split and a sheet of chips with their labels, as PNG.

    \b
    Example:  mosaic chips show -o pictures
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.chips.dataset import class_balance_rows, read_manifest
    from mosaic_assets.chips.plan_store import read_plan

    plan, manifest = read_plan(settings), read_manifest(settings)
    balance = class_balance_rows(manifest, plan.classes)
    synthetic = bool(manifest["synthetic"].any())
    paths = _draw(settings, output or settings.chips_folder, synthetic)
    if as_json:
        print_json({"balance": balance, "synthetic": synthetic, "pictures": [str(path) for path in paths]})
        return
    print_table(balance, "pixels of each class")
    _tell_synthetic(synthetic)
    for path in paths:
        out.print(str(path))


def _draw(settings: Settings, folder: Path, synthetic: bool) -> list[Path]:
    from mosaic_assets.chips.dataset import read_manifest, sheet_chips
    from mosaic_assets.chips.overlays import overlay_sheet
    from mosaic_assets.chips.pictures import split_map
    from mosaic_assets.chips.plan_store import read_plan
    from mosaic_assets.store.files import write_bytes

    plan, manifest = read_plan(settings), read_manifest(settings)
    attribution = str(manifest["attribution"].iloc[0]) if len(manifest) else ""
    names = {number: name for name, number in plan.classes.items()}
    outlines = plan.labels().geometry.to_crs("OGC:CRS84")
    pictures = {
        "splits.png": split_map(manifest, labels=outlines, attribution=attribution, synthetic=synthetic),
        "labels.png": overlay_sheet(
            sheet_chips(settings, SHEET_CHIPS), class_names=names, attribution=attribution, synthetic=synthetic
        ),
    }
    for name, png in pictures.items():
        write_bytes(folder / name, png, "writing a picture of the chips")
    return [folder / name for name in pictures]


def _settings(given: dict[str, Any]) -> Settings:
    """Build the settings; a raster given here is what is cut from."""
    table = {name: given.pop(name) for name in ("labels", "raster", "regions", "patch", "overlap")}
    values = {name: value for name, value in table.items() if value is not None}
    if "raster" in values:
        values["imagery"] = "raster"
    return options.settings_from(**given, chips=values or None)


def _tell_rejects(rejects: list[dict[str, Any]]) -> None:
    for reject in rejects[:10]:
        err.print(f"label {reject['row']} {reject['action']}: {reject['reason']}")
    if len(rejects) > 10:
        err.print(f"... and {len(rejects) - 10:,} more; --json has them all")


def _tell_synthetic(synthetic: bool) -> None:
    if synthetic:
        out.print("The imagery or the labels are SYNTHETIC: made up to try the machinery, not to learn from")


COMMANDS = [chips]
