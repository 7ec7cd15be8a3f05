"""Codes: the rules, the outside tools' answers, and the laws of the hierarchy."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of, resolution_of, side_of
from mosaic_assets.csquares import (
    children,
    decode,
    encode,
    expand,
    format_codes,
    is_valid,
    neighbours,
    parent,
    parents,
    parse,
    read_code,
)
from mosaic_assets.errors import CodeError, GeometryError
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.shapes import DATA

RESOLUTIONS = [10, 5, 1, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5, 1e-6, 1e-7]
levels = st.integers(0, 16)
longitudes = st.one_of(st.floats(-180, 180), st.integers(-1800, 1800).map(lambda n: n / 10))
latitudes = st.one_of(st.floats(-90, 90), st.integers(-900, 900).map(lambda n: n / 10))


@st.composite
def codes(draw: st.DrawFn, top: int = 0, bottom: int = 16) -> str:
    level = draw(st.integers(top, bottom))
    number = draw(st.integers(0, arrays.total_of(level) - 1))
    return str(arrays.codes_of_ids(np.array([number]), level)[0])


@pytest.mark.parametrize(
    ("lng", "lat", "resolution", "code"),
    [  # CSIRO c-squares FAQ Q9 and Q18: lines, zero, poles and the date line
        (0, 10, 10, "1100"),
        (0, 0, 10, "1000"),
        (-0.0, -0.0, 10, "1000"),
        (-5, 0, 10, "7000"),
        (0, -5, 10, "3000"),
        (-10, -10, 10, "5101"),
        (180, 90, 10, "1817"),
        (-180, -90, 10, "5817"),
        (180, 90, 0.5, "1817:499:4"),
        (-180, -90, 0.5, "5817:499:4"),
        # aquamapsdata's tests: a place whose binary floats fall short of its decimals
        (147.3, -42.8, 1e-5, "3414:227:383:100:100:100:100"),
        ("147.3", Decimal("-42.8"), 1e-5, "3414:227:383:100:100:100:100"),
        # vmstools' example: on the line goes outward
        (-4, 50, 0.01, "7500:104:100:100"),
    ],
)
def test_a_point_on_a_line_goes_to_the_square_that_owns_the_line(
    lng: float, lat: float, resolution: float, code: str
) -> None:
    assert encode(lng, lat, resolution) == code


@needs_shared_data
def test_every_worked_example_of_the_specification_and_its_peers_holds() -> None:
    with (DATA / "worked_examples.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    seen = 0
    for row in rows:
        kind, code = row["kind"], row["code"]
        if kind in ("encode", "rule_on_line", "rule_zero", "rule_edge"):
            assert encode(row["lon"], row["lat"], float(row["resolution"])) == code, row
        elif kind == "decode_center":
            west, south, east, north, size = decode(code)
            centre = ((west + east) / 2, (south + north) / 2, size)
            assert centre == pytest.approx((float(row["lon"]), float(row["lat"]), float(row["resolution"])))
        elif kind == "decode_bounds":
            found = decode(code)
            assert (found.west, found.south, found.resolution) == (
                float(row["lon"]),
                float(row["lat"]),
                float(row["resolution"]),
            )
        elif kind in ("valid", "valid_list"):
            assert all(is_valid(part) for part in parse(code)), row
        elif kind in ("invalid", "sentinel"):
            assert not is_valid(code), row
        elif kind == "variant":
            assert read_code(code) == "1500:111:133"
        else:
            seen -= 1
        seen += 1
    assert seen == len(rows) - 9  # wildcards, refinement and lengths have tests of their own below


@needs_shared_data
def test_points_agree_with_vmstools() -> None:
    with gzip.open(DATA / "points_expected.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 6_000
    for size in {row["resolution"] for row in rows}:
        some = [row for row in rows if row["resolution"] == size]
        lng, lat = (np.array([float(row[name]) for row in some]) for name in ("lon", "lat"))
        expected = [row["code"] for row in some]
        assert encode(lng, lat, float(size)).tolist() == expected
        assert [encode(x, y, float(size)) for x, y in zip(lng, lat, strict=True)] == expected


@needs_shared_data
def test_half_degree_squares_agree_with_aquamaps() -> None:
    with gzip.open(DATA / "halfdeg_cells_expected.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    found = decode([row["CsquareCod"] for row in rows])
    for name, column in (("west", "WLimit"), ("south", "Slimit"), ("east", "ELimit"), ("north", "NLimit")):
        np.testing.assert_array_equal(getattr(found, name), [float(row[column]) for row in rows])
    centres = encode([float(row["CenterLong"]) for row in rows], [float(row["CenterLat"]) for row in rows], 0.5)
    assert centres.tolist() == [row["CsquareCod"] for row in rows]


@given(longitudes, latitudes, levels)
def test_one_point_and_an_array_of_points_get_equal_codes(lng: float, lat: float, level: int) -> None:
    assert encode([lng], [lat], resolution_of(level)).tolist() == [encode(lng, lat, resolution_of(level))]


@given(longitudes, latitudes, levels)
def test_codes_are_what_exact_decimals_give(lng: float, lat: float, level: int) -> None:
    """Decimal counts squares without rounding; the code's own digits count them too."""
    size = Decimal(10) / side_of(level)
    exact = [
        min((abs(Decimal(repr(value))) / size).to_integral_value(ROUND_FLOOR), tens * side_of(level) - 1)
        for value, tens in ((lat, 9), (lng, 18))
    ]
    code = encode(lng, lat, resolution_of(level))
    row, col = arrays.cells_of_ids(arrays.ids_of_codes(np.array([code]), level), level)
    assert [-1 - row[0] if lat < 0 else row[0], -1 - col[0] if lng < 0 else col[0]] == exact


@given(codes())
def test_a_square_s_middle_encodes_to_the_square(code: str) -> None:
    west, south, east, north, size = decode(code)
    assert encode((west + east) / 2, (south + north) / 2, size) == code


@given(codes())
def test_a_square_owns_its_corner_nearest_to_zero_and_not_the_opposite_one(code: str) -> None:
    west, south, east, north, size = decode(code)
    near = (min(west, east, key=abs), min(south, north, key=abs))
    far = (max(west, east, key=abs), max(south, north, key=abs))
    sign = (np.sign((west + east) / 2), np.sign((south + north) / 2))
    inside = [value if value else 0.0 * way for value, way in zip(near, sign, strict=True)]
    owns_zero = all(value or way > 0 for value, way in zip(near, sign, strict=True))
    assert (encode(inside[0], inside[1], size) == code) is owns_zero
    at_the_rim = abs(far[0]) == 180 and abs(far[1]) == 90
    assert (encode(far[0], far[1], size) == code) is at_the_rim


@given(codes())
def test_array_and_scalar_decoding_agree(code: str) -> None:
    assert [float(part[0]) for part in decode([code])] == list(decode(code))


@given(st.text(alphabet="012345678:*", max_size=16))
def test_array_and_scalar_validity_agree(text: str) -> None:
    assert is_valid([text]).tolist() == [is_valid(text)]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_order_of_ids_is_order_of_codes(level: int) -> None:
    everything = arrays.codes_of_ids(np.arange(arrays.total_of(level)), level)
    assert (everything[1:] > everything[:-1]).all()
    assert is_valid(everything).all()
    np.testing.assert_array_equal(arrays.ids_of_codes(everything, level), np.arange(len(everything)))


@given(codes(bottom=15))
def test_children_make_up_their_parent(code: str) -> None:
    inside = children(code)
    assert {parent(child) for child in inside} == {code}
    limits, whole = decode(inside), decode(code)
    assert (limits.west.min(), limits.south.min()) == (whole.west, whole.south)
    assert (limits.east.max(), limits.north.max()) == (whole.east, whole.north)
    assert len(set(inside)) == round((whole.resolution / limits.resolution[0]) ** 2)


@given(codes(top=1))
def test_parents_are_the_prefixes(code: str) -> None:
    middle = decode(code)
    at = (middle.west + middle.east) / 2, (middle.south + middle.north) / 2
    expected = [encode(*at, resolution_of(level)) for level in range((len(code) - 4) // 2)]
    assert parents(code) == expected
    assert parent(code) == expected[-1]
    assert parent([code], 10).tolist() == [expected[0]]


@given(codes())
def test_neighbours_are_mutual_and_next_to_each_other(code: str) -> None:
    around = neighbours(code)
    south, north = decode(code).south, decode(code).north
    assert len(around) == len(set(around)) == (5 if -90 in (south, north) or 90 in (south, north) else 8)
    assert all(code in neighbours(other) for other in around)
    assert [other for other in neighbours([code])[0] if other] == around


def test_neighbours_go_round_from_the_north_and_over_the_date_line() -> None:
    # Read off a map by hand.
    assert neighbours("1017") == ["1117", "7117", "7017", "5017", "3017", "3016", "1016", "1116"]


def test_five_degree_quarter_four_holds_the_digits_from_five_to_nine() -> None:
    # R csquares, test-resample.R: 3000:4 refined.
    assert children("3000:4") == [f"3000:4{y}{x}" for y in range(5, 10) for x in range(5, 10)]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("2000", "first character"),
        ("1900", "second character"),
        ("1099", "three and four"),
        ("foobar", "first character"),
        ("0000:0", "blank map"),
        ("3414:127", "contradicts itself"),
        ("3414:2", ""),
        ("3414:5", "blocks"),
        ("3414:22", "blocks"),
        ("3414:227:", "blocks"),
        ("3414227", "blocks"),
        ("3414:***", "wildcards"),
        ("３414", "first character"),
        ("3414" + ":100" * 9, "longer than 36"),
    ],
)
def test_a_refused_code_is_told_why(code: str, reason: str) -> None:
    assert is_valid(code) is (reason == "")
    if reason:
        with pytest.raises(CodeError, match=reason):
            decode(code)


@pytest.mark.parametrize(("lng", "lat"), [(180.1, 0), (0, 90.1), (float("nan"), 0), (None, 0), ("east", 0)])
def test_a_place_outside_the_world_is_refused(lng: float, lat: float) -> None:
    with pytest.raises(GeometryError):
        encode(lng, lat, 1)
    with pytest.raises(GeometryError):
        encode([0, lng], [0, lat], 1)


def test_longitudes_wrap_only_on_request() -> None:
    assert encode(190.3, 1, 0.1, wrap=True) == encode(-169.7, 1, 0.1)
    assert encode([190.3, 359.9], 1, 0.1, wrap=True).tolist() == encode([-169.7, -0.1], 1, 0.1).tolist()
    assert encode(180, 1, 10, wrap=True) == "1017"


def test_single_precision_numbers_count_as_the_decimals_they_were() -> None:
    assert encode(np.array([147.3], "f4"), np.float32(-42.8), 0.1).tolist() == ["3414:227:383"]


@pytest.mark.parametrize("resolution", [*RESOLUTIONS, 0.3 - 0.2])
def test_resolutions_have_levels(resolution: float) -> None:
    assert len(encode(1, 1, resolution)) == 4 + 2 * level_of(resolution)


@pytest.mark.parametrize("resolution", [2, 0, -1, 0.25, 1e-8, float("nan"), None, "half"])
def test_other_resolutions_are_refused(resolution: float) -> None:
    with pytest.raises(CodeError, match="there is none of"):
        encode(1, 1, resolution)


def test_arrays_keep_their_shape() -> None:
    assert encode(np.zeros((2, 3)), 5, 1).shape == (2, 3)
    assert encode([], [], 1).shape == (0,)
    assert decode(np.array([["1000"], ["3414:1"]])).resolution.tolist() == [[10], [5]]
    assert children(["1000", "1001"]).shape == (2, 4)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("3416:237|3416:238|3415:132", ["3416:237", "3416:238", "3415:132"]),  # the mapper's own example
        ("1000|1000:1", ["1000", "1000:1"]),
        ("", []),
    ],
)
def test_lists_are_read_and_written_alike(text: str, codes: list[str]) -> None:
    assert parse(text) == codes
    assert format_codes(codes) == text


@pytest.mark.parametrize(("count", "size", "length"), [(10, 1, 89), (1000, 0.5, 10_999)])  # FAQ Q15
def test_lists_are_as_long_as_the_specification_says(count: int, size: float, length: int) -> None:
    lng, lat = np.divmod(np.arange(count), 50)
    assert len(format_codes(encode(lng, lat, size).tolist())) == length


@pytest.mark.parametrize("text", ["34141001", "3414-100-1", " 3414:100:1 ", "3414 100 1"])
def test_lenient_reading_restores_the_colons(text: str) -> None:
    assert parse(text, lenient=True) == ["3414:100:1"]
    with pytest.raises(CodeError, match="number 0"):
        parse(text)


@given(codes())
def test_codes_survive_the_loss_of_their_colons(code: str) -> None:
    assert read_code(code.replace(":", "")) == code


@pytest.mark.parametrize("text", ["341410", "34141271", "3416:237||3416:238", "3416:237|"])
def test_lists_with_a_bad_part_are_refused(text: str) -> None:
    with pytest.raises(CodeError):
        parse(text)


def test_compressed_codes_are_read_where_asked() -> None:
    assert parse("3414:1**:*|3414:227:4", wildcards=True) == ["3414:1**:*", "3414:227:4"]
    assert parse("3414***%", lenient=True, wildcards=True) == ["3414:***:*"]
    assert len(expand(parse("3414:1**:*", wildcards=True))) == 100
    with pytest.raises(CodeError):
        format_codes(["3414***"])


def test_importing_the_package_stays_cheap() -> None:
    heavy = "{'shapely', 'pandas', 'scipy', 'dagster'} & set(sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, mosaic_assets.csquares; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "set()"
