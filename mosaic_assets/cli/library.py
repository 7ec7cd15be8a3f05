"""Commands that look after the colour library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bar
from mosaic_assets.cli.screen import out, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.library.repair import RepairReport
    from mosaic_assets.settings import Settings

EXIT_FAILED = 1


@click.group()
def library() -> None:
    """Look after the colour library."""


@library.command()
@options.home
@click.option("--repair", is_flag=True, help="Mend what can be mended, move the rest to mosaic_library/quarantine/.")
@click.option("--dry-run", is_flag=True, help="Tell what --repair would do, and change nothing.")
@options.as_json
def verify(home: Path | None, repair: bool, dry_run: bool, as_json: bool) -> None:
    r"""Verify the library on disk: rows, files, pictures, colours, hashes, provenance. Exit with 1 when faults are left.

    \b
    Examples:  mosaic library verify
               mosaic library verify --dry-run
               mosaic library verify --repair --json
    """
    settings = options.settings_from(home=home)
    report = _repair(settings, dry_run=dry_run, quiet=as_json) if repair or dry_run else None
    checks = [] if dry_run else _check(settings)
    if as_json:
        print_json(checks if report is None else {"repair": _plain(report), "checks": checks})
    else:
        if report is not None:
            _show(report)
        if checks:
            print_table(checks)
    if any(row["result"] == "FAILED" for row in checks) or (dry_run and report is not None and report.findings):
        sys.exit(EXIT_FAILED)


def _repair(settings: Settings, *, dry_run: bool, quiet: bool) -> RepairReport:
    from mosaic_assets.library.repair import repair_library

    with bar("looking at tiles", quiet=quiet) as progress:
        return repair_library(settings, dry_run=dry_run, progress=progress)


def _check(settings: Settings) -> list[dict[str, str]]:
    from mosaic_assets.core.checks import Scope, run_check
    from mosaic_assets.library.checks import CHECKS

    rows = []
    for item in CHECKS:
        if item.asset in ("lab_centroids", "bucketed_library"):
            found = run_check(item, settings, Scope.ALL)
            rows.append({"check": item.name, "result": "passed" if found.passed else "FAILED", "found": found.summary})
    return rows


def _show(report: RepairReport) -> None:
    if report.findings:
        print_table(report.table())
    would = "would be " if report.dry_run else ""
    out.print(
        f"{len(report.findings):,} faults in {report.tiles:,} tiles: {report.mended:,} {would}mended, "
        f"{report.quarantined:,} {would}quarantined ({report.seconds:.1f} s)"
    )
    if report.quarantined and not report.dry_run:
        out.print(f"what went to {report.quarantine} is listed, with the reasons, in quarantine.jsonl there")


def _plain(report: RepairReport) -> dict[str, Any]:
    return {
        "tiles": report.tiles,
        "dry_run": report.dry_run,
        "mended": report.mended,
        "quarantined": report.quarantined,
        "quarantine": str(report.quarantine),
        "seconds": round(report.seconds, 3),
        "faults": [
            {"fault": str(one.fault), "what": one.what, "detail": one.detail, "done": one.done}
            for one in report.findings
        ],
    }


COMMANDS = [library]
