"""JSON that is large, broken or oddly written: what is good in it is read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.csquares.readers import json_text, read_scene_file
from mosaic_assets.csquares.readers.json_text import JsonText
from mosaic_assets.csquares.readers.records import Lost
from mosaic_assets_tests.csquares.readers.written import collection, feature, ids, read_json, read_text, reasons

A, B, C = (json.dumps(feature(name)) for name in "ABC")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (A, "GeoJSON", "A"),
        (f"[{A}, {B}]", "GeoJSON", "AB"),
        (f"[{A}, {B},]", "GeoJSON", "AB"),
        (json.dumps(collection(feature("A"), feature("B")), indent=2), "GeoJSON", "AB"),
        (f'{{"features": [{A}], "type": "FeatureCollection"}}', "GeoJSON", "A"),
        (f'{{\n"type": "FeatureCollection",\n"features": [\n{A},\n{B}\n]\n}}', "GeoJSON", "AB"),
        (f'{{"type": "FeatureCollection", "features": [\n{A}\n]}}', "GeoJSON", "A"),
        (f"{A}\n{B}", "newline-delimited GeoJSON", "AB"),
        (f"{A}\r\n\r\n{B}\r\n", "newline-delimited GeoJSON", "AB"),
        (f"{A},\n{B},\n", "newline-delimited GeoJSON", "AB"),
        (f"{A}\n{B}{C}", "newline-delimited GeoJSON", "ABC"),
        (f'{{"features": [{A}, {B}]}}\n{C}', "newline-delimited GeoJSON", "ABC"),
        (f"{A} {B}", "GeoJSON", "AB"),
        (f"{json.dumps(feature('A'), indent=1)}\n{json.dumps(feature('B'), indent=1)}", "GeoJSON", "AB"),
        (f"\x1e{A}\n\x1e{B}\n", "GeoJSON text sequence", "AB"),
        (f"\x1e{json.dumps(feature('A'), indent=1)}\n\x1e\x1e{B}\n", "GeoJSON text sequence", "AB"),
        (f"\n\n  {A}", "GeoJSON", "A"),
        ('{"id": "A", "geometry": {"type": "Point", "coordinates": [1, 2]}, "platform": "NOAA-12"}', "GeoJSON", "A"),
    ],
)
def test_features_are_found_however_they_are_put_together(tmp_path: Path, text: str, name: str, expected: str) -> None:
    found = read_text(tmp_path, text)
    assert (found.format, ids(found), found.rejected) == (name, list(expected), [])


CUT = "the file ends within it, or it lacks a bracket or quote; mend the file there"


@pytest.mark.parametrize(
    ("text", "expected", "rejected"),
    [
        (f"[{A}, {{oops}}, {C}]", "AC", {"feature 2": "it is not JSON: Expecting property name enclosed in double quotes near"}),
        (f'[{A}, {{"id": "]}}", 7}}, {C}]', "AC", {"feature 2": "it is not JSON: Expecting property name enclosed"}),
        (f"[{A}, oops, {C}]", "AC", {"feature 2": "it is not JSON: Expecting value near"}),
        (f"[{A}, 7, null, [], {C}]", "AC", {"feature 2": "it is 7; expected a GeoJSON Feature", "feature 3": "it is None; expected"}),
        (f"[{A}, {B[:-30]}", "A", {"feature 2": "it is not JSON: ", "feature 2 and what follows": CUT}),
        (f"[{A}, {B}", "AB", {"feature 3 and what follows": "the file ends before its list of features does; it was cut short"}),
        (f"[{A} {B}]", "A", {"feature 1 and what follows": "it is not JSON: a comma is missing before '{'; mend it there"}),
        (f'{{"features": [{A}], "crs" 7}}', "A", {"feature 2 and what follows": "it is not JSON: a colon is missing"}),
        (f'{{"features": [{A}] "name": 7}}', "A", {"feature 2 and what follows": "it is not JSON: a comma or brace is missing"}),
        (f'{{"features": [{A}]', "A", {"feature 2 and what follows": "it is not JSON: a comma or brace is missing"}),
        (f"{A}\n{{oops}}\n{C}", "AC", {"line 2": "it is not JSON: Expecting property name enclosed"}),
        (f"{A[:-9]}\n{B}\n{C}", "BC", {"line 1": "it is not JSON: "}),
        (f"{A}\n{B[:50]}\n{C}", "AC", {"line 2": "it is not JSON: Expecting"}),
        (f"{A}\n[[{B}], 7]\n", "AB", {"line 2, feature 2": "it is 7; expected a GeoJSON Feature"}),
        (f"\x1e{A}\n\x1e{B[:50]}\x1e{C}\n", "AC", {"record 2": "it is not JSON: Expecting"}),
        (f'[{A}, {{"id": {"1" * 5000}}}, {C}]', "AC", {"feature 2": "it is not JSON that can be read: Exceeds the limit"}),
        (f"[{A}, {'[' * 200_000}{']' * 200_000}, {C}]", "AC", {"feature 2": "it is nested too deeply to be a footprint"}),
        (f"{A}\n{'[' * 300}{']' * 300}\n{C}", "AC", {}),
        (f"[{A}, {{}}]", "A", {"feature 2": "it is an object with []; expected a GeoJSON Feature: hand in the features"}),
        ('{"type": "Point", "coordinates": [1, 2]}', "",
         {"feature 1": "it is an object of the type 'Point'; expected a GeoJSON Feature: put it in a Feature with an id"}),
        ('{"type": "Catalog", "id": "x"}', "", {"feature 1": "it is an object of the type 'Catalog'; expected a GeoJSON"}),
        (f'[{A}, {{"type": {{}}, "id": {{}}}}]', "A", {"feature 2": "it is an object of the type {}; expected a GeoJSON Feature"}),
        (f'[{A}, {{"type": "Feature", "properties": [7]}}]', "A", {"feature 2": "its properties are [7]; expected an object or null"}),
        ('{"type": "FeatureCollection", "features": []}', "", {"the whole file": "it holds no record; expected one at least"}),
        ("[]", "", {"the whole file": "it holds no record; expected one at least"}),
        ('{"features": 7}', "", {"feature 1": "it is an object with ['features']; expected a GeoJSON Feature"}),
        ("[7", "", {"feature 1": "it is 7; expected", "feature 2 and what follows": "the file ends before"}),
        (f"{A}{{", "A", {"feature 2 and what follows": "it is not JSON: "}),
    ],
)  # fmt: skip
def test_a_broken_feature_costs_no_other(tmp_path: Path, text: str, expected: str, rejected: dict[str, str]) -> None:
    found = read_text(tmp_path, text)
    assert ids(found) == list(expected)
    told = dict(reasons(found))
    for record, reason in rejected.items():
        assert told[record].startswith(reason), told


def test_of_scenes_with_one_id_the_last_that_can_be_used_is_kept(tmp_path: Path) -> None:
    found = read_json(
        tmp_path, [feature("A", platform="1"), feature("B"), feature("A", platform="2"), feature("A", None)]
    )
    assert [(one.scene.id, one.scene.platform) for one in found.footprints] == [("B", ""), ("A", "2")]
    assert reasons(found) == [
        ("feature 1 (scene A)", "superseded by feature 3 of the same file"),
        ("feature 4 (scene A)", "it has no geometry; expected the outline of the scene"),
    ]


def test_rejections_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    bowtie = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    features = [feature("1", bowtie), feature("2", None), feature("3"), 4, feature("5", bowtie)]
    assert [one.record for one in read_json(tmp_path, features).rejected] == [
        "feature 1 (scene 1)",
        "feature 2 (scene 2)",
        "feature 4",
        "feature 5 (scene 5)",
    ]


@pytest.mark.parametrize("text", ["collection", "list", "lines"])
def test_files_larger_than_the_piece_that_is_held_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A thousand features, of which the parser holds a few hundred characters at a time."""
    monkeypatch.setattr(json_text, "_PIECE", 300)
    features = [feature(f"s{number}") for number in range(1000)]
    features[500] = {"type": "Feature"}
    content = {"collection": json.dumps(collection(*features, name="x")), "list": json.dumps(features, indent=1),
               "lines": "\n".join(map(json.dumps, features))}[text]  # fmt: skip
    found = read_text(tmp_path, content)
    assert ids(found) == [f"s{number}" for number in range(1000) if number != 500]
    assert [one.record for one in found.rejected] == ["line 501" if text == "lines" else "feature 501"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, max_size=5), st.integers(1, 40), st.booleans())
def test_where_a_text_is_cut_into_pieces_makes_no_difference(value: list[Any], piece: int, ascii_only: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        text = JsonText(io.StringIO(json.dumps(value, ensure_ascii=ascii_only) + " 7"))
        assert text.take("[")
        read = []
        while not text.take("]"):
            read.append(text.value())
            text.take(",")
        assert (read, text.value(), text.peek()) == (value, 7, "")


@given(
    st.lists(values.filter(lambda value: isinstance(value, (list, dict))), min_size=1, max_size=5), st.integers(1, 40)
)
def test_elements_are_passed_over_to_their_ends(value: list[Any], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        text = JsonText(io.StringIO(json.dumps(value)))
        text.take("[")
        for _ in value:
            text.skip()
            assert text.peek() in (",", "]")
            text.take(",")
        assert text.take("]")


@given(values, st.data())
def test_a_text_that_is_cut_off_is_lost_not_misread(value: Any, data: st.DataObject) -> None:
    whole = json.dumps([value])
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(Lost):
        JsonText(io.StringIO(cut)).value()


def test_a_record_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MAX_RECORD_CHARACTERS", 4_000)
    monkeypatch.setattr(json_text, "_PIECE", 100)
    huge = feature("huge", text="[" * 10_000)
    found = read_json(tmp_path, collection(feature("A"), huge, feature("B")))
    assert ids(found) == ["A", "B"]
    assert reasons(found) == [("feature 2", "it has more than 4,000 characters; expected fewer: simplify the outline")]


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosaic_assets.csquares.readers import text

    monkeypatch.setattr(text, "MAX_RECORD_CHARACTERS", 4_000)
    content = "\n".join([A, json.dumps(feature("huge", text="x" * 10_000)), B])
    found = read_text(tmp_path, content, "scenes.ndjson")
    assert (ids(found), [one.record for one in found.rejected]) == (["A", "B"], ["line 2"])


def test_a_member_of_that_name_in_a_feature_is_no_coordinate_system(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(collection(feature("A", crs="EPSG:3857"))))
    assert read_scene_file(tmp_path / "x.json").footprints[0].geometry.bounds == (140, -50, 150, -40)
