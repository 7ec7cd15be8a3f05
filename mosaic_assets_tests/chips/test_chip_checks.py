"""Checks of chips: damage done to a data set that passes all of them."""

from __future__ import annotations

import shutil

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from mosaic_assets.chips.dataset import read_manifest
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.chips.conftest import CHECKS, PATCH, cut_all, failing, scattered, write_raster


def rewrite_label(settings, chip, change):
    path = settings.chips_folder / chip.path
    with rasterio.open(path, "r+") as dataset:
        band = dataset.read(dataset.count)
        change(band)
        dataset.write(band, dataset.count)


def as_background(band):
    band[(band != 255)] = 0


def as_class_nine(band):
    band[0, 0] = 9


def lose_a_file(settings, plan):
    (settings.chips_folder / plan.chips[0].path).unlink()


def lose_a_label(settings, plan):
    rewrite_label(settings, plan.chips[0], as_background)


def make_a_class_up(settings, plan):
    rewrite_label(settings, plan.chips[0], as_class_nine)


def shift_the_imagery(settings, plan):
    with rasterio.open(settings.chips_folder / plan.chips[0].path, "r+") as dataset:
        dataset.write(np.roll(dataset.read(1), 1, axis=0), 1)


def shift_the_georeference(settings, plan):
    with rasterio.open(settings.chips_folder / plan.chips[0].path, "r+") as dataset:
        dataset.transform = dataset.transform * dataset.transform.translation(1, 0)


def add_a_file(settings, plan):
    shutil.copy(settings.chips_folder / plan.chips[0].path, settings.chips_folder / "images" / "train" / "more.tif")


def put_a_chip_into_two_splits(settings, plan):
    manifest = read_manifest(settings)
    twice = manifest[manifest["split"] == "train"].head(1).assign(split="test", id="other")
    gpd.pd.concat([manifest, twice]).to_parquet(settings.chips_folder / "manifest.parquet")


DAMAGES = [
    (lose_a_file, "chips_are_as_published"),
    (lose_a_label, "label_pixels_are_accounted_for"),
    (make_a_class_up, "image_and_label_are_aligned"),
    (shift_the_imagery, "image_and_label_are_aligned"),
    (shift_the_georeference, "image_and_label_are_aligned"),
    (add_a_file, "manifest_and_chips_agree"),
    (put_a_chip_into_two_splits, "splits_share_no_pixel"),
    (put_a_chip_into_two_splits, "manifest_and_chips_agree"),
]


@pytest.fixture(scope="module")
def cut_once(tmp_path_factory):
    """A data set that is cut and passes every check, with the plan of it."""
    folder = tmp_path_factory.mktemp("once")
    scattered(60).to_file(folder / "labels.gpkg")
    chips = {
        "raster": write_raster(folder / "raster.tif"),
        "labels": folder / "labels.gpkg",
        "imagery": "raster",
        "patch": PATCH,
    }
    settings = load_settings(home=folder / "home", workers=2, chips={**chips, "regions": 2, "buffer": 2})
    plan, _, _ = cut_all(settings)
    assert failing(settings) == []
    return settings, plan


@pytest.mark.parametrize(("damage", "check"), DAMAGES, ids=lambda given: getattr(given, "__name__", given))
def test_damage_is_noticed(cut_once, tmp_path, damage, check):
    once, plan = cut_once
    shutil.copytree(once.home, tmp_path / "home")
    settings = once.model_copy(update={"home": tmp_path / "home"})
    damage(settings, plan)
    result = run_check(CHECKS[check], settings, Scope.ALL)
    assert not result.passed, result


def test_labels_that_changed_since_the_plan_are_noticed(make_chips):
    settings = make_chips()
    split_labels(settings)
    scattered(60, seed=4).to_file(settings.chips.labels)
    assert not run_check(CHECKS["every_label_is_planned_for"], settings, Scope.ALL).passed


def test_checks_have_nothing_against_a_home_without_chips(make_chips):
    results = [run_check(check, make_chips(), Scope.ALL) for check in CHECKS.values()]
    assert {(result.passed, result.summary.startswith("nothing to look at")) for result in results} == {(True, True)}


def test_checks_go_by_the_settings_of_the_plan(cut_once):
    settings, _ = cut_once
    assert failing(load_settings(home=settings.home)) == []
