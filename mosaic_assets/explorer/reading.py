"""What the routes read from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from mosaic_assets.errors import BusyError, UnknownNameError
from mosaic_assets.explorer.indexes import IndexPool
from mosaic_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the routes read from; ``request.app.state.shelf``."""

    settings: Settings
    indexes: IndexPool
    dagster_url: str
    """Where the Dagster UI may be running; empty for nowhere."""
    kept: dict[str, object] = field(default_factory=dict)
    """What routes keep between requests, each under its own name."""


async def shelf_of(request: Request) -> Shelf:
    """Return what the routes read from; without ``async`` FastAPI would do this in a thread, longer than many a search."""
    shelf: Shelf = request.app.state.shelf
    return shelf


T = TypeVar("T")
TRIES = 8
"""Times that something is asked anew because it has changed meanwhile."""


def from_one_state(state: Callable[[], Hashable], ask: Callable[[], T]) -> T:
    """Return what several questions come to, all of them asked of one state; asked again when it changed meanwhile.

    Parameters
    ----------
    state : gives another value whenever what is asked has changed.
    ask : asks the questions.

    Raises
    ------
    BusyError
        It changed again and again.

    Examples
    --------
    >>> states = iter([1, 2, 2, 2])
    >>> from_one_state(lambda: next(states), lambda: "whole")
    'whole'
    """
    for _ in range(TRIES):
        before = state()
        try:
            found = ask()
        except UnknownNameError:  # what was found first may be gone when it is looked at
            if state() == before:
                raise
            continue
        if state() == before:
            return found
    raise BusyError(f"answering from one state of the data failed: it changed {TRIES} times meanwhile; ask again later")


ShelfOf = Annotated[Shelf, Depends(shelf_of)]
"""The type of a route's parameter that gets the shelf."""


def kept(shelf: Shelf, name: str, identity: Hashable, make: Callable[[], T]) -> T:
    """Return what was made when things had this identity, or make it now: one request does, the others wait for it.

    Examples
    --------
    >>> shelf = Shelf(Settings(), IndexPool(Settings().csquares), "")
    >>> kept(shelf, "n", 1, lambda: "made"), kept(shelf, "n", 1, lambda: "not made"), kept(shelf, "n", 2, lambda: "anew")
    ('made', 'made', 'anew')
    """
    with cast("threading.Lock", shelf.kept.setdefault(f"{name}.lock", threading.Lock())):
        there = cast("tuple[Hashable, T] | None", shelf.kept.get(name))
        if there is None or there[0] != identity:
            there = identity, make()
            shelf.kept[name] = there
        return there[1]
