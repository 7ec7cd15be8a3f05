"""Homes with small biomes, to be harvested from a source in memory (see painted.py)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import rgb2lab

from mosaic_assets.library.centroids import BUCKETS, publish_centroids
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.conftest import MakeSettings
from mosaic_assets_tests.library.painted import PLACES, ZOOM

NewHome = Callable[..., Settings]


@pytest.fixture(scope="session")
def published_centroids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 random colours instead of clustered ones: as good for every test here, and at once."""
    folder = tmp_path_factory.mktemp("centroids")
    rgb = np.random.default_rng(7).integers(0, 255, (BUCKETS, 1, 3), dtype=np.uint8)
    publish_centroids(folder, rgb2lab(rgb).reshape(-1, 3), 7)
    return folder


SMALL: dict[str, Any] = {"builtin_biomes": False, "biomes": PLACES, "zoom": ZOOM, "round_tiles": 30}


@pytest.fixture
def new_home(make_settings: MakeSettings) -> NewHome:
    """Settings over a home with centroids and the biomes west, east and north; 30 tiles a round at zoom 8."""

    def make(home: str = "home", **given: Any) -> Settings:
        return make_settings(home, **{**SMALL, **given})

    return make


@pytest.fixture(scope="module")
def lasting_home(tmp_path_factory: pytest.TempPathFactory, published_centroids: Path) -> NewHome:
    """The same for homes that the tests of a module share and none of them changes."""

    def make(home: str = "home", **given: Any) -> Settings:
        settings = load_settings(home=tmp_path_factory.mktemp(home), **{"workers": 2, **SMALL, **given})
        shutil.copytree(published_centroids, settings.library)
        return settings

    return make


@pytest.fixture
def home(new_home: NewHome) -> Settings:
    return new_home()
