"""Definitions over a small home, an instance in memory, and ticks of the sensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from mosaic_assets.definitions import build_definitions
from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.settings import Settings
from mosaic_assets_tests.conftest import MakeSettings

PLACES = {"dallol": {"box": [40.22, 14.16, 40.38, 14.32]}, "amazon": {"box": [-62, -8, -60, -6]}}


@dataclass
class Bench:
    """Everything a test of the Dagster layer needs; ``given`` may be changed between ticks."""

    settings: Settings
    given: dict[str, Any]
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def tick(self, sensor: str) -> dg.SensorResult:
        """One tick; partitions that it adds are added, as the daemon does."""
        definition = self.definitions.resolve_sensor_def(sensor)
        with dg.build_sensor_context(
            self.instance,
            definitions=self.definitions,
            sensor_name=sensor,
            resources=dict(self.definitions.resources or {}),
        ) as context:
            result = definition(context)
        if isinstance(result, dg.SkipReason):
            result = dg.SensorResult(skip_reason=result)
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or []:
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return result

    def run(self, job: str, partition: str | None = None, **more: Any) -> dg.ExecuteInProcessResult:
        if partition:
            self.instance.add_dynamic_partitions("biomes", [partition])
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False, **more
        )

    def pretend_run(
        self, job: str, status: dg.DagsterRunStatus, partition: str | None = None, tags: dict[str, str] | None = None
    ) -> dg.DagsterRun:
        """A run as the daemon would have left it."""
        own = {"dagster/partition": partition} if partition else {}
        ended = status not in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED)
        first = dg.DagsterRunStatus.STARTED if ended else status
        server = GrpcServerCodeLocationOrigin(
            "127.0.0.1", port=1, location_name="nowhere"
        )  # a queued run must have one
        run = create_run_for_test(
            self.instance,
            job_name=job,
            status=first,
            tags={**own, **(tags or {})},
            remote_job_origin=RemoteRepositoryOrigin(server, "__repository__").get_job_origin(job),
        )
        if status is dg.DagsterRunStatus.FAILURE:
            self.instance.report_run_failed(run)
        elif status is dg.DagsterRunStatus.CANCELED:
            self.instance.report_run_canceled(run)
        elif ended:
            event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name=job)
            self.instance.report_dagster_event(event, run.run_id)
        return run

    def pretend_failure(self, partition: str, reason: str = "the server is down", *, permanent: bool = False) -> None:
        kind = "permanent" if permanent else "passing"
        tags = {PERMANENT_TAG: kind, REASON_TAG: reason}
        self.pretend_run("harvest_biome", dg.DagsterRunStatus.FAILURE, partition, tags)


def wanted(result: dg.SensorResult) -> list[tuple[str | None, str | None]]:
    """(job, partition) of the runs a tick asks for."""
    return [(request.job_name, request.partition_key) for request in result.run_requests or []]


def reason(result: dg.SensorResult) -> str:
    assert not result.run_requests and result.skip_reason
    return str(result.skip_reason.skip_message)


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(make_settings: MakeSettings) -> Iterator[MakeBench]:
    """A bench over a home of its own; keyword arguments are settings."""
    with dg.DagsterInstance.ephemeral() as instance:

        def make(**given: Any) -> Bench:
            small: dict[str, Any] = {
                "builtin_biomes": False, "biomes": dict(PLACES), "round_tiles": 20, "check_sample": 5,
                "target": {"floor": 1, "buckets": 4999}, "limits": {"max_runs_in_flight": 2, "backoff_s": 3600}, **given,
            }  # fmt: skip
            settings = make_settings(**small)
            values = {"home": settings.home, "workers": 2, **small}
            return Bench(settings, values, build_definitions(Workbench(values)), instance)

        yield make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
