"""What `--help` promises."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from mosaic_assets import __version__
from mosaic_assets.cli.main import mosaic


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


ALL = dict(commands(mosaic))

# DESIGN.md, "Names others may rely on", as far as this version goes.
PROMISED = [
    ("run",), ("up",), ("coverage",), ("harvest",), ("library", "verify"), ("check",), ("settings",), ("serve-tiles",),
    ("csquare", "encode"), ("csquare", "decode"), ("csquare", "cover"), ("csquare", "compress"), ("csquare", "expand"),
    ("csquare", "draw"), ("search",),
]  # fmt: skip
DATA = [
    ("run",), ("coverage",), ("check",), ("library", "verify"), ("settings",), ("sources",), ("biomes",),
    ("csquare", "encode"), ("csquare", "decode"), ("csquare", "cover"), ("csquare", "compress"), ("csquare", "expand"),
    ("search",),
]  # fmt: skip


@pytest.mark.parametrize("path", PROMISED, ids=" ".join)
def test_a_promised_command_exists(path: tuple[str, ...]) -> None:
    assert path in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_an_example_on_a_line_of_its_own(path: tuple[str, ...]) -> None:
    said = CliRunner().invoke(mosaic, [*path, "--help"])
    lines = [line.strip() for line in said.output.splitlines()]
    assert said.exit_code == 0
    examples = [line for line in lines if line.startswith(("Example:  ", "Examples:  "))]
    assert len(examples) == 1 and f"mosaic {' '.join(path)}" in examples[0]
    assert "\\b" not in said.output


@pytest.mark.parametrize("path", [path for path in ALL if path[0] != "csquare"], ids=" ".join)
def test_every_command_that_touches_data_takes_a_home(path: tuple[str, ...]) -> None:
    assert "--home" in {option for parameter in ALL[path].params for option in parameter.opts}


@pytest.mark.parametrize("path", DATA, ids=" ".join)
def test_a_command_whose_output_is_data_prints_json(path: tuple[str, ...]) -> None:
    assert "--json" in {option for parameter in ALL[path].params for option in parameter.opts}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    silent = [p.name for p in ALL[path].params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_an_unknown_command_names_the_help() -> None:
    said = CliRunner().invoke(mosaic, ["grow"])
    assert said.exit_code == 2 and "No such command 'grow'" in said.output and "--help" in said.output


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ([], "(all compiled)"),
        (["jpegs"], "(not compiled: JPEG in batches; harvests take longer"),
        (["kernels", "jpegs"], "(not compiled: kernels, JPEG in batches; harvests take longer"),
    ],
)
def test_the_version_tells_what_is_compiled(lacking: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kernels", "jpegs"):
        found = None if name in lacking else object()
        monkeypatch.setattr(sys.modules["mosaic_assets.cli.main"], name, lambda found=found: found)
    result = CliRunner().invoke(mosaic, ["--version"])
    assert result.exit_code == 0
    assert f"mosaic {__version__} {said}" in result.output
