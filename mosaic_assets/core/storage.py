"""The formats in which a library can keep a tile's picture; all of them hold the very pixels that were judged."""

from __future__ import annotations

import io
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.tile_png import TilePng


class TileFormat(StrEnum):
    """How kept tiles are stored; ``benchmarks/harvest.py`` prints what each costs."""

    PNG = "png"
    """Reference 1's format, by a fast encoder."""
    WEBP = "webp"
    """Lossless WebP: two thirds of the bytes for three times the work."""
    SOURCE = "source"
    """The bytes as the source sent them: the fewest, and no work; what format they are is the source's choice."""


def store_as(image: NDArray[np.uint8], body: bytes, chosen: TileFormat, png: TilePng) -> bytes:
    """Return the file of a tile.

    Parameters
    ----------
    image : uint8 (256, 256, 3), RGB: what ``body`` decodes to.
    body : the source's bytes.
    png : the thread's encoder.

    Examples
    --------
    >>> tile, png = np.zeros((256, 256, 3), np.uint8), TilePng()
    >>> store_as(tile, b"GIF89a...", TileFormat.SOURCE, png)
    b'GIF89a...'
    >>> len(store_as(tile, b"", TileFormat.WEBP, png)) < 100
    True
    """
    if chosen is TileFormat.SOURCE:
        return body
    if chosen is TileFormat.PNG:
        return png.encode(image)
    from PIL import Image

    file = io.BytesIO()
    # Method 0 and quality 0: more effort saves 4 % of the bytes and takes several times as long.
    Image.fromarray(image).save(file, "WEBP", lossless=True, method=0, quality=0)
    return file.getvalue()


def suffix_of(body: bytes, chosen: TileFormat) -> str:
    """Return the suffix of a tile's file, with its dot.

    Examples
    --------
    >>> suffix_of(b"GIF89a...", TileFormat.SOURCE), suffix_of(b"GIF89a...", TileFormat.PNG)
    ('.gif', '.png')
    """
    if chosen is not TileFormat.SOURCE:
        return f".{chosen}"
    if body.startswith(b"\x89PNG"):
        return ".png"
    if body.startswith(b"GIF8"):
        return ".gif"
    return ".webp" if body.startswith(b"RIFF") else ".jpg"
