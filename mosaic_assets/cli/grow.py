"""Commands that make the library grow."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.screen import RunScreen, err, out, print_json, print_table
from mosaic_assets.settings import CONFIG_VARIABLE, Settings, config_path

if TYPE_CHECKING:
    from mosaic_assets.sources.records import SourceRecord

EXIT_NOT_MET = 1


@click.command()
@options.home
@options.harvesting
@options.targeting
@options.as_json
def run(as_json: bool, **given: Any) -> None:
    r"""Grow the library to its coverage target, in one process.

    The same sensors, jobs and checks as in the Dagster UI, one after another; every run is recorded and shows in the
    UI afterwards. Stop it whenever you like: the same command goes on from there.

    \b
    Examples:  mosaic run
               mosaic run --home /data/tiles --source usgs --share 0.6 --floor 5
    """
    settings = options.settings_from(**given)
    from mosaic_assets.definitions import build_definitions
    from mosaic_assets.defs.drive import drive, workbench_for
    from mosaic_assets.library.coverage import read_state

    record = _usable_source(settings)
    _greet(settings, record.title or record.name, record.synthetic)
    with RunScreen(settings.round_tiles) as screen:
        definitions = build_definitions(workbench_for(settings, screen))
        report = drive(definitions, settings, screen)
    if not report.rounds and not report.merges:
        err.print("Nothing was asked for: " + report.last_word.splitlines()[0])
    state = read_state(settings)
    content = _show_end(settings, state, as_json)
    if report.failures or not content["target_met"]:
        sys.exit(EXIT_NOT_MET)


@click.command()
@click.argument("biome")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Rounds to harvest.")
@options.home
@options.harvesting
def harvest(biome: str, rounds: int, **given: Any) -> None:
    r"""Harvest further rounds of one biome, and merge them.

    \b
    Example:  mosaic harvest dallol --rounds 2 --source usgs
    """
    settings = options.settings_from(**given)
    _usable_source(settings)
    from mosaic_assets.definitions import build_definitions
    from mosaic_assets.defs import drive as driving

    with RunScreen(settings.round_tiles) as screen:
        definitions = build_definitions(driving.workbench_for(settings, screen))
        report = driving.harvest(definitions, settings, screen, biome, rounds)
    if report.failures:
        sys.exit(EXIT_NOT_MET)
    from mosaic_assets.library.coverage import read_state
    from mosaic_assets.library.report import biome_table, current_decision

    state = read_state(settings)
    rows = biome_table(state, current_decision(settings, state))
    print_table([row for row in rows if row["biome"] == biome])


@click.command()
@options.home
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the web page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Dagster has no log-in: think before changing it.")
@click.option("--sensors/--no-sensors", default=True, show_default=True, help="Switch both sensors on.")
def up(home: Path | None, port: int, host: str, sensors: bool) -> None:
    r"""Start the Dagster UI and its daemon over the data home, with the sensors switched on.

    \b
    Example:  mosaic up --port 3001
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.defs.instance import prepare_for_daemon

    folder = prepare_for_daemon(settings, start_sensors=sensors)
    environment = {"DAGSTER_HOME": str(folder), "MOSAIC_HOME": str(settings.home)}
    if config_path().is_file():
        environment[CONFIG_VARIABLE] = str(config_path().absolute())
    os.environ.update(environment)
    workspace = str(folder / "workspace.yaml")
    command = [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", host, "-p", str(port)]
    err.print(f"Dagster UI on http://{host}:{port} over {settings.home}; stop it with Ctrl-C or SIGTERM")
    # Dagster ends on SIGTERM as it does on SIGINT, which a script's background jobs are told to ignore.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, command)  # noqa: S606


def _usable_source(settings: Settings) -> SourceRecord:
    """The source's record; refused here, once, and not in a failed run of every biome."""
    from mosaic_assets.sources.registry import check_terms, check_zoom, source_record

    record = source_record(settings.source, settings)
    check_terms(record, settings)
    check_zoom(record, settings.zoom)
    return record


def _greet(settings: Settings, source: str, synthetic: bool) -> None:
    from mosaic_assets.library.coverage import read_state

    state = read_state(settings)
    made_up = " A stand-in to try the pipeline with, not imagery." if synthetic else ""
    err.print(f"Imagery: {source}.{made_up}")
    if state.rounds:
        err.print(
            f"Going on with the library in {settings.library}: {int(state.kept.sum()):,} tiles in "
            f"{int((state.kept > 0).sum()):,} buckets, {len(state.rounds)} rounds merged."
        )
    else:
        err.print(f"Starting a library in {settings.library}.")


def _show_end(settings: Settings, state: Any, as_json: bool) -> dict[str, Any]:
    from mosaic_assets.library.report import current_decision, summary

    content = summary(settings, current_decision(settings, state), state)
    if as_json:
        print_json(content)
        return content
    print_table(content["biomes"])
    out.print(f"\n{content['summary']}")
    out.print(
        f"{content['tiles']:,} tiles in {content['buckets_with_tiles']:,} buckets, of {content['asked']:,} asked for"
    )
    out.print(f"Library:  {settings.library}")
    for name in ("ab_plane.png", "newest_tiles.png", "discovery.png", "fill.png"):
        picture = settings.home / "reports" / name
        if picture.exists():
            out.print(f"Picture:  {picture}")
    out.print(f"Explore:  mosaic explore --home {shlex.quote(str(settings.home))}")
    return content


COMMANDS = [run, harvest, up]
