"""Chips as files: the right pixels in every format, in their place, and the same bytes for the same settings."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from mosaic_assets.chips.dataset import read_manifest
from mosaic_assets.chips.footprints import footprints, footprints_state
from mosaic_assets.chips.formats import read_chip
from mosaic_assets.chips.plan_store import read_plan, split_labels
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.errors import LabelError, SettingsError
from mosaic_assets_tests.chips.conftest import (
    CHECKS,
    CRS,
    HEIGHT,
    LEFT,
    PATCH,
    PIXEL,
    TOP,
    WIDTH,
    cut_all,
    failing,
    files_of,
    ground,
    scattered,
    write_raster,
)


@pytest.mark.parametrize("name", ["geotiff", "zipped_geotiff", "npy", "png", "jpg"])
def test_every_format_holds_the_pixels_of_its_place(make_chips, name):
    settings = make_chips(format=name, class_column="kind")
    plan, _, report = cut_all(settings)
    assert report.chips == len(plan.chips)
    for chip in plan.chips[:6]:
        read = read_chip(settings.chips_folder, chip.path, chip.mask_path)
        # The raster's first band is the row, its second the column.
        rows, columns = (np.arange(first, first + PATCH) for first in (chip.row, chip.column))
        inside = np.ix_(rows < HEIGHT, columns < WIDTH)
        expected = np.broadcast_to(rows[:, None], (PATCH, PATCH)), np.broadcast_to(columns, (PATCH, PATCH))
        for band, value in zip(read.pixels[:2].astype(int), expected, strict=True):
            difference = np.abs(band[inside] - value[inside])
            assert difference.mean() <= (4 if name == "jpg" else 0)
        assert set(np.unique(read.label)) <= {0, 1, 2, 255}
        assert (read.label[rows >= HEIGHT] == 255).all()
    for check in ("image_and_label_are_aligned", "label_pixels_are_accounted_for", "splits_share_no_pixel"):
        assert run_check(CHECKS[check], settings, Scope.NEWEST).passed


def test_geotiff_lies_where_its_pixels_do(make_chips):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    chip = plan.chips[-1]
    with rasterio.open(settings.chips_folder / chip.path) as dataset:
        assert dataset.crs == CRS
        assert (dataset.transform.c, dataset.transform.f) == (LEFT + PIXEL * chip.column, TOP - PIXEL * chip.row)
        assert dataset.descriptions[-1] == "label"
        assert dataset.nodata is None  # 0 is background in the label band, not absence


def test_known_shape_is_burnt_on_its_own_pixels(make_chips):
    settings = make_chips(gpd.GeoDataFrame(geometry=[ground(18, 35, 5, 7)], crs=CRS), regions=1, buffer=0)
    plan, _, _ = cut_all(settings)
    found = np.zeros((HEIGHT + PATCH, WIDTH + PATCH), int)
    for chip in plan.chips:
        label = read_chip(settings.chips_folder, chip.path, "").label
        found[chip.row : chip.row + PATCH, chip.column : chip.column + PATCH] = np.where(label == 255, 0, label)
    assert sorted(map(tuple, np.argwhere(found))) == [
        (row, column) for row in range(18, 23) for column in range(35, 42)
    ]


def test_pixels_without_imagery_are_ignored(make_chips, tmp_path):
    pixels = np.full((1, HEIGHT, WIDTH), 500, np.uint16)
    pixels[:, :40] = 9
    raster = write_raster(tmp_path / "gaps.tif", pixels, nodata=9)
    settings = make_chips(raster=raster, buffer=0)
    plan, reports, report = cut_all(settings)
    assert sum(r.without_imagery for r in reports) == report.without_imagery > 0
    assert read_manifest(settings)["row"].min() >= 40 - PATCH
    for chip in plan.chips:
        if (settings.chips_folder / chip.path).exists():
            read = read_chip(settings.chips_folder, chip.path, "")
            assert ((read.pixels[0] == 500) | (read.label == 255)).all()
    assert failing(settings) == []


def test_imagery_that_is_empty_everywhere_makes_no_data_set(make_chips, tmp_path):
    raster = write_raster(tmp_path / "empty.tif", np.full((1, HEIGHT, WIDTH), 9, np.uint8), nodata=9)
    with pytest.raises(LabelError, match="has imagery"):
        cut_all(make_chips(raster=raster))


def test_class_called_background_has_a_column_of_its_own(make_chips):
    frame = scattered(20).assign(kind="background")
    settings = make_chips(frame, class_column="kind", regions=1)
    cut_all(settings)
    manifest = read_manifest(settings)
    assert np.allclose(manifest["share_background"] + manifest["share_ignored"] + manifest["share_class background"], 1)
    assert failing(settings) == []


def test_warped_raster_is_cut_on_the_grid_of_the_other_crs(make_chips):
    settings = make_chips(crs="EPSG:3857", buffer=0)
    plan, _, _ = cut_all(settings)
    assert (plan.crs, plan.chips[0].id.split("_")[0]) == ("EPSG:3857", "3857")
    assert failing(settings) == []


def test_crs_without_a_code_is_cut(make_chips, tmp_path):
    raster = write_raster(
        tmp_path / "odd.tif", crs="+proj=tmerc +lat_0=0 +lon_0=21 +k=0.9996 +x_0=500000 +y_0=10000000 +ellps=bessel"
    )
    settings = make_chips(raster=raster)
    plan, _, _ = cut_all(settings)
    assert plan.chips[0].id.startswith("crs")
    assert failing(settings) == []


@pytest.mark.parametrize("name", ["png", "jpg"])
def test_picture_of_sixteen_bits_is_refused_at_the_plan(make_chips, tmp_path, name):
    raster = write_raster(tmp_path / "deep.tif", np.ones((4, HEIGHT, WIDTH), np.uint16))
    with pytest.raises(SettingsError, match="4 of uint16"):
        split_labels(make_chips(raster=raster, format=name))


def test_same_settings_give_the_same_bytes(make_chips):
    one, other = make_chips(home="a"), make_chips(home="b", workers=1)
    reports = [cut_all(settings)[2] for settings in (one, other)]
    assert files_of(one) == files_of(other)
    assert reports[0].path.read_bytes() == reports[1].path.read_bytes()


def test_footprints_are_those_of_the_manifest(make_chips):
    settings = make_chips()
    assert (list(footprints(settings)), footprints_state(settings)) == ([], "")
    plan, _, _ = cut_all(settings)
    parts = dict(footprints(settings))
    assert sorted(parts) == plan.regions
    scenes = [scene for part in parts.values() for scene, _ in part]
    assert {scene.id for scene in scenes} == {chip.id for chip in plan.chips}
    assert {scene.platform for scene in scenes} == {"chips"}
    west, south, east, north = gpd.GeoSeries([g for part in parts.values() for _, g in part], crs=4326).total_bounds
    assert (20.5 < west < east < 21.5) and (-34.6 < south < north < -34)


def test_plan_survives_reading(make_chips):
    settings = make_chips()
    assert split_labels(settings) == read_plan(settings)
    assert Path(read_plan(settings).labels_path).exists()
