"""Sentinel-3 OLCI scenes as assets: the region, a day's catalogue, a day's crops, releases; with jobs and schedule."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mosaic_assets.defs.library_assets import OWNERS
from mosaic_assets.defs.present import explained_failures, outcomes_table, picture, table
from mosaic_assets.defs.resources import Workbench

GROUP = "smcefr"
FETCH, RELEASE = "fetch_scenes", "release_scenes"
REPROCESSED_AFTER = timedelta(days=35)
"""Age of a day at which its scenes are there in the edition that is not time-critical, which replaces earlier ones."""

day_partitions = dg.DailyPartitionsDefinition(start_date="2016-04-25", timezone="UTC")
"""One partition a day of sensing (UTC), from the first scenes of the archive: a day is what catalogues are searched by,
what the schedule asks for, and what a backfill by range counts in."""


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"file"}, code_version="1")
def olci_region(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The area whose scenes are taken, as GeoJSON: North and South America, or the file named by `scenes.region`."""
    from mosaic_assets.csquares import cover
    from mosaic_assets.csquares.drawing import draw_codes
    from mosaic_assets.scenes.region import AMERICAS_TITLE, load_region, publish_region

    with explained_failures(context):
        settings = workbench.settings
        region, title = load_region(settings), str(settings.scenes.region or AMERICAS_TITLE)
        path = publish_region(settings)
        drawn = draw_codes(cover(region, 5), title=title)
    return dg.MaterializeResult(
        metadata={
            "title": title,
            "bounds": ", ".join(f"{edge:g}" for edge in region.bounds),
            "map": picture(drawn, "the region as squares of 5 degrees"),
            "path": dg.MetadataValue.path(str(path)),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    partitions_def=day_partitions,
    deps=[olci_region],
)
def olci_catalog(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """Which scenes of a day meet the region, one edition of each: searched at Copernicus, in a folder, or made here."""
    from mosaic_assets.scenes.catalog import publish_catalogue

    with explained_failures(context):
        settings = workbench.settings
        report = publish_catalogue(settings, _day(context))
    rows = [
        {
            "product": row.name.text,
            "start": f"{row.name.start:%H:%M:%S}",
            "timeliness": row.name.timeliness,
            "MB": round(row.size_bytes / 1e6, 1),
        }
        for row in report.rows[:100]
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.rows),
            "source": _said(settings.scenes.source),
            "scenes": table(rows),
            "older editions": report.superseded,
            "outside the region": report.outside,
            "names that are no product's": table([{"name": name} for name in report.unreadable[:20]]),
            "path": dg.MetadataValue.path(str(report.path)),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "png"},
    code_version="1",
    partitions_def=day_partitions,
    deps=[olci_catalog],
)
def smcefr_crops(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """Every scene of a day's catalogue with its outcome; of those worth keeping the middle 1024 x 1024 pixels as PNG."""
    from mosaic_assets.scenes.days import scene_rows
    from mosaic_assets.scenes.pipeline import process_day
    from mosaic_assets.scenes.sheet import crop_sheet

    with explained_failures(context):
        settings, day = workbench.settings, _day(context)
        report = process_day(settings, day, workbench.progress)
        rows, sheet = scene_rows(settings, day), crop_sheet(settings, [day])
    context.log.info("%d of %d scenes kept, %d worked on", report.kept, len(report.records), report.worked_on)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.records),
            "kept": report.kept,
            "source": _said(report.source),
            "outcomes": outcomes_table(report.outcomes),
            "scenes": table(rows[:100]),
            **({"crops": picture(sheet, f"crops of {day}")} if sheet else {}),
            "recipe": settings.scenes.recipe,
            "worked on": report.worked_on,
            "bytes fetched": report.bytes_fetched,
            "scenes a second": round(report.worked_on / max(report.seconds, 1e-9), 2),
            "path": dg.MetadataValue.path(str(settings.smcefr_folder)),
        }
    )


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"file"}, code_version="1", deps=[smcefr_crops])
def smcefr_release(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """All crops as `mini` and `full` .tar.gz with manifest, checksums and dataset card; same crops, same bytes."""
    from mosaic_assets.scenes.release import KINDS, publish_release
    from mosaic_assets.scenes.sheet import crop_sheet

    with explained_failures(context):
        settings = workbench.settings
        reports = [publish_release(settings, kind) for kind in KINDS]
        sheet = crop_sheet(settings)
    rows = [
        {
            "release": one.kind,
            "crops": one.crops,
            "synthetic": one.synthetic,
            "bytes": one.size_bytes,
            "sha256": one.sha256,
            "file": one.path.name,
        }
        for one in reports
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": max(one.crops for one in reports),
            "releases": table(rows),
            **({"crops": picture(sheet, "some of the crops")} if sheet else {}),
            "bytes": sum(one.size_bytes for one in reports),
            "path": dg.MetadataValue.path(str(settings.exports)),
        }
    )


def _day(context: dg.AssetExecutionContext) -> date:
    return datetime.fromisoformat(context.partition_key).date()


def _said(source: str) -> str:
    return f"{source} (synthetic: no real place at no real time)" if source == "embedded" else source


fetch_job = dg.define_asset_job(
    FETCH,
    dg.AssetSelection.assets(olci_catalog, smcefr_crops),
    description="Search one day and bring every scene to its outcome.",
)
release_job = dg.define_asset_job(
    RELEASE,
    dg.AssetSelection.assets(smcefr_release),
    description="Pack all crops into the releases mini and full.",
)


@dg.schedule(
    job=fetch_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    description="At 6 UTC the scenes of yesterday, and those of 35 days ago, whose final editions have come meanwhile.",
)
def daily_scenes(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Two runs a day; the dated key keeps a repeated tick from asking twice."""
    today = context.scheduled_execution_time.astimezone(UTC).date()
    for why, day in (("yesterday", today - timedelta(days=1)), ("final editions", today - REPROCESSED_AFTER)):
        key = day.isoformat()
        yield dg.RunRequest(run_key=f"{today}/{key}", partition_key=key, tags={"mosaic/why": why})


SCENE_ASSETS = [olci_region, olci_catalog, smcefr_crops, smcefr_release]
SCENE_JOBS = [fetch_job, release_job]
SCENE_SCHEDULES = [daily_scenes]
