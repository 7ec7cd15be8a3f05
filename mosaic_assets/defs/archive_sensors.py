"""The scene archive's sensors: one batch at a time from the inbox into the index, and other data sets when they change."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from mosaic_assets.defs import jobs, runs
from mosaic_assets.defs.partitions import batch_partitions
from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.defs.sensors import INTERVAL_S
from mosaic_assets.errors import MosaicError
from mosaic_assets.library.steering import Failures
from mosaic_assets.settings import Limits, Settings


@dg.sensor(
    jobs=[jobs.take_job, jobs.ingest_job],
    minimum_interval_seconds=INTERVAL_S,
    description="Takes scene files from the inbox and brings them into the index, one batch at a time.",
)
def inbox_sensor(
    context: dg.SensorEvaluationContext, workbench: dg.ResourceParam[Workbench]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for the next batch once none is being uploaded; when none waits, ask for the files in the inbox."""
    try:
        return _next_step(context, workbench)
    except MosaicError as error:
        return dg.SkipReason(str(error))


def _next_step(context: dg.SensorEvaluationContext, workbench: Workbench) -> dg.SensorResult:
    from mosaic_assets.csquares.uploading import uploading, waiting_batches

    instance, settings = context.instance, workbench.fresh_settings()
    waiting, left = waiting_batches(settings), uploading(settings)
    count = f"{left.scenes:,} scenes being uploaded in {left.batches} batch(es), {left.files} file(s) in the inbox"
    context.log.info(count)
    known = set(instance.get_dynamic_partitions(str(batch_partitions.name)))
    additions = [name for name in waiting if name not in known]
    partitions = [batch_partitions.build_add_request(additions)] if additions else []

    def rest(reason: str) -> dg.SensorResult:
        return dg.SensorResult(skip_reason=f"{count}; {reason}", dynamic_partitions_requests=partitions)

    if under_way := _under_way(instance):
        return rest(f"under way: {', '.join(under_way)}")
    if trouble := _index_trouble(instance, settings, set(waiting), workbench.forgive_before):
        return rest(trouble)
    failed = runs.failures_since_success(instance, "csquare_pairs", jobs.INGEST, workbench.forgive_before)
    held = _held_back({name: failed[name] for name in waiting if name in failed}, settings.limits, datetime.now(UTC))
    ready = [name for name in waiting if name not in held]
    if ready:
        tags = {"mosaic/why": count}
        request = dg.RunRequest(job_name=jobs.INGEST, partition_key=ready[0], tags=tags)
        return dg.SensorResult([request], dynamic_partitions_requests=partitions)
    said = "; ".join(held.values())
    if not _has_files_to_take(settings):
        return rest(said or ("files are still changing" if left.files else "nothing to do"))
    failed = runs.failures_since_success(instance, "scene_inbox", jobs.TAKE, workbench.forgive_before)
    if blocked := _held_back(_of_job(jobs.TAKE, failed), settings.limits, datetime.now(UTC)):
        return rest("; ".join([*blocked.values(), *held.values()]))
    return dg.SensorResult([dg.RunRequest(job_name=jobs.TAKE, tags={"mosaic/why": count})])


def _under_way(instance: dg.DagsterInstance) -> list[str]:
    """Return the batches in work, and the taking of files."""
    batches = runs.partitions_in_flight(instance, "csquare_pairs", jobs.INGEST)
    batches |= runs.partitions_in_flight(instance, "scene_footprints", jobs.INGEST)
    return sorted(batches) + [jobs.TAKE] * runs.is_running(instance, jobs.TAKE)


def _has_files_to_take(settings: Settings) -> bool:
    from mosaic_assets.csquares.inbox import settled_files, unfinished_take

    return unfinished_take(settings) is not None or bool(settled_files(settings, datetime.now(UTC)))


def _of_job(job: str, failed: Mapping[str, Failures]) -> dict[str, Failures]:
    """Return the failures of a job without partitions under the job's name."""
    return {job: failed[""]} if "" in failed else {}


def _held_back(failed: Mapping[str, Failures], limits: Limits, now: datetime) -> dict[str, str]:
    """Return what is not asked for again, for now or until somebody mends it, each with the reason."""
    found = {}
    for name, one in failed.items():
        if one.given_up(limits):
            found[name] = (
                f"{name}: quarantined after {one.count} failed run(s): {one.reason}. Mend it, then run it by hand"
            )
        elif ready := one.waits_until(limits, now):
            found[name] = f"{name}: {one.count} failed run(s): {one.reason}; next try after {ready:%H:%M:%S} UTC"
    return found


def _index_trouble(
    instance: dg.DagsterInstance, settings: Settings, waiting: set[str], forgive_before: datetime | None
) -> str:
    """Return why no batch is asked for: the last run that got as far as the index failed there, or a check after it.

    Whatever is wrong with the index, it would fail one batch after another.
    """
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for record in instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=runs.HISTORY):  # the newest first
        run = record.dagster_run
        ended = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        if forgive_before and ended < forgive_before:
            continue
        ours = run.job_name == jobs.INGEST
        if not (ours or run.job_name == jobs.INDEX or dg.AssetKey("csquare_index") in (run.asset_selection or ())):
            continue
        if run.status is dg.DagsterRunStatus.SUCCESS:
            return ""
        if ours and _failed_at_index(settings, run, waiting):
            reason = run.tags.get(REASON_TAG, f"see the log and the checks of run {run.run_id[:8]}")
            return (
                f"no further batch is asked for: the last {jobs.INGEST} failed at csquare_index, or a check after it: {reason}. "
                f"Mend it, then run {jobs.INDEX} by hand"
            )
    return ""


def _failed_at_index(settings: Settings, run: dg.DagsterRun, waiting: set[str]) -> bool:
    from mosaic_assets.csquares.pairs import pairs_path

    batch = run.tags.get(PARTITION_NAME_TAG, "")
    if batch not in waiting:  # it is in the index, and yet the run failed
        return True
    return run.tags.get(PERMANENT_TAG) == "permanent" and pairs_path(settings.csquares, batch).exists()


@dg.sensor(
    job=jobs.index_job,
    minimum_interval_seconds=INTERVAL_S,
    description="Brings the footprints of other data sets into the index when they changed: the colour library's tiles.",
)
def contributions_sensor(
    context: dg.SensorEvaluationContext, workbench: dg.ResourceParam[Workbench]
) -> dg.SensorResult | dg.SkipReason:
    """Compare the state of the library, crops, chips, queries and gallery with the one whose footprints are published."""
    from mosaic_assets.csquares.contributions import contributed_state
    from mosaic_assets.defs.archive_assets import TILES, tiles_state
    from mosaic_assets.defs.footprint_assets import changed_data_sets

    try:
        settings = workbench.fresh_settings()
        library, published = tiles_state(settings), contributed_state(settings.csquares, TILES)
        changed = [TILES] * (library != (published or "")) + changed_data_sets(settings)
    except MosaicError as error:
        return dg.SkipReason(str(error))
    if not changed:
        return dg.SkipReason(f"everything is in the index (library: {library or 'none yet'})")
    if busy := [job for job in (jobs.MERGE, jobs.INDEX) if runs.is_running(context.instance, job)]:
        return dg.SkipReason(f"{', '.join(busy)} is queued or under way")
    failed = runs.failures_since_success(context.instance, "dataset_footprints", jobs.INDEX, workbench.forgive_before)
    if held := _held_back(_of_job(jobs.INDEX, failed), settings.limits, datetime.now(UTC)):
        return dg.SkipReason("; ".join(held.values()))
    return dg.SensorResult([dg.RunRequest(tags={"mosaic/why": f"changed: {', '.join(changed)}"})])


ARCHIVE_SENSORS = [inbox_sensor, contributions_sensor]
