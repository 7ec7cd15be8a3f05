"""Chips as files, and files as chips again. Same pixels, same bytes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.grid import bounds_of
from mosaic_assets.chips.records import Transform, Window
from mosaic_assets.errors import LabelError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG_QUALITY = 95
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of what is in a zip file: that of the day would change its bytes."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """What a GeoTIFF says of itself."""

    crs: str
    transform: Transform
    bands: tuple[str, ...]
    attribution: str
    synthetic: bool


def check_format(name: str, dtype: str, bands: int) -> None:
    """Refuse a format that cannot hold the imagery.

    Raises
    ------
    SettingsError
        A picture of other than one or three bands of 8 bits.
    """
    if name in ("png", "jpg") and (dtype != "uint8" or bands not in (1, 3)):
        raise SettingsError(
            f"chips.format {name} holds 1 or 3 bands of uint8, but the imagery has {bands} of {dtype}; choose geotiff or npy, "
            "or fewer bands with chips.bands"
        )


def encode(
    name: str, pixels: NDArray[Any], label: NDArray[np.uint8], window: Window, place: Georeference, stem: str
) -> tuple[bytes, bytes]:
    """Return the bytes of a chip's file and of its mask; the mask is empty where the label is the last band.

    Parameters
    ----------
    name : ``geotiff``, ``zipped_geotiff``, ``npy``, ``png`` or ``jpg``.
    pixels : (bands, height, width).
    label : (height, width), uint8; 0 background, 255 ignored.
    stem : name of the file in a zip file, without ending.
    """
    if name in ("png", "jpg"):
        return _picture(name, pixels), _png(label)
    stack = np.concatenate([pixels, label[None].astype(pixels.dtype)])
    if name == "npy":
        buffer = io.BytesIO()
        np.save(buffer, stack, allow_pickle=False)
        return buffer.getvalue(), b""
    body = _geotiff(stack, window, place)
    return (_zipped(body, f"{stem}.tif") if name == "zipped_geotiff" else body), b""


def _geotiff(stack: NDArray[Any], window: Window, place: Georeference) -> bytes:
    import rasterio
    from rasterio.transform import from_origin

    left, _, _, top = bounds_of(window, place.transform)
    profile = {
        "driver": "GTiff",
        "count": len(stack),
        "height": window.height,
        "width": window.width,
        "dtype": stack.dtype.name,
        "crs": place.crs,
        "transform": from_origin(left, top, place.transform[0], -place.transform[4]),
        "compress": "deflate",
        "zlevel": 6,
        "predictor": 2 if stack.dtype.kind != "f" else 3,
        # Band by band: the label band shrinks to nothing, where between the others it would spoil both.
        "interleave": "band",
    }
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as out:
            out.write(stack)
            for index, band in enumerate((*place.bands, "label"), 1):
                out.set_band_description(index, band)
            # No nodata value: it would hold for the label band too, where 0 is background and not absence.
            out.update_tags(
                ATTRIBUTION=place.attribution, SYNTHETIC="yes" if place.synthetic else "no", LABEL_IGNORE="255"
            )
        return bytes(memory.read())


def _zipped(body: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # the TIFF is compressed already
        archive.writestr(zipfile.ZipInfo(name, EPOCH), body)
    return buffer.getvalue()


def _picture(name: str, pixels: NDArray[Any]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
    buffer = io.BytesIO()
    if name == "jpg":
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()


def _png(label: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class ReadChip:
    """A chip as its files have it."""

    pixels: NDArray[Any]
    """(bands, height, width)."""
    label: NDArray[Any]
    """(height, width)."""
    crs: str | None
    """None for formats that do not say."""
    transform: Transform | None


def read_chip(folder: Path, path: str, mask_path: str) -> ReadChip:
    """Read a chip back.

    Raises
    ------
    LabelError
        A file that is missing or is not what its ending says.
    """
    try:
        return _read(folder / path, folder / mask_path if mask_path else None)
    except Exception as error:  # of GDAL, Pillow, numpy, zipfile: each has its own
        raise LabelError(
            f"reading the chip {folder / path} failed: {' '.join(str(error).split())[:200]}. Run `mosaic chips cut`, which cuts "
            "what is missing or damaged again"
        ) from error


def _read(path: Path, mask: Path | None) -> ReadChip:
    from PIL import Image

    if path.suffix == ".npy":
        stack = np.load(path, allow_pickle=False)
        return ReadChip(stack[:-1], stack[-1], None, None)
    if mask is not None:
        with Image.open(path) as picture, Image.open(mask) as label:
            pixels = np.asarray(picture)
            return ReadChip(
                pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0), np.asarray(label), None, None
            )
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return _read_geotiff(archive.read(archive.namelist()[0]))
    return _read_geotiff(path.read_bytes())


def _read_geotiff(body: bytes) -> ReadChip:
    import rasterio

    with rasterio.MemoryFile(body) as memory, memory.open() as dataset:
        stack = dataset.read()
        a, b, c, d, e, f = (float(number) for number in tuple(dataset.transform)[:6])
        return ReadChip(stack[:-1], stack[-1], dataset.crs.to_wkt() if dataset.crs else None, (a, b, c, d, e, f))
