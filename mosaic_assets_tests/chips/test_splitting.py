"""Grid, regions and splits: integers, seeds, and no pixel in two splits whatever the overlap."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from sklearn.metrics import adjusted_rand_score

from mosaic_assets.chips.grid import Window, cell_window, cells_of, chip_id, offsets, windows_about
from mosaic_assets.chips.leakage import Shown, burner, leakage
from mosaic_assets.chips.plan_store import read_plan, split_labels
from mosaic_assets.chips.regions import make_regions
from mosaic_assets.chips.split import make_owners
from mosaic_assets.errors import LabelError
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.chips.conftest import CRS, HEIGHT, PATCH, WIDTH, ground, scattered

PATCHES, OVERLAPS = st.integers(1, 40), st.floats(0, 0.99)


@given(PATCHES, OVERLAPS)
def test_offsets_begin_at_the_corner_and_stay_in_the_cell(patch, overlap):
    found = offsets(patch, overlap)
    assert found[0] == 0
    assert all(0 <= at < patch for at in found)
    assert patch - found[-1] <= max(1, round(patch * (1 - overlap)))


@given(st.integers(0, 500), st.integers(0, 500), PATCHES)
def test_every_pixel_lies_in_exactly_one_cell(row, column, patch):
    cells = cells_of(Window(row, column, 1, 1), patch)
    assert len(cells) == 1
    window = cell_window(cells[0], patch)
    assert window.row <= row < window.row + patch
    assert window.column <= column < window.column + patch


@given(st.integers(0, 9), st.integers(0, 9), st.integers(2, 12), st.sampled_from([0.0, 0.25, 0.5, 0.8]))
def test_windows_about_a_cell_are_all_that_show_it(i, j, patch, overlap):
    size = (10 * patch - 1, 10 * patch - 1)
    starts = offsets(patch, overlap)
    everywhere = [c * patch + s for c in range(10) for s in starts]
    expected = [
        Window(row, column, patch, patch)
        for row in everywhere
        for column in everywhere
        if row < size[0] and column < size[1] and (i, j) in cells_of(Window(row, column, patch, patch), patch)
    ]
    assert sorted(windows_about((i, j), patch, overlap, size)) == sorted(expected)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 10**6), st.floats(0.01, 100))
def test_neighbours_have_ids_one_apart(left, top, column, pixel):
    transform = (pixel, 0.0, left, 0.0, -pixel, top)
    here, there = (chip_id(Window(5, at, 8, 8), transform, "1").split("_") for at in (column, column + 1))
    assert int(there[1]) - int(here[1]) == 1
    assert there[2] == here[2]


LABELLED = st.dictionaries(
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.dictionaries(st.sampled_from(["train", "validation", "test", "extra"]), st.integers(1, 50), min_size=1),
    min_size=1,
    max_size=25,
)


@hypothesis_settings(max_examples=40)
@given(
    LABELLED,
    st.sampled_from(["blocks", "column"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 0.8]),
)
def test_windows_of_two_splits_or_folds_share_no_pixel(pixels, split, block, folds, overlap):
    patch = 6
    chips = load_settings(chips={"split": split, "block": block, "folds": folds}).chips
    owners = make_owners(pixels, chips, seed=5)
    shown = []
    for cell in pixels:
        for window in windows_about(cell, patch, overlap, (13 * patch, 13 * patch)):
            keys = {owners.key(met) for met in cells_of(window, patch)}
            shown += [(window, keys.pop())] if len(keys) == 1 else []
    assert {cell_window(cell, patch) for cell in pixels} <= {
        window for window, _ in shown
    }  # nothing labelled is left out
    for at in (0, 1):
        assert not any(leakage([Shown(window, str(key[at])) for window, key in shown]).pairs.values())


def test_shares_come_near_those_wanted():
    draws = np.random.default_rng(0)
    pixels = {(i, j): {"": int(draws.integers(1, 100))} for i in range(40) for j in range(40)}
    chips = load_settings(chips={"validation_share": 0.2, "test_share": 0.1}).chips
    owners = make_owners(pixels, chips, seed=1)
    total, got = sum(sum(counts.values()) for counts in pixels.values()), {}
    for cell, counts in pixels.items():
        got[owners.split(cell)] = got.get(owners.split(cell), 0) + sum(counts.values())
    assert {name: round(count / total, 2) for name, count in got.items()} == {
        "train": 0.7,
        "validation": 0.2,
        "test": 0.1,
    }


def test_cell_of_two_splits_goes_to_the_one_with_more_and_ties_to_the_one_held_out():
    pixels = {(0, 0): {"train": 9, "test": 4}, (5, 5): {"train": 4, "test": 4}}
    owners = make_owners(pixels, load_settings(chips={"split": "column"}).chips, seed=0)
    assert (owners.split((0, 0)), owners.split((5, 5)), owners.split((1, 0))) == ("train", "test", "train")


def points_at(latitude):
    draws = np.random.default_rng(2)
    places = draws.uniform(0, 1, (300, 2)) * [4, 4] + [10, latitude]
    return shapely.buffer(shapely.points(places), 0.01)


@pytest.mark.parametrize(("latitude", "alike"), [(0, True), (60, False)])
def test_degrees_divide_as_an_equal_area_plane_does_at_the_equator_only(latitude, alike):
    shapes = points_at(latitude)
    centroids = shapely.get_coordinates(shapely.centroid(shapes)).T
    divided = [
        make_regions(shapes, "OGC:CRS84", 4, clustering, 7).of(*centroids)
        for clustering in ("equal_area", "planar_degrees")
    ]
    assert (adjusted_rand_score(*divided) > 0.9) is alike


def test_regions_across_the_date_line_stay_together():
    shapes = shapely.buffer(
        shapely.points([[179.9, 0], [-179.9, 0], [179.8, 0.1], [120, 0], [120.1, 0], [120, 0.1]]), 0.01
    )
    numbers = make_regions(shapes, "OGC:CRS84", 2, "equal_area", 1)
    x, y = shapely.get_coordinates(shapely.centroid(shapes)).T
    found = numbers.of(x, y).tolist()
    assert found[0] == found[1] == found[2] != found[3] == found[4] == found[5]


def test_more_regions_than_places_are_refused():
    with pytest.raises(LabelError, match=r"set chips\.regions to 1 or fewer"):
        make_regions([shapely.box(0, 0, 1, 1)] * 5, CRS, 2, "equal_area", 1)


def test_same_seed_gives_the_same_plan_and_another_seed_another(make_chips):
    plans = [split_labels(make_chips(home=home, seed=seed)) for home, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert plans[0].chips == plans[1].chips
    assert {(c.id, c.split) for c in plans[0].chips} != {(c.id, c.split) for c in plans[2].chips}


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("split", ["blocks", "column"])
def test_planned_chips_share_no_pixel_between_splits(make_chips, overlap, split):
    plan = split_labels(make_chips(overlap=overlap, split=split))
    found = leakage([Shown(chip.window, chip.split) for chip in plan.chips])
    assert len(found.distinct) == 3
    assert found.share == 0
    assert set(found.pairs.values()) == {0}
    assert (found.redundancy > 1) is (overlap > 0)


def test_taught_pixels_keep_their_distance_from_a_split_held_out(make_chips):
    buffer, settings = 3, make_chips(buffer=3, keep="all", block=1)
    plan = split_labels(settings)
    bands, owner = plan.bands(settings), {}
    for chip in plan.chips:
        taught = np.argwhere(bands.band(chip.window, chip.split) != 255) + np.array([chip.row, chip.column])
        owner.setdefault(chip.split, []).append(taught)
    test = np.concatenate(owner["test"])
    for split in ("train", "validation"):
        others = np.concatenate(owner[split])
        assert KDTree(test).query(others, p=np.inf)[0].min() > buffer


def test_every_label_pixel_has_one_fate(make_chips):
    frame = scattered(60)
    plan = split_labels(make_chips(frame, split="column", overlap=0.5))
    burnt = burner(list(frame.geometry), plan.transform)(Window(0, 0, HEIGHT, WIDTH))
    assert plan.account.total == int(burnt.sum())
    assert plan.account.other_split > 0


def test_min_label_drops_chips_and_says_how_many_pixels(make_chips):
    all_of, fewer = (split_labels(make_chips(home=str(m), min_label=m, buffer=0)) for m in (0.0, 0.3))
    assert len(fewer.chips) < len(all_of.chips)
    assert fewer.account.below_min_label > 0
    assert fewer.account.total == all_of.account.total == all_of.account.taught


def test_negatives_are_as_many_as_asked_for_in_each_split(make_chips):
    frame = scattered(8)
    every, some = (
        split_labels(make_chips(frame, home=f"n{n}", keep="all", negatives=n, buffer=0)) for n in (None, 0.5)
    )
    assert sum(not chip.positive for chip in every.chips) > sum(not chip.positive for chip in some.chips) > 0
    for split in {chip.split for chip in some.chips}:
        own = [chip.positive for chip in some.chips if chip.split == split]
        assert own.count(False) <= round(0.5 * own.count(True))


def test_ids_and_reference_names(make_chips):
    plan = split_labels(make_chips(naming="reference", domain="Tanzania", folds=2, format="png"))
    assert {chip.fold for chip in plan.chips} == {1, 2}
    first = next(chip for chip in plan.chips if (chip.fold, chip.split) == (1, "train"))
    assert first.path == "Chips/Tanzania/fold1/train/Tanzania_train_imgs_00000.png"
    assert len({chip.path for chip in plan.chips}) == len({chip.id for chip in plan.chips}) == len(plan.chips)
    # By hand: the raster begins 50,000.3 and 620,000.7 pixels from the CRS's origin.
    row, column = first.row, first.column
    assert first.id == f"32734_{50_000 + column}_{-620_001 + row}_{PATCH}"


def test_small_label_above_a_large_one_is_seen(make_chips):
    frame = gpd.GeoDataFrame(
        {"kind": ["small", "large"]}, geometry=[ground(20, 20, 4, 4), ground(10, 10, 30, 30)], crs=CRS
    )
    settings = make_chips(frame, class_column="kind", regions=1, buffer=0)
    plan = split_labels(settings)
    band = plan.bands(settings).band(Window(10, 10, 30, 30), "train")
    assert (band[10:14, 10:14] == plan.classes["small"]).all()
    assert int((band == plan.classes["large"]).sum()) == 900 - 16


@pytest.mark.parametrize(("touched", "count"), [(False, 16), (True, 25)])
def test_pixel_belongs_to_a_label_by_its_centre_or_by_touch(make_chips, touched, count):
    frame = gpd.GeoDataFrame(geometry=[ground(20.3, 20.3, 4, 4)], crs=CRS)
    plan = split_labels(make_chips(frame, regions=1, buffer=0, all_touched=touched))
    assert plan.account.taught == count


def test_damaged_plan_is_refused(make_chips):
    settings = make_chips()
    split_labels(settings)
    (settings.chips_folder / "plan.parquet").write_bytes(b"PAR1")
    with pytest.raises(LabelError, match="run `mosaic chips split` again"):
        read_plan(settings)
