"""The scene archive's assets: inbox, footprints, pairs, index; and the other data sets' footprints in the index."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import dagster as dg

from mosaic_assets.defs.library_assets import OWNERS, bucketed_library
from mosaic_assets.defs.partitions import batch_partitions
from mosaic_assets.defs.present import explained_failures, picture, table
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from mosaic_assets.csquares.contributions import Contribution
    from mosaic_assets.csquares.uploading import SizeCount
    from mosaic_assets.store.csquare_db import Scene
    from mosaic_assets.store.library_records import LibraryRow

GROUP = "scene_archive"
PICTURE_WIDTH = 800
"""Of pictures in metadata, pixels."""
TILES = "tiles"
"""Data set name of the library's tiles, and their platform in the index; their batches are ``tiles-<biome>-<round>``."""


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"file"}, code_version="1")
def scene_inbox(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The files dropped in `inbox/scenes/`, cut into batches that wait for their turn; bad records go to `inbox/rejected/`."""
    from mosaic_assets.csquares.inbox import take_inbox
    from mosaic_assets.csquares.uploading import uploading, waiting_batches

    with explained_failures(context):
        settings = workbench.settings
        report = take_inbox(settings, datetime.now(UTC))
        waiting, left = waiting_batches(settings), uploading(settings)
    if waiting:
        context.instance.add_dynamic_partitions(str(batch_partitions.name), waiting)
    files = report.files if report else ()
    rows = [
        {"file": f.name, "format": f.format or "gone", "accepted": f.accepted, "rejected": f.rejected} for f in files
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(file.accepted for file in files),
            "files": table(rows[:100]),
            "rejected records": sum(file.rejected for file in files),
            "scenes that came twice": report.superseded if report else 0,
            "batches": table([{"batch": n, "scenes": s} for n, s in (report.batches if report else {}).items()][:100]),
            "being uploaded": left.scenes,
            "path": dg.MetadataValue.path(str(settings.inbox.parent)),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    partitions_def=batch_partitions,
    deps=[scene_inbox],
)
def scene_footprints(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The footprints of a batch of 100 to 300 scenes as GeoParquet, taken from the queue."""
    from mosaic_assets.csquares.uploading import publish_footprints

    with explained_failures(context):
        report = publish_footprints(workbench.settings, context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.scenes,
            "platforms": table([{"platform": n or "(none)", "scenes": s} for n, s in report.platforms.items()]),
            "first": str(report.first or ""),
            "last": str(report.last or ""),
            "taken at": str(report.taken_at),
            "bytes": report.size_bytes,
            "path": dg.MetadataValue.path(str(report.path)),
        }
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    partitions_def=batch_partitions,
    deps=[scene_footprints],
)
def csquare_pairs(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The c-squares that each scene of a batch covers, compressed: the source of truth that the index is made from."""
    from mosaic_assets.csquares.drawing import draw_codes
    from mosaic_assets.csquares.uploading import publish_pairs

    with explained_failures(context):
        report = publish_pairs(workbench.settings, context.partition_key)
        drawn = _small(draw_codes(report.example_codes, title=report.example)) if report.example else None
    context.log.info("%d scenes, %d pairs, %.0f scenes/s", report.scenes, report.pairs, report.scenes_a_second)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.pairs,
            "scenes": report.scenes,
            "squares": _sizes(report.sizes),
            **({"largest scene": _sizes(report.example_sizes)} if drawn else {}),
            **({"largest scene drawn": picture(drawn, report.example)} if drawn else {}),
            "bytes": report.size_bytes,
            "scenes a second": round(report.scenes_a_second, 1),
            "path": dg.MetadataValue.path(str(report.path)),
        }
    )


def _small(png: bytes) -> bytes:
    """Return a picture in fewer pixels and colours: Dagster keeps one of every batch in its event log."""
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as drawn:
        drawn.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
        drawn.convert("RGB").quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


def _sizes(sizes: "list[SizeCount]") -> dg.MetadataValue:
    return table([{"degrees": s.resolution, "squares": s.squares, "after compression": s.compressed} for s in sizes])


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"parquet"}, code_version="1", deps=[bucketed_library])
def library_footprints(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """The squares of the library's tiles, a batch a merged round; only rounds that changed cost work."""
    from mosaic_assets.csquares.contributions import publish_contributions

    with explained_failures(context):
        settings, began = workbench.settings, time.perf_counter()
        state, now = tiles_state(settings), datetime.now(UTC)
        report = publish_contributions(settings.csquares, TILES, tile_contributions(settings), now, state=state)
        seconds = time.perf_counter() - began
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.scenes,
            "batches written": len(report.written),
            "batches unchanged": report.unchanged,
            "batches withdrawn": len(report.withdrawn),
            "pairs written": report.pairs,
            "tiles a second": round(report.scenes / seconds, 1),
            "path": dg.MetadataValue.path(str(settings.csquares / "pairs")),
        }
    )


def tiles_state(settings: Settings) -> str:
    """Return what changes whenever the library does: its newest merge, and how many tiles it holds."""
    from mosaic_assets.store.library_db import has_library, open_library

    if not has_library(settings.library):
        return ""
    with open_library(settings.library) as library, library.reading():
        newest = library.query("SELECT coalesce(max(merge_number), 0) FROM rounds")[0][0]
        return f"{library.count()} {TILES} at merge {newest}"


def tile_contributions(settings: Settings) -> "Iterator[Contribution]":
    """Yield the library's tiles as scenes, a part a round of a biome: a round is merged once and hardly changes again."""
    from shapely import box

    from mosaic_assets.csquares.contributions import Contribution
    from mosaic_assets.csquares.readers import SceneFootprint
    from mosaic_assets.store.library_db import has_library, open_library

    if not has_library(settings.library):
        return
    with open_library(settings.library) as library:
        for (biome,) in library.query("SELECT DISTINCT biome FROM provenance ORDER BY 1"):
            rows = sorted(library.rows("biome = ?", (biome,)), key=lambda row: row.round)
            for number, tiles in groupby(rows, key=lambda row: row.round):
                scenes = [SceneFootprint(_scene_of(t), box(t.west, t.south, t.east, t.north)) for t in tiles]
                yield Contribution(TILES, f"{biome}-{number:05d}", scenes)


def _scene_of(tile: "LibraryRow") -> "Scene":
    """Return a tile as a scene; without a time, since nobody says when its imagery was acquired."""
    from mosaic_assets.store.csquare_db import Scene

    return Scene(
        tile.id,
        platform=TILES,
        instrument=tile.imagery,
        image_location=tile.filepath,
        thumbnail=tile.filepath,
        source=tile.source,
        licence=tile.licence,
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqlite"},
    code_version="1",
    # Those of other data sets: by its key, since the module of that asset stands above this one.
    deps=[csquare_pairs, library_footprints, dg.AssetKey("dataset_footprints")],
)
def csquare_index(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """`csquares/index.db`: which scenes include which squares; brought up to date with all published pairs."""
    from mosaic_assets.csquares.drawing import density_map
    from mosaic_assets.csquares.index import index_path, update_index
    from mosaic_assets.csquares.uploading import uploading

    with explained_failures(context):
        settings, began = workbench.settings, time.perf_counter()
        report = update_index(settings.csquares)
        seconds, left = time.perf_counter() - began, uploading(settings)
        drawn = _small(density_map(settings.csquares)) if report.scenes else None
    context.log.info("%d scenes in the index, %d being uploaded", report.scenes, left.scenes)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.scenes,
            "batches brought in": report.batches,
            "scenes added": report.added,
            "scenes changed": report.changed,
            "scenes removed": report.removed,
            "made anew": report.rebuilt,
            "being uploaded": left.scenes,
            "batches waiting": left.batches,
            "files in the inbox": left.files,
            "bytes": index_path(settings.csquares).stat().st_size,
            "seconds": round(seconds, 3),
            **({"density": picture(drawn, "scenes by place")} if drawn else {}),
            "path": dg.MetadataValue.path(str(index_path(settings.csquares))),
        }
    )


ARCHIVE_ASSETS = [scene_inbox, scene_footprints, csquare_pairs, library_footprints, csquare_index]
