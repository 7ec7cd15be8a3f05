"""Earth Engine's real client against a stand-in on loopback: the request's graph, its pixels, its limits."""

from __future__ import annotations

from dataclasses import replace

import ee
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.sources import earthengine, earthengine_calls
from mosaic_assets.sources.earthengine import RequestLimits
from mosaic_assets.sources.earthengine_graph import CloudMask, Piece, fits, pieces
from mosaic_assets_tests.sources.earthengine.basemap import (
    BASEMAP,
    COLLECTIONS,
    GRID,
    HEIGHT,
    METHODS,
    WIDTH,
    median_of,
)
from mosaic_assets_tests.sources.earthengine_server import CRS, LEFT, PIXEL, TOP


def functions_of(expression):
    """The names of the functions along the main line of a graph, from the outermost inwards."""
    values, node, names = expression["values"], expression["values"][expression["result"]], []
    while call := node.get("functionInvocationValue"):
        names.append(call["functionName"])
        argument = next(
            (call["arguments"][key] for key in ("input", "collection", "value") if key in call["arguments"]), None
        )
        if argument is None:
            break
        node = values[argument["valueReference"]] if "valueReference" in argument else argument
    return names


def constants_of(node):
    """All constants below a node of a graph."""
    if isinstance(node, dict):
        return [
            *([node["constantValue"]] if "constantValue" in node else []),
            *(constant for value in node.values() for constant in constants_of(value)),
        ]
    return [constant for item in node for constant in constants_of(item)] if isinstance(node, list) else []


def test_request_graph_is_the_median_of_the_bands_of_the_days_that_touch_the_grid(imagery, world):
    imagery().read(0, 0, 4, 4)
    (asked,) = world.asked
    assert functions_of(asked["expression"]) == [
        "Image.toUint16",
        "Image.round",
        "Image.unmask",
        "reduce.median",
        "Collection.map",  # the selection of bands
        "Collection.filter",  # by place
        "Collection.filter",  # by date
        "ImageCollection.load",
    ]
    constants = constants_of(asked["expression"])
    for expected in ("planet/basemap", "2020-01-02", "2020-01-05", ["R", "B"], list(GRID.box), CRS):
        assert expected in constants


def test_request_names_format_bands_and_the_grid_of_its_own_first_pixel(imagery, world):
    imagery().read(3, 5, 16, 20)
    (asked,) = world.asked
    assert asked["fileFormat"] == "GEO_TIFF"
    assert asked["bandIds"] == ["R", "B"]
    assert asked["grid"] == {
        "crsCode": CRS,
        "dimensions": {"width": 20, "height": 16},
        "affineTransform": {
            "scaleX": PIXEL,
            "shearX": 0.0,
            "translateX": LEFT + 5 * PIXEL,
            "shearY": 0.0,
            "scaleY": -PIXEL,
            "translateY": TOP - 3 * PIXEL,
        },
    }


@pytest.mark.parametrize("method", METHODS)
def test_pixels_are_the_median_of_the_days_from_begin_to_before_end(imagery, method):
    pixels = imagery(method=method).read(3, 5, 16, 20)
    assert pixels.shape == (2, 16, 20)
    assert pixels.dtype == np.uint16
    for band, got in zip("RB", pixels, strict=True):
        np.testing.assert_array_equal(got, median_of(band, (2, 3, 4), slice(3, 19), slice(5, 25)))


def test_cloud_scores_decide_which_observations_count(imagery):
    composite = replace(BASEMAP, mask=CloudMask("scores", "clear", 0.6))
    scores = np.ma.stack([COLLECTIONS["scores"][day - 1].bands["clear"] for day in (2, 3, 4)])
    cloudy = ~np.ma.filled(scores >= 0.6, False)
    expected = median_of("R", (2, 3, 4), slice(None), slice(None), hide=cloudy)
    got = imagery(composite).read(0, 0, HEIGHT, WIDTH)[0]
    np.testing.assert_array_equal(got, expected)
    assert (got == 0).mean() > 0.2  # so the mask was felt: without it 3 % have no observation


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pixels_come_in_the_type_asked_for(imagery, dtype):
    pixels = imagery(replace(BASEMAP, dtype=dtype, nodata=7)).read(0, 0, HEIGHT, WIDTH)
    assert pixels.dtype == dtype
    assert (pixels == 7).any()


@pytest.mark.parametrize("method", METHODS)
def test_window_larger_than_a_request_is_fetched_in_pieces(imagery, world, monkeypatch, method):
    whole = imagery(method=method).read(1, 2, 38, 45)
    # 2 bands of 2 bytes: a megabyte holds all; 16 pixels a side hold a part.
    monkeypatch.setitem(earthengine.LIMITS, method, RequestLimits(megabytes=1, longest_side=16, bands=8))
    world.asked.clear()
    np.testing.assert_array_equal(imagery(method=method).read(1, 2, 38, 45), whole)
    assert len(world.asked) == 16


def test_limits_are_those_of_the_service():
    # developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels: 48 MB, 32K pixels, 1,024 bands.
    assert earthengine.LIMITS["computePixels"] == RequestLimits(megabytes=48, longest_side=32_000, bands=1_024)
    download = earthengine.LIMITS["getDownloadURL"]
    assert (
        f"Maximum request size is {download.megabytes} MB, maximum grid dimension is {download.longest_side}"
        in ee.Image.getDownloadURL.__doc__
    )
    # developers.google.com/earth-engine/guides/usage: 40 concurrent requests, 100 a second, a project.
    assert (earthengine_calls.IN_FLIGHT, earthengine_calls.REQUESTS_PER_S) == (40, 100)
    assert earthengine_calls.HIGH_VOLUME == ee.data.HIGH_VOLUME_API_BASE_URL


@given(st.integers(1, 60), st.integers(1, 60), st.integers(20, 5_000), st.integers(5, 100))
def test_pieces_cover_a_window_once_and_keep_the_limits(height, width, most_pixels, longest_side):
    met = np.zeros((height, width), int)
    for piece in pieces(Piece(7, 9, height, width), most_pixels=most_pixels, longest_side=longest_side):
        assert piece.height * piece.width <= most_pixels
        assert max(piece.height, piece.width) <= longest_side
        met[piece.row - 7 : piece.row - 7 + piece.height, piece.column - 9 : piece.column - 9 + piece.width] += 1
    assert (met == 1).all()


def test_opening_asks_for_nothing(imagery, world):
    backend = imagery()
    assert (backend.size, backend.bands, backend.dtype, backend.nodata) == ((HEIGHT, WIDTH), ("R", "B"), "uint16", 0)
    assert backend.transform == (PIXEL, 0.0, LEFT, 0.0, -PIXEL, TOP)
    assert world.attempts == 0
    assert not ee.data.is_initialized()


def test_identity_changes_with_everything_that_changes_pixels():
    changed = [
        replace(BASEMAP, collection="other"),
        replace(BASEMAP, begin="2020-01-01"),
        replace(BASEMAP, end="2020-01-06"),
        replace(BASEMAP, bands=("B", "R")),
        replace(BASEMAP, dtype="int16"),
        replace(BASEMAP, nodata=1),
        replace(BASEMAP, mask=CloudMask("scores", "clear", 0.5)),
        replace(BASEMAP, mask=CloudMask("scores", "clear", 0.6)),
    ]
    grids = [replace(GRID, left=LEFT + 1), replace(GRID, width=8), replace(GRID, crs="EPSG:32736")]
    identities = [composite.identity(GRID) for composite in (BASEMAP, *changed)]
    identities += [BASEMAP.identity(grid) for grid in grids]
    assert len(set(identities)) == len(identities)
    assert BASEMAP.identity(GRID) == replace(BASEMAP).identity(replace(GRID))


def test_whole_numbers_only_fit_integer_types():
    assert fits(65_535, "uint16")
    assert not fits(65_536, "uint16")
    assert not fits(float("inf"), "int16")
