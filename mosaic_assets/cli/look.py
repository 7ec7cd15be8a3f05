"""Commands that look and change nothing."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.screen import out, print_json, print_table
from mosaic_assets.errors import SettingsError
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from mosaic_assets.core.checks import Check

EXIT_FAILED = 1

COVERAGE_COLUMNS = (
    "biome", "rounds", "asked", "kept", "buckets", "filled", "reachable", "discovery rate", "new per 1,000", "status",
    "why",
)  # fmt: skip
"""Columns of the biomes' table that tell of coverage; the outcomes stand in a line below and in the JSON."""


@click.command()
@options.home
@options.targeting
@options.as_json
def coverage(as_json: bool, **given: Any) -> None:
    r"""Show what the library covers, what is within reach, and where every biome stands.

    Buckets are those seen, filled those that hold the floor, reachable an estimate of what there is (Chao1, a lower
    bound), discovery rate the probability that the next tile finds a new bucket (Good-Turing), new per 1,000 how many
    new ones that many more tiles would find (Good-Toulmin). --json has the outcomes of each biome too.

    \b
    Examples:  mosaic coverage
               mosaic coverage --floor 10 --share 0.9 --json
    """
    settings = options.settings_from(**given)
    from mosaic_assets.library.coverage import read_state
    from mosaic_assets.library.report import current_decision, summary

    state = read_state(settings)
    content = summary(settings, current_decision(settings, state), state)
    if as_json:
        print_json(content)
        return
    print_table([{name: row[name] for name in COVERAGE_COLUMNS} for row in content["biomes"]])
    out.print(f"\n{content['summary']}")
    out.print(f"overall: {content['statistics']}, were they of the same mixture")
    outcomes = ", ".join(f"{count:,} {name}" for name, count in content["outcomes"].items())
    out.print(
        f"{content['tiles']:,} tiles in {content['buckets_with_tiles']:,} buckets, of {content['asked']:,} asked for"
        + (f": {outcomes}" if outcomes else "")
    )


@click.command()
@options.home
@click.option("--newest", is_flag=True, help="Open only the pictures of the newest merge.")
@options.as_json
def check(home: Path | None, newest: bool, as_json: bool) -> None:
    r"""Run every check; exit with 1 when one that blocks fails. For the CI of whoever uses the data.

    Those of the data sets that are there run: library, crops, chips, gallery, scene archive.

    \b
    Example:  mosaic check --home /data/tiles
    """
    from mosaic_assets.core.checks import Scope, run_check

    settings = options.settings_from(home=home)
    scope = Scope.NEWEST if newest else Scope.ALL
    rows = []
    for item in _checks_of(settings):
        found = run_check(item, settings, scope)
        word = "passed" if found.passed else "FAILED" if item.blocking else "warning"
        rows.append({"check": item.name, "asset": item.asset, "result": word, "found": found.summary})
    _show_results(rows, as_json)


def _checks_of(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the data sets that are there."""
    from mosaic_assets.chips.chip_checks import CHIP_CHECKS
    from mosaic_assets.csquares.archive_checks import ARCHIVE_CHECKS
    from mosaic_assets.gallery.checks import GALLERY_CHECKS
    from mosaic_assets.gallery.localize.checks import LOCALIZATION_CHECKS
    from mosaic_assets.library.checks import CHECKS
    from mosaic_assets.scenes.catalog_checks import CATALOG_CHECKS
    from mosaic_assets.scenes.challenges.checks import CHALLENGE_CHECKS
    from mosaic_assets.scenes.crop_checks import CROP_CHECKS

    others = [
        checks
        for folder, checks in (
            (settings.smcefr_folder, (*CATALOG_CHECKS, *CROP_CHECKS)),
            (settings.smcefr_folder / "challenges", CHALLENGE_CHECKS),
            (settings.chips_folder, CHIP_CHECKS),
            (settings.gallery_folder, (*GALLERY_CHECKS, *LOCALIZATION_CHECKS)),
            (settings.csquares, ARCHIVE_CHECKS),
        )
        if folder.exists()
    ]
    # A home without anything fails the library's checks; one of chips alone does not lack a library.
    if settings.library.exists() or settings.harvest.exists() or not others:
        yield from CHECKS
    yield from itertools.chain.from_iterable(others)


@click.command(name="settings")
@options.home
@options.as_json
def show_settings(home: Path | None, as_json: bool) -> None:
    r"""Print every setting with its value and meaning; the defaults where the settings are not usable.

    \b
    Examples:  mosaic settings
               MOSAIC_TARGET__SHARE=0.9 mosaic settings --json
    """
    try:
        settings = options.settings_from(home=home)
    except SettingsError:  # its message sends people here; the defaults are what helps them
        if not as_json:
            print_table(list(_setting_rows(Settings.model_construct())))
        raise
    if as_json:
        print_json(settings.model_dump(mode="json"))
        return
    print_table(list(_setting_rows(settings)))


@click.command()
@options.home
@options.as_json
def sources(home: Path | None, as_json: bool) -> None:
    r"""List the imagery sources: licence, bulk use, zoom range.

    \b
    Example:  mosaic sources --json
    """
    from mosaic_assets.sources.registry import all_records

    records = all_records(options.settings_from(home=home)).values()
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
        return
    print_table(
        [
            {
                "source": r.name,
                "kind": r.kind,
                "zoom": f"{r.min_zoom}-{r.max_zoom}",
                "bulk use": str(r.bulk_use),
                "licence": r.licence,
                "title": r.title,
            }
            for r in records
        ]
    )


@click.command()
@options.home
@options.as_json
def biomes(home: Path | None, as_json: bool) -> None:
    r"""List the biomes: where tiles are drawn from.

    \b
    Example:  mosaic biomes
    """
    from mosaic_assets.library.biomes import load_biomes

    rows = [
        {
            "biome": b.name,
            "phase": b.phase,
            "weight": b.weight,
            "bounds": ", ".join(f"{edge:g}" for edge in b.geometry().bounds),
            "title": b.title,
            "origin": b.origin,
        }
        for b in load_biomes(options.settings_from(home=home)).values()
    ]
    print_json(rows) if as_json else print_table(rows)


def _show_results(rows: list[dict[str, str]], as_json: bool) -> None:
    """Show what checks found; exit with 1 when one that blocks failed."""
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
    if any(row["result"] == "FAILED" for row in rows):
        sys.exit(EXIT_FAILED)


def _setting_rows(settings: Any, prefix: str = "") -> Any:
    from pydantic import BaseModel

    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from _setting_rows(value, f"{prefix}{name}.")
        else:
            variable = "MOSAIC_" + f"{prefix}{name}".replace(".", "__").upper()
            yield {
                "setting": prefix + name,
                "value": str(value),
                "variable": variable,
                "meaning": field.description or "",
            }


COMMANDS = [coverage, check, show_settings, sources, biomes]
