"""Real imagery and labels: an aerial picture of Swellendam with OpenStreetMap buildings and farm outlines."""

from __future__ import annotations

from mosaic_assets.chips.leakage import LabelledWindow, Shown, label_loss, leakage
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.chips.conftest import cut_all, failing
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data

FOLDER = SHARED_DATA / "swellendam"
IMAGE = FOLDER / "3420B_2010_328_RGB_LATLNG.tif"
pytestmark = needs_shared_data


def settings_of(tmp_path, name, **chips):
    given = {
        "imagery": "raster",
        "raster": IMAGE,
        "labels": FOLDER / name,
        "patch": 128,
        "domain": "Swellendam",
        **chips,
    }
    return load_settings(home=tmp_path, workers=2, chips=given)


def test_buildings_are_cut_without_loss_or_leak(tmp_path):
    settings = settings_of(tmp_path, "buildings_osm.geojson", regions=3, buffer=0)
    plan, _, report = cut_all(settings)
    # By the README of the data: 4,708 buildings, 20 of them inside the picture.
    assert (plan.found, plan.found - plan.without_pixel) == (4708, 20)
    assert plan.account.taught == plan.account.total == 1287
    assert report.chips == len(plan.chips) == 8
    assert failing(settings) == []


def test_farms_are_cut_with_overlap_without_leak(tmp_path):
    settings = settings_of(tmp_path, "farms.geojson", regions=3, overlap=0.5, patch=256)
    plan = split_labels(settings)
    assert (plan.found, len(plan.rejects)) == (411, 3)
    assert {reject.action for reject in plan.rejects} == {"repaired"}
    assert plan.account.total == 2_600_255
    assert plan.account.taught / plan.account.total > 0.95
    found = leakage([Shown(chip.window, chip.split) for chip in plan.chips])
    assert set(found.distinct) == {"train", "validation", "test"}
    assert found.share == 0
    bands = plan.bands(settings)
    shown = [LabelledWindow(chip.window, bands.band(chip.window, chip.split)) for chip in plan.chips]
    loss = label_loss(shown, list(plan.labels().geometry), plan.transform)
    assert (loss.lost, loss.made_up) == (0, 0)


def test_regions_of_an_area_without_its_own_labels_are_not_made(tmp_path):
    plan = split_labels(settings_of(tmp_path, "farms.geojson", regions=4))
    # 371 of 411 farms lie outside the picture; each region still has chips.
    assert len(plan.regions) == 4
