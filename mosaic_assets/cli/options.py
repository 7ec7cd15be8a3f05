"""Options that several commands share, and the settings that come of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mosaic_assets.settings import Settings, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])

home = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data home (MOSAIC_HOME; default ./mosaic_data).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def harvesting(command: Command) -> Command:
    """Options that change what is harvested."""
    for option in (
        click.option("--acknowledge", "acknowledged", multiple=True, metavar="SOURCE",
                     help="I have read the terms of this source and take responsibility for bulk use."),
        click.option("--seed", type=int, help="Seed of the plan."),
        click.option("--round-tiles", type=int, help="Tiles planned in one round."),
        click.option("--zoom", type=int, help="Zoom level; default: the source's own."),
        click.option("--source", help="Imagery source; `mosaic sources` lists them."),
    ):  # fmt: skip
        command = option(command)
    return command


def targeting(command: Command) -> Command:
    """Options that change when the library counts as complete."""
    for option in (
        click.option("--max-rounds", type=int, help="Rounds a biome may take."),
        click.option("--buckets", type=int, help="Absolute number of filled buckets to reach."),
        click.option("--share", type=float, help="Share of the reachable buckets to fill, 0..1."),
        click.option("--floor", type=int, help="Tiles that make a bucket filled."),
    ):
        command = option(command)
    return command


def settings_from(**given: Any) -> Settings:
    """Build the settings from option values; None means not given."""
    tables = {
        "target": {name: given.pop(name, None) for name in ("floor", "share", "buckets")},
        "limits": {"max_rounds": given.pop("max_rounds", None)},
    }
    for name, table in tables.items():
        values = {key: value for key, value in table.items() if value is not None}
        given[name] = values or None
    acknowledged = given.pop("acknowledged", ())
    given["acknowledged_terms"] = acknowledged or None
    return load_settings(**given)
