"""What happens by the clock."""

from collections.abc import Iterator

import dagster as dg

from mosaic_assets.defs import jobs
from mosaic_assets.defs.partitions import biome_partitions


@dg.schedule(
    job=jobs.harvest_job,
    cron_schedule="0 3 * * 1",
    description="A fresh round of every biome, on Mondays at 3: a scheduled backfill of all partitions.",
)
def weekly_harvest(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run a biome; the dated key keeps a repeated tick from asking twice."""
    names = context.instance.get_dynamic_partitions(str(biome_partitions.name))
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
