"""Which values of a record make the scene."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.csquares.readers.fields import NAMES, gather, is_known, scene_of, squash
from mosaic_assets.csquares.readers.records import Lost
from mosaic_assets_tests.csquares.readers.written import feature, ids, read_json, reasons

SIX = datetime(2003, 6, 21, 6, 23, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in NAMES for name in NAMES[kind] if kind != "time"])
def test_every_name_is_looked_for_however_it_is_spelt(kind: str, name: str) -> None:
    for spelling in (name, name.upper(), name.replace("_", "-"), name.title().replace("_", "")):
        scene = scene_of(gather({"scene_id": "x"} if kind != "id" else {}, {spelling: "found"}))
        assert getattr(scene, kind) == ("x" if name == "scene_id" and kind != "id" else "found")


@pytest.mark.parametrize("name", NAMES["time"])
def test_every_name_of_a_time_is_looked_for(name: str) -> None:
    assert scene_of(gather({"id": "x", name: "2003-06-21T06:23:00Z"})).time == SIX


@pytest.mark.parametrize(
    ("member", "properties", "expected"),
    [
        ("h1awj", {}, "h1awj"),
        (17, {}, "17"),
        ("h1awj", {"id": "other", "title": "other"}, "h1awj"),
        ("h1awj", {"scene_id": "S1"}, "S1"),
        (3, {"id": "S1"}, "S1"),
        ("3", {"identifier": "S1"}, "S1"),
        (3, {"title": "Hobart", "name": "Hobart"}, "3"),
        (None, {"title": "S1", "name": "Hobart"}, "S1"),
        (None, {"name": " S1 "}, "S1"),
        (None, {"id": 17.0}, "17"),
        (None, {"id": True, "name": "S1"}, "S1"),
        (None, {"id": "nan", "name": "S1"}, "S1"),
    ],
)
def test_ids_that_somebody_chose_come_before_numbers_that_a_program_gave(
    tmp_path: Path, member: Any, properties: dict[str, Any], expected: str
) -> None:
    assert ids(read_json(tmp_path, feature(member, **properties))) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2003-06-21T06:23:00Z", SIX),
        ("2003-06-21T06:23:00", SIX),
        ("2003-06-21 06:23", SIX),
        ("2003-06-21T16:23:00+10:00", SIX),
        ("20030621T062300", SIX),
        ("20030621T062300Z", SIX),
        ("2003/06/21 06:23:00", SIX),
        ("2003-06-21 06:23:00 UTC", SIX),
        ("2003-06-21T06:23:00.250Z", SIX.replace(microsecond=250_000)),
        ("2003-06-21T06:23:00.123456789Z", SIX.replace(microsecond=123_456)),
        ("2003-06-21T06:23:00Z/2003-06-21T06:38:00Z", SIX),
        ("2003-06-21T06:23:00Z/..", SIX),
        ("2003-06-21", datetime(2003, 6, 21, tzinfo=UTC)),
        ("20030621", datetime(2003, 6, 21, tzinfo=UTC)),
        (date(2003, 6, 21), datetime(2003, 6, 21, tzinfo=UTC)),
        (datetime(2003, 6, 21, 6, 23), SIX),
        (datetime(2003, 6, 21, 16, 23, tzinfo=timezone(timedelta(hours=10))), SIX),
        ({"Start": "2003-06-21T06:23:00Z", "End": "2003-06-22"}, SIX),
        ('{"Start": "2003-06-21T06:23:00Z"}', SIX),
        (None, None),
        ("", None),
        ("NaT", None),
        ("null", None),
        ("../2003-06-21", None),
        (float("nan"), None),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(value: Any, expected: datetime | None) -> None:
    assert scene_of(gather({"id": "x", "datetime": value})).time == expected


@pytest.mark.parametrize(
    "value", ["21.6.2003", "yesterday", 1_056_176_580, "2003", "2003-06-31", "2003-06-21T25:00", [], True,
              "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"],
)  # fmt: skip
def test_a_time_that_cannot_be_read_rejects_the_record(value: Any) -> None:
    with pytest.raises(Lost, match=r"^its datetime is .*; expected ISO 8601 such as 2003-06-21T06:23:00Z, or nothing$"):
        scene_of(gather({"id": "x", "datetime": value}))


@given(st.datetimes(timezones=st.timezones()))
def test_any_moment_that_python_writes_is_read_as_that_moment(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    assert scene_of({"id": "x", "time": moment.isoformat()}).time == expected


def test_the_start_of_an_acquisition_comes_before_its_middle() -> None:
    names = {"id": "x", "datetime": "2021-10-21T07:39:49Z", "start_datetime": "2021-10-21T07:38:27Z"}
    assert scene_of(gather(names)).time == datetime(2021, 10, 21, 7, 38, 27, tzinfo=UTC)


SELF = {"rel": "self", "href": "https://example.org/scenes/h1awj/item.json"}


@pytest.mark.parametrize(
    ("assets", "links", "expected"),
    [
        ({"visual": {"href": "s3://b/v.tif"}, "B04": {"href": "s3://b/4.tif", "roles": ["data"]}}, [], "s3://b/v.tif"),
        ({"tci": {"href": "s3://b/v.tif", "roles": ["visual"]}}, [], "s3://b/v.tif"),
        ({"B04": {"href": "s3://b/4.tif", "roles": ["data"]}}, [SELF], "s3://b/4.tif"),
        (
            {"B4": {"href": "4.tif", "roles": ["data"]}, "B5": {"href": "5.tif", "roles": ["data"]}},
            [SELF],
            SELF["href"],
        ),
        ({"B4": {"href": "4.tif", "roles": ["data"]}, "B5": {"href": "5.tif", "roles": ["data"]}}, [], "4.tif"),
        ({"visual": {"href": "./v.tif"}}, [SELF], "https://example.org/scenes/h1awj/v.tif"),
        ({"visual": {"href": "http://["}}, [SELF], "http://["),
        ({"visual": {"href": 7}}, [SELF], SELF["href"]),
        ({}, [{"rel": "enclosure", "href": "https://example.org/1.zip"}, SELF], "https://example.org/1.zip"),
        ([], {}, ""),
        ({"visual": None}, [None], ""),
    ],
)
def test_one_of_the_assets_and_links_of_an_item_stands_for_the_picture(assets: Any, links: Any, expected: str) -> None:
    names = {"id": "x", "assets": assets, "links": links}
    assert scene_of(gather(names)).image_location == expected
    as_texts = {"id": "x", "assets": json.dumps(assets), "links": json.dumps(links)}  # as a table holds them
    assert scene_of(gather(as_texts)).image_location == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"assets": {"thumbnail": {"href": "t.jpg"}, "o": {"href": "o.jpg", "roles": ["overview"]}}}, "t.jpg"),
        ({"assets": {"o": {"href": "o.jpg", "roles": ["overview"]}}}, "o.jpg"),
        ({"links": [{"rel": "preview", "href": "p.jpg"}]}, "p.jpg"),
        ({"thumbnail": "data:image/png;base64,AAAA", "quicklook": "q.jpg"}, "q.jpg"),
        ({"thumbnail": "data:image/png;base64,AAAA"}, ""),
    ],
)
def test_thumbnails_are_addresses(names: dict[str, Any], expected: str) -> None:
    assert scene_of(gather({"id": "x"}, names)).thumbnail == expected


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        ({"instruments": ["OLCI", "SLSTR"]}, "instrument", "OLCI, SLSTR"),
        ({"instruments": '[ "OLCI" ]'}, "instrument", "OLCI"),
        ({"providers": [{"name": "CSIRO", "roles": ["host"]}, {"name": "BoM"}]}, "source", "CSIRO, BoM"),
        ({"collection": "sentinel-3", "providers": []}, "source", "sentinel-3"),
        ({"links": [{"rel": "license", "href": "https://example.org/l"}]}, "licence", "https://example.org/l"),
        ({"license": "CC-BY-4.0"}, "licence", "CC-BY-4.0"),
        ({"platform": "NOAA\n 12"}, "platform", "NOAA 12"),
        ({"platform": {"a": 1}, "mission": "NOAA"}, "platform", "NOAA"),
        ({"platform": 12}, "platform", "12"),
    ],
)
def test_values_of_any_kind_become_texts(names: dict[str, Any], kind: str, expected: str) -> None:
    assert getattr(scene_of(gather({"id": "x"}, names)), kind) == expected


NO_ID = "it has no id; expected a Feature's id, or a property or column named " + ", ".join(NAMES["id"])
NOT_TEXT = "what is not text in UTF-8; save the file in that encoding, without control characters"


@pytest.mark.parametrize(
    ("record", "where", "reason"),
    [
        (feature(None), "feature 1", NO_ID),
        (feature(None, id=None, name=" "), "feature 1", NO_ID),
        (feature([]), "feature 1", NO_ID),
        (feature("a\nb"), r"feature 1 (scene a\nb)", rf"its id 'a\nb' has at position 2 {NOT_TEXT}"),
        (feature("a\x00"), r"feature 1 (scene a\x00)", rf"its id 'a\x00' has at position 2 {NOT_TEXT}"),
        (feature("\ud800"), r"feature 1 (scene \ud800)", rf"its id '\ud800' has at position 1 {NOT_TEXT}"),
        (feature("x" * 256), f"feature 1 (scene {'x' * 119}...)",
         f"its id has 256 characters ('{'x' * 26}...); expected 255 at most"),
        (feature(href="x" * 4097), "feature 1 (scene h1awj)",
         f"its image_location has 4,097 characters ('{'x' * 26}...); expected 4,096 at most"),
        (feature(platform="a\ufffd"), "feature 1 (scene h1awj)", f"its platform 'a\ufffd' has at position 2 {NOT_TEXT}"),
        (feature(time="soon"), "feature 1 (scene h1awj)",
         "its time is 'soon'; expected ISO 8601 such as 2003-06-21T06:23:00Z, or nothing"),
    ],
)  # fmt: skip
def test_a_scene_that_cannot_be_named_is_rejected_with_the_reason(
    tmp_path: Path, record: Any, where: str, reason: str
) -> None:
    found = read_json(tmp_path, [record, feature("good")])
    assert ids(found) == ["good"]
    assert reasons(found) == [(where, reason)]


@given(st.text())
def test_names_without_case_and_punctuation_are_stable(name: str) -> None:
    assert squash(squash(name)) == squash(name)
    assert is_known(name) == is_known(squash(name))
