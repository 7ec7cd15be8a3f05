"""One faulty server for all tests here, and homes that suit it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.faults.control import Remote, running
from mosaic_assets_tests.faults.matrix import LIMITS
from mosaic_assets_tests.library.painted import WEST, ZOOM

NewHome = Callable[..., Settings]


@pytest.fixture(scope="session")
def faulty() -> Generator[Remote]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def lasting_home(tmp_path_factory: pytest.TempPathFactory, published_centroids: Path) -> NewHome:
    """Build settings over a home of its own with centroids and the biome west; keyword arguments are settings."""

    def make(home: str = "home", **given: Any) -> Settings:
        values: dict[str, Any] = {
            "builtin_biomes": False, "biomes": {"west": {"box": WEST}}, "zoom": ZOOM, "workers": 2, "network": LIMITS,
        }  # fmt: skip
        settings = load_settings(home=tmp_path_factory.mktemp(home), **(values | given))
        shutil.copytree(published_centroids, settings.library, dirs_exist_ok=True)
        return settings

    return make


@pytest.fixture
def closed_port() -> Generator[int]:
    """A port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]
