"""What Earth Engine is asked to compute: a median composite of a collection, on a grid of whole pixels.

The grid is given, never guessed: a window is asked for by the coordinate reference system and the affine transform of
its own first pixel, so every answer lies on the same pixels as every other. Nothing is resampled when the grid is the
collection's own; otherwise Earth Engine takes the nearest pixel.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from mosaic_assets.errors import SourceError

CASTS = {
    "uint8": "toUint8",
    "int8": "toInt8",
    "uint16": "toUint16",
    "int16": "toInt16",
    "uint32": "toUint32",
    "int32": "toInt32",
    "float32": "toFloat",
    "float64": "toDouble",
}
"""Pixel types and the cast that makes them; a median without a cast is float64 whatever the collection holds."""
METHOD_VERSION = 1
"""Part of every identity; raised when the same fields come to ask for other pixels."""
_CODE = re.compile(r"^[A-Za-z-]+:\w+$")


class Piece(NamedTuple):
    """A rectangle of pixels, counted from the grid's first pixel; ``height`` and ``width`` are >= 1."""

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """A grid of whole pixels on the ground, north up.

    Parameters
    ----------
    crs
        A code such as ``"EPSG:32734"``, or WKT.
    left, top
        Outer corner of the first pixel, units of the CRS.
    pixel_width, pixel_height
        Size of a pixel, > 0, units of the CRS.
    width, height
        Pixels across and down, >= 1.

    Raises
    ------
    SourceError
        A size that is not positive, or a number that is not finite.

    Examples
    --------
    >>> grid = PixelGrid("EPSG:3857", 0.0, 100.0, 10.0, 10.0, 8, 4)
    >>> grid.of(Piece(1, 2, 2, 2))["affineTransform"]["translateX"]
    20.0
    """

    crs: str
    left: float
    top: float
    pixel_width: float
    pixel_height: float
    width: int
    height: int

    def __post_init__(self) -> None:
        numbers = (self.left, self.top, self.pixel_width, self.pixel_height)
        sizes = (self.pixel_width, self.pixel_height, self.width, self.height)
        if not all(map(math.isfinite, numbers)) or min(sizes) <= 0 or not self.crs.strip():
            raise SourceError(
                f"a grid for Earth Engine cannot be {asdict(self)}: it needs a CRS, finite numbers and sizes above 0; "
                "give the pixel grid of the collection, north up"
            )

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """The affine transform (a, b, c, d, e, f) from column and row to x and y, as rasterio writes it."""
        return (self.pixel_width, 0.0, self.left, 0.0, -self.pixel_height, self.top)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in units of the CRS."""
        right, bottom = self.left + self.width * self.pixel_width, self.top - self.height * self.pixel_height
        return (self.left, bottom, right, self.top)

    def corner(self, piece: Piece) -> tuple[float, float]:
        """Return x and y of the outer corner of a piece's first pixel."""
        return self.left + piece.column * self.pixel_width, self.top - piece.row * self.pixel_height

    def of(self, piece: Piece) -> dict[str, Any]:
        """Return the grid of a piece as Earth Engine's ``PixelGrid``."""
        x, y = self.corner(piece)
        return {
            "dimensions": {"width": piece.width, "height": piece.height},
            "affineTransform": {
                "scaleX": self.pixel_width,
                "shearX": 0.0,
                "translateX": x,
                "shearY": 0.0,
                "scaleY": -self.pixel_height,
                "translateY": y,
            },
            "crsCode" if self.has_code else "crsWkt": self.crs,
        }

    @property
    def has_code(self) -> bool:
        """True when the CRS is a code such as EPSG:4326, False when it is WKT."""
        return bool(_CODE.match(self.crs))


@dataclass(frozen=True, slots=True)
class CloudMask:
    """A collection of scores that goes with the imagery, image by image (same ``system:index``).

    Pixels whose `band` is below `least` are left out of the median. Which scores suit which imagery is the user's to say.
    """

    collection: str
    band: str
    least: float


@dataclass(frozen=True, slots=True)
class Composite:
    """A median over a collection, a range of dates and some bands.

    Parameters
    ----------
    collection
        Asset id of an image collection.
    begin, end
        ISO dates; `begin` is included, `end` is not.
    bands
        Names of the bands, in the order of the answer, at least one.
    dtype
        Type of the pixels, one of `CASTS`; integers are rounded to nearest first.
    nodata
        Value of pixels without any clear observation; must fit `dtype`.
    mask
        Scores that decide which observations count; None: all that the collection itself leaves unmasked.

    Raises
    ------
    SourceError
        No bands, a band twice, a date that is none, an empty range, an unknown type, a `nodata` that does not fit it.
    """

    collection: str
    begin: str
    end: str
    bands: tuple[str, ...]
    dtype: str = "uint16"
    nodata: float = 0
    mask: CloudMask | None = None

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise SourceError(
                f"a composite of the Earth Engine collection {self.collection!r} cannot be made: {problem}"
            )

    def identity(self, grid: PixelGrid) -> str:
        """Return a digest of all that decides which pixels are asked for; equal digests ask for the same pixels."""
        asked = {"version": METHOD_VERSION, "composite": asdict(self), "grid": asdict(grid)}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _problem(composite: Composite) -> str:
    """Say what is wrong with a composite and what to do, or ''."""
    if not composite.collection.strip():
        return "its asset id is empty; name an image collection"
    if not composite.bands or len(set(composite.bands)) < len(composite.bands) or "" in composite.bands:
        return f"bands are {list(composite.bands)}; name at least one, each once"
    try:
        days = [date.fromisoformat(text) for text in (composite.begin, composite.end)]
    except ValueError as error:
        return f"{error}; dates are written YYYY-MM-DD"
    if days[0] >= days[1]:
        return f"no day lies from {composite.begin} to {composite.end}; the end is not included, so let it come later"
    if composite.dtype not in CASTS:
        return f"dtype is {composite.dtype!r}; choose one of {', '.join(CASTS)}"
    if not fits(composite.nodata, composite.dtype):
        return f"nodata {composite.nodata!r} is no finite {composite.dtype}; choose a value of that type"
    return ""


def fits(value: float, dtype: str) -> bool:
    """Tell whether a finite number is a value of a pixel type.

    Examples
    --------
    >>> fits(255, "uint8"), fits(-1, "uint8"), fits(0.5, "uint16"), fits(float("nan"), "float32")
    (True, False, False, False)
    """
    if np.dtype(dtype).kind == "f":
        return abs(value) <= float(np.finfo(dtype).max)  # JSON, in which graphs travel, has no NaN
    limits = np.iinfo(dtype)
    return math.isfinite(value) and limits.min <= value <= limits.max and float(value).is_integer()


def median_image(ee: Any, composite: Composite, grid: PixelGrid) -> Any:
    """Return the ``ee.Image`` of a composite; nothing is sent yet.

    Parameters
    ----------
    ee
        The client's module, initialized.
    composite, grid
        What to compute; images that do not touch the grid's box are left out.
    """
    rectangle = ee.Geometry.Rectangle(list(grid.box), grid.crs, False)
    collection = ee.ImageCollection(composite.collection).filterDate(composite.begin, composite.end)
    collection = collection.filterBounds(rectangle)
    if composite.mask:
        collection = _masked(ee, collection, composite.mask)
    # Select before the median: bands that are not wanted may differ in type between images, which a median refuses.
    # Fill what is still masked everywhere, also outside the images: formats disagree on what a masked pixel is.
    image = collection.select(list(composite.bands)).median().unmask(composite.nodata, False)
    if np.dtype(composite.dtype).kind in "iu":
        image = image.round()  # a cast alone would cut the half off
    return getattr(image, CASTS[composite.dtype])()


def _masked(ee: Any, collection: Any, mask: CloudMask) -> Any:
    linked = collection.linkCollection(ee.ImageCollection(mask.collection), [mask.band])
    return linked.map(lambda image: image.updateMask(image.select(mask.band).gte(mask.least)))


def pieces(window: Piece, *, most_pixels: int, longest_side: int) -> Iterator[Piece]:
    """Cut a window into pieces that a request may ask for, each half of a larger one, in reading order.

    Examples
    --------
    >>> list(pieces(Piece(0, 0, 4, 4), most_pixels=8, longest_side=10))
    [Piece(row=0, column=0, height=2, width=4), Piece(row=2, column=0, height=2, width=4)]
    """
    row, column, height, width = window
    if height * width <= most_pixels and max(height, width) <= longest_side:
        yield window
        return
    if height >= width:
        half = height // 2
        parts = (Piece(row, column, half, width), Piece(row + half, column, height - half, width))
    else:
        half = width // 2
        parts = (Piece(row, column, height, half), Piece(row, column + half, height, width - half))
    for part in parts:
        yield from pieces(part, most_pixels=most_pixels, longest_side=longest_side)
