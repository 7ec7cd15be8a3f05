from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import geopandas
import pytest

from mosaic_assets.core.checks import Scope
from mosaic_assets.scenes.catalog import catalogue_path, publish_catalogue
from mosaic_assets.scenes.catalog_checks import catalogues_are_sound
from mosaic_assets.settings import Settings, load_settings

DAY, NEXT = date(2024, 6, 1), date(2024, 6, 2)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    publish_catalogue(settings, DAY)
    return settings


def test_a_published_catalogue_is_sound(settings: Settings) -> None:
    found = catalogues_are_sound(settings, Scope.ALL)
    assert (found.passed, found.summary) == (True, "6 scene(s) of 1 day(s) (all)")


def test_a_home_without_catalogues_passes(tmp_path: Path) -> None:
    assert catalogues_are_sound(load_settings(home=tmp_path / "none"), Scope.ALL).passed


def test_a_catalogue_of_another_day_is_told(settings: Settings) -> None:
    shutil.copyfile(catalogue_path(settings, DAY), catalogue_path(settings, NEXT))
    found = catalogues_are_sound(settings, Scope.NEWEST)
    assert not found.passed and "began on 2024-06-01" in found.summary
    assert "6 scene(s) of 1 day(s) (newest)" in found.summary


def test_a_scene_that_is_listed_twice_is_told(settings: Settings) -> None:
    path = catalogue_path(settings, DAY)
    rows = geopandas.read_parquet(path)
    rows.iloc[[0, 0, 1]].to_parquet(path)
    found = catalogues_are_sound(settings, Scope.ALL)
    assert not found.passed and f"{rows['product'][0]} is listed twice" in found.summary


def test_a_scene_of_copernicus_needs_its_id(settings: Settings) -> None:
    path = catalogue_path(settings, DAY)
    rows = geopandas.read_parquet(path)
    rows["source"] = "copernicus"
    rows.to_parquet(path)
    found = catalogues_are_sound(settings, Scope.ALL)
    assert not found.passed and "no id to fetch it by" in found.summary


def test_a_damaged_catalogue_is_told_with_its_remedy(settings: Settings) -> None:
    catalogue_path(settings, DAY).write_bytes(b"PAR1 no")
    found = catalogues_are_sound(settings, Scope.ALL)
    assert not found.passed and "mosaic scenes catalog --day 2024-06-01" in found.summary
