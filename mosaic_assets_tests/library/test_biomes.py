"""Biomes as data: what a table of the settings may say, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
import shapely

from mosaic_assets.errors import GeometryError, MosaicError, SettingsError, UnknownNameError
from mosaic_assets.library.biomes import BUILT_IN, find_biome, load_biomes
from mosaic_assets.settings import load_settings


def with_table(tmp_path, name="mine", builtin=False, **table):
    return load_settings(home=tmp_path, builtin_biomes=builtin, biomes={name: table})


def mine(tmp_path, **table):
    return load_biomes(with_table(tmp_path, **table))["mine"]


def test_the_general_boxes_and_weights_are_reference_1s():
    # Source: reference 1, "Phase 1 - General Biomes".
    phase_1 = [(biome.box, biome.weight) for biome in BUILT_IN if biome.phase == 1]
    assert phase_1 == [
        ((-10, 15, 30, 30), 15),
        ((-70, -15, -50, 5), 15),
        ((-5, 40, 20, 55), 20),
        ((-50, 65, -30, 80), 10),
        ((-105, 35, -90, 45), 15),
        ((-80, 15, -65, 25), 10),
        ((-150, -20, -110, 20), 5),
        ((73, 20, 80, 30), 10),
    ]


def test_the_weights_of_the_rare_places_are_reference_1s():
    # Source: reference 1, "Phase 2 - Spectral Anomalies".
    assert [biome.weight for biome in BUILT_IN if biome.phase == 2] == [20, 20, 15, 15, 15, 15, 10, 10, 10, 10]


@pytest.mark.parametrize(
    ("name", "lng", "lat"),
    [
        ("outback", 137.42, -24.57),
        ("uyuni", -67.70, -20.33),
        ("natron", 36.00, -2.42),
        ("dallol", 40.30, 14.24),
        ("yellowstone", -110.838, 44.525),
        ("bahamas", -77.3, 23.9),
        ("hawaii_lava", -155.287, 19.421),
        ("atacama", -69.25, -24.50),
        ("tokyo", 139.69, 35.69),
        ("greenland_glaciers", -49.83, 69.17),
    ],
)
def test_a_rare_place_lies_in_its_box(name, lng, lat):
    # Sources of the points: those that each biome's own `origin` names.
    box = next(biome for biome in BUILT_IN if biome.name == name)
    assert box.geometry().contains(shapely.Point(lng, lat))


def test_every_built_in_biome_is_a_place_with_a_name_of_its_own():
    assert len({biome.name for biome in BUILT_IN}) == len(BUILT_IN) == 18
    assert len({biome.fingerprint() for biome in BUILT_IN}) == 18
    assert all(biome.geometry().area > 0 and biome.origin for biome in BUILT_IN)


def test_a_box_makes_a_biome(tmp_path):
    biome = mine(tmp_path, box=[1, 2, 3, 4], weight=7, phase=2, title="My place")
    assert biome.geometry().equals(shapely.box(1, 2, 3, 4))
    assert (biome.weight, biome.phase, biome.title, biome.origin) == (7, 2, "My place", "mosaic.toml")


def test_a_polygon_makes_a_biome(tmp_path):
    ring = [[0, 0], [4, 0], [4, 3]]
    assert mine(tmp_path, polygon=ring).geometry().area == pytest.approx(6)


SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
SIDES = {
    "type": "MultiPolygon",
    "coordinates": [
        [[[178, 0], [180, 0], [180, 2], [178, 2], [178, 0]]],
        [[[-180, 0], [-178, 0], [-178, 2], [-180, 2], [-180, 0]]],
    ],
}


@pytest.mark.parametrize(
    ("content", "area"),
    [
        (SQUARE, 4),
        ({"type": "Feature", "properties": {}, "geometry": SQUARE}, 4),
        ({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": SQUARE}]}, 4),
        (SIDES, 8),
    ],
    ids=["polygon", "feature", "collection", "both sides of the date line"],
)
def test_a_geojson_file_makes_a_biome(tmp_path, content, area):
    (tmp_path / "place.geojson").write_text(json.dumps(content))
    assert mine(tmp_path, geojson=str(tmp_path / "place.geojson")).geometry().area == pytest.approx(area)


def test_a_table_changes_the_weight_of_a_built_in_biome_and_nothing_else(tmp_path):
    before = next(biome for biome in BUILT_IN if biome.name == "natron")
    after = load_biomes(with_table(tmp_path, "natron", builtin=True, weight=99))["natron"]
    assert after.weight == 99
    assert (after.box, after.title, after.phase, after.origin) == (
        before.box,
        before.title,
        before.phase,
        before.origin,
    )
    assert after.fingerprint() == before.fingerprint()


def test_a_table_gives_a_built_in_biome_another_place(tmp_path):
    ring = [[0, 0], [4, 0], [4, 3]]
    biome = load_biomes(with_table(tmp_path, "natron", builtin=True, polygon=ring))["natron"]
    assert biome.box is None and biome.geometry().area == pytest.approx(6)
    assert (biome.weight, biome.origin) == (15, "mosaic.toml")


def test_a_biome_can_be_switched_off(tmp_path):
    names = set(load_biomes(with_table(tmp_path, "natron", builtin=True, enabled=False)))
    assert names == {biome.name for biome in BUILT_IN} - {"natron"}


def test_without_the_built_in_biomes_only_ones_own_are_left(tmp_path):
    assert set(load_biomes(with_table(tmp_path, box=[0, 0, 1, 1]))) == {"mine"}


def test_no_biome_at_all_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no biome is left"):
        load_biomes(load_settings(home=tmp_path, builtin_biomes=False))


def test_an_unknown_biome_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UnknownNameError, match=r"unknown biome 'yours'; known are: mine\. Add it"):
        find_biome("yours", with_table(tmp_path, box=[0, 0, 1, 1]))


@pytest.mark.parametrize("name", ["Mine", "my place", "../mine", "1st", "", "é", "a" * 61])
def test_a_name_that_is_no_folder_and_partition_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="lower-case letters"):
        load_biomes(with_table(tmp_path, name, box=[0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"box": [0, 0, 1, 1], "wieght": 3}, "unknown field 'wieght'; known are: box"),
        ({"weight": 3}, "exactly one of box, polygon and geojson, got none"),
        ({"box": [0, 0, 1, 1], "geojson": "x"}, "got box, geojson"),
        ({"box": [0, 0, 1]}, "a box is"),
        ({"box": 5}, "a box is"),
        ({"box": [0, 0, "east", 1]}, "a box is"),
        ({"polygon": [[0, 0, 0], [1, 1, 1]]}, "a polygon"),
        ({"polygon": [1, 2, 3]}, "a polygon"),
        ({"box": [0, 0, 1, 1], "weight": 0}, "weight must be above 0"),
        ({"box": [0, 0, 1, 1], "weight": -1}, "weight must be above 0"),
        ({"box": [0, 0, 1, 1], "weight": math.nan}, "weight must be above 0"),
        ({"box": [0, 0, 1, 1], "weight": math.inf}, "weight must be above 0"),
        ({"box": [0, 0, 1, 1], "weight": "heavy"}, "heavy"),
        ({"box": [0, 0, 1, 1], "phase": 0}, "phase at least 1"),
    ],
)
def test_a_table_that_is_not_understood_is_named(tmp_path, table, message):
    with pytest.raises(SettingsError, match=message) as caught:
        load_biomes(with_table(tmp_path, **table))
    assert "[biomes.mine]" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"box": [170, 0, 190, 10]}, "outside the world"),
        ({"box": [0, -91, 10, 10]}, "outside the world"),
        ({"box": [math.nan, 0, 10, 10]}, "outside the world"),
        ({"box": [170, 0, -170, 10]}, "crosses the date line.*two biomes"),
        ({"box": [10, 0, 10, 10]}, "is empty"),
        ({"box": [0, 10, 10, 10]}, "no area"),
        ({"box": [0, 10, 10, 5]}, "no area"),
        ({"box": [0, 86, 10, 89]}, "no area on the tile grid"),
        ({"polygon": [[0, 0], [1, 1]]}, "no ring of points"),
        ({"polygon": []}, "needs an area"),
        ({"polygon": [[0, 0], [1, 1], [2, 2]]}, "needs an area"),
        ({"polygon": [[0, 0], [2, 2], [2, 0], [0, 2.5]]}, "invalid.*make_valid"),
        ({"polygon": [[0, 0], [0, 100], [10, 0]]}, "outside the world"),
        ({"polygon": [[-179, 0], [179, 0], [179, 5], [-179, 5]]}, "cut it at the date line"),
        ({"polygon": [[0, 0], [math.nan, 0], [1, 1]]}, "mine"),
    ],
)
def test_a_table_that_is_no_place_on_earth_is_named(tmp_path, table, message):
    with pytest.raises(GeometryError, match=message) as caught:
        load_biomes(with_table(tmp_path, **table))
    assert "biome mine" in str(caught.value)


BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2.5], [0, 0]]]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "reading .*place.geojson failed"),
        ("not JSON", "expected a GeoJSON"),
        ("[]", "expected a GeoJSON"),
        ("{}", "expected a GeoJSON"),
        ('{"type": "Triangle"}', "expected a GeoJSON"),
        ('{"type": "Feature", "geometry": null}', "expected a GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "needs an area"),
        ('{"type": "Point", "coordinates": [1, 2]}', "needs an area, got Point"),
        (json.dumps(BOW_TIE), "invalid polygon"),
        (json.dumps({**SQUARE, "coordinates": [[[0, 0], [200, 0], [200, 2], [0, 0]]]}), "outside the world"),
    ],
)
def test_a_geojson_file_that_is_no_place_is_refused_when_its_geometry_is_asked_for(tmp_path, content, message):
    if content is not None:
        (tmp_path / "place.geojson").write_text(content)
    biome = mine(tmp_path, geojson=str(tmp_path / "place.geojson"))
    with pytest.raises(GeometryError, match=message):
        biome.geometry()


@pytest.mark.parametrize("name", ["binary", "folder"])
def test_a_geojson_path_that_is_no_text_file_is_refused(tmp_path, name):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MosaicError, match="reading"):
        mine(tmp_path, geojson=str(tmp_path / name)).geometry()
