"""Real tiles cut from the RSLoc-82K mosaics in ``../shared/data``, as the JPEG files a tile server would send."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

MOSAICS = Path(__file__).resolve().parents[3] / "shared" / "data" / "rsloc" / "RSimages"

STRIDE = 96
"""Windows overlap: seven times as many tiles, whose hashes still differ."""

QUALITY = 85
"""JPEG quality at which these tiles take about 15 KB each, as those of the servers they come from."""


def real_tiles() -> list[bytes]:
    """JPEG files of 256 x 256 windows of the five mosaics; end the program with the reason where there are none."""
    import rasterio

    from mosaic_assets.core.imaging import encode_jpeg

    paths = sorted(MOSAICS.rglob("*.tiff"))
    if not paths:
        sys.exit(f"{MOSAICS} holds no mosaics: this benchmark needs the folder `shared` beside the project")
    found = []
    for path in paths:
        with rasterio.open(path) as mosaic:
            pixels = np.moveaxis(mosaic.read(), 0, -1)
        rows, columns = range(0, pixels.shape[0] - 255, STRIDE), range(0, pixels.shape[1] - 255, STRIDE)
        windows = (pixels[row : row + 256, column : column + 256] for row in rows for column in columns)
        found += [encode_jpeg(np.ascontiguousarray(window), QUALITY) for window in windows if window.any()]
    return found
