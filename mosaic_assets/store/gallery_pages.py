"""Tiles of a gallery page by page, for galleries whose tiles would not fit into an answer."""

from __future__ import annotations

from mosaic_assets.core.records import Tile
from mosaic_assets.store.gallery_db import GalleryDatabase


def tile_count(gallery: GalleryDatabase, zoom: int) -> int:
    """Return how many places of a zoom have a tile, whatever its times."""
    rows = gallery.query(
        "SELECT count(*) FROM (SELECT DISTINCT tile_column, tile_row FROM tile_facts WHERE zoom_level = ?)", (zoom,)
    )
    return int(rows[0][0])


def tile_page(gallery: GalleryDatabase, zoom: int, start: int, count: int) -> list[tuple[Tile, str]]:
    """Return some tiles of a zoom with their newest time, in the order of `GalleryDatabase.tiles`."""
    rows = gallery.query(
        "SELECT tile_column, tile_row, max(time_) FROM tile_facts WHERE zoom_level = ? GROUP BY 1, 2 ORDER BY 1, 2 "
        "LIMIT ? OFFSET ?",
        (zoom, count, start),
    )
    return [(Tile(x, y, zoom), str(when)) for x, y, when in rows]


def missing_count(gallery: GalleryDatabase, zoom: int) -> int:
    """Return how many tiles of a zoom were asked for and are not there."""
    return int(gallery.query("SELECT count(*) FROM missing_tiles WHERE zoom_level = ?", (zoom,))[0][0])
