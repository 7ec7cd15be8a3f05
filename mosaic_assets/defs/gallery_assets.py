"""The localization gallery's assets: plan, tiles a zoom, queries, benchmark."""

import dagster as dg

from mosaic_assets.defs.library_assets import OWNERS
from mosaic_assets.defs.present import explained_failures, outcomes_table, picture, table
from mosaic_assets.defs.resources import Workbench

GROUP = "gallery"

zoom_partitions = dg.DynamicPartitionsDefinition(name="gallery_zooms")
"""One partition a zoom level. Dynamic, because `gallery.zooms` is a setting and loading the code location reads none; the
asset `gallery_plan` adds the keys."""

PICTURE_WIDTH = 1000
"""Of pictures in metadata, pixels."""

SHEET = 12
"""Queries shown in a picture."""


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, code_version="1")
def gallery_plan(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The zoom levels of the gallery as partitions, and how many tiles the region has at each."""
    from mosaic_assets.core.grids import grid_named, nominal_resolution
    from mosaic_assets.gallery.build import plan, region_of

    with explained_failures(context):
        settings = workbench.settings
        grid, region = grid_named(settings.gallery.grid), region_of(settings)
        counts = {zoom: plan(settings, grid, zoom).count for zoom in settings.gallery.zooms}
        middle = (region.south + region.north) / 2
        rows = [
            {
                "zoom": zoom,
                "tiles": count,
                "m/px at the equator": round(nominal_resolution(zoom), 3),
                "m/px east-west here": round(grid.ground_pixel(zoom, middle).east_west_m, 3),
                "m/px north-south here": round(grid.ground_pixel(zoom, middle).north_south_m, 3),
            }
            for zoom, count in counts.items()
        ]
    context.instance.add_dynamic_partitions(str(zoom_partitions.name), [str(zoom) for zoom in counts])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(counts.values()),
            "zooms": table(rows),
            "grid": grid.name,
            "region": ", ".join(map(str, region)),
            "source": settings.gallery.source,
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqlite"},
    code_version="1",
    partitions_def=zoom_partitions,
    deps=[gallery_plan],
)
def gallery_tiles(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """One zoom level of `gallery/gallery.db`: the region without holes; tiles that are there are not asked for again."""
    from mosaic_assets.gallery.build import build_zoom, wanted_zoom
    from mosaic_assets.gallery.stitch import overview_png
    from mosaic_assets.store.gallery_db import open_gallery

    with explained_failures(context):
        settings = workbench.settings
        report = build_zoom(settings, wanted_zoom(context.partition_key), workbench.progress)
        with open_gallery(settings.gallery_folder) as gallery:
            held = gallery.count(report.zoom)
            drawn = overview_png(gallery, report.zoom) if held else None
    missing = [{"tile": str(tuple(m.tile)), "outcome": m.outcome, "detail": m.detail} for m in report.missing[:100]]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": held,
            "planned": report.planned,
            "there before": report.present_before,
            "written": report.written,
            "missing": len(report.missing),
            "missing by reason": outcomes_table(report.outcomes),
            "missing tiles": table(missing),
            "grid": report.grid,
            "source": report.source,
            "synthetic": report.synthetic,
            "resampling": report.resampling,
            "time": report.time or "(nobody says)",
            "bytes written": report.bytes_written,
            "tiles a second": round(report.written / report.seconds, 1),
            **({"overview": picture(_small(drawn), f"zoom {report.zoom}")} if drawn else {}),
            "path": dg.MetadataValue.path(str(report.path)),
        }
    )


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"geotiff", "csv"}, code_version="1", deps=[gallery_tiles])
def query_set(context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]) -> dg.MaterializeResult[None]:
    """Queries as GeoTIFF with a list a split, written from their own georeferencing; cut from a source, or taken over."""
    from mosaic_assets.gallery.query_files import read_query
    from mosaic_assets.gallery.query_set import make_query_set
    from mosaic_assets.gallery.stitch import contact_sheet

    with explained_failures(context):
        settings = workbench.settings
        report = make_query_set(settings, workbench.progress)
        sheet = contact_sheet([read_query(one.path(settings))[1] for one in report.queries[:SHEET]])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.queries),
            "splits": table([{"split": name, "queries": count} for name, count in report.splits.items()]),
            "scene classes": table([{"class": n or "(nobody says)", "queries": c} for n, c in report.classes.items()]),
            "found in the published lists": table(
                [
                    {"inspection": f.name, "count": f.count, "found": f.summary, "remedy": f.remedy}
                    for f in report.findings
                ]
            ),
            "set aside": len(report.set_aside),
            "synthetic": report.synthetic,
            "bytes": report.bytes,
            "seconds": round(report.seconds, 2),
            "queries shown": picture(_small(sheet), "queries"),
            "path": dg.MetadataValue.path(str(report.folder)),
        }
    )


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"opencv"}, code_version="1", deps=[gallery_tiles, query_set])
def localization_benchmark(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """How well the methods of localization find places of the gallery: recall, metres, precision against coverage, cost."""
    from mosaic_assets.gallery.localize import run_benchmark

    with explained_failures(context):
        report = run_benchmark(workbench.settings)
    shown = {
        title: picture(_small(png), title) for found in (report.plots, report.pictures) for title, png in found.items()
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.asked),
            "measured": table(report.rows[:100]),
            "by scene class": table(report.scenes[:100]),
            "facts": table([{"fact": name, "value": str(value)} for name, value in report.facts.items()]),
            **shown,
        }
    )


def _small(png: bytes) -> bytes:
    """Return a picture in fewer pixels and colours: Dagster keeps those of every run in its event log."""
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as drawn:
        drawn.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
        drawn.convert("RGB").quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


plan_gallery_job = dg.define_asset_job(
    "plan_gallery", dg.AssetSelection.assets(gallery_plan), description="The zoom levels of the gallery as partitions."
)
fill_gallery_job = dg.define_asset_job(
    "fill_gallery_zoom",
    dg.AssetSelection.assets(gallery_tiles),
    tags={"mosaic/writes": "gallery"},
    description="Fill one zoom level of the gallery; a second run asks only for what is missing.",
)
evaluate_gallery_job = dg.define_asset_job(
    "evaluate_gallery",
    dg.AssetSelection.assets(query_set, localization_benchmark),
    tags={"mosaic/writes": "gallery"},
    description="Make the query set and measure the methods of localization.",
)

GALLERY_ASSETS = [gallery_plan, gallery_tiles, query_set, localization_benchmark]
GALLERY_JOBS = [plan_gallery_job, fill_gallery_job, evaluate_gallery_job]
