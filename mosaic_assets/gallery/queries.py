"""Cutting queries from a source, and publishing a query set.

Queries lie in the cells of a lattice that is a quarter wider than they are, each at a random place of its cell: no two of
them share a pixel, so neither do the splits.
"""

from __future__ import annotations

import hashlib
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD, nominal_resolution
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.build import provenance, region_of
from mosaic_assets.gallery.manifest import (
    TEST,
    TUNE,
    Query,
    describe_query,
    queries_folder,
    write_manifest,
)
from mosaic_assets.gallery.query_files import TAGS, QueryImage, look_at_query, tiffs_in, write_csv, write_query
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from mosaic_assets.sources.base import TileSource

Pixels = NDArray[np.uint8]

IMPORT_REPORT = "import.json"
"""Lies in the folder of a query set that was taken over, and says what was found."""

SPACING = 1.25
"""Side of a lattice cell in sides of a query."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a query is cut: its north-west pixel in the Web-Mercator picture of the world at a zoom, and its side."""

    zoom: int
    column: int
    row: int
    side: int

    def tiles(self) -> list[Tile]:
        """Tiles that it lies in, row by row."""
        columns = range(self.column // TILE_SIZE, (self.column + self.side - 1) // TILE_SIZE + 1)
        rows = range(self.row // TILE_SIZE, (self.row + self.side - 1) // TILE_SIZE + 1)
        return [Tile(x, y, self.zoom) for y in rows for x in columns]


@dataclass(frozen=True, slots=True)
class QuerySetReport:
    """What publishing a query set did."""

    queries: tuple[Query, ...]
    cut: int
    """Queries cut by this run; the others were there."""
    without_imagery: int
    """Places where the source has a gap."""
    source: str
    synthetic: bool
    bytes: int
    seconds: float
    folder: Path

    @property
    def splits(self) -> dict[str, int]:
        """Queries by split."""
        names = [query.split for query in self.queries]
        return {name: names.count(name) for name in sorted(set(names))}


def plan_windows(settings: Settings) -> list[Window]:
    """Places for queries in the region, in the order in which they are tried; the same settings and seed, the same places.

    Raises
    ------
    GalleryError
        The region is too small for one query.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> len(plan_windows(load_settings()))
    28
    """
    table, region = settings.gallery, region_of(settings)
    limit = WEB_MERCATOR_QUAD.max_lat
    columns, rows = WEB_MERCATOR_QUAD.pixel_at(
        [region.west, region.east], [min(region.north, limit), max(region.south, -limit)], table.query_zoom
    )
    cell, side = int(table.query_pixels * SPACING), table.query_pixels
    left, top = int(np.ceil(columns[0])), int(np.ceil(rows[0]))
    across, down = int(columns[1] - left) // cell, int(rows[1] - top) // cell
    if across < 1 or down < 1:
        raise GalleryError(
            f"planning queries of {side} pixels at zoom {table.query_zoom}: the region {tuple(region)} is "
            f"{int(columns[1] - left)} x {int(rows[1] - top)} pixels there, and one query needs {cell} x {cell}; make "
            "gallery.region larger, or gallery.query_pixels smaller"
        )
    random = np.random.default_rng([settings.seed, table.query_zoom, side])
    jitter = random.integers(0, cell - side + 1, (down, across, 2))
    order = random.permutation(across * down)
    cells = [divmod(int(number), across) for number in order]
    return [
        Window(
            table.query_zoom,
            left + column * cell + int(jitter[row, column, 0]),
            top + row * cell + int(jitter[row, column, 1]),
            side,
        )
        for row, column in cells
    ]


def cut_query_set(settings: Settings, progress: Callable[[int], None] | None = None) -> QuerySetReport:
    """Cut queries from the source of the settings and publish the set; those that are there are not cut again.

    Parameters
    ----------
    settings : ``gallery.query_*``.
    progress : told of every query that is there.

    Raises
    ------
    GalleryError
        The region is too small, or the source has no imagery at any of the places.
    SourceError
        The source cannot be used.
    """
    from mosaic_assets.sources.registry import open_source

    began, table = clock.perf_counter(), settings.gallery
    name = table.query_source or table.source
    _refuse_given(settings)
    windows = plan_windows(settings)
    images: list[tuple[QueryImage, str]] = []
    cut = gaps = 0
    with open_source(name, settings.model_copy(update={"zoom": table.query_zoom})) as source:
        said = provenance(source.record, WEB_MERCATOR_QUAD)
        tags = {name: str(said[name]) for name in TAGS} | {"synthetic": "yes" if said["synthetic"] else "no"}
        for window in windows:
            if len(images) == table.query_count:
                break
            split = _split(len(images), table.query_tune_share)
            path = queries_folder(settings) / split / query_name(window, source)
            new = not path.is_file()
            if new and not _cut(source, window, path, tags):
                gaps += 1
                continue
            cut += new
            images.append((look_at_query(path), split))
            if progress:
                progress(1)
    if not images:
        raise GalleryError(
            f"cutting queries from {name!r}: it has no imagery at any of {len(windows)} places in the region "
            f"{table.region}; choose another region or source"
        )
    when = table.time if name == table.source else ""  # of another source's imagery nobody gave a date
    queries = [describe_query(image, split, said, scene_class="", time=when) for image, split in images]
    size = publish_query_set(settings, queries)
    return QuerySetReport(
        tuple(queries), cut, gaps, name, bool(said["synthetic"]), size, clock.perf_counter() - began, queries_folder(settings)
    )  # fmt: skip


def _refuse_given(settings: Settings) -> None:
    """Cutting would remove queries that were taken over, which cannot be made again from here."""
    if (queries_folder(settings) / IMPORT_REPORT).is_file():
        raise GalleryError(
            f"cutting queries: {queries_folder(settings)} holds a set that was taken over, and cutting would replace it; set "
            "gallery.query_folder to the folder it came from, or move it away"
        )


def publish_query_set(settings: Settings, queries: Sequence[Query]) -> int:
    """Write the list of each split and the manifest, and remove TIFFs and lists that the manifest no longer names.

    Returns
    -------
    Bytes of all TIFFs of the set.
    """
    folder = queries_folder(settings)
    splits = {query.split: [one.row for one in queries if one.split == query.split] for query in queries}
    for split, rows in splits.items():
        write_csv(folder / f"{split}.csv", sorted(rows, key=lambda row: row.imgname))
    write_manifest(settings, sorted(queries, key=lambda query: (query.split, query.row.imgname)))
    named = {query.path(settings) for query in queries}
    for other in (path for path in folder.iterdir() if path.is_dir()):
        for tiff in tiffs_in(other):
            if tiff not in named:
                tiff.unlink()
        if not any(other.iterdir()):
            other.rmdir()
    for listed in folder.glob("*.csv"):
        if listed.stem not in splits:
            listed.unlink()
    return sum(path.stat().st_size for path in named)


def query_name(window: Window, source: TileSource) -> str:
    """Name of a query's file, as reference 4 forms them; it says by a digest which pixels of which imagery it has."""
    imagery, release = source.record.identity
    said = f"{imagery} {release} {window.zoom} {window.column} {window.row} {window.side}"
    number = hashlib.sha256(said.encode()).hexdigest()[:10]
    return f"q{number}_L{window.zoom}_{source.record.name.replace('_', '-')}.tiff"


def _split(number: int, tune_share: float) -> str:
    """Split of the n-th query: the tune split grows with the set, so that a set cut short has its share of both."""
    return TUNE if int((number + 1) * tune_share + 1e-9) > int(number * tune_share + 1e-9) else TEST


def _cut(source: TileSource, window: Window, path: Path, tags: Mapping[str, str]) -> bool:
    """Cut one query; False where the source has a gap."""
    pixels = _read(source, window)
    if pixels is None:
        return False
    half, pixel_m = np.pi * EARTH_RADIUS_M, nominal_resolution(window.zoom)
    write_query(path, pixels, window.column * pixel_m - half, half - window.row * pixel_m, pixel_m, tags)
    return True


def _read(source: TileSource, window: Window) -> Pixels | None:
    """Pixels of a window, uint8 (side, side, 3), or None where a tile under it is absent."""
    tiles = window.tiles()
    first = tiles[0]
    canvas = np.empty(((tiles[-1].y - first.y + 1) * TILE_SIZE, (tiles[-1].x - first.x + 1) * TILE_SIZE, 3), np.uint8)
    for answer in source.fetch(tiles):
        image = None if answer.body is None else decode_tile(answer.body)[0]
        if image is None:
            return None
        top, left = (answer.tile.y - first.y) * TILE_SIZE, (answer.tile.x - first.x) * TILE_SIZE
        canvas[top : top + TILE_SIZE, left : left + TILE_SIZE] = image
    row, column = window.row - first.y * TILE_SIZE, window.column - first.x * TILE_SIZE
    return np.ascontiguousarray(canvas[row : row + window.side, column : column + window.side])
