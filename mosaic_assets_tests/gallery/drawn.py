"""A gallery of 64 tiles, drawn with a seed: fields, roads and houses; and pictures to locate in it."""

from __future__ import annotations

import cv2
import numpy as np

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.gallery.localize.cutting import cut_query
from mosaic_assets.gallery.localize.gallery import Gallery
from mosaic_assets.gallery.localize.metrics import Asked, judged
from mosaic_assets.gallery.localize.records import Query
from mosaic_assets.gallery.localize.registry import method_named
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import open_gallery
from mosaic_assets.store.gallery_records import StoredTile

ZOOM, WEST, NORTH, SIDE = 15, 16_390, 11_380, 8


def drawn(side: int, seed: int = 7) -> np.ndarray:
    """A picture of fields with furrows, roads and houses."""
    random = np.random.default_rng(seed)
    seeds = np.ones((side, side), np.uint8)
    seeds[random.integers(0, side, side // 6), random.integers(0, side, side // 6)] = 0
    labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5)[1]
    tones = random.integers(60, 190, (labels.max() + 1, 3)) * np.array([0.9, 1.0, 0.7])
    turn, rows, columns = random.uniform(0, np.pi, labels.max() + 1)[labels], *np.mgrid[:side, :side]
    furrows = 8 * np.sin((columns * np.cos(turn) + rows * np.sin(turn)) * 0.8)
    image = np.clip(tones[labels] + furrows[..., None] + random.normal(0, 4, (side, side, 1)), 0, 255).astype(np.uint8)
    for _ in range(side // 20):
        ends = random.integers(0, side, 4).tolist()
        cv2.line(image, ends[:2], ends[2:], (200, 195, 185), 3)
    for column, row, width, height, tone in random.integers(
        (0, 0, 4, 4, 0), (side, side, 14, 14, 255), (side * 2, 5)
    ).tolist():
        cv2.rectangle(image, (column, row), (column + width, row + height), (tone, tone // 2 + 90, tone // 2 + 60), -1)
    return image


def fill(settings: Settings, image: np.ndarray, west: int = WEST, north: int = NORTH) -> None:
    """Make a gallery of the whole tiles of a picture whose corner is that of a tile."""
    settings.gallery_folder.mkdir(parents=True)
    tiles = [
        StoredTile(Tile(west + x, north + y, ZOOM), "", encode_png(image[y * 256 : y * 256 + 256, x * 256 : x * 256 + 256].copy()))
        for x in range(image.shape[1] // 256)
        for y in range(image.shape[0] // 256)
    ]  # fmt: skip
    with open_gallery(settings.gallery_folder, grid=WEB_MERCATOR_QUAD, create=True) as database, database.writing():
        database.add(tiles)


def answer(query: Query, gallery: Gallery, name: str) -> Asked:
    """What a method says, judged; `located` draws a picture besides, which takes longer than the search."""
    return judged(query, name, method_named(name).run(query, gallery), 0.0, 0.0)


def cut(gallery: Gallery, appearance: str, how: str, seed: int = 1, size: int = 384) -> Query:
    return cut_query(gallery.view, np.random.default_rng(seed), appearance, how, size, f"{appearance} {how}")


def world(query: Query) -> tuple[float, float]:
    """Upper left corner of a north-up query in pixels of the world."""
    assert query.footprint is not None
    column, row = WEB_MERCATOR_QUAD.pixel_at(*query.footprint[0], ZOOM)
    return float(column), float(row)
