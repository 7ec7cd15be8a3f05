"""``mosaic library verify`` with and without ``--repair``, as a click command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic_assets.cli.library import library
from mosaic_assets.library.checks import CHECKS

VERIFIED = [check.name for check in CHECKS if check.asset in ("lab_centroids", "bucketed_library")]


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(library, ["verify", *arguments], catch_exceptions=False)


def pictures(folder: Path) -> list[Path]:
    return sorted((folder / "home" / "mosaic_library").glob("bucket_*/*.png"))


@pytest.fixture
def damaged(grown: Path) -> Path:
    """A grown library that lacks a picture, has another one cut short, and a wrong hash and a wrong count."""
    first, second, third = pictures(grown)[:3]
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    with closing(sqlite3.connect(grown / "home" / "mosaic_library" / "tiles.db")) as connection, connection:
        connection.execute("UPDATE tiles SET phash = '00000000000000ff' WHERE id = ?", (third.stem,))
        connection.execute("UPDATE buckets SET kept = kept + 1 WHERE bucket_id = (SELECT max(bucket_id) FROM buckets)")
    return grown


def test_a_sound_library_is_verified_and_has_nothing_to_repair(grown: Path) -> None:
    rows = json.loads(typed("--json").stdout)
    assert {row["check"]: row["result"] for row in rows} == dict.fromkeys(VERIFIED, "passed")
    told = typed("--repair")
    assert told.exit_code == 0 and told.stdout.startswith("0 faults in ")
    assert typed("--dry-run").exit_code == 0
    assert not (grown / "home" / "mosaic_library" / "quarantine").exists()


def test_without_repair_faults_are_only_told(damaged: Path) -> None:
    before = pictures(damaged)
    told = typed()
    assert told.exit_code == 1 and "no file for row" in told.stdout and "does not decode" in told.stdout
    assert pictures(damaged) == before


def test_a_dry_run_shows_the_table_and_changes_nothing(damaged: Path) -> None:
    before = {path: path.read_bytes() for path in pictures(damaged)}
    told = typed("--dry-run")
    assert told.exit_code == 1
    words = [line.split()[:4] for line in told.stdout.splitlines()]
    # Harvested bytes are dropped after a merge, so that lost pictures cannot be made anew.
    assert ["fault", "found", "mended", "quarantined"] in words
    assert ["missing_file", "1", "0", "1"] in words and ["damaged_picture", "1", "0", "1"] in words
    assert ["wrong_hash", "1", "1", "0"] in words
    assert "would be mended" in told.stdout
    assert {path: path.read_bytes() for path in pictures(damaged)} == before


def test_repair_mends_or_sends_away_and_all_checks_pass(damaged: Path) -> None:
    told = typed("--repair", "--json")
    assert told.exit_code == 0
    said = json.loads(told.stdout)
    assert {row["check"]: row["result"] for row in said["checks"]} == dict.fromkeys(VERIFIED, "passed")
    done = {(one["fault"], one["done"]) for one in said["repair"]["faults"]}
    assert done == {
        ("missing_file", "quarantined"), ("damaged_picture", "quarantined"),
        ("wrong_hash", "mended"), ("wrong_counts", "mended"),
    }  # fmt: skip
    lines = (Path(said["repair"]["quarantine"]) / "quarantine.jsonl").read_text().splitlines()
    assert len(lines) == said["repair"]["quarantined"] == 2
    assert typed("--repair").stdout.startswith("0 faults in ")


def test_repair_says_where_to_look_for_what_it_sent_away(damaged: Path) -> None:
    told = typed("--repair")
    assert "2 quarantined" in told.stdout and "is listed, with the reasons, in quarantine.jsonl there" in told.stdout
    assert "passed" in told.stdout and "FAILED" not in told.stdout
