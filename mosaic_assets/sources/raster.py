"""Tiles cut from georeferenced files: GeoTIFF, COG, VRT, whatever GDAL reads.

A tile is read from the first file that covers all of it with valid pixels. A tile that is covered only in
part, or holds a single nodata or fully transparent pixel, counts as missing: its colour would be that of the
canvas.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tiles import TILE_SIZE, check_tile, mercator_bounds
from mosaic_assets.settings import Settings
from mosaic_assets.sources.limits import map_in_order
from mosaic_assets.sources.raster_files import (
    GRID_TOLERANCE_PX,
    WORLD_PIXEL_M,
    RasterFile,
    grid_offset,
    survey,
    web_mercator,
)
from mosaic_assets.sources.records import SourceRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

OPEN_FILES = 16
"""Files that one thread keeps open."""


class RasterSource:
    """Tiles of the files named in a record with ``kind="raster"``.

    Files in EPSG:3857 whose pixels coincide with those of the zoom are read as they are; all others are
    warped, bilinear when magnifying, by averages when reducing. Bodies are PNG, so serving them changes no
    pixel.

    Parameters
    ----------
    record
        Its ``paths`` are files or glob patterns, relative to the working directory; ``~`` is the user's
        home.
    settings
        ``settings.workers`` is the number of threads, unless `workers` is given.
    workers
        Threads, >= 1; each opens the files it needs for itself.

    Raises
    ------
    SourceError
        A pattern that matches nothing, or a file that is no raster, has no place on Earth, or is not 8-bit.
    """

    def __init__(self, record: SourceRecord, settings: Settings, workers: int | None = None) -> None:
        self.record = record
        self.files = survey(record)
        self._workers = workers or settings.workers
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix=f"raster-{record.name}")
        self._local = threading.local()
        self._opened: list[_OpenFiles] = []
        self._opened_lock = threading.Lock()

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        """Yield one answer for each tile, in order; at most twice `workers` tiles are read ahead.

        Raises
        ------
        GeometryError
            A tile that does not exist.
        """
        for tile in tiles:
            check_tile(tile)
        yield from map_in_order(self._fetch_one, tiles, self._threads, 2 * self._workers)

    def _fetch_one(self, tile: Tile) -> Fetched:
        from rasterio.errors import RasterioError

        from mosaic_assets.core.imaging import encode_png

        now = datetime.now(UTC)
        box = mercator_bounds(tile)
        slack = GRID_TOLERANCE_PX * (box[2] - box[0]) / TILE_SIZE
        try:
            for file in self.files:
                if file.covers(box, slack):
                    pixels = self._read(file, tile)
                    if pixels is not None:
                        return Fetched(tile, encode_png(pixels), None, now, content_type="image/png")
        except (RasterioError, OSError) as error:
            return Fetched(tile, None, Outcome.NOT_AN_IMAGE, now, detail=f"{file.path} cannot be read: {error}")
        return Fetched(tile, None, Outcome.MISSING, now, detail="outside the raster")

    def _read(self, file: RasterFile, tile: Tile) -> Pixels | None:
        offset = grid_offset(file, tile)
        if offset is None:
            pixels, valid = _read_warped(self._open(file, tile.z), file, tile)
        else:
            pixels, valid = _read_window(self._open(file, None), file, offset)
        return pixels if valid else None

    def _open(self, file: RasterFile, zoom: int | None) -> Any:
        """Return the calling thread's own handle: GDAL's may not be shared."""
        if not hasattr(self._local, "files"):
            self._local.files = _OpenFiles()
            with self._opened_lock:
                self._opened.append(self._local.files)
        files: _OpenFiles = self._local.files
        return files.get(file.path, None if zoom is None else _overview_level(file, zoom))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for files in self._opened:
            files.close()


class _OpenFiles:
    """The few files used last; the others are closed."""

    def __init__(self) -> None:
        self._handles: OrderedDict[tuple[str, int | None], Any] = OrderedDict()

    def get(self, path: str, overview_level: int | None) -> Any:
        import rasterio

        wanted = (path, overview_level)
        if wanted not in self._handles:
            options = {} if overview_level is None else {"overview_level": overview_level}
            self._handles[wanted] = rasterio.open(path, **options)
            if len(self._handles) > OPEN_FILES:
                self._handles.popitem(last=False)[1].close()
        self._handles.move_to_end(wanted)
        return self._handles[wanted]

    def close(self) -> None:
        while self._handles:
            self._handles.popitem()[1].close()


def _overview_level(file: RasterFile, zoom: int) -> int | None:
    """Return the smallest copy of the picture, inside the file, that has all the detail of a zoom."""
    ratio = WORLD_PIXEL_M / 2**zoom / file.pixel_m
    fitting = [level for level, factor in enumerate(file.overviews) if factor <= ratio * (1 + 1e-6)]
    return fitting[-1] if fitting else None


def _read_window(dataset: Any, file: RasterFile, offset: tuple[int, int]) -> tuple[Pixels, bool]:
    """Read the pixels as they are."""
    from rasterio.windows import Window

    window = Window(*offset, TILE_SIZE, TILE_SIZE)
    mask = dataset.dataset_mask(window=window)
    return _rgb(dataset.read(file.bands, window=window)), bool(mask.all())


def _read_warped(dataset: Any, file: RasterFile, tile: Tile) -> tuple[Pixels, bool]:
    """Resample the pixels to the tile's grid."""
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    left, bottom, right, top = mercator_bounds(tile)
    reducing = (right - left) / TILE_SIZE > file.pixel_m * (1 + 1e-3)
    with WarpedVRT(
        dataset,
        crs=web_mercator(),
        transform=from_bounds(left, bottom, right, top, TILE_SIZE, TILE_SIZE),
        width=TILE_SIZE,
        height=TILE_SIZE,
        resampling=Resampling.average if reducing else Resampling.bilinear,
        # How far, in pixels, GDAL may approximate the transformation; its default would show at tile edges.
        tolerance=GRID_TOLERANCE_PX,
        add_alpha=ColorInterp.alpha not in dataset.colorinterp,
    ) as warped:
        return _rgb(warped.read(file.bands)), bool(warped.dataset_mask().all())


def _rgb(bands: Pixels) -> Pixels:
    """Turn (1 or 3, rows, columns) into (rows, columns, 3), grey repeated."""
    import numpy as np

    if len(bands) == 1:
        bands = np.repeat(bands, 3, axis=0)
    return np.ascontiguousarray(np.moveaxis(bands, 0, 2))
