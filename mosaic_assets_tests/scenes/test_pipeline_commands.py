"""``mosaic scenes``: tables and JSON, days that are none, and the account that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mosaic_assets.cli.scenes import scenes
from mosaic_assets.errors import SettingsError
from mosaic_assets_tests.scenes.copernicus_server import StandIn
from mosaic_assets_tests.scenes.test_pipeline import MakeSettings


@pytest.fixture
def home(served: StandIn, at_stand_in: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose settings, in the environment, name the stand-in as Copernicus and a folder with the same products."""
    settings = at_stand_in()
    for name, value in {**served.scene_settings(), "folder": served.products, "retries": 0}.items():
        monkeypatch.setenv(f"MOSAIC_SCENES__{name.upper()}", str(value))
    return settings.home


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(scenes, [*words, "--home", str(home)], catch_exceptions=True)


def printed(home: Path, *words: str) -> Any:
    result = call(home, *words, "--json")
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def test_from_search_to_release(home: Path, tmp_path: Path) -> None:
    assert printed(home, "catalog", "--day", "2024-06-01")[0]["scenes"] == 3
    (row,) = printed(home, "fetch", "--day", "2024-06-01")
    assert (row["kept"], row["worked on"], row["source"]) == (1, 3, "copernicus")
    assert row["discarded"] == "screened_cloud 1, too_small 1"
    assert printed(home, "show")[0]["kept"] == 1
    kept = printed(home, "show", "--day", "2024-06-01", "--outcome", "kept")
    assert [one["outcome"] for one in kept] == ["kept"]
    sheet = tmp_path / "sheet.png"
    call(home, "show", "--day", "2024-06-01", "--sheet", str(sheet))
    assert sheet.read_bytes().startswith(b"\x89PNG")
    released = printed(home, "release", "--kind", "mini")
    assert (released["crops"], Path(released["path"]).is_file()) == (1, True)


def test_another_source_searches_anew(home: Path, served: StandIn) -> None:
    printed(home, "catalog", "--day", "2024-06-01")
    (row,) = printed(home, "fetch", "--day", "2024-06-01", "--folder", str(served.products))
    assert (row["source"], row["kept"]) == ("folder", 1)


def test_tables_are_for_people(home: Path) -> None:
    result = call(home, "fetch", "--from", "2024-05-31", "--to", "2024-06-01")
    assert result.exit_code == 0
    assert [line.split()[:3] for line in result.stdout.splitlines()[1:]] == [
        ["2024-05-31", "0", "0"],
        ["2024-06-01", "3", "1"],
    ]


def test_missing_days_are_fetched_the_newest_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_SCENES__SPAN_DAYS", "2")
    days = [row["day"] for row in printed(home, "fetch", "--missing")]
    assert (len(days), days) == (2, sorted(days, reverse=True))
    assert call(home, "fetch", "--missing").stdout == "nothing is missing\n"


def test_a_day_that_fails_costs_no_other(home: Path, served: StandIn) -> None:
    served.set(faults=[{"on": "2024-05-31T00%3A00", "status": 503}])
    result = call(home, "fetch", "--from", "2024-05-31", "--to", "2024-06-01")
    assert result.exit_code == 1
    assert "2024-06-01       3     1" in result.stdout
    assert "error: 2024-05-31: searching the catalogue failed" in result.stderr


def test_a_dry_run_sends_nothing_and_needs_no_account(
    home: Path, served: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDSE_USER")
    requests = printed(home, "dry-run", "--day", "2024-06-01")
    assert {request["account"] for request in requests} == {"none", "user and password", "token"}
    assert served.counts()["requests"] == {}


def test_no_account(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDSE_USER")
    error = call(home, "fetch", "--day", "2024-06-01").exception
    assert isinstance(error, SettingsError)
    assert "CDSE_USER is not set" in str(error)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch", "--day", "1.6.2024"], "write it as 2024-06-01"),
        (["fetch", "--day", "2016-04-24"], "the first day of the archive"),
        (["catalog", "--day", "2999-01-01"], "has not come yet"),
        (["catalog", "--day", "2024-06-01", "--from", "2024-06-01"], "either --day"),
        (["fetch", "--missing", "--day", "2024-06-01"], "--missing finds the days itself"),
        (["catalog", "--from", "2024-06-02", "--to", "2024-06-01"], "lies after"),
        (["show", "--outcome", "kept"], "needs --day"),
        (["show", "--day", "2024-06-01", "--sheet", "x.png"], "no crops to draw"),
        (["release", "--kind", "huge"], "'huge' is not one of"),
    ],
)
def test_mistakes_end_in_words(home: Path, words: list[str], said: str) -> None:
    result = call(home, *words)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("command", sorted(scenes.commands))
def test_every_command_shows_an_example(command: str) -> None:
    assert f"mosaic scenes {command}" in CliRunner().invoke(scenes, [command, "--help"]).stdout
