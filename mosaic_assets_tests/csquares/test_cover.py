"""Cover: agreement with GEOS, and the places where the plane and the globe differ."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPoint, Point, Polygon, box

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares import compress, cover, cover_many, decode, encode, expand, raster
from mosaic_assets.errors import GeometryError, SettingsError
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.shapes import (
    edge_passes,
    expected_counts,
    random_polygon,
    real_footprints,
    squares_by_geos,
)


def squares(codes: list[str], level: int = 3) -> set[tuple[int, int]]:
    row, col = arrays.cells_of_ids(arrays.ids_of_codes(np.array(codes, "<U40"), level), level)
    return set(zip(row.tolist(), col.tolist(), strict=True))


def differences(polygons: list[Polygon]) -> list[tuple[int, set[tuple[int, int]], set[tuple[int, int]]]]:
    """Return (number, ours only, GEOS only) where the two differ, and check the count of all squares."""
    covers, found = cover_many(polygons, 0.5), []
    for number, polygon in enumerate(polygons):
        ours, theirs = squares(covers.codes(number)), squares_by_geos(polygon)
        if ours != theirs:
            found.append((number, ours - theirs, theirs - ours))
    return found


@pytest.mark.slow
def test_six_thousand_random_polygons_cover_what_geos_says() -> None:
    rng = np.random.default_rng(4)
    kinds: list[tuple[float | None, float]] = [(None, 1), (0.5, 1), (0.5, 0.5), (0.25, 1), (5, 0.5)]
    polygons = [random_polygon(rng, *kinds[number % len(kinds)]) for number in range(6_000)]
    assert differences(polygons) == []


def test_corners_on_tenths_of_degrees_cover_at_least_what_geos_says() -> None:
    """Edges between decimals pass grid corners by 1e-16 degrees; GEOS rounds some of these slivers away.

    Where the two differ, exact arithmetic must say that an edge passes through the square.
    """
    rng = np.random.default_rng(5)
    polygons = [random_polygon(rng, 0.1) for _ in range(1_000)]
    for number, ours_only, geos_only in differences(polygons):
        assert geos_only == set()
        assert all(edge_passes(polygons[number], square) for square in ours_only)


grid_points = st.tuples(st.integers(-12, 12), st.integers(-12, 12)).map(lambda p: (p[0] / 2, p[1] / 2))
free_points = st.tuples(st.integers(-6000, 6000), st.integers(-6000, 6000)).map(lambda p: (p[0] / 1024, p[1] / 1024))


@settings(max_examples=150)
@given(st.lists(st.one_of(grid_points, free_points), min_size=3, max_size=7, unique=True))
def test_any_triangulation_free_hull_covers_what_geos_says(corners: list[tuple[float, float]]) -> None:
    hull = MultiPoint(corners).convex_hull
    if hull.geom_type == "Polygon":
        assert squares(cover(hull, 0.5)) == squares_by_geos(hull)


@needs_shared_data
def test_real_footprints_have_the_expected_numbers_of_squares() -> None:
    scenes = real_footprints()
    names = list(scenes)
    covers = cover_many(scenes.values(), 0.5, keep_refused=True)
    counts, short = (np.diff(offsets) for offsets, _ in (covers.ids(), covers.compressed_keys()))
    rows = expected_counts()
    assert len(rows) == 47
    for row in rows:
        at = names.index(row["id"])
        assert (counts[at], short[at]) == (int(row["n_halfdeg_cells"]), int(row["n_codes_compressed"])), row["id"]
        assert expand(covers.compressed(at)) == covers.codes(at)


@needs_shared_data
def test_all_real_footprints_are_covered() -> None:
    """216 scenes, 8 of them with rings that cross themselves; two of these lap the globe, see test_lapping."""
    covers = cover_many(real_footprints().values(), 0.5, keep_refused=True)
    assert covers.refused == {}
    assert (np.diff(covers.ids()[0]) > 0).all()


def test_the_first_refused_of_many_is_named() -> None:
    bowtie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    with pytest.raises(GeometryError, match="geometry number 1 "):
        cover_many([box(0, 0, 1, 1), bowtie, bowtie], 0.5)


@needs_shared_data
def test_real_footprints_hold_their_own_vertices() -> None:
    """A square inside which a vertex lies is covered, date line, poles and laps included."""
    scenes = real_footprints()
    covers = cover_many(scenes.values(), 0.5, keep_refused=True)
    for number, scene in enumerate(scenes.values()):
        if number not in covers.refused and shapely.is_valid(scene):
            points = shapely.get_coordinates(scene)
            inner = ((points * 2) % 1 != 0).all(axis=1)
            codes = encode(points[inner, 0], points[inner, 1], 0.5).tolist()
            assert set(codes) <= set(covers.codes(number))


@pytest.mark.parametrize(
    ("geometry", "size", "codes"),
    [
        (box(10, 10, 20, 20), 10, ["1101"]),  # touches eight others
        (box(-20, -20, -10, -10), 10, ["5101"]),
        (box(9.75, 9.75, 10, 10), 0.5, ["1000:499:4"]),
        (box(42.8, -47.3, 43, -47.2), 0.1, ["3404:372:228", "3404:372:229"]),  # decimals, not binary floats
        (box(0.1, 0.1, 0.4, 0.2), 0.1, ["1000:100:111", "1000:100:112", "1000:100:113"]),
        (box(179, 0, 180, 1), 1, ["1017:209"]),
        (box(-180, 89, -179, 90), 1, ["7817:499"]),
        (Polygon([(0, 0), (10, 10), (0, 10)]), 5, ["1000:1", "1000:3", "1000:4"]),  # diagonal through corners
        (Polygon(), 1, []),
        (GeometryCollection(), 1, []),
        (Polygon([(1, 1, 9), (2, 1, 9), (2, 2, 9)]), 10, ["1000"]),
    ],
)
def test_touching_a_square_does_not_claim_it(geometry: Any, size: float, codes: list[str]) -> None:
    assert cover(geometry, size) == codes


@pytest.mark.parametrize(
    ("geometry", "codes"),
    [
        (Point(0, 0), ["1000"]),
        (Point(-10, -10), ["5101"]),
        (MultiPoint([(180, 0), (-180, 0), (0, 90)]), ["1017", "1800", "7017"]),
        (LineString([(1, 1), (9, 10)]), ["1000"]),  # FAQ Q18: its end only touches 1100
        (LineString([(1, 1), (9, 11)]), ["1000", "1100"]),
        (LineString([(-15, 0), (15, 0)]), ["1000", "1001", "7000", "7001"]),  # the equator is north
        (LineString([(0, -15), (0, 15)]), ["1000", "1100", "3000", "3100"]),  # Greenwich is east
        (LineString([(1, -10), (5, -10)]), ["3100"]),
        (LineString([(180, 1), (180, 15)]), ["1017", "1117"]),
        (LineString([(-180, 1), (-180, 15)]), ["7017", "7117"]),
        (LineString([(1, 90), (15, 90)]), ["1800", "1801"]),
        (LineString([(175, 5), (-175, 5)]), ["1017", "7017"]),
        (LineString([(-10, -10), (-10, -10)]), ["5101"]),
        (GeometryCollection([Point(1, 1), GeometryCollection([box(20, 0, 30, 9)])]), ["1000", "1002"]),
    ],
)
def test_points_and_lines_go_to_the_squares_that_own_them(geometry: Any, codes: list[str]) -> None:
    assert cover(geometry, 10) == codes


@given(st.floats(-180, 180), st.floats(-90, 90), st.integers(0, 16))
def test_a_point_covers_the_square_it_encodes_to(lng: float, lat: float, level: int) -> None:
    size = 10 / (10 ** (level // 2) * (1 + level % 2))
    assert cover(Point(lng, lat), size) == [encode(lng, lat, size)]


@pytest.mark.parametrize(
    "ring",
    [
        [(179, 10), (-179, 10), (-179, 12), (179, 12)],
        [(-179, 12), (179, 12), (179, 10), (-179, 10)],
        [(179, 10), (180, 10), (-180, 10), (-179, 10), (-179, 12), (-180, 12), (180, 12), (179, 12)],
    ],
)
def test_a_ring_over_the_date_line_is_narrow(ring: list[tuple[float, float]]) -> None:
    assert cover(Polygon(ring), 1) == ["1117:209", "1117:219", "7117:209", "7117:219"]


def test_a_ring_over_the_date_line_equals_its_two_halves() -> None:
    whole = Polygon([(170.3, -20.2), (-165.1, -33.7), (-171.9, 14.8), (173.4, 22.6)])
    moved = shapely.transform(whole, lambda p: p + np.where(p < [0, -90], [360, 0], 0))
    world = [box(-180, -90, 180, 90), box(180, -90, 540, 90)]
    west, east = (shapely.intersection(moved, part) for part in world)
    east = shapely.transform(east, lambda p: p - [360, 0])
    halves = squares_by_geos(west) | squares_by_geos(east)
    assert squares(cover(whole, 0.5)) == halves
    assert squares(cover(moved, 0.5, wrap=True)) == halves


def test_a_hole_over_the_date_line_stays_open() -> None:
    outline = [(170, -10), (-170, -10), (-170, 10), (170, 10)]
    hole = [(175, -5), (-175, -5), (-175, 5), (175, 5)]
    open_squares = {(row, col) for row in (-1, 0) for col in (-36, 35)}
    assert squares(cover(Polygon(outline, [hole]), 5), 1) == squares(cover(Polygon(outline), 5), 1) - open_squares


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("turn", [0, 37.5, 200])
@pytest.mark.parametrize("clockwise", [False, True])
def test_a_ring_round_a_pole_covers_the_cap(sign: int, turn: float, clockwise: bool) -> None:
    lng = (np.arange(0, 360, 45) + turn + 180) % 360 - 180
    ring = np.stack([lng, np.full(8, sign * 70.0)], axis=1)
    codes = cover(Polygon(ring[::-1] if clockwise else ring), 10)
    assert codes == sorted(f"{q}{t}{ll:02d}" for q in ("17" if sign > 0 else "35") for t in (7, 8) for ll in range(18))


def test_a_belt_round_a_pole_leaves_its_hole_open() -> None:
    outline, hole = ([(lng + shift, lat) for lng in (-120, 0, 120)] for lat, shift in ((60, 0), (80, 45)))
    codes = cover(Polygon(outline, [hole]), 10)
    assert codes == sorted(f"{q}{t}{ll:02d}" for q in "17" for t in (6, 7) for ll in range(18))


@pytest.mark.parametrize(
    ("geometry", "count"),
    [
        (box(-180, -90, 180, 90), 648),
        (box(-180, -10, 180, 10), 72),
        (box(-180, 60, 180, 90), 108),
    ],
)
def test_what_is_cut_along_the_map_s_frame_is_taken_as_written(geometry: Polygon, count: int) -> None:
    assert len(cover(geometry, 10)) == count


def test_a_wide_box_is_wide_when_asked() -> None:
    wide = box(-170, -10, 170, 10)
    assert cover(wide, 10) == ["1017", "3017", "5017", "7017"]
    assert len(cover(wide, 10, long_edges="as_drawn")) == 68


def test_great_circles_bulge_towards_the_pole() -> None:
    straight = LineString([(0.5, 60.2), (89.5, 60.2)])
    assert {decode(code).south for code in cover(straight, 1)} == {60}
    bent = cover(straight, 1, edges="great_circle")
    # The highest point of a great circle: tan(lat) / cos(half the span) is the tangent, 67.9 degrees.
    top = np.degrees(np.arctan(np.tan(np.radians(60.2)) / np.cos(np.radians(44.5))))
    assert max(decode(code).south for code in bent) == np.floor(top) == 67


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_great_circle_triangles_cover_what_lies_inside_them_on_the_globe(seed: int) -> None:
    """Random points inside a spherical triangle, by signs of determinants, lie in covered squares."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=3)
    corners = centre / np.linalg.norm(centre) + rng.normal(size=(3, 3)) * 0.3
    corners /= np.linalg.norm(corners, axis=1)[:, None]
    edges = np.cross(corners, np.roll(corners, -1, axis=0))
    if abs(np.linalg.det(corners)) < 0.02:
        return
    lng, lat = _degrees(corners)
    codes = set(cover(Polygon(np.stack([lng, lat], axis=1)), 1, edges="great_circle"))
    points = rng.dirichlet([1, 1, 1], 300) @ corners
    points /= np.linalg.norm(points, axis=1)[:, None]
    depth = np.abs(points @ (edges / np.linalg.norm(edges, axis=1)[:, None]).T).min(axis=1)
    inside = points[depth > np.radians(0.02)]  # the edges may be off by a hundredth of a square
    assert set(encode(*_degrees(inside), 1).tolist()) <= codes
    middle = decode(sorted(codes))
    at = _vectors((middle.west + middle.east) / 2, (middle.south + middle.north) / 2)
    facing = np.sign(np.linalg.det(corners))
    out_by = -(at @ (edges / np.linalg.norm(edges, axis=1)[:, None]).T * facing).min(axis=1)
    assert out_by.max() < np.radians(1)  # no square lies further out than its own half diagonal, and a margin


def _degrees(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])), np.degrees(np.arcsin(vectors[:, 2]))


def _vectors(lng: np.ndarray, lat: np.ndarray) -> np.ndarray:
    x, y = np.radians(lng), np.radians(lat)
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)], axis=1)


def test_an_edge_over_the_pole_goes_over_the_pole() -> None:
    strip = Polygon([(-5, 80), (5, 80), (175, 80), (-175, 80)])
    codes = cover(strip, 5, edges="great_circle")
    assert {code[:6] for code in codes if decode(code).north == 90} == set(cover(box(-180, 85, 180, 90), 5))
    # By the great circle's formula the edges pass 85 degrees north 10.1 degrees from the strip's middle.
    beside = [abs(decode(code).west + 2.5) for code in codes if decode(code).south == 80]
    assert sorted(beside) == sorted([2.5, 7.5, 12.5] * 2 + [177.5, 172.5, 167.5] * 2)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), "from 0 to 2 square degrees"),
        (Polygon([(0, 0), (2, 2), (0, 0)]), "redraw it"),
        (Polygon([(0, 1), (120, -1), (-120, 0)]), "too alike to tell"),
        (box(0, 80, 1, 95), "lat=95.0"),
        (box(0, 0, 190, 1), "wrap=True"),
        (LineString([(0, 0), (np.inf, 1)]), "lng=inf"),
        (Point(np.nan, 1), "lng=nan"),
        (None, "it is a NoneType"),
        ({"type": "Point"}, "it is a dict"),
    ],
)
def test_what_cannot_be_covered_is_refused_with_a_reason(geometry: Any, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        cover(geometry, 1)


def test_opposite_points_have_no_great_circle() -> None:
    with pytest.raises(GeometryError, match=r"geometry number 1 .*opposite points"):
        cover_many([Point(0, 0), LineString([(0, 0), (180, 0)])], 1, edges="great_circle")


@pytest.mark.parametrize("geometry", [box(0, 0, 60, 60), LineString([(0, 0), (170, 80)])])
def test_more_squares_than_memory_holds_are_refused(geometry: Any) -> None:
    with pytest.raises(GeometryError, match="coarser resolution"):
        cover(geometry, 0.005 if geometry.area else 1e-6)


def test_a_small_crossing_is_repaired() -> None:
    crossed = Polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0.1), (0.1, -0.01), (-0.05, 0.02)])
    assert not crossed.is_valid
    assert set(cover(box(0, 0, 10, 10), 5)) <= set(cover(crossed, 5))


def test_a_refused_scene_leaves_the_others_alone() -> None:
    bowtie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    mixed = GeometryCollection([Point(5, 5), bowtie])
    covers = cover_many([box(0, 0, 1, 1), mixed, Point(5, 5)], 1, keep_refused=True)
    assert [covers.codes(number) for number in range(3)] == [["1000:100"], [], ["1000:455"]]
    assert list(covers.refused) == [1]
    assert "geometry number 1 " in str(covers.refused[1])


@pytest.mark.parametrize("options", [{"edges": "rhumb"}, {"long_edges": "long"}])
def test_unknown_choices_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="expected 'planar'"):
        cover(Point(0, 0), 1, **options)


def test_batches_longer_than_a_chunk_keep_their_order() -> None:
    points = [Point(lng, 0.25) for lng in np.arange(-99.75, 99.75, 0.5)]
    covers = cover_many(points, 0.5)
    offsets, ids = covers.ids()
    assert np.diff(offsets).tolist() == [1] * len(points)
    assert [covers.codes(at) for at in (0, 63, 64, len(points) - 1)] == [
        [encode(points[at].x, points[at].y, 0.5)] for at in (0, 63, 64, len(points) - 1)
    ]
    assert len(ids) == len(points)
    assert cover_many([], 0.5).ids()[0].tolist() == [0]


def test_outlines_too_large_for_one_picture_are_drawn_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    shapes = [random_polygon(rng, 0.5, 0.5) for _ in range(40)]
    shapes += [LineString([(-170, -60), (-3.3, 10), (170, 80)]), box(-180, -90, 180, 90), Point(5, 5)]
    whole = cover_many(shapes, 0.1).ids()
    monkeypatch.setattr(raster, "_CANVAS", 1000)
    banded = cover_many(shapes, 0.1).ids()
    assert all((a == b).all() for a, b in zip(whole, banded, strict=True))


def test_small_squares_are_counted_right() -> None:
    assert len(cover(box(0, 0, 9.99, 9.99), 0.01)) == 999**2
    assert len(cover(LineString([(0.0005, 0.0005), (8.0005, 8.0005)]), 0.001)) == 8_001  # along the diagonal
    assert len(cover(box(42.8, 1.3, 42.8000003, 1.3000002), 1e-7)) == 6


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_coarser_covers_are_the_parents_of_finer_ones(seed: int) -> None:
    polygon = random_polygon(np.random.default_rng(seed), None)
    sizes = (10, 5, 1, 0.5, 0.1)
    for (coarse, fine), length in zip(pairwise(sizes), (4, 6, 8, 10), strict=True):
        assert cover(polygon, coarse) == sorted({code[:length] for code in cover(polygon, fine)})


def test_the_world_compresses_to_its_ten_degree_squares() -> None:
    short = compress(cover(box(-180, -90, 180, 90), 0.5))
    assert len(short) == 648
    assert all(code.endswith(":***:*") for code in short)
