"""Commands that look and change nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from pydantic import BaseModel

from mosaic_assets.csquares.archive_checks import ARCHIVE_CHECKS
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.settings import Settings
from mosaic_assets_tests.cli.conftest import Type, run_process

TABLES = {
    name: type(field.get_default(call_default_factory=True))
    for name, field in Settings.model_fields.items()
    if isinstance(field.get_default(call_default_factory=True), BaseModel)
}
SETTINGS = {
    *(name for name in Settings.model_fields if name not in TABLES),
    *(f"{table}.{name}" for table, model in TABLES.items() for name in model.model_fields),
}


def library(folder: Path) -> Path:
    return folder / "home" / "mosaic_library"


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(library(folder) / "tiles.db")) as connection, connection:
        connection.execute(statement)


def a_picture(folder: Path) -> Path:
    return min(library(folder).glob("bucket_*/*.png"))


def paint_over(folder: Path) -> None:
    Image.new("RGB", (256, 256), (1, 2, 3)).save(a_picture(folder))


def test_settings_lists_every_setting_with_value_variable_and_meaning(type_command: Type, monkeypatch) -> None:
    monkeypatch.setenv("MOSAIC_TARGET__SHARE", "0.125")
    said = type_command("settings")
    first = [line.split() for line in said.out.splitlines()]
    assert {words[0] for words in first if words} >= SETTINGS
    assert ["target.share", "0.125", "MOSAIC_TARGET__SHARE"] in [words[:3] for words in first]


def test_settings_as_json_are_the_settings(type_command: Type, tmp_path: Path) -> None:
    told = json.loads(type_command("settings", "--json", "--home", "elsewhere").out)
    assert set(told) == set(Settings.model_fields)
    assert told["home"] == str(tmp_path / "elsewhere")


def test_settings_shows_a_value_with_brackets_and_colons_as_it_is(type_command: Type, monkeypatch) -> None:
    monkeypatch.setenv("MOSAIC_NETWORK__CONTACT", "[red]me[/red] :100:")
    assert "[red]me[/red] :100:" in type_command("settings").out


def test_coverage_as_json_parses_and_changes_nothing(folder: Path, type_command: Type) -> None:
    told = json.loads(type_command("coverage", "--json", "--buckets", "7").out)
    assert (told["target_met"], told["tiles"], told["asked"]) == (False, 0, 0)
    assert [biome["biome"] for biome in told["biomes"]] == ["dallol_here", "amazon_here"]
    assert sorted(path.name for path in (folder / "home").iterdir()) == ["mosaic_library"]


def test_coverage_of_a_grown_library_agrees_with_its_rows(grown: Path, type_command: Type) -> None:
    told = json.loads(type_command("coverage", "--json").out)
    with closing(sqlite3.connect(library(grown) / "tiles.db")) as connection:
        tiles, buckets = connection.execute("SELECT count(*), count(DISTINCT bucket_id) FROM tiles").fetchone()
    assert (told["tiles"], told["buckets_with_tiles"]) == (tiles, buckets)
    assert told["target_met"] is True and told["synthetic"] is True
    assert sum(told["outcomes"].values()) == told["asked"]


def test_coverage_shows_every_statistic_of_each_biome_and_of_all(grown: Path, type_command: Type) -> None:
    told = json.loads(type_command("coverage", "--json").out)
    with closing(sqlite3.connect(library(grown) / "tiles.db")) as connection:
        hits = connection.execute("SELECT biome, hits FROM hits").fetchall()
    for row in told["biomes"]:
        counts = [count for biome, count in hits if biome == row["biome"]]
        singles, doubles = counts.count(1), counts.count(2)
        assert row["buckets"] == len(counts)
        assert row["reachable"] == round(len(counts) + singles * (singles - 1) / (2 * (doubles + 1)))
        assert row["discovery rate"] == round(singles / sum(counts), 4)
        assert 0 <= row["new per 1,000"] <= 1000
    assert {"seen", "filled", "reachable", "discovery_rate", "new_per_1000"} <= set(told["overall"])
    shown = type_command("coverage").out
    assert all(name in shown.splitlines()[0] for name in ("buckets", "filled", "reachable", "discovery rate"))
    assert "new per 1,000" in shown and told["statistics"] in shown and told["summary"] in shown
    assert f"{told['outcomes']['kept']} kept" in shown


def test_coverage_takes_another_target_from_the_command_line(grown: Path, type_command: Type) -> None:
    told = json.loads(type_command("coverage", "--json", "--buckets", "4999").out)
    assert told["target_met"] is False


def test_check_fails_on_an_empty_home(tmp_path: Path, type_command: Type) -> None:
    said = type_command("check", "--home", "nothing")
    assert said.code == 1 and "build the library first" in said.out
    assert not (tmp_path / "nothing").exists()


def test_check_passes_on_a_grown_library(grown: Path, type_command: Type) -> None:
    said = type_command("check", "--json")
    assert said.code == 0
    results = {row["check"]: row["result"] for row in json.loads(said.out)}
    # A run also brings the tiles into the archive's index.
    assert results == {check.name: "passed" for check in (*CHECKS, *ARCHIVE_CHECKS)}
    assert type_command("library", "verify").code == 0
    assert type_command("check", "--newest").code == 0


def test_an_unmet_target_is_a_warning_and_no_failure(grown: Path, type_command: Type, monkeypatch) -> None:
    monkeypatch.setenv("MOSAIC_TARGET__BUCKETS", "4999")
    said = type_command("check", "--json")
    results = {row["check"]: row["result"] for row in json.loads(said.out)}
    assert said.code == 0 and results["coverage_target_is_met"] == "warning"


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lambda folder: a_picture(folder).unlink(), "rows_and_files_agree"),
        (lambda folder: a_picture(folder).write_bytes(b"no picture"), "pictures_are_tiles"),
        (paint_over, "stored_values_are_recomputable"),
        (lambda folder: (library(folder) / "temp" / "left.png").touch(), "rows_and_files_agree"),
        (lambda folder: change(folder, "UPDATE provenance SET licence = ''"), "provenance_is_complete"),
        (
            lambda folder: change(folder, "UPDATE provenance SET west = west + 5, east = east + 5"),
            "tiles_lie_in_their_biome",
        ),
        (lambda folder: change(folder, "DELETE FROM buckets"), "ledger_adds_up"),
        (lambda folder: (library(folder) / "centroids.npy").write_bytes(b"1"), "centroids_are_the_published_ones"),
    ],
    ids=[
        "picture gone",
        "picture spoilt",
        "another picture",
        "left over",
        "no licence",
        "elsewhere",
        "counts",
        "centroids",
    ],
)
def test_a_damaged_library_fails_the_check_that_names_the_damage(
    grown: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], check: str
) -> None:
    monkeypatch.setenv("MOSAIC_CHECK_SAMPLE", "100000")
    damage(grown)
    for command in (["check"], ["library", "verify"]):
        said = type_command(*command, "--json")
        results = {row["check"]: row["result"] for row in json.loads(said.out)}
        assert said.code == 1 and results[check] == "FAILED"


def test_a_failed_check_ends_a_real_process_with_1(grown: Path) -> None:
    a_picture(grown).unlink()
    for command in (["check"], ["library", "verify"]):
        said = run_process(grown, *command)
        assert said.code == 1 and "no file for row" in said.out and said.err == ""


def test_sources_and_biomes_are_listed(folder: Path, type_command: Type) -> None:
    names = {record["name"] for record in json.loads(type_command("sources", "--json").out)}
    assert {"embedded", "usgs", "esri_wayback", "esri_world_imagery"} <= names
    told = json.loads(type_command("biomes", "--json").out)
    assert {biome["biome"]: biome["bounds"] for biome in told} == {
        "dallol_here": "40.22, 14.16, 40.38, 14.32", "amazon_here": "-62, -8, -60, -6",
    }  # fmt: skip


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    import subprocess

    from mosaic_assets_tests.cli.conftest import COMMAND, environment

    process = subprocess.Popen(
        [*COMMAND, "settings", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(60)
