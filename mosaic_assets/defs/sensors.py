"""The sensors: they translate between Dagster and the pure steering, and decide nothing themselves."""

from datetime import UTC, datetime

import dagster as dg

from mosaic_assets.defs import jobs, runs
from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import MosaicError
from mosaic_assets.library.steering import Decision, Failures
from mosaic_assets.settings import Settings

INTERVAL_S = 10
"""Least time between two ticks; a tick takes well under a second."""


@dg.sensor(
    jobs=[jobs.setup_job, jobs.harvest_job],
    minimum_interval_seconds=INTERVAL_S,
    description="Asks for further harvest rounds until the coverage target is met; shows the verdict on every biome.",
)
def coverage_sensor(
    context: dg.SensorEvaluationContext, workbench: dg.ResourceParam[Workbench]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for the next wave of harvest rounds, once nothing is under way and every round is merged."""
    try:
        return _next_wave(context, workbench)
    except MosaicError as error:
        return dg.SkipReason(str(error))


def _next_wave(context: dg.SensorEvaluationContext, workbench: Workbench) -> dg.SensorResult | dg.SkipReason:
    from mosaic_assets.library.biomes import load_biomes

    settings = workbench.fresh_settings()
    weights = {name: biome.weight for name, biome in load_biomes(settings).items()}
    known = set(context.instance.get_dynamic_partitions(str(biome_partitions.name)))
    additions = [name for name in weights if name not in known]
    partitions = [biome_partitions.build_add_request(additions)] if additions else []
    if not (settings.library / "centroids.npy").exists():
        if runs.is_running(context.instance, jobs.SETUP):
            return dg.SensorResult(skip_reason="the centroids are being made", dynamic_partitions_requests=partitions)
        failed = _failures(context, workbench, "lab_centroids", jobs.SETUP).get("")
        if given_up := _given_up(failed, jobs.SETUP, settings):
            return dg.SensorResult(skip_reason=given_up, dynamic_partitions_requests=partitions)
        return dg.SensorResult([dg.RunRequest(job_name=jobs.SETUP)], dynamic_partitions_requests=partitions)
    if failed := _failures(context, workbench, "bucketed_library", jobs.MERGE).get(""):
        # Whatever is wrong with the library, more rounds on top of it would only hide it.
        told = f"no further rounds are asked for: the last {jobs.MERGE} failed, or a check after it: {failed.reason}"
        return dg.SensorResult(
            skip_reason=f"{told}. Mend it, then run {jobs.MERGE} by hand", dynamic_partitions_requests=partitions
        )
    failures = _failures(context, workbench, "harvested_tiles", jobs.HARVEST)
    decision = _decide(context, settings, weights, failures)
    context.log.info(_told(decision))
    if not decision.requests:
        return dg.SensorResult(skip_reason=_told(decision), dynamic_partitions_requests=partitions)
    reasons = {verdict.biome: verdict.reason for verdict in decision.verdicts}
    requests = [
        dg.RunRequest(job_name=jobs.HARVEST, partition_key=name, tags={"mosaic/why": reasons[name][:200]})
        for name in decision.requests
    ]
    return dg.SensorResult(requests, dynamic_partitions_requests=partitions)


def _failures(context: dg.SensorEvaluationContext, workbench: Workbench, asset: str, job: str) -> dict[str, Failures]:
    return runs.failures_since_success(context.instance, asset, job, workbench.forgive_before)


def _given_up(failed: Failures | None, job: str, settings: Settings) -> str:
    """Why a job is asked for no more, or nothing: as with harvests, three failures or a permanent one are enough."""
    if failed is None or not failed.given_up(settings.limits):
        return ""
    return f"{failed.count} run(s) of {job} failed in a row: {failed.reason}. Mend it, then run {job} by hand"


def _decide(
    context: dg.SensorEvaluationContext, settings: Settings, weights: dict[str, float], failures: dict[str, Failures]
) -> Decision:
    from mosaic_assets.library.coverage import read_state
    from mosaic_assets.library.merge import count_unmerged
    from mosaic_assets.library.plan import replanned_biomes
    from mosaic_assets.library.steering import decide

    return decide(
        weights,
        read_state(settings),
        settings.target,
        settings.limits,
        in_flight=runs.partitions_in_flight(context.instance, "harvested_tiles", jobs.HARVEST),
        # A merge that is still being checked counts as one to wait for.
        unmerged=count_unmerged(settings) or int(runs.is_running(context.instance, jobs.MERGE)),
        failures=failures,
        now=datetime.now(UTC),
        replanned=replanned_biomes(settings),
    )


def _told(decision: Decision) -> str:
    lines = [
        f"{v.biome}: {v.status} after {v.rounds} round(s), {v.reason}" + (f"; {v.statistics}" if v.statistics else "")
        for v in decision.verdicts
    ]
    return "\n".join([decision.summary, f"overall: {decision.overall.statistics}", *lines])


@dg.sensor(
    job=jobs.merge_job,
    minimum_interval_seconds=INTERVAL_S,
    description="Merges a wave of harvest rounds into the library once all of its runs have ended.",
)
def merge_sensor(
    context: dg.SensorEvaluationContext, workbench: dg.ResourceParam[Workbench]
) -> dg.SensorResult | dg.SkipReason:
    """Compare the published rounds with the ledger of merged ones; start a merge when the wave is complete."""
    from mosaic_assets.library.merge import count_unmerged

    try:
        settings = workbench.fresh_settings()
        unmerged = count_unmerged(settings)
    except MosaicError as error:
        return dg.SkipReason(str(error))
    if not unmerged:
        return dg.SkipReason("every published round is in the library")
    harvesting = runs.partitions_in_flight(context.instance, "harvested_tiles", jobs.HARVEST)
    if harvesting:
        return dg.SkipReason(
            f"{unmerged} round(s) to merge once the wave has ended; under way: {', '.join(sorted(harvesting))}"
        )
    if runs.is_running(context.instance, jobs.MERGE):
        return dg.SkipReason("a merge is queued or under way")
    failed = _failures(context, workbench, "bucketed_library", jobs.MERGE).get("")
    if given_up := _given_up(failed, jobs.MERGE, settings):
        return dg.SkipReason(given_up)
    return dg.SensorResult([dg.RunRequest(tags={"mosaic/why": f"{unmerged} unmerged round(s)"})])


SENSORS = [coverage_sensor, merge_sensor]
