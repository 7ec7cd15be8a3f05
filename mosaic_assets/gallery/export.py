"""The gallery in the containers that other programs read: MBTiles 1.3, PMTiles 3, GeoPackage.

A GeoPackage has the gallery's own grid and its bytes unchanged. MBTiles and PMTiles are Web Mercator by definition: from a
plate-carree gallery their tiles are resampled, and say so. Each place has the newest tile, or that of the time asked for.
"""

from __future__ import annotations

import json
import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD
from mosaic_assets.core.imaging import decode_tile, encode_jpeg
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M
from mosaic_assets.errors import GalleryError, UnknownNameError
from mosaic_assets.gallery.resample import Pixels, plate_carree_tiles_over, to_mercator
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing
from mosaic_assets.store.gallery_db import GalleryDatabase, open_gallery
from mosaic_assets.store.tile_containers import MatrixSet, write_geopackage, write_mbtiles

SUFFIXES = {"mbtiles": ".mbtiles", "pmtiles": ".pmtiles", "geopackage": ".gpkg"}
"""Kinds of export, and how their files end."""

PLATE_CARREE_NOTE = "rows interpolated from GoogleCRS84Quad tiles of the same zoom and column; columns unchanged"

Progress = Callable[[int], None] | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    kind: str
    path: Path
    grid: str
    tiles: int
    resampling: str
    left_out: int
    """Web-Mercator tiles at the edge of the region, which the gallery covers in part only."""
    bytes: int
    seconds: float


@dataclass(slots=True)
class _Content:
    """Tiles on their way into a container, and what is said of them."""

    gallery: GalleryDatabase
    zooms: Sequence[int]
    time: str | None
    quality: int
    progress: Progress
    left_out: int = 0

    def own(self) -> Iterator[tuple[Tile, bytes]]:
        """Yield the gallery's tiles as they are."""
        for zoom in self.zooms:
            for one in self.gallery.bodies(zoom, self.time):
                self._tell()
                yield one.tile, one.data

    def mercator_places(self) -> list[Tile]:
        """Web-Mercator tiles that the gallery covers wholly, zoom by zoom and column by column; counts the others."""
        if self.gallery.grid.is_mercator:
            return [tile for zoom in self.zooms for tile in self.gallery.tiles(zoom, self.time)]
        places: list[Tile] = []
        self.left_out = 0
        for zoom in self.zooms:
            for column, rows in _columns(self.gallery.tiles(zoom, self.time)):
                for tile in _mercator_rows(zoom, column, rows):
                    whole = all(one.y in rows for one in plate_carree_tiles_over(tile))
                    places += [tile] if whole else []
                    self.left_out += not whole
        return places

    def mercator_bodies(self, places: Iterable[Tile]) -> Iterator[tuple[Tile, bytes]]:
        """Yield the bytes of Web-Mercator tiles, in the order given."""
        decode = lru_cache(4)(self._decode)  # neighbours in a column share a tile
        for tile in places:
            self._tell()
            if self.gallery.grid.is_mercator:
                yield tile, self.gallery.read(tile, self.time) or b""
                continue
            drawn = to_mercator(tile, {one: decode(one) for one in plate_carree_tiles_over(tile)})
            if drawn is not None:
                yield tile, encode_jpeg(drawn, self.quality)

    def _decode(self, tile: Tile) -> Pixels:
        image, outcome, detail = decode_tile(self.gallery.read(tile, self.time) or b"")
        if image is None:
            raise GalleryError(
                f"exporting {self.gallery.path}: tile {tuple(tile)} cannot be decoded ({outcome}: {detail}); "
                "run `mosaic gallery check`, then build the gallery anew"
            )
        return image

    def provenance(self) -> list[dict[str, Any]]:
        return [
            {"zoom": one.zoom, "time": one.time, **one.provenance}
            for one in self.gallery.coverages()
            if one.zoom in self.zooms and self.time in (None, one.time)
        ]

    def bounds(self) -> Bounds:
        """Return the box of all tiles that are there."""
        boxes = [self.gallery.grid.bounds(one) for zoom in self.zooms for one in self.gallery.tiles(zoom, self.time)]
        west, south = min(box.west for box in boxes), min(box.south for box in boxes)
        return Bounds(west, south, max(box.east for box in boxes), max(box.north for box in boxes))

    def _tell(self) -> None:
        if self.progress:
            self.progress(1)


def export_gallery(
    settings: Settings,
    kind: str,
    *,
    zooms: Sequence[int] = (),
    time: str | None = None,
    path: Path | None = None,
    progress: Progress = None,
) -> ExportReport:
    """Write the gallery to a container.

    Parameters
    ----------
    kind : ``mbtiles``, ``pmtiles`` or ``geopackage``.
    zooms : levels to write; default all.
    time : of the tiles; None takes the newest of each place.
    path : file to write; default ``exports/gallery.<ending>``.
    progress : told of every tile written.

    Raises
    ------
    UnknownNameError
        No such kind.
    GalleryError
        No gallery, no tiles at those zooms and that time, or a tile that does not decode.
    """
    if kind not in SUFFIXES:
        raise UnknownNameError("kind of export", kind, SUFFIXES, "Choose one of them.")
    began, target = clock.perf_counter(), path or settings.exports / f"gallery{SUFFIXES[kind]}"
    with open_gallery(settings.gallery_folder) as gallery:
        levels = [zoom for zoom in gallery.zooms() if not zooms or zoom in zooms]
        content = _Content(gallery, levels, time, settings.gallery.jpeg_quality, progress)
        if not any(gallery.tiles(zoom, time) for zoom in levels):
            asked = f"zooms {', '.join(map(str, zooms)) or 'any'}, time {'any' if time is None else repr(time)}"
            raise GalleryError(
                f"exporting {gallery.path}: it has no tiles of {asked}; it has {_listed(gallery) or 'none at all'}"
            )
        written = {"mbtiles": _mbtiles, "pmtiles": _pmtiles, "geopackage": _geopackage}[kind](content, target)
        own = kind == "geopackage" or gallery.grid.is_mercator
        return ExportReport(
            kind, target, gallery.grid.name if own else WEB_MERCATOR_QUAD.name, written,
            "none: bytes unchanged" if own else PLATE_CARREE_NOTE, content.left_out, target.stat().st_size,
            clock.perf_counter() - began,
        )  # fmt: skip


def _listed(gallery: GalleryDatabase) -> str:
    return ", ".join(f"zoom {zoom} time {when!r}" for zoom, when in gallery.counts())


def _columns(tiles: Sequence[Tile]) -> Iterator[tuple[int, set[int]]]:
    """Yield each column of tiles with its rows."""
    columns: dict[int, set[int]] = {}
    for one in tiles:
        columns.setdefault(one.x, set()).add(one.y)
    yield from sorted(columns.items())


def _mercator_rows(zoom: int, column: int, rows: set[int]) -> Iterator[Tile]:
    """Yield, once each and from the north, Web-Mercator tiles that a column of plate-carree tiles covers or touches."""
    last = -1
    for row in sorted(rows):
        box = CRS84_QUAD.bounds(Tile(column, row, zoom))
        limit = WEB_MERCATOR_QUAD.max_lat
        if box.south >= limit or box.north <= -limit:
            continue
        inside = Bounds(box.west, max(box.south, -limit), box.east, min(box.north, limit))
        for tile in WEB_MERCATOR_QUAD.tiles_in(inside, zoom):
            if tile.y > last:
                last = tile.y
                yield tile


def _metadata(content: _Content) -> dict[str, str]:
    """Return what both Web-Mercator containers say of themselves."""
    sources = content.provenance()
    box, limit = content.bounds(), WEB_MERCATOR_QUAD.max_lat
    edges = (box.west, max(box.south, -limit), box.east, min(box.north, limit))
    synthetic = any(one.get("synthetic") for one in sources)
    resampling = "none" if content.gallery.grid.is_mercator else PLATE_CARREE_NOTE
    return {
        "name": "localization gallery",
        "format": "jpg",
        "type": "baselayer",
        "version": "1",
        "description": f"Tiles of a localization gallery{' (synthetic imagery)' if synthetic else ''}; resampling: {resampling}",
        "attribution": "; ".join(sorted({str(one["attribution"]) for one in sources if one.get("attribution")})),
        "minzoom": str(min(content.zooms)),
        "maxzoom": str(max(content.zooms)),
        "bounds": ",".join(map(repr, edges)),
        "center": f"{(edges[0] + edges[2]) / 2!r},{(edges[1] + edges[3]) / 2!r},{min(content.zooms)}",
        "provenance": json.dumps(sources, sort_keys=True),
    }


def _mbtiles(content: _Content, path: Path) -> int:
    return write_mbtiles(path, _metadata(content), content.mercator_bodies(content.mercator_places()))


def _pmtiles(content: _Content, path: Path) -> int:
    """Write tiles in the order of their numbers, along a Hilbert curve, as readers over a network want them."""
    import pmtiles.writer
    from pmtiles.tile import Compression, TileType, zxy_to_tileid

    metadata = _metadata(content)
    west, south, east, north = (float(edge) for edge in metadata["bounds"].split(","))
    numbers = {tile: int(zxy_to_tileid(tile.z, tile.x, tile.y)) for tile in content.mercator_places()}
    header = {
        "tile_type": TileType.JPEG, "tile_compression": Compression.NONE,
        "min_zoom": min(content.zooms), "max_zoom": max(content.zooms), "center_zoom": min(content.zooms),
        "min_lon_e7": round(west * 1e7), "min_lat_e7": round(south * 1e7),
        "max_lon_e7": round(east * 1e7), "max_lat_e7": round(north * 1e7),
        "center_lon_e7": round((west + east) / 2 * 1e7), "center_lat_e7": round((south + north) / 2 * 1e7),
    }  # fmt: skip
    make_writer: Any = pmtiles.writer.Writer
    with publishing(path, f"exporting to {path.name}") as temporary, temporary.open("wb") as file:
        writer = make_writer(file)
        for tile, body in content.mercator_bodies(sorted(numbers, key=numbers.__getitem__)):
            writer.write_tile(numbers[tile], body)
        writer.finalize(header, {**metadata, "provenance": content.provenance()})
    return len(numbers)


def _geopackage(content: _Content, path: Path) -> int:
    from pyproj import CRS, Transformer

    grid = content.gallery.grid
    crs = CRS.from_user_input(grid.crs)
    box = tuple(content.bounds())
    if grid.is_mercator:
        box = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform_bounds(box[0], box[1], box[2], box[3])
    sources = content.provenance()
    matrix_set = MatrixSet(
        identifier="localization gallery",
        description=f"{grid.name}; {json.dumps(sources, sort_keys=True)}",
        srs_id=int(grid.crs.removeprefix("EPSG:")),
        srs_name=crs.name,
        definition=crs.to_wkt("WKT1_GDAL"),
        half=3.141592653589793 * EARTH_RADIUS_M if grid.is_mercator else 180.0,
        extent=(box[0], box[1], box[2], box[3]),
        zooms=content.zooms,
        # Of the gallery, not of the export: the same gallery gives the same bytes.
        last_change=datetime.fromtimestamp(content.gallery.path.stat().st_mtime, UTC).strftime(
            "%Y-%m-%dT%H:%M:%S.000Z"
        ),
    )
    return write_geopackage(path, matrix_set, content.own())
