"""`mosaic search`: that the search finds what it should is tested in csquares/; here, that the shell gets it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import shapely
from shapely.geometry import shape

from mosaic_assets.csquares import Scene, cover_many, expand, open_index, update_index, write_pairs
from mosaic_assets_tests.cli.conftest import Type

DAY = datetime(2003, 6, 21, 6, 23, tzinfo=UTC)
SCENES = [
    Scene("h1awj", "NOAA-12", "AVHRR", DAY, image_location="tape/1"),
    Scene("h1awl", "NOAA-14", "AVHRR", DAY.replace(day=22), image_location="tape/2"),
    Scene("h1awm", "NOAA-12", "AVHRR", None),
]
FOOTPRINTS = [
    shapely.box(140, -50, 150, -40),
    shapely.box(148, -44, 153, -28),
    shapely.Polygon([(179, 10), (-179, 10), (-179, 12), (179, 12)]),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data home of the working directory, with three scenes indexed; the third crosses the date line."""
    folder = tmp_path / "mosaic_data" / "csquares"
    write_pairs(folder, "one", SCENES, cover_many(FOOTPRINTS, 0.5), published_at=DAY)
    update_index(folder)
    return tmp_path / "mosaic_data"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ["h1awj", "h1awl", "h1awm"]),
        (["--box", "150", "-30", "155", "-25"], ["h1awl"]),
        (["--box", "179.5", "10", "-179.5", "11"], ["h1awm"]),
        (["--point", "149", "-41"], ["h1awj", "h1awl"]),
        (["--point", "147.3", "-42.8", "--resolution", "10"], ["h1awj", "h1awl"]),
        (["--code", "3414"], ["h1awj", "h1awl"]),
        (["--code", "3414:485:4|7117", "--code", "1117"], ["h1awj", "h1awm"]),
        (["--code", "3414:1**:*"], ["h1awj"]),
        (["--scene", "h1awj"], ["h1awl"]),
        (["--start", "2003-06-22"], ["h1awl"]),
        (["--code", "3414", "--end", "2003-06-21T06:23"], []),
        (["--platform", "NOAA-12"], ["h1awj", "h1awm"]),
        (["--geometry", "place.geojson"], ["h1awj"]),
    ],
)
def test_every_kind_of_place_and_filter(
    home: Path, tmp_path: Path, type_command: Type, arguments: list[str], found: list[str]
) -> None:
    (tmp_path / "place.geojson").write_text(json.dumps({"type": "Point", "coordinates": [141, -49]}))
    said = type_command("search", *arguments, "--ids")
    assert (said.code, said.out.split(), said.err) == (0, found, "")
    assert type_command("search", *arguments, "--count").out == f"{len(found)}\n"
    assert [scene["id"] for scene in json.loads(type_command("search", *arguments, "--json").out)["scenes"]] == found


def test_the_table_shows_where_the_image_is(home: Path, type_command: Type) -> None:
    said = type_command("search", "--code", "3414", "--limit", "1", "--page", "2")
    head, row = (line.split() for line in said.out.splitlines())
    assert head == ["scene", "platform", "instrument", "time", "image", "location"]
    assert row == ["h1awl", "NOAA-14", "AVHRR", "2003-06-22", "06:23:00", "tape/2"]
    assert said.err == "2 scenes, page 2 of 2\n"


def test_nothing_found_is_said_and_is_no_error(home: Path, type_command: Type) -> None:
    said = type_command("search", "--code", "1000")
    assert (said.code, said.out, said.err) == (0, "", "0 scenes\n")


def test_geojson_outlines_the_squares_of_each_scene(home: Path, type_command: Type) -> None:
    content = json.loads(type_command("search", "--geojson").out)
    assert (content["numberMatched"], content["numberReturned"]) == (3, 3)
    for feature in content["features"]:
        outline = shape(feature["geometry"])
        codes = feature["properties"]["csquares"].split("|")
        assert outline.is_valid
        assert outline.area == pytest.approx(0.25 * len(expand(codes)))
    first, _, last = content["features"]
    assert shape(first["geometry"]).equals(FOOTPRINTS[0])  # a 10-degree square is its own outline
    assert shape(last["geometry"]).bounds == (-180, 10, 180, 12)  # two parts, none over the date line
    assert first["properties"]["time"] == "2003-06-21T06:23:00+00:00" and last["properties"]["time"] is None


def test_a_page_beyond_the_last_is_empty_geojson(home: Path, type_command: Type) -> None:
    content = json.loads(type_command("search", "--geojson", "--page", "9").out)
    assert content["features"] == [] and content["numberMatched"] == 3


def test_json_is_what_python_gets(home: Path, type_command: Type) -> None:
    content = json.loads(type_command("search", "--box", "150", "-30", "155", "-25", "--json").out)
    with open_index(home / "csquares") as index:
        page = index.search(box=(150, -30, 155, -25))
    assert content["count"] == page.count == 1
    assert content["scenes"][0]["image_location"] == page.scenes[0].image_location
    assert json.loads(type_command("search", "--ids", "--json").out) == ["h1awj", "h1awl", "h1awm"]


def test_the_home_can_be_elsewhere(home: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert type_command("search", "--home", str(home), "--count").out == "3\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--box", "0", "10", "10", "0"], "south not above north"),
        (["--point", "500", "0"], "lng=500"),
        (["--code", "3414:127:4"], "3414:127:4"),
        (["--code", "3414:227:383"], "half a degree and no smaller"),
        (["--code", "3414", "--point", "1", "2"], "codes and point at once"),
        (["--scene", "nobody"], "unknown scene 'nobody'"),
        (["--platform", "Landsat"], "unknown platform 'Landsat'"),
        (["--start", "yesterday"], "start='yesterday'"),
        (["--resolution", "0.1", "--point", "1", "2"], "0.1 degrees"),
        (["--limit", "-1"], "0<=x<=100000"),
        (["--geometry", "nowhere.geojson"], "nowhere.geojson"),
        (["--count", "--geojson"], "choose one"),
    ],
)
def test_a_mistake_is_named_and_ends_with_2(home: Path, type_command: Type, arguments: list[str], words: str) -> None:
    said = type_command("search", *arguments)
    assert said.code == 2 and words in said.err and said.out == ""


def test_without_an_index_the_message_says_how_to_get_one(type_command: Type) -> None:
    said = type_command("search", "--code", "3414")
    assert said.code == 2
    assert "inbox/scenes" in said.err and "csquare_index" in said.err and said.err.count("\n") == 1
