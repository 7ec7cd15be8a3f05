"""Labelled chips from Earth Engine, from the settings to the file; the service is the stand-in on loopback."""

from __future__ import annotations

import functools
import json

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials

from mosaic_assets.chips.cut import cut_region
from mosaic_assets.chips.formats import read_chip
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.settings import load_settings
from mosaic_assets.sources import earthengine
from mosaic_assets_tests.sources.earthengine_server import CRS, LEFT, PIXEL, TOP, Layer, World, earth_engine

SIDE = 48
LABELS = {  # in pixels of the grid: left, top, right, bottom
    "one": (2, 3, 14, 12),
    "two": (30, 30, 46, 40),
}


@pytest.fixture
def world():
    pixels = np.ma.array(np.random.default_rng(3).integers(1, 3_000, (SIDE, SIDE)))
    pixels[:4, :4] = np.ma.masked  # never observed
    return World({"basemap": [Layer("2020-01-02", "a", {"R": pixels, "N": pixels + 1})]})


@pytest.fixture
def settings(world, tmp_path, monkeypatch):
    boxes = [
        [[LEFT + x * PIXEL, TOP - y * PIXEL] for x, y in ((a, b), (c, b), (c, d), (a, d), (a, b))]
        for a, b, c, d in LABELS.values()
    ]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [box]}} for box in boxes
    ]
    (tmp_path / "labels.json").write_text(json.dumps(features))
    with earth_engine(world) as address:
        opened = functools.partial(earthengine.EarthEngineImagery, endpoint=address, credentials=AnonymousCredentials())
        monkeypatch.setattr(earthengine, "EarthEngineImagery", opened)
        yield load_settings(
            home=tmp_path / "home",
            workers=2,
            network={"backoff_s": 0.01},
            chips={
                "imagery": "earthengine",
                "collection": "basemap",
                "collection_bands": ("R", "N"),
                "begin": "2020-01-01",
                "end": "2020-02-01",
                "project": "p",
                "crs": CRS,
                "grid": (LEFT, TOP - SIDE * PIXEL, LEFT + SIDE * PIXEL, TOP, PIXEL),
                "labels": tmp_path / "labels.json",
                "label_crs": CRS,
                "patch": 16,
                "regions": 1,
                "buffer": 0,
                "licence": "test",
            },
        )
    ee.Reset()


def test_chips_have_the_composite_of_their_place_and_their_labels(settings, world):
    world.faults = [(429, {}, b"{}"), (503, {}, b"{}")]
    plan = split_labels(settings)
    assert world.attempts == 0  # a plan costs no request
    (region,) = plan.regions
    report = cut_region(settings, region)
    assert report.cut == len(plan.chips) == 5  # one cell holds the first label, four the second
    composite = np.ma.filled(world.collections["basemap"][0].bands["R"], 0)
    for chip in plan.chips:
        read = read_chip(settings.chips_folder, chip.path, chip.mask_path)
        rows, columns = slice(chip.row, chip.row + 16), slice(chip.column, chip.column + 16)
        np.testing.assert_array_equal(read.pixels[0], composite[rows, columns])
        expected = np.zeros((SIDE, SIDE), int)
        for a, b, c, d in LABELS.values():
            expected[b:d, a:c] = 1
        expected[:4, :4] = 255  # without an observation nothing can be learned
        np.testing.assert_array_equal(read.label, expected[rows, columns])


def test_chips_that_are_there_are_not_asked_for_again(settings, world):
    (region,) = split_labels(settings).regions
    cut_region(settings, region)
    asked = world.attempts
    report = cut_region(settings, region)
    assert (report.cut, report.kept, world.attempts) == (0, 5, asked)
