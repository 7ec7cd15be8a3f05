"""A mistake of the user ends as one message that says what to do: exit code 2, no traceback, nothing changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mosaic_assets.store.sqlite import APPLICATION_ID
from mosaic_assets_tests.cli.conftest import SMALL, Said, Type, run_process

WRONG_FILES = {
    "unknown setting": ('colour = "red"\n' + SMALL, ["colour", "mosaic settings"]),
    "unknown setting in a table": (SMALL.replace("floor = 1", "floor = 1\nflor = 1"), ["target.flor"]),
    "wrong type": (SMALL.replace("round_tiles = 30", 'round_tiles = "many"'), ["round_tiles = 'many'", "integer"]),
    "out of range": (SMALL.replace("floor = 1", "floor = 0"), ["target.floor = 0", "greater than or equal to 1"]),
    "not TOML": ("home = \n", ["mosaic.toml", "mend what it names"]),
    "not text": (b"\xff\xfe\x00home", ["mosaic.toml", "mend what it names"]),
    "unknown field of a biome": (SMALL + "colour = 1\n", ["[biomes.amazon_here]", "colour", "known are"]),
    "a biome without a place": (
        SMALL + "[biomes.nowhere]\nweight = 1\n",
        ["[biomes.nowhere]", "box, polygon and geojson"],
    ),
    "a biome outside the world": (
        SMALL.replace("[-62, -8, -60, -6]", "[-62, -98, -60, -6]"),
        ["amazon_here", "outside the world"],
    ),
    "a biome across the date line": (
        SMALL.replace("[-62, -8, -60, -6]", "[170, -8, -170, -6]"),
        ["amazon_here", "date line"],
    ),
    "no biome": ("builtin_biomes = false\n", ["no biome is left", "[biomes.NAME]"]),
}


def is_one_message(said: Said, *words: str) -> None:
    assert said.code == 2
    assert said.err.count("error: ") == 1 and "Traceback" not in said.err + said.out
    for word in words:
        assert word in said.err


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_settings_file_is_explained(tmp_path: Path, type_command: Type, name: str) -> None:
    content, words = WRONG_FILES[name]
    (tmp_path / "mosaic.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    is_one_message(type_command("coverage"), *words)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MOSAIC_CONFIG", "nowhere.toml", ["nowhere.toml", "does not exist"]),
        ("MOSAIC_CONFIG", ".", ["does not exist"]),
        ("MOSAIC_SEED", "x", ["seed = 'x'", "integer"]),
        ("MOSAIC_TARGET__SHARE", "80", ["target.share = '80'", "less than or equal to 1"]),
        ("MOSAIC_BIOMES", "{", ["biomes"]),
    ],
)
def test_a_wrong_variable_is_explained(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    is_one_message(type_command("biomes"), *words)


def test_settings_shows_the_defaults_when_the_settings_are_unusable(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC_SEED", "x")
    said = type_command("settings")
    is_one_message(said, "seed = 'x'")
    assert "MOSAIC_SEED" in said.out and "20240615" in said.out


@pytest.mark.parametrize("command", [["run"], ["harvest", "dallol_here"]], ids=" ".join)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "atlantis"], ["unknown source 'atlantis'", "embedded", "[sources.atlantis]"]),
        (["--zoom", "23"], ["zoom 23", "0 to 19"]),
        (["--zoom", "99"], ["zoom = 99"]),
        (["--source", "esri_world_imagery"], ["terms", "--acknowledge esri_world_imagery"]),
        (["--source", "esri_wayback"], ["terms", "--acknowledge esri_wayback"]),
        (["--round-tiles", "0"], ["round_tiles = 0"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_what_cannot_be_harvested_is_refused_before_anything_is_written(
    folder: Path, type_command: Type, command: list[str], options: list[str], words: list[str]
) -> None:
    is_one_message(type_command(*command, *options), *words)
    assert sorted(path.name for path in (folder / "home").iterdir()) == ["mosaic_library"]


def test_an_unknown_biome_is_refused_with_the_names_there_are(folder: Path, type_command: Type) -> None:
    said = type_command("harvest", "atlantis")
    is_one_message(said, "unknown biome 'atlantis'", "amazon_here, dallol_here", "[biomes.atlantis]")
    assert not (folder / "home" / "harvest").exists()


def test_a_real_process_shows_no_traceback_either(folder: Path) -> None:
    is_one_message(run_process(folder, "run", "--source", "atlantis"), "unknown source 'atlantis'")
    is_one_message(run_process(folder, "coverage", MOSAIC_CONFIG="nowhere.toml"), "nowhere.toml")


@pytest.mark.parametrize("command", [["run"], ["harvest", "dallol_here"], ["up"]], ids=" ".join)
def test_a_home_that_is_a_file_is_refused(
    folder: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (folder / "note.txt").write_text("mine")
    monkeypatch.setenv("MOSAIC_HOME", "note.txt")
    is_one_message(type_command(*command), "note.txt", "--home or MOSAIC_HOME")
    assert (folder / "note.txt").read_text() == "mine"
    said = type_command(*command, "--home", "note.txt")
    assert said.code == 2 and "note.txt' is a file" in said.err


def another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()


def newer_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE tiles (id TEXT)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


@pytest.mark.parametrize("command", ["run", "coverage"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_database, ["not a database"]),
        (another_program, ["database of another program", "--home"]),
        (newer_version, ["schema version 99", "Upgrade mosaic_assets"]),
    ],
)
def test_a_library_that_is_not_ours_is_left_alone(folder: Path, type_command: Type, command: str, spoil, words) -> None:
    database = folder / "home" / "mosaic_library" / "tiles.db"
    spoil(database)
    before = database.read_bytes()
    is_one_message(type_command(command), "tiles.db", *words)
    assert database.read_bytes() == before


@pytest.mark.parametrize("content", ["telemetrie: {}\n", "telemetry: [\n"], ids=["unknown key", "not YAML"])
def test_a_wrong_dagster_yaml_is_explained(folder: Path, type_command: Type, content: str) -> None:
    instance = folder / "home" / "dagster"
    instance.mkdir()
    (instance / "dagster.yaml").write_text(content)
    is_one_message(type_command("harvest", "dallol_here"), "dagster.yaml", "move the folder away")


def test_a_damaged_history_of_runs_is_explained(folder: Path, type_command: Type) -> None:
    history = folder / "home" / "dagster" / "history"
    history.mkdir(parents=True)
    (history / "runs.db").write_bytes(b"Dear diary, " * 1000)
    is_one_message(type_command("harvest", "dallol_here"), "not a database", "move the folder away")


def test_a_port_that_is_taken_is_explained(folder: Path, type_command: Type) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        is_one_message(type_command("serve-tiles", "--port", port), port)
