"""Chips as files: the right pixels in every format, nothing cut twice, nothing half written, and checks that notice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from mosaic_assets.chips import cut as cutting
from mosaic_assets.chips.chip_checks import CHIP_CHECKS
from mosaic_assets.chips.cut import cut_region
from mosaic_assets.chips.dataset import make_dataset, read_manifest
from mosaic_assets.chips.footprints import footprints, footprints_state
from mosaic_assets.chips.formats import read_chip
from mosaic_assets.chips.imagery import TileImagery, open_imagery
from mosaic_assets.chips.ledger import ledger_path
from mosaic_assets.chips.plan_store import as_planned, read_plan, split_labels
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.core.records import Fetched, Outcome
from mosaic_assets.errors import (
    LabelError,
    MosaicError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
    UnknownNameError,
)
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.chips.conftest import (
    CRS,
    HEIGHT,
    LEFT,
    PATCH,
    PIXEL,
    TOP,
    WIDTH,
    cut_all,
    ground,
    scattered,
    write_raster,
)

CHECKS = {check.name: check for check in CHIP_CHECKS}


def failing(settings):
    return [name for name, check in CHECKS.items() if not run_check(check, settings, Scope.ALL).passed]


def files_of(settings):
    images = [
        path for name in ("images", "Chips") for path in (settings.chips_folder / name).rglob("*") if path.is_file()
    ]
    return {path.relative_to(settings.chips_folder).as_posix(): path.read_bytes() for path in images}


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


def test_nothing_is_fetched_twice(make_chips, monkeypatch):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    monkeypatch.setattr(cutting, "open_imagery", lambda _: pytest.fail("imagery was opened"))
    again = [cut_region(settings, region) for region in plan.regions]
    assert [(report.cut, report.kept) for report in again] == [(0, report.chips) for report in again]


def test_only_what_is_missing_damaged_or_relabelled_is_cut_again(make_chips):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    before, own = files_of(settings), [chip for chip in plan.chips if chip.region == plan.regions[0]]
    (settings.chips_folder / own[0].path).unlink()
    (settings.chips_folder / own[1].path).write_bytes(b"damaged")
    assert cut_region(settings, plan.regions[0]).cut == 2
    assert files_of(settings) == before
    labels = scattered(60)
    labels.loc[0, "geometry"] = labels.geometry[0].buffer(10)
    labels.to_file(settings.chips.labels)
    changed = split_labels(settings)
    cut = sum(cut_region(settings, region).cut for region in changed.regions)
    assert 0 < cut < len(changed.chips)


def test_chips_of_an_earlier_plan_go_with_the_next_manifest(make_chips):
    settings = make_chips()
    cut_all(settings)
    fewer = as_planned(settings).model_copy(update={"chips": settings.chips.model_copy(update={"min_label": 0.3})})
    plan, _, report = cut_all(fewer)
    assert report.removed > 0
    assert set(files_of(fewer)) == {chip.path for chip in plan.chips}


def test_plan_of_other_settings_is_not_cut(make_chips):
    settings = make_chips()
    plan = split_labels(settings)
    with pytest.raises(LabelError, match="made with other settings"):
        cut_region(make_chips(overlap=0.5), plan.regions[0])


def test_raster_that_changed_since_the_plan_is_not_cut(make_chips, tmp_path):
    settings = make_chips()
    plan = split_labels(settings)
    write_raster(tmp_path / "raster.tif", np.zeros((3, HEIGHT, WIDTH), np.uint8))
    with pytest.raises(LabelError, match="not that of the plan"):
        cut_region(settings, plan.regions[0])


def test_region_that_is_none_and_data_set_that_is_not_whole_are_refused(make_chips):
    settings = make_chips()
    plan = split_labels(settings)
    with pytest.raises(UnknownNameError, match="region-000"):
        cut_region(settings, "region-999")
    cut_region(settings, plan.regions[0])
    with pytest.raises(LabelError, match=rf"not whole.*{plan.regions[1]}"):
        make_dataset(settings)


def test_torn_line_in_the_ledger_costs_one_chip(make_chips):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    path = ledger_path(settings.chips_folder, plan.regions[0])
    path.write_bytes(path.read_bytes()[:-40])
    assert cut_region(settings, plan.regions[0]).cut == 1
    assert failing(settings) == []


KILLED = """
import sys, time
from mosaic_assets.chips import cut
from mosaic_assets.settings import load_settings
settings = load_settings(home=sys.argv[1], seed=1, workers=2, chips=eval(sys.argv[2]))
cut.BATCH, encode = 4, cut.encode
def slow(*given):
    time.sleep(0.05)
    return encode(*given)
cut.encode = slow
cut.cut_region(settings, "region-000")
"""


def test_killed_cut_goes_on_and_ends_with_the_same_bytes(make_chips):
    whole, killed = make_chips(home="whole", overlap=0.5), make_chips(home="killed", overlap=0.5)
    cut_all(whole)
    plan = split_labels(killed)
    table = killed.chips.model_dump(mode="json")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed.home), repr(table)], env={**os.environ})
    path = ledger_path(killed.chips_folder, "region-000")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.read_text().count("{") >= 8):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    own = [chip for chip in plan.chips if chip.region == "region-000"]
    report = cut_region(killed, "region-000")
    assert 0 < report.kept < len(own)
    assert report.kept + report.cut == len(own)
    for region in plan.regions[1:]:
        cut_region(killed, region)
    make_dataset(killed)
    assert files_of(killed) == files_of(whole)
    assert not list(killed.chips_folder.rglob("*.tmp"))


def test_failure_in_the_middle_keeps_what_is_cut(make_chips, monkeypatch):
    settings = make_chips()
    plan = split_labels(settings)
    calls, encode = [], cutting.encode

    def failing_once(*given):
        calls.append(given)
        if len(calls) == 5:
            raise SourceError("the imagery broke")
        return encode(*given)

    monkeypatch.setattr(cutting, "encode", failing_once)
    with pytest.raises(SourceError, match="broke"):
        cut_region(settings, plan.regions[0])
    assert cut_region(settings, plan.regions[0]).kept == len([c for c in plan.chips if c.region == plan.regions[0]]) - 1


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


def test_embedded_default_is_cut_offline_and_says_that_it_is_synthetic(tmp_path):
    settings = load_settings(
        home=tmp_path, chips={"class_column": "kind", "zoom": 13, "patch": 64, "regions": 2, "block": 1}
    )
    plan, _, report = cut_all(settings)
    manifest = read_manifest(settings)
    assert report.synthetic
    assert manifest["synthetic"].all()
    assert set(manifest["split"]) == {"train", "validation", "test"}
    assert plan.classes == {"cashew": 1, "maize": 2}
    with rasterio.open(settings.chips_folder / plan.chips[0].path) as dataset:
        assert dataset.tags()["SYNTHETIC"] == "yes"
    assert failing(settings) == []


def test_tiles_of_a_source_of_the_registry_are_cut_alike(make_chips, tmp_path):
    # The source `again` is the small raster, served as tiles at zoom 14.
    labels = scattered(20)
    paths = [str(tmp_path / "raster.tif")]
    again = {"kind": "raster", "paths": paths, "licence": "x", "attribution": "y", "default_zoom": 14}
    raster = make_chips(labels)
    table = raster.chips.model_dump(exclude_unset=True) | {
        "imagery": "xyz",
        "source": "again",
        "zoom": 14,
        "patch": 64,
        "regions": 1,
    }
    settings = load_settings(home=tmp_path / "xyz", sources={"again": again}, chips=table)
    with open_imagery(settings) as imagery:
        assert (imagery.crs, imagery.size, imagery.attribution) == ("EPSG:3857", (256 << 14, 256 << 14), "y")
    plan = split_labels(settings)
    assert all(chip.id.startswith("3857_") for chip in plan.chips)
    # The raster is smaller than a tile, so the source has no whole one: nothing is written, and nothing is black.
    assert {cut_region(settings, region).without_imagery for region in plan.regions} == {len(plan.chips)}


class Unreliable:
    """A tile source that has one tile, fails at another, and knows no other."""

    def __init__(self, outcome):
        from mosaic_assets.sources.embedded import EMBEDDED

        self.record, self._outcome = EMBEDDED, outcome

    def fetch(self, tiles):
        for tile in tiles:
            yield Fetched(tile, None, self._outcome, datetime.now(UTC), detail="as this test wants it")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("outcome", "kind"), [(Outcome.FETCH_FAILED, SourceUnavailableError), (Outcome.REFUSED, SourceError)]
)
def test_tile_that_fails_is_no_black_chip(outcome, kind):
    with (
        TileImagery(Unreliable(outcome), 3) as imagery,
        pytest.raises(kind, match="Chips cut so far are kept") as failed,
    ):
        imagery.read(0, 0, 64, 64)
    assert failed.value.passing is (outcome is Outcome.FETCH_FAILED)
    with TileImagery(Unreliable(Outcome.MISSING), 3) as imagery:
        assert np.ma.getmaskarray(imagery.read(0, 0, 64, 64)).all()


def test_window_across_four_tiles_is_the_tiles_side_by_side(tmp_path):
    settings = load_settings(home=tmp_path, chips={"zoom": 2})
    with open_imagery(settings) as imagery:
        across = imagery.read(200, 220, 100, 90)
        corners = [imagery.read(row, column, 256, 256) for row in (0, 256) for column in (0, 256)]
    whole = np.concatenate([np.concatenate(corners[:2], axis=2), np.concatenate(corners[2:], axis=2)], axis=1)
    assert np.array_equal(across, whole[:, 200:300, 220:310])


EARTH_ENGINE = {
    "imagery": "earthengine", "collection": "a/b", "collection_bands": ("B", "G"), "begin": "2021-01-01", "end": "2021-02-01",
    "project": "p", "crs": "EPSG:32734", "grid": (500_000, 6_190_000, 510_000, 6_200_000, 10),
}  # fmt: skip


def test_earth_engine_is_opened_on_the_grid_named_without_a_request():
    with open_imagery(load_settings(chips=EARTH_ENGINE)) as imagery:
        assert (imagery.size, imagery.bands, imagery.transform[:3]) == ((1000, 1000), ("B", "G"), (10, 0, 500_000))
    with pytest.raises(SettingsError, match=r"chips\.project are not set"):
        open_imagery(load_settings(chips=EARTH_ENGINE | {"project": ""}))
    with pytest.raises(SettingsError, match=r"1000\.500 x 1000\.000 pixels"):
        open_imagery(load_settings(chips=EARTH_ENGINE | {"grid": (499_995, 6_190_000, 510_000, 6_200_000, 10)}))


def test_two_processes_do_not_cut_one_region(make_chips):
    from mosaic_assets.store.files import holding

    settings = make_chips()
    plan = split_labels(settings)
    path = ledger_path(settings.chips_folder, plan.regions[0])
    with holding(path.with_suffix(".lock"), "this test"), pytest.raises(MosaicError, match="another process"):
        cut_region(settings, plan.regions[0])


def test_plan_survives_reading(make_chips):
    settings = make_chips()
    assert split_labels(settings) == read_plan(settings)
    assert Path(read_plan(settings).labels_path).exists()
