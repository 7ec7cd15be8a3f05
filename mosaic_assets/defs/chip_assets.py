"""Labelled chips as assets: the plan by regions, the chips of each region, the data set with its pictures."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mosaic_assets.defs.library_assets import IMAGERY_POOL, OWNERS
from mosaic_assets.defs.present import explained_failures, picture, table
from mosaic_assets.defs.resources import Workbench

if TYPE_CHECKING:
    from mosaic_assets.settings import Settings

GROUP = "chips"
NO_CLASSES = ("split", "chips", "positive")
"""Columns of the table of class balance that are not counts of pixels."""
PARTITIONS_NAME = "chip_regions"
PLAN, CUT, DATASET = "plan_chips", "cut_chips", "publish_chips"
SHEET_CHIPS = 12
"""Chips on the sheet in the metadata of the data set."""

region_partitions = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)
"""One partition a region of labels, numbered from west to east. The asset `chip_regions` adds the keys and takes away those
that a new plan no longer has."""


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"parquet"}, code_version="1")
def chip_regions(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The labels divided into regions and splits, and every chip planned; each region becomes a partition of `chips`."""
    from mosaic_assets.chips.dataset import planned_table
    from mosaic_assets.chips.plan_store import plan_path, split_labels

    with explained_failures(context):
        settings = workbench.settings
        plan = split_labels(settings)
    for old in set(context.instance.get_dynamic_partitions(PARTITIONS_NAME)) - set(plan.regions):
        context.instance.delete_dynamic_partition(PARTITIONS_NAME, old)
    context.instance.add_dynamic_partitions(PARTITIONS_NAME, plan.regions)
    rejects = [{"row": r.row, "action": r.action, "reason": r.reason} for r in plan.rejects[:50]]
    fates = [{"label pixels": name.replace("_", " "), "count": count} for name, count in vars(plan.account).items()]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(plan.chips),
            "regions": len(plan.regions),
            "chips planned": table(planned_table(plan)),
            "labels in the file": plan.found,
            "labels without a pixel of the imagery": plan.without_pixel,
            "what becomes of label pixels": table(fates),
            "labels repaired, ignored or dropped": table(rejects),
            "synthetic": _synthetic(settings),
            "path": dg.MetadataValue.path(str(plan_path(settings))),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"file"},
    code_version="1",
    partitions_def=region_partitions,
    deps=[chip_regions],
    pool=IMAGERY_POOL,
)
def chips(context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]) -> dg.MaterializeResult[None]:
    """The chips of a region: imagery and label, cut where they are not there yet."""
    from mosaic_assets.chips.cut import cut_region

    with explained_failures(context):
        settings = workbench.settings
        report = cut_region(settings, context.partition_key, workbench.progress or (lambda _: None))
    context.log.info("%d chips cut, %d were there", report.cut, report.kept)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.chips - report.without_imagery,
            "cut now": report.cut,
            "there already": report.kept,
            "without imagery": report.without_imagery,
            "bytes": report.size_bytes,
            "chips a second": round(report.chips_a_second, 1),
            "synthetic": _synthetic(settings),
            "path": dg.MetadataValue.path(str(settings.chips_folder)),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    # Every region, whichever was cut last: the manifest is of all of them.
    ins={"chips": dg.AssetIn(key=chips.key, dagster_type=dg.Nothing, partition_mapping=dg.AllPartitionMapping())},
)
def chip_dataset(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The manifest of all chips as GeoParquet, with class balance, a map by split and a sheet with labels drawn over."""
    from mosaic_assets.chips.dataset import make_dataset

    with explained_failures(context):
        settings = workbench.settings
        report = make_dataset(settings)
        drawn = _pictures(settings, report)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.chips,
            "pixels of each class": table(report.balance),
            "without imagery": report.without_imagery,
            "files of earlier plans removed": report.removed,
            "bytes": report.size_bytes,
            "synthetic": report.synthetic,
            "attribution": report.attribution or "(none given: set chips.attribution)",
            **drawn,
            "path": dg.MetadataValue.path(str(report.path)),
        }
    )


def _pictures(settings: "Settings", report: Any) -> dict[str, dg.MetadataValue]:
    from mosaic_assets.chips.dataset import read_manifest, sheet_chips
    from mosaic_assets.chips.overlays import overlay_sheet
    from mosaic_assets.chips.pictures import class_balance, split_map
    from mosaic_assets.chips.plan_store import read_plan

    said = {"attribution": report.attribution, "synthetic": report.synthetic}
    plan = read_plan(settings)
    names = {number: name for name, number in plan.classes.items()}
    chips_map = split_map(read_manifest(settings), labels=plan.labels().geometry.to_crs("OGC:CRS84"), **said)
    sheet = overlay_sheet(sheet_chips(settings, SHEET_CHIPS), class_names=names, **said)
    counts = {row["split"]: {name: row[name] for name in row if name not in NO_CLASSES} for row in report.balance}
    return {
        "chips by split": picture(chips_map, "chips by split"),
        "classes by split": picture(class_balance(counts, **said), "classes by split"),
        "labels": picture(sheet, "chips with labels"),
    }


def _synthetic(settings: "Settings") -> bool:
    from mosaic_assets.chips.imagery import is_synthetic

    return is_synthetic(settings)


plan_job = dg.define_asset_job(
    PLAN,
    dg.AssetSelection.assets(chip_regions),
    description="Divide the labels into regions and splits, and plan every chip.",
)
cut_job = dg.define_asset_job(
    CUT,
    # The check of all regions' files belongs to the data set: beside other regions it would look at their unfinished files.
    dg.AssetSelection.assets(chips).without_checks(),
    description="Cut the chips of one region that are not there yet.",
)
dataset_job = dg.define_asset_job(
    DATASET,
    dg.AssetSelection.assets(chip_dataset) | dg.AssetSelection.checks_for_assets(chips),
    description="Publish the manifest of all chips, and check them.",
)

CHIP_ASSETS = [chip_regions, chips, chip_dataset]
CHIP_JOBS = [plan_job, cut_job, dataset_job]
