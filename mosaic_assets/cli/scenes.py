"""``mosaic scenes``: which Sentinel-3 OLCI scenes there are, their crops, and releases of them."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bar
from mosaic_assets.cli.days import chosen_days, day_option, from_option, to_option, yesterday
from mosaic_assets.cli.screen import complain, out, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.scenes.pipeline import DayReport
    from mosaic_assets.settings import Settings

EXIT_INCOMPLETE = 1


source_option = click.option(
    "--source", type=click.Choice(["embedded", "folder", "copernicus"]), help="Default: scenes.source."
)
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of .SEN3 products; implies --source folder.",
)


@click.group()
def scenes() -> None:
    """Sentinel-3 OLCI scenes: catalogue, screened crops of 1024 x 1024, releases.

    Without an account the source is `embedded`: products made here in the format of the real ones, which are synthetic.
    """


@scenes.command()
@day_option
@from_option
@to_option
@source_option
@folder_option
@options.as_json
@options.home
def catalog(
    day: date | None, first: date | None, last: date | None, as_json: bool, home: Path | None, **table: Any
) -> None:
    r"""Search days and publish their catalogues. Default: yesterday.

    \b
    Examples:  mosaic scenes catalog --day 2024-06-01
               mosaic scenes catalog --from 2024-06-01 --to 2024-06-07 --source copernicus
    """
    from mosaic_assets.scenes.catalog import publish_catalogue

    settings, rows = _settings(home, **table), []
    for one in chosen_days(day, first, last):
        report = publish_catalogue(settings, one)
        if report.unreadable and not as_json:
            complain(f"{len(report.unreadable)} names are no OLCI product's, the first {report.unreadable[0]}", "note")
        rows.append(
            {
                "day": str(one),
                "scenes": len(report.rows),
                "older editions": report.superseded,
                "outside the region": report.outside,
                "unreadable": len(report.unreadable),
                "source": _source(settings),
            }
        )
    print_json(rows) if as_json else print_table(rows)


@scenes.command()
@day_option
@from_option
@to_option
@click.option("--missing", is_flag=True, help="All days of the last scenes.span_days that are not done.")
@click.option("--again", is_flag=True, help="Also scenes that have their outcome: after a change of limits.")
@click.option("--recipe", type=click.Choice(["reflectance", "smcefr_v1"]), help="Default: scenes.recipe.")
@source_option
@folder_option
@options.as_json
@options.home
def fetch(
    day: date | None,
    first: date | None,
    last: date | None,
    missing: bool,
    again: bool,
    as_json: bool,
    home: Path | None,
    **table: Any,
) -> None:
    r"""Screen and crop the scenes of days; search them first where there is no catalogue. Default: yesterday.

    \b
    Examples:  mosaic scenes fetch --day 2024-06-01
               mosaic scenes fetch --from 2024-05-01 --to 2024-05-31 --source copernicus
               mosaic scenes fetch --day 2021-10-21 --folder /data/olci
    """
    from mosaic_assets.errors import SourceUnavailableError
    from mosaic_assets.scenes.days import missing_days

    settings, rows, failures = _settings(home, **table), [], []
    if missing and (day or first or last):
        raise click.UsageError("--missing finds the days itself; leave out --day, --from and --to")
    for one in missing_days(settings, yesterday()) if missing else chosen_days(day, first, last):
        try:
            report = _fetched(settings, one, again=again, quiet=as_json)
        except SourceUnavailableError as error:  # other days may do better
            failures.append(f"{one}: {error}")
            continue
        rows.append(_day_row(report))
    if as_json or rows:
        print_json(rows) if as_json else print_table(rows)
    elif not failures:
        out.print("nothing is missing")
    for failure in failures:
        complain(failure)
    if failures:
        sys.exit(EXIT_INCOMPLETE)


@scenes.command()
@day_option
@click.option("--outcome", help="Only scenes with this outcome, such as kept or screened_cloud.")
@click.option("--sheet", type=click.Path(path_type=Path, dir_okay=False), help="Write a sheet of the crops, PNG.")
@options.as_json
@options.home
def show(day: date | None, outcome: str | None, sheet: Path | None, as_json: bool, home: Path | None) -> None:
    r"""Show the outcomes of a day, or of all days that were worked on.

    \b
    Examples:  mosaic scenes show
               mosaic scenes show --day 2024-06-01 --outcome kept
               mosaic scenes show --day 2024-06-01 --sheet crops.png
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.scenes.days import day_rows, scene_rows

    if outcome is not None and day is None:
        raise click.UsageError("--outcome needs --day")
    rows = day_rows(settings) if day is None else scene_rows(settings, day)
    if outcome is not None:
        rows = [row for row in rows if row["outcome"] == outcome]
    if sheet is not None:
        _write_sheet(settings, day, sheet)
    if as_json:
        print_json(rows)
    elif rows:
        print_table([{name: value for name, value in row.items() if name != "product"} for row in rows])
    else:
        out.print("no scenes; `mosaic scenes fetch` makes some")


@scenes.command()
@click.option("--kind", type=click.Choice(["mini", "full"]), default="full", show_default=True, help="How many crops.")
@options.as_json
@options.home
def release(kind: str, as_json: bool, home: Path | None) -> None:
    r"""Pack the crops into a .tar.gz with manifest, checksums and dataset card; the same crops give the same bytes.

    \b
    Examples:  mosaic scenes release
               mosaic scenes release --kind mini --json
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.scenes.release import publish_release

    report = publish_release(settings, kind)
    row = {"release": kind, "crops": report.crops, "bytes": report.size_bytes, "sha256": report.sha256}
    print_json({**row, "path": str(report.path)}) if as_json else print_table([{**row, "path": str(report.path)}])


@scenes.command(name="dry-run")
@day_option
@from_option
@to_option
@options.as_json
@options.home
def dry_run(day: date | None, first: date | None, last: date | None, as_json: bool, home: Path | None) -> None:
    r"""Print the requests that fetching would make of Copernicus. Nothing is sent; no account is needed.

    \b
    Examples:  mosaic scenes dry-run --day 2024-06-01
               mosaic scenes dry-run --from 2021-11-21 --to 2024-11-20 --json
    """
    from dataclasses import asdict

    from mosaic_assets.scenes.dry_run import planned_requests

    settings = options.settings_from(home=home)
    requests = list(planned_requests(settings, chosen_days(day, first, last)))
    if as_json:
        print_json([asdict(one) for one in requests])
        return
    for one in requests:
        out.print(f"{one.step}: {one.method}, account: {one.account}, {one.when}\n  {one.url}")


def _settings(home: Path | None, **table: Any) -> Settings:
    """Build the settings; options of this group go to the table `scenes`."""
    if table.get("folder") is not None:
        table["source"] = table.get("source") or "folder"
    given = {name: value for name, value in table.items() if value is not None}
    return options.settings_from(home=home, scenes=given or None)


def _fetched(settings: Settings, day: date, *, again: bool, quiet: bool) -> DayReport:
    from mosaic_assets.scenes.pipeline import process_day

    with bar(f"scenes of {day}", _searched(settings, day), quiet=quiet) as progress:
        return process_day(settings, day, progress, again=again)


def _searched(settings: Settings, day: date) -> int:
    """Search a day unless there is a catalogue of the source in force; return its number of scenes."""
    from mosaic_assets.scenes.catalog import catalogue_path, publish_catalogue, read_catalogue

    rows = read_catalogue(settings, day) if catalogue_path(settings, day).is_file() else []
    if not rows or rows[0].source != settings.scenes.source:
        return len(publish_catalogue(settings, day).rows)
    return len(rows)


def _day_row(report: DayReport) -> dict[str, Any]:
    others = {name: count for name, count in sorted(report.outcomes.items()) if name != "kept"}
    return {
        "day": str(report.day),
        "scenes": len(report.records),
        "kept": report.kept,
        "discarded": ", ".join(f"{name} {count}" for name, count in others.items()) or "-",
        "worked on": report.worked_on,
        "MB fetched": round(report.bytes_fetched / 1e6, 1),
        "seconds": round(report.seconds, 1),
        "source": report.source + (" (synthetic)" if report.source == "embedded" else ""),
    }


def _source(settings: Settings) -> str:
    source = settings.scenes.source
    return f"{source} (synthetic)" if source == "embedded" else source


def _write_sheet(settings: Settings, day: date | None, path: Path) -> None:
    from mosaic_assets.scenes.sheet import crop_sheet

    picture = crop_sheet(settings, [day] if day else None)
    if picture is None:
        raise click.UsageError("there are no crops to draw")
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise click.UsageError(f"writing {path} failed: {error}") from error


COMMANDS = [scenes]
