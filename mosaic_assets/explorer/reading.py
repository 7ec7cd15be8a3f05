"""What the routes read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

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


ShelfOf = Annotated[Shelf, Depends(shelf_of)]
"""The type of a route's parameter that gets the shelf."""
