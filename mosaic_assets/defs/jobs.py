"""The jobs that sensors, schedules, people and `mosaic run` start."""

import dagster as dg

from mosaic_assets.defs.checks import SCOPE_TAG
from mosaic_assets.defs.library_assets import (
    biomes,
    bucketed_library,
    coverage_report,
    harvested_tiles,
    lab_centroids,
)

SETUP, HARVEST, MERGE, VERIFY = "setup_library", "harvest_biome", "merge_library", "verify_library"

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

JOBS = [setup_job, harvest_job, merge_job, verify_job]
