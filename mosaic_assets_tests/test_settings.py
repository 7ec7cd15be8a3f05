"""Settings: one place, validated when built, with messages that name the offender."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic_assets.errors import SettingsError
from mosaic_assets.settings import load_settings


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mosaic.toml").write_text("seed = 1\nround_tiles = 11\nbucket_cap = 21\n")
    monkeypatch.setenv("MOSAIC_ROUND_TILES", "12")
    monkeypatch.setenv("MOSAIC_BUCKET_CAP", "22")
    settings = load_settings(bucket_cap=23)
    assert (settings.seed, settings.round_tiles, settings.bucket_cap) == (1, 12, 23)


def test_a_table_is_changed_in_part_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mosaic.toml").write_text("[target]\nfloor = 7\n")
    monkeypatch.setenv("MOSAIC_TARGET__SHARE", "0.25")
    assert load_settings().target.model_dump() == {"floor": 7, "share": 0.25, "buckets": None}


def test_a_relative_home_becomes_absolute_when_the_settings_are_built(tmp_path: Path) -> None:
    assert load_settings(home="there").home == tmp_path / "there"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sede = 1", "sede"),
        ("round_tiles = 0", "round_tiles = 0"),
        ("[target]\nshare = 2", "target.share = 2"),
        ("round_tiles = 'many'", "'many'"),
        ("this is no TOML", "mosaic.toml"),
    ],
)
def test_a_file_with_a_mistake_is_refused_naming_it(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mosaic.toml").write_text(text)
    with pytest.raises(SettingsError, match=words.replace("[", r"\[")):
        load_settings()


def test_a_mistyped_variable_is_refused_rather_than_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_HOEM", "/somewhere")
    with pytest.raises(SettingsError, match="MOSAIC_HOEM names no setting"):
        load_settings()


def test_a_variable_with_an_unreadable_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_BIOMES", "{no json")
    with pytest.raises(SettingsError, match="biomes"):
        load_settings()


def test_a_named_settings_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match="nowhere"):
        load_settings()
