from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_cie76, rgb2lab

from mosaic_assets.cli.main import mosaic
from mosaic_assets.explorer.colours import answered
from mosaic_assets.explorer.colours.nearest import least_distances, plain, tiles
from mosaic_assets.explorer.colours.palette import Palette, palette_of
from mosaic_assets.explorer.colours.questions import ColourQuestion, colour_of
from mosaic_assets.explorer.indexes import IndexPool
from mosaic_assets.explorer.reading import Shelf
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.library_db import open_library
from mosaic_assets_tests.explorer.colour_home import CAP, FLOOR, GIVEN, colour_home, grow, publish
from mosaic_assets_tests.explorer.running import exploring
from mosaic_assets_tests.library.painted import ask

COLOURS = ["#000000", "#ffffff", "#6b7a4c", "#ff0000", "#00ff00", "#0000ff", "#7f7f7f"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return colour_home(tmp_path_factory)


@pytest.fixture(scope="module")
def url(home: Settings) -> Iterator[str]:
    with exploring(home) as address:
        yield address


@pytest.fixture(scope="module")
def palette(home: Settings) -> Palette:
    return palette_of(Shelf(home, IndexPool(home.csquares), ""))


def get(url: str, path: str, status: int = 200, **parameters: Any) -> dict[str, Any]:
    answer = requests.get(f"{url}/api/{path}", params=parameters, timeout=20)
    assert answer.status_code == status, answer.text
    return answer.json()  # type: ignore[no-any-return]


def means(home: Settings) -> tuple[list[str], np.ndarray]:
    """Ids and LAB of all tiles, straight from the table."""
    rows = ask(home, "SELECT id, mean_l, mean_a, mean_b FROM tiles")
    return [row[0] for row in rows], np.array([row[1:] for row in rows])


def test_colours_tells_of_every_bucket_what_the_library_holds(url: str, home: Settings) -> None:
    found = get(url, "colours")
    counts = dict(ask(home, "SELECT bucket_id, count(*) FROM tiles GROUP BY 1"))
    hits = dict(ask(home, "SELECT bucket_id, sum(hits) FROM hits GROUP BY 1"))
    assert {number: kept for number, kept in enumerate(found["kept"]) if kept} == counts
    assert {number: count for number, count in enumerate(found["hits"]) if count} == hits
    assert [len(found[name]) for name in ("lab", "rgb", "kept", "hits", "states")] == [5000] * 5
    assert (found["cap"], found["floor"], found["note"]) == (CAP, FLOOR, None)
    np.testing.assert_allclose(found["lab"], load_centroids(home.library).lab, atol=0.0005)


def test_states_follow_floor_and_cap(url: str) -> None:
    found = get(url, "colours")
    by_state: dict[str, set[int]] = {state: set() for state in ("empty", "filling", "filled", "full")}
    for kept, state in zip(found["kept"], found["states"], strict=True):
        by_state[state].add(kept)
    assert by_state["empty"] == {0}
    assert by_state["filling"] <= {1, 2}
    assert by_state["filled"] <= {3, 4, 5}
    assert by_state["full"] == {6}


def test_a_buckets_hex_colour_is_its_centroid_within_a_step(url: str) -> None:
    found = get(url, "colours")
    rgb = np.array([list(bytes.fromhex(text[1:])) for text in found["rgb"]])
    # The test's centroids are whole sRGB colours, so the way back is exact but for the three decimals.
    assert np.abs(rgb2lab(rgb[:, None] / 255.0)[:, 0] - found["lab"]).max() < 0.01


@pytest.mark.parametrize("rgb", COLOURS)
def test_nearest_buckets_are_those_of_a_brute_force_over_all(url: str, home: Settings, rgb: str) -> None:
    found = get(url, "colours/nearest", rgb=rgb, k=30)
    # The colour by scikit-image alone, the distances by its CIE76: neither is the code under test.
    lab = rgb2lab(np.array([[list(bytes.fromhex(rgb[1:]))]], np.uint8))[0, 0]
    distances = deltaE_cie76(load_centroids(home.library).lab, lab)
    order = np.argsort(distances)[:30]
    assert [one["bucket"] for one in found["buckets"]] == order.tolist()
    np.testing.assert_allclose([one["distance"] for one in found["buckets"]], distances[order], atol=0.0006)
    np.testing.assert_allclose(found["colour"]["lab"], lab, atol=0.0006)


def test_the_nearest_bucket_of_a_tiles_colour_is_the_tiles_bucket(url: str, home: Settings) -> None:
    for bucket, *lab in ask(home, "SELECT bucket_id, mean_l, mean_a, mean_b FROM tiles LIMIT 10"):
        found = get(url, "colours/nearest", lab=",".join(map(str, lab)), k=1)
        assert found["buckets"][0]["bucket"] == bucket


# Red in LAB by Bruce Lindbloom's CIE colour calculator, D65, no adaptation: 53.2408 80.0925 67.2032.
@pytest.mark.parametrize(
    "form", [{"rgb": "#ff0000"}, {"rgb": "FF0000"}, {"rgb": "255, 0,0"}, {"lab": "53.2408,80.0925,67.2032"}]
)
def test_a_colour_can_be_given_in_any_form(url: str, form: dict[str, Any]) -> None:
    colour = get(url, "colours/nearest", k=1, **form)["colour"]
    assert colour["rgb"] == "#ff0000"
    assert colour["in_srgb"]
    np.testing.assert_allclose(colour["lab"], [53.2408, 80.0925, 67.2032], atol=0.02)


@given(st.binary(min_size=3, max_size=3))
def test_a_screens_colour_comes_back_as_it_was_given(rgb: bytes) -> None:
    found = plain(colour_of(ColourQuestion(rgb=f"#{rgb.hex()}")))
    assert (found["rgb"], found["in_srgb"]) == (f"#{rgb.hex()}", True)


def test_fractions_of_rgb_count(url: str) -> None:
    low, middle, high = (
        get(url, "colours/nearest", rgb=text, k=1)["colour"]["lab"][0] for text in ("9,9,9", "9.5,9.5,9.5", "10,10,10")
    )
    assert low < middle < high


def test_a_colour_that_no_screen_shows_is_marked(url: str) -> None:
    colour = get(url, "colours/nearest", lab="50,120,-120")["colour"]
    assert (colour["in_srgb"], colour["lab"]) == (False, [50.0, 120.0, -120.0])


def test_nearest_tiles_are_those_of_a_brute_force_over_all(home: Settings, palette: Palette) -> None:
    ids, labs = means(home)
    random = np.random.default_rng(1)
    with open_library(home.library) as database:
        for count in (1, 7, 40):
            for lab in [*random.uniform((0, -90, -110), (100, 100, 95), (15, 3)), *labs[:5]]:
                distances = np.linalg.norm(labs - lab, axis=1)
                expected = sorted(zip(distances, ids, strict=True))[:count]
                assert [tile["id"] for tile in tiles(palette, database, lab, count)] == [one for _, one in expected]


def test_no_tile_is_nearer_than_its_bucket_allows(home: Settings, palette: Palette) -> None:
    rows = ask(home, "SELECT bucket_id, mean_l, mean_a, mean_b FROM tiles")
    buckets, labs = np.array([row[0] for row in rows]), np.array([row[1:] for row in rows])
    for lab in np.random.default_rng(2).uniform((0, -90, -110), (100, 100, 95), (200, 3)):
        bounds = least_distances(palette, lab, buckets)
        assert (bounds <= np.linalg.norm(labs - lab, axis=1)).all()
        assert bounds.max() > 0.5 * np.linalg.norm(labs - lab, axis=1).max()  # and it is a bound of some use


def test_more_tiles_than_there_are_gives_all(url: str, home: Settings) -> None:
    found = get(url, "colours/tiles", rgb="#6b7a4c", k=100)["tiles"]
    assert len(found) == min(100, len(means(home)[0]))
    distances = [tile["distance"] for tile in found]
    assert distances == sorted(distances)


def test_pages_of_a_bucket_hold_each_tile_once_nearest_to_its_colour_first(url: str, home: Settings) -> None:
    ((bucket, count),) = ask(home, "SELECT bucket_id, count(*) FROM tiles GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")
    pages = [get(url, f"colours/buckets/{bucket}", limit=4, page=page) for page in (1, 2, 3)]
    assert [len(page["tiles"]) for page in pages] == [4, count - 4, 0]
    assert {(page["count"], page["pages"], page["state"]) for page in pages} == {(count, 2, "full")}
    labs = np.array([tile["lab"] for page in pages for tile in page["tiles"]])
    distances = np.linalg.norm(labs - load_centroids(home.library).lab[bucket], axis=1)
    assert (np.diff(distances) > -0.002).all()
    there = {row[0] for row in ask(home, "SELECT id FROM tiles WHERE bucket_id = ?", bucket)}
    assert {tile["id"] for page in pages for tile in page["tiles"]} == there


def test_a_tile_comes_with_its_provenance(url: str, home: Settings) -> None:
    tile = get(url, "colours/tiles", rgb="#6b7a4c", k=1)["tiles"][0]
    names = ("source", "licence", "attribution", "biome", "csquare", "west", "south", "east", "north", "synthetic")
    (row,) = ask(home, f"SELECT {', '.join(names)} FROM provenance WHERE id = ?", tile["id"])
    values = dict(zip(names, row, strict=True))
    assert tile["bounds"] == [values.pop(name) for name in ("west", "south", "east", "north")]
    assert {name: tile[name] for name in values} == values
    assert tile["thumbnail"] == f"/api/thumbnail?dataset=tiles&id={tile['id']}&size=128"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("colours", answered.Colours),
        ("colours/nearest?lab=50,0,0", answered.NearestBuckets),
        ("colours/tiles?lab=50,0,0", answered.NearestTiles),
        ("colours/buckets/7", answered.BucketTiles),
        ("coverage", answered.CoverageSummary),
    ],
)
def test_answers_are_what_openapi_says(url: str, path: str, model: Any) -> None:
    found = get(url, path)
    model.model_validate(found)
    assert set(found) == set(model.model_fields)


def test_coverage_is_what_the_command_prints(
    url: str, home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    biomes = "".join(f"[biomes.{name}]\nbox = {place['box']}\n" for name, place in home.biomes.items())
    others = "builtin_biomes = false\nzoom = 8\nround_tiles = 40\nworkers = 2\nbucket_cap = 6\n"
    (tmp_path / "mosaic.toml").write_text(f"{others}{biomes}")
    monkeypatch.setenv("MOSAIC_CONFIG", str(tmp_path / "mosaic.toml"))
    printed = CliRunner().invoke(mosaic, ["coverage", "--json", "--home", str(home.home)])
    expected, found = json.loads(printed.stdout), get(url, "coverage")
    assert found | {"made_at": ""} == expected | {"made_at": ""}
    assert get(url, "colours")["summary"] == found


@pytest.mark.parametrize(
    "colour",
    [
        {}, {"rgb": "#ff0000", "lab": "50,0,0"}, {"rgb": ""}, {"rgb": "#ff00"}, {"rgb": "#gg0000"}, {"rgb": "256,0,0"},
        {"rgb": "-1,0,0"}, {"rgb": "1,2"}, {"rgb": "1,2,3,4"}, {"rgb": "1_0,2,3"}, {"rgb": "\u0661,2,3"}, {"rgb": "\uff03ff0000"},
        {"lab": "nan,0,0"}, {"lab": "1e400,0,0"}, {"lab": "1e4,0,0"}, {"lab": "inf,0,0"}, {"lab": "101,0,0"}, {"lab": "50,-129,0"},
        {"lab": "50;0;0"}, {"lab": "5" * 90}, {"lab": "5" * 91}, {"lab": "0,0,0\n1"}, {"lab": "50,0,0' OR 1=1 --"}, {"rgb": "\x00"},
        {"rgb": ["#ff0000", "x"]}, {"lab": "50,0,0", "k": "0"}, {"lab": "50,0,0", "k": "101"}, {"lab": "50,0,0", "k": "9" * 30},
        {"lab": "50,0,0", "k": "1.5"}, {"lab": "50,0,0", "other": "1"},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_colour_is_refused_with_a_reason(url: str, colour: dict[str, Any]) -> None:
    for path in ("colours/nearest", "colours/tiles"):
        found = get(url, path, 400, **colour)
        assert "expected" in found["detail"] or "/api says" in found["detail"]


@pytest.mark.parametrize(
    "path",
    ["-1", "5000", "9" * 40, "x", "1.5", "%00", "1%20OR%201", "7?limit=0", "7?limit=201", "7?page=0", "7?page=1000001", "7?sort=id"],
)  # fmt: skip
def test_what_is_no_bucket_is_refused(url: str, path: str) -> None:
    get(url, f"colours/buckets/{path}", 400)


def test_a_home_without_centroids_says_what_makes_them(empty_url: str) -> None:
    for path in ("colours", "colours/nearest?lab=50,0,0", "colours/tiles?lab=50,0,0", "colours/buckets/7"):
        assert "mosaic run" in get(empty_url, path, 404)["detail"]
    assert get(empty_url, "coverage")["tiles"] == 0


def test_centroids_without_a_library_are_shown_with_a_note(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", **GIVEN)
    publish(settings.library)
    with exploring(settings) as url:
        found = get(url, "colours")
        assert set(found["states"]) == {"empty"}
        assert "bucketed_library" in found["note"]
        assert len(get(url, "colours/nearest", rgb="#123456")["buckets"]) == 12
        assert "mosaic run" in get(url, "colours/buckets/7", 404)["detail"]


def test_a_merge_while_the_explorer_runs_is_seen(home: Settings, tmp_path: Path) -> None:
    shutil.copytree(home.home, tmp_path / "home")
    settings = load_settings(home=tmp_path / "home", **GIVEN)
    with exploring(settings) as url:
        before = get(url, "colours")
        assert get(url, "colours") == before
        grow(settings)
        after, count = get(url, "colours"), len(means(settings)[0])
        assert sum(before["kept"]) < sum(after["kept"]) == count == after["summary"]["tiles"]
        assert get(url, "coverage") == after["summary"]


def test_damage_is_the_homes_fault(home: Settings, tmp_path: Path) -> None:
    shutil.copytree(home.library, tmp_path / "home" / "mosaic_library")
    settings = load_settings(home=tmp_path / "home", **GIVEN)
    with exploring(settings) as url:
        get(url, "colours")
        (settings.library / "centroids.json").write_text("{}")
        assert "restore" in get(url, "colours", 503)["detail"]
        (settings.library / "tiles.db").write_bytes(b"no database at all")
        get(url, "colours/buckets/7", 503)


def test_buckets_are_shown_though_steering_lacks_its_imagery(home: Settings) -> None:
    lacking = load_settings(home=home.home, **GIVEN, source="nowhere")
    with exploring(lacking) as url:
        assert get(url, "colours")["summary"] is None
        assert "nowhere" in get(url, "coverage", 503)["detail"]


def test_a_merge_between_palette_and_tiles_is_in_the_answer(home: Settings, tmp_path: Path) -> None:
    """The palette is older than the library here, as it is when a merge ends while a request is answered."""
    shutil.copytree(home.home, tmp_path / "home")
    settings = load_settings(home=tmp_path / "home", **GIVEN)
    older = palette_of(Shelf(settings, IndexPool(settings.csquares), ""))
    (identity,) = ask(settings, "SELECT id FROM tiles LIMIT 1")[0]
    with open_library(settings.library, create=True) as database, database.writing():
        (row,) = database.rows("id = ?", (identity,))
        bare = int(np.flatnonzero(older.kept == 0)[0])
        database.query(
            "UPDATE tiles SET bucket_id = ?, mean_l = ?, mean_a = ?, mean_b = ? WHERE id = ?",
            (bare, *older.lab[bare], row.id),
        )
        database.query("INSERT INTO buckets VALUES (?, 1)", (bare,))
    with open_library(settings.library) as database:
        assert [one["id"] for one in tiles(older, database, older.lab[bare], 1)] == [identity]
    assert older.bucket(bare, 1)["state"] == "filling"
    assert older.bucket(bare)["kept"] == 0
