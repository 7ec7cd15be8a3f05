"""Pixels of the pictures that the data sets have, whatever their format; sizes are looked at before anything is decoded."""

from __future__ import annotations

import io
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.explorer.datasets.safe_files import LARGEST_FILE, PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 50_000_000
"""Rows times columns of a picture that is decoded."""
MOST_VALUES = 200_000_000
"""Pixels times bands times bytes of a value."""
PLAIN = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
"""Formats that browsers show themselves."""


_FILTERS = threading.Lock()
"""Filters of warnings are the process's, so one thread changes them at a time."""


class Bands(NamedTuple):
    """Pixels as a file has them."""

    values: NDArray[Any]
    """(bands, rows, columns): those asked for."""
    total: int
    """Bands of the file."""


def plain_type(body: bytes, name: str) -> str | None:
    """Return the media type of a picture that a browser can show as it is; None for GeoTIFF, numpy and zip.

    Raises
    ------
    PictureError
        It is damaged in its header, or has more than 50 million pixels.
    """
    if not is_plain(name):
        return None
    with _opened(body, name) as picture:
        return PLAIN[str(picture.format)]


def is_plain(name: str) -> bool:
    """Tell by the name of a file whether browsers show its format."""
    return name.lower().endswith((".png", ".jpg", ".jpeg", ".webp", ".gif"))


def decode(body: bytes, name: str, *, side: int | None = None, indexes: tuple[int, ...] | None = None) -> Bands:
    """Return the bands of a picture.

    Parameters
    ----------
    body, name : the file, and its name, whose ending says what it should be.
    side : a longest side that is enough, pixels: larger GeoTIFFs and JPEGs are read in smaller.
    indexes : the bands wanted, from 0, from the end below 0; those of them that are there. None: the first three.

    Raises
    ------
    PictureError
        Damaged, of another format than its name says, or too large.
    """
    kind = name.lower().rpartition(".")[2]
    with _explained(name):
        if kind == "zip":
            return _geotiff(_unzipped(body, name), name, side, indexes)
        if kind in ("tif", "tiff"):
            return _geotiff(body, name, side, indexes)
        if kind == "npy":
            return _array(body, name, indexes)
    with _opened(body, name) as picture, _explained(name):
        return _pillow(picture, side, indexes)


def as_rgb(values: NDArray[Any], count: int | None = None) -> tuple[NDArray[np.uint8], str]:
    """Return red, green and blue, (rows, columns, 3), of the first three bands, and what was done to them.

    Parameters
    ----------
    values : (bands, rows, columns).
    count : bands of the file, where these are not all of them.

    Examples
    --------
    >>> as_rgb(np.array([[[0, 1000]]], np.uint16))
    (array([[[  0,   0,   0],
            [255, 255, 255]]], dtype=uint8), '1 band of uint16 in grey, stretched from 0 to 1000')
    """
    bands = values[:3] if len(values) >= 3 else values[[0, 0, 0]]
    total = len(values) if count is None else count
    said = f"the first 3 of {total} bands" if total > 3 else ""
    if len(values) < 3:
        said = f"{len(values)} band{'s' * (len(values) > 1)} of {values.dtype} in grey"
    if bands.dtype == np.bool_:
        bands = bands.astype(np.uint8) * np.uint8(255)
    if bands.dtype != np.uint8:
        bands, low, high = _stretched(bands)
        said = f"{said or f'{len(values)} bands of {values.dtype}'}, stretched from {low:g} to {high:g}"
    return np.ascontiguousarray(np.moveaxis(bands, 0, 2)), said


def _stretched(bands: NDArray[Any]) -> tuple[NDArray[np.uint8], float, float]:
    """Stretch from the 2nd to the 98th percentile; what is no number becomes black."""
    numbers = bands.astype(np.float32)
    valid = np.isfinite(numbers)
    low, high = np.percentile(numbers[valid], [2, 98]).tolist() if valid.any() else (0.0, 1.0)
    scaled = (np.where(valid, numbers, low) - low) / max(high - low, 1e-9)
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8), low, high


@contextmanager
def _opened(body: bytes, name: str) -> Iterator[Image]:
    """Open a PNG, JPEG, WebP or GIF with Pillow, which reads no more than the header yet."""
    from PIL import Image

    with _explained(name):
        picture = Image.open(io.BytesIO(body), formats=tuple(PLAIN))
    with picture:
        _refuse_large(picture.height, picture.width, 4, name)
        yield picture


def _pillow(picture: Image, side: int | None, indexes: tuple[int, ...] | None) -> Bands:
    if side is not None:
        picture.draft("RGB", (side, side))
    if picture.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        values = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
    else:
        values = np.asarray(picture)
    stack = values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    return Bands(_chosen(stack, indexes), len(stack))


def _geotiff(body: bytes, name: str, side: int | None, indexes: tuple[int, ...] | None) -> Bands:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    # From memory and by one driver: neither a file beside it nor one that it names, as a VRT would, is opened.
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_NUM_THREADS=1),
        rasterio.MemoryFile(body) as memory,
    ):
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = memory.open(driver="GTiff")
        with dataset:
            wanted = _numbers(dataset.count, indexes)
            size = np.dtype(dataset.dtypes[0]).itemsize
            _refuse_large(dataset.height, dataset.width, len(wanted) * size, name)
            for rows, columns in dataset.block_shapes:
                _refuse_large(rows, columns, size, name)
            factor = 1 if side is None else max(1, max(dataset.shape) // side)
            shape = -(-dataset.height // factor), -(-dataset.width // factor)
            values = dataset.read([number + 1 for number in wanted], out_shape=(len(wanted), *shape))
            return Bands(values, dataset.count)


def _array(body: bytes, name: str, indexes: tuple[int, ...] | None) -> Bands:
    values = np.load(io.BytesIO(body), allow_pickle=False, max_header_size=10_000)
    if values.ndim not in (2, 3) or 0 in values.shape or values.dtype.kind not in "biuf":
        raise PictureError(
            f"showing the picture {name[:120]!r}: it is {values.dtype} {values.shape}; expected numbers of 2 or 3 axes"
        )
    stack = values[None] if values.ndim == 2 else values
    _refuse_large(stack.shape[1], stack.shape[2], 1, name)
    return Bands(_chosen(stack, indexes), len(stack))


def _unzipped(body: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        first = archive.infolist()[0]
        with archive.open(first) as file:
            content = file.read(LARGEST_FILE + 1)  # whatever the archive says of its size
    if len(content) > LARGEST_FILE:
        raise PictureError(f"showing the picture {name[:120]!r}: unpacked it has more than {LARGEST_FILE:,} bytes")
    return content


def _numbers(count: int, indexes: tuple[int, ...] | None) -> list[int]:
    if indexes is None:
        return list(range(min(3, count)))
    return [index % count for index in indexes if -count <= index < count]


def _chosen(stack: NDArray[Any], indexes: tuple[int, ...] | None) -> NDArray[Any]:
    return stack[_numbers(len(stack), indexes)]


def _refuse_large(rows: int, columns: int, bytes_a_pixel: int, name: str) -> None:
    if rows * columns > MOST_PIXELS or rows * columns * bytes_a_pixel > MOST_VALUES:
        raise PictureError(
            f"showing the picture {name[:120]!r}: it is {columns:,} x {rows:,} pixels, more than the {MOST_PIXELS:,} that are shown"
        )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an error of ours: each has its own, and files may be damaged in any way."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise PictureError(
            f"showing the picture {name[:120]!r}: it is damaged or no such file ({why}); make it anew"
        ) from error
