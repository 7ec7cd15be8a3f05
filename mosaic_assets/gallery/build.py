"""Filling one zoom level of the gallery: what the region needs, what is there already, what is still to be asked for."""

from __future__ import annotations

import time as clock
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.core.grids import Grid, grid_named
from mosaic_assets.core.records import Bounds
from mosaic_assets.core.tile_range import TileRange
from mosaic_assets.errors import GalleryError, GeometryError, ZoomError
from mosaic_assets.gallery.drawing import draw_tiles, resampling
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import GalleryDatabase, gallery_path, open_gallery
from mosaic_assets.store.gallery_records import Coverage, MissingTile, StoredTile

if TYPE_CHECKING:
    from mosaic_assets.core.records import Tile
    from mosaic_assets.sources.records import SourceRecord

BATCH = 96
"""Tiles that are drawn together and committed together; a killed run loses no more."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What filling a zoom level did."""

    zoom: int
    grid: str
    time: str
    source: str
    synthetic: bool
    resampling: str
    planned: int
    """Tiles of the region."""
    present_before: int
    written: int
    missing: tuple[MissingTile, ...]
    """Tiles of the region that the source does not give, those of earlier runs included."""
    bytes_written: int
    seconds: float
    path: Path

    @property
    def outcomes(self) -> dict[str, int]:
        """Missing tiles by reason."""
        return dict(Counter(one.outcome for one in self.missing))


def build_zoom(settings: Settings, zoom: int, progress: Callable[[int], None] | None = None) -> BuildReport:
    """Fill a zoom level of the gallery with the region of the settings; tiles that are there are not asked for again.

    Parameters
    ----------
    settings : table `gallery`.
    zoom : one of ``gallery.zooms``, or any other within the source's range.
    progress : told of the tiles that are done, those there before included.

    Raises
    ------
    GalleryError
        The region is no box or too large, the grid differs from the file's, or the file has another source's tiles there.
    SourceError
        The source cannot be used: its terms, its zooms, its files.
    """
    from mosaic_assets.sources.registry import open_source

    began = clock.perf_counter()
    grid, when = grid_named(settings.gallery.grid), settings.gallery.time
    planned = plan(settings, grid, zoom)
    with (
        open_source(settings.gallery.source, settings.model_copy(update={"zoom": zoom})) as source,
        open_gallery(settings.gallery_folder, grid=grid, create=True) as gallery,
    ):
        record = source.record
        _begin(gallery, Coverage(zoom, when, region_of(settings), provenance(record, grid)))
        known = gallery.known(zoom, when)
        wanted = [tile for tile in planned if tile not in known]
        _tell(progress, planned.count - len(wanted))
        written = size = 0
        for tiles in _batches(wanted):
            answers = list(draw_tiles(source, grid, tiles, when, settings.gallery.jpeg_quality))
            stored = [one for one in answers if isinstance(one, StoredTile)]
            with gallery.writing():
                gallery.add(stored)
                gallery.add_missing(one for one in answers if isinstance(one, MissingTile))
            written, size = written + len(stored), size + sum(len(one.data) for one in stored)
            _tell(progress, len(tiles))
        missing = tuple(one for one in gallery.missing(zoom, when) if _inside(planned, one.tile))
    return BuildReport(
        zoom, grid.name, when, record.name, record.synthetic, resampling(grid, record.kind), planned.count,
        planned.count - len(wanted), written, missing, size, clock.perf_counter() - began,
        gallery_path(settings.gallery_folder),
    )  # fmt: skip


def plan(settings: Settings, grid: Grid, zoom: int) -> TileRange:
    """Tiles of the region at a zoom.

    Raises
    ------
    GalleryError
        The region is no box within the grid's world, or has more than ``gallery.max_tiles`` tiles.

    Examples
    --------
    >>> from mosaic_assets.core.grids import CRS84_QUAD
    >>> from mosaic_assets.settings import load_settings
    >>> plan(load_settings(), CRS84_QUAD, 15).count
    144
    """
    region = region_of(settings)
    try:
        tiles = grid.tiles_in(region, zoom)
    except GeometryError as error:
        raise GalleryError(
            f"planning zoom {zoom} of the gallery: {error}. Mend gallery.zooms, or gallery.region (west, south, east, north, "
            "degrees; a region across the date line is two galleries)"
        ) from error
    if tiles.count > settings.gallery.max_tiles:
        raise GalleryError(
            f"planning zoom {zoom} of the gallery: the region {tuple(region)} has {tiles.count:,} tiles, and "
            f"gallery.max_tiles allows {settings.gallery.max_tiles:,}; make the region smaller, or raise the limit"
        )
    return tiles


def region_of(settings: Settings) -> Bounds:
    """Return the region of the settings."""
    return Bounds(*settings.gallery.region)


def provenance(record: SourceRecord, grid: Grid) -> dict[str, object]:
    """Return what must travel with tiles of a source."""
    imagery, release = record.identity
    return {
        "source": record.name,
        "imagery": imagery,
        "release": release,
        "licence": record.licence,
        "attribution": record.attribution,
        "synthetic": record.synthetic,
        "resampling": resampling(grid, record.kind),
    }


def wanted_zoom(text: str) -> int:
    """Return the zoom that a partition key names; `ZoomError` when it names none.

    >>> wanted_zoom("15")
    15
    """
    if not text.isdecimal() or int(text) > 24:
        raise ZoomError(f"{text!r} is no zoom of a gallery; expected a whole number from 0 to 24; see gallery.zooms")
    return int(text)


def _begin(gallery: GalleryDatabase, coverage: Coverage) -> None:
    """Write down what is to be covered, unless the file has tiles of another source at that zoom and time."""
    for old in gallery.coverages():
        same = (old.zoom, old.time) == (coverage.zoom, coverage.time)
        differing = [name for name in ("imagery", "release") if old.provenance.get(name) != coverage.provenance[name]]
        if same and differing and gallery.tiles(old.zoom, old.time):
            raise GalleryError(
                f"zoom {old.zoom} of {gallery.path} has tiles of {old.provenance.get('source')!r} at time {old.time!r}, and "
                f"those of {coverage.provenance['source']!r} would be mixed with them; give the new ones a time of their own "
                "(gallery.time), or choose another --home"
            )
    with gallery.writing():
        gallery.set_coverage(coverage)


def _batches(tiles: Sequence[Tile]) -> list[Sequence[Tile]]:
    return [tiles[first : first + BATCH] for first in range(0, len(tiles), BATCH)]


def _inside(planned: TileRange, tile: Tile) -> bool:
    return planned.first_column <= tile.x <= planned.last_column and planned.first_row <= tile.y <= planned.last_row


def _tell(progress: Callable[[int], None] | None, tiles: int) -> None:
    if progress and tiles:
        progress(tiles)
