"""A small home with something of every data set, made once; and the explorer over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.csquares import Scene, cover_many, update_index, write_pairs
from mosaic_assets.gallery.build import build_zoom
from mosaic_assets.gallery.localize.metrics import Asked
from mosaic_assets.gallery.manifest import read_manifest
from mosaic_assets.gallery.queries import cut_query_set
from mosaic_assets.scenes.challenges.results import results_path, write_results
from mosaic_assets.scenes.crop_manifest import picture_path, write_manifest
from mosaic_assets.scenes.names import EXAMPLE, parse_name
from mosaic_assets.scenes.records import SceneNumbers, SceneOutcome, SceneRecord
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.files import write_bytes
from mosaic_assets.store.library_db import open_library
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets_tests.chips.conftest import PATCH, cut_all, scattered, write_raster
from mosaic_assets_tests.explorer.running import exploring
from mosaic_assets_tests.gallery.conftest import SMALL

NOW = datetime(2024, 6, 15, tzinfo=UTC)
TILE = "00000000-0000-4000-8000-000000000001"
KEPT = replace(
    SceneRecord(parse_name(EXAMPLE), SceneOutcome.KEPT),
    numbers=SceneNumbers(0.0, 0.0, 0.25, 0.5, 0.03, 7.0),
    crop_footprint=shapely.box(10, 50, 13, 52),
    scene_footprint=shapely.box(5, 45, 20, 57),
    centre=(11.5, 51.0),
    corners=((10.0, 52.0), (13.0, 52.0), (13.0, 50.0), (10.0, 50.0)),
    recipe="reflectance",
    source="embedded",
    synthetic=True,
    licence="CC0-1.0",
    attribution="SYNTHETIC, made for tests",
)
CLOUDY = replace(
    KEPT,
    name=parse_name(EXAMPLE.replace("_334_4320_", "_334_4500_")),
    outcome=SceneOutcome.SCREENED_CLOUD,
    detail="90.0% of the crop are cloud",
    crop_footprint=None,
    centre=None,
    corners=(),
)


def noise_picture(side: int = 64, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def settings_at(home: Path, **more: Any) -> Settings:
    chips = {
        "imagery": "raster", "raster": home / "raster.tif", "labels": home / "labels.gpkg", "patch": PATCH, "regions": 2,
        "buffer": 2, "class_column": "kind", "licence": "CC-BY-4.0", "attribution": "drawn for tests",
    }  # fmt: skip
    gallery = {**SMALL, "zooms": (13,), "query_zoom": 13, "query_pixels": 64, "query_count": 3}
    return load_settings(home=home, workers=2, chips=chips, gallery=gallery, **more)


def add_crops(settings: Settings) -> None:
    body = encode_png(noise_picture(1024 // 8))
    write_bytes(settings.smcefr_folder / picture_path(KEPT), body, "making a crop")
    write_manifest(settings, KEPT.name.day, [replace(KEPT, size_bytes=len(body), sha256="0" * 64), CLOUDY])


def add_chips(settings: Settings) -> None:
    write_raster(settings.home / "raster.tif")
    scattered(60).to_file(settings.home / "labels.gpkg")
    cut_all(settings)


def add_gallery(settings: Settings) -> None:
    build_zoom(settings, 13)
    cut_query_set(settings)
    name = read_manifest(settings)[0].row.imgname
    asked = Asked(name, "sift_vlad", "query set", "", False, 1, 12.5, 0.9, 30, 0.1, 0.2, 12_288)
    cut = replace(asked, query="none-free-000", kind="none free", error_m=2_000.0, rank=None, confidence=0.7)
    outline = [[0.71, 47.5], [0.72, 47.5], [0.72, 47.49], [0.71, 47.49]]
    kept = {"a": {**asdict(asked), "answer": outline}, "b": asdict(cut)}
    results = settings.gallery_folder / "localize" / "results" / "sift_vlad-0123456789abcdef.json"
    write_bytes(results, json.dumps(kept).encode(), "keeping answers")
    drawn = encode_png(noise_picture(32))
    slug = name.lower().replace("_", "-").replace(".", "-")
    write_bytes(settings.gallery_folder / "evaluation" / f"03-sift-vlad-{slug}.png", drawn, "drawing")


def add_benchmarks(settings: Settings) -> None:
    common = {"picture": "a.png", "sha256": "a", "synthetic": True, "fingerprint": "f", "note": "",
              "kind": "gaussian", "seed": 1, "mse": 1.0, "ssim": 0.5, "seconds": 0.1}  # fmt: skip
    noise = [
        {**common, "method": method, "case": case, "psnr": psnr}
        for case, scores in {"gaussian_15": (20.0, 31.0, 29.0), "gaussian_25": (15.0, 25.0, 27.0)}.items()
        for method, psnr in zip(("nothing", "wavelet", "median"), scores, strict=True)
    ]  # fmt: skip
    write_results(results_path(settings, "noise"), "noise", noise)
    write_bytes(results_path(settings, "noise").with_name("noise_examples.png"), encode_png(noise_picture()), "drawing")


def add_library(settings: Settings, named: str = f"mosaic_library/bucket_0042/{TILE}.png") -> None:
    picture = settings.home / "mosaic_library" / "bucket_0042" / f"{TILE}.png"
    write_bytes(picture, encode_png(noise_picture(256)), "making a tile")
    row = LibraryRow(
        TILE, 42, named, "0" * 16, 50.0, 0.0, 0.0, "embedded", "embedded", "1", 13, 1, 1, 10.0, 50.0, 10.1, 50.1, "dallol", 1, 0,
        "2024-06-15T00:00:00.000+00:00", "", "0" * 64, "CC0-1.0", "made for tests", True, "1501:100",
    )  # fmt: skip
    with open_library(settings.library, create=True) as library, library.writing():
        library.add_tiles([row])


def add_scenes(settings: Settings, scenes: list[Scene]) -> None:
    outlines = [shapely.box(140, -40, 141, -39)] * len(scenes)
    write_pairs(settings.csquares, "scenes-1", scenes, cover_many(outlines, 0.5), published_at=NOW)
    update_index(settings.csquares)


@cache
def _built(base: Path) -> Settings:
    settings = settings_at(base / "small" / "home")
    settings.home.mkdir(parents=True)
    for add in (add_crops, add_chips, add_gallery, add_benchmarks, add_library):
        add(settings)
    return settings


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings over the home; tests only read it."""
    return _built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def small_url(small_home: Settings) -> Iterator[str]:
    """Address of an explorer over the home."""
    with exploring(small_home) as url:
        yield url
