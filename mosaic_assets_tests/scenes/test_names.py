"""Names are read field by field, and whatever is no name is refused with the field at fault."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.names import EXAMPLE, is_name, newest_editions, parse_name


def test_the_documentation_shows_what_happens() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "copernicus.md"
    results = doctest.testfile(str(page), module_relative=False)
    assert (results.failed, results.attempted) == (0, 3)


def test_the_fields_of_a_real_name() -> None:
    """From the manifest and the STAC item of the same product (stactools-packages/sentinel3)."""
    name = parse_name(EXAMPLE + ".SEN3")
    assert name.text == EXAMPLE
    assert name.folder == EXAMPLE + ".SEN3"
    assert name.start == datetime(2021, 10, 21, 7, 38, 27, tzinfo=UTC)
    assert name.stop == datetime(2021, 10, 21, 7, 41, 12, tzinfo=UTC)
    assert name.created == datetime(2021, 10, 21, 9, 13, 57, tzinfo=UTC)
    assert (name.mission, name.product_type, name.duration_s, name.cycle) == ("S3A", "EFR___", 164, 77)
    assert (name.relative_orbit, name.frame, name.centre, name.platform) == (334, 4320, "LN1", "O")
    assert (name.timeliness, name.collection, name.day.isoformat()) == ("NR", "002", "2021-10-21")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("S3A", "S2A", "mission"),
        ("OL_1", "SL_1", "instrument and level"),
        ("EFR___", "ERR___", "type"),
        ("20211021T073827", "20211321T073827", "start"),
        ("20211021T073827", "20211021 073827", "start"),
        ("20211021T074112", "20211021T074160", "stop"),
        ("20211021T091357", "20210230T091357", "creation"),
        ("_0164_", "_01 4_", "duration"),
        ("_077_", "_7७7_", "cycle"),
        ("_334_", "_000_", "relative orbit"),
        ("_334_", "_386_", "relative orbit"),
        ("_4320_", "_432x_", "frame"),
        ("_LN1_", "_ln1_", "centre"),
        ("_O_", "_X_", "platform"),
        ("_NR_", "_XX_", "timeliness"),
        ("_002", "_0x2", "collection"),
        ("_O_NR", "_O-NR", "no _ after its platform"),
        ("_0164_", "_0264_", "duration is 264 s"),
        ("20211021T074112", "20211021T073827", "stop is not after its start"),
        ("20211021T091357", "20201021T091357", "created before its start"),
    ],
)
def test_a_wrong_field_is_named(old: str, new: str, field: str) -> None:
    with pytest.raises(ProductError, match=field):
        parse_name(EXAMPLE.replace(old, new, 1))


@pytest.mark.parametrize(
    "text", ["", ".SEN3", "../../etc/passwd", EXAMPLE + "_", EXAMPLE[:-1], "S3A" * 5000, "\0" * 94]
)
def test_what_is_no_name_is_refused_in_few_words(text: str) -> None:
    assert not is_name(text)
    with pytest.raises(ProductError) as refused:
        parse_name(text)
    assert len(str(refused.value)) < 600


@given(st.text(alphabet=st.sampled_from(EXAMPLE + "x-é "), min_size=94, max_size=94))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert not is_name(text) or parse_name(text).text == text


moments = st.datetimes(datetime(2016, 4, 25), datetime(2040, 1, 1)).map(lambda moment: moment.replace(microsecond=0))


@given(
    start=moments,
    duration_s=st.integers(1, 3600),
    cycle=st.integers(0, 999),
    orbit=st.integers(1, 385),
    frame=st.integers(0, 9999),
    timeliness=st.sampled_from(["NR", "ST", "NT"]),
)
def test_a_name_built_from_fields_gives_them_back(
    start: datetime, duration_s: int, cycle: int, orbit: int, frame: int, timeliness: str
) -> None:
    stop = start + timedelta(seconds=duration_s)
    stamps = "_".join(f"{moment:%Y%m%dT%H%M%S}" for moment in (start, stop, stop))
    name = parse_name(
        f"S3B_OL_1_EFR____{stamps}_{duration_s:04d}_{cycle:03d}_{orbit:03d}_{frame:04d}_PS1_O_{timeliness}_004"
    )
    assert (name.start, name.duration_s, name.cycle) == (start.replace(tzinfo=UTC), duration_s, cycle)
    assert (name.relative_orbit, name.frame, name.timeliness) == (orbit, frame, timeliness)
    assert name.scene_key == ("S3B", name.start, orbit, frame)


def edition(timeliness: str, collection: str, hour: int) -> str:
    return (
        EXAMPLE.replace("_NR_", f"_{timeliness}_")
        .replace("_002", f"_{collection}")
        .replace("20211021T091357", f"20211101T{hour:02d}0000")
    )


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (edition("NR", "004", 9), edition("ST", "002", 1)),
        (edition("ST", "004", 9), edition("NT", "002", 1)),
        (edition("NT", "002", 9), edition("NT", "004", 1)),
        (edition("NT", "004", 1), edition("NT", "004", 9)),
    ],
)
def test_the_better_edition_wins_whichever_comes_first(worse: str, better: str) -> None:
    names = [parse_name(worse), parse_name(better)]
    assert [one.text for one in newest_editions(names)] == [better]
    assert [one.text for one in newest_editions(reversed(names))] == [better]


def test_other_orbits_frames_and_missions_are_other_scenes() -> None:
    names = [EXAMPLE, EXAMPLE.replace("_334_", "_335_"), EXAMPLE.replace("_4320_", "_4500_"), "S3B" + EXAMPLE[3:]]
    assert len(newest_editions(map(parse_name, names))) == 4
