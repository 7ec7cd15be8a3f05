"""The gallery by zoom, its tiles, and queries with where they were located."""

from __future__ import annotations

import io
from typing import Any

import pytest
import requests
from PIL import Image

from mosaic_assets.gallery.manifest import manifest_path
from mosaic_assets_tests.explorer.running import PHONE, exploring
from mosaic_assets_tests.explorer.small_home import TILE, settings_at, small_home, small_url  # noqa: F401

STRINGS = (
    '{"a": {"query": "a", "method": "m", "kind": "query set", "scene": "", "nowhere": false, "rank": 1, "error_m": "near", '
    '"confidence": "high", "inliers": 1, "seconds": 1, "processor_s": 1, "query_bytes": 1}}'
)


def ask(url: str, path: str, **question: Any) -> requests.Response:
    return requests.get(f"{url}/api/{path}", params=question, timeout=20)


def test_zoom_levels_and_their_tiles(small_url: str) -> None:  # noqa: F811
    answer = ask(small_url, "gallery").json()
    assert [(one["zoom"], one["tiles"], one["missing"], one["synthetic"]) for one in answer["zooms"]] == [
        (13, 4, 0, True)
    ]
    # 360 / 2**13 degrees, the region begins at column 4112 and row 3015.
    assert [tile["id"] for tile in answer["tiles"]] == [
        f"GoogleCRS84Quad/13/{x}/{y}" for x in (4112, 4113) for y in (3015, 3016)
    ]
    assert answer["tiles"][0]["bounds"] == [0.703125, 47.4609375, 0.7470703125, 47.5048828125]
    assert ask(small_url, "gallery", limit=1, page=4).json()["tiles"] == answer["tiles"][3:]


@pytest.mark.parametrize("zoom", [0, 14])
def test_a_zoom_without_tiles_is_empty(small_url: str, zoom: int) -> None:  # noqa: F811
    answer = ask(small_url, "gallery", zoom=zoom).json()
    assert (answer["count"], answer["tiles"], answer["overview"]) == (0, [], None)
    assert ask(small_url, "gallery/overview", zoom=zoom).status_code == 404


def test_an_overview_shows_all_tiles(small_url: str) -> None:  # noqa: F811
    answer = ask(small_url, "gallery/overview", zoom=13)
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (512, 512)


@pytest.mark.parametrize(
    "number",
    ["GoogleCRS84Quad/13/0/3015", "WebMercatorQuad/13/4112/3015", "GoogleCRS84Quad/13/4112", "GoogleCRS84Quad/13/-1/3015",
     "GoogleCRS84Quad/13/99999999999/1", "GoogleCRS84Quad/99999999999/1/1", "GoogleCRS84Quad/١٣/1/1", "////"],
)  # fmt: skip
def test_a_tile_that_is_not_there(small_url: str, number: str) -> None:  # noqa: F811
    assert ask(small_url, "gallery", id=number).status_code == 404
    assert ask(small_url, "thumbnail", dataset="gallery", id=number).status_code == 404


def test_queries_come_with_the_answers_that_were_kept(small_url: str) -> None:  # noqa: F811
    answer = ask(small_url, "queries").json()
    assert (answer["count"], answer["methods"]) == (3, ["sift_vlad"])
    asked = [query for query in answer["queries"] if query["answers"]]
    assert len(asked) == 1
    (found,) = asked[0]["answers"]
    assert (found["accepted"], found["right"], found["distance_m"], len(found["outline"])) == (True, True, 12.5, 4)
    assert ask(small_url, found["picture"].removeprefix("/api/")).headers["content-type"] == "image/png"


def test_queries_are_filtered(small_url: str) -> None:  # noqa: F811
    everything = ask(small_url, "queries").json()
    for split, count in everything["splits"].items():
        assert ask(small_url, "queries", split=split).json()["count"] == count
    counts = [ask(small_url, "queries", found=name).json()["count"] for name in ("right", "wrong", "unasked")]
    assert counts == [1, 0, 2]
    assert ask(small_url, "queries", found="maybe").status_code == 400


def test_a_picture_of_a_match_that_was_not_kept(small_url: str) -> None:  # noqa: F811
    number = ask(small_url, "queries").json()["queries"][0]["id"]
    for made_by in ("edge_clique", "../../../etc/passwd"):
        assert ask(small_url, "queries/match", id=number, made_by=made_by).status_code == 404
    assert ask(small_url, "queries/match", id="test/../../gallery.db").status_code == 404


@pytest.mark.parametrize("content", ["[]", "{", STRINGS, '{"a": {"query": 1}}', '{"a": null}', "\udcff"])
def test_damaged_answers_are_no_bug(tmp_path: Any, small_home: Any, content: str) -> None:  # noqa: F811
    settings = settings_at(tmp_path / "home")
    manifest_path(settings).parent.mkdir(parents=True)
    manifest_path(settings).write_bytes(manifest_path(small_home).read_bytes())
    results = settings.gallery_folder / "localize" / "results"
    results.mkdir(parents=True)
    (results / "mine-0.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with exploring(settings) as url:
        assert [ask(url, path).status_code for path in ("queries", "benchmarks")] == [503, 503]


@pytest.mark.browser
def test_a_query_shows_where_it_is_and_where_it_was_found(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/datasets?dataset=queries&found=right")
    page.locator(".card").click()
    drawing = page.locator("svg.places")
    drawing.wait_for()
    assert drawing.get_attribute("aria-label") == "Where the query is; sift_vlad placed it 13 m from there"
    assert drawing.locator("polygon").count() == 2
    assert page.locator("#item td", has_text="found").count() == 1
    assert page.locator("img.wide-picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
    west = page.get_by_role("link", name="Its place on the map").get_attribute("href").split("=")[1].split(",")[0]
    assert 0.70 < float(west) < 0.80


def test_a_tile_of_the_library_says_where_it_came_from(small_url: str, empty_url: str) -> None:  # noqa: F811
    (tile,) = ask(small_url, "tiles", id=TILE).json()["tiles"]
    assert (tile["bucket_id"], tile["lab"], tile["bounds"]) == (42, [50.0, 0.0, 0.0], [10.0, 50.0, 10.1, 50.1])
    assert (tile["synthetic"], tile["attribution"], tile["csquare"]) == (True, "made for tests", "1501:100")
    assert [ask(url, "tiles", id="none").status_code for url in (small_url, empty_url)] == [404, 404]


@pytest.mark.browser
def test_a_tile_by_its_id(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/datasets?dataset=tiles&id={TILE}")
    page.locator("dd", has_text="dallol").wait_for()
    assert page.locator("#item img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 256
    page.get_by_role("link", name="All tiles").click()
    assert page.get_by_role("link", name="the colour page").get_attribute("href") == "/colours"


@pytest.mark.browser
def test_the_gallery_on_a_phone(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/datasets?dataset=gallery", viewport=PHONE)
    page.locator(".card").nth(3).wait_for()
    assert page.locator("select[name=zoom]").input_value() == "13"
    assert page.locator(".card img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 256
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
