"""``mosaic gallery``: fill the gallery, make its queries, take over those of others, check, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bar
from mosaic_assets.cli.localization import evaluate, locate
from mosaic_assets.cli.screen import out, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.gallery.published import Finding
    from mosaic_assets.settings import Settings

EXIT_FAILED = 1

zooms_option = click.option(
    "--zoom", "zooms", type=int, multiple=True, help="Zoom level; may be repeated. Default: all."
)


@click.group()
def gallery() -> None:
    """The localization gallery: tiles of a continuous region, and queries to find in it."""


@gallery.command()
@zooms_option
@click.option("--source", help="Imagery source; `mosaic sources` lists them. Default: gallery.source.")
@click.option("--region", type=float, nargs=4, metavar="W S E N", help="Degrees. Default: gallery.region.")
@click.option("--grid", type=click.Choice(["GoogleCRS84Quad", "WebMercatorQuad"]), help="Tile grid of a new gallery.")
@click.option("--time", metavar="DATE", help="Date of the imagery, YYYY-MM-DD.")
@click.option(
    "--acknowledge", "acknowledged", multiple=True, metavar="SOURCE", help="I have read the terms of this source."
)
@options.as_json
@options.home
def build(zooms: tuple[int, ...], acknowledged: tuple[str, ...], as_json: bool, home: Any, **table: Any) -> None:
    r"""Fill the gallery with the tiles of a region; those that are there are not asked for again.

    \b
    Examples:  mosaic gallery build
               mosaic gallery build --zoom 15 --region 0.1 47.9 0.3 48.0 --source usgs --time 2023-08-16
    """
    settings = _settings(home, acknowledged_terms=acknowledged, **table)
    from mosaic_assets.core.grids import grid_named
    from mosaic_assets.gallery.build import build_zoom, plan

    rows = []
    for zoom in zooms or settings.gallery.zooms:
        total = plan(settings, grid_named(settings.gallery.grid), zoom).count
        with bar(f"zoom {zoom}", total, quiet=as_json) as progress:
            report = build_zoom(settings, zoom, progress)
        rows.append(
            {
                "zoom": zoom, "planned": report.planned, "there before": report.present_before,
                "written": report.written, "missing": len(report.missing), "bytes": report.bytes_written,
                "seconds": round(report.seconds, 1),
            }
        )  # fmt: skip
    if as_json:
        print_json({**_said(report), "zooms": rows})
        return
    print_table(rows)
    synthetic = ", synthetic imagery" if report.synthetic else ""
    out.print(f"\n{report.path}: {report.grid}, source {report.source}{synthetic}; resampling: {report.resampling}")


def _said(report: Any) -> dict[str, Any]:
    return {name: getattr(report, name) for name in ("path", "grid", "source", "synthetic", "resampling", "time")}


@gallery.command()
@options.as_json
@options.home
def queries(as_json: bool, home: Any) -> None:
    r"""Make the query set: cut from a source, or taken over from gallery.query_folder.

    \b
    Example:  mosaic gallery queries
    """
    settings = _settings(home)
    from mosaic_assets.gallery.query_set import make_query_set

    with bar("queries", settings.gallery.query_count, quiet=as_json) as progress:
        made = make_query_set(settings, progress)
    if as_json:
        print_json({"folder": made.folder, "splits": made.splits, "synthetic": made.synthetic, "bytes": made.bytes})
        return
    _show_findings(made.findings)
    synthetic = " of synthetic imagery" if made.synthetic else ""
    told = ", ".join(f"{count} {name}" for name, count in made.splits.items())
    out.print(f"{len(made.queries)} queries{synthetic} ({told}) in {made.folder}")


@gallery.command(name="import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--licence", help="What the publisher says of the licence.")
@click.option("--attribution", default="", help="The line that the publisher wants to see.")
@click.option("--keep-overlapping", is_flag=True, help="Keep queries that share ground with an earlier split.")
@click.option(
    "--grid", type=click.Choice(["GoogleCRS84Quad", "WebMercatorQuad"]), help="Grid of a database; it does not say."
)
@options.as_json
@options.home
def take_over(
    path: Path,
    licence: str | None,
    attribution: str,
    keep_overlapping: bool,
    grid: str | None,
    as_json: bool,
    home: Any,
) -> None:
    r"""Take over a published query set (a folder) or the tiles of a published gallery (a database).

    Lists are written anew from the TIFFs' own georeferencing; what is inconsistent in the published ones is reported.

    \b
    Examples:  mosaic gallery import RSLoc-82K/RSimages
               mosaic gallery import RSLoc-82K/galleryL15.db --grid GoogleCRS84Quad
    """
    from mosaic_assets.gallery.importing import NO_LICENCE, import_gallery, import_queries

    if path.is_file():
        if grid is None:
            raise click.UsageError("a database does not say which grid it is in; give --grid")
        with bar("tiles", None, quiet=as_json) as progress:
            taken = import_gallery(_settings(home, grid=grid), path, progress, licence=licence or NO_LICENCE)
        print_json({"tiles": taken, "grid": grid}) if as_json else out.print(f"{taken:,} tiles taken over, in {grid}")
        return
    with bar("queries", None, quiet=as_json) as progress:
        report = import_queries(
            _settings(home), path, licence=licence or NO_LICENCE, attribution=attribution,
            keep_overlapping=keep_overlapping, progress=progress,
        )  # fmt: skip
    if as_json:
        findings = [asdict(finding) for finding in report.findings]
        print_json(
            {
                "findings": findings,
                "queries": len(report.queries),
                "set aside": report.set_aside,
                "repaired": report.repaired,
            }
        )
        return
    _show_findings(report.findings)
    mended = ", ".join(f"{column} in {count} line(s)" for column, count in report.repaired.items()) or "nothing"
    out.print(f"{len(report.queries)} queries in {report.folder}; written anew from the TIFFs: {mended}")
    for name in report.set_aside:
        out.print(f"set aside, shares ground with an earlier split: {name}")


@gallery.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
@options.as_json
@options.home
def check(folder: Path | None, as_json: bool, home: Any) -> None:
    r"""Run every check of the gallery and its queries, or only inspect a published query set.

    The exit status is 1 when a blocking check fails or an inspection finds something.

    \b
    Examples:  mosaic gallery check
               mosaic gallery check RSLoc-82K/RSimages
    """
    if folder is not None:
        from mosaic_assets.gallery.inspecting import inspect
        from mosaic_assets.gallery.published import read_published

        findings = inspect(read_published(folder))
        print_json([asdict(one) for one in findings]) if as_json else _show_findings(findings)
        raise SystemExit(EXIT_FAILED if findings else 0)
    from mosaic_assets.core.checks import Scope, run_check
    from mosaic_assets.gallery.checks import GALLERY_CHECKS

    settings = _settings(home)
    results = [(one, run_check(one, settings, Scope.ALL)) for one in GALLERY_CHECKS]
    rows = [
        {
            "check": one.name,
            "asset": one.asset,
            "result": _verdict(one.blocking, found.passed),
            "summary": found.summary,
        }
        for one, found in results
    ]
    print_json(rows) if as_json else print_table(rows)
    raise SystemExit(EXIT_FAILED if any(one.blocking and not found.passed for one, found in results) else 0)


def _verdict(blocking: bool, passed: bool) -> str:
    return "passed" if passed else "failed" if blocking else "warning"


@gallery.command()
@click.argument("kind", type=click.Choice(["mbtiles", "pmtiles", "geopackage"]))
@zooms_option
@click.option("--time", metavar="DATE", help="Tiles of this time; default: the newest of each place.")
@click.option(
    "--output", "-o", "path", type=click.Path(path_type=Path, dir_okay=False), help="Default: below exports/."
)
@options.as_json
@options.home
def export(kind: str, zooms: tuple[int, ...], time: str | None, path: Path | None, as_json: bool, home: Any) -> None:
    r"""Write the gallery as MBTiles, PMTiles or GeoPackage.

    \b
    Examples:  mosaic gallery export geopackage
               mosaic gallery export mbtiles --zoom 15 --output region.mbtiles
    """
    settings = _settings(home)
    from mosaic_assets.gallery.export import export_gallery

    with bar(kind, None, quiet=as_json) as progress:
        report = export_gallery(settings, kind, zooms=zooms, time=time, path=path, progress=progress)
    if as_json:
        print_json(asdict(report))
        return
    edge = f"; {report.left_out} tiles at the region's edge left out" if report.left_out else ""
    out.print(f"{report.path}: {report.tiles:,} tiles in {report.grid}, resampling: {report.resampling}{edge}")


def _show_findings(findings: Any) -> None:
    found: list[Finding] = list(findings)
    if found:
        print_table(
            [{"inspection": one.name, "count": one.count, "found": one.summary, "remedy": one.remedy} for one in found]
        )
        out.print("")


def _settings(home: Any, acknowledged_terms: tuple[str, ...] = (), **table: Any) -> Settings:
    """Build the settings; values of the table `gallery` that are not None win over those of the file."""
    given = {name: value for name, value in table.items() if value is not None}
    return options.settings_from(home=home, acknowledged=acknowledged_terms, gallery=given or None)


gallery.add_command(locate)
gallery.add_command(evaluate)

COMMANDS = [gallery]
