"""What a person sees: tables, progress bars, messages. Data goes to standard output, the rest to standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

WIDE = 220
"""Columns where the output is no terminal: a pipe or a file must not cut a table."""

# No markup and no emoji: [sources.mine] in a message is a table of the settings, and :100: a part of a c-square.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)


def complain(message: str, kind: str = "error") -> None:
    """One message on standard error."""
    click.echo(f"{kind}: {message}", err=True)


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    click.echo(json.dumps(value, indent=1, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Rows of plain values as a table; numbers to the right."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row.values()))
    out.print(table)


class RunScreen:
    """Shows runs as they happen: a bar for the one under way, a line for each that ended."""

    def __init__(self, round_tiles: int, *, quiet: bool = False) -> None:
        self._round_tiles = round_tiles
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=err, transient=True, disable=quiet,
        )  # fmt: skip
        self._quiet = quiet
        self._task: Any = None
        self._began = 0.0
        self._tiles = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def starting(self, job: str, partition: str | None, why: str) -> None:
        """Open a bar."""
        self._began, self._tiles = time.perf_counter(), 0
        total = self._round_tiles if partition else None
        self._task = self._progress.add_task(f"{job} {partition or ''}".strip(), total=total)
        self._why = why

    def progress(self, tiles: int) -> None:
        """Move the bar."""
        self._tiles += tiles
        if self._task is not None:
            self._progress.advance(self._task, tiles)

    def ended(self, job: str, partition: str | None, error: str | None) -> None:
        """Close the bar and leave a line."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        seconds = time.perf_counter() - self._began
        if error:
            err.print(" ".join(filter(None, ["failed", job, partition])) + f": {error}", style="red")
        elif not self._quiet:
            rate = f"{self._tiles:6,} tiles {self._tiles / seconds:7.0f}/s" if partition else " " * 22
            err.print(f"{job:15} {partition or '':20} {rate} {seconds:6.1f} s  {self._why}")
