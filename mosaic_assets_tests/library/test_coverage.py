"""Figures of coverage, report and pictures against small cases counted by hand."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Outcome
from mosaic_assets.errors import CentroidsError, DatabaseError
from mosaic_assets.library import pictures, report
from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.library.coverage import LibraryState, coverage, coverage_of, read_state
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.steering import Status
from mosaic_assets.settings import Target
from mosaic_assets.store.library_records import MergedRound
from mosaic_assets_tests.library.painted import RECORD, PaintedSource, answering, ask, grow, harvest, texture

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def merged(biome="a", number=1, merge_number=1, planned=10, new_buckets=2, **outcomes):
    counts = outcomes or {"kept": planned}
    return MergedRound(
        biome, number, "s", "s", "1", 8, planned, False, counts, new_buckets, 0, 1.0, merge_number, NOW, NOW
    )


def state(kept, hits, rounds=()):
    counts = np.zeros(BUCKETS, np.int64)
    counts[list(kept)] = list(kept.values())
    return LibraryState(counts, hits, list(rounds))


def test_coverage_counted_by_hand():
    # Buckets 1, 2, 3 were met 1, 1 and 2 times; the floor of 2 is held by bucket 3 alone.
    found = coverage_of({1: 1, 2: 1, 3: 2}, state({1: 1, 2: 1, 3: 2}, {}), floor=2)
    assert (found.tiles, found.seen, found.filled) == (4, 3, 1)
    # Chao1, bias-corrected: 3 + 2 * (2 - 1) / (2 * (1 + 1)) = 3.5; share 1 / 3.5.
    assert found.reachable == 3.5
    assert found.share == pytest.approx(1 / 3.5)
    # Good-Turing: 2 of 4 tiles are of a bucket met once.
    assert found.discovery_rate == 0.5
    # New 0.5; and 1/4 each for buckets 1 and 2, whose every tile so far was kept: 0.5 + 0.25 + 0.25.
    assert found.useful_per_1000 == 1000


def test_tiles_that_prove_to_be_duplicates_promise_less():
    # Bucket 1: 8 tiles met, 1 kept, so (1 + 1) / (8 + 1) of its tiles are useful; all tiles fall there; none is new.
    found = coverage_of({1: 8}, state({1: 1}, {}), floor=3)
    assert found.discovery_rate == 0
    assert found.useful_per_1000 == pytest.approx(1000 * 2 / 9)


def test_a_filled_bucket_promises_nothing():
    found = coverage_of({1: 8, 2: 8}, state({1: 3, 2: 3}, {}), floor=3)
    assert found.useful_per_1000 == 0 and found.filled == 2


def test_buckets_about_to_be_filled_counted_by_hand():
    # 1,000 tiles met, 1,000 to come: a bucket met once gets one more with probability 1/2, two more with 1/4.
    hits = {1: 1, 2: 1, 3: 998}
    found = coverage_of(hits, state({1: 1, 2: 1, 3: 100}, {}), floor=2)
    assert found.fills_per_1000 == pytest.approx(0.5 + 0.5)
    found = coverage_of(hits, state({1: 1, 2: 1, 3: 100}, {}), floor=3)
    assert found.fills_per_1000 == pytest.approx(0.25 + 0.25)
    assert coverage_of(hits, state({1: 9, 2: 9, 3: 100}, {}), floor=3).fills_per_1000 == 0


def test_duplicates_fill_buckets_more_slowly():
    # Bucket 1 was met eight times and kept one tile: a third is expected to take as long as with 8 * 2 / 9 hits.
    few = coverage_of({1: 8, 2: 992}, state({1: 1, 2: 100}, {}), floor=3)
    many = coverage_of({1: 8, 2: 992}, state({1: 1, 2: 100}, {}), floor=2)
    assert 0 < few.fills_per_1000 < many.fills_per_1000 < 1
    assert few.fills_per_1000 < 1 - (1 / 2) ** 8 * 9  # at least two of eight-fold hits, were all kept


@pytest.mark.parametrize(
    ("target", "lacking"),
    [(Target(floor=2, share=0.8), 0.6), (Target(floor=2, share=0.5), 0), (Target(floor=2, buckets=4), 3)],
)
def test_what_is_lacking_is_counted_in_buckets(target, lacking):
    # Two reachable buckets, one of them filled.
    found = coverage_of({1: 5, 2: 5}, state({1: 5, 2: 1}, {}), floor=2)
    assert found.lacking(target) == pytest.approx(lacking)
    assert found.meets(target) is (lacking == 0)


def test_the_statistics_name_seen_reachable_filled_rate_and_prediction():
    # Chao1 3.5 and rate 0.5 as above; beyond the sample f0 (1 - (1 - r)^1000) = 0.5.
    found = coverage_of({1: 1, 2: 1, 3: 2}, state({1: 1, 2: 1, 3: 2}, {}), floor=2)
    assert found.statistics == (
        "3 buckets seen of about 4, 1 filled; 50.0% of tiles find a new one, 1,000 more about 0.5"
    )


def test_a_bucket_met_but_never_kept_is_seen_and_not_filled():
    found = coverage_of({7: 4}, state({}, {}), floor=1)
    assert (found.seen, found.filled) == (1, 0)


def test_an_empty_library_covers_nothing_and_meets_no_target():
    overall, each = coverage(state({}, {}), Target(floor=1, share=0.01))
    assert (overall.tiles, overall.seen, overall.reachable, overall.share) == (0, 0, 0.0, 0.0)
    assert each == {} and not overall.meets(Target(floor=1, share=0.01))


@pytest.mark.parametrize(("share", "met"), [(0.5, True), (0.51, False)])
def test_a_target_in_shares_is_met_at_its_very_value(share, met):
    found = coverage_of({1: 5, 2: 5}, state({1: 5, 2: 1}, {}), floor=2)
    assert found.share == 0.5
    assert found.meets(Target(floor=2, share=share)) is met


def test_hits_of_all_biomes_are_added_up():
    known = state({1: 1, 2: 3}, {"a": {1: 2, 2: 1}, "b": {2: 4}})
    assert known.total_hits() == {1: 2, 2: 5}
    overall, each = coverage(known, Target(floor=3))
    assert (overall.tiles, overall.filled) == (7, 1)
    assert {name: one.tiles for name, one in each.items()} == {"a": 3, "b": 4}


def test_the_state_knows_the_rounds_of_each_biome():
    known = state({}, {}, [merged("a", 1, planned=5), merged("b", 1, planned=7), merged("a", 2, planned=9)])
    assert [line.round for line in known.rounds_of("a")] == [1, 2]
    assert known.planned == 21


def test_the_state_read_from_a_library_agrees_with_its_rows(home):
    grow(home, waves=2)
    known = read_state(home)
    rows = dict(ask(home, "SELECT bucket_id, count(*) FROM tiles GROUP BY 1"))
    assert {bucket: int(known.kept[bucket]) for bucket in np.flatnonzero(known.kept).tolist()} == rows
    assert sum(known.total_hits().values()) == 180 and known.planned == 180


def test_before_the_first_merge_the_state_is_empty(home):
    known = read_state(home)
    assert known.kept.shape == (BUCKETS,) and not known.kept.any()
    assert (known.hits, known.rounds) == ({}, [])


# Report


@pytest.fixture
def mixed(new_home):
    """One biome with one round of known outcomes, another not harvested."""
    home = new_home(
        biomes={"west": {"box": [0.5, 0.5, 20, 20]}, "east": {"box": [40.5, 0.5, 60, 20], "weight": 20}},
        round_tiles=10,
        bucket_cap=2,
        target=Target(floor=2, share=0.9),
    )
    blue = [encode_png(texture(n, (70, 100, 180))) for n in range(4)]
    flat = encode_png(np.full((256, 256, 3), 140, np.uint8))
    answers = [*blue, flat, flat, Outcome.MISSING, b"<html>", Outcome.FETCH_FAILED, Outcome.REFUSED]
    harvest(home, "west", paint=answering(*answers))
    merge_rounds(home)
    return home


def test_the_table_of_biomes_counted_by_hand(mixed):
    known = read_state(mixed)
    rows = {row["biome"]: row for row in report.biome_table(known, report.current_decision(mixed, known))}
    why = rows["west"].pop("why")
    assert rows["west"] == {
        "biome": "west",
        "rounds": 1,
        "asked": 10,
        "kept": 3,  # two blue ones up to the cap, one flat
        "full": 2,
        "duplicate": 1,  # the second flat one
        "no picture": 3,
        "failed": 1,
        "buckets": 2,
        "filled": 1,
        "reachable": 2,
        # 7 tiles were judged, 5 in one bucket and 2 in another: none is alone in its bucket.
        "discovery rate": 0.0,
        "new per 1,000": 0.0,
        "status": "wanted",
    }
    assert "useful ones" in why
    assert (rows["east"]["rounds"], rows["east"]["asked"], rows["east"]["why"]) == (0, 0, "not harvested yet")
    assert (rows["east"]["discovery rate"], rows["east"]["new per 1,000"]) == (1.0, 1000.0)


def test_the_columns_of_the_table_add_up_to_what_was_asked(mixed):
    known = read_state(mixed)
    row = report.biome_table(known, report.current_decision(mixed, known))[0]
    assert row["asked"] == sum(row[name] for name in ("kept", "full", "duplicate", "no picture", "failed"))


def test_the_summary_is_plain_values(mixed):
    known = read_state(mixed)
    found = report.summary(mixed, report.current_decision(mixed, known), known)
    assert json.loads(json.dumps(found)) == found
    assert (found["tiles"], found["buckets_with_tiles"], found["asked"]) == (3, 2, 10)
    assert found["outcomes"] == {
        "bucket_full": 2, "fetch_failed": 1, "flat": 1, "kept": 3, "missing": 1, "not_an_image": 1, "refused": 1,
    }  # fmt: skip
    assert (found["sources"], found["synthetic"], found["target_met"]) == (["painted"], False, False)
    assert found["overall"]["filled"] == 1 and found["overall"]["share"] == 0.5
    assert found["statistics"].startswith("2 buckets seen of about 2, 1 filled")


def test_the_summary_says_that_imagery_is_synthetic(home):
    harvest_round("west", home, source=PaintedSource(record=RECORD.model_copy(update={"synthetic": True})))
    merge_rounds(home)
    known = read_state(home)
    assert report.summary(home, report.current_decision(home, known), known)["synthetic"] is True


def test_the_decision_is_steerings(mixed):
    decision = report.current_decision(mixed)
    assert decision.requests == ["east", "west"]
    assert {verdict.status for verdict in decision.verdicts} == {Status.WANTED}


def is_drawn(png, size=None):
    """Decode a PNG; it holds more than one colour."""
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG" and (size is None or picture.size == size)
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    return len(colours) > 1


def test_the_report_is_written_beside_the_library(mixed):
    content, drawn, folder = report.write_report(mixed)
    assert folder == mixed.home / "reports"
    names = {"ab_plane.png", "fill.png", "discovery.png", "newest_tiles.png"}
    assert set(drawn) == names
    assert {path.name for path in folder.iterdir()} == {*names, "coverage.json"}
    assert json.loads((folder / "coverage.json").read_text()) == content
    for name in names:
        assert (folder / name).read_bytes() == drawn[name] and is_drawn(drawn[name])


def test_a_report_written_again_replaces_the_old_one(mixed):
    report.write_report(mixed)
    grow(mixed)
    content, _, folder = report.write_report(mixed)
    assert json.loads((folder / "coverage.json").read_text())["asked"] == content["asked"] == 30


def test_a_report_without_a_library_says_what_to_do(home, tmp_path):
    with pytest.raises((DatabaseError, CentroidsError), match="build the library first"):
        report.write_report(home)


# Pictures


def test_the_contact_sheet_shows_the_newest_tiles_first(home):
    grow(home)
    harvest(home, "west", paint=lambda tile: encode_png(texture(tile.x * 999 + tile.y, (30, 30, 200))))
    merge_rounds(home)
    sheet = np.asarray(Image.open(io.BytesIO(pictures.newest_tiles(home, count=24))))
    assert sheet.shape == (2 * 64, 12 * 64, 3)
    assert np.abs(sheet.mean(axis=(0, 1)) - (30, 30, 200)).max() < 1


def test_the_contact_sheet_of_a_biome_shows_its_tiles_only(home):
    harvest(home, "west", paint=lambda tile: encode_png(texture(tile.x * 999 + tile.y, (30, 30, 200))))
    grow(home)
    sheet = np.asarray(Image.open(io.BytesIO(pictures.newest_tiles(home, count=60, biome="west"))))
    assert sheet.shape[0] == 5 * 64
    assert pictures.newest_tiles(home, biome="nowhere") is None


def test_a_damaged_picture_leaves_its_place_white(home):
    grow(home)
    (path,) = ask(
        home,
        "SELECT filepath FROM provenance JOIN tiles USING (id) ORDER BY round DESC, position DESC, biome LIMIT 1",
    )[0]
    (home.home / path).write_bytes(b"\x89PNG\r\n\x1a\n")
    sheet = np.asarray(Image.open(io.BytesIO(pictures.newest_tiles(home, count=12))))
    white = [(sheet[:, 64 * n : 64 * n + 64] == 255).all() for n in range(12)]
    assert white.count(True) == 1


def test_a_sheet_of_a_round_shows_its_candidates(home):
    (made,) = harvest(home, "west", paint=answering(b"", b""))
    sheet = np.asarray(Image.open(io.BytesIO(pictures.round_sheet(made.path))))
    shown = [not (sheet[64 * (n // 12) :][:64, 64 * (n % 12) :][:, :64] == 255).all() for n in range(36)]
    assert shown == [True] * 28 + [False] * 8


def test_a_round_without_candidates_has_no_sheet(home):
    (made,) = harvest(home, "west", paint=lambda _: Outcome.MISSING)
    assert pictures.round_sheet(made.path) is None


def test_a_library_without_tiles_has_no_contact_sheet(home):
    grow(home, paint=lambda _: Outcome.MISSING)
    assert pictures.newest_tiles(home) is None
    assert set(report.write_report(home)[1]) == {"ab_plane.png", "fill.png", "discovery.png"}


@pytest.mark.parametrize(
    ("kept", "floor"), [({}, 3), ({1: 1, 2: 5, 3: 100, 4: 140}, 3), ({1: 1}, 1)], ids=["empty", "mixed", "floor of 1"]
)
def test_every_drawing_is_a_png_that_is_not_blank(published_centroids, kept, floor):
    lab = np.load(published_centroids / "centroids.npy")
    known = state(kept, {"a": {**kept, 9: 2}} if kept else {}, [merged()] if kept else [])
    assert is_drawn(pictures.ab_plane(known, lab, floor, 100))
    assert is_drawn(pictures.fill_histogram(known, floor, 100))
    assert is_drawn(pictures.discovery_curve(known))


def test_the_plane_of_a_fuller_library_looks_different(published_centroids):
    lab = np.load(published_centroids / "centroids.npy")
    few, many = (dict.fromkeys(range(count), 5) for count in (10, 2000))
    assert pictures.ab_plane(state(few, {}), lab, 3, 100) != pictures.ab_plane(state(many, {}), lab, 3, 100)


def test_the_discovery_curve_has_a_point_for_each_merge_with_the_sums_of_its_rounds(monkeypatch):
    drawn = {}
    known = state(
        {1: 1},
        {"a": {1: 1}},
        [
            merged("a", 1, 1, planned=10, new_buckets=4),
            merged("b", 1, 1, planned=20, new_buckets=3),
            merged("a", 2, 2, planned=30, new_buckets=2),
        ],
    )
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda axes, x, y, **style: drawn.update(x=x, y=y) or plot(axes, x, y, **style))
    pictures.discovery_curve(known)
    assert drawn == {"x": [0, 30, 60], "y": [0, 7, 9]}
