"""The sensors over a real home and an instance in memory: what they ask for, what they wait for, what they say."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from mosaic_assets_tests.defs.conftest import Bench, MakeBench, reason, wanted

STATUS = dg.DagsterRunStatus
BOTH = [("harvest_biome", "amazon"), ("harvest_biome", "dallol")]


def harvest(bench: Bench, *places: str) -> None:
    for place in places:
        assert bench.run("harvest_biome", place).success


def test_a_fresh_home_asks_for_the_setup_first_and_adds_the_partitions(bench: Bench) -> None:
    (bench.settings.library / "centroids.npy").unlink()
    assert wanted(bench.tick("coverage_sensor")) == [("setup_library", None)]
    assert set(bench.instance.get_dynamic_partitions("biomes")) == {"dallol", "amazon"}


def test_the_setup_is_not_asked_for_twice(bench: Bench) -> None:
    (bench.settings.library / "centroids.npy").unlink()
    bench.pretend_run("setup_library", STATUS.QUEUED)
    assert "being made" in reason(bench.tick("coverage_sensor"))


def test_a_setup_that_keeps_failing_is_given_up(bench: Bench) -> None:
    (bench.settings.library / "centroids.npy").unlink()
    for _ in range(3):
        assert wanted(bench.tick("coverage_sensor")) == [("setup_library", None)]
        bench.pretend_run("setup_library", STATUS.FAILURE)
    assert "run setup_library by hand" in reason(bench.tick("coverage_sensor"))


def test_centroids_lost_from_under_a_library_are_asked_for_once(bench: Bench) -> None:
    harvest(bench, "dallol")
    assert bench.run("merge_library").success
    (bench.settings.library / "centroids.npy").unlink()
    assert wanted(bench.tick("coverage_sensor")) == [("setup_library", None)]
    assert not bench.run("setup_library").success
    assert "1 run(s) of setup_library failed" in reason(bench.tick("coverage_sensor"))


def test_with_centroids_there_the_first_wave_is_asked_for_with_its_partitions(bench: Bench) -> None:
    result = bench.tick("coverage_sensor")
    assert wanted(result) == BOTH
    # No run key: Dagster never launches a key twice, even after the run failed.
    assert [request.run_key for request in result.run_requests or []] == [None, None]
    assert all("not harvested yet" in request.tags["mosaic/why"] for request in result.run_requests or [])


def test_a_wave_is_no_larger_than_the_limit(make_bench: MakeBench) -> None:
    assert wanted(make_bench(limits={"max_runs_in_flight": 1}).tick("coverage_sensor")) == BOTH[:1]


@pytest.mark.parametrize("status", [STATUS.QUEUED, STATUS.STARTED])
def test_nothing_is_asked_for_while_a_run_is_queued_or_under_way(bench: Bench, status: dg.DagsterRunStatus) -> None:
    bench.pretend_run("harvest_biome", status, "dallol")
    said = reason(bench.tick("coverage_sensor"))
    assert "1 harvest run(s) under way" in said and "dallol: harvesting" in said


def test_a_run_that_somebody_canceled_is_neither_under_way_nor_a_failure(bench: Bench) -> None:
    bench.pretend_run("harvest_biome", STATUS.CANCELED, "dallol")
    assert wanted(bench.tick("coverage_sensor")) == BOTH


def test_materializing_from_the_ui_counts_as_under_way(bench: Bench) -> None:
    job = bench.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey("harvested_tiles")
    bench.instance.create_run_for_job(
        job, asset_selection={key}, status=STATUS.STARTED, tags={"dagster/partition": "dallol"}
    )
    assert "dallol: harvesting" in reason(bench.tick("coverage_sensor"))


def test_a_backfill_that_has_not_launched_its_runs_counts_as_under_way(bench: Bench) -> None:
    bench.instance.add_backfill(
        PartitionBackfill(
            backfill_id="fill", status=BulkActionStatus.REQUESTED, from_failure=False, tags={}, backfill_timestamp=0.0,
            asset_selection=[dg.AssetKey("harvested_tiles")],
        )
    )  # fmt: skip
    assert "1 harvest run(s) under way" in reason(bench.tick("coverage_sensor"))
    harvest(bench, "dallol")
    assert "backfill fill" in reason(bench.tick("merge_sensor"))


def test_nothing_is_asked_for_while_rounds_are_unmerged_and_the_merge_sets_it_free(bench: Bench) -> None:
    harvest(bench, "dallol", "amazon")
    assert "2 round(s) wait for their merge" in reason(bench.tick("coverage_sensor"))
    assert bench.run("merge_library").success
    assert {partition for _, partition in wanted(bench.tick("coverage_sensor"))} == {"dallol", "amazon"}


def test_nothing_is_asked_for_while_a_merge_is_still_being_checked(bench: Bench) -> None:
    bench.pretend_run("merge_library", STATUS.STARTED)
    assert "wait for their merge" in reason(bench.tick("coverage_sensor"))


def test_a_passing_failure_backs_off_and_the_others_go_on(bench: Bench) -> None:
    bench.pretend_failure("dallol")
    result = bench.tick("coverage_sensor")
    assert wanted(result) == [("harvest_biome", "amazon")]


def test_after_the_back_off_a_failed_biome_is_asked_for_again(make_bench: MakeBench) -> None:
    bench = make_bench(limits={"backoff_s": 0})
    for _ in range(2):
        bench.pretend_failure("dallol")
    assert set(wanted(bench.tick("coverage_sensor"))) == set(BOTH)


def test_three_failures_in_a_row_quarantine_a_biome(make_bench: MakeBench) -> None:
    bench = make_bench(limits={"backoff_s": 0}, biomes={"dallol": {"box": [40.22, 14.16, 40.38, 14.32]}})
    for _ in range(3):
        bench.pretend_failure("dallol", "the server is down")
    said = reason(bench.tick("coverage_sensor"))
    assert "dallol: quarantined" in said and "3 failed run(s) in a row: the server is down" in said


def test_a_permanent_failure_quarantines_at_once(make_bench: MakeBench) -> None:
    bench = make_bench(limits={"backoff_s": 0}, biomes={"dallol": {"box": [40.22, 14.16, 40.38, 14.32]}})
    bench.pretend_failure("dallol", "terms not acknowledged", permanent=True)
    assert "dallol: quarantined" in reason(bench.tick("coverage_sensor"))


def test_a_success_releases_a_quarantined_biome(make_bench: MakeBench) -> None:
    bench = make_bench(biomes={"dallol": {"box": [40.22, 14.16, 40.38, 14.32]}})
    for _ in range(3):
        bench.pretend_failure("dallol")
    harvest(bench, "dallol")
    assert bench.run("merge_library").success
    assert wanted(bench.tick("coverage_sensor")) == [("harvest_biome", "dallol")]


def test_a_failure_from_before_a_drive_is_forgiven(make_bench: MakeBench) -> None:
    from datetime import UTC, datetime, timedelta

    bench = make_bench()
    bench.pretend_failure("dallol", permanent=True)
    workbench = (bench.definitions.resources or {})["workbench"]
    workbench.forgive_before = datetime.now(UTC) + timedelta(seconds=1)
    assert set(wanted(bench.tick("coverage_sensor"))) == set(BOTH)
    workbench.forgive_before = datetime.now(UTC) - timedelta(hours=1)
    assert wanted(bench.tick("coverage_sensor")) == [("harvest_biome", "amazon")]


def test_a_biome_added_to_the_settings_becomes_a_partition_at_the_next_tick(bench: Bench) -> None:
    bench.tick("coverage_sensor")
    bench.given["biomes"] = {**bench.given["biomes"], "uyuni_here": {"box": [-68, -20, -67, -19.5]}}
    bench.tick("coverage_sensor")
    assert "uyuni_here" in bench.instance.get_dynamic_partitions("biomes")


def test_a_met_target_ends_the_requests_with_a_verdict_on_every_biome(make_bench: MakeBench) -> None:
    bench = make_bench(target={"floor": 1, "buckets": 1})
    harvest(bench, "dallol")
    assert bench.run("merge_library").success
    said = reason(bench.tick("coverage_sensor"))
    assert said.splitlines()[0].endswith(": met")
    assert "dallol: met after 1 round(s)" in said and "amazon: met after 0 round(s)" in said


@pytest.mark.parametrize("sensor", ["coverage_sensor", "merge_sensor"])
def test_unusable_settings_are_a_reason_to_skip_and_no_crash(bench: Bench, sensor: str) -> None:
    bench.given["round_tiles"] = "many"
    assert "round_tiles = 'many'" in reason(bench.tick(sensor))


@pytest.mark.parametrize("sensor", ["coverage_sensor", "merge_sensor"])
def test_a_library_that_is_no_database_is_a_reason_to_skip(bench: Bench, sensor: str) -> None:
    (bench.settings.library / "tiles.db").write_bytes(b"Dear diary, " * 1000)
    assert "not a" in reason(bench.tick(sensor))


def test_the_merge_sensor_rests_when_every_round_is_in_the_library(bench: Bench) -> None:
    assert reason(bench.tick("merge_sensor")) == "every published round is in the library"
    harvest(bench, "dallol")
    assert bench.run("merge_library").success
    assert reason(bench.tick("merge_sensor")) == "every published round is in the library"


def test_the_merge_sensor_waits_for_the_end_of_the_wave(bench: Bench) -> None:
    harvest(bench, "dallol")
    bench.pretend_run("harvest_biome", STATUS.QUEUED, "amazon")
    assert "under way: amazon" in reason(bench.tick("merge_sensor"))


def test_the_merge_sensor_asks_for_one_merge_and_not_for_a_second(bench: Bench) -> None:
    harvest(bench, "dallol", "amazon")
    result = bench.tick("merge_sensor")
    assert len(result.run_requests or []) == 1
    assert (result.run_requests or [])[0].tags["mosaic/why"] == "2 unmerged round(s)"
    bench.pretend_run("merge_library", STATUS.QUEUED)
    assert "queued or under way" in reason(bench.tick("merge_sensor"))


def test_merges_that_keep_failing_are_given_up_until_one_succeeds(bench: Bench) -> None:
    harvest(bench, "dallol")
    for _ in range(3):
        assert len(bench.tick("merge_sensor").run_requests or []) == 1
        bench.pretend_run("merge_library", STATUS.FAILURE)
    assert "3 run(s) of merge_library failed in a row" in reason(bench.tick("merge_sensor"))
    bench.pretend_run("merge_library", STATUS.SUCCESS)
    assert len(bench.tick("merge_sensor").run_requests or []) == 1


def test_no_further_wave_is_asked_for_while_the_last_merge_failed_its_checks(bench: Bench) -> None:
    harvest(bench, "dallol")
    assert bench.run("merge_library").success
    bench.pretend_run("merge_library", STATUS.FAILURE)
    said = reason(bench.tick("coverage_sensor"))
    assert "the last merge_library failed" in said and "run merge_library by hand" in said
    assert bench.run("merge_library").success
    assert wanted(bench.tick("coverage_sensor"))
