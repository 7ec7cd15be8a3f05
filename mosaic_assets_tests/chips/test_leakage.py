"""Shared pixels, redundancy and lost labels, counted by hand and against plain sets."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import Window as RasterWindow
from shapely.affinity import rotate
from shapely.geometry import Polygon, box, mapping

from mosaic_assets.chips.chip_checks import CHIP_CHECKS
from mosaic_assets.chips.cut import cut_region
from mosaic_assets.chips.dataset import make_dataset
from mosaic_assets.chips.leakage import (
    BLOCK,
    LabelledWindow,
    Shown,
    Window,
    burner,
    label_loss,
    leakage,
    window_of,
)
from mosaic_assets.chips.plan import make_plan
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.errors import LabelError
from mosaic_assets.settings import load_settings

METRES = Affine(10, 0, 500_000, 0, -10, 6_200_000)


def pixels_of(chip):
    """The pixels of a chip as a plain set, one by one."""
    row, column, height, width = chip.window
    return {
        (row + i, column + j) for i in range(height) for j in range(width) if chip.counts is None or chip.counts[i, j]
    }


def test_chips_side_by_side_share_nothing():
    found = leakage([Shown(Window(0, 0, 8, 8), "train"), Shown(Window(0, 8, 8, 8), "test")])
    assert (found.shared, found.share, found.redundancy) == (0, 0.0, 1.0)


def test_pixel_in_three_splits_is_shared_once():
    found = leakage([Shown(Window(0, 0, 2, 2), split) for split in ("train", "validation", "test")])
    assert found.shared == 4
    assert found.pairs == {("test", "train"): 4, ("test", "validation"): 4, ("train", "validation"): 4}
    assert (found.redundancy, found.chips) == (3.0, 3)


def test_overlap_within_a_split_is_redundancy_not_leakage():
    found = leakage([Shown(Window(0, column, 10, 10), "test") for column in range(0, 50, 2)])
    assert found.share == 0
    assert found.redundancy == 25 * 100 / (10 * 58)


def test_pixels_that_do_not_count_are_not_shared():
    half = np.zeros((4, 4), bool)
    half[:, :2] = True
    found = leakage([Shown(Window(0, 0, 4, 4), "train", half), Shown(Window(0, 0, 4, 4), "test", ~half)])
    assert (found.shared, found.distinct) == (0, {"train": 8, "test": 8})


def test_held_out_split_that_no_chip_has_leaks_nothing():
    found = leakage([Shown(Window(0, 0, 4, 4), "train")])
    assert (found.share, found.shared) == (0.0, 0)


def test_no_chips_have_no_figures():
    found = leakage([])
    assert (found.share, found.redundancy, found.chips, found.pairs) == (0.0, 0.0, 0, {})


def test_windows_across_blocks_and_before_the_origin_are_counted_whole():
    chips = [Shown(Window(-5, BLOCK - 3, 10, 7), "train"), Shown(Window(-1, BLOCK, 2, 2 * BLOCK), "test")]
    found = leakage(chips)
    assert found.distinct == {"train": 70, "test": 4 * BLOCK}
    assert found.shared == 2 * 4


NEAR_A_BLOCK = st.integers(-6, 6) | st.integers(BLOCK - 6, BLOCK + 6)
CHIPS = st.lists(
    st.builds(
        Shown,
        st.builds(Window, NEAR_A_BLOCK, NEAR_A_BLOCK, st.integers(1, 9), st.integers(1, 9)),
        st.sampled_from(["train", "validation", "test"]),
    ),
    max_size=12,
)


@given(CHIPS)
def test_figures_equal_those_of_plain_sets(chips):
    sets = {}
    for chip in chips:
        sets.setdefault(chip.split, set()).update(pixels_of(chip))
    others = set().union(*(pixels for split, pixels in sets.items() if split != "test"))
    found = leakage(chips)
    assert found.distinct == {split: len(pixels) for split, pixels in sets.items()}
    assert found.shared == len(sets.get("test", set()) & others)
    assert found.union == len(set().union(*sets.values()))
    assert found.pairs == {pair: len(sets[pair[0]] & sets[pair[1]]) for pair in found.pairs}


def test_more_than_eight_splits_are_refused():
    with pytest.raises(LabelError, match="more than 8 splits"):
        leakage([Shown(Window(0, 0, 1, 1), f"fold {number}") for number in range(9)])


def test_counts_of_another_shape_are_refused():
    with pytest.raises(LabelError, match=r"shape \(3, 4\)"):
        leakage([Shown(Window(0, 0, 4, 4), "test", np.ones((3, 4), bool))])


FIELDS = [
    Polygon([(500_013, 6_199_995), (500_092, 6_199_980), (500_050, 6_199_905)]),
    box(500_100, 6_199_900, 500_160, 6_199_960),
]


@pytest.mark.parametrize("all_touched", [False, True])
def test_burning_window_by_window_equals_burning_at_once(all_touched):
    whole = rasterize(FIELDS, out_shape=(20, 24), transform=METRES, all_touched=all_touched)
    burn = burner(FIELDS, METRES, all_touched=all_touched)
    for row in range(-4, 20, 7):
        for column in range(-4, 24, 5):
            inside = burn(Window(row, column, 7, 5))
            for (i, j), value in np.ndenumerate(inside):
                there = (row + i, column + j)
                in_picture = 0 <= there[0] < 20 and 0 <= there[1] < 24
                assert value == (bool(whole[there]) if in_picture else False)


def test_labels_burnt_whole_lose_nothing():
    window = Window(0, 0, 12, 18)
    found = label_loss([LabelledWindow(window, burner(FIELDS, METRES)(window).astype(int))], FIELDS, METRES)
    assert (found.lost, found.ignored, found.made_up, found.chips_touched) == (0, 0, 0, 0)
    # By their corners the square has 3,600 m2 and the triangle 3,277.5 m2, in pixels of 100 m2.
    assert found.positive == pytest.approx(36 + 32.775, abs=4)


def test_positive_of_a_neighbour_labelled_background_is_lost():
    window = Window(0, 0, 12, 18)
    own = burner(FIELDS[:1], METRES)(window).astype(int)
    found = label_loss(
        [LabelledWindow(window, own), LabelledWindow(Window(40, 40, 4, 4), np.zeros((4, 4), int))], FIELDS, METRES
    )
    assert (found.lost, found.chips_touched, found.chips) == (36, 1, 2)
    assert found.share == 36 / found.positive
    assert found.chips_share == 0.5


def test_ignored_positive_is_not_lost_and_label_outside_polygons_is_made_up():
    window = Window(0, 0, 12, 18)
    labels = np.where(burner(FIELDS, METRES)(window), 255, 0)
    labels[11, 17] = 3
    found = label_loss([LabelledWindow(window, labels)], FIELDS, METRES)
    assert (found.lost, found.ignored, found.made_up) == (0, found.positive, 1)


def test_label_band_of_another_shape_is_refused():
    with pytest.raises(LabelError, match=r"label band of shape \(4, 5\)"):
        label_loss([LabelledWindow(Window(0, 0, 4, 4), np.zeros((4, 5), int))], FIELDS, METRES)


@pytest.mark.parametrize("shape", [None, Polygon()])
def test_geometry_without_area_covers_nothing(shape):
    assert not burner([shape], METRES)(Window(0, 0, 4, 4)).any()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 40), st.integers(1, 40))
def test_window_of_a_window_s_own_box_is_the_window(row, column, height, width):
    left, top = METRES @ (column, row)
    right, bottom = METRES @ (column + width, row + height)
    assert window_of((left, bottom, right, top), METRES) == Window(row, column, height, width)


class Ground:
    """Imagery of which only the grid is asked for."""

    crs, transform, bands, dtype, nodata = (
        "EPSG:32734",
        (10.0, 0.0, 500_000.0, 0.0, -10.0, 6_200_000.0),
        ("a",),
        "uint8",
        None,
    )
    identity, licence, attribution = "ground", "", ""

    def __init__(self, size):
        self.size = size


@st.composite
def situations(draw):
    """Settings of every kind, with turned rectangles in, about and beyond the imagery."""
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, count = tuple(numbers.integers(30, 100, 2).tolist()), int(numbers.integers(4, 30))
    corners = numbers.uniform(-60, 1, (count, 2)) + numbers.uniform(0, 1, (count, 2)) * (10 * size[1], 10 * size[0])
    shapes = [
        rotate(box(500_000 + x, 6_200_000 - y - side, 500_000 + x + side, 6_200_000 - y), turn)
        for (x, y), side, turn in zip(
            corners, numbers.uniform(5, 300, count), numbers.uniform(0, 90, count), strict=True
        )
    ]
    options = {
        "patch": draw(st.integers(4, 30)),
        "overlap": draw(st.sampled_from([0.0, 0.5, 0.8])),
        "split": draw(st.sampled_from(["blocks", "column"])),
        "buffer": draw(st.sampled_from([0, 5, 40])),
        "block": draw(st.integers(1, 3)),
        "folds": draw(st.integers(1, 3)),
        "keep": draw(st.sampled_from(["positive", "all"])),
        "all_touched": draw(st.booleans()),
        "regions": draw(st.integers(1, 3)),
    }
    splits = numbers.choice(["train", "validation", "test"], count)
    return size, shapes, splits, options


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(situations())
def test_plan_leaks_no_pixel_and_accounts_for_every_label_pixel(tmp_path_factory, situation):
    size, shapes, splits, options = situation
    folder = tmp_path_factory.mktemp("plan")
    features = [
        {"type": "Feature", "properties": {"split": split}, "geometry": mapping(shape)}
        for split, shape in zip(splits.tolist(), shapes, strict=True)
    ]
    (folder / "labels.json").write_text(json.dumps(features))
    given_chips = {"imagery": "raster", "labels": folder / "labels.json", "label_crs": Ground.crs, **options}
    ours = load_settings(home=folder, chips=given_chips)
    try:
        plan = make_plan(ours, Ground(size))
    except LabelError as error:
        assert "no chip would be positive" in str(error) or "no label can be burnt" in str(error)
        return
    assert not any(leakage(Shown(chip.window, chip.split) for chip in plan.chips).pairs.values())
    assert not any(leakage(Shown(chip.window, str(chip.fold)) for chip in plan.chips).pairs.values())
    burn = burner(shapes, Ground.transform, all_touched=options["all_touched"])
    assert plan.account.total == np.count_nonzero(burn(Window(0, 0, *size)))


def failed_checks(ours, asset):
    results = [(check.name, run_check(check, ours, Scope.ALL)) for check in CHIP_CHECKS if check.asset == asset]
    return [(name, result.summary) for name, result in results if not result.passed]


def test_chips_of_a_new_plan_pass_their_checks_before_the_manifest_is_made(make_chips):
    """A blocking failure here would keep chip_dataset, which removes the old chips, from ever running."""
    ours = make_chips(seed=1)
    for region in split_labels(ours).regions:
        cut_region(ours, region)
    make_dataset(ours)
    other = ours.model_copy(update={"seed": 2})
    for region in split_labels(other).regions:
        cut_region(other, region)
    assert failed_checks(other, "chips") == []


def test_missing_chip_fails_the_checks_of_the_data_set_in_words(make_chips):
    ours = make_chips()
    plan = split_labels(ours)
    for region in plan.regions:
        cut_region(ours, region)
    make_dataset(ours)
    (ours.chips_folder / plan.chips[0].path).unlink()
    assert "splits_share_no_pixel" in dict(failed_checks(ours, "chip_dataset"))


def test_raster_changed_in_its_middle_is_cut_again(make_chips, tmp_path):
    path = tmp_path / "large.tif"
    profile = {"driver": "GTiff", "crs": "EPSG:32734", "transform": METRES, "dtype": "uint8", "count": 3}
    pixels = np.zeros((3, 1_100, 1_000), np.uint8)
    with rasterio.open(path, "w", height=1_100, width=1_000, **profile) as out:
        out.write(pixels)
    labels = gpd.GeoDataFrame(geometry=[box(505_000, 6_194_000, 505_200, 6_194_200)], crs="EPSG:32734")
    ours = make_chips(labels, raster=path, regions=1)
    (region,) = split_labels(ours).regions
    cut_region(ours, region)
    with rasterio.open(path, "r+") as out:
        out.write(pixels[:, 500:700] + 9, window=RasterWindow(0, 500, 1_000, 200))
    split_labels(ours)
    assert cut_region(ours, region).cut > 0
