"""A small raster of known pixels, labels on it, and settings that cut them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely import box

from mosaic_assets.chips.chip_checks import CHIP_CHECKS
from mosaic_assets.chips.cut import CutReport, cut_region
from mosaic_assets.chips.dataset import DatasetReport, make_dataset
from mosaic_assets.chips.plan_store import StoredPlan, split_labels
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.settings import Settings, load_settings

CRS = "EPSG:32734"
LEFT, TOP, PIXEL = 500_003.0, 6_200_007.0, 10.0
HEIGHT, WIDTH = 100, 140
"""Not multiples of the patch, so that the last chips reach past the edge."""
PATCH = 24

MakeChips = Callable[..., Settings]

CHECKS = {check.name: check for check in CHIP_CHECKS}


def ground(row: float, column: float, height: float, width: float) -> Any:
    """The rectangle of some pixels, in the raster's CRS."""
    left, top = LEFT + PIXEL * column, TOP - PIXEL * row
    return box(left, top - PIXEL * height, left + PIXEL * width, top)


def scattered(count: int, seed: int = 3) -> gpd.GeoDataFrame:
    """Rectangles of some pixels all over the raster, of two kinds."""
    draws = np.random.default_rng(seed)
    places = draws.uniform(0, 1, (count, 2)) * [HEIGHT - 12, WIDTH - 12]
    sizes = draws.uniform(2, 12, (count, 2))
    shapes = [ground(*place, *size) for place, size in zip(places.tolist(), sizes.tolist(), strict=True)]
    splits = np.array(["train", "train", "validation", "test"])[draws.integers(0, 4, count)]
    return gpd.GeoDataFrame(
        {"kind": np.array(["hut", "field"])[draws.integers(0, 2, count)], "split": splits}, geometry=shapes, crs=CRS
    )


def write_raster(path: Path, pixels: Any = None, **profile: Any) -> Path:
    """A GeoTIFF of three bands whose every pixel tells its place."""
    if pixels is None:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        pixels = np.stack([rows, columns, (rows * 7 + columns * 3) % 251]).astype(np.uint8)
    given = {"crs": CRS, "transform": from_origin(LEFT, TOP, PIXEL, PIXEL), "dtype": pixels.dtype.name, **profile}
    with rasterio.open(
        path, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2], **given
    ) as out:
        out.write(pixels)
    return path


@pytest.fixture
def make_chips(tmp_path: Path) -> MakeChips:
    """Settings over a raster and labels; ``labels`` may be a GeoDataFrame, other arguments are of the table [chips]."""

    def make(labels: Any = None, *, home: str = "home", seed: int = 1, workers: int = 2, **chips: Any) -> Settings:
        labels = scattered(60) if labels is None else labels
        if isinstance(labels, gpd.GeoDataFrame):
            path = tmp_path / f"{home}.gpkg"
            labels.to_file(path)
            labels = path
        raster = tmp_path / "raster.tif"
        if not raster.exists():
            write_raster(raster)
        given = {
            "imagery": "raster",
            "raster": raster,
            "patch": PATCH,
            "regions": 2,
            "buffer": 2,
            "labels": labels,
            **chips,
        }
        return load_settings(home=tmp_path / home, seed=seed, workers=workers, chips=given)

    return make


def cut_all(settings: Settings) -> tuple[StoredPlan, list[CutReport], DatasetReport]:
    """Plan, cut every region, publish the manifest."""
    plan = split_labels(settings)
    reports = [cut_region(settings, region) for region in plan.regions]
    return plan, reports, make_dataset(settings)


def failing(settings: Settings) -> list[str]:
    """Names of the checks that fail."""
    return [name for name, check in CHECKS.items() if not run_check(check, settings, Scope.ALL).passed]


def files_of(settings: Settings) -> dict[str, bytes]:
    """Bytes of every chip by its path in the data set."""
    images = [
        path for name in ("images", "Chips") for path in (settings.chips_folder / name).rglob("*") if path.is_file()
    ]
    return {path.relative_to(settings.chips_folder).as_posix(): path.read_bytes() for path in images}
