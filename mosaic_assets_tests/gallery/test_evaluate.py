"""Metrics against numbers worked out by hand, and a whole evaluation on a small made gallery."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_bounds

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize import method
from mosaic_assets.gallery.localize.changes import APPEARANCES, FIELDS_SHARE, pose
from mosaic_assets.gallery.localize.cutting import KINDS, cut_queries, given_queries
from mosaic_assets.gallery.localize.evaluate import BenchmarkReport, run_benchmark
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.localize.metrics import (
    Asked,
    ground_distance,
    grouped,
    judged,
    precision_by_coverage,
    summary,
)
from mosaic_assets.gallery.localize.records import Candidate, Corners, Query, confidence_of
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.gallery.drawn import drawn, fill


def box(west: float, south: float, east: float, north: float) -> Corners:
    return (west, north), (east, north), (east, south), (west, south)


def candidate(lng: float, confidence: float = 0.9) -> Candidate:
    return Candidate(lng, 0.0, box(lng - 0.01, -0.01, lng + 0.01, 0.01), 1.0, confidence, 9)


def asked(error_m: float | None = 3.0, confidence: float = 0.9, rank: int | None = 1, **other: Any) -> Asked:
    values = {
        "nowhere": False,
        "kind": "none north_up",
        "scene": "",
        "method": "m",
        "seconds": 0.5,
        "processor_s": 0.25,
    } | other
    return Asked("q", rank=rank, error_m=error_m, confidence=confidence, inliers=9, query_bytes=300, **values)


QUERY = Query("q", np.zeros((64, 64, 3), np.uint8), (0.0, 0.0), box(-0.01, -0.01, 0.01, 0.01))


@pytest.mark.parametrize(
    ("places", "rank"),
    [
        ([0.0], 1),
        ([0.019], 1),  # a twentieth of it overlaps
        ([0.02], None),  # touches along an edge only
        ([5.0, 4.0, 0.005], 3),
        ([], None),
    ],
)
def test_the_rank_is_that_of_the_first_candidate_that_overlaps_the_query(places: list[float], rank: int | None) -> None:
    assert judged(QUERY, "m", [candidate(lng) for lng in places], 0.1, 0.1).rank == rank


def test_the_error_is_metres_on_the_ellipsoid_not_degrees() -> None:
    # A degree of longitude is 111,319.49 m on the equator of WGS 84: 2 pi 6378137 / 360.
    assert judged(QUERY, "m", [candidate(0.001)], 0.1, 0.1).error_m == pytest.approx(111.319, abs=0.001)


def test_ground_distance_agrees_with_geographiclib() -> None:
    # JFK to Heathrow, the worked example of GeographicLib's geodesic page: 5551759.400 m.
    assert ground_distance((-73.8, 40.6), (-0.5, 51.6)) == pytest.approx(5_551_759.4, abs=0.1)


def test_an_accepted_answer_to_a_query_that_is_nowhere_is_a_false_one() -> None:
    nowhere = dataclasses.replace(QUERY, truth=None, footprint=None, nowhere=True)
    one = judged(nowhere, "m", [candidate(0.0)], 0.1, 0.1)
    assert (one.rank, one.error_m, one.right, one.accepted) == (None, None, False, True)
    assert summary([one])["false_accepts"] == 1
    assert summary([one])["recall@1"] is None


def test_the_summary_of_five_answers_is_as_worked_out_by_hand() -> None:
    row = summary(
        [
            asked(3.0),
            asked(40.0, rank=2),
            asked(700.0, 0.2, rank=7, seconds=0.9),
            asked(90_000.0, 0.6, rank=None),  # wrong and accepted
            asked(None, 0.0, rank=None, seconds=0.1),  # no candidate
        ]
    )
    assert [row[f"recall@{k}"] for k in (1, 5, 10, 20, 100)] == [0.2, 0.4, 0.6, 0.6, 0.6]
    assert [row[f"within_{m}_m"] for m in (25, 50, 100, 1000)] == [0.2, 0.4, 0.4, 0.6]
    assert (row["median_m"], row["median_right_m"]) == (370.0, 21.5)
    assert (row["accepted"], row["accepted_within_25_m"], row["false_accepts"]) == (0.6, 0.5, 1)
    assert (row["seconds"], row["processor_s"], row["query_bytes"]) == (0.5, 0.25, 300)


def test_precision_falls_as_coverage_grows() -> None:
    answers = [asked(1.0, 0.9), asked(2.0, 0.8), asked(9e4, 0.7), asked(3.0, 0.6), asked(None, 0.0)]
    assert precision_by_coverage(answers) == [
        (0.9, 0.2, 1),
        (0.8, 0.4, 1),
        (0.7, 0.6, pytest.approx(2 / 3)),
        (0.6, 0.8, 0.75),
    ]


def test_rows_are_by_method_and_group_and_leave_out_those_without_a_name() -> None:
    rows = grouped([asked(scene="urban"), asked(scene=""), asked(scene="urban", method="n")], lambda one: one.scene)
    assert [(row["method"], row["group"], row["queries"]) for row in rows] == [("m", "urban", 1), ("n", "urban", 1)]


def test_confidence_is_a_half_at_the_limit_and_rises_with_what_was_measured() -> None:
    values = [confidence_of(value, 8) for value in (0, 4, 8, 16, 800)]
    assert values == sorted(values)
    assert (values[0], values[2]) == (0.0, 0.5)
    assert values[-1] < 1


@pytest.mark.parametrize("name", APPEARANCES)
def test_a_change_is_the_same_for_the_same_seed_and_other_for_another(name: str) -> None:
    image = drawn(128)
    one, same, other = (APPEARANCES[name](image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == image.shape and one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert np.array_equal(one, other) == (name == "none")


def test_changed_fields_are_the_share_of_the_picture_that_is_said() -> None:
    image = drawn(512)
    changed = (APPEARANCES["fields"](image, np.random.default_rng(1)) != image).any(axis=2).mean()
    assert FIELDS_SHARE - 0.03 < changed < FIELDS_SHARE + 0.05


@pytest.mark.parametrize("name", ["north_up", "rotation", "scale", "free"])
def test_a_pose_turns_and_scales_as_its_name_says(name: str) -> None:
    for seed in range(20):
        matrix = pose(name, np.random.default_rng(seed))
        scale = np.sqrt(np.linalg.det(matrix))
        assert 0.7 <= scale <= 1.4
        assert (abs(scale - 1) < 1e-9) == (name in ("north_up", "rotation"))
        assert (matrix[0, 1] == 0) == (name in ("north_up", "scale"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    table: dict[str, Any] = {"grid": "WebMercatorQuad", "localize_places": 1, "query_pixels": 256}
    settings = load_settings(home=tmp_path_factory.mktemp("evaluate"), gallery=table)
    fill(settings, drawn(256 * 5, 8))
    return settings


@pytest.fixture(scope="module")
def report(settings: Settings) -> BenchmarkReport:
    with opening_gallery(settings) as gallery:
        query = next(cut_queries(gallery.view, 1, 256, 3))
    assert query.footprint is not None
    (west, north), _, (east, south), _ = query.footprint
    folder = settings.gallery_folder / "queries" / "test"
    folder.mkdir(parents=True)
    for name, shift in (("here.tif", 0.0), ("far_away.tif", 20.0)):
        place = from_bounds(west + shift, south, east + shift, north, 256, 256)
        profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "crs": "EPSG:4326"}
        with rasterio.open(folder / name, "w", transform=place, **profile) as out:
            out.write(np.moveaxis(query.image, -1, 0))
    return run_benchmark(settings)


def test_every_kind_of_change_is_measured_by_both_methods(report: BenchmarkReport) -> None:
    kinds = {f"{appearance} {how}" for appearance, how in KINDS} | {"mirrored", "query set", "all"}
    for name in ("sift_vlad", "edge_clique"):
        assert {row["group"] for row in report.rows if row["method"] == name} == kinds
    assert report.facts["queries"] == len(KINDS) + 2
    assert "synthetic" in report.facts["changes"]
    assert report.facts["vector_bytes_a_tile"] <= 1_024


def test_both_methods_find_what_they_are_made_for_and_accept_nothing_false(report: BenchmarkReport) -> None:
    rows = {(row["method"], row["group"]): row for row in report.rows}
    assert rows["sift_vlad", "all"]["within_25_m"] >= 0.85
    assert rows["sift_vlad", "query set"]["within_25_m"] == rows["edge_clique", "query set"]["within_25_m"] == 1
    assert rows["edge_clique", "colour north_up"]["recall@1"] == 1
    assert rows["sift_vlad", "all"]["false_accepts"] == rows["edge_clique", "all"]["false_accepts"] == 0


def test_plots_and_pictures_are_png_of_the_size_they_are_shown_in(report: BenchmarkReport) -> None:
    assert list(report.plots) == [
        "precision against coverage",
        "distance from the true place",
        "success by kind of change",
    ]
    assert {title.split(":")[0] for title in report.pictures} == {"sift_vlad", "edge_clique"}
    for png in (*report.plots.values(), *report.pictures.values()):
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape[1] in (700, 1_100)
        assert len(np.unique(picture)) > 20


def test_a_query_whose_place_the_gallery_lacks_is_not_asked(settings: Settings, report: BenchmarkReport) -> None:
    assert {one.query for one in report.asked if one.kind == "query set"} == {"here.tif"}
    with opening_gallery(settings) as gallery:
        names = [query.name for query in given_queries(settings.gallery_folder / "queries", gallery.view)]
    assert names == ["here.tif"]


def test_answers_that_are_kept_are_not_asked_for_again_and_a_killed_run_goes_on(
    settings: Settings, report: BenchmarkReport
) -> None:
    calls: list[str] = []

    @method("counting")
    def counting(query: Query, gallery: Gallery) -> list[Candidate]:
        """Count the questions; die at the fourth."""
        calls.append(query.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return []

    own = settings.model_copy(
        update={"gallery": settings.gallery.model_copy(update={"localize_methods": ("counting",)})}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mosaic_assets.gallery.localize.evaluate.KEPT_EVERY_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(own)
        again = run_benchmark(own)
    once = again.facts["queries"]
    assert len(calls) == once + 2  # the one it died at is asked twice, and one for its picture
    run_benchmark(own)
    assert len(calls) == once + 3  # for the picture
    assert again.rows[0]["accepted"] == 0


def test_a_method_that_fails_is_named_with_the_query(settings: Settings, report: BenchmarkReport) -> None:
    @method("failing")
    def failing(query: Query, gallery: Gallery) -> list[Candidate]:
        """Fail."""
        raise ZeroDivisionError("division by zero")

    own = settings.model_copy(
        update={"gallery": settings.gallery.model_copy(update={"localize_methods": ("failing",)})}
    )
    with pytest.raises(
        GalleryError, match=r"asking the method 'failing' where none-north_up-000 is failed: ZeroDivisionError"
    ):
        run_benchmark(own)


def test_damaged_answers_are_reported_with_a_remedy(settings: Settings, report: BenchmarkReport) -> None:
    path: Path = next((settings.gallery_folder / "localize" / "results").glob("sift_vlad-*.json"))
    whole = path.read_bytes()
    assert len(json.loads(whole)) == report.facts["queries"]
    path.write_text('{"a": [1]}')
    try:
        with pytest.raises(GalleryError, match="remove the file, they are measured again"):
            run_benchmark(settings)
    finally:
        path.write_bytes(whole)


def test_a_gallery_too_small_for_a_query_is_reported(settings: Settings) -> None:
    own = settings.model_copy(update={"gallery": settings.gallery.model_copy(update={"query_pixels": 2_048})})
    with pytest.raises(GalleryError, match=r"cutting a query of 2048 x 2048 pixels .* lower gallery.query_pixels"):
        run_benchmark(own)
