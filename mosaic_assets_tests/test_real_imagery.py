"""Real imagery, read in place: through files and through HTTP, with equal libraries as the result."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
from PIL import Image

from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.settings import Settings
from mosaic_assets.sources.raster_files import raster_footprint
from mosaic_assets.sources.registry import open_source, source_record
from mosaic_assets.sources.server import running_server
from mosaic_assets_tests.conftest import SHARED_DATA, MakeSettings, needs_shared_data

RASTER = {
    "kind": "raster",
    "paths": [str(SHARED_DATA / "rsloc/RSimages/*/*.tiff")],
    "licence": "none stated; internal tests only",
    "attribution": "RSLoc-82K; Esri, Mapbox",
}


def places(settings: Settings) -> dict[str, dict]:
    """A biome drawn round each raster."""
    footprints = raster_footprint(source_record("rsloc", settings))
    return {f"place_{index}": {"box": list(bounds)} for index, (_, bounds, _) in enumerate(footprints)}


def grow(settings: Settings) -> None:
    for name in settings.biomes:
        harvest_round(name, settings)
    merge_rounds(settings)


def tiles_and_pixels(settings: Settings) -> tuple[list[tuple], np.ndarray]:
    connection = sqlite3.connect(settings.library / "tiles.db")
    rows = connection.execute("SELECT * FROM tiles ORDER BY id").fetchall()
    connection.close()
    return rows, np.stack([np.asarray(Image.open(settings.home / row[2])) for row in rows])


@needs_shared_data
def test_rasters_give_the_same_library_read_directly_and_served_over_http(make_settings: MakeSettings) -> None:
    common = {"builtin_biomes": False, "round_tiles": 150, "source": "rsloc"}
    biomes = places(make_settings("probe", sources={"rsloc": RASTER}))
    direct = make_settings("direct", sources={"rsloc": RASTER}, biomes=biomes, **common)
    grow(direct)
    with open_source("rsloc", direct) as opened, running_server(opened) as url:
        http = {
            "kind": "xyz",
            "url": f"{url}/tile/{{z}}/{{y}}/{{x}}",
            "imagery": "rsloc",
            "bulk_use": "allowed",
            **{name: RASTER[name] for name in ("licence", "attribution")},
        }
        served = make_settings("served", sources={"rsloc": http}, biomes=biomes, **common)
        grow(served)
    (rows, pixels), (other_rows, other_pixels) = tiles_and_pixels(direct), tiles_and_pixels(served)
    assert len(rows) > 300
    assert rows == other_rows
    assert np.array_equal(pixels, other_pixels)
    for check in CHECKS:
        if check.blocking:
            for settings in (direct, served):
                found = run_check(check, settings, Scope.ALL)
                assert found.passed, (check.name, found.summary)


@needs_shared_data
def test_the_world_at_zoom_4_from_a_folder_of_tiles(make_settings: MakeSettings) -> None:
    folder = SHARED_DATA / "bluemarble_xyz"
    with running_server(Path(folder)) as url:
        source = {
            "kind": "xyz",
            "url": f"{url}/tile/{{z}}/{{y}}/{{x}}",
            "max_zoom": 4,
            "default_zoom": 4,
            "bulk_use": "allowed",
            "licence": "public domain by its README",
            "attribution": "Natural Earth",
        }
        settings = make_settings(
            builtin_biomes=False,
            biomes={"world": {"box": [-180, -85.05, 180, 85.05]}},
            sources={"bluemarble": source},
            source="bluemarble",
            round_tiles=300,
            first_round_tiles=300,
        )
        report = harvest_round("world", settings)
        merged = merge_rounds(settings)
    # The whole level: 16 x 16 tiles, each asked for once, each answered.
    assert report.planned == 256 and report.exhausted
    assert set(report.outcomes) == {"candidate"}
    assert sum(merged.outcomes.values()) == 256
    assert merged.library_buckets > 60, "a world with oceans, deserts and ice spreads over many buckets"
