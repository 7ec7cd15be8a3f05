"""The footprints of crops, chips, queries and gallery tiles in the archive's index: the one place where domains meet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from mosaic_assets.defs.chip_assets import chip_dataset
from mosaic_assets.defs.gallery_assets import gallery_tiles, query_set
from mosaic_assets.defs.library_assets import OWNERS
from mosaic_assets.defs.present import explained_failures, table
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.defs.scene_assets import smcefr_crops
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from mosaic_assets.csquares.contributions import Contribution
    from mosaic_assets.store.csquare_records import Scene

    Parts = Iterator[tuple[str, list[tuple[Scene, BaseGeometry]]]]


@dataclass(frozen=True)
class DataSet:
    """A data set whose footprints go into the index; its name is the ``platform`` that a search asks for."""

    name: str
    parts: "Callable[[Settings], Parts]"
    state: Callable[[Settings], str]
    """What changes whenever a footprint does; "" while there are none."""


def data_sets() -> tuple[DataSet, ...]:
    """Every data set beside the library's tiles."""
    from mosaic_assets.chips import footprints as chips
    from mosaic_assets.gallery import footprints as gallery
    from mosaic_assets.scenes import footprints as scenes

    return (
        DataSet("crops", scenes.footprints, scenes.footprints_state),
        DataSet("chips", chips.footprints, chips.footprints_state),
        DataSet("queries", gallery.query_footprints, gallery.footprints_state),
        DataSet("gallery", gallery.tile_footprints, gallery.footprints_state),
    )


def changed_data_sets(settings: Settings) -> list[str]:
    """Names of the data sets that are not what the index was last told."""
    from mosaic_assets.csquares.contributions import contributed_state

    return [
        one.name for one in data_sets() if one.state(settings) != (contributed_state(settings.csquares, one.name) or "")
    ]


def _contributions(one: DataSet, settings: Settings) -> "Iterator[Contribution]":
    from mosaic_assets.csquares.contributions import Contribution
    from mosaic_assets.csquares.readers import SceneFootprint

    for part, scenes in one.parts(settings):
        yield Contribution(one.name, part, [SceneFootprint(scene, outline) for scene, outline in scenes])


@dg.asset(
    group_name="scene_archive",
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    deps=[smcefr_crops, chip_dataset, query_set, gallery_tiles],
)
def dataset_footprints(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The squares of crops, chips, queries and gallery tiles, a batch a part; only parts that changed cost work."""
    from mosaic_assets.csquares.contributions import publish_contributions

    rows: list[dict[str, Any]] = []
    with explained_failures(context):
        settings = workbench.settings
        for one in data_sets():
            # The state is read first: what changes meanwhile is looked at again by the next run.
            state, parts = one.state(settings), _contributions(one, settings)
            report = publish_contributions(settings.csquares, one.name, parts, datetime.now(UTC), state=state)
            rows.append(
                {
                    "data set": one.name,
                    "scenes": report.scenes,
                    "parts written": len(report.written),
                    "unchanged": report.unchanged,
                    "withdrawn": len(report.withdrawn),
                    "pairs written": report.pairs,
                }
            )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["scenes"] for row in rows),
            "data sets": table(rows),
            "path": dg.MetadataValue.path(str(settings.csquares / "pairs")),
        }
    )
