from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from mosaic_assets.csquares import decode, encode

SQUARES, STATE = "/static/js/map/squares.js", "/static/js/map/state.js"


@pytest.fixture(scope="module")
def scripts(browser, archive_url: str) -> Any:
    """A page in which the map's modules can be asked: ``scripts(file, function, arguments, ...)``, a list for each call."""
    page = browser.new_page()
    page.goto(f"{archive_url}/static/icon.svg")

    def call(file: str, function: str, *calls: list[Any]) -> list[Any]:
        return page.evaluate(
            "async ([file, name, calls]) => { const found = await import(file); return calls.map((one) => found[name](...one)); }",
            [file, function, list(calls)],
        )

    yield call
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("size", [10, 5, 1, 0.5])
def test_the_pages_codes_and_squares_are_the_librarys(scripts, size: float) -> None:
    random = np.random.default_rng(8)
    points = [
        (lng, lat) for lng in (-180, -90.5, -0.5, 0, 10, 179.5, 179.999) for lat in (-90, -45.5, -10, 0, 0.5, 10, 90)
    ]
    points += random.uniform((-180, -90), (180, 90), (40, 2)).round(3).tolist()
    codes = [encode(lng, lat, size) for lng, lat in points]
    calls = [[lng, lat, str(size)] for lng, lat in points]
    assert scripts(SQUARES, "codeAt", *calls) == codes
    assert scripts(SQUARES, "squareAt", *calls) == [list(decode(code)[:4]) for code in codes]
    assert set(scripts(SQUARES, "sizeOf", *([code] for code in codes))) == {str(size)}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("boxes", "around"),
    [
        ([[0, 0, 10, 10]], [0, 0, 10, 10]),
        ([[0, 0, 10, 10], [20, -5, 30, 0]], [0, -5, 30, 10]),
        ([[-180, 0, -170, 10], [170, 0, 180, 10]], [170, 0, 190, 10]),
        ([[170, 0, -170, 10], [-100, 0, -90, 5]], [170, 0, 270, 10]),
        ([[-180, -90, 180, 90]], [-180, -90, 180, 90]),
    ],
)
def test_boxes_are_held_by_the_smallest_box_also_over_the_date_line(scripts, boxes, around) -> None:
    assert scripts(SQUARES, "around", [boxes]) == [around]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("box", "text"),
    [
        ([147.5, -43, 148, -42.5], "42.5–43° S, 147.5–148° E"),
        ([-10, 0, 0, 10], "0–10° N, 0–10° W"),
        ([170, -5.126, 190, 5], "5.13° S–5° N, 170° E–170° W"),
        ([170, 0, 180, 10], "0–10° N, 170–180° E"),
    ],
)
def test_a_box_reads_as_people_say_it(scripts, box, text: str) -> None:
    assert scripts(SQUARES, "placeOf", [box]) == [text]


@pytest.mark.browser
@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=3414:227:4&resolution=0.5&page=3",
        "code=3414&code=3415&resolution=10&dataset=tiles&dataset=chips&platform=NOAA-12&start=2003-06-21",
        "box=175,-5,-170,5&resolution=1&end=2003-06-22T12:00&density=1&view=-42.5,147.25,4.5",
        "scene=a%26b%3Fc%3Cd%3E&resolution=5&show=a+b",
        "page=1",
    ],
)
def test_an_address_read_and_written_is_the_same(scripts, query: str) -> None:
    assert scripts(STATE, "queryOf", scripts(STATE, "readState", [query])) == [query]


@pytest.mark.browser
def test_a_bad_address_is_read_as_far_as_it_goes(scripts) -> None:
    (state,) = scripts(STATE, "readState", ["view=NaN,1,2&resolution=7&density=yes&code=&nonsense=1"])
    assert (state["view"], state["resolution"], state["density"], state["code"]) == (None, "10", False, [])


def test_the_small_world_is_small(archive_url: str) -> None:
    answer = requests.get(f"{archive_url}/static/world-small.jpg", timeout=20)
    assert (answer.headers["content-type"], len(answer.content) < 150_000) == ("image/jpeg", True)
    small = Image.open(io.BytesIO(answer.content))
    assert small.size == (1350, 675)
    # The Atlantic is blue, the Sahara yellow, Antarctica white: north is up, Greenwich in the middle.
    atlantic, sahara, south = (small.getpixel(((lng + 180) * 675 // 180, (90 - lat) * 675 // 180)) for lng, lat in
                               [(-40, 30), (10, 23), (60, -80)])  # fmt: skip
    assert atlantic[2] > atlantic[0] + 10
    assert sahara[0] > sahara[2] + 50
    assert min(south) > 200
