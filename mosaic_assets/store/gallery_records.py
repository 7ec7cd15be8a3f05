"""What goes into a gallery and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mosaic_assets.core.records import Bounds, Tile


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A tile as it lies in the gallery."""

    tile: Tile
    time: str
    """ISO date; empty where nobody says when."""
    data: bytes
    """A JPEG or PNG."""


@dataclass(frozen=True, slots=True)
class MissingTile:
    """A tile that was asked for and is not there."""

    tile: Tile
    time: str
    outcome: str
    """Why, as in `Outcome`."""
    detail: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """A region that the gallery is to cover without holes at one zoom and time."""

    zoom: int
    time: str
    bounds: Bounds
    provenance: dict[str, Any] = field(default_factory=dict)
    """Source, release, licence, attribution, synthetic, and how tiles were resampled."""
