"""A small project to type commands in, and the command line as a function and as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic_assets.cli import main

SMALL = """
home = "home"
builtin_biomes = false
round_tiles = 30
workers = 2
check_sample = 20

[target]
floor = 1
# Two rounds of 30 tiles cannot fill 61 buckets, so that somebody is asked for a second round.
buckets = 61

[limits]
max_runs_in_flight = 2
backoff_s = 0

[biomes.dallol_here]
box = [40.22, 14.16, 40.38, 14.32]

[biomes.amazon_here]
box = [-62, -8, -60, -6]
"""

COMMAND = [sys.executable, "-m", "mosaic_assets.cli"]


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Type = Callable[..., Said]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def run_process(folder: Path, *arguments: str, timeout_s: float = 120, **variables: str) -> Said:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def type_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command into this process: everything as in a shell, but without the start of an interpreter."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["mosaic", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def folder(tmp_path: Path, published_centroids: Path) -> Path:
    """The working directory, with a mosaic.toml of two small biomes and a home that holds nothing but centroids."""
    (tmp_path / "mosaic.toml").write_text(SMALL)
    shutil.copytree(published_centroids, tmp_path / "home" / "mosaic_library")
    return tmp_path


@dataclass(frozen=True)
class Grown:
    """A folder in which `mosaic run` was typed once."""

    folder: Path
    said: Said


@pytest.fixture(scope="session")
def grown_once(tmp_path_factory: pytest.TempPathFactory, published_centroids: Path) -> Grown:
    folder = tmp_path_factory.mktemp("grown")
    (folder / "mosaic.toml").write_text(SMALL)
    shutil.copytree(published_centroids, folder / "home" / "mosaic_library")
    clean = {name: "" for name in os.environ if name.startswith("MOSAIC_")}
    return Grown(folder, run_process(folder, "run", **clean))


@pytest.fixture
def grown(tmp_path: Path, grown_once: Grown) -> Path:
    """The working directory, with a copy of a library that reached its target."""
    shutil.copytree(grown_once.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path
