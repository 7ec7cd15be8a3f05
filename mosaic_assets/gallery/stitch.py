"""Pictures made of tiles: N x N round a tile, and a whole zoom level in small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.imaging import decode_tile, encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.store.gallery_db import GalleryDatabase

Pixels = NDArray[np.uint8]

MAX_SIDE = 64
"""Tiles along one side of a stitched picture."""

OVERVIEW_TILES = 2_500
"""Tiles that an overview is made of at most; of a larger level every second, third, ... column and row."""


def stitch(gallery: GalleryDatabase, tile: Tile, size: int = 3, time: str | None = None) -> Pixels:
    """Stitch ``size`` x ``size`` tiles round one into a picture.

    Parameters
    ----------
    tile : the one in the middle; of an even size, the one right below and right of the middle.
    size : 1..64.
    time : of the tiles; None takes the newest of each place.

    Returns
    -------
    uint8 (256 * size, 256 * size, 3), RGB. Where a tile is absent, does not decode, or would lie beyond the grid, it is white.

    Raises
    ------
    GalleryError
        ``size`` out of range.
    GeometryError
        The grid has no such tile.
    """
    if not 1 <= size <= MAX_SIDE:
        raise GalleryError(f"stitching {size} x {size} tiles: expected a size from 1 to {MAX_SIDE}; give another")
    gallery.grid.check(tile)
    picture = np.full((TILE_SIZE * size, TILE_SIZE * size, 3), 255, np.uint8)
    for row in range(size):
        for column in range(size):
            image = _image(gallery, Tile(tile.x + column - size // 2, tile.y + row - size // 2, tile.z), time)
            if image is not None:
                top, left = row * TILE_SIZE, column * TILE_SIZE
                picture[top : top + TILE_SIZE, left : left + TILE_SIZE] = image
    return picture


def overview(gallery: GalleryDatabase, zoom: int, side: int = 800, time: str | None = None) -> Pixels:
    """Draw a zoom level in small, north up, white where no tile is.

    Parameters
    ----------
    side : longest side of the picture, pixels.

    Raises
    ------
    GalleryError
        There is no tile at that zoom.
    """
    import cv2

    tiles = gallery.tiles(zoom, time)
    if not tiles:
        raise GalleryError(f"drawing zoom {zoom} of {gallery.path}: it has no tiles there; run `mosaic gallery build`")
    first_x, first_y = min(one.x for one in tiles), min(one.y for one in tiles)
    columns, rows = max(one.x for one in tiles) - first_x + 1, max(one.y for one in tiles) - first_y + 1
    step = max(1, int(np.ceil(np.sqrt(len(tiles) / OVERVIEW_TILES))))
    each = int(np.clip(side * step // max(columns, rows), 1, TILE_SIZE))
    picture = np.full((-(-rows // step) * each, -(-columns // step) * each, 3), 255, np.uint8)
    for one in tiles:
        column, row = one.x - first_x, one.y - first_y
        if column % step == 0 and row % step == 0:
            image = _image(gallery, one, time)
            if image is not None:
                top, left = row // step * each, column // step * each
                small = cv2.resize(image, (each, each), interpolation=cv2.INTER_AREA)
                picture[top : top + each, left : left + each] = small
    return picture


def overview_png(gallery: GalleryDatabase, zoom: int, side: int = 800) -> bytes:
    """`overview` as PNG."""
    return encode_png(overview(gallery, zoom, side))


def _image(gallery: GalleryDatabase, tile: Tile, time: str | None) -> Pixels | None:
    first, last = gallery.grid.rows(tile.z)
    if not (0 <= tile.x < 1 << tile.z and first <= tile.y <= last):
        return None
    body = gallery.read(tile, time)
    return None if body is None else decode_tile(body)[0]


def contact_sheet(pictures: Sequence[Pixels], each: int = 160, columns: int = 6) -> bytes:
    """Draw pictures in small side by side, as PNG; white between them.

    Parameters
    ----------
    pictures : uint8 (h, w, 3), RGB, at least one.
    each : side of the square that each is fitted into, pixels.
    """
    import cv2

    step = each + 4
    across = min(columns, len(pictures))
    sheet = np.full((-(-len(pictures) // across) * step, across * step, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        factor = each / max(picture.shape[:2])
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        top, left = number // across * step, number % across * step
        sheet[top : top + size[1], left : left + size[0]] = small
    return encode_png(sheet)
