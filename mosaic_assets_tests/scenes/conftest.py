"""What the tests of scenes share: a stand-in for Copernicus, and products made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.scenes.synthetic import products_of_day, write_product
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.scenes.copernicus_server import PASSWORD, USER, StandIn, standing_in
from mosaic_assets_tests.scenes.worked_day import DAY, Day

MakeSceneSettings = Callable[..., Settings]


@pytest.fixture(scope="session")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """One process for all tests."""
    with standing_in(tmp_path_factory.mktemp("none")) as server:
        yield server


@pytest.fixture
def stand_in(server_process: StandIn, tmp_path: Path) -> StandIn:
    """A stand-in without a past, over an empty folder of products; put some in before asking."""
    products = tmp_path / "products"
    products.mkdir()
    server_process.start_anew(products)
    return server_process


@pytest.fixture
def at_stand_in(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSceneSettings:
    """Build settings whose scenes come from the stand-in, with an account; keyword arguments go to the table `scenes`."""
    monkeypatch.setenv("CDSE_USER", USER)
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)

    def make(network: dict[str, Any] | None = None, **scenes: Any) -> Settings:
        quick = {"backoff_s": 0.01, "timeout_s": 5.0, **(network or {})}
        return load_settings(home=tmp_path / "home", workers=2, network=quick, scenes=stand_in.scene_settings(**scenes))

    return make


@pytest.fixture(scope="session")
def synthetic_products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three products of a day with the bands of a crop: one that is kept, a cloudy one, a small one."""
    folder = tmp_path_factory.mktemp("synthetic")
    for spec in products_of_day(DAY, 1):
        if spec.kind in ("land", "cloud", "small"):
            write_product(replace(spec, bands=(4, 6, 8)), folder)
    return folder


@pytest.fixture
def served(stand_in: StandIn, synthetic_products: Path) -> StandIn:
    """The stand-in over those products; they are links, so that a test may damage its own copy."""
    for product in synthetic_products.glob("*.SEN3"):
        copy_linked(product, stand_in.products / product.name)
    return stand_in


def copy_linked(product: Path, to: Path) -> None:
    to.mkdir()
    for file in product.iterdir():
        os.link(file, to / file.name)


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is worked through and published; tests only read it."""
    return Day(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(day: Day, tmp_path: Path) -> Settings:
    """A copy of the published day to spoil."""
    shutil.copytree(day.settings.smcefr_folder, tmp_path / "smcefr")
    return load_settings(home=tmp_path)
