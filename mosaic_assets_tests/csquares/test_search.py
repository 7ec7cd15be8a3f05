"""Searches: by every kind of place, at every size, by time and platform, in pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Geometry, LineString, MultiPolygon, Point, Polygon, box

from mosaic_assets.csquares import compress, cover, encode, expand, parent
from mosaic_assets.csquares.index import update_index
from mosaic_assets.csquares.overlap import Overlap, overlap
from mosaic_assets.csquares.places import Where, keys_of_codes
from mosaic_assets.csquares.search import SceneIndex, open_index
from mosaic_assets.errors import CodeError, GeometryError, MosaicError, SettingsError, UnknownNameError
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.published import START, ask_reference_sql, publish, scenes
from mosaic_assets_tests.csquares.shapes import expected_counts, random_polygon, real_footprints

COUNT = 150
SIZES = [10, 5, 1, 0.5]


def outlines() -> list[Geometry]:
    rng = np.random.default_rng(3)
    stars = [random_polygon(rng, 0.5, 0.5) for _ in range(COUNT // 2)]
    # As many again near Tasmania, so that searches there find some and not all.
    return [*stars, *(_near(star, 140, -40) for star in stars)]


def _near(star: Geometry, lng: float, lat: float) -> Geometry:
    centre = star.centroid
    return shapely.transform(star, lambda xy: xy + np.array([lng - centre.x + star.area % 7, lat - centre.y]))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    publish(folder, "one", scenes(COUNT), outlines())
    update_index(folder)
    return folder


@pytest.fixture(scope="module")
def index(archive: Path) -> Iterator[SceneIndex]:
    with open_index(archive) as opened:
        yield opened


@pytest.fixture(scope="module")
def squares() -> list[set[str]]:
    """The half-degree squares of every scene."""
    return [set(cover(outline, 0.5)) for outline in outlines()]


def expected(squares: list[set[str]], codes: list[str]) -> list[int]:
    """Return the scenes that have a half-degree square inside any of some squares."""
    prefixes = tuple(codes)
    return [number for number, own in enumerate(squares) if any(square.startswith(prefixes) for square in own)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("lng", "lat"), [(141.3, -40.2), (147.3, -42.8), (0.1, 0.1), (-180, -90), (139.75, -39.75)])
def test_a_point_finds_the_scenes_of_its_square(
    index: SceneIndex, squares: list[set[str]], lng: float, lat: float, size: float
) -> None:
    code = encode(lng, lat, size)
    assert index.numbers(point=(lng, lat), resolution=size).tolist() == expected(squares, [code])
    assert index.numbers(codes=code).tolist() == expected(squares, [code])


PLACES: list[Geometry] = [
    box(138.3, -41.2, 143.9, -38.8),
    Polygon([(135, -45), (150, -42), (141, -30)]),
    MultiPolygon([box(140, -40, 140.2, -39.8), box(-10, -10, 10, 10)]),
    LineString([(130, -40), (150, -40)]),
    Point(140.2, -40.2),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.geom_type)
def test_a_geometry_finds_the_scenes_of_the_squares_it_covers(
    index: SceneIndex, squares: list[set[str]], place: Geometry, size: float
) -> None:
    found = index.numbers(geometry=place, resolution=size).tolist()
    assert found == expected(squares, cover(place, size))
    assert 0 < len(found) < COUNT


@given(
    st.lists(
        st.tuples(st.floats(130, 150), st.floats(-50, -30), st.sampled_from(SIZES), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_any_list_of_codes_of_any_sizes_finds_their_scenes(
    archive: Path, squares: list[set[str]], asked: list[tuple[float, float, float, bool]]
) -> None:
    plain = [encode(lng, lat, size) for lng, lat, size, _ in asked]
    codes = [
        code if size == 0.5 or not starred else {10: f"{code}:***:*", 5: f"{code}**:*", 1: f"{code}:*"}[int(size)]
        for code, (_, _, size, starred) in zip(plain, asked, strict=True)
    ]
    with open_index(archive) as opened:
        assert opened.numbers(codes=codes).tolist() == expected(squares, plain)
        assert opened.count(codes="|".join(codes)) == len(expected(squares, plain))


@pytest.mark.parametrize("code", ["3414:100:1", "3414:227:4", "3313:499:4", "3414:113:2", "1000:100:1"])
def test_a_square_finds_what_the_sql_of_reference_5_finds(archive: Path, index: SceneIndex, code: str) -> None:
    rows = ask_reference_sql(archive, code)
    scenes_found = index.search(codes=code, limit=1_000).scenes
    assert [(s.id, s.platform, s.time, s.image_location) for s in scenes_found] == rows


def test_the_box_of_reference_5s_request_finds_its_scenes(index: SceneIndex, squares: list[set[str]]) -> None:
    """Slide 18: W_long=150 N_lat=-25 E_long=155 S_lat=-30; here moved to where this archive has scenes."""
    inside = expected(squares, cover(box(135, -45, 140, -40), 0.5))
    assert index.numbers(box=(135, -45, 140, -40)).tolist() == inside
    assert index.numbers(box=(135, -45, 140, -40), resolution=5).tolist() == expected(squares, ["3413:2"])


@pytest.mark.parametrize(
    ("limits", "same"),
    [
        ((170, -60, -170, 60), [box(170, -60, 180, 60), box(-180, -60, -170, 60)]),  # over the date line
        ((180, -60, -120, 60), [box(-180, -60, -120, 60)]),  # from it
        ((120, -60, -180, 60), [box(120, -60, 180, 60)]),  # up to it
        ((-100, -60, 100, 60), [box(-100, -60, 0, 60), box(0, -60, 100, 60)]),  # more than half the globe
        ((-180, -90, 180, 90), [box(-180, -90, 0, 90), box(0, -90, 180, 90)]),  # all of it
        ((140, -41, 140, -39), [LineString([(140, -41), (140, -39)])]),
        ((139, -40, 141, -40), [LineString([(139, -40), (141, -40)])]),
        ((140.1, -40.1, 140.1, -40.1), [Point(140.1, -40.1)]),
    ],
)
def test_boxes_over_the_date_line_over_half_the_globe_and_without_area(
    index: SceneIndex, squares: list[set[str]], limits: tuple[float, ...], same: list[Geometry]
) -> None:
    codes = [code for part in same for code in cover(part, 0.5)]
    found = index.numbers(box=limits).tolist()
    assert found == expected(squares, codes)
    assert len(found) > 0


def test_no_place_is_everywhere(index: SceneIndex) -> None:
    assert index.count() == COUNT
    assert index.numbers().tolist() == list(range(COUNT))
    assert index.count(platform="NOAA-12") == COUNT // 2


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (START + timedelta(hours=10), START + timedelta(hours=12), [10, 11]),  # half-open
        (None, START + timedelta(hours=2), [0, 1]),
        (START + timedelta(hours=COUNT - 2), None, [COUNT - 2, COUNT - 1]),
        ("2003-06-21T08:00", "2003-06-21T10:00:00Z", [2, 3]),
        ("2003-06-21T18:00+10:00", "2003-06-21T20:00+10:00", [2, 3]),
        ("2003-06-21", "2003-06-21T07:00", [0]),
        ("2004-01-01", None, []),
        ("2003-06-22", "2003-06-21", []),
    ],
)
def test_a_span_of_time_includes_its_start_and_not_its_end(
    index: SceneIndex, start: Any, end: Any, numbers: list[int]
) -> None:
    assert index.numbers(start=start, end=end).tolist() == numbers
    assert index.count(start=start, end=end) == len(numbers)


def test_place_time_and_platform_filter_together(index: SceneIndex, squares: list[set[str]]) -> None:
    found = index.numbers(
        codes="3414", start=START + timedelta(hours=80), end=START + timedelta(hours=140), platform="NOAA-14"
    )
    wanted = [number for number in expected(squares, ["3414"]) if 80 <= number < 140 and number % 2 == 1]
    assert found.tolist() == wanted
    assert len(wanted) > 3


def test_scenes_without_a_time_come_last_and_are_in_no_span(tmp_path: Path) -> None:
    publish(tmp_path, "one", [Scene(id="timeless"), *scenes(2)], [box(0, 0, 1, 1)] * 3)
    update_index(tmp_path)
    with open_index(tmp_path) as index:
        assert index.ids().tolist() == ["h0000", "h0001", "timeless"]
        assert index.ids(codes="1000", start="0001-01-01").tolist() == ["h0000", "h0001"]
        assert index.ids(codes="1000", end="9999-12-31").tolist() == ["h0000", "h0001"]


def test_scenes_of_one_time_are_ordered_by_platform_then_id(tmp_path: Path) -> None:
    at = datetime(2003, 6, 21, tzinfo=UTC)
    listed = [Scene(id=i, platform=p, time=at) for i, p in (("b", "X"), ("c", "A"), ("a", "X"))]
    publish(tmp_path, "one", listed, [box(0, 0, 1, 1)] * 3)
    update_index(tmp_path)
    with open_index(tmp_path) as index:
        assert index.ids(codes="1000").tolist() == ["c", "a", "b"]


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_put_together_are_the_whole_answer(index: SceneIndex, limit: int) -> None:
    whole = index.ids(codes="3414").tolist()
    found: list[str] = []
    for page in range(1, len(whole) // limit + 2):
        answer = index.search(codes="3414", limit=limit, page=page)
        assert answer.count == len(whole)
        found += [scene.id for scene in answer.scenes]
    assert found == whole
    assert index.search(codes="3414", limit=limit, page=len(whole) + 2).scenes == []
    assert index.search(codes="3414", limit=0).count == len(whole)


@pytest.mark.parametrize("size", SIZES)
def test_a_scenes_squares_come_back_at_every_size(index: SceneIndex, squares: list[set[str]], size: float) -> None:
    for number in (0, 80, 140):
        wanted = sorted({code if size == 0.5 else parent(code, size) for code in squares[number]})
        assert index.squares_of(f"h{number:04d}", size) == wanted
        assert index.squares_of(f"h{number:04d}", size, compressed=True) == compress(wanted)


def test_a_scene_finds_the_others_that_share_squares(index: SceneIndex, squares: list[set[str]]) -> None:
    wanted = [n for n in range(COUNT) if n != 100 and squares[n] & squares[100]]
    assert index.numbers(scene="h0100").tolist() == wanted
    assert index.search(scene="h0100", platform="NOAA-14").count == sum(n % 2 for n in wanted)
    tens = {code[:4] for code in squares[100]}
    coarse = [n for n in range(COUNT) if n != 100 and tens & {code[:4] for code in squares[n]}]
    assert index.numbers(scene="h0100", resolution=10).tolist() == coarse
    assert 0 < len(wanted) < len(coarse) < COUNT


@pytest.mark.parametrize("size", SIZES)
def test_the_overlap_of_two_scenes_is_that_of_their_lists(
    index: SceneIndex, squares: list[set[str]], size: float
) -> None:
    lists = [{code if size == 0.5 else parent(code, size) for code in squares[n]} for n in (80, 100)]
    both = lists[0] & lists[1]
    wanted = Overlap(len(lists[0]), len(lists[1]), len(both), compress(both) if both else [])
    assert index.overlap("h0080", "h0100", size) == wanted
    assert overlap(compress(squares[80]), squares[100], size) == wanted


def test_lists_without_a_common_square_overlap_in_nothing() -> None:
    assert overlap("3414:100|3414:101", ["3414:102:1"]) == Overlap(8, 1, 0, [])
    assert overlap([], "1000", 10) == Overlap(0, 1, 0, [])


@pytest.mark.parametrize(
    ("codes", "resolution", "same"),
    [
        ("3414:227:4", 10, ["3414"]),
        ("3414:227:4", 1, ["3414:227"]),
        ("3414:***:*", 1, ["3414"]),
        (["3414:1**:*", "3313:499:4"], 5, ["3414:1", "3313:4"]),
        ("3414", 0.5, ["3414"]),
    ],
)
def test_a_resolution_widens_codes_to_the_squares_around_them(
    index: SceneIndex, squares: list[set[str]], codes: Any, resolution: float, same: list[str]
) -> None:
    assert index.numbers(codes=codes, resolution=resolution).tolist() == expected(squares, same)


@given(st.lists(st.integers(0, 259_199), min_size=1, max_size=30, unique=True))
def test_keys_of_codes_stand_for_the_same_squares(ids: list[int]) -> None:
    from mosaic_assets.core import csquare_arrays as arrays
    from mosaic_assets.csquares.pairs import codes_of_keys

    codes = arrays.codes_of_ids(np.array(ids), 3).tolist()
    assert expand(codes_of_keys(np.array(keys_of_codes(codes))).tolist()) == sorted(codes)


@pytest.mark.parametrize(
    ("asked", "error", "part"),
    [
        ({"codes": "3414:227:383"}, CodeError, "half a degree"),
        ({"codes": "0000"}, CodeError, "blank map"),
        ({"codes": "34x4"}, CodeError, "'34x4'"),
        ({"codes": ["3414", "nonsense"]}, CodeError, "nonsense"),
        ({"point": (0, 91)}, GeometryError, "91"),
        ({"point": (0, 1, 2)}, GeometryError, "two numbers"),
        ({"box": (0, 10, 10, 0)}, GeometryError, "south not above north"),
        ({"box": (0, 0, 190, 10)}, GeometryError, "-180..180"),
        ({"box": (0, float("nan"), 10, 10)}, GeometryError, "nan"),
        ({"box": (0, 0, 10)}, GeometryError, "west, south, east, north"),
        ({"geometry": "POINT (0 0)"}, GeometryError, "geometry"),
        ({"resolution": 0.1, "point": (0, 0)}, CodeError, "10, 5, 1 and 0.5"),
        ({"resolution": 2, "point": (0, 0)}, CodeError, "2"),
        ({"codes": "1000", "point": (0, 0)}, SettingsError, "one place"),
        ({"platfrom": "x"}, SettingsError, "platfrom"),
        ({"platform": "NOAA-99"}, UnknownNameError, "NOAA-12, NOAA-14"),
        ({"scene": "h9999"}, UnknownNameError, "h9999"),
        ({"start": "yesterday"}, SettingsError, "'yesterday'"),
        ({"end": 20030621}, SettingsError, "ISO 8601"),
        ({"limit": -1}, SettingsError, "-1"),
        ({"page": 0}, SettingsError, "page 0"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    index: SceneIndex, asked: dict[str, Any], error: type[MosaicError], part: str
) -> None:
    with pytest.raises(error, match=part.replace(".", r"\.")):
        index.search(**asked)


def test_an_unknown_scene_has_no_squares_and_no_overlap(index: SceneIndex) -> None:
    for ask in (lambda: index.squares_of("nobody"), lambda: index.overlap("h0000", "nobody")):
        with pytest.raises(UnknownNameError, match="nobody"):
            ask()


@needs_shared_data
def test_every_real_scene_is_found_by_every_square_of_its_own(tmp_path: Path) -> None:
    """Footprints of data/csquares whose squares GEOS agrees with as they are."""
    found = real_footprints()
    ids = [row["id"] for row in expected_counts() if row["method"] == "as-is"]
    publish(tmp_path, "real", [Scene(id=scene_id) for scene_id in ids], [found[scene_id] for scene_id in ids])
    update_index(tmp_path)
    rng = np.random.default_rng(1)
    with open_index(tmp_path) as index:
        for scene_id in ids:
            codes = index.squares_of(scene_id)
            assert codes == cover(found[scene_id], 0.5)
            for code in rng.choice(codes, 5):
                where: Where = {"codes": str(code)}
                assert scene_id in index.ids(**where)
