"""What must hold of the gallery and its queries, each as a function that looks and tells; nothing here changes anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.core.grids import grid_named
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import GalleryError, GeometryError
from mosaic_assets.gallery.manifest import Query, has_queries, queries_folder, read_manifest, sha256_of
from mosaic_assets.gallery.query_files import COLUMNS, QueryRow, look_at_query, overlaps, read_csv, read_query
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import GalleryDatabase, has_gallery, open_gallery
from mosaic_assets.store.gallery_records import Coverage, StoredTile

NO_GALLERY, NO_QUERIES = CheckResult(True, "there is no gallery yet"), CheckResult(True, "there is no query set yet")


def gallery_grid_is_recorded(settings: Settings, scope: Scope) -> CheckResult:
    """The file says which grid it is in, the settings mean the same, and every tile lies in it."""
    del scope
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    with open_gallery(settings.gallery_folder, grid=grid_named(settings.gallery.grid)) as gallery:
        problems = []
        for zoom, x, y in _extremes(gallery):
            try:
                gallery.grid.check(Tile(x, y, zoom))
            except GeometryError as error:
                problems.append(str(error))
        return result_of(problems, f"{gallery.count():,} tiles in {gallery.grid.name}")


def every_tile_was_asked_for(settings: Settings, scope: Scope) -> CheckResult:
    """Every tile of a covered region is there or listed as missing with a reason; a killed build has neither."""
    del scope
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    with open_gallery(settings.gallery_folder) as gallery:
        problems, planned = [], 0
        for coverage in gallery.coverages():
            wanted = gallery.grid.tiles_in(coverage.bounds, coverage.zoom)
            planned += wanted.count
            told = {one.tile for one in gallery.missing(coverage.zoom, coverage.time)}
            told.update(gallery.tiles(coverage.zoom, coverage.time))
            problems += [f"{_said(coverage)}: tile {tuple(tile)}" for tile in wanted if tile not in told]
        return result_of(problems, f"{planned:,} tiles of {len(gallery.coverages())} region(s)")


def gallery_has_no_holes(settings: Settings, scope: Scope) -> CheckResult:
    """No tile inside a covered region is missing."""
    del scope
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    with open_gallery(settings.gallery_folder) as gallery:
        problems = []
        for coverage in gallery.coverages():
            there = set(gallery.tiles(coverage.zoom, coverage.time))
            why = {one.tile: one.outcome for one in gallery.missing(coverage.zoom, coverage.time)}
            wanted = gallery.grid.tiles_in(coverage.bounds, coverage.zoom)
            holes = [tile for tile in wanted if tile not in there]
            problems += [f"{_said(coverage)}: tile {tuple(tile)}: {why.get(tile, 'not asked for')}" for tile in holes]
        return result_of(problems, f"{gallery.count():,} tiles")


def every_tile_decodes(settings: Settings, scope: Scope) -> CheckResult:
    """Every tile is a JPEG or PNG of 256 x 256 pixels; after a build a sample is looked at, by night all."""
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    problems, looked_at = [], 0
    with open_gallery(settings.gallery_folder) as gallery:
        for one in _bodies(gallery, settings, scope):
            looked_at += 1
            image, outcome, detail = decode_tile(one.data)
            if image is None:
                problems.append(f"{tuple(one.tile)} at time {one.time!r}: {outcome} ({detail})")
    return result_of(problems, f"{looked_at:,} tiles decoded ({scope})")


def tile_checksums_agree(settings: Settings, scope: Scope) -> CheckResult:
    """The bytes of tiles are those that were written, and no tile is without a checksum or the other way round."""
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    with open_gallery(settings.gallery_folder) as gallery:
        problems, looked_at = _unpaired(gallery), 0
        for one in _bodies(gallery, settings, scope):
            looked_at += 1
            if hashlib.sha256(one.data).hexdigest() != gallery.checksum(one.tile, one.time):
                problems.append(f"{tuple(one.tile)} at time {one.time!r}")
    return result_of(problems, f"{looked_at:,} tiles ({scope})")


def query_lists_agree_with_tiffs(settings: Settings, scope: Scope) -> CheckResult:
    """Every figure of the lists and the manifest is the one that the TIFF's own georeferencing gives."""
    del scope
    if not has_queries(settings):
        return NO_QUERIES
    queries, problems = read_manifest(settings), []
    for split in sorted({query.split for query in queries}):
        told = {row.imgname: row for row in read_csv(queries_folder(settings) / f"{split}.csv")}
        mine = [query for query in queries if query.split == split]
        problems += [
            f"{split}/{name}: in the list only" for name in sorted(told.keys() - {one.row.imgname for one in mine})
        ]
        for query in mine:
            problems += _differences(settings, query, told.get(query.row.imgname))
    return result_of(problems, f"{len(queries)} queries")


def every_query_decodes(settings: Settings, scope: Scope) -> CheckResult:
    """Every query is whole, as its checksum says, and shows something: not one colour all over."""
    if not has_queries(settings):
        return NO_QUERIES
    queries, problems = read_manifest(settings), []
    looked_at = queries if scope is Scope.ALL else queries[: settings.check_sample]
    for query in looked_at:
        path = query.path(settings)
        try:
            _, pixels = read_query(path)
        except GalleryError as error:
            problems.append(str(error))
            continue
        if sha256_of(path) != query.sha256:
            problems.append(f"{path.name}: its bytes are not those that were published")
        elif (pixels == pixels[0, 0]).all():
            problems.append(f"{path.name}: blank, one colour all over")
    return result_of(problems, f"{len(looked_at)} queries ({scope})")


def no_query_overlaps_another_split(settings: Settings, scope: Scope) -> CheckResult:
    """No query covers ground that a query of another split covers."""
    del scope
    if not has_queries(settings):
        return NO_QUERIES
    queries = read_manifest(settings)
    rows = {
        split: [one.row for one in queries if one.split == split] for split in sorted({one.split for one in queries})
    }
    names, problems = list(rows), []
    for number, split in enumerate(names):
        for other in names[number + 1 :]:
            pairs = overlaps(rows[split], rows[other])
            problems += [f"{split}/{a.imgname} and {other}/{b.imgname}: {share:.0%}" for a, b, share in pairs]
    return result_of(problems, f"{len(queries)} queries in {len(names)} split(s)")


def queries_lie_in_the_gallery(settings: Settings, scope: Scope) -> CheckResult:
    """The middle of every query lies on a tile of the gallery; one that does not cannot be located."""
    del scope
    if not has_queries(settings):
        return NO_QUERIES
    if not has_gallery(settings.gallery_folder):
        return NO_GALLERY
    queries, problems = read_manifest(settings), []
    with open_gallery(settings.gallery_folder) as gallery:
        there = {zoom: set(gallery.tiles(zoom)) for zoom in gallery.zooms()}
        for query in queries:
            lng, lat = query.row.lon, query.row.lat
            if not any(gallery.grid.tile_at(lng, lat, zoom) in tiles for zoom, tiles in there.items()):
                problems.append(f"{query.split}/{query.row.imgname} at lng {lng:.5f}, lat {lat:.5f}")
    return result_of(problems, f"{len(queries)} queries")


GALLERY_CHECKS: tuple[Check, ...] = tuple(
    Check(run.__name__, asset, blocking, run)
    for asset, blocking, run in (
        ("gallery_tiles", True, gallery_grid_is_recorded),
        ("gallery_tiles", True, every_tile_was_asked_for),
        ("gallery_tiles", False, gallery_has_no_holes),
        ("gallery_tiles", True, every_tile_decodes),
        ("gallery_tiles", True, tile_checksums_agree),
        ("query_set", True, query_lists_agree_with_tiffs),
        ("query_set", True, every_query_decodes),
        ("query_set", True, no_query_overlaps_another_split),
        ("query_set", False, queries_lie_in_the_gallery),
    )
)
"""Every check of the gallery, in the order of the lineage. Holes and queries outside warn only: a source has its gaps."""


def _extremes(gallery: GalleryDatabase) -> list[tuple[int, int, int]]:
    """Corners of the boxes that hold each zoom's tiles: when they lie in the grid, all do."""
    rows = gallery.query(
        "SELECT zoom_level, min(tile_column), max(tile_column), min(tile_row), max(tile_row) FROM ge_tiles GROUP BY 1"
    )
    return [(zoom, x, y) for zoom, west, east, north, south in rows for x in (west, east) for y in (north, south)]


def _bodies(gallery: GalleryDatabase, settings: Settings, scope: Scope) -> Iterator[StoredTile]:
    """Yield the tiles that a check looks at: all, or a sample spread over each zoom."""
    for zoom in gallery.zooms():
        if scope is Scope.ALL:
            yield from gallery.bodies(zoom, all_times=True)
            continue
        for tile, when in gallery.sample(zoom, settings.check_sample):
            yield StoredTile(tile, when, gallery.read(tile, when) or b"")


def _unpaired(gallery: GalleryDatabase) -> list[str]:
    """Tiles without a checksum, and checksums without a tile: signs of another program's hand."""
    place = "zoom_level, tile_column, tile_row, time_"
    problems = []
    for what, first, second in (("no checksum", "ge_tiles", "tile_facts"), ("no tile", "tile_facts", "ge_tiles")):
        rows = gallery.query(f"SELECT {place} FROM {first} EXCEPT SELECT {place} FROM {second} LIMIT 100")
        problems += [f"({x}, {y}, {z}) at time {when!r}: {what}" for z, x, y, when in rows]
    return problems


def _differences(settings: Settings, query: Query, listed: QueryRow | None) -> list[str]:
    """What list, manifest and TIFF of a query do not agree in."""
    name = f"{query.split}/{query.row.imgname}"
    if listed is None:
        return [f"{name}: not in the list"]
    try:
        true = look_at_query(query.path(settings)).row()
    except GalleryError as error:
        return [str(error)]
    return [
        f"{name}: {column} is {getattr(told, column)!r} in the {where}, {getattr(true, column)!r} by the TIFF"
        for where, told in (("list", listed), ("manifest", query.row))
        for column in COLUMNS
        if getattr(told, column) != getattr(true, column)
    ]


def _said(coverage: Coverage) -> str:
    return f"zoom {coverage.zoom}" + (f" of {coverage.time}" if coverage.time else "")
