"""Noise and its removal: what each case does to a picture by its formula, and what mending is worth on real pictures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.scenes.challenges import noise
from mosaic_assets.scenes.challenges.benchmark import Report
from mosaic_assets.scenes.challenges.noise import CASES, case_rng
from mosaic_assets.scenes.challenges.records import Degraded
from mosaic_assets.scenes.challenges.registry import DENOISERS, load_methods
from mosaic_assets.scenes.challenges.scores import mse, psnr, ssim
from mosaic_assets.scenes.challenges.tables import noise_table
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.scenes.challenge_samples import REAL, mean, measured, real_picture

CASE = {case.name: case for case in CASES}
GREY = np.full((128, 128, 3), 128, np.uint8)


def degraded(case: str, picture: np.ndarray, seed: int = 1) -> Degraded:
    return CASE[case].degrade(picture, case_rng(case, seed))


@pytest.mark.parametrize("case", CASE)
def test_the_same_seed_spoils_a_picture_the_same_way_and_another_otherwise(case: str) -> None:
    first, again, other = (degraded(case, GREY, seed).picture for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (np.uint8, GREY.shape)


@pytest.mark.parametrize("case", CASE)
def test_spoiling_leaves_the_picture_itself_alone(case: str) -> None:
    picture = GREY.copy()
    degraded(case, picture)
    assert np.array_equal(picture, GREY)


@pytest.mark.parametrize("sigma", [15, 25])
def test_gaussian_noise_has_the_variance_that_its_name_says(sigma: int) -> None:
    # Rounding to whole grey levels adds a twelfth; 128 is far from both ends.
    assert mse(GREY, degraded(f"gaussian_{sigma}", GREY).picture) == pytest.approx(sigma**2 + 1 / 12, rel=0.02)


def test_salt_and_pepper_hits_the_share_of_pixels_that_it_says_half_of_them_white() -> None:
    noisy = degraded("salt_pepper", np.full((400, 400, 3), 128, np.uint8)).picture
    hit = (noisy != 128).any(axis=2)
    assert hit.mean() == pytest.approx(noise.IMPULSE_SHARE, rel=0.05)
    assert (noisy[hit] == 255).all(axis=1).mean() == pytest.approx(0.5, abs=0.05)
    assert np.isin(noisy[hit], (0, 255)).all()


def test_stripes_are_constant_along_every_column() -> None:
    noisy = degraded("stripes", GREY).picture
    assert (noisy == noisy[:1]).all()
    assert noisy[0].astype(float).std() == pytest.approx(noise.STRIPE_SIGMA, rel=0.15)


@pytest.mark.parametrize("case", ["missing_blocks", "missing_lines"])
def test_missing_pixels_are_black_and_known_and_the_others_as_they_were(case: str) -> None:
    spoilt = degraded(case, GREY)
    assert spoilt.missing is not None
    assert (spoilt.picture[spoilt.missing] == 0).all()
    assert (spoilt.picture[~spoilt.missing] == 128).all()
    assert 0.01 < spoilt.missing.mean() < 0.08


@given(st.integers(16, 70), st.integers(16, 70), st.sampled_from(sorted(CASE)), st.integers(0, 2**32))
def test_every_case_takes_pictures_of_any_size(rows: int, columns: int, case: str, seed: int) -> None:
    spoilt = degraded(case, np.full((rows, columns, 3), 90, np.uint8), seed)
    assert spoilt.picture.shape == (rows, columns, 3)
    assert spoilt.missing is None or not spoilt.missing.all()


@given(st.integers(0, 255), st.integers(0, 255))
def test_mse_and_psnr_follow_their_formulas(one: int, other: int) -> None:
    error = mse(np.full((3, 4, 3), one, np.uint8), np.full((3, 4, 3), other, np.uint8))
    assert error == (one - other) ** 2
    assert psnr(error) == (math.inf if one == other else pytest.approx(20 * math.log10(255 / abs(one - other))))


def test_no_method_changes_what_it_is_given() -> None:
    load_methods()
    rng = np.random.default_rng(3)
    for case in CASES:
        spoilt = case.degrade(rng.integers(60, 200, (40, 40, 3)).astype(np.uint8), rng)
        before = spoilt.picture.copy()
        for method in DENOISERS.select(None):
            if case.kind in method.kinds:
                found = method.run(spoilt)
                assert (found.dtype, found.shape) == (np.uint8, before.shape), method.name
                assert np.array_equal(spoilt.picture, before), method.name


def test_inpainting_changes_missing_pixels_only() -> None:
    load_methods()
    picture = np.random.default_rng(5).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    spoilt = degraded("missing_lines", picture)
    for method in DENOISERS.select(None):
        if "missing" in method.kinds:
            assert np.array_equal(method.run(spoilt)[~spoilt.missing], picture[~spoilt.missing]), method.name


def test_a_column_that_is_missing_from_top_to_bottom_is_no_error() -> None:
    load_methods()
    missing = np.zeros((32, 32), bool)
    missing[:, 5] = True
    picture = np.where(missing[..., None], 0, 100).astype(np.uint8).repeat(3, axis=2)
    for method in DENOISERS.select(None):
        if "missing" in method.kinds:
            method.run(Degraded(picture, "missing", missing=missing))


# From here on: the middles of the three real pictures.


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(tmp_path_factory.mktemp("noise"), "noise")


@needs_shared_data
def test_every_method_is_measured_in_every_case_it_is_for(report: Report) -> None:
    wanted = {(case.name, m.name) for case in CASES for m in DENOISERS.select(None) if case.kind in m.kinds}
    assert {(row["case"], row["method"]) for row in report.rows} == wanted
    assert len(report.rows) == len(wanted) * len(REAL) and report.failed == []


@needs_shared_data
@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_noise_costs_what_its_sigma_says_less_what_clipping_takes_away(report: Report, sigma: int) -> None:
    found = mean(report, "psnr", case=f"gaussian_{sigma}", method="nothing")
    assert 20 * math.log10(255 / sigma) < found < 20 * math.log10(255 / sigma) + 1.6


@needs_shared_data
def test_missing_pixels_cost_the_squares_of_what_was_there(report: Report, tmp_path: Path) -> None:
    # Black for missing: the error is the sum of squares there. The seed is that of the settings.
    from mosaic_assets_tests.scenes.challenge_samples import settings_for

    picture = real_picture("sw_land")
    spoilt = degraded("missing_blocks", picture, settings_for(tmp_path).seed)
    wanted = (picture[spoilt.missing].astype(float) ** 2).sum() / picture.size
    (row,) = (
        r for r in report.rows if (r["picture"], r["case"], r["method"]) == ("sw_land", "missing_blocks", "nothing")
    )
    assert row["mse"] == pytest.approx(wanted)


@needs_shared_data
@pytest.mark.parametrize(
    ("case", "better", "worse", "by_db"),
    [
        ("gaussian_15", "nlm", "gaussian_filter", 0.5),
        ("gaussian_25", "gaussian_filter", "nothing", 5),
        ("gaussian_25", "wavelet", "gaussian_filter", 0.5),
        ("gaussian_25", "wavelet_shifted", "wavelet", 0.5),
        ("gaussian_25", "total_variation", "gaussian_filter", 0.3),
        ("gaussian_50", "total_variation", "median", 0.5),
        ("salt_pepper", "median", "gaussian_filter", 3),
        ("salt_pepper", "selective_median", "median", 5),
        ("stripes", "column_statistics", "gaussian_filter", 4),
        ("stripes", "moment_matching", "gaussian_filter", 4),
        ("missing_blocks", "inpaint_telea", "nothing", 8),
        ("missing_lines", "linear_columns", "nothing", 10),
        ("missing_lines", "inpaint_biharmonic", "nothing", 10),
    ],
)
def test_methods_rank_as_they_should(report: Report, case: str, better: str, worse: str, by_db: float) -> None:
    above, below = (mean(report, "psnr", case=case, method=name) for name in (better, worse))
    assert above > below + by_db


@needs_shared_data
def test_scores_equal_those_of_scikit_image() -> None:
    from skimage import metrics

    clean = real_picture("ne_mixed")
    noisy = degraded("gaussian_25", clean).picture
    assert mse(clean, noisy) == pytest.approx(metrics.mean_squared_error(clean, noisy))
    assert psnr(mse(clean, noisy)) == pytest.approx(metrics.peak_signal_noise_ratio(clean, noisy))
    assert ssim(clean, noisy) == pytest.approx(metrics.structural_similarity(clean, noisy, channel_axis=2))


@needs_shared_data
def test_the_table_has_the_best_of_each_case_first(report: Report) -> None:
    table = noise_table(report.rows)
    assert list(dict.fromkeys(row["case"] for row in table)) == list(CASE)
    for case in CASE:
        values = [row["psnr"] for row in table if row["case"] == case]
        assert values == sorted(values, reverse=True)
