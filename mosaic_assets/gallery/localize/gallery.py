"""What a method is given beside the query: the gallery's pictures, its index, and the settings."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.features import Features, features_of
from mosaic_assets.gallery.localize.index import Index, Progress, index_folder, open_index
from mosaic_assets.gallery.localize.view import GalleryView
from mosaic_assets.settings import Gallery as GallerySettings
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import GalleryDatabase, open_gallery

POINTS_OF_A_CELL = 800
"""Key points of a cell that a query is compared with, at most."""

CELLS_KEPT = 300
"""Cells whose key points are kept in memory, at most 0.4 MB each."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of cells whose edges are compared at a time."""

    first: Tile
    columns: int
    rows: int


class Gallery:
    """An opened gallery with its index; made by `opening_gallery`."""

    def __init__(self, view: GalleryView, index: Index, options: GallerySettings, seed: int) -> None:
        self.view, self.index, self.options, self.seed = view, index, options, seed
        self.features = functools.lru_cache(CELLS_KEPT)(self._features)

    @functools.cached_property
    def row_of(self) -> dict[tuple[int, int], int]:
        """Row of the index of a cell, by column and row of the grid."""
        return {(int(x), int(y)): row for row, (x, y) in enumerate(self.index.cells)}

    def _features(self, cell: Tile) -> Features:
        """Key points of a cell, in pixels from its corner: single precision does not hold columns in the millions."""
        window = self.view.cell(cell)
        return features_of(window.image, window.covered, at_most=POINTS_OF_A_CELL)

    def edges(self, left: int, top: int, columns: int, rows: int) -> NDArray[np.uint8]:
        """Coarse edges of a rectangle of cells, 0 where there is no cell; left and top are a column and a row of the grid."""
        field = np.zeros((rows, 64, columns, 64), np.uint8)
        for x in range(columns):
            for y in range(rows):
                at = self.row_of.get((left + x, top + y))
                if at is not None:
                    field[y, :, x] = self.index.edges[at]
        return field.reshape(rows * 64, columns * 64)

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """Rectangles of at most `BLOCK` x `BLOCK` cells that hold every cell once."""
        return blocks_of([(int(x), int(y)) for x, y in self.index.cells], self.view.zoom)


BLOCK = 12
"""Side of a block, cells: 768 x 768 pixels of coarse edges."""


def blocks_of(cells: list[tuple[int, int]], zoom: int) -> list[Block]:
    """Cut the connected pieces of a gallery into blocks.

    Examples
    --------
    >>> [(block.first[:2], block.columns, block.rows) for block in blocks_of([(0, 0), (1, 0), (9, 9)], 5)]
    [((0, 0), 2, 1), ((9, 9), 1, 1)]
    """
    blocks = []
    for piece in _pieces(set(cells)):
        left, right = min(x for x, _ in piece), max(x for x, _ in piece)
        top, bottom = min(y for _, y in piece), max(y for _, y in piece)
        for x in range(left, right + 1, BLOCK):
            for y in range(top, bottom + 1, BLOCK):
                columns, rows = min(BLOCK, right + 1 - x), min(BLOCK, bottom + 1 - y)
                if any(x <= one < x + columns and y <= other < y + rows for one, other in piece):
                    blocks.append(Block(Tile(x, y, zoom), columns, rows))
    return blocks


def _pieces(cells: set[tuple[int, int]]) -> Iterator[set[tuple[int, int]]]:
    """Yield sets of cells that hang together, corners included."""
    left = set(cells)
    while left:
        start = min(left)
        left.discard(start)
        piece, new = {start}, [start]
        while new:
            x, y = new.pop()
            around = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            piece |= around
            new += around
        yield piece


@contextlib.contextmanager
def opening_gallery(settings: Settings, progress: Progress | None = None) -> Iterator[Gallery]:
    """Open the gallery of the settings for localization; its index is built first where there is none.

    Raises
    ------
    GalleryError
        There is no gallery, or it has no tiles at the zoom.
    """
    with open_gallery(settings.gallery_folder) as database:
        zoom = chosen_zoom(database, settings.gallery)
        view = GalleryView(database, zoom)
        index = open_index(view, index_folder(settings.gallery_folder, zoom), settings.seed, progress)
        yield Gallery(view, index, settings.gallery, settings.seed)


def chosen_zoom(database: GalleryDatabase, options: GallerySettings) -> int:
    """Return the zoom of the settings; without one 15, the zoom of reference 4, if there, else the deepest."""
    zooms = database.zooms()
    if options.localize_zoom is not None:
        return options.localize_zoom
    if not zooms:
        raise GalleryError(f"localizing in {database.path}: the gallery is empty; build it with `mosaic gallery build`")
    return 15 if 15 in zooms else zooms[-1]


def world_points(cell: Tile, points: NDArray[Any]) -> NDArray[np.float64]:
    """Turn points (n, 2) of a cell into points of the world picture."""
    return points.astype(np.float64) + np.array([cell.x, cell.y], np.float64) * TILE_SIZE
