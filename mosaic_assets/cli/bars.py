"""Progress bars on standard error, gone when the work is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mosaic_assets.cli.screen import err

if TYPE_CHECKING:
    from rich.progress import Progress


@contextlib.contextmanager
def bar(description: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show one bar; yields what is told of further steps, from any thread. None for a total that nobody knows."""
    with _shown(quiet=quiet) as shown:
        task = shown.add_task(description, total=total)
        yield lambda steps: shown.advance(task, steps)


@contextlib.contextmanager
def bars(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each thing that is done; yields what is told of: what is done, how much of it, of how much."""
    with _shown(quiet=quiet) as shown:
        tasks = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what)
            shown.update(tasks[what], completed=done, total=of)

        yield tell


def _shown(*, quiet: bool) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    described = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), described, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=quiet)
