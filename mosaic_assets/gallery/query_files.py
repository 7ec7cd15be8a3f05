"""Queries as files: a GeoTIFF each, a list of them as CSV with reference 4's columns, and a manifest with checksums.

Every figure of the list comes from a TIFF's own georeferencing. `lat` and `lon` are the place of the picture's middle;
`resolution` is the width of a pixel in EPSG:3857 metres, which are metres on the ground only at the equator.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD, nominal_resolution
from mosaic_assets.core.records import Bounds
from mosaic_assets.core.tiles import EARTH_RADIUS_M, MAX_ZOOM
from mosaic_assets.errors import GalleryError
from mosaic_assets.store.files import publishing, write_bytes

Pixels = NDArray[np.uint8]

NAME = re.compile(r"^(?P<stem>.+)_L(?P<level>\d+)_(?P<type>[A-Za-z0-9-]+)\.tiff?$")
"""How reference 4 names queries: ``a1_L15_arcgis.tiff``."""

TAGS = ("source", "licence", "attribution", "synthetic")
"""Tags that a query cut here carries, so that a copy of it alone still says what it shows; ``synthetic`` is yes or no."""

ROTATION_PX = 1e-6
"""Rotation terms of a geotransform below this share of a pixel are rounding."""


@dataclass(frozen=True, slots=True)
class QueryRow:
    """One line of a list of queries; the fields are reference 4's columns, in their order."""

    imgname: str
    lat: float
    lon: float
    level: int
    width: int
    height: int
    resolution: float
    type: str
    lon_min: float
    lat_min: float
    lon_max: float
    lat_max: float

    @property
    def bounds(self) -> Bounds:
        """The picture's box, degrees."""
        return Bounds(self.lon_min, self.lat_min, self.lon_max, self.lat_max)


COLUMNS = tuple(one.name for one in fields(QueryRow))


@dataclass(frozen=True, slots=True)
class QueryImage:
    """What a query's TIFF says of itself: size in pixels, EPSG:3857 place of its north-west corner, pixel in metres."""

    path: Path
    width: int
    height: int
    left: float
    top: float
    pixel_width: float
    pixel_height: float
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the file says of its imagery, as `write_query` writes it; empty in another program's file."""

    @property
    def level(self) -> int:
        """The zoom whose pixels are nearest in height to the picture's."""
        return min(MAX_ZOOM, max(0, round(math.log2(nominal_resolution(0) / self.pixel_height))))

    @property
    def bounds(self) -> Bounds:
        """The picture's box, degrees."""
        west, north = _lnglat(self.left, self.top)
        right, bottom = self.left + self.width * self.pixel_width, self.top - self.height * self.pixel_height
        east, south = _lnglat(right, bottom)
        return Bounds(west, south, east, north)

    @property
    def centre(self) -> tuple[float, float]:
        """Lng and lat of the picture's middle, degrees."""
        x = self.left + self.width * self.pixel_width / 2
        return _lnglat(x, self.top - self.height * self.pixel_height / 2)

    def row(self) -> QueryRow:
        """The line of the list for this picture; the type is what its name ends with, or empty."""
        named = NAME.match(self.path.name)
        lng, lat = self.centre
        west, south, east, north = self.bounds
        return QueryRow(
            self.path.name, lat, lng, self.level, self.width, self.height, self.pixel_width,
            named["type"] if named else "", west, south, east, north,
        )  # fmt: skip


def look_at_query(path: Path) -> QueryImage:
    """Read the header of a query.

    Raises
    ------
    GalleryError
        No raster, no place on Earth, another reference system than EPSG:3857, rotated, not 8-bit, not of 3 bands.
    """
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # answered by an error below
            with rasterio.open(path) as dataset:
                _refuse(path, _query_problem(dataset))
                t = dataset.transform
                tags = {name: text for name, text in dataset.tags().items() if name in TAGS}
                return QueryImage(path, dataset.width, dataset.height, t.c, t.f, t.a, -t.e, tags)
    except (RasterioError, OSError) as error:
        raise GalleryError(
            f"reading query {path}: it is no picture that can be read ({error}); give a GeoTIFF"
        ) from error


def read_query(path: Path) -> tuple[QueryImage, Pixels]:
    """Read a query: what it says of itself, and its pixels, uint8 (height, width, 3), RGB. `GalleryError` as in `look_at_query`."""
    import rasterio
    from rasterio.errors import RasterioError

    image = look_at_query(path)
    try:
        with rasterio.open(path) as dataset:
            return image, np.ascontiguousarray(np.moveaxis(dataset.read((1, 2, 3)), 0, 2))
    except (RasterioError, OSError) as error:
        raise GalleryError(f"reading query {path}: its pixels cannot be read ({error}); get it anew") from error


def _refuse(path: Path, problem: str) -> None:
    if problem:
        raise GalleryError(f"reading query {path}: {problem}")


def _query_problem(dataset: Any) -> str:
    """Say what keeps a picture from being a query, and what to do about it; empty when nothing does."""
    from rasterio.crs import CRS

    transform = dataset.transform
    if dataset.crs is None or transform.is_identity:
        return "it has no place on Earth; give it one, for example by gdal_translate -a_srs EPSG:3857 -a_ullr ..."
    if dataset.crs != CRS.from_epsg(3857):
        return f"it is in {_short(dataset.crs)}, expected EPSG:3857; warp it, for example by gdalwarp -t_srs EPSG:3857"
    if max(abs(transform.b), abs(transform.d)) > ROTATION_PX * abs(transform.a) or transform.a <= 0 or transform.e >= 0:
        return "its rows are rotated or mirrored, expected north up; straighten it, for example by gdalwarp"
    if any(kind != "uint8" for kind in dataset.dtypes):
        return f"its pixels are {dataset.dtypes[0]}, expected uint8; scale them, for example by gdal_translate -ot Byte -scale"
    if dataset.count != 3:
        return f"it has {dataset.count} band(s), expected 3 (red, green, blue); choose them by gdal_translate -b 1 -b 2 -b 3"
    return ""


def _short(crs: Any) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())[:60]


def write_query(
    path: Path, pixels: Pixels, left: float, top: float, pixel_m: float, tags: Mapping[str, str] | None = None
) -> None:
    """Publish a query as a cloud-optimized GeoTIFF, lossless.

    Parameters
    ----------
    pixels : uint8 (height, width, 3), RGB.
    left, top, pixel_m : EPSG:3857 metres.
    tags : what travels inside the file, by the names of `TAGS`.
    """
    import rasterio
    from rasterio.io import MemoryFile
    from rasterio.shutil import copy
    from rasterio.transform import from_origin

    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "height": pixels.shape[0], "width": pixels.shape[1],
        "crs": "EPSG:3857", "transform": from_origin(left, top, pixel_m, pixel_m), "photometric": "RGB",
    }  # fmt: skip
    with publishing(path, f"writing query {path.name}") as temporary, MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(np.moveaxis(pixels, 2, 0))
            dataset.update_tags(**(tags or {}))
        with memory.open() as dataset, rasterio.Env(GDAL_NUM_THREADS=1):
            copy(dataset, temporary, driver="COG", compress="DEFLATE", predictor="YES", overviews="NONE")


def read_csv(path: Path) -> list[QueryRow]:
    """Read a list of queries.

    Raises
    ------
    GalleryError
        Not there, no CSV, columns missing, a figure that is none, or a box without area or outside the world.
    """
    reader = _reader(path)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise GalleryError(
            f"reading the list of queries {path}: it lacks the column(s) {', '.join(missing)}; expected {', '.join(COLUMNS)}"
        )
    return [_parsed(values, f"{path}, line {reader.line_num}") for values in reader]


def read_scene_classes(path: Path) -> dict[str, str]:
    """Scene class by name of a list that has the column ``scene_class``; empty for another. `GalleryError` as in `read_csv`."""
    return {
        row["imgname"]: row["scene_class"].strip()
        for row in _reader(path)
        if row.get("imgname") and row.get("scene_class")
    }


def _reader(path: Path) -> csv.DictReader[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GalleryError(f"reading the list of queries {path} failed: {error}; give a CSV in UTF-8") from error
    return csv.DictReader(io.StringIO(text))


def _parsed(values: dict[str, str], where: str) -> QueryRow:
    parsed: dict[str, Any] = {}
    for one in fields(QueryRow):
        text = (values[one.name] or "").strip()
        try:
            parsed[one.name] = text if one.type == "str" else (int if one.type == "int" else float)(text)
        except ValueError:
            raise GalleryError(f"{where}: {one.name} is {text!r}, expected a number; mend the line") from None
    row = QueryRow(**parsed)
    limit = WEB_MERCATOR_QUAD.max_lat
    if not (-180 <= row.lon_min < row.lon_max <= 180 and -limit <= row.lat_min < row.lat_max <= limit):
        raise GalleryError(
            f"{where}: {row.imgname} has the bounds {tuple(row.bounds)}; expected lon_min < lon_max within -180..180 and "
            f"lat_min < lat_max within -{limit:.4f}..{limit:.4f}, degrees; mend the line, or leave the list out and let the "
            "TIFFs speak"
        )
    if not (row.width > 0 and row.height > 0 and row.resolution > 0 and 0 <= row.level <= MAX_ZOOM):
        raise GalleryError(
            f"{where}: {row.imgname} has {row.width} x {row.height} pixels of {row.resolution} m at level {row.level}; expected "
            f"sizes and resolution above 0 and a level from 0 to {MAX_ZOOM}; mend the line"
        )
    return row


def write_csv(path: Path, rows: Sequence[QueryRow]) -> None:
    """Publish a list of queries; figures have as many digits as it takes to read the very same number back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_bytes(path, text.getvalue().encode(), f"writing {path.name}")


def tiffs_in(folder: Path) -> list[Path]:
    """The TIFFs of a folder, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".tif", ".tiff") and path.is_file())


def boxes(rows: Iterable[QueryRow]) -> Any:
    """Footprints of queries in degrees, an array of shapely boxes."""
    import shapely

    edges = np.array([row.bounds for row in rows], np.float64).reshape(-1, 4)
    return shapely.box(edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3])


def overlaps(first: Sequence[QueryRow], second: Sequence[QueryRow]) -> list[tuple[QueryRow, QueryRow, float]]:
    """Pairs of queries that share ground, with the shared part of the larger one, 0..1, the largest first.

    Boxes that agree in an edge up to a millionth of a degree, 0.1 m, do not overlap.
    """
    import shapely

    if not first or not second:
        return []
    left, right = boxes(first), boxes(second)
    pairs = shapely.STRtree(right).query(left, predicate="intersects").T
    found = []
    for one, other in pairs:
        shared = shapely.intersection(left[one], right[other])
        west, south, east, north = shared.bounds
        if min(east - west, north - south) > 1e-6:
            share = shared.area / max(left[one].area, right[other].area)
            found.append((first[one], second[other], float(share)))
    return sorted(found, key=lambda pair: (-pair[2], pair[0].imgname, pair[1].imgname))


def _lnglat(x: float, y: float) -> tuple[float, float]:
    half = math.pi * EARTH_RADIUS_M
    lng, lat = WEB_MERCATOR_QUAD.lnglat_at((x / half + 1.0) * 128.0, (1.0 - y / half) * 128.0, 0)
    return float(lng), float(lat)
