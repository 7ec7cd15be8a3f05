"""Real tiles to measure on, read in place from the folder beside the project."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaic_assets_tests.conftest import SHARED_DATA


def jpeg_tiles() -> list[Path]:
    """60 aerial tiles (NAIP) and the 341 tiles of the whole world (Blue Marble), all 256 x 256 JPEG."""
    folders = (SHARED_DATA / "naip_multidate", SHARED_DATA / "bluemarble_xyz")
    return sorted(path for folder in folders for path in folder.rglob("*.jpg"))


@cache
def real_tiles() -> NDArray[np.uint8]:
    """All of `jpeg_tiles`, and the 480-odd whole windows of the 256 grid of five mosaics (RSLoc-82K)."""
    import rasterio
    from PIL import Image

    tiles = []
    for path in jpeg_tiles():
        with Image.open(path) as picture:
            tiles.append(np.asarray(picture.convert("RGB")))
    for path in sorted((SHARED_DATA / "rsloc" / "RSimages").rglob("*.tiff")):
        with rasterio.open(path) as mosaic:
            pixels = np.moveaxis(mosaic.read(), 0, -1)
        rows, columns = range(0, pixels.shape[0] - 255, 256), range(0, pixels.shape[1] - 255, 256)
        tiles += [pixels[row : row + 256, column : column + 256] for row in rows for column in columns]
    return np.stack(tiles)
