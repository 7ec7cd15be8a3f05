"""Recipes, flags and metrics on a real scene: West Sahara and Atlantic, S3A, 13 March 2017, every hundredth pixel."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import cv2
import netCDF4
import numpy as np
import pytest
from PIL import Image
from skimage.measure import shannon_entropy

from mosaic_assets.core.colour import luma
from mosaic_assets.errors import ProductError, UnknownNameError
from mosaic_assets.scenes.crop_checks import GOLDEN, golden_pixel
from mosaic_assets.scenes.flags import Flags, flag_table
from mosaic_assets.scenes.metrics import cloudy, entropy, judge, share, texture
from mosaic_assets.scenes.recipes import (
    FILL_COLOUR,
    RGB_BANDS,
    SATURATED_COLOUR,
    Band,
    paint_gaps,
    reflectance,
    render,
    render_reflectance,
)
from mosaic_assets.scenes.records import Limits, SceneNumbers, SceneOutcome

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "olci"
NUMBER = {"Oa04": 4, "Oa06": 6, "Oa08": 8}


class Sample(NamedTuple):
    bands: dict[str, Band]
    angle: np.ndarray
    sun: np.ndarray
    flags: Flags
    fill: np.ndarray


@pytest.fixture(scope="module")
def sample() -> Sample:
    path = SHARED / "efr_subsampled_41x49.nc"
    if not path.is_file():
        pytest.skip("no ../shared beside the project")
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        bands = {}
        for name in RGB_BANDS:
            raw, flux = file[f"{name}_radiance"], file[f"solar_flux_band_{NUMBER[name]}"][:]
            bands[name] = Band(raw[:].view(np.uint16), float(raw.scale_factor), 0.0, flux)
        flags = file["quality_flags"]
        table = flag_table(flags.flag_meanings, flags.flag_masks, path.name)
        angle = file["SZA"][:]
        found = Flags(flags[:].view(np.uint32), table)
    fill = np.any([band.raw == 65535 for band in bands.values()], axis=0)
    return Sample(bands, angle, np.cos(np.radians(angle)).astype(np.float32), found, fill)


def test_reflectance_of_a_real_scene_follows_the_formula_in_every_pixel(sample: Sample) -> None:
    rgb = render("reflectance", sample.bands, sample.sun)
    for channel, (name, air) in enumerate(zip(RGB_BANDS, (0.03, 0.05, 0.08), strict=True)):
        band = sample.bands[name]
        light = band.solar_flux.astype(float) * np.cos(np.radians(sample.angle.astype(float)))
        rho = math.pi * band.raw.astype(float) * band.scale / light
        exact = 255 * np.maximum(0, 2 / (1 + np.exp(-6 * (rho.clip(0, 2) - air))) - 1)
        assert np.abs(rgb[..., channel] - exact)[~sample.fill].max() < 0.53  # half a level, and the table's step


def test_smcefr_v1_repeats_the_published_arithmetic_in_every_pixel(sample: Sample) -> None:
    rgb = render("smcefr_v1", sample.bands, sample.sun)
    for channel, name in enumerate(RGB_BANDS):
        band = sample.bands[name]
        twice = band.raw.astype(float) * band.scale * band.scale
        assert np.abs(rgb[..., channel] - np.floor(np.clip(twice, 0, 1) * 255)).max() <= 1
        assert np.mean(rgb[..., channel] != np.floor(np.clip(twice, 0, 1) * 255)) < 0.002  # rounding of float32


def test_netcdf_scaling_then_the_scripts_scaling_is_smcefr_v1(sample: Sample) -> None:
    """What the first release did, by the library that it used."""
    with netCDF4.Dataset(SHARED / "efr_subsampled_41x49.nc") as file:
        found = []
        for name in RGB_BANDS:
            variable = file[f"{name}_radiance"]
            scaled = variable[:] * variable.scale_factor  # the library has scaled once already
            found.append((np.clip(scaled.filled(0), 0, 1) * 255).astype(np.uint8))
    difference = np.stack(found, axis=-1).astype(int) - render("smcefr_v1", sample.bands, sample.sun)
    assert np.abs(difference[~sample.fill]).max() <= 1
    assert np.mean(difference[~sample.fill] != 0) < 0.002


@pytest.mark.parametrize(
    ("steepness", "bits"),  # measured on this scene with other programs, see the facts in docs/smcefr.md
    [(5.0, 7.53), (7.0, 7.72)],
)
def test_the_sigmoid_clips_nothing_and_keeps_the_bits(sample: Sample, steepness: float, bits: float) -> None:
    rho = {name: reflectance(sample.bands[name], sample.sun) for name in RGB_BANDS}
    rgb = render_reflectance(sample.bands, rho, steepness)
    assert not (rgb[~sample.fill] == 255).any()
    assert entropy(luma(rgb), ~sample.fill) == pytest.approx(bits, abs=0.03)


def test_smcefr_v1_clips_two_thirds_of_the_scene(sample: Sample) -> None:
    rgb = render("smcefr_v1", sample.bands, sample.sun)[~sample.fill]
    assert ((rgb == 255) | (rgb == 0)).any(axis=-1).mean() == pytest.approx(0.668, abs=0.001)


def test_clouds_by_brightness_and_whiteness_score_as_known_against_the_bright_flag(sample: Sample) -> None:
    rho = {name: reflectance(sample.bands[name], sample.sun) for name in RGB_BANDS}
    found, flag, valid = cloudy(rho, np.zeros_like(sample.fill)), sample.flags.bright, ~sample.fill
    iou = (found & flag)[valid].sum() / (found | flag)[valid].sum()
    assert iou == pytest.approx(0.685, abs=0.001)
    assert (found == flag)[valid].mean() == pytest.approx(0.942, abs=0.001)


@pytest.mark.parametrize("pixel", GOLDEN)
def test_golden_pixels(pixel: tuple) -> None:
    steps, fluxes, angle, expected = pixel
    assert {recipe: golden_pixel(recipe, steps, fluxes, angle) for recipe in expected} == expected


def test_golden_pixels_are_those_of_the_sample(sample: Sample) -> None:
    stored = np.stack([sample.bands[name].raw for name in RGB_BANDS], axis=-1).reshape(-1, 3)
    for steps, *_ in GOLDEN:
        assert (stored == steps).all(axis=1).any()


def test_fill_of_the_sample_is_flagged_as_invalid_and_painted_black(sample: Sample) -> None:
    assert sample.fill.sum() == 82
    assert (sample.flags.named("invalid") == sample.fill).all()
    rgb = render("reflectance", sample.bands, sample.sun)
    paint_gaps(rgb, sample.fill, np.zeros_like(sample.fill))
    assert (rgb[sample.fill] == FILL_COLOUR).all()


def test_fill_and_saturation_have_colours_of_their_own_and_neither_is_white() -> None:
    rgb = np.full((1, 3, 3), 255, np.uint8)
    paint_gaps(rgb, np.array([[True, False, False]]), np.array([[False, True, False]]))
    assert [tuple(pixel) for pixel in rgb[0].tolist()] == [FILL_COLOUR, SATURATED_COLOUR, (255, 255, 255)]


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="reflectance, smcefr_v1"):
        render("vivid", {}, np.ones((1, 1), np.float32))


def test_no_light_gives_no_reflectance_and_no_warning() -> None:
    band = Band(np.full((1, 2), 9_000, np.uint16), 0.01, 0.0, np.array([[0.0, 1500.0]], np.float32))
    assert np.isnan(reflectance(band, np.float32(0.5))).tolist() == [[True, False]]
    assert render("reflectance", dict.fromkeys(RGB_BANDS, band), np.ones((1, 2), np.float32))[0, 0].tolist() == [
        0,
        0,
        0,
    ]


def test_flag_names_and_bits_equal_those_that_another_reader_expects() -> None:
    path = SHARED / "expected_pixels_S3A_20180407T004637.json"
    if not path.is_file():
        pytest.skip("no ../shared beside the project")
    listed = json.loads(path.read_text())["expectedContent"]["flagCodings"][0]["samples"]
    table = flag_table(" ".join(one["name"] for one in listed), [one["value"] for one in listed], path.name)
    assert table == {one["name"]: one["value"] for one in listed}
    flags = Flags(np.array([[2**31 | 2**13, 2**27, 0, 2**25]], np.uint32), table)
    assert flags.land.tolist() == [[True, False, False, False]]
    assert flags.saturated("Oa08").tolist() == [[True, False, False, False]]
    assert flags.saturated("Oa07").tolist() == [[False] * 4]
    assert flags.open_water.tolist() == [[False, True, True, False]]


def test_the_one_flag_of_saturation_of_later_collections_stands_for_all_bands() -> None:
    names = "land fresh_inland_water bright invalid saturated partially_saturated"
    flags = Flags(np.array([[16, 32, 1]], np.uint32), flag_table(names, [1, 2, 4, 8, 16, 32], "a file"))
    assert flags.saturated("Oa08", "Oa04").tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("meanings", "masks"),
    [
        ("land bright", [1, 2, 4]),
        ("land land fresh_inland_water bright invalid", [1, 2, 4, 8, 16]),
        ("land fresh_inland_water bright invalid", [1, 2, 4, 12]),
        ("land fresh_inland_water bright dubious", [1, 2, 4, 8]),
        ("land fresh_inland_water bright invalid", ["a", "b", "c", "d"]),
    ],
)
def test_a_table_of_flags_that_cannot_be_right_is_refused(meanings: str, masks: list) -> None:
    with pytest.raises(ProductError, match="a file"):
        flag_table(meanings, masks, "a file")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 256, (60, 70, 3))
    return (noise * np.linspace(0.2, 1, 70)[None, :, None]).astype(np.uint8)


def test_luma_entropy_and_texture_equal_other_programs(picture: np.ndarray) -> None:
    grey = luma(picture)
    assert np.abs(grey.astype(int) - np.asarray(Image.fromarray(picture).convert("L"))).max() <= 1
    assert entropy(grey) == pytest.approx(shannon_entropy(grey))
    laplacian = cv2.Laplacian(grey.astype(np.float32) / 255, cv2.CV_32F)[1:-1, 1:-1]
    assert texture(grey) == pytest.approx(float(laplacian.std()), rel=1e-5)


def test_gaps_do_not_count_as_texture(picture: np.ndarray) -> None:
    grey = np.full((40, 40), 90, np.uint8)
    grey[10:20] = 0
    valid = grey > 0
    assert texture(grey) > 0.02
    assert texture(grey, valid) == 0
    assert entropy(grey, valid) == 0


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (SceneNumbers(0.0, 0.0, 0.2, 0.5, 0.05, 6.0), SceneOutcome.KEPT),
        (SceneNumbers(fill=0.021), SceneOutcome.SCREENED_FILL),
        (SceneNumbers(fill=0.02), SceneOutcome.KEPT),
        (SceneNumbers(0.0, 0.0, 0.71, 0.0, 0.05, 7.0), SceneOutcome.SCREENED_CLOUD),
        (SceneNumbers(0.0, 0.0, 0.0, 0.95, 0.01, 7.0), SceneOutcome.SCREENED_WATER),
        (SceneNumbers(0.0, 0.0, 0.0, 0.95, 0.03, 7.0), SceneOutcome.KEPT),
        (SceneNumbers(0.0, 0.0, 0.0, 0.95), SceneOutcome.KEPT),
        (SceneNumbers(0.0, 0.0, 0.0, 0.0, 0.05, 4.4), SceneOutcome.FLAT),
    ],
)
def test_verdicts(numbers: SceneNumbers, expected: SceneOutcome) -> None:
    assert judge(numbers, Limits())[0] is expected


@pytest.mark.parametrize(("name", "kept"), [("sw_land", True), ("ne_mixed", True), ("nw_cloud", True)])
def test_real_pictures_have_more_bits_than_the_floor(name: str, kept: bool) -> None:
    """The floor discards blank pictures only: cloud has more bits than clear land has."""
    path = SHARED / f"olci_whitesea_20180829_{name}_1024.png"
    if not path.is_file():
        pytest.skip("no ../shared beside the project")
    with Image.open(path) as opened:
        grey = luma(np.asarray(opened.convert("RGB")))
    assert (entropy(grey) >= Limits().min_entropy) is kept
    assert share(grey > 0) > 0.5
