"""The documentation names everything there is, and no file names the machine it was written on."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from mosaic_assets.cli.main import mosaic
from mosaic_assets.definitions import defs
from mosaic_assets.defs.checks import ALL_CHECKS
from mosaic_assets.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
TABLES = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}

# Written in pieces, so that this file does not name what it forbids.
FORBIDDEN = ["/wo" + "rk/", "py" + "pi.org", "python" + "hosted"]


def command_names(group: click.Group, before: str = "mosaic") -> list[str]:
    names = []
    for name, command in group.commands.items():
        path = f"{before} {name}"
        names += command_names(command, path) if isinstance(command, click.Group) else [path]
    return names


SETTINGS = [name for name in Settings.model_fields if name not in TABLES] + [
    f"{table}.{name}" for table, model in TABLES.items() for name in model.model_fields
]


def tracked() -> list[Path]:
    """Files under version control; in a copy without it, every file that is not made."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if done.returncode == 0:
        files = [PROJECT / name for name in done.stdout.split("\0") if name]
    else:
        files = [
            path for path in PROJECT.rglob("*") if not set(path.relative_to(PROJECT).parts) & {".venv", "mosaic_data"}
        ]
    return [path for path in files if path.is_file()]


@pytest.fixture(scope="module")
def documentation() -> str:
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("command", command_names(mosaic))
def test_every_command_is_documented(documentation: str, command: str) -> None:
    assert re.search(rf"\b{re.escape(command)}\b", documentation)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_documented(documentation: str, setting: str) -> None:
    """As ``name``, ``table.name``, a line ``name = ...`` or its variable."""
    name = setting.rpartition(".")[2]
    variable = "MOSAIC_" + setting.replace(".", "__").upper()
    spellings = [rf"`{re.escape(setting)}`", rf"`{name}`", rf"^{name} *=", rf"\b{variable}\b", rf"\[{name}[.\]]"]
    assert re.search("|".join(spellings), documentation, re.MULTILINE)


@pytest.mark.parametrize("asset", sorted(key.to_user_string() for key in defs.resolve_all_asset_keys()))
def test_every_asset_is_documented(documentation: str, asset: str) -> None:
    assert re.search(rf"\b{asset}\b", documentation)


@pytest.mark.parametrize("check", [check.name for check in ALL_CHECKS])
def test_every_check_is_documented(documentation: str, check: str) -> None:
    assert re.search(rf"\b{check}\b", documentation)


AUTOMATION = [*defs.sensors, *defs.schedules, *defs.jobs]


@pytest.mark.parametrize("name", [one.name for one in AUTOMATION])
def test_every_sensor_schedule_and_job_is_documented(documentation: str, name: str) -> None:
    assert re.search(rf"\b{name}\b", documentation)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(PROJECT).as_posix()
        for path in sorted((PROJECT / "mosaic_assets").rglob("*.py"))
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(PROJECT)}: {target}"
        for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("text", FORBIDDEN)
def test_no_file_names_this_machine_or_a_package_registry(text: str) -> None:
    naming = [path.relative_to(PROJECT).as_posix() for path in tracked() if text.encode() in path.read_bytes()]
    assert naming == []
