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
        (["encode", "x", "2"], "'x 2': expected longitude and latitude"),
        (["encode", "1", "2", "3"], "got 1 2 3"),
        (["encode", "nowhere.csv"], "reading 'nowhere.csv' failed"),
        (["decode", "9999"], "9999"),
        (["decode", "3414:1**"], "3414:1**"),
        (["decode", "nowhere.txt"], "'nowhere.txt' is no file, and no list of c-squares"),
        (["compress", "1000:127"], "1000:127"),
        (["expand", "9***"], "9***"),
        (["draw", "3414:227:9", "--output", "x.png"], "3414:227:9"),
        (["draw", "3414", "--output", "nowhere/x.png"], "writing nowhere/x.png failed"),
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


# --- lists of codes and points, from arguments, files and pipes -------------------------------------------------------


FOUR = ["3414:100:1", "3414:100:2", "3414:100:3", "3414:100:4"]


@pytest.mark.parametrize(
    "given",
    [
        (FOUR, None),
        (["|".join(FOUR)], None),
        (["3414:100:1|3414:100:2", "34141003,34141004"], None),
        ([], "\n".join(FOUR)),
        (["-"], "|".join(FOUR)),
        (["-"], "\r\n".join([*FOUR, "", ""])),
        ([FOUR[0], "-"], "\n".join(FOUR[1:])),
        (["FILE"], None),
        (["3414:100:%"], None),
    ],
)
def test_codes_come_from_arguments_files_and_pipes(tmp_path: Path, given: tuple[list[str], str | None]) -> None:
    file = tmp_path / "codes.txt"
    file.write_text("\n".join(FOUR))
    arguments = [str(file) if argument == "FILE" else argument for argument in given[0]]
    assert csquare("compress", *arguments, stdin=given[1]).output == "3414:100:*\n"
    assert csquare("expand", *arguments, "--join", stdin=given[1]).output == "|".join(FOUR) + "\n"


def test_compress_and_expand_undo_each_other_through_a_pipe() -> None:
    short = csquare("compress", "3414:1**:*", "3414:227:4").output
    assert short == "3414:1**:*\n3414:227:4\n"
    long = csquare("expand", stdin=short).output
    assert len(long.splitlines()) == 101
    assert csquare("compress", stdin=long).output == short
    assert json.loads(csquare("compress", "--json", stdin=long).output) == ["3414:1**:*", "3414:227:4"]


def test_nothing_in_gives_nothing_out() -> None:
    for command in ("compress", "expand", "decode", "encode"):
        said = csquare(command, stdin="\n")
        assert (said.exit_code, said.output) == (0, ""), command


@pytest.mark.parametrize(
    "text",
    [
        "147.3 -42.8\n-4 50\n",
        "147.3,-42.8\n-4,50\n",
        "147.3;-42.8\n\n-4\t50",
        "lng,lat\n147.3,-42.8\n-4,50\n",
        "station,latitude,longitude\nHobart,-42.8,147.3\nBrest,50,-4\n",
    ],
)
def test_encode_reads_points_a_line(tmp_path: Path, text: str) -> None:
    # 42.8 and 147.3 lie on lines of the grid; the codes are those of the FAQ's rule, as in test_codes.
    expected = "3414:227:383\n7500:104:100\n"
    assert csquare("encode", "--resolution", "0.1", stdin=text).output == expected
    (tmp_path / "points.csv").write_text(text)
    assert csquare("encode", str(tmp_path / "points.csv"), "--resolution", "0.1").output == expected


def test_a_bad_line_of_points_is_named(type_command: Type, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("lng,lat\n1,2\n3\n")
    said = type_command("csquare", "encode", "points.csv")
    assert said.code == 2 and "line 3 of points.csv, '3'" in said.err


def test_cover_of_each_feature_by_its_id() -> None:
    lines = [
        {"type": "Feature", "id": "a", "geometry": BOX},
        {"type": "Feature", "properties": {"id": 7}, "geometry": POINT},
        POINT,
    ]
    text = "\n".join(map(json.dumps, lines))
    said = csquare("cover", "--resolution", "5", "--each", "--compressed", stdin=text)
    assert said.output == "a\t1101:*\n7\t5000:1\n3\t5000:1\n"
    said = csquare("cover", "--resolution", "10", "--each", "--json", stdin=text)
    assert json.loads(said.output)[1] == {"id": "7", "csquares": ["5000"]}


def test_draw_writes_a_png_to_a_file_or_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "squares.png"
    assert csquare("draw", "3414:1**:*", "--output", str(file)).output == ""
    piped = csquare("draw", "-", stdin="3414:1**:*\n")
    assert file.read_bytes()[:4] == b"\x89PNG"
    assert piped.stdout_bytes == file.read_bytes()


def test_a_person_who_gives_nothing_is_told_not_waited_for(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    said = type_command("csquare", "decode")
    assert said.code == 2 and "nothing to read" in said.err
