"""Tiles cut from georeferenced files: GeoTIFF, COG, VRT, whatever GDAL reads.

A tile is read from the first file that covers all of it with valid pixels. A tile that is covered only in
part, or holds a single nodata or fully transparent pixel, counts as missing: its colour would be that of the
canvas.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mosaic_assets.core.records import Bounds, Fetched, Outcome, Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE, check_tile, mercator_bounds
from mosaic_assets.errors import SourceError
from mosaic_assets.settings import Settings
from mosaic_assets.sources.limits import map_in_order
from mosaic_assets.sources.records import SourceRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

WORLD_PIXEL_M = 2 * math.pi * EARTH_RADIUS_M / TILE_SIZE
"""Size of a pixel at zoom 0, metres."""
GRID_TOLERANCE_PX = 0.01
"""A file whose pixels are nowhere farther than this from the pixels of a zoom is read without resampling."""
OPEN_FILES = 16
"""Files that one thread keeps open."""


@dataclass(frozen=True, slots=True)
class RasterFile:
    """What is known of a file before its first pixel is read."""

    path: str
    bounds: Bounds
    left: float
    bottom: float
    right: float
    top: float
    """Web-Mercator box, metres."""
    pixel_m: float
    """Size of a pixel in Web-Mercator metres (those of the equator)."""
    pixel_size: tuple[float, float] | None
    """Width and height of a pixel in metres when the file itself is Web-Mercator and upright, else None."""
    bands: tuple[int, ...]
    """Bands to read: one (grey) or three (red, green, blue), counted from 1."""
    overviews: tuple[int, ...]

    @property
    def native_zoom(self) -> int:
        """The zoom, 0..24, whose pixels are nearest in size to the file's."""
        return min(24, max(0, round(math.log2(WORLD_PIXEL_M / self.pixel_m))))

    def covers(self, box: tuple[float, float, float, float], slack: float) -> bool:
        """Tell whether a box (left, bottom, right, top) lies in the file's, give or take `slack` metres."""
        left, bottom, right, top = box
        across = self.left <= left + slack and right - slack <= self.right
        return across and self.bottom <= bottom + slack and top - slack <= self.top


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


def raster_footprint(record: SourceRecord) -> list[tuple[str, Bounds, int]]:
    """Return where the files of a raster source lie.

    Returns
    -------
    list of (path, bounds in degrees, zoom whose pixels are nearest in size to the file's, 0..24)

    Raises
    ------
    SourceError
        As in `RasterSource`.
    """
    return [(file.path, file.bounds, file.native_zoom) for file in survey(record)]


def survey(record: SourceRecord) -> list[RasterFile]:
    """Look at the header of every file of a record, in the order in which they are searched.

    Raises
    ------
    SourceError
        As in `RasterSource`.
    """
    return [_look_at(path, record.name) for path in expand(record)]


def expand(record: SourceRecord) -> list[str]:
    """Return the paths of a record, patterns replaced by what they match, in alphabetical order each.

    Addresses (``https://...``, ``s3://...``, ``/vsi...``) are passed on to GDAL as they stand.

    Raises
    ------
    SourceError
        A pattern that matches nothing.
    """
    from glob import glob
    from pathlib import Path

    found: list[str] = []
    for pattern in record.paths:
        if "://" in pattern or pattern.startswith("/vsi"):
            found.append(pattern)
            continue
        absolute = str(Path(pattern).expanduser().absolute())
        matches = [absolute] if Path(absolute).is_file() else sorted(glob(absolute, recursive=True))  # noqa: PTH207 - an absolute pattern
        if not matches:
            raise SourceError(
                f"opening source {record.name!r} failed: paths has {pattern!r}, which matches no file "
                f"(looked for {absolute}); correct sources.{record.name}.paths"
            )
        found += matches
    return list(dict.fromkeys(found))


def grid_offset(file: RasterFile, tile: Tile) -> tuple[int, int] | None:
    """Return column and row in the file of the tile's first pixel, or None when the two grids differ.

    They differ when any pixel of the file lies more than `GRID_TOLERANCE_PX` from a pixel of the zoom.
    """
    if file.pixel_size is None:
        return None
    left, _, right, top = mercator_bounds(tile)
    pixel_m = (right - left) / TILE_SIZE
    drift_x = abs(file.pixel_size[0] / pixel_m - 1) * (file.right - file.left) / pixel_m
    drift_y = abs(file.pixel_size[1] / pixel_m - 1) * (file.top - file.bottom) / pixel_m
    column, row = (left - file.left) / pixel_m, (file.top - top) / pixel_m
    off = max(abs(column - round(column)), abs(row - round(row)), drift_x, drift_y)
    return (round(column), round(row)) if off <= GRID_TOLERANCE_PX else None


def _look_at(path: str, name: str) -> RasterFile:
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # answered by an error below
            with rasterio.open(path) as dataset:
                _check(dataset, path, name)
                return _describe(dataset, path)
    except RasterioError as error:
        raise SourceError(
            f"opening source {name!r} failed: {path} is no raster that can be read and placed on Earth "
            f"({error}); take it out of sources.{name}.paths"
        ) from error


def _check(dataset: Any, path: str, name: str) -> None:
    """Refuse files whose pixels or place would have to be guessed."""
    from rasterio.enums import ColorInterp

    problem = ""
    if dataset.crs is None or dataset.transform.is_identity:
        problem = "has no place on Earth; give it one, for example by gdal_translate -a_srs ... -a_ullr ..."
    elif any(kind != "uint8" for kind in dataset.dtypes):
        problem = (
            f"holds {dataset.dtypes[0]} pixels, but tiles are 8-bit; choose how to scale it, for example by "
            "gdal_translate -ot Byte -scale"
        )
    elif dataset.colorinterp[0] is ColorInterp.palette:
        problem = "holds a palette, which cannot be resampled; convert it by gdal_translate -expand rgb"
    if problem:
        raise SourceError(f"opening source {name!r} failed: {path} {problem}")


def _describe(dataset: Any, path: str) -> RasterFile:
    from rasterio.warp import calculate_default_transform, transform_bounds

    mercator = "EPSG:3857"
    transform, _, _ = calculate_default_transform(dataset.crs, mercator, dataset.width, dataset.height, *dataset.bounds)
    own = dataset.crs == _web_mercator() and dataset.transform.is_rectilinear and dataset.transform.e < 0
    west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    if west > east:  # across the date line: the warp finds its pixels, but a box cannot say so
        west, east = -180.0, 180.0
    box = dataset.bounds if own else transform_bounds(dataset.crs, mercator, *dataset.bounds)
    return RasterFile(
        path=path,
        bounds=Bounds(west, south, east, north),
        left=box[0],
        bottom=box[1],
        right=box[2],
        top=box[3],
        pixel_m=abs(transform.a),
        pixel_size=(dataset.transform.a, -dataset.transform.e) if own else None,
        bands=_colour_bands(dataset),
        overviews=tuple(dataset.overviews(1)),
    )


def _web_mercator() -> Any:
    """Return rasterio's object for EPSG:3857."""
    from rasterio.crs import CRS

    return CRS.from_epsg(3857)


def _colour_bands(dataset: Any) -> tuple[int, ...]:
    """Return the bands of red, green and blue; without such labels the first three, or the first alone (grey)."""
    from rasterio.enums import ColorInterp

    kinds = list(dataset.colorinterp)
    wanted = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    if all(kind in kinds for kind in wanted):
        return tuple(kinds.index(kind) + 1 for kind in wanted)
    colours = [band for band, kind in enumerate(kinds, 1) if kind is not ColorInterp.alpha]
    return tuple(colours[:3]) if len(colours) >= 3 else (colours[0],)


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
        crs=_web_mercator(),
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
