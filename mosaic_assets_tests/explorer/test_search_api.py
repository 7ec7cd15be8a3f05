from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core.csquare_codes import decode
from mosaic_assets.csquares import Scene, compress, cover_many, open_index, update_index, write_pairs
from mosaic_assets.csquares.features import boxes_of, code_of_key, outline_of
from mosaic_assets.csquares.pairs import codes_of_keys
from mosaic_assets.errors import MosaicError
from mosaic_assets.explorer.search.places import read_place
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.explorer.running import exploring

Json = dict[str, Any]


def get(url: str, path: str, **parameters: Any) -> Any:
    answer = requests.get(url + path, parameters, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(url: str, path: str, **parameters: Any) -> tuple[int, str]:
    answer = requests.get(url + path, parameters, timeout=20)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def snapped() -> list[tuple[float, float, float, float]]:
    """The half-degree outlines of the 90 scenes of `archive_home`, by the same random numbers and plain arithmetic."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(90):
        west, south = random.uniform(100, 160), random.uniform(-60, -20)
        east, north = west + random.uniform(2, 15), south + random.uniform(2, 15)
        found.append(
            (math.floor(2 * west) / 2, math.floor(2 * south) / 2, math.ceil(2 * east) / 2, math.ceil(2 * north) / 2)
        )
    return found


def meeting(west: float, south: float, east: float, north: float) -> set[str]:
    return {
        f"h1a{n:02d}" for n, (w, s, e, o) in enumerate(snapped()) if w < east and e > west and s < north and o > south
    }


@pytest.mark.parametrize("box", [(150, -30, 155, -25), (100, -60, 101, -59), (140.5, -40, 141, -39.5), (0, 0, 10, 10)])
def test_a_box_finds_the_scenes_whose_half_degree_outline_meets_it(archive_url: str, box: tuple[float, ...]) -> None:
    found = get(archive_url, "/api/search", box=",".join(map(str, box)), dataset="scenes", limit=1000)
    assert {scene["id"] for scene in found["scenes"]} == meeting(*box)
    assert found["count"] == len(found["scenes"])


def test_a_scene_has_all_its_columns_and_says_that_it_is_synthetic(archive_url: str) -> None:
    assert get(archive_url, "/api/search", dataset="scenes", limit=1)["scenes"] == [
        {
            "id": "h1a00", "dataset": "scenes", "platform": "NOAA-12", "instrument": "AVHRR", "time": "2003-06-20T03:00:00Z",
            "image_location": "tape/0", "source": "made up for tests (synthetic)", "licence": "CC0-1.0", "synthetic": True,
            "thumbnail": None, "picture": None,
        }
    ]  # fmt: skip


def test_a_tile_has_a_picture_and_no_time(archive_url: str) -> None:
    (tile,) = get(archive_url, "/api/search", dataset="tiles", limit=1)["scenes"]
    assert tile["thumbnail"] == "/api/thumbnail?dataset=tiles&id=tile-00&size=128"
    assert (tile["picture"], tile["time"], tile["synthetic"]) == ("/api/picture?dataset=tiles&id=tile-00", None, False)


@pytest.mark.parametrize(
    ("asked", "kind", "squares"),
    [
        ({"code": "3414:227:4"}, "code", ["3414:227:4"]),
        ({"code": ["3414:2", "3414:227:4"]}, "code", ["3414:2", "3414:227:4"]),
        ({"code": "3414:1**:*|3415"}, "code", ["3414:1", "3415"]),
        ({"point": "147.3,-42.8"}, "point", ["3414:227:3"]),
        ({"point": "147.3,-42.8", "resolution": "5"}, "point", ["3414:2"]),
        ({"box": "150,-30,155,-25"}, "box", ["3215:3"]),
        ({"box": "179.5,10,-179.5,10.5"}, "box", ["1117:209:2", "7117:209:2"]),
        ({}, None, []),
    ],
)
def test_the_place_is_told_as_its_squares(archive_url: str, asked: Json, kind: str, squares: list[str]) -> None:
    place = get(archive_url, "/api/search", limit=0, **asked)["place"]
    assert (place["kind"], place["squares"], place["count"]) == (kind, squares, len(squares))
    assert place["boxes"] == [list(decode(code)[:4]) for code in squares]


def test_of_a_large_place_500_squares_are_told(archive_url: str) -> None:
    place = get(archive_url, "/api/search", limit=0, box="-179.9,-89.9,179.9,89.9")["place"]
    assert place["count"] > 500
    assert len(place["squares"]) == len(place["boxes"]) == 500


def test_links_lead_through_all_pages_and_back(archive_url: str) -> None:
    address, seen, pages = "/api/search?platform=NOAA-12&platform=NOAA-14&start=2003-06-21&limit=7", [], []
    while address:
        page = get(archive_url, address)
        pages.append(address)
        seen += [scene["id"] for scene in page["scenes"]]
        assert (
            page["links"]["previous"] is None or get(archive_url, page["links"]["previous"])["page"] == page["page"] - 1
        )
        address = page["links"]["next"]
    expected = [n for n in range(90) if n % 3 < 2 and n >= 21]
    assert seen == [f"h1a{n:02d}" for n in expected]
    assert len(pages) == page["pages"] == math.ceil(len(expected) / 7)


def test_beyond_the_last_page_there_is_nothing_but_a_way_back(archive_url: str) -> None:
    page = get(archive_url, "/api/search", page=99)
    assert (page["scenes"], page["links"]) == ([], {"next": None, "previous": "/api/search?page=3"})


def test_ids_are_every_id_of_all_pages(archive_url: str) -> None:
    answer = requests.get(f"{archive_url}/api/search?dataset=scenes&format=ids&limit=5", timeout=10)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.split() == [f"h1a{n:02d}" for n in range(90)]


def test_geojson_has_the_outline_of_the_squares(archive_url: str) -> None:
    import shapely

    answer = requests.get(f"{archive_url}/api/search?dataset=scenes&format=geojson&limit=3&page=2", timeout=10)
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()
    assert [(one["type"], one["id"]) for one in found["features"]] == [("Feature", f"h1a{n:02d}") for n in (3, 4, 5)]
    assert (found["numberMatched"], found["numberReturned"]) == (90, 3)
    assert [one["rel"] for one in found["links"]] == ["next", "previous"]
    outline = shapely.geometry.shape(found["features"][0]["geometry"])
    assert outline.equals(shapely.box(*snapped()[3]))
    assert outline.exterior.is_ccw
    assert found["features"][0]["properties"]["dataset"] == "scenes"


def test_a_scene_tells_its_extent(archive_url: str) -> None:
    found = get(archive_url, "/api/scene", id="h1a07")
    west, south, east, north = snapped()[7]
    assert found["bounds"] == [west, south, east, north]
    assert found["squares"] == (east - west) * (north - south) * 4
    assert found["platform"] == "NOAA-14"


@pytest.mark.parametrize("resolution", ["10", "5", "1", "0.5"])
def test_squares_of_a_scene_tile_its_extent(archive_url: str, resolution: str) -> None:
    found = get(archive_url, "/api/squares", scene="h1a07", resolution=resolution)
    boxes, size = np.array(found["boxes"]), float(resolution)
    assert found["count"] == len(found["codes"]) == len(boxes)
    assert (boxes[:, 2] - boxes[:, 0] == size).all()
    west, _, _, north = snapped()[7]
    assert boxes[:, 0].min() == math.floor(west / size) * size
    assert boxes[:, 3].max() == math.ceil(north / size) * size
    packed = get(archive_url, "/api/squares", scene="h1a07", resolution=resolution, compressed="true")
    assert packed["codes"] == compress(found["codes"])
    assert area(packed["boxes"]) == area(found["boxes"])


def area(boxes: list[list[float]]) -> float:
    return sum((east - west) * (north - south) for west, south, east, north in boxes)


def test_data_sets_are_all_told_also_those_without_scenes(archive_url: str) -> None:
    found = get(archive_url, "/api/datasets")
    assert [(one["name"], one["scenes"]) for one in found] == [
        ("scenes", 90), ("tiles", 30), ("crops", 0), ("chips", 0), ("queries", 0), ("gallery", 0),
    ]  # fmt: skip
    assert found[0]["platforms"] == ["NOAA-12", "NOAA-14", "NOAA-16"]
    assert (found[0]["first"], found[0]["last"]) == ("2003-06-20T03:00:00Z", "2003-06-23T20:00:00Z")
    assert (found[1]["first"], found[1]["platforms"], found[2]["platforms"]) == (None, ["tiles"], [])


@pytest.mark.parametrize(
    ("parameters", "status", "says"),
    [
        ({"code": "3414:127:4"}, 400, "contradicts itself"),
        ({"code": "3414:227:44"}, 400, "no smaller"),
        ({"box": "1,2,3"}, 400, "west,south,east,north"),
        ({"box": "150,-25,155,-30"}, 400, "south not above north"),
        ({"point": "nan,0"}, 400, "lng,lat"),
        ({"point": "1e400,0"}, 400, "-180..180"),
        ({"point": "٣,0"}, 400, "lng,lat"),
        ({"point": "0,0", "code": "1000"}, 400, "one place"),
        ({"start": "yesterday"}, 400, "ISO 8601"),
        ({"limit": "1001"}, 400, "limit"),
        ({"page": "0"}, 400, "page"),
        ({"resolution": "2"}, 400, "resolution"),
        ({"dataset": "moons"}, 400, "dataset"),
        ({"sat": "any"}, 400, "sat"),
        ({"format": "geojson", "limit": "251"}, 400, "250"),
        ({"scene": "nobody"}, 404, "unknown scene 'nobody'"),
        ({"platform": "Aqua"}, 404, "NOAA-12"),
    ],
)
def test_mistakes_are_explained(archive_url: str, parameters: Json, status: int, says: str) -> None:
    found, detail = problem(archive_url, "/api/search", **parameters)
    assert found == status
    assert says in detail


@pytest.mark.parametrize(
    "path", ["/api/search", "/api/datasets", "/api/scene?id=x", "/api/squares?scene=x", "/api/density", "/stac"]
)
def test_a_missing_index_is_said_with_what_makes_it(empty_url: str, path: str) -> None:
    status, detail = problem(empty_url, path)
    assert status == 404
    assert "materialize csquare_index" in detail


def test_empty_parameters_are_as_none(archive_url: str) -> None:
    assert get(archive_url, "/api/search?code=&box=&point=&scene=&start=&end=&platform=")["count"] == 120


@pytest.mark.parametrize(
    ("typed", "parameters", "said"),
    [
        ("3414:227:4", {"code": ["3414:227:4"]}, "c-square 3414:227:4"),
        ("34142274", {"code": ["3414:227:4"]}, "c-square 3414:227:4"),
        ("1500-111", {"code": ["1500:111"]}, "c-square 1500:111"),
        ("3414:227 | 3414 228 1", {"code": ["3414:227", "3414:228:1"]}, "c-squares 3414:227, 3414:228:1"),
        ("3414:2**", {"code": ["3414:2**"]}, "c-square 3414:2**"),
        ("-42.8, 147.3", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E"),
        ("-42.8 147.3", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E"),
        ("42.8 S, 147.3 E", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E"),
        ("E147.3 S42.8", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E"),
        ("42°48′S 147°18′0″E", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E"),
        ("−42,8", {"point": "8,-42"}, "latitude 42° S, longitude 8° E"),
        ("147.3 -42.8", {"point": "147.3,-42.8"}, "latitude 42.8° S, longitude 147.3° E (taken as longitude first)"),
        ("10 20", {"point": "20,10"}, "latitude 10° N, longitude 20° E"),
        ("150 -30 155 -25", {"box": "150,-30,155,-25"}, "from 150° E to 155° E and from 30° S to 25° S"),
        ("150,-30,155,-25", {"box": "150,-30,155,-25"}, "from 150° E to 155° E and from 30° S to 25° S"),
        ("25S 150E 30S 155E", {"box": "150,-30,155,-25"}, "from 150° E to 155° E and from 30° S to 25° S"),
        ("170 0 -170 10", {"box": "170,0,-170,10"}, "from 170° E to 170° W and from 0° N to 10° N, over the date line"),
    ],
)  # fmt: skip
def test_a_place_is_read_as_people_type_it(archive_url: str, typed: str, parameters: Json, said: str) -> None:
    found = get(archive_url, "/api/place", q=typed)
    assert (found["parameters"], found["said"]) == (parameters, said)
    assert get(archive_url, "/api/search", limit=0, **parameters)["place"]["kind"] == found["kind"]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("hobart", "expected a c-square"),
        ("1 2 3", "expected a c-square"),
        ("3414:227:41", "no smaller"),
        ("1234", "longitude must be 00..17"),
        ("91 0 N", "expected -90..90"),
        ("42 S 43 S", "both with letters"),
        ("42 S 147", "both with letters"),
        ("150 -25 155 -30", "south not above north"),
        ("1" * 500, "no smaller"),
    ],
)
def test_what_is_no_place_is_refused(archive_url: str, typed: str, says: str) -> None:
    status, detail = problem(archive_url, "/api/place", q=typed)
    assert status == 400
    assert says.split()[0] in detail


@given(st.text(max_size=60) | st.text("0123456789.,:-+*%|NSEW°'\" ", max_size=60))
def test_any_text_is_a_place_or_a_mistake(text: str) -> None:
    try:
        found = read_place(text)
    except MosaicError as error:
        assert "expected" in str(error) or "no smaller" in str(error)
    else:
        assert len(found["parameters"]) == 1
        assert all(-180 <= box[0] <= 180 and -90 <= box[1] <= box[3] <= 90 for box in found["boxes"])


@given(st.integers(0, 259_199), st.integers(0, 3))
def test_one_key_and_many_have_the_same_code_and_box(leaf: int, level: int) -> None:
    size = (400, 100, 4, 1)[level]
    key = leaf // size * size * 4 + level
    (starred,) = codes_of_keys(np.array([key])).tolist()
    assert code_of_key(key) == starred.rstrip(":*")
    assert boxes_of([starred] * 20)[0] == boxes_of([starred])[0] == list(decode(code_of_key(key))[:4])


def test_an_outline_is_the_union_of_the_squares(archive_home: Settings) -> None:
    import shapely

    with open_index(archive_home.csquares) as index:
        keys = np.unique(np.concatenate([index.keys_of(one) for one in ("h1a01", "h1a02", "h1a30")]))
    expected = shapely.union_all(shapely.box(*np.array(boxes_of(codes_of_keys(keys).tolist())).T))
    assert outline_of(keys).equals(expected)


def small_home(folder: Path, scenes: int) -> Settings:
    import shapely

    settings = load_settings(home=folder / "home")
    add_scenes(settings, "first", scenes, shapely.box(147, -43, 148, -42))
    return settings


def add_scenes(settings: Settings, batch: str, scenes: int, where: Any) -> None:
    found = [Scene(f"{batch}-{number}", platform="NOAA-12") for number in range(scenes)]
    write_pairs(settings.csquares, batch, found, cover_many([where] * scenes, 0.5), published_at=datetime.now(UTC))
    update_index(settings.csquares)


def test_many_ask_while_the_index_grows(tmp_path: Path) -> None:
    import shapely

    settings = small_home(tmp_path, 3)
    with exploring(settings) as url, ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(lambda: get(url, "/api/search", code="3414:227:4")["count"]) for _ in range(60)]
        for number in range(3):
            add_scenes(settings, f"more{number}", 2, shapely.box(147, -43, 148, -42))
        counts = {one.result() for one in asking}
        assert counts <= {3, 5, 7, 9}
        assert get(url, "/api/search", code="3414:227:4")["count"] == 9
        assert get(url, "/api/datasets")[0]["scenes"] == 9


def test_an_index_that_is_damaged_or_goes_away_is_said(tmp_path: Path) -> None:
    settings = small_home(tmp_path, 3)
    path = settings.csquares / "index.db"
    with exploring(settings) as url:
        assert get(url, "/api/search")["count"] == 3
        whole = path.read_bytes()
        path.unlink()
        for name in ("index.db-wal", "index.db-shm"):
            path.with_name(name).unlink(missing_ok=True)
        assert problem(url, "/api/search")[0] == 404
        path.write_bytes(b"no database at all" * 500)
        status, detail = problem(url, "/api/search")
        assert (status, "Restore it from a copy" in detail) == (503, True)
        path.unlink()
        path.write_bytes(whole)
        assert get(url, "/api/search")["count"] == 3
