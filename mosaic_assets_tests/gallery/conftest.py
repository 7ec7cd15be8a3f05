"""Small galleries, made once: embedded (synthetic) imagery of a place in France, in both grids."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.gallery.build import build_zoom
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.queries import cut_query_set
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.gallery.drawn import SIDE, drawn, fill

REGION = (0.703125, 47.4169921875, 0.791015625, 47.5048828125)
"""2 x 2 tiles of zoom 13 in GoogleCRS84Quad."""

SMALL: dict[str, Any] = {
    "region": REGION, "zooms": (13, 14), "query_zoom": 14, "query_pixels": 128, "query_count": 10,
}  # fmt: skip

SHARED_RSLOC = Path(__file__).resolve().parents[3] / "shared" / "data" / "rsloc"
needs_rsloc = pytest.mark.skipif(
    not SHARED_RSLOC.is_dir(), reason="the real imagery in ../shared is not on this machine"
)


def settings_at(home: Path, **table: Any) -> Settings:
    return load_settings(home=home, workers=2, check_sample=5, gallery={**SMALL, **table})


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a gallery of zooms 13 and 14 (4 and 16 tiles, plate carree) and ten queries."""
    settings = settings_at(tmp_path_factory.mktemp("gallery"))
    for zoom in settings.gallery.zooms:
        build_zoom(settings, zoom)
    cut_query_set(settings)
    return settings.home


@pytest.fixture(scope="session")
def built(built_once: Path) -> Settings:
    """Settings over the gallery made once; tests only read it."""
    return settings_at(built_once)


@pytest.fixture
def own(built_once: Path, tmp_path: Path) -> Settings:
    """Settings over a copy of the gallery, which a test may change."""
    shutil.copytree(built_once / "gallery", tmp_path / "home" / "gallery")
    return settings_at(tmp_path / "home")


@pytest.fixture(scope="session")
def mercator(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings over a gallery in WebMercatorQuad, zoom 13."""
    settings = settings_at(tmp_path_factory.mktemp("mercator"), grid="WebMercatorQuad", zooms=(13,))
    build_zoom(settings, 13)
    return settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings over the gallery of `drawn.py`; tests only read it."""
    settings = load_settings(home=tmp_path_factory.mktemp("localize"), gallery={"grid": "WebMercatorQuad"})
    fill(settings, drawn(256 * SIDE))
    return settings


@pytest.fixture(scope="session")
def gallery(settings: Settings) -> Iterator[Gallery]:
    """The same gallery, opened and indexed."""
    with opening_gallery(settings) as opened:
        yield opened
