"""Footprints of queries and tiles, for the c-squares index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mosaic_assets.gallery.manifest import Query, has_queries, manifest_path, read_manifest, sha256_of
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_records import Scene
from mosaic_assets.store.gallery_db import GalleryDatabase, gallery_path, has_gallery, open_gallery

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from mosaic_assets.core.records import Tile

COLUMNS = 32
"""Columns of tiles that make a part: a thousand tiles of a region that is as high as it is wide there."""

Part = tuple[str, "list[tuple[Scene, BaseGeometry]]"]


def footprints(settings: Settings) -> Iterator[Part]:
    """Yield the parts of both data sets: ``queries-<split>`` and ``gallery-<zoom>-<number>``; nothing where there is neither."""
    for name, scenes in query_footprints(settings):
        yield f"queries-{name}", scenes
    for name, scenes in tile_footprints(settings):
        yield f"gallery-{name}", scenes


def footprints_state(settings: Settings) -> str:
    """Return what changes whenever one of the footprints does; cheap, for sensors ask often."""
    state = ""
    if has_gallery(settings.gallery_folder):
        with open_gallery(settings.gallery_folder) as gallery:
            state = gallery.state()
    return f"{state} {sha256_of(manifest_path(settings)) if has_queries(settings) else ''}".strip()


def query_footprints(settings: Settings) -> Iterator[Part]:
    """Yield a part a split, platform ``queries``."""
    from shapely import box

    if not has_queries(settings):
        return
    for split, queries in groupby(read_manifest(settings), key=lambda query: query.split):
        yield split, [(_query_scene(settings, one), box(*one.row.bounds)) for one in queries]


def tile_footprints(settings: Settings) -> Iterator[Part]:
    """Yield the tiles of each zoom in parts of whole columns, platform ``gallery``; each place once, with its newest time."""
    if not has_gallery(settings.gallery_folder):
        return
    with open_gallery(settings.gallery_folder) as gallery:
        said = {(one.zoom, one.time): one.provenance for one in gallery.coverages()}
        imported = json.loads(gallery.notes().get("imported", "{}"))
        other = {"imagery": imported.get("file", ""), "licence": imported.get("licence", "")}
        for zoom in gallery.zooms():
            for part in sorted({tile.x // COLUMNS for tile in gallery.tiles(zoom)}):
                tiles = gallery.places(zoom, range(part * COLUMNS, (part + 1) * COLUMNS))
                scenes = [_placed(settings, gallery, one, when, said.get((zoom, when), other)) for one, when in tiles]
                yield f"{zoom:02d}-{part:05d}", scenes


def _placed(
    settings: Settings, gallery: GalleryDatabase, tile: Tile, when: str, said: dict[str, Any]
) -> tuple[Scene, BaseGeometry]:
    from shapely import box

    return _tile_scene(settings, gallery, tile, when, said), box(*gallery.grid.bounds(tile))


def _query_scene(settings: Settings, query: Query) -> Scene:
    return Scene(
        id=f"{query.split}/{query.row.imgname}",
        platform="queries",
        instrument=query.source,
        time=_moment(query.time),
        image_location=str(query.path(settings).relative_to(settings.home)),
        source=query.attribution,
        licence=query.licence,
    )


def _tile_scene(settings: Settings, gallery: GalleryDatabase, tile: Tile, when: str, said: dict[str, Any]) -> Scene:
    return Scene(
        id=f"{gallery.grid.name}/{tile.z}/{tile.x}/{tile.y}",
        platform="gallery",
        instrument=str(said.get("imagery", "")),
        time=_moment(when),
        image_location=str(gallery_path(settings.gallery_folder).relative_to(settings.home)),
        source=str(said.get("attribution", "")),
        licence=str(said.get("licence", "")),
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=UTC) if text else None
    except ValueError:  # another program's way of writing dates
        return None
