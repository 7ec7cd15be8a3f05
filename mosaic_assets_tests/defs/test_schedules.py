"""What the clock asks for."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from mosaic_assets.definitions import defs
from mosaic_assets.defs.checks import ALL_CHECKS
from mosaic_assets.defs.instance import open_instance
from mosaic_assets_tests.defs.conftest import Bench

# The first of January 2027 lies in ISO week 53 of 2026 (ISO 8601 calendar).
NEW_YEAR = datetime(2027, 1, 1, 3, tzinfo=UTC)


def weekly(bench: Bench, *partitions: str) -> dg.ScheduleExecutionData:
    schedule = bench.definitions.resolve_schedule_def("weekly_harvest")
    resources = dict(bench.definitions.resources or {})
    with open_instance(bench.settings) as instance:
        instance.add_dynamic_partitions("biomes", list(partitions))
        repository = bench.definitions.get_repository_def()
        with dg.build_schedule_context(
            instance, scheduled_execution_time=NEW_YEAR, resources=resources, repository_def=repository
        ) as context:
            return schedule.evaluate_tick(context)


def test_weekly_harvest_asks_for_one_dated_run_a_biome(bench: Bench) -> None:
    asked = weekly(bench, "dallol", "amazon", "removed_from_the_settings").run_requests or []
    assert [(request.run_key, request.partition_key) for request in asked] == [
        ("2026-W53/amazon", "amazon"),
        ("2026-W53/dallol", "dallol"),
    ]


def test_weekly_harvest_says_why_there_is_nothing_to_do(bench: Bench) -> None:
    data = weekly(bench)
    assert not data.run_requests and "no biome is a partition yet" in str(data.skip_message)


def test_weekly_harvest_skips_on_unusable_settings(bench: Bench) -> None:
    bench.given["round_tiles"] = "many"
    data = weekly(bench, "dallol")
    assert not data.run_requests and "round_tiles = 'many'" in str(data.skip_message)


@pytest.mark.parametrize(
    ("name", "job", "cron"),
    [("weekly_harvest", "harvest_biome", "0 3 * * 1"), ("nightly_checks", "verify_library", "30 2 * * *")],
)
def test_schedules_start_their_jobs(name: str, job: str, cron: str) -> None:
    schedule = defs.resolve_schedule_def(name)
    assert (schedule.job_name, schedule.cron_schedule) == (job, cron)


def test_the_nightly_job_is_every_check_and_nothing_else() -> None:
    layer = defs.resolve_job_def("verify_library").asset_layer
    assert layer.executable_asset_keys == set()
    assert {key.name for key in layer.asset_graph.asset_check_keys} == {check.name for check in ALL_CHECKS}


def test_the_nightly_job_runs_over_a_library_and_changes_nothing(bench: Bench) -> None:
    assert bench.run("harvest_biome", "dallol").success and bench.run("merge_library").success
    before = {
        path: path.stat().st_mtime_ns for path in sorted(bench.settings.library.rglob("*.*")) if "-" not in path.suffix
    }
    result = bench.run("verify_library")
    assert {e.check_name for e in result.get_asset_check_evaluations()} == {check.name for check in ALL_CHECKS}
    # The target is far: a warning, which fails nothing.
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == ["coverage_target_is_met"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
