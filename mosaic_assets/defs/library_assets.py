"""The colour library's assets."""

import dagster as dg

from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.defs.present import explained_failures, outcomes_table, picture, table
from mosaic_assets.defs.resources import Workbench

GROUP = "colour_library"
OWNERS = ["team:mosaic_assets"]
IMAGERY_POOL = "imagery"
"""Pool of the runs that fetch imagery; its limit in dagster.yaml is the number of rounds under way at a time."""


class CentroidsConfig(dg.Config):
    """What may be chosen when centroids are made."""

    regenerate: bool = False
    """Make them anew although there are some; refused once a library uses them."""


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"numpy", "scikitlearn"}, code_version="1")
def lab_centroids(
    context: dg.AssetExecutionContext, config: CentroidsConfig, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """5,000 LAB colours that define the buckets: made once by seeded k-means, published with their SHA-256."""
    from mosaic_assets.library.centroids import ensure_centroids, regenerate_centroids

    with explained_failures(context):
        settings = workbench.settings
        if config.regenerate:
            regenerate_centroids(settings.library, settings.seed)
        centroids, made = ensure_centroids(settings.library, settings.seed)
    record = centroids.record
    context.log.info("centroids %s: %s", "made" if made or config.regenerate else "found", record.sha256)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(record.sha256),
        metadata={
            "dagster/row_count": record.buckets,
            "sha256": record.sha256,
            "seed": record.seed,
            "colour method": record.colour_method,
            "method": record.method,
            "path": dg.MetadataValue.path(str(settings.library / "centroids.npy")),
        },
    )


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, code_version="1")
def biomes(context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]) -> dg.MaterializeResult[None]:
    """The places that tiles are drawn from; each becomes a partition of `harvested_tiles`."""
    from mosaic_assets.library.biomes import load_biomes

    with explained_failures(context):
        found = load_biomes(workbench.settings)
        rows = [
            {
                "biome": b.name,
                "title": b.title,
                "phase": b.phase,
                "weight": b.weight,
                "bounds": ", ".join(f"{edge:g}" for edge in b.geometry().bounds),
                "origin": b.origin,
            }
            for b in found.values()
        ]
    context.instance.add_dynamic_partitions(str(biome_partitions.name), list(found))
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "biomes": table(rows)})


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    partitions_def=biome_partitions,
    deps=[lab_centroids, biomes],
    pool=IMAGERY_POOL,
)
def harvested_tiles(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The next round of tiles of a biome: planned from the seed, fetched, judged, published as one immutable file.

    Every materialization is a further round; it touches nothing but its own file.
    """
    from mosaic_assets.library.harvest import harvest_round
    from mosaic_assets.library.pictures import round_sheet

    with explained_failures(context):
        report = harvest_round(context.partition_key, workbench.settings, progress=workbench.progress)
        sheet = round_sheet(report.path) if report.path else None
    context.log.info(
        "round %d of %s: %d tiles asked, %s, %.0f tiles/s",
        report.round, report.biome, report.planned, dict(report.outcomes), report.tiles_per_second,
    )  # fmt: skip
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.planned,
            "round": report.round,
            "source": report.source,
            "exhausted": report.exhausted,
            "outcomes": outcomes_table(report.outcomes),
            "buckets met": report.buckets,
            "bytes fetched": report.bytes_fetched,
            "tiles a second": round(report.tiles_per_second, 1),
            **({"candidates": picture(sheet, f"candidates of round {report.round}")} if sheet else {}),
            **({"path": dg.MetadataValue.path(str(report.path))} if report.path else {}),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqlite"},
    code_version="1",
    deps=[lab_centroids, harvested_tiles],
    op_tags={"mosaic/writes": "library"},
)
def bucketed_library(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """`mosaic_library/`: at most 100 tiles in each of 5,000 colour buckets, without exact duplicates; reference 1's layout."""
    from mosaic_assets.library.merge import merge_rounds
    from mosaic_assets.library.pictures import newest_tiles

    with explained_failures(context):
        report = merge_rounds(workbench.settings)
        sheet = newest_tiles(workbench.settings)
    merged = [{"biome": r.biome, "round": r.round, "new buckets": r.new_buckets, **r.outcomes} for r in report.rounds]
    columns = dict.fromkeys(name for row in merged for name in row)
    context.log.info("merged %d rounds, kept %d tiles in %.1f s", len(merged), report.kept, report.seconds)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.library_tiles,
            "buckets with tiles": report.library_buckets,
            "kept now": report.kept,
            "outcomes": outcomes_table(report.outcomes),
            "rounds merged": table([{name: row.get(name, 0) for name in columns} for row in merged]),
            "removed as placeholders": report.removed,
            "bytes written": report.bytes_written,
            "seconds": round(report.seconds, 2),
            **({"newest tiles": picture(sheet, "newest tiles")} if sheet else {}),
            "path": dg.MetadataValue.path(str(workbench.settings.library)),
        }
    )


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"matplotlib"}, code_version="1", deps=[bucketed_library])
def coverage_report(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """What the library covers, how much more is within reach, and where every biome stands."""
    from mosaic_assets.library.report import write_report

    with explained_failures(context):
        content, drawn, folder = write_report(workbench.settings)
    overall = content["overall"]
    return dg.MaterializeResult(
        metadata={
            "verdict": content["summary"],
            "target met": content["target_met"],
            "tiles": content["tiles"],
            "buckets filled": overall["filled"],
            "buckets within reach (estimate)": round(overall["reachable"], 1),
            "share": round(overall["share"], 4),
            "discovery rate": round(overall["discovery_rate"], 5),
            "new buckets per 1,000 tiles": round(overall["new_per_1000"], 2),
            "biomes": table(content["biomes"]),
            "outcomes": outcomes_table(content["outcomes"]),
            "LAB plane": picture(drawn["ab_plane.png"], "coverage in the a/b plane"),
            "fill": picture(drawn["fill.png"], "fill of the buckets"),
            "discovery": picture(drawn["discovery.png"], "discovery curve"),
            "imagery is synthetic": content["synthetic"],
            "path": dg.MetadataValue.path(str(folder)),
        }
    )


ASSETS = [lab_centroids, biomes, harvested_tiles, bucketed_library, coverage_report]
