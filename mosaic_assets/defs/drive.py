"""The whole pipeline in one process: the same sensors, jobs and checks that the daemon runs, one after another."""

import contextlib
import logging
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import dagster as dg
from dagster._core.execution.plan.objects import ErrorSource

from mosaic_assets.defs import jobs, runs
from mosaic_assets.defs.instance import locks_folder, open_instance
from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import MosaicError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import holding

MAX_TICKS = 10_000
"""Sensor ticks after which a drive gives up; steering's own limits end it long before."""


class Listener(Protocol):
    """Told what happens."""

    def starting(self, job: str, partition: str | None, why: str) -> None:
        """A run is about to start."""

    def progress(self, tiles: int) -> None:
        """Tiles of the run under way are finished."""

    def ended(self, job: str, partition: str | None, error: str | None) -> None:
        """A run has ended; ``error`` says why it failed."""


@dataclass
class DriveReport:
    """What a drive did."""

    rounds: int = 0
    merges: int = 0
    failures: list[str] = field(default_factory=list)
    last_word: str = ""
    """The coverage sensor's reason for asking for nothing more."""


def workbench_for(settings: Settings, listener: Listener) -> Workbench:
    """The workbench of a drive: exactly these settings, the listener's progress, and another try for what failed."""
    return Workbench(settings.model_dump(), listener.progress, forgive_before=datetime.now(UTC))


@dataclass(frozen=True)
class _Driver:
    """What it takes to execute a run in this process."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    listener: Listener
    report: DriveReport
    lock: str
    """Name of the lock file that this process holds; tells others that its runs are alive."""


@contextlib.contextmanager
def _driving(definitions: dg.Definitions, settings: Settings, listener: Listener) -> Iterator[_Driver]:
    """Open the instance for executing runs in this process; runs that an interrupt leaves open are closed."""
    locks = locks_folder(settings)
    lock = f"drive-{os.getpid()}-{uuid.uuid4().hex[:8]}.lock"
    with open_instance(settings, capture_output=False) as instance:
        try:
            with holding(locks / lock, "executing runs"):
                yield _Driver(definitions, instance, listener, DriveReport(), lock)
        finally:
            (locks / lock).unlink(missing_ok=True)
            # An interrupt between two of Dagster's own steps leaves the run open.
            runs.end_abandoned(instance, locks)


def drive(definitions: dg.Definitions, settings: Settings, listener: Listener) -> DriveReport:
    """Tick the library's sensors and execute what they ask for, until they ask for nothing; then the scene archive's.

    Every run is recorded in the data home's Dagster instance, so the UI shows it afterwards.

    Parameters
    ----------
    definitions : built with `workbench_for` the same settings and listener.
    """
    with _driving(definitions, settings, listener) as driver:
        for _ in range(MAX_TICKS):
            asked = _tick(driver, "coverage_sensor")
            for request in asked:
                _execute(driver, request)
            merging = _tick(driver, "merge_sensor")
            for request in merging:
                _execute(driver, request, default_job=jobs.MERGE)
            if not asked and not merging:
                break
        for sensor, job in (("inbox_sensor", ""), ("contributions_sensor", jobs.INDEX)):
            _follow(driver, sensor, job)
    return driver.report


def _follow(driver: _Driver, sensor: str, job: str) -> None:
    """Tick a sensor and execute what it asks for, until it asks for nothing."""
    for _ in range(MAX_TICKS):
        asked = _tick(driver, sensor)
        for request in asked:
            _execute(driver, request, default_job=job)
        if not asked:
            return


def harvest(
    definitions: dg.Definitions, settings: Settings, listener: Listener, biome: str, rounds: int
) -> DriveReport:
    """Harvest some rounds of one biome as Dagster runs, then merge them."""
    from mosaic_assets.library.biomes import find_biome

    find_biome(biome, settings)
    with _driving(definitions, settings, listener) as driver:
        driver.instance.add_dynamic_partitions(str(biome_partitions.name), [biome])
        wanted = [dg.RunRequest(job_name=jobs.HARVEST, partition_key=biome)] * rounds
        setup = [] if (settings.library / "centroids.npy").exists() else [dg.RunRequest(job_name=jobs.SETUP)]
        for request in [*setup, *wanted]:
            if not _execute(driver, request):
                break
        if driver.report.rounds:
            _execute(driver, dg.RunRequest(job_name=jobs.MERGE))
    return driver.report


def _tick(driver: _Driver, name: str) -> list[dg.RunRequest]:
    definitions, instance = driver.definitions, driver.instance
    sensor = definitions.resolve_sensor_def(name)
    resources = dict(definitions.resources or {})
    with dg.build_sensor_context(instance, definitions=definitions, sensor_name=name, resources=resources) as context:
        context.log.setLevel(logging.WARNING)  # the verdicts are for the UI; here the last table shows them
        result = sensor(context)
    if isinstance(result, dg.SkipReason):
        result = dg.SensorResult(skip_reason=result)
    if not isinstance(result, dg.SensorResult):
        raise TypeError(f"{name} returned {type(result).__name__}")
    for request in result.dynamic_partitions_requests or []:
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    if name == "coverage_sensor" and result.skip_reason:
        driver.report.last_word = result.skip_reason.skip_message or ""
    return list(result.run_requests or [])


def _execute(driver: _Driver, request: dg.RunRequest, default_job: str = "") -> bool:
    instance, listener, report = driver.instance, driver.listener, driver.report
    name = request.job_name or default_job
    listener.starting(name, request.partition_key, request.tags.get("mosaic/why", ""))
    try:
        result = driver.definitions.resolve_job_def(name).execute_in_process(
            instance=instance,
            partition_key=request.partition_key,
            tags={**request.tags, runs.PROCESS_TAG: driver.lock},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    except MosaicError as error:  # from building a resource, before the run exists
        listener.ended(name, request.partition_key, str(error))
        report.failures.append(str(error))
        return False
    if _was_interrupted(result):
        # Dagster makes a failed run of Ctrl-C; nothing failed, and whoever typed it wants the drive to end.
        instance.report_run_canceled(result.dagster_run, "Stopped from the keyboard.")
        raise KeyboardInterrupt
    failure = None if result.success else _why(instance, result)
    listener.ended(name, request.partition_key, failure)
    if failure:
        report.failures.append(failure)
    elif name == jobs.HARVEST:
        report.rounds += 1
    elif name == jobs.MERGE:
        report.merges += 1
    return failure is None


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    sources = [event.step_failure_data.error_source for event in result.get_step_failure_events()]
    return any(source is ErrorSource.INTERRUPT for source in sources)


def _why(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    run = instance.get_run_by_id(result.run_id)
    tags = run.tags if run else {}
    if PERMANENT_TAG in tags:
        return tags[REASON_TAG]
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if failed:
        return "; ".join(f"check {check.check_name}: {check.description}" for check in failed)
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    causes = [(error.cause or error).to_string() for error in errors if error]
    # Whatever is not an error of ours is a bug, and its traceback is what whoever mends it needs.
    return "\n".join(causes) or f"run {result.run_id} failed without saying why"
