"""What happens by the clock."""

from collections.abc import Iterator

import dagster as dg

from mosaic_assets.defs import jobs
from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import MosaicError


@dg.schedule(
    job=jobs.harvest_job,
    cron_schedule="0 3 * * 1",
    description="A fresh round of every biome, on Mondays at 3: a scheduled backfill of all partitions.",
)
def weekly_harvest(
    context: dg.ScheduleEvaluationContext, workbench: dg.ResourceParam[Workbench]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run a biome; the dated key keeps a repeated tick from asking twice."""
    from mosaic_assets.library.biomes import load_biomes

    try:
        known = load_biomes(workbench.fresh_settings())
    except MosaicError as error:
        yield dg.SkipReason(str(error))
        return
    # A biome that left the settings stays a partition: its past is worth keeping, its future is not.
    names = [name for name in context.instance.get_dynamic_partitions(str(biome_partitions.name)) if name in known]
    if not names:
        yield dg.SkipReason("no biome is a partition yet; materialize the asset `biomes` or switch coverage_sensor on")
    week = context.scheduled_execution_time.strftime("%G-W%V")
    for name in sorted(names):
        yield dg.RunRequest(run_key=f"{week}/{name}", partition_key=name, tags={"mosaic/why": f"weekly round {week}"})


nightly_checks = dg.ScheduleDefinition(
    name="nightly_checks",
    job=jobs.verify_job,
    cron_schedule="30 2 * * *",
    description="Every check over the whole library, every night at 2:30.",
)

SCHEDULES = [weekly_harvest, nightly_checks]
