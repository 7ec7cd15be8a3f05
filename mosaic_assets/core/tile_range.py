"""Rectangles of tiles, of either grid: what a region needs at a zoom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic_assets.core.records import Tile


@dataclass(frozen=True, slots=True)
class TileRange:
    """A rectangle of tiles of one zoom: first and last column and row, both ends included."""

    zoom: int
    first_column: int
    last_column: int
    first_row: int
    last_row: int

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return (self.last_column - self.first_column + 1) * (self.last_row - self.first_row + 1)

    def __iter__(self) -> Iterator[Tile]:
        """Yield the tiles column by column, from the west, each from the north."""
        for x in range(self.first_column, self.last_column + 1):
            for y in range(self.first_row, self.last_row + 1):
                yield Tile(x, y, self.zoom)
