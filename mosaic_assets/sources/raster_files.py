"""Georeferenced files as a source finds them: which there are, where they lie, and how their pixels meet a zoom's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE, mercator_bounds
from mosaic_assets.errors import SourceError
from mosaic_assets.sources.records import SourceRecord

WORLD_PIXEL_M = 2 * math.pi * EARTH_RADIUS_M / TILE_SIZE
"""Size of a pixel at zoom 0, metres."""
GRID_TOLERANCE_PX = 0.01
"""A file whose pixels are nowhere farther than this from the pixels of a zoom is read without resampling."""


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
    own = dataset.crs == web_mercator() and dataset.transform.is_rectilinear and dataset.transform.e < 0
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


def web_mercator() -> Any:
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
