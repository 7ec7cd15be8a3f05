"""The code location: `build_definitions` and its result for Dagster to load. Loading it reads and connects nothing."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mosaic_assets.defs.archive_assets import ARCHIVE_ASSETS
from mosaic_assets.defs.archive_sensors import ARCHIVE_SENSORS
from mosaic_assets.defs.challenge_assets import CHALLENGE_ASSETS, CHALLENGE_JOBS
from mosaic_assets.defs.checks import ASSET_CHECKS
from mosaic_assets.defs.chip_assets import CHIP_ASSETS, CHIP_JOBS
from mosaic_assets.defs.footprint_assets import dataset_footprints
from mosaic_assets.defs.gallery_assets import GALLERY_ASSETS, GALLERY_JOBS
from mosaic_assets.defs.jobs import JOBS
from mosaic_assets.defs.library_assets import ASSETS
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.defs.scene_assets import SCENE_ASSETS, SCENE_JOBS, SCENE_SCHEDULES
from mosaic_assets.defs.schedules import SCHEDULES
from mosaic_assets.defs.sensors import SENSORS


def build_definitions(workbench: Workbench | None = None, **overrides: Any) -> dg.Definitions:
    """Build the definitions for production, for `mosaic run`, or for a test.

    Parameters
    ----------
    workbench : what assets get from outside; default: settings from environment and file.
    **overrides : keyword arguments of `dagster.Definitions` to replace ours, e.g. ``executor``.

    Examples
    --------
    >>> keys = build_definitions().resolve_all_asset_keys()
    >>> {"bucketed_library", "csquare_index"} <= {key.to_user_string() for key in keys}
    True
    """
    resources: Mapping[str, Any] = {"workbench": workbench or Workbench()}
    arguments: dict[str, Any] = {
        "assets": [
            *ASSETS,
            *SCENE_ASSETS,
            *CHALLENGE_ASSETS,
            *CHIP_ASSETS,
            *GALLERY_ASSETS,
            *ARCHIVE_ASSETS,
            dataset_footprints,
        ],
        "asset_checks": ASSET_CHECKS,
        "jobs": [*JOBS, *SCENE_JOBS, *CHALLENGE_JOBS, *CHIP_JOBS, *GALLERY_JOBS],
        "sensors": [*SENSORS, *ARCHIVE_SENSORS],
        "schedules": [*SCHEDULES, *SCENE_SCHEDULES],
        "resources": resources,
        # A round is one step that uses threads; a process of its own for it would only cost start-up.
        "executor": dg.in_process_executor,
        **overrides,
    }
    return dg.Definitions(**arguments)


defs = build_definitions()
