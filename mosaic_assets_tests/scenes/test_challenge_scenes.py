"""Published crops with their products: drawn clouds as truth, else the bright flag, else nothing; always said which."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.errors import DataError, ProductError
from mosaic_assets.scenes.challenges.benchmark import run_challenge, subjects
from mosaic_assets.scenes.challenges.records import BRIGHT, NO_REFERENCE, TRUTH
from mosaic_assets.scenes.challenges.registry import CLOUD_METHODS
from mosaic_assets.scenes.challenges.tables import described
from mosaic_assets.scenes.crop import crop_scene
from mosaic_assets.scenes.local import LocalProduct
from mosaic_assets.scenes.synthetic import products_of_day, truth_path, write_product
from mosaic_assets.settings import Settings
from mosaic_assets_tests.scenes.challenge_samples import settings_for

BANDS = (3, 4, 6, 8, 17)


@dataclass(frozen=True)
class Home:
    settings: Settings
    product: Path
    crop: Path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A synthetic scene of a day, and its crop where the pipeline puts it."""
    settings = settings_for(tmp_path_factory.mktemp("scenes"))
    spec = next(spec for spec in products_of_day(date(2024, 6, 2), 1) if spec.kind == "coast")
    product = write_product(replace(spec, bands=BANDS), settings.smcefr_folder / "synthetic")
    crop = settings.smcefr_folder / "2024" / f"{spec.name.text}.png"
    crop.parent.mkdir()
    with LocalProduct(product, synthetic=True, verify=False) as opened:
        result = crop_scene(opened, "reflectance")
    assert result.rgb is not None
    crop.write_bytes(encode_png(result.rgb))
    return Home(settings, product, crop)


@pytest.fixture
def home(published: Home, tmp_path: Path) -> Home:
    """A copy to change."""
    old = published.settings.home
    shutil.copytree(old, tmp_path / "home")
    product, crop = (tmp_path / "home" / path.relative_to(old) for path in (published.product, published.crop))
    return Home(settings_for(tmp_path / "home"), product, crop)


def test_masks_of_a_synthetic_scene_are_scored_against_the_clouds_that_were_drawn(published: Home) -> None:
    report = run_challenge(published.settings, "clouds")
    assert {row["method"] for row in report.rows} == {method.name for method in CLOUD_METHODS.select(None)}
    assert {(row["reference"], row["synthetic"], row["note"]) for row in report.rows} == {(TRUTH, True, "")}
    assert described(report.rows) == "1 picture, synthetic"
    iou = {row["method"]: row["iou"] for row in report.rows}
    assert iou["idepix_thresholds"] > 0.5 and iou["bright_white"] > 0.5 and iou["bright_white_reflectance"] > 0.5


def test_a_synthetic_scene_comes_with_its_bands_flags_and_truth(published: Home) -> None:
    (subject,) = subjects(published.settings, "clouds")
    scene = subject.load()
    with Image.open(truth_path(published.product)) as opened:
        drawn = np.asarray(opened.convert("L")) > 127
    top, left = (drawn.shape[0] - 1024) // 2, (drawn.shape[1] - 1024) // 2
    assert scene.truth is not None and np.array_equal(scene.truth, drawn[top : top + 1024, left : left + 1024])
    assert set(scene.reflectance) == {f"Oa{band:02d}" for band in BANDS}
    assert scene.bright is not None and scene.land is not None and scene.valid is not None
    # Drawn cloud is brighter than what lies under it.
    blue = scene.reflectance["Oa04"]
    assert np.median(blue[scene.truth]) > 0.3 > np.median(blue[~scene.truth])


def test_without_the_drawn_clouds_the_bright_flag_is_the_reference_and_said_to_be_no_truth(home: Home) -> None:
    truth_path(home.product).unlink()
    rows = run_challenge(home.settings, "clouds", ["idepix_thresholds"]).rows
    assert [(row["reference"], row["iou"] is not None) for row in rows] == [(BRIGHT, True)]


def test_without_the_product_the_crop_is_a_picture_and_still_synthetic(home: Home) -> None:
    shutil.rmtree(home.product)
    rows = run_challenge(home.settings, "clouds", ["idepix_thresholds", "otsu"]).rows
    assert {(row["synthetic"], row["reference"]) for row in rows} == {(True, NO_REFERENCE)}
    assert [row["note"] for row in rows] == ["skipped: needs Oa03, Oa17, land", ""]


def test_products_are_also_found_in_the_folder_of_the_setting(home: Home, tmp_path: Path) -> None:
    shutil.move(home.product, tmp_path / "mine" / home.product.name)
    settings = settings_for(home.settings.home, folder=tmp_path / "mine")
    assert [row["reference"] for row in run_challenge(settings, "clouds", ["otsu"]).rows] == [BRIGHT]


def test_a_scene_whose_product_comes_back_is_measured_again(home: Home) -> None:
    shutil.move(home.product, elsewhere := home.settings.home / "elsewhere")
    run_challenge(home.settings, "clouds", ["otsu"])
    shutil.move(elsewhere, home.product)
    assert run_challenge(home.settings, "clouds", ["otsu"]).measured == 1


def test_noise_and_compression_know_that_a_crop_is_synthetic_by_its_name(published: Home) -> None:
    for challenge in ("noise", "compression"):
        assert [subject.synthetic for subject in subjects(published.settings, challenge)] == [True]


def test_a_crop_of_another_size_than_the_middle_of_its_product_is_refused(home: Home) -> None:
    Image.new("RGB", (512, 512)).save(home.crop)
    with pytest.raises(DataError, match=r"the crop is \(512, 512\).*expected 1024 x 1024.*Fetch its day again"):
        run_challenge(home.settings, "clouds")


def test_a_damaged_product_is_an_error_that_names_the_file(home: Home) -> None:
    band = home.product / "Oa04_radiance.nc"
    band.write_bytes(band.read_bytes()[:5000])
    (subject,) = subjects(home.settings, "clouds")
    with pytest.raises(ProductError, match=r"Oa04_radiance\.nc"):
        subject.load()
