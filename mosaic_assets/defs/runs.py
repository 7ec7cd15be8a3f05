"""What the Dagster instance knows about runs, in the domain's terms."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.library.steering import Failures

HISTORY = 500
"""Finished runs that are looked through for failures; far more than a wave of every biome."""


def partitions_in_flight(instance: dg.DagsterInstance, asset: str, job: str) -> frozenset[str]:
    """Partitions of an asset whose runs are queued or under way; a backfill still launching counts by its id."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))
    partitions = {_partition(run) for run in runs if _targets(run, asset, job)}
    launching = instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
    key = dg.AssetKey(asset)
    partitions |= {f"backfill {b.backfill_id}" for b in launching if key in (b.asset_selection or [])}
    return frozenset(partitions)


def is_running(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is queued or under way."""
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(IN_PROGRESS_RUN_STATUSES)), limit=1))


def failures_since_success(instance: dg.DagsterInstance, asset: str, job: str) -> dict[str, Failures]:
    """For each partition of the asset whose last run failed: how often in a row, when, and why."""
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=HISTORY)
    failed: dict[str, list[dg.RunRecord]] = {}
    recovered: set[str] = set()
    for record in records:  # the newest first
        if not _targets(record.dagster_run, asset, job):
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
    ended = datetime.fromtimestamp(newest.end_time or newest.update_timestamp.timestamp(), UTC)
    reason = tags.get(REASON_TAG, "the run died without an explanation; see its log")
    return Failures(len(records), ended, reason, permanent=tags.get(PERMANENT_TAG) == "permanent")


def _partition(run: dg.DagsterRun) -> str:
    return run.tags.get(PARTITION_NAME_TAG, "")


def _targets(run: dg.DagsterRun, asset: str, job: str) -> bool:
    return run.job_name == job or dg.AssetKey(asset) in (run.asset_selection or ())
