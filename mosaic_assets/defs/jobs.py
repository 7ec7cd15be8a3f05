"""The jobs that sensors, schedules, people and `mosaic run` start."""

import dagster as dg

from mosaic_assets.defs.archive_assets import (
    csquare_index,
    csquare_pairs,
    library_footprints,
    scene_footprints,
    scene_inbox,
)
from mosaic_assets.defs.checks import SCOPE_TAG
from mosaic_assets.defs.footprint_assets import dataset_footprints
from mosaic_assets.defs.library_assets import (
    biomes,
    bucketed_library,
    coverage_report,
    harvested_tiles,
    lab_centroids,
)

SETUP, HARVEST, MERGE, VERIFY = "setup_library", "harvest_biome", "merge_library", "verify_library"
TAKE, INGEST, INDEX = "take_scenes", "ingest_batch", "index_footprints"

setup_job = dg.define_asset_job(
    SETUP,
    dg.AssetSelection.assets(lab_centroids, biomes),
    description="Publish the centroids and the biomes; what harvests need.",
)
harvest_job = dg.define_asset_job(
    HARVEST,
    # The check of all biomes' newest rounds belongs to the merge; beside other harvests it would look at their files.
    dg.AssetSelection.assets(harvested_tiles).without_checks(),
    description="Harvest one further round of one biome.",
)
merge_job = dg.define_asset_job(
    MERGE,
    dg.AssetSelection.assets(bucketed_library, coverage_report) | dg.AssetSelection.checks_for_assets(harvested_tiles),
    tags={"mosaic/writes": "library", SCOPE_TAG: "newest"},
    description="Merge published rounds into the library, check it, and report its coverage.",
)
verify_job = dg.define_asset_job(
    VERIFY,
    dg.AssetSelection.all_asset_checks(),
    tags={SCOPE_TAG: "all"},
    description="Run every check over everything; changes nothing.",
)

take_job = dg.define_asset_job(
    TAKE,
    dg.AssetSelection.assets(scene_inbox),
    description="Take what was dropped in the inbox, and cut it into batches.",
)
ingest_job = dg.define_asset_job(
    INGEST,
    dg.AssetSelection.assets(scene_footprints, csquare_pairs, csquare_index),
    tags={"mosaic/writes": "archive", SCOPE_TAG: "newest"},
    description="Bring one batch of scenes into the index: footprints, pairs, index, and their checks.",
)
index_job = dg.define_asset_job(
    INDEX,
    dg.AssetSelection.assets(library_footprints, dataset_footprints, csquare_index),
    tags={"mosaic/writes": "archive", SCOPE_TAG: "newest"},
    description="Bring the footprints of other data sets into the index, and whatever else it lacks.",
)

JOBS = [setup_job, harvest_job, merge_job, verify_job, take_job, ingest_job, index_job]
