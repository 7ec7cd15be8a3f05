"""What the Dagster instance knows about runs, in the domain's terms."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.errors import BusyError
from mosaic_assets.library.steering import Failures
from mosaic_assets.store.files import holding

PROCESS_TAG = "mosaic/process"
"""Tag of a run that a process of ours executes itself: the lock file which that process holds while it lives."""

HISTORY = 500
"""Finished runs that are looked through for failures; far more than a wave of every biome."""


def partitions_in_flight(instance: dg.DagsterInstance, asset: str, job: str) -> frozenset[str]:
    """Partitions of an asset whose runs are queued or under way; a backfill still launching counts by its id."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))
    partitions = {_partition(run) for run in runs if _targets(run, asset, job)}
    launching = instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
    key = dg.AssetKey(asset)
    partitions |= {f"backfill {b.backfill_id}" for b in launching if key in (b.asset_selection or [])}
    return frozenset(partitions)


def end_abandoned(instance: dg.DagsterInstance, locks: Path) -> None:
    """Mark runs as canceled whose process died without a word, so that nobody waits for them.

    Only for runs that were executed inside a process of ours; those of the daemon are watched by the daemon.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES))):
        lock = run.tags.get(PROCESS_TAG)
        if lock and not _is_held(locks / lock):
            instance.report_run_canceled(run, "The process that executed this run is gone.")
            (locks / lock).unlink(missing_ok=True)


def is_running(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is queued or under way."""
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)), limit=1))


def failures_since_success(
    instance: dg.DagsterInstance, asset: str, job: str, forgive_before: datetime | None = None
) -> dict[str, Failures]:
    """For each partition of the asset whose last run failed: how often in a row, when, and why.

    Runs that ended before ``forgive_before`` are left out.
    """
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=HISTORY)
    failed: dict[str, list[dg.RunRecord]] = {}
    recovered: set[str] = set()
    for record in records:  # the newest first
        if not _targets(record.dagster_run, asset, job) or (forgive_before and _ended(record) < forgive_before):
            continue
        partition = _partition(record.dagster_run)
        if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS:
            recovered.add(partition)
        elif partition not in recovered:
            failed.setdefault(partition, []).append(record)
    return {partition: _failures(runs) for partition, runs in failed.items()}


def _failures(records: Sequence[dg.RunRecord]) -> Failures:
    newest = records[0]
    tags = newest.dagster_run.tags
    reason = tags.get(REASON_TAG, "the run died without an explanation; see its log")
    return Failures(len(records), _ended(newest), reason, permanent=tags.get(PERMANENT_TAG) == "permanent")


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with holding(lock, "looking whether a process lives"):
            return False
    except BusyError:
        return True


def _partition(run: dg.DagsterRun) -> str:
    return run.tags.get(PARTITION_NAME_TAG, "")


def _targets(run: dg.DagsterRun, asset: str, job: str) -> bool:
    return run.job_name == job or dg.AssetKey(asset) in (run.asset_selection or ())
