"""``mosaic gallery locate`` and ``evaluate``: pictures located with the gallery, and how well that works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bars
from mosaic_assets.cli.screen import out, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.gallery.localize.records import Location

EXIT_FAILED = 1

SHOWN = (
    "method", "group", "queries", "recall@1", "recall@10", "within_25_m", "within_100_m", "median_m", "accepted",
    "false_accepts", "seconds",
)  # fmt: skip
"""Measures that fit on a screen; --json has all."""


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--method", help="Method of localization; default: the first of gallery.localize_methods.")
@click.option(
    "--picture", type=click.Path(path_type=Path, dir_okay=False), help="PNG to write: the query beside the gallery."
)
@options.as_json
@options.home
def locate(image: Path, method: str | None, picture: Path | None, as_json: bool, home: Any) -> None:
    r"""Say where a picture is: place, outline, confidence, and a picture that shows it.

    The index is built on the first call. The exit status is 1 when no answer is sure enough.

    \b
    Examples:  mosaic gallery locate photo.jpg
               mosaic gallery locate query.tiff --method edge_clique --picture found.png
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.gallery.localize import locate as find
    from mosaic_assets.store.files import write_bytes

    with bars(quiet=as_json) as told:
        found = find(image, settings, method=method, progress=told)
    target = picture or settings.gallery_folder / "located" / f"{image.stem}.png"
    write_bytes(target, found.picture, "writing the picture of a location")
    if as_json:
        names = (
            "query",
            "method",
            "accepted",
            "lng",
            "lat",
            "footprint",
            "confidence",
            "inliers",
            "seconds",
            "error_m",
            "synthetic",
        )
        print_json({**{name: getattr(found, name) for name in names}, "picture": target})
    else:
        _show_location(found, target)
    raise SystemExit(0 if found.accepted else EXIT_FAILED)


def _show_location(found: Location, target: Path) -> None:
    if found.lng is None or found.lat is None:
        out.print(f"{found.query}: not found by {found.method} ({found.seconds:.2f} s)")
        return
    sure = "found" if found.accepted else "not sure; best guess"
    out.print(f"{found.query}: {sure}: lng {found.lng:.6f}, lat {found.lat:.6f}, confidence {found.confidence:.2f}")
    corners = " ".join(f"{lng:.6f},{lat:.6f}" for lng, lat in found.footprint or ())
    out.print(f"outline: {corners}")
    error = "" if found.error_m is None else f", {found.error_m:.1f} m from its own georeferencing"
    out.print(f"{found.method}: {found.inliers} matches agree, {found.seconds:.2f} s{error}")
    if found.synthetic:
        out.print("the gallery is SYNTHETIC: the place is one in it, not on the Earth")
    out.print(f"picture: {target}")


@click.command()
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), help="Folder for plots and pictures.")
@options.as_json
@options.home
def evaluate(output: Path | None, as_json: bool, home: Any) -> None:
    r"""Measure the methods of localization on the gallery; answers that are kept are not asked for again.

    The table shows some of the measures, --json all of them.

    \b
    Examples:  mosaic gallery evaluate
               mosaic gallery evaluate --output report --json > report.json
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.gallery.localize import run_benchmark
    from mosaic_assets.store.files import write_bytes

    with bars(quiet=as_json) as told:
        report = run_benchmark(settings, told)
    folder = output or settings.gallery_folder / "evaluation"
    for number, (title, png) in enumerate({**report.plots, **report.pictures}.items()):
        name = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()
        write_bytes(folder / f"{number:02d}-{name}.png", png, "writing a plot of the evaluation")
    if as_json:
        print_json({"rows": report.rows, "scenes": report.scenes, "facts": report.facts, "folder": folder})
        return
    for title, rows in (("by kind of change", report.rows), ("by class of scene", report.scenes)):
        print_table([{name: row[name] for name in SHOWN if name in row} for row in rows], title=title)
    for name, value in report.facts.items():
        out.print(f"{name}: {value}")
    out.print(f"plots and pictures: {folder}")
