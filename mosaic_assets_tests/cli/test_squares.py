"""`mosaic csquare`: what the codes are is tested in csquares/; here, that the shell gets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.cli.main import mosaic
from mosaic_assets.csquares import encode
from mosaic_assets_tests.cli.conftest import Type, run_process

BOX = {"type": "Polygon", "coordinates": [[[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]]}
POINT = {"type": "Point", "coordinates": [-0.5, -0.5]}


def csquare(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(mosaic, ["csquare", *arguments], input=stdin)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [  # CSIRO c-squares FAQ Q9 and Q18: zero, poles, the date line; the signs make each look like an option
        (["0", "10", "--resolution", "10"], "1100"),
        (["-5", "0", "--resolution", "10"], "7000"),
        (["0", "-5", "--resolution", "10"], "3000"),
        (["-10", "-10", "--resolution", "10"], "5101"),
        (["-180", "-90"], "5817:499:4"),
        (["--resolution", "0.5", "180", "90"], "1817:499:4"),
    ],
)
def test_encode_prints_the_code(arguments: list[str], code: str) -> None:
    said = csquare("encode", *arguments)
    assert (said.exit_code, said.output) == (0, f"{code}\n")


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_encode_reads_every_number_that_python_prints(lng: float, lat: float) -> None:
    assert csquare("encode", repr(lng), repr(lat)).output == f"{encode(lng, lat, 0.5)}\n"


def test_encode_takes_negative_numbers_from_a_shell(tmp_path: Path) -> None:
    said = run_process(tmp_path, "csquare", "encode", "-10.5", "-42.8")
    assert (said.code, said.out, said.err) == (0, "5401:120:4\n", "")


def test_decode_prints_bounds_and_size_of_each_code() -> None:
    # CSIRO's FAQ: 3414:227:4 is the half-degree square from 42.5 S 147.5 E; the second is written without colons.
    said = csquare("decode", "3414:227:4", "1000")
    assert said.output == "3414:227:4 147.5 -43 148 -42.5 0.5\n1000 0 0 10 10 10\n"


def test_decode_understands_codes_without_colons() -> None:
    assert json.loads(csquare("decode", "34142274", "--json").output) == [
        {"code": "3414:227:4", "west": 147.5, "south": -43.0, "east": 148.0, "north": -42.5, "resolution": 0.5}
    ]


@pytest.mark.parametrize(
    "content",
    [
        BOX,
        {"type": "Feature", "properties": {}, "geometry": BOX},
        {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "geometry": BOX}, {"type": "Feature", "geometry": None}],
        },
        {"type": "GeometryCollection", "geometries": [BOX]},
    ],
    ids=["geometry", "feature", "collection", "geometries"],
)
def test_cover_reads_every_form_of_geojson(tmp_path: Path, content: object) -> None:
    file = tmp_path / "box.geojson"
    file.write_text(json.dumps(content))
    # A 10-degree box that touches eight neighbours owns one square, which is 400 of half a degree.
    assert csquare("cover", str(file), "--resolution", "10").output == "1101\n"
    assert csquare("cover", str(file), "--compressed").output == "1101:***:*\n"
    assert len(csquare("cover", str(file)).output.splitlines()) == 400


def test_cover_joins_the_features_and_names_a_shared_square_once() -> None:
    both = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": g} for g in (POINT, BOX, POINT)]}
    said = csquare("cover", "-", "--resolution", "10", "--json", stdin=json.dumps(both))
    assert json.loads(said.output) == ["1101", "5000"]


def test_cover_follows_great_circles_when_asked() -> None:
    # The great circle between two points of 60.5 N, 90 degrees apart, reaches atan(tan 60.5 / cos 45) = 68.2 N.
    line = json.dumps({"type": "LineString", "coordinates": [[0.5, 60.5], [90.5, 60.5]]})
    straight, bent = (
        csquare("cover", "-", "--resolution", "1", "--edges", e, stdin=line).output for e in ("planar", "great_circle")
    )
    # Digits 2 and 6 of a 1-degree code are tens and units of the latitude.
    assert max(int(code[1]) * 10 + int(code[6]) for code in straight.split()) == 60
    assert max(int(code[1]) * 10 + int(code[6]) for code in bent.split()) == 68


def test_cover_of_nothing_prints_nothing() -> None:
    said = csquare("cover", "-", stdin='{"type": "FeatureCollection", "features": []}')
    assert (said.exit_code, said.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode", "500", "0"], "lng in -180..180"),
        (["encode", "0", "91"], "lat in -90..90"),
        (["encode", "nan", "0"], "nan"),
        (["encode", "1", "2", "--resolution", "0.3"], "there is none of 0.3 degrees"),
        (["encode", "1", "2", "--resoluton", "1"], "--resoluton"),
        (["encode", "x", "2"], "not a valid float"),
        (["decode", "9999"], "9999"),
        (["decode"], "Missing argument"),
        (["cover", "nowhere.geojson"], "No such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_named_and_ends_with_2(type_command: Type, arguments: list[str], words: str) -> None:
    said = type_command("csquare", *arguments)
    assert said.code == 2 and words in said.err and said.out == ""


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "7", '{"type": "Topology"}', '{"type": "Polygon"}', '{"type": "FeatureCollection", "features": null}',
     '{"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [1, 0]]]}', '{"type": "Feature"}', "\x00"],
)  # fmt: skip
def test_what_is_no_geojson_is_refused_by_name(tmp_path: Path, type_command: Type, text: str) -> None:
    (tmp_path / "bad.geojson").write_text(text)
    said = type_command("csquare", "cover", "bad.geojson")
    assert said.code == 2 and "reading GeoJSON from bad.geojson failed" in said.err


def test_a_polygon_that_crosses_itself_is_refused_with_the_place(type_command: Type, tmp_path: Path) -> None:
    bowtie = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    (tmp_path / "bowtie.geojson").write_text(json.dumps(bowtie))
    said = type_command("csquare", "cover", "bowtie.geojson")
    assert said.code == 2 and "Self-intersection[1 1]" in said.err
