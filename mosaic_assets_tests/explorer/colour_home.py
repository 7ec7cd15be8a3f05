"""A small library of painted tiles, built once a session by whichever test asks first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import rgb2lab

from mosaic_assets.core.imaging import encode_jpeg
from mosaic_assets.core.records import Tile
from mosaic_assets.library.centroids import BUCKETS, publish_centroids
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.library.painted import PLACES, RECORD, ZOOM, PaintedSource, seed_of, texture

HOSTILE = "<img src=x onerror=alert(1)>"
MADE = RECORD.model_copy(update={"name": "made", "synthetic": True, "attribution": HOSTILE})
"""A synthetic source; the others of the library's tiles are not."""
CAP, FLOOR = 6, 3
GIVEN: dict[str, Any] = {
    "builtin_biomes": False, "biomes": PLACES, "zoom": ZOOM, "round_tiles": 40, "workers": 2, "bucket_cap": CAP,
}  # fmt: skip


def painted(tile: Tile) -> bytes:
    """A tile of one of thirty colours, half of them rare."""
    number = seed_of(tile) % 45
    number = number if number < 30 else number % 15
    return encode_jpeg(texture(seed_of(tile), (60 + 6 * number, 200 - 5 * number, 60 + 3 * number), swing=3))


def grow(settings: Settings) -> None:
    """Harvest a round of every biome and merge them; the biome west is synthetic."""
    for name in settings.biomes:
        harvest_round(name, settings, source=PaintedSource(painted, MADE if name == "west" else RECORD))
    merge_rounds(settings)


def colour_home(temporary: pytest.TempPathFactory) -> Settings:
    """A home with centroids and 120 tiles asked for; nobody may change it."""
    settings = load_settings(home=temporary.getbasetemp() / "colours", **GIVEN)
    if not settings.library.exists():
        publish(settings.library)
        grow(settings)
    return settings


def publish(library: Path) -> None:
    """Publish 5,000 random colours as centroids."""
    library.mkdir(parents=True)
    rgb = np.random.default_rng(7).integers(0, 255, (BUCKETS, 1, 3), dtype=np.uint8)
    publish_centroids(library, rgb2lab(rgb).reshape(-1, 3), 7)
