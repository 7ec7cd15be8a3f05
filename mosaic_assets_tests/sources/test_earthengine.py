"""Earth Engine's real client against a stand-in on loopback: graph, pixels, limits, refusals."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import ee
import numpy as np
import pytest
import rasterio
from google.auth.credentials import AnonymousCredentials
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.settings import Network
from mosaic_assets.sources import earthengine, earthengine_calls
from mosaic_assets.sources.earthengine import EarthEngineImagery, RequestLimits
from mosaic_assets.sources.earthengine_calls import Caller, Transport, read_failure
from mosaic_assets.sources.earthengine_graph import CloudMask, Composite, Piece, PixelGrid, fits, pieces
from mosaic_assets_tests.sources.earthengine_server import CRS, LEFT, PIXEL, TOP, Layer, World, earth_engine

HEIGHT, WIDTH = 40, 48
GRID = PixelGrid(CRS, LEFT, TOP, PIXEL, PIXEL, WIDTH, HEIGHT)
BASEMAP = Composite("planet/basemap", "2020-01-02", "2020-01-05", ("R", "B"))
METHODS = ("computePixels", "getDownloadURL")


def layers(seed, bands, low=0, high=3_000):
    """Five days of random pixels, three in ten not observed."""
    rng = np.random.default_rng(seed)
    return [
        Layer(
            f"2020-01-0{day}",
            f"scene_{day}",
            {
                band: np.ma.array(rng.integers(low, high, (HEIGHT, WIDTH)), mask=rng.random((HEIGHT, WIDTH)) < 0.3)
                for band in bands
            },
        )
        for day in range(1, 6)
    ]


COLLECTIONS = {
    "planet/basemap": layers(1, "BGR"),
    "scores": [
        Layer(layer.day, layer.index, {"clear": layer.bands["clear"] / 100}) for layer in layers(2, ["clear"], high=100)
    ],
}


def median_of(band, days, rows, columns, hide=None):
    """The composite by numpy alone: median of what was observed, nodata 0, halves rounded up."""
    stack = np.ma.stack([COLLECTIONS["planet/basemap"][day - 1].bands[band] for day in days]).astype("f8")
    if hide is not None:
        stack = np.ma.array(stack, mask=np.ma.getmaskarray(stack) | hide)
    return np.floor(np.ma.filled(np.ma.median(stack, axis=0), 0) + 0.5)[rows, columns]


@pytest.fixture
def world():
    return World(dict(COLLECTIONS))


@pytest.fixture
def waits():
    """The pauses that would have been made, seconds."""
    return []


@pytest.fixture
def imagery(world, waits):
    """Open a back end on the stand-in; pauses are recorded, not made, and clocks stand still."""
    opened = []
    with earth_engine(world) as address:

        def make(composite=BASEMAP, grid=GRID, *, retries=3, in_flight=40, **options):
            network = Network(retries=retries, timeout_s=5.0)
            caller = Caller(
                network, in_flight=in_flight, clock=lambda: sum(waits), sleep=waits.append, spread=lambda: 1.0
            )
            given = {"project": "p", "licence": "test", "attribution": "test", "endpoint": address, "caller": caller}
            given |= {"credentials": AnonymousCredentials()} | options
            opened.append(EarthEngineImagery(composite, grid, network, **given))
            return opened[-1]

        yield make
        for backend in opened:
            backend.close()
    ee.Reset()


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


def error_body(status, message, reason=""):
    details = {"errors": [{"reason": reason}]} if reason else {}
    return json.dumps({"error": {"code": status, "message": message, **details}}).encode()


@pytest.mark.parametrize("method", METHODS)
def test_429_is_waited_out_and_the_chip_comes(imagery, world, waits, method):
    backend = imagery(method=method)
    world.faults = [(429, {}, error_body(429, "Too Many Requests"))] * 2
    pixels = backend.read(0, 0, 4, 4)
    assert world.attempts == 3
    assert [wait for wait in waits if wait >= 0.1] == [0.5, 1.0]  # doubling from backoff_s, jitter taken out
    np.testing.assert_array_equal(pixels[0], median_of("R", (2, 3, 4), slice(0, 4), slice(0, 4)))


def test_429_with_retry_after_waits_as_long_as_asked(imagery, world, waits):
    world.faults = [(429, {"Retry-After": "17"}, error_body(429, "Too Many Requests"))]
    imagery().read(0, 0, 4, 4)
    assert max(waits) == 17


def test_429_slows_the_other_requests_down_too():
    waits = []
    caller = Caller(Network(retries=1), clock=lambda: 0.0, sleep=waits.append, spread=lambda: 1.0)
    refusals = [ee.EEException("Too Many Requests: Request was rejected because the request rate is too high.")]

    def call():
        if refusals:
            raise refusals.pop()
        return "pixels"

    assert caller("fetching", call) == "pixels"
    waits.clear()
    caller("fetching another", call)
    assert waits[0] >= 0.5  # it was not refused itself


def test_pauses_differ_between_requests():
    waits = []
    caller = Caller(Network(retries=20, backoff_s=0.5), sleep=waits.append)
    with pytest.raises(SourceUnavailableError):
        caller("fetching", failing(ConnectionError("connection lost")))
    pauses = [wait for wait in waits if wait >= 0.2]
    assert len(set(pauses)) == len(pauses) == 20
    assert 0.25 <= pauses[0] <= 0.75
    assert 16 <= pauses[-1] <= 48  # MAX_BACKOFF_S, times 0.5..1.5


def failing(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Image.select: Band pattern 'R' did not match any bands."),
        (400, "Total request size (60000000 bytes) must be less than or equal to 50331648 bytes."),
        (403, "Caller does not have permission."),
        (404, "ImageCollection.load: asset 'planet/basemap' not found."),
    ],
)
def test_permanent_error_is_not_retried_and_is_told_in_the_service_s_words(imagery, world, status, message):
    backend = imagery()
    world.faults = [(status, {}, error_body(status, message))] * 9
    with pytest.raises(SourceError, match="was refused by Earth Engine") as caught:
        backend.read(0, 0, 4, 4)
    assert world.attempts == 1
    assert message in str(caught.value)
    assert not caught.value.passing


@pytest.mark.parametrize(("status", "reason"), [(429, ""), (500, ""), (503, ""), (408, ""), (403, "rateLimitExceeded")])
def test_passing_error_that_stays_is_told_as_passing(imagery, world, status, reason):
    backend = imagery(retries=2)
    world.faults = [(status, {}, error_body(status, "not now", reason))] * 9
    with pytest.raises(SourceUnavailableError, match=f"failed 3 times, last with: status {status}") as caught:
        backend.read(0, 0, 4, 4)
    assert world.attempts == 3
    assert caught.value.passing


def test_service_that_cannot_be_reached_is_told_as_passing_after_our_retries(imagery, closed_port, waits):
    backend = imagery(endpoint=f"http://127.0.0.1:{closed_port}")
    with pytest.raises(
        SourceUnavailableError, match="starting a session with Earth Engine for project 'p' failed 4 times"
    ):
        backend.read(0, 0, 4, 4)
    assert [wait for wait in waits if wait >= 0.1] == [0.5, 1.0, 2.0]


def test_refused_credentials_are_told_with_the_command_to_run(imagery, world):
    backend = imagery()
    backend.read(0, 0, 1, 1)
    world.faults = [(401, {}, error_body(401, "Request had invalid authentication credentials."))] * 9
    with pytest.raises(SourceError, match=r"signing in failed .*; run `earthengine authenticate`"):
        backend.read(0, 0, 4, 4)
    assert world.attempts == 2


def test_slow_answer_ends_in_time(imagery, world):
    backend = imagery(retries=1, transport=Transport(5.0, answer_s=0.5))
    backend.read(0, 0, 1, 1)
    world.latency_s = 1.5
    with pytest.raises(SourceUnavailableError, match=r"no answer within 0\.5 s"):
        backend.read(0, 0, 4, 4)


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


def test_no_more_requests_are_under_way_than_allowed(imagery, world):
    backend = imagery(in_flight=3)
    backend.read(0, 0, 1, 1)
    world.latency_s = 0.03
    with ThreadPoolExecutor(12) as pool:
        chips = list(pool.map(lambda column: backend.read(0, column, 2, 2), range(12)))
    assert world.busiest == 3
    for column, chip in enumerate(chips):  # and every thread has its own answer
        np.testing.assert_array_equal(chip[0], median_of("R", (2, 3, 4), slice(0, 2), slice(column, column + 2)))


def test_opening_asks_for_nothing(imagery, world):
    backend = imagery()
    assert (backend.size, backend.bands, backend.dtype, backend.nodata) == ((HEIGHT, WIDTH), ("R", "B"), "uint16", 0)
    assert backend.transform == (PIXEL, 0.0, LEFT, 0.0, -PIXEL, TOP)
    assert world.attempts == 0
    assert not ee.data.is_initialized()


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


def test_bug_in_the_caller_is_neither_retried_nor_hidden():
    calls = []

    def call():
        calls.append(1)
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        Caller(Network(), sleep=lambda _: None)("fetching", call)
    assert len(calls) == 1
    assert read_failure(KeyError("a bug")) is None


def test_no_message_contains_the_address(imagery, world):
    backend = imagery(retries=0)
    for fault in [(404, {}, error_body(404, "gone")), (503, {}, b"")]:
        world.faults = [fault]
        with pytest.raises(SourceError) as caught:
            backend.read(0, 0, 4, 4)
        assert "127.0.0.1" not in str(caught.value)
        assert "http" not in str(caught.value)


def test_whole_numbers_only_fit_integer_types():
    assert fits(65_535, "uint16")
    assert not fits(65_536, "uint16")
    assert not fits(float("inf"), "int16")
