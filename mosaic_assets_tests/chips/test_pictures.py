"""Pictures are PNGs of the right content: read back pixel by pixel where that can be told."""

from __future__ import annotations

import io

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from shapely.geometry import MultiPolygon, Point, Polygon, box

from mosaic_assets.chips.leakage import IGNORE
from mosaic_assets.chips.overlays import ChipPicture, as_rgb, overlay_sheet
from mosaic_assets.chips.palette import CLASS_COLOURS, SPLIT_COLOURS
from mosaic_assets.chips.pictures import class_balance, split_map
from mosaic_assets.errors import LabelError

SIDE = 64


def opened(png):
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def rgb(colour):
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def has(picture, colour, tolerance=12):
    return bool((np.abs(picture - rgb(colour)).max(axis=2) <= tolerance).any())


def chips_at(splits, crs="EPSG:4326"):
    shapes = [box(20 + 0.01 * i, -34, 20.01 + 0.01 * i, -33.99) for i in range(len(splits))]
    return gpd.GeoDataFrame({"split": splits}, geometry=shapes, crs=crs)


def chip(labels=None, pixels=None, split="train", name="4326_0_0_64"):
    labels = np.zeros((SIDE, SIDE), np.uint8) if labels is None else labels
    pixels = np.full((3, SIDE, SIDE), 100, np.uint8) if pixels is None else pixels
    return ChipPicture(name, split, pixels, labels)


def drawn(one, **options):
    """The square of a sheet that shows its only chip, unscaled."""
    return opened(overlay_sheet([one], side=SIDE, **options))[10 : 10 + SIDE, 10 : 10 + SIDE]


def test_map_has_the_colour_of_each_split_and_of_no_other():
    picture = opened(split_map(chips_at(["train", "train", "test"])))
    blended = {
        split: "#" + "".join(f"{round(0.75 * value + 0.25 * 255):02X}" for value in rgb(colour))
        for split, colour in SPLIT_COLOURS.items()
    }
    assert has(picture, blended["train"])
    assert has(picture, blended["test"])
    assert not has(picture, blended["validation"])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32734", None])
def test_map_is_drawn_whatever_the_crs(crs):
    assert opened(split_map(chips_at(["train", "fold 7"], crs=crs))).size


def test_map_of_no_chips_is_a_picture_too():
    assert opened(split_map(chips_at([]))).size


def test_map_draws_outlines_of_labels_of_any_kind():
    ring = Polygon([(20, -34), (20.01, -34), (20, -33.99)], [[(20.002, -33.998), (20.004, -33.998), (20.002, -33.996)]])
    labels = gpd.GeoSeries(
        [MultiPolygon([ring]), Polygon(), Point(20.005, -33.995), box(90, 0, 91, 1)], crs="EPSG:4326"
    )
    chips = chips_at(["train"])
    assert split_map(chips, labels=labels) != split_map(chips)


def test_pictures_of_the_same_chips_are_the_same_bytes():
    chips, pixels = chips_at(["train", "test"]), {"train": {"farm": 3, "background": 7}}
    assert split_map(chips) == split_map(chips)
    assert class_balance(pixels) == class_balance(pixels)
    assert overlay_sheet([chip()]) == overlay_sheet([chip()])


@pytest.mark.parametrize(
    "draw",
    [
        lambda **o: split_map(chips_at(["train"]), **o),
        lambda **o: class_balance({"train": {"farm": 1}}, **o),
        lambda **o: overlay_sheet([chip()], **o),
    ],
)
def test_synthetic_chips_are_called_so_in_red(draw):
    assert has(opened(draw(synthetic=True)), "#B00000", tolerance=40)
    assert not has(opened(draw(synthetic=False, attribution="ours")), "#B00000", tolerance=40)


def test_balance_has_bars_as_long_as_shares():
    picture = opened(class_balance({"train": {"farm": 250, "background": 750}}))
    row = max(picture, key=lambda line: (line == rgb(CLASS_COLOURS[0])).all(axis=1).sum())
    farm = (row == rgb(CLASS_COLOURS[0])).all(axis=1).sum()
    rest = (row == rgb("#BDBDBD")).all(axis=1).sum()
    assert farm / (farm + rest) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("pixels", [{}, {"train": {}}, {"train": {"farm": 0}}])
def test_balance_of_nothing_is_a_picture_too(pixels):
    assert opened(class_balance(pixels)).size


def test_chip_without_labels_shows_its_imagery_as_it_is():
    pixels = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
    np.testing.assert_array_equal(drawn(chip(pixels=pixels)), np.moveaxis(pixels, 0, 2))


def test_label_is_outlined_just_inside_its_edge_and_veiled_within():
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[20:40, 10:50] = 1
    square = drawn(chip(labels))
    np.testing.assert_array_equal(square[20, 30], rgb(CLASS_COLOURS[0]))
    np.testing.assert_array_equal(square[39, 30], rgb(CLASS_COLOURS[0]))
    np.testing.assert_array_equal(square[30, 10], rgb(CLASS_COLOURS[0]))
    np.testing.assert_array_equal(square[19, 30], [0, 0, 0])
    np.testing.assert_array_equal(square[10, 30], [100, 100, 100])
    np.testing.assert_allclose(square[30, 30], 80 + 0.2 * rgb(CLASS_COLOURS[0]), atol=1)


def test_ignored_pixels_are_striped_and_not_taken_for_a_class():
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[:, 32:] = IGNORE
    square = drawn(chip(labels))
    assert (square[:, :32] == 100).all()
    assert (square[:, 32:] == 235).all(axis=2).mean() == pytest.approx(3 / 8, abs=0.02)


@pytest.mark.parametrize("size", [(16, 16), (256, 256), (300, 200), (1, 1)])
def test_chips_of_any_size_are_fitted(size):
    one = chip(np.ones(size, np.uint8), np.full((4, *size), 9, np.uint16))
    assert opened(overlay_sheet([one] * 5)).size


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_sheet_has_room_for_every_chip(count):
    picture = Image.open(io.BytesIO(overlay_sheet([chip()] * count, side=100, columns=4)))
    assert picture.height >= 100 * -(-max(count, 1) // 4)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(LabelError, match="both must lie on the same pixels"):
        overlay_sheet([chip(np.zeros((SIDE, SIDE + 1), np.uint8))])


def test_long_names_and_many_classes_are_drawn():
    labels = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) % 30
    one = chip(labels, name="a" * 300)
    assert opened(overlay_sheet([one], class_names={1: "farm", 2: "Größe, 15 m²"})).size


@pytest.mark.parametrize(
    ("pixels", "nodata", "expected"),
    [
        (np.full((1, 1, 2), 7, np.uint8), None, [[7] * 3, [7] * 3]),
        (np.array([[[1, 3]], [[1, 3]], [[1, 3]], [[0, 0]]], np.uint16), None, [[0] * 3, [255] * 3]),
        (np.array([[[np.nan, 1.0, 3.0]]]), None, [[0] * 3, [0] * 3, [255] * 3]),
        (np.array([[[-9999.0, 1.0, 3.0]]]), -9999, [[0] * 3, [0] * 3, [255] * 3]),
        (np.full((1, 1, 2), np.nan), None, [[0] * 3, [0] * 3]),
        (np.full((1, 1, 2), 5, np.int32), None, [[0] * 3, [0] * 3]),
    ],
)
def test_any_bands_become_a_picture(pixels, nodata, expected):
    np.testing.assert_array_equal(as_rgb(pixels, nodata=nodata)[0], expected)


def test_long_attribution_is_broken_into_lines_and_never_cut():
    short, long = (
        Image.open(io.BytesIO(overlay_sheet([chip()], side=100, attribution=text))) for text in ("ours", "word " * 60)
    )
    assert long.size[0] == short.size[0]
    assert long.size[1] > short.size[1] + 50
    edge = np.asarray(long.convert("RGB"))[:, -8:]
    assert (edge == 255).all()
