"""The archive as Dagster runs: from files in the inbox to answers of a search, one batch at a time."""

from __future__ import annotations

import base64
import doctest
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import shapely

from mosaic_assets.csquares import drawing
from mosaic_assets.csquares.archive_checks import ARCHIVE_CHECKS
from mosaic_assets.csquares.footprints import queue_path
from mosaic_assets.csquares.search import open_index
from mosaic_assets.csquares.uploading import uploading
from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.errors import BusyError, StoreError
from mosaic_assets.settings import Archive
from mosaic_assets.store.library_db import open_library
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data
from mosaic_assets_tests.defs.conftest import Bench, MakeBench, reason, wanted

STATUS = dg.DagsterRunStatus
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")
"""A picture of one grey pixel."""
MakeArchive = Callable[..., Bench]


@pytest.fixture
def make_archive(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> MakeArchive:
    """A bench whose inbox takes files at once; drawing is left to the tests of drawing, unless ``pictures`` are asked for."""

    def make(batch_size: int = 2, *, pictures: bool = False, **given: Any) -> Bench:
        if not pictures:
            monkeypatch.setattr(drawing, "draw_codes", lambda *_, **__: PIXEL)
            monkeypatch.setattr(drawing, "density_map", lambda *_: PIXEL)
        bench = make_bench(archive={"settle_s": 0, "batch_size": batch_size}, **given)
        bench.settings.inbox.mkdir(parents=True)
        return bench

    return make


@pytest.fixture
def archive(make_archive: MakeArchive) -> Bench:
    return make_archive()


def feature(name: str, west: float = 140.0, **properties: Any) -> dict[str, Any]:
    ring = [[west, -41], [west + 2, -41], [west + 2, -39], [west, -39], [west, -41]]
    return {
        "type": "Feature",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"id": name, "platform": "NOAA-12", "datetime": "2003-06-21T06:23:00Z", **properties},
    }


def drop(bench: Bench, name: str, *features: dict[str, Any]) -> Path:
    path = bench.settings.inbox / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def execute(bench: Bench, request: dg.RunRequest, **more: Any) -> dg.ExecuteInProcessResult:
    return bench.definitions.resolve_job_def(str(request.job_name)).execute_in_process(
        instance=bench.instance, partition_key=request.partition_key, tags=dict(request.tags), run_config=QUIET,
        raise_on_error=False, **more,
    )  # fmt: skip


def by_hand(bench: Bench, job: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
    return execute(bench, dg.RunRequest(job_name=job, partition_key=partition))


def until_quiet(bench: Bench) -> list[tuple[str, str | None, bool]]:
    """Tick the sensor and execute what it asks for until it rests; (job, partition, success) of each run."""
    done = []
    for _ in range(30):
        asked = bench.tick("inbox_sensor").run_requests or []
        if not asked:
            return done
        done += [(str(request.job_name), request.partition_key, execute(bench, request).success) for request in asked]
    raise AssertionError(f"the sensor never rests: {done}")


def found(bench: Bench, **where: Any) -> list[str]:
    with open_index(bench.settings.csquares) as index:
        return index.ids(**where).tolist()


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    return {
        str(event.asset_key and event.asset_key.to_user_string()): {
            name: entry.value for name, entry in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


@needs_shared_data
def test_real_footprints_and_a_bad_file_go_from_the_inbox_to_answers(make_archive: MakeArchive) -> None:
    bench = make_archive(batch_size=100)
    real = SHARED_DATA / "csquares" / "footprints.geojson"
    (bench.settings.inbox / "real.geojson").write_bytes(real.read_bytes())
    (bench.settings.inbox / "bad.geojson").write_text('{"type": "FeatureCollection", "features": [')
    runs = until_quiet(bench)
    assert runs == [("take_scenes", None, True)] + [
        ("ingest_batch", f"scenes-000001-0000{number}", True) for number in (1, 2, 3)
    ]
    assert len(found(bench)) == 216  # those that lap themselves among them, split (see test_lapping.py)
    assert not (bench.settings.home / "inbox/rejected/real.geojson.report.json").exists()
    (bad,) = json.loads((bench.settings.home / "inbox/rejected/bad.geojson.report.json").read_text())["rejected"]
    assert bad["reason"]
    assert set(bench.instance.get_dynamic_partitions("scene_batches")) == {partition for _, partition, _ in runs[1:]}
    # S3A_OL_1_EFR_20211021T073827 covers 2,110 squares in data/csquares/footprints_expected_halfdeg.csv, by GEOS.
    name = "S3A_OL_1_EFR_20211021T073827_20211021T074112_0164_077_334_4320"
    with open_index(bench.settings.csquares) as index:
        codes = index.squares_of(name)
        assert len(codes) == 2110
        assert name in index.ids(codes=codes[1000], platform="Sentinel-3A")
    # Nothing waits, and the same files dropped again change nothing but are no fault either.
    (bench.settings.inbox / "real.geojson").write_bytes(real.read_bytes())
    before = found(bench)
    until_quiet(bench)
    assert found(bench) == before
    assert by_hand(bench, "verify_library").get_asset_check_evaluations()
    assert failed(by_hand(bench, "verify_library")) & {check.name for check in ARCHIVE_CHECKS} == set()


def failed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed}


def test_an_updated_scene_changes_its_answers_and_is_there_once(archive: Bench) -> None:
    drop(archive, "scenes.geojson", feature("a"), feature("b"))
    until_quiet(archive)
    assert found(archive, point=(141, -40)) == ["a", "b"]
    drop(archive, "scenes.geojson", feature("a", 50))
    until_quiet(archive)
    assert (found(archive), found(archive, point=(141, -40)), found(archive, point=(51, -40))) == (
        ["a", "b"],
        ["b"],
        ["a"],
    )


def test_one_batch_is_uploaded_at_a_time_and_the_count_is_told(archive: Bench) -> None:
    drop(archive, "scenes.geojson", *[feature(name) for name in "abcde"])
    assert wanted(archive.tick("inbox_sensor")) == [("take_scenes", None)]
    assert by_hand(archive, "take_scenes").success
    first, second, third = (f"scenes-000001-0000{number}" for number in (1, 2, 3))
    assert wanted(archive.tick("inbox_sensor")) == [("ingest_batch", first)]
    archive.pretend_run("ingest_batch", STATUS.STARTED, first)
    said = reason(archive.tick("inbox_sensor"))
    assert said == f"5 scenes being uploaded in 3 batch(es), 0 file(s) in the inbox; under way: {first}"
    archive.instance.report_run_canceled(archive.instance.get_runs()[0])
    result = by_hand(archive, "ingest_batch", first)
    assert metadata(result)["csquare_index"]["being uploaded"] == 3
    drop(archive, "more.geojson", feature("f"))
    assert wanted(archive.tick("inbox_sensor")) == [("ingest_batch", second)]
    assert by_hand(archive, "ingest_batch", second).success and by_hand(archive, "ingest_batch", third).success
    assert wanted(archive.tick("inbox_sensor")) == [("take_scenes", None)]
    until_quiet(archive)
    assert reason(archive.tick("inbox_sensor")) == (
        "0 scenes being uploaded in 0 batch(es), 0 file(s) in the inbox; nothing to do"
    )


def test_a_materialization_from_the_ui_counts_as_under_way(archive: Bench) -> None:
    drop(archive, "scenes.geojson", feature("a"))
    by_hand(archive, "take_scenes")
    archive.tick("inbox_sensor")
    job = archive.definitions.resolve_implicit_global_asset_job_def()
    archive.instance.create_run_for_job(
        job, asset_selection={dg.AssetKey("scene_footprints")}, status=STATUS.STARTED,
        tags={"dagster/partition": "scenes-000001-00001"},
    )  # fmt: skip
    assert "under way: scenes-000001-00001" in reason(archive.tick("inbox_sensor"))


def test_files_that_still_change_are_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(archive={"settle_s": 3600})
    bench.settings.inbox.mkdir(parents=True)
    drop(bench, "scenes.geojson", feature("a"))
    assert "1 file(s) in the inbox; files are still changing" in reason(bench.tick("inbox_sensor"))


def test_taking_is_not_asked_for_twice(archive: Bench) -> None:
    drop(archive, "scenes.geojson", feature("a"))
    archive.pretend_run("take_scenes", STATUS.QUEUED)
    assert "under way: take_scenes" in reason(archive.tick("inbox_sensor"))


def test_a_run_shows_what_a_person_wants_to_see(make_archive: MakeArchive) -> None:
    archive = make_archive(pictures=True)
    drop(archive, "scenes.geojson", feature("a"), {**feature("bad"), "geometry": None})
    shown = metadata(by_hand(archive, "take_scenes"))["scene_inbox"]
    assert (shown["rejected records"], shown["being uploaded"], shown["dagster/row_count"]) == (1, 1, 1)
    result = by_hand(archive, "ingest_batch", "scenes-000001-00001")
    assert result.success
    shown = metadata(result)
    assert shown["scene_footprints"]["dagster/row_count"] == 1
    pairs = shown["csquare_pairs"]
    # A box of 2 x 2 degrees over 40 S: two blocks of 1 x 2 degrees, half-degree squares 16, degrees 4.
    assert [dict(record.data) for record in pairs["squares"].records] == [
        {"degrees": 10.0, "squares": 2, "after compression": 2},
        {"degrees": 5.0, "squares": 2, "after compression": 2},
        {"degrees": 1.0, "squares": 4, "after compression": 4},
        {"degrees": 0.5, "squares": 16, "after compression": 4},
    ]
    # The first bytes of any PNG, in base 64; small enough for an event log that keeps one of every batch.
    assert len(pairs["largest scene drawn"]) < 250_000
    assert str(pairs["largest scene drawn"]).startswith("![a](data:image/png;base64,iVBORw0KGgo")
    index = shown["csquare_index"]
    assert (index["dagster/row_count"], index["scenes added"], index["being uploaded"]) == (1, 1, 0)
    assert str(index["density"]).startswith("![scenes by place](data:image/png;base64,iVBORw0KGgo")
    checked = {evaluation.check_name for evaluation in result.get_asset_check_evaluations()}
    assert checked == {check.name for check in ARCHIVE_CHECKS if check.asset != "library_footprints"}


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def test_a_batch_that_cannot_be_read_is_named_and_the_others_go_on(archive: Bench) -> None:
    drop(archive, "scenes.geojson", *[feature(name) for name in "abcd"])
    by_hand(archive, "take_scenes")
    damaged = queue_path(archive.settings, "scenes-000001-00001")
    whole = damaged.read_bytes()
    # A cut in the middle: the footer that tells the number of scenes stays.
    damaged.write_bytes(whole[:40] + bytes(40) + whole[80:])
    runs = until_quiet(archive)
    assert runs == [("ingest_batch", "scenes-000001-00001", False), ("ingest_batch", "scenes-000001-00002", True)]
    said = reason(archive.tick("inbox_sensor"))
    assert "2 scenes being uploaded" in said and "scenes-000001-00001: quarantined" in said and "run it by hand" in said
    drop(archive, "more.geojson", feature("e"))
    assert [name for _, name, good in until_quiet(archive) if good] == [None, "scenes-000002-00001"]
    for path in archive.settings.home.rglob("scenes-000001-00001.parquet"):
        path.write_bytes(whole)
    assert by_hand(archive, "ingest_batch", "scenes-000001-00001").success
    assert (found(archive), uploading(archive.settings).batches) == (list("abcde"), 0)


def test_a_batch_whose_runs_die_is_tried_three_times(make_archive: MakeArchive) -> None:
    bench = make_archive(limits={"backoff_s": 0})
    drop(bench, "scenes.geojson", feature("a"))
    by_hand(bench, "take_scenes")
    for _ in range(3):
        assert wanted(bench.tick("inbox_sensor")) == [("ingest_batch", "scenes-000001-00001")]
        bench.pretend_run("ingest_batch", STATUS.FAILURE, "scenes-000001-00001")
    assert "quarantined after 3 failed run(s)" in reason(bench.tick("inbox_sensor"))


def test_a_passing_failure_backs_off(archive: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosaic_assets.csquares import index

    def busy(*_: object) -> None:
        raise BusyError("index.db is in use")

    drop(archive, "scenes.geojson", feature("a"))
    by_hand(archive, "take_scenes")
    monkeypatch.setattr(index, "update_index", busy)
    assert not by_hand(archive, "ingest_batch", "scenes-000001-00001").success
    assert "index.db is in use; next try after" in reason(archive.tick("inbox_sensor"))


def test_taking_that_keeps_failing_is_given_up_and_named(archive: Bench) -> None:
    drop(archive, "scenes.geojson", feature("a"))
    tags = {PERMANENT_TAG: "permanent", REASON_TAG: "permission is denied"}
    archive.pretend_run("take_scenes", STATUS.FAILURE, tags=tags)
    assert "take_scenes: quarantined after 1 failed run(s): permission is denied" in reason(
        archive.tick("inbox_sensor")
    )


def test_no_further_batch_is_asked_for_while_the_index_is_broken(
    archive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic_assets.csquares import index

    def broken(*_: object) -> None:
        raise StoreError("a file of pairs is damaged")

    drop(archive, "scenes.geojson", *[feature(name) for name in "abcd"])
    by_hand(archive, "take_scenes")
    monkeypatch.setattr(index, "update_index", broken)
    assert not by_hand(archive, "ingest_batch", "scenes-000001-00001").success
    said = reason(archive.tick("inbox_sensor"))
    assert (
        "no further batch" in said and "a file of pairs is damaged" in said and "run index_footprints by hand" in said
    )
    monkeypatch.undo()
    assert by_hand(archive, "index_footprints").success
    assert [name for _, name, _ in until_quiet(archive)] == ["scenes-000001-00002"]
    assert found(archive) == list("abcd")


def test_no_further_batch_is_asked_for_after_a_check_of_the_index_failed(
    archive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic_assets.csquares import index

    whole = index.update_index

    def forget_a_footprint(folder: Path) -> Any:
        report = whole(folder)
        next((folder / "footprints").glob("*.parquet")).unlink()
        return report

    drop(archive, "scenes.geojson", *[feature(name) for name in "abcd"])
    by_hand(archive, "take_scenes")
    monkeypatch.setattr(index, "update_index", forget_a_footprint)
    assert "no_scene_is_lost_or_doubled" in failed(by_hand(archive, "ingest_batch", "scenes-000001-00001"))
    assert "or a check after it" in reason(archive.tick("inbox_sensor"))


def test_a_failing_check_of_the_pairs_keeps_them_out_of_the_index(
    archive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic_assets.csquares import uploading as module

    whole = module.cover_many
    monkeypatch.setattr(
        module,
        "cover_many",
        lambda outlines, resolution: whole([shapely.box(0, 0, 1, 1) for _ in outlines], resolution),
    )
    drop(archive, "scenes.geojson", feature("a"))
    by_hand(archive, "take_scenes")
    result = by_hand(archive, "ingest_batch", "scenes-000001-00001")
    assert failed(result) == {"covers_equal_geos"}
    assert set(metadata(result)) == {"scene_footprints", "csquare_pairs"}
    assert not (archive.settings.csquares / "index.db").exists()


@pytest.mark.parametrize("sensor", ["inbox_sensor", "contributions_sensor"])
def test_unusable_settings_are_a_reason_to_skip_and_no_crash(archive: Bench, sensor: str) -> None:
    archive.given["round_tiles"] = "many"
    assert "round_tiles = 'many'" in reason(archive.tick(sensor))


def test_an_index_that_is_no_database_is_a_reason_to_skip(archive: Bench) -> None:
    archive.settings.csquares.mkdir()
    (archive.settings.csquares / "index.db").write_bytes(b"Dear diary, " * 1000)
    assert "index.db" in reason(archive.tick("inbox_sensor"))


def test_library_tiles_are_indexed_as_they_come_and_go(archive: Bench) -> None:
    assert "library: none yet" in reason(archive.tick("contributions_sensor"))
    assert archive.run("harvest_biome", "dallol").success and archive.run("merge_library").success
    assert wanted(archive.tick("contributions_sensor")) == [(None, None)]
    shown = metadata(by_hand(archive, "index_footprints"))["library_footprints"]
    with open_library(archive.settings.library) as library:
        rows = library.rows()
    assert shown["dagster/row_count"] == len(rows) > 3
    assert shown["batches written"] == 1
    assert sorted(found(archive, platform="tiles")) == sorted(row.id for row in rows)
    place = ((rows[0].west + rows[0].east) / 2, (rows[0].south + rows[0].north) / 2)
    assert rows[0].id in found(archive, point=place)
    assert "everything is in the index" in reason(archive.tick("contributions_sensor"))

    assert archive.run("harvest_biome", "dallol").success and archive.run("merge_library").success
    assert wanted(archive.tick("contributions_sensor")) == [(None, None)]
    shown = metadata(by_hand(archive, "index_footprints"))["library_footprints"]
    assert (shown["batches written"], shown["batches unchanged"]) == (1, 1)

    with open_library(archive.settings.library, write=True) as library, library.writing():
        library.remove_tiles([rows[0]], "placeholder", "taken back")
    assert wanted(archive.tick("contributions_sensor")) == [(None, None)]
    assert by_hand(archive, "index_footprints").success
    assert rows[0].id not in found(archive)


def test_indexing_the_library_waits_for_the_merge_and_gives_up_after_failures(archive: Bench) -> None:
    assert archive.run("harvest_biome", "dallol").success and archive.run("merge_library").success
    archive.pretend_run("index_footprints", STATUS.FAILURE, tags={PERMANENT_TAG: "permanent", REASON_TAG: "no room"})
    assert "index_footprints: quarantined after 1 failed run(s): no room" in reason(
        archive.tick("contributions_sensor")
    )
    archive.pretend_run("merge_library", STATUS.STARTED)
    assert "merge_library is queued or under way" in reason(archive.tick("contributions_sensor"))


PAGE = Path(__file__).resolve().parents[2] / "docs" / "archive.md"


def test_the_page_on_the_archive_names_everything_there_is(archive: Bench) -> None:
    text = PAGE.read_text()
    keys = [key.to_user_string() for key in archive.definitions.resolve_all_asset_keys()]
    assets = [key for key in keys if key.startswith(("scene_", "csquare_", "library_"))]
    assert len(assets) == 5
    names = [*assets, *(check.name for check in ARCHIVE_CHECKS), "take_scenes", "ingest_batch", "index_footprints",
             "inbox_sensor", "contributions_sensor", "scene_batches", *(f"archive.{n}" for n in Archive.model_fields)]  # fmt: skip
    assert [name for name in names if f"`{name}" not in text] == []


def test_every_example_on_the_page_gives_the_output_shown() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert (result.attempted > 2, result.failed) == (True, 0)
