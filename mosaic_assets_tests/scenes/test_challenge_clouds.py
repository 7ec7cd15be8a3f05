"""Cloud masks: the real scene against its bright flag, real pictures, and scores against scikit-learn's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.benchmark import Report, measure_pictures
from mosaic_assets.scenes.challenges.measuring import one_thread
from mosaic_assets.scenes.challenges.records import BRIGHT, GIVEN, NO_REFERENCE, CloudScene
from mosaic_assets.scenes.challenges.registry import CLOUD_METHODS, load_methods
from mosaic_assets.scenes.challenges.scores import MaskScore, score_mask
from mosaic_assets.scenes.challenges.tables import cloud_table
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.scenes.challenge_samples import (
    REAL,
    measured,
    real_picture,
    real_scene,
    settings_for,
)


@pytest.fixture(autouse=True)
def _methods() -> None:
    load_methods()


def found_by(name: str, scene: CloudScene) -> np.ndarray:
    (method,) = CLOUD_METHODS.select([name])
    with one_thread():
        return method.run(scene)


@needs_shared_data
@pytest.mark.parametrize(
    ("method", "iou", "accuracy"),
    [  # measured apart from this code on the same scene, against the flag, where the scene is valid
        ("idepix_thresholds", 0.747, 0.950),
        ("idepix_ambiguous", 0.469, 0.821),
        ("bright_white_reflectance", 0.685, 0.942),
    ],
)
def test_rules_agree_with_the_bright_flag_of_the_real_scene_as_far_as_was_measured(
    method: str, iou: float, accuracy: float
) -> None:
    scene = real_scene()
    reference, said = scene.reference
    assert said == BRIGHT and reference is not None
    score = score_mask(found_by(method, scene), reference, scene.valid)
    assert (round(score.iou or 0, 3), round(score.accuracy or 0, 3)) == (iou, accuracy)


@needs_shared_data
@pytest.mark.parametrize(
    ("method", "iou", "accuracy"),
    [  # as docs/challenges.md has them
        ("haze_transform", 0.55, 0.89),
        ("bright_white", 0.60, 0.93),
        ("otsu", 0.62, 0.93),
        ("kmeans", 0.71, 0.94),
    ],
)
def test_the_other_rules_do_on_the_real_scene_what_the_page_says(method: str, iou: float, accuracy: float) -> None:
    scene = real_scene()
    assert scene.bright is not None
    score = score_mask(found_by(method, scene), scene.bright, scene.valid)
    assert score.iou == pytest.approx(iou, abs=0.03) and score.accuracy == pytest.approx(accuracy, abs=0.02)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(tmp_path_factory.mktemp("clouds"), "clouds")


@needs_shared_data
def test_every_method_has_a_row_on_every_real_picture_and_says_why_it_has_no_numbers(report: Report) -> None:
    methods = CLOUD_METHODS.select(None)
    assert {(row["picture"], row["method"]) for row in report.rows} == {(p, m.name) for p in REAL for m in methods}
    noted = {row["method"]: row["note"] for row in report.rows}
    assert {name for name, note in noted.items() if not note} == {"bright_white", "otsu", "kmeans"}
    assert noted["idepix_thresholds"] == "skipped: needs Oa03, Oa17, land"


@needs_shared_data
def test_real_pictures_have_no_reference_and_no_scores_but_a_share_of_cloud(report: Report) -> None:
    rows = [row for row in report.rows if not row["note"]]
    assert {row["reference"] for row in rows} == {NO_REFERENCE}
    assert {row["iou"] for row in rows} == {None}
    # By eye: no cloud in the middle of the land, about a quarter in that of the mixed picture, half in the cloudy one.
    for method in ("bright_white", "otsu", "kmeans"):
        share = {row["picture"]: row["cloud_share"] for row in rows if row["method"] == method}
        assert share["sw_land"] < 0.01 < 0.2 < share["ne_mixed"] < 0.4 < share["nw_cloud"] < 0.7


@needs_shared_data
def test_a_mask_beside_the_picture_is_the_reference(tmp_path: Path) -> None:
    Image.fromarray(picture := real_picture("ne_mixed")).save(tmp_path / "a.png")
    mask = picture.min(axis=2) > 110
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "a.cloud.png")
    done = measure_pictures(settings_for(tmp_path), "clouds", [tmp_path / "a.png"], ["otsu"])
    (row,) = done.rows
    assert row["reference"] == GIVEN
    assert row["reference_share"] == mask.mean()
    assert row["iou"] == score_mask(found_by("otsu", CloudScene("a", picture)), mask).iou


def test_a_black_picture_has_no_cloud() -> None:
    scene = CloudScene("night", np.zeros((32, 32, 3), np.uint8))
    assert not any(found_by(name, scene).any() for name in ("bright_white", "otsu", "kmeans"))


def test_white_over_blue_is_cloud_and_red_over_blue_is_not() -> None:
    picture = np.full((64, 64, 3), (10, 30, 60), np.uint8)
    picture[10:30, 10:30] = (230, 235, 240)
    picture[40:60, 40:60] = (240, 20, 20)
    wanted = np.zeros((64, 64), bool)
    wanted[10:30, 10:30] = True
    for name in ("bright_white", "otsu"):
        assert np.array_equal(found_by(name, CloudScene("drawn", picture)), wanted)


def test_pixels_without_data_do_not_move_the_threshold() -> None:
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[:16] = 200
    filled = picture.copy()
    filled[32:] = 255
    valid = np.ones((64, 64), bool)
    valid[32:] = False
    plain, masked = CloudScene("a", picture[:32]), CloudScene("b", filled, valid=valid)
    for name in ("bright_white", "otsu", "kmeans"):
        assert np.array_equal(found_by(name, masked)[:30], found_by(name, plain)[:30])


masks = arrays(np.bool_, (5, 7), elements=st.booleans())


@given(masks, masks)
def test_scores_equal_those_of_scikit_learn(found: np.ndarray, reference: np.ndarray) -> None:
    from sklearn import metrics

    score, given_ = score_mask(found, reference), (reference.ravel(), found.ravel())
    pairs = [
        (score.iou, metrics.jaccard_score(*given_, zero_division=0)),
        (score.precision, metrics.precision_score(*given_, zero_division=0)),
        (score.recall, metrics.recall_score(*given_, zero_division=0)),
        (score.f1, metrics.f1_score(*given_, zero_division=0)),
        (score.accuracy, metrics.accuracy_score(*given_)),
    ]
    for ours, theirs in pairs:
        assert (ours or 0) == pytest.approx(theirs)


@given(masks, masks, masks)
def test_only_valid_pixels_count(found: np.ndarray, reference: np.ndarray, valid: np.ndarray) -> None:
    score = score_mask(found, reference, valid)
    assert score.hits + score.false_alarms + score.misses + score.clear == valid.sum()
    assert score == score_mask(found | ~valid, reference, valid)


def test_scores_without_cloud_are_none_not_nought() -> None:
    clear = np.zeros((4, 4), bool)
    score = score_mask(clear, clear)
    assert (score.iou, score.precision, score.recall, score.f1, score.accuracy) == (None, None, None, None, 1.0)


def test_the_table_pools_pixels_so_that_a_cloudless_scene_does_not_weigh_like_a_cloudy_one() -> None:
    common = {
        "method": "m", "note": "", "reference": BRIGHT, "cloud_share": 0.5, "reference_share": 0.5, "seconds": 1.0,
    }  # fmt: skip
    one = {**common, "hits": 90, "false_alarms": 10, "misses": 0, "clear": 0}
    other = {**common, "hits": 0, "false_alarms": 2, "misses": 0, "clear": 98}
    (row,) = cloud_table([one, other])
    assert row["iou"] == round(90 / 102, 3)
    assert MaskScore(90, 10, 0, 0) + MaskScore(0, 2, 0, 98) == MaskScore(90, 12, 0, 98)


@pytest.mark.parametrize(
    ("given_", "complaint"),
    [
        ({"rgb": np.zeros((4, 4), np.uint8)}, r"expected uint8 \(rows, columns, 3\)"),
        ({"rgb": np.zeros((4, 4, 3))}, "float64"),
        ({"truth": np.zeros((4, 5), bool)}, r"truth of x is \(4, 5\)"),
        ({"reflectance": {"Oa03": np.zeros((2, 2))}}, "Oa03 of x"),
    ],
)
def test_a_scene_whose_parts_do_not_fit_is_refused(given_: dict, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        CloudScene(**{"name": "x", "rgb": np.zeros((4, 4, 3), np.uint8), **given_})
