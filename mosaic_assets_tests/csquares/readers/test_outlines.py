"""Which outlines are taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import mapping

from mosaic_assets.csquares import cover
from mosaic_assets.csquares.readers import records
from mosaic_assets.csquares.readers.frames import Frames
from mosaic_assets.csquares.readers.records import Lost
from mosaic_assets.csquares.readers.shapes import shape_of
from mosaic_assets_tests.csquares.readers.written import SQUARE_WKT, collection, feature, read_json, read_text, reasons


def polygon(*points: tuple[Any, ...]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


POSITION = "expected [longitude, latitude], two numbers"
TYPES = "expected Point, MultiPoint, LineString, MultiLineString, Polygon, MultiPolygon or a collection of them"
ORDER = "is the order longitude, latitude, and the coordinate system EPSG:4326?"
NAN, INF = float("nan"), float("inf")

BAD: dict[str, tuple[Any, str]] = {
    "none": (None, "it has no geometry; expected the outline of the scene"),
    "a text": ("here", "its geometry 'here' is not WKT of points, lines or polygons: ParseException: Unknown type: 'HERE"),
    "a number": (7, "its geometry is 7; expected a GeoJSON geometry, WKT or WKB"),
    "a list": ([1, 2], "its geometry is [1, 2]; expected a GeoJSON geometry, WKT or WKB"),
    "no type": ({}, f"its geometry has the type None; {TYPES}"),
    "a strange type": ({"type": [{}]}, f"its geometry has the type [{{}}]; {TYPES}"),
    "a circle": ({"type": "Circle"}, f"its geometry has the type 'Circle'; {TYPES}"),
    "no coordinates": ({"type": "Polygon"}, "the coordinates of its Polygon are None; expected a list"),
    "empty": ({"type": "Polygon", "coordinates": []}, "its geometry is empty; expected the outline of the scene"),
    "empty collection": ({"type": "GeometryCollection", "geometries": []},
                         "its geometry is empty; expected the outline of the scene"),
    "empty ring": ({"type": "Polygon", "coordinates": [[]]},
                   "the coordinates of its Polygon are empty; expected lists of positions"),
    "no collection": ({"type": "GeometryCollection", "geometries": {}},
                      "its geometries are {}; expected a list of GeoJSON geometries"),
    "too flat": ({"type": "Polygon", "coordinates": [[1, 2], [3, 4], [5, 6]]}, f"its Polygon has the position 1; {POSITION}"),
    "too deep": ({"type": "LineString", "coordinates": [[[1, 2], [3, 4]]]},
                 f"its LineString has the position [[1, 2], [3, 4]]; {POSITION}"),
    "texts": (polygon(("1", "2"), ("3", "4"), ("5", "6")), f"its Polygon has the position ['1', '2']; {POSITION}"),
    "null": (polygon((0, 0), (0, None), (5, 6)), f"its Polygon has the position [0, None]; {POSITION}"),
    "one number": (polygon((0, 0), (1,), (5, 6)), f"its Polygon has the position [1]; {POSITION}"),
    "two points": ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
                   "its Polygon has a ring or line of 2 vertices; expected 3 at least"),
    "one point": ({"type": "LineString", "coordinates": [[0, 0]]},
                  "its LineString has a ring or line of 1 vertices; expected 2 at least"),
    "not numbers": (polygon((0, 0), (NAN, 1), (5, 6)), "it has a vertex at lng=nan, lat=1.0; expected numbers within the world"),
    "endless": (polygon((0, 0), (1, INF), (5, 6)), "it has a vertex at lng=1.0, lat=inf; expected numbers within the world"),
    "swapped": (polygon((-42, 147), (-43, 147), (-43, 148)),
                f"it has a vertex at lng=-43, lat=148; expected latitudes of -90..90 degrees: {ORDER}"),
    "metres": (polygon((500_000, 60), (510_000, 60), (510_000, 61)),
               f"its longitudes run from 500000 to 510000; expected -180..180, or 0..360 in all of it: {ORDER}"),
    "mixed conventions": (polygon((-10, 0), (190, 0), (190, 1)),
                          f"its longitudes run from -10 to 190; expected -180..180, or 0..360 in all of it: {ORDER}"),
    "over the date line westward": (polygon((-190, 0), (-170, 0), (-170, 1)),
                                    f"its longitudes run from -190 to -170; expected -180..180, or 0..360 in all of it: {ORDER}"),
    "wide in 0..360": (polygon((0, 0), (360, 0), (360, 10), (0, 10)),
                       "its longitudes are those of 0..360 and an edge runs from 0 to 360: which way round cannot be told; "
                       "expected edges of at most 180 degrees: put vertices on it"),
    "no area": (polygon((0, 0), (1, 1), (2, 2)), "reading a polygon of 4 vertices: Self-intersection"),
    "crossing itself": (polygon((0, 0), (2, 2), (2, 0), (0, 2)), "reading a polygon of 5 vertices: Self-intersection"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_an_outline_that_cannot_be_used_is_rejected_with_the_reason(tmp_path: Path, case: str) -> None:
    shape, reason = BAD[case]
    found = read_json(tmp_path, collection(feature("bad", shape), feature("good")))
    assert [one.scene.id for one in found.footprints] == ["good"]
    ((record, text),) = reasons(found)
    assert record == "feature 1 (scene bad)"
    assert text.startswith(reason) if reason.startswith("reading a polygon") else text == reason


GOOD: dict[str, tuple[Any, str]] = {
    "third coordinates": (polygon((0, 0, 9), (9, 0, 9), (9, 9, 9)), "POLYGON ((0 0, 9 0, 9 9, 0 0))"),
    "some third coordinates": (polygon((0, 0, 9), (9, 0), (9, 9, 1, 2)), "POLYGON ((0 0, 9 0, 9 9, 0 0))"),
    "open ring": ({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}, "POLYGON ((0 0, 9 0, 9 9, 0 0))"),
    "collection": (
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
        "GEOMETRYCOLLECTION (POINT (1 2))",
    ),
    "empty hole": (
        {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]], []]},
        "POLYGON ((0 0, 9 0, 9 9, 0 0))",
    ),
    "0..360": (polygon((350, 0), (355, 0), (355, 9)), "POLYGON ((-10 0, -5 0, -5 9, -10 0))"),
    "0..360 on both sides": (polygon((170, 0), (190, 0), (190, 9)), "POLYGON ((170 0, -170 0, -170 9, 170 0))"),
    "rounding": (
        polygon((179, 0), (180.00000000000003, 0), (179, 90.00000000001)),
        "POLYGON ((179 0, 180 0, 179 90, 179 0))",
    ),
    "ewkt": (f"SRID=4326;{SQUARE_WKT}", SQUARE_WKT),
    "odata": (f"geography'SRID=4326;{SQUARE_WKT}'", SQUARE_WKT),
    "wkb": (shapely.from_wkt(SQUARE_WKT).wkb_hex, SQUARE_WKT),
    "ewkb": (
        shapely.to_wkb(shapely.set_srid(shapely.from_wkt(SQUARE_WKT), 4326), hex=True, include_srid=True),
        SQUARE_WKT,
    ),
    "three-dimensional wkt": ("POLYGON Z ((0 0 5, 9 0 5, 9 9 5, 0 0 5))", "POLYGON ((0 0, 9 0, 9 9, 0 0))"),
}


@pytest.mark.parametrize("case", GOOD)
def test_outlines_that_are_written_in_other_ways_are_taken(tmp_path: Path, case: str) -> None:
    shape, wkt = GOOD[case]
    (one,) = read_json(tmp_path, feature("x", shape)).footprints
    assert one.geometry.wkt == wkt
    assert cover(one.geometry, 0.5)


def test_an_outline_of_0_to_360_covers_what_it_covers_in_degrees_of_both_signs(tmp_path: Path) -> None:
    east = polygon((175, 10), (180, 10), (185, 10), (185, 12), (180, 12), (175, 12))
    (one,) = read_json(tmp_path, feature("x", east)).footprints
    parts = shapely.union_all([shapely.box(175, 10, 180, 12), shapely.box(-180, 10, -175, 12)])
    assert cover(one.geometry, 0.5) == cover(parts, 0.5)


@given(st.integers(0, 358), st.integers(1, 179), st.integers(-85, 80), st.integers(1, 5))
def test_boxes_in_either_convention_cover_the_same(west: int, width: int, south: int, height: int) -> None:
    east = min(west + width, 360)
    corners = [(west, south), (east, south), (east, south + height), (west, south + height)]
    # What ends at 180 ends there, and what begins there begins at -180: no edge is taken the long way round.
    folded = [(lng - 360 if lng > 180 or (lng == 180 and west == 180) else lng, lat) for lng, lat in corners]
    placed = Frames().placed(shapely.Polygon(corners), None)
    assert cover(placed, 0.5) == cover(shapely.Polygon(folded), 0.5)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::999999"}},
         "its coordinate system 'urn:ogc:def:crs:EPSG::999999' is not one that PROJ can bring to longitude and latitude; "
         "expected EPSG:4326 or a known one: reproject it"),
        ({"type": "link", "properties": {"href": "http://example.org/crs"}},
         "its coordinate system '{\"type\": \"link\", \"properties\": {\"hre... is not one that PROJ can bring to longitude and "
         "latitude; expected EPSG:4326 or a known one: reproject it"),
        ("metres", "its coordinate system 'metres' is not one that PROJ can bring to longitude and latitude; expected "
         "EPSG:4326 or a known one: reproject it"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("behind", [False, True])
def test_an_unknown_coordinate_system_rejects_every_record(
    tmp_path: Path, member: Any, reason: str, behind: bool
) -> None:
    value = collection(feature("a"), feature("b"))
    value = {**value, "crs": member} if behind else {"crs": member, **value}
    found = read_json(tmp_path, value)
    assert found.footprints == []
    assert reasons(found) == [("feature 1 (scene a)", reason), ("feature 2 (scene b)", reason)]


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "OGC:CRS84"]
)
@pytest.mark.parametrize("behind", [False, True])
def test_names_of_longitude_and_latitude_change_nothing(tmp_path: Path, name: str, behind: bool) -> None:
    value = collection(feature("x"))
    member = {"type": "name", "properties": {"name": name}}
    value = {**value, "crs": member} if behind else {"crs": member, **value}
    assert read_json(tmp_path, value).footprints[0].geometry.wkt == SQUARE_WKT


def test_coordinates_that_a_projection_does_not_reach_are_told_of(tmp_path: Path) -> None:
    shape = polygon((1e30, 1e30), (2e30, 1e30), (2e30, 2e30))
    found = read_json(tmp_path, feature("x", shape) | {"crs": {"type": "name", "properties": {"name": "EPSG:32755"}}})
    ((_, reason),) = reasons(found)
    assert (
        reason
        == "it has a vertex at lng=inf, lat=inf, reprojected from 'EPSG:32755'; expected numbers within the world"
    )


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("kind", ["GeoJSON", "WKT"])
def test_a_ring_has_at_most_so_many_vertices(tmp_path: Path, kind: str, extra: int) -> None:
    angles = np.linspace(0, 2 * np.pi, records.MAX_VERTICES - 1 + extra, endpoint=False)
    ring = shapely.Polygon(np.stack([10 * np.cos(angles), 10 * np.sin(angles)], axis=1))
    assert len(ring.exterior.coords) == records.MAX_VERTICES + extra
    found = read_json(tmp_path, feature("x", mapping(ring) if kind == "GeoJSON" else ring.wkt))
    assert len(found.footprints) == 1 - extra
    if extra:
        assert "100,001 vertices in one ring or line; expected 100,000 at most" in reasons(found)[0][1]


@pytest.mark.parametrize("wkb", ["0103000000", "01030000000100000004000000", "00" * 20, "01FF000000" + "00" * 8])
def test_broken_wkb_is_told_of(wkb: str) -> None:
    with pytest.raises(
        Lost, match=rf"^its geometry of {len(wkb) // 2} bytes is not WKB of points, lines or polygons: "
    ):
        shape_of(bytes.fromhex(wkb))


@pytest.mark.parametrize(
    "wkt", ["CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0))", "CIRCULARSTRING (0 0, 4 0, 4 4)"]
)
def test_curves_are_not_taken_for_polygons(wkt: str) -> None:
    with pytest.raises(Lost, match=r"points, lines or polygons"):
        Frames().placed(shape_of(wkt)[0], None)


def test_a_table_holds_outlines_as_geojson_too(tmp_path: Path) -> None:
    text = 'id,geometry\nx,"{""type"": ""Point"", ""coordinates"": [1, 2]}"\ny,{oops\n'
    found = read_text(tmp_path, text)
    assert found.footprints[0].geometry.wkt == "POINT (1 2)"
    assert reasons(found)[0][1].startswith("its geometry '{oops' is not JSON: Expecting property name")
