"""The colour of a tile, against Pillow and scikit-image one tile at a time, and against published colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from mosaic_assets.core.colour import COLOUR_METHOD, lab_of, mean_rgb, rgb_to_lab
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.core.real_tiles import jpeg_tiles, real_tiles

pytestmark = pytest.mark.usefixtures("each_way")

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "colour.json"


def _mean_by_pillow(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    small: NDArray[np.float64] = np.asarray(Image.fromarray(image).reduce(4)).mean(axis=(0, 1)) / 255
    return small


@needs_shared_data
def test_means_of_real_tiles_are_pillows_bit_for_bit() -> None:
    images = real_tiles()
    assert len(images) > 800
    np.testing.assert_array_equal(mean_rgb(images), [_mean_by_pillow(image) for image in images])


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 4, 8, 16, 256]), st.integers(0, 255), st.integers(0, 255))
def test_means_of_made_up_tiles_are_pillows_bit_for_bit(seed: int, grain: int, low: int, high: int) -> None:
    shape = (256 // grain, 256 // grain, 3)
    coarse = np.random.default_rng(seed).integers(min(low, high), max(low, high) + 1, shape, dtype=np.uint8)
    image = coarse.repeat(grain, axis=0).repeat(grain, axis=1)
    np.testing.assert_array_equal(mean_rgb(image[None])[0], _mean_by_pillow(image))


@pytest.mark.parametrize("total", range(17))
def test_halves_are_rounded_up(total: int) -> None:
    block = np.zeros(16, np.uint8)
    block[:total] = 1
    image = np.tile(block.reshape(4, 4), (64, 64))[..., None].repeat(3, axis=2)
    assert mean_rgb(image[None])[0].tolist() == [(1 if total >= 8 else 0) / 255] * 3


def test_channels_do_not_mix() -> None:
    image = np.empty((256, 256, 3), np.uint8)
    image[...] = (255, 51, 0)
    assert mean_rgb(image[None]).tolist() == [[1.0, 0.2, 0.0]]


def test_a_view_that_is_not_contiguous_measures_the_same() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 256, 256, 4), dtype=np.uint8)
    np.testing.assert_array_equal(mean_rgb(images[..., :3]), mean_rgb(images[..., :3].copy()))


# Worked out without a colour library from the chromaticities and the curve of IEC 61966-2-1, the D65 white
# (0.95047, 1, 1.08883) and the formulas of CIE 15; two decimals. Red is the much-published 53.24, 80.09, 67.20.
@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((255, 255, 0), (97.14, -21.55, 94.48)),
        ((0, 255, 255), (91.11, -48.09, -14.13)),
        ((255, 0, 255), (60.32, 98.23, -60.82)),
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((128, 128, 128), (53.59, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
    ],
)
def test_solid_colours_have_their_published_values(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    image = np.broadcast_to(np.array(rgb, np.uint8), (1, 256, 256, 3))
    assert lab_of(image)[0] == pytest.approx(lab, abs=0.015)


@needs_shared_data
def test_colours_of_real_tiles_are_those_of_scikit_image_one_by_one() -> None:
    images = real_tiles()
    one_by_one = [rgb2lab(_mean_by_pillow(image)[None, None])[0, 0] for image in images]
    np.testing.assert_array_equal(lab_of(images), one_by_one)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_colour_does_not_depend_on_its_batch(seed: int, size: int) -> None:
    rgb = np.random.default_rng(seed).random((size, 3))
    np.testing.assert_array_equal(rgb_to_lab(rgb), np.concatenate([rgb_to_lab(one[None]) for one in rgb]))


@needs_shared_data
def test_colours_of_real_tiles_have_not_moved() -> None:
    """The golden file holds what Pillow 13.0 and scikit-image 0.26 gave, without this package."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    paths = {path.as_posix().partition("/shared/data/")[2]: path for path in jpeg_tiles()}
    images = np.stack([np.asarray(Image.open(paths[name])) for name in golden["lab"]])
    np.testing.assert_allclose(lab_of(images), list(golden["lab"].values()), rtol=0, atol=1e-9)


def test_the_method_names_its_choices() -> None:
    for choice in ("reduce(4)", "halves rounded up", "float64 mean / 255", "D65", "2 degree", "rgb2lab"):
        assert choice in COLOUR_METHOD


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([[120.0, 90.0, 30.0]]),
        np.array([[1, 0, 1]]),
        np.array([[255, 0, 0]], np.uint8),
        np.array([[0.5, 0.5, np.nan]]),
        np.array([[-0.01, 0.5, 0.5]]),
        np.array([[0.5, 0.5, 0.5]], np.float32),
        np.array([0.5, 0.5, 0.5]),
        np.zeros((2, 4)),
    ],
)
def test_colours_in_another_range_or_type_are_refused(wrong: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        rgb_to_lab(wrong)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((256, 256, 3), np.uint8), np.zeros((1, 256, 256, 3))]
)
def test_pictures_of_another_shape_or_type_are_refused(wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="256"):
        mean_rgb(wrong)


def test_no_tiles_have_no_colours() -> None:
    assert lab_of(np.empty((0, 256, 256, 3), np.uint8)).shape == (0, 3)
