"""Answers of Earth Engine that are not what was asked for, and questions that are not asked."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from mosaic_assets.errors import SourceError
from mosaic_assets.settings import Network
from mosaic_assets.sources.earthengine import EarthEngineImagery
from mosaic_assets.sources.earthengine_graph import Piece
from mosaic_assets_tests.sources.earthengine.basemap import BASEMAP, GRID, HEIGHT, METHODS, WIDTH
from mosaic_assets_tests.sources.earthengine_server import CRS


@pytest.mark.parametrize("method", METHODS)
def test_answer_half_a_pixel_off_is_refused(imagery, world, method):
    backend = imagery(method=method)
    world.shift_px = 0.5
    with pytest.raises(SourceError, match=r"other pixels than asked for: .* 0\.5 pixels off"):
        backend.read(0, 0, 4, 4)


def test_answer_in_another_crs_type_or_size_is_refused(imagery):
    backend = imagery()
    for changed, expected in [
        ({"crs": "EPSG:4326"}, "CRS EPSG:4326 instead of EPSG:3857"),
        ({"dtype": "float64"}, "type float64 instead of uint16"),
        ({"width": 5}, "2 bands of 4 x 5"),
        ({"count": 1}, "1 bands of 4 x 4"),
    ]:
        profile = {"crs": CRS, "dtype": "uint16", "height": 4, "width": 4, "count": 2} | changed
        transform = rasterio.Affine(*GRID.transform)
        with rasterio.MemoryFile() as memory:
            with memory.open(driver="GTiff", transform=transform, **profile) as dataset:
                dataset.write(np.zeros((profile["count"], profile["height"], profile["width"]), profile["dtype"]))
            body = memory.read()
        with pytest.raises(SourceError, match=expected):
            backend._decode(body, Piece(0, 0, 4, 4))


@pytest.mark.parametrize("body", [b"<html>a proxy's greeting</html>", b"", b"II*\0"])
def test_answer_that_is_no_geotiff_is_refused(imagery, world, body):
    backend = imagery()
    world.faults = [(200, {}, body)]
    with pytest.raises(SourceError, match="no GeoTIFF"):
        backend.read(0, 0, 4, 4)


@pytest.mark.parametrize(
    "window", [(-1, 0, 4, 4), (0, WIDTH - 3, 4, 4), (HEIGHT, 0, 1, 1), (0, 0, 0, 4), (0, 0, 4, WIDTH + 1)]
)
def test_window_outside_the_grid_is_refused_before_anything_is_asked(imagery, world, window):
    with pytest.raises(SourceError, match="the grid has 40 x 48 pixels"):
        imagery().read(*window)
    assert world.attempts == 0


def test_missing_client_is_told_with_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ee", None)
    with pytest.raises(SourceError, match=r'pip install "mosaic_assets\[earthengine\]"'):
        EarthEngineImagery(BASEMAP, GRID, Network(), project="p", licence="", attribution="")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"project": ""}, "names? a|none is named"),
        ({"method": "export"}, "choose one of computePixels, getDownloadURL"),
        ({"composite": replace(BASEMAP, bands=tuple(map(str, range(1_025))))}, "1025 bands"),
    ],
)
def test_unusable_options_are_refused(imagery, options, expected):
    with pytest.raises(SourceError, match=expected):
        imagery(**options).read(0, 0, 1, 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"collection": " "}, "asset id is empty"),
        ({"bands": ()}, "name at least one"),
        ({"bands": ("R", "R")}, "each once"),
        ({"begin": "2020-1-2"}, "YYYY-MM-DD"),
        ({"end": "2020-01-02"}, "the end is not included"),
        ({"dtype": "complex64"}, "choose one of uint8"),
        ({"dtype": "uint8", "nodata": 256}, "is no finite uint8"),
        ({"dtype": "float32", "nodata": float("nan")}, "is no finite float32"),
    ],
)
def test_unusable_composite_is_refused(fields, expected):
    with pytest.raises(SourceError, match=expected):
        replace(BASEMAP, **fields)


@pytest.mark.parametrize(
    "fields", [{"pixel_width": 0.0}, {"pixel_height": -1.0}, {"left": float("nan")}, {"width": 0}, {"crs": ""}]
)
def test_unusable_grid_is_refused(fields):
    with pytest.raises(SourceError, match="a grid for Earth Engine"):
        replace(GRID, **fields)
