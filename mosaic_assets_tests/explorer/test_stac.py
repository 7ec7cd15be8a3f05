from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pystac
import pytest
import requests
import shapely
from pystac_client import Client

from mosaic_assets.explorer.search.stac_records import span_of


@pytest.fixture(scope="module")
def catalogue(archive_url: str) -> Iterator[Client]:
    yield Client.open(f"{archive_url}/stac")


def test_the_landing_page_conforms(catalogue: Client) -> None:
    assert catalogue.conforms_to("ITEM_SEARCH")
    assert catalogue.conforms_to("COLLECTIONS")
    assert [one.id for one in catalogue.get_collections()] == ["scenes", "tiles"]


def test_collections_say_their_extent(catalogue: Client) -> None:
    scenes = catalogue.get_collection("scenes")
    assert scenes.extent.temporal.intervals == [
        [datetime(2003, 6, 20, 3, tzinfo=UTC), datetime(2003, 6, 23, 20, tzinfo=UTC)]
    ]
    assert scenes.summaries.get_list("platform") == ["NOAA-12", "NOAA-14", "NOAA-16"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_search_pages_through_all_it_finds(catalogue: Client, archive_url: str, method: str) -> None:
    search = catalogue.search(
        method=method, collections=["scenes"], bbox=[100, -60, 175, -5], datetime="2003-06-20/2003-06-21", limit=7
    )
    found = [item.id for item in search.items()]
    same = "dataset=scenes&box=100,-60,175,-5&start=2003-06-20&end=2003-06-22&format=ids"
    assert found == requests.get(f"{archive_url}/api/search?{same}", timeout=10).text.split()
    assert search.matched() == len(found) > 14


def test_a_geometry_and_ids_narrow_a_search(catalogue: Client) -> None:
    here = shapely.geometry.mapping(shapely.Point(147.3, -42.99))
    found = [item.id for item in catalogue.search(intersects=here, limit=100).items()]
    assert "tile-00" in found
    chosen = found[:2]
    assert [one.id for one in catalogue.search(intersects=here, ids=[*chosen, "nobody"]).items()] == chosen
    assert [one.id for one in catalogue.search(method="GET", ids=chosen[:1]).items()] == chosen[:1]


def test_items_collections_and_the_catalogue_obey_stacs_schemas(archive_url: str) -> None:
    def got(path: str) -> Any:
        return requests.get(f"{archive_url}/stac{path}", timeout=20).json()

    valid("catalog", got(""))
    for one in got("/collections")["collections"]:
        valid("collection", one)
        for item in got(f"/collections/{one['id']}/items?limit=3")["features"]:
            valid("item", item)
            assert shapely.geometry.shape(item["geometry"]).is_valid
            assert pystac.Item.from_dict(item).bbox == item["bbox"]
            assert all(asset["href"].startswith("http://127.0.0.1") for asset in item["assets"].values())


SCHEMAS = files("pystac.validation.jsonschemas")


def valid(name: str, said: dict[str, Any]) -> None:
    """Hold it against the schema of STAC 1.1 that pystac brings along; tests have no network."""
    schema = json.loads((SCHEMAS / f"stac-spec/v1.1.0/{name}.json").read_text())
    found = jsonschema_rs.validator_for(schema, retriever=stored).iter_errors(said)
    assert [(error.message, error.instance_path) for error in found] == []


def stored(address: str) -> Any:
    folder = "geojson" if "geojson.org" in address else "stac-spec/v1.1.0"
    return json.loads((SCHEMAS / folder / address.rpartition("/")[2]).read_text())


def test_an_item_is_found_by_its_own_address(archive_url: str) -> None:
    answer = requests.get(f"{archive_url}/stac/collections/scenes/items/h1a07", timeout=10)
    assert answer.headers["content-type"] == "application/geo+json"
    item = answer.json()
    assert requests.get(item["links"][0]["href"], timeout=10).json() == item
    assert requests.get(f"{archive_url}/stac/collections/tiles/items/h1a07", timeout=10).status_code == 404


def test_a_tile_without_a_time_says_so(archive_url: str) -> None:
    properties = requests.get(f"{archive_url}/stac/collections/tiles/items/tile-00", timeout=10).json()["properties"]
    assert (properties["datetime"], properties["start_datetime"]) == (None, "0001-01-01T00:00:00Z")


def test_no_more_items_are_made_than_a_page_may_have(archive_url: str) -> None:
    found = requests.get(f"{archive_url}/stac/search?limit=10000", timeout=20).json()
    assert (found["numberMatched"], found["numberReturned"]) == (120, 120)
    assert requests.get(f"{archive_url}/stac/search?limit=10001", timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [1, 2, 3, 4, 5]}, "four numbers, or six"),
        ({"bbox": [150, -25, 155, -30]}, "south not above north"),
        ({"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}}, "one place"),
        ({"intersects": {"type": "Point", "coordinates": ["a", 0]}}, "GeoJSON geometry"),
        ({"intersects": {"type": "Ball"}}, "GeoJSON geometry"),
        ({"intersects": {"type": "Point", "coordinates": [500, 0]}}, "500"),
        ({"datetime": "yesterday"}, "RFC 3339"),
        ({"datetime": "2003-06-22T00:00:00Z/2003-06-21T00:00:00Z"}, "the earlier first"),
        ({"collections": ["moons"]}, "/stac/collections"),
        ({"filter": "a=b"}, "filter"),
        ({"limit": 0}, "limit"),
    ],
)
def test_mistakes_in_a_search_are_explained(archive_url: str, body: dict[str, Any], says: str) -> None:
    answer = requests.post(f"{archive_url}/stac/search", json=body, timeout=10)
    assert answer.status_code in (400, 404)
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"[" * 50_000, b'{"bbox": [NaN, 0, 1, 1]}', b"\xff", b'{"limit": 1e999}']
)
def test_bodies_that_are_none_are_refused(archive_url: str, body: bytes) -> None:
    answer = requests.post(f"{archive_url}/stac/search", body, headers={"content-type": "application/json"}, timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("../2003-06-21T00:00:00Z", (None, "2003-06-21T00:00:00.000001+00:00")),
        ("/2003-06-21T00:00:00Z", (None, "2003-06-21T00:00:00.000001+00:00")),
        ("2003-06-21T12:00:00+10:00/..", ("2003-06-21T02:00:00+00:00", None)),
        ("2003-06-21t00:00:00z/9999-12-31T23:59:59.999999Z", ("2003-06-21T00:00:00+00:00", None)),
    ],
)
def test_spans_of_time_are_closed(text: str, span: tuple[str | None, str | None]) -> None:
    assert span_of(text) == span
