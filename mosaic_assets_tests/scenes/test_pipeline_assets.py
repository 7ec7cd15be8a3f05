"""The day's pipeline as Dagster runs it: assets, jobs, the schedule, and failures that say of which kind they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mosaic_assets.defs.present import PERMANENT_TAG
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.defs.scene_assets import SCENE_ASSETS, SCENE_JOBS, SCENE_SCHEDULES, daily_scenes, day_partitions
from mosaic_assets.settings import Settings
from mosaic_assets_tests.scenes.copernicus_server import StandIn
from mosaic_assets_tests.scenes.test_pipeline import MakeSettings

DAY = "2024-06-01"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def definitions(settings: Settings) -> dg.Definitions:
    given: dict[str, Any] = {
        "home": settings.home,
        "workers": 2,
        "network": settings.network.model_dump(),
        "scenes": settings.scenes.model_dump(exclude_defaults=True),
    }
    return dg.Definitions(
        assets=SCENE_ASSETS,
        jobs=SCENE_JOBS,
        schedules=SCENE_SCHEDULES,
        resources={"workbench": Workbench(given)},
        executor=dg.in_process_executor,
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(
    settings: Settings, instance: dg.DagsterInstance, job: str, partition: str | None = DAY
) -> dg.ExecuteInProcessResult:
    return (
        definitions(settings)
        .resolve_job_def(job)
        .execute_in_process(instance=instance, partition_key=partition, raise_on_error=False, run_config=QUIET)
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_a_day_and_its_releases(served: StandIn, at_stand_in: MakeSettings, instance: dg.DagsterInstance) -> None:
    settings = at_stand_in()
    result = run(settings, instance, "fetch_scenes")
    assert result.success
    catalogue, crops = metadata(result, "olci_catalog"), metadata(result, "smcefr_crops")
    assert (catalogue["dagster/row_count"], catalogue["source"]) == (3, "copernicus")
    assert (crops["dagster/row_count"], crops["kept"], crops["worked on"]) == (3, 1, 3)
    assert crops["bytes fetched"] == served.bytes_served
    assert crops["crops"].startswith("![crops of 2024-06-01](data:image/png;base64,")
    again = run(settings, instance, "fetch_scenes")
    assert metadata(again, "smcefr_crops")["worked on"] == 0

    released = run(settings, instance, "release_scenes", None)
    assert metadata(released, "smcefr_release")["dagster/row_count"] == 1
    first = archives(settings.exports)
    assert len(first) == 2
    run(settings, instance, "release_scenes", None)
    assert archives(settings.exports) == first


def archives(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.tar.gz")}


def test_the_region_is_drawn(at_stand_in: MakeSettings, instance: dg.DagsterInstance) -> None:
    resources = dict(definitions(at_stand_in()).resources or {})
    result = dg.materialize(SCENE_ASSETS[:1], instance=instance, resources=resources, run_config=QUIET)
    assert metadata(result, "olci_region")["title"] == "North and South America"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [({"status": 503}, "passing"), ({"status": 429, "retry_after": 7200}, "passing"), ({"status": 403}, "permanent")],
)
def test_a_failure_says_of_which_kind_it_is(
    served: StandIn, at_stand_in: MakeSettings, instance: dg.DagsterInstance, fault: dict[str, Any], kind: str
) -> None:
    served.set(faults=[{"on": "/Nodes(", **fault}])
    result = run(at_stand_in(retries=0), instance, "fetch_scenes")
    assert not result.success
    (record,) = instance.get_run_records(limit=1)
    assert record.dagster_run.tags[PERMANENT_TAG] == kind


def test_the_schedule_asks_for_yesterday_and_for_final_editions(at_stand_in: MakeSettings) -> None:
    tick = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
    repository = definitions(at_stand_in()).get_repository_def()
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=repository) as context:
        requests = daily_scenes.evaluate_tick(context).run_requests
    assert requests is not None
    assert [(request.partition_key, request.run_key) for request in requests] == [
        ("2026-11-20", "2026-11-21/2026-11-20"),
        ("2026-10-17", "2026-11-21/2026-10-17"),
    ]


def test_partitions_begin_with_the_archive() -> None:
    assert day_partitions.get_first_partition_key() == "2016-04-25"


def test_a_range_of_days_is_a_backfill() -> None:
    """Three years are so many runs."""
    keys = day_partitions.get_partition_keys_in_range(dg.PartitionKeyRange("2023-11-21", "2026-11-20"))
    assert len(keys) == 365 + 366 + 365


def test_every_asset_has_its_group_owner_and_words() -> None:
    for asset in SCENE_ASSETS:
        spec = next(iter(asset.specs))
        assert (spec.group_name, spec.owners, bool(spec.description), bool(spec.kinds)) == (
            "smcefr", ["team:mosaic_assets"], True, True,
        )  # fmt: skip
