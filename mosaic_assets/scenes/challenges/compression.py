"""Codecs: lossless ones, and lossy ones at several levels."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.records import Rgb
from mosaic_assets.scenes.challenges.registry import codec

QUALITIES = (20, 40, 60, 80, 92)
"""Of JPEG and WebP, 0..100."""


def _pillow(picture: Rgb, format_: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format_, **options)
    return buffer.getvalue()


def _decode_jpegxl(data: bytes) -> Rgb:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1), np.uint8)


@codec("png", lossless=True)
def png(picture: Rgb, level: float) -> bytes:
    """PNG at Pillow's default effort."""
    del level
    return _pillow(picture, "PNG")


@codec("png_fast", lossless=True)
def png_fast(picture: Rgb, level: float) -> bytes:
    """PNG as this project writes its pictures: least effort."""
    from mosaic_assets.core.imaging import encode_png

    del level
    return encode_png(picture)


@codec("webp_lossless", lossless=True)
def webp_lossless(picture: Rgb, level: float) -> bytes:
    """Lossless WebP."""
    del level
    return _pillow(picture, "WEBP", lossless=True)


@codec("jpegxl_lossless", lossless=True, levels=(3, 7), decode=_decode_jpegxl)
def jpegxl_lossless(picture: Rgb, level: float) -> bytes:
    """Lossless JPEG XL; the level is its effort, 2..9: libjxl 0.11 at effort 1 loses pixels of noise, seldom but it does."""
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(picture, lossless=True, effort=int(level), numthreads=1))


@codec("jpeg2000_lossless", lossless=True)
def jpeg2000_lossless(picture: Rgb, level: float) -> bytes:
    """JPEG 2000 with the reversible wavelet and colour transform."""
    del level
    return _pillow(picture, "JPEG2000", irreversible=False, mct=1)


@codec("jpeg", levels=QUALITIES)
def jpeg(picture: Rgb, level: float) -> bytes:
    """Baseline JPEG, colour at half resolution, optimised tables; the level is its quality."""
    return _pillow(picture, "JPEG", quality=int(level), optimize=True)


@codec("webp", levels=QUALITIES)
def webp(picture: Rgb, level: float) -> bytes:
    """Lossy WebP; the level is its quality."""
    return _pillow(picture, "WEBP", quality=int(level))


@codec("avif", levels=(25, 40, 55, 70, 85))
def avif(picture: Rgb, level: float) -> bytes:
    """AVIF at speed 6 of 10 on one thread, colour at half resolution; the level is its quality."""
    return _pillow(picture, "AVIF", quality=int(level), speed=6, max_threads=1)


@codec("jpegxl", levels=(8, 4, 2, 1, 0.5), decode=_decode_jpegxl)
def jpegxl(picture: Rgb, level: float) -> bytes:
    """Lossy JPEG XL at effort 7; the level is the distance, 1 being hard to see."""
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(picture, distance=level, effort=7, lossless=False, numthreads=1))


@codec("jpeg2000", levels=(80, 48, 24, 12, 8))
def jpeg2000(picture: Rgb, level: float) -> bytes:
    """JPEG 2000 with the irreversible wavelet; the level is how many times smaller than raw the file is to be."""
    return _pillow(picture, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[level], mct=1)


def _decode_zfp(data: bytes) -> Rgb:
    import cv2
    import imagecodecs

    if len(data) < 12:
        raise DataError(f"decoding zfp failed: {len(data)} bytes; expected a header of 12 and three planes")
    sizes, start, planes = struct.unpack("<3I", data[:12]), 12, []
    for size in sizes:
        planes.append(imagecodecs.zfp_decode(data[start : start + size]))
        start += size
    return np.asarray(cv2.cvtColor(_levels(np.stack(planes, axis=2) + 128), cv2.COLOR_YCrCb2RGB), np.uint8)


@codec("zfp", levels=(256, 128, 64, 32, 16), decode=_decode_zfp)
def zfp(picture: Rgb, level: float) -> bytes:
    """Encode luma and chroma planes with zfp, each by itself; the level is the tolerance. Made for floats, not for pictures."""
    import cv2
    import imagecodecs

    encode: Any = imagecodecs.zfp_encode  # its types want a whole number as level
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb).astype(np.float32) - 128
    packed = [encode(np.ascontiguousarray(planes[..., n]), level=level, mode="a") for n in range(3)]
    return struct.pack("<3I", *map(len, packed)) + b"".join(packed)


def _levels(values: Any) -> Rgb:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
