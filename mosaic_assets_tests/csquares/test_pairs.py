"""Pairs of scene and square: what stands in the files, who can read them, and what happens when writing fails."""

from __future__ import annotations

import errno
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from shapely import Polygon, box

from mosaic_assets.csquares import compress, cover, cover_many
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.pairs import codes_of_keys, pairs_path, published_batches, read_batch, read_stamp
from mosaic_assets.csquares.places import keys_of_codes
from mosaic_assets.errors import CodeError, GeometryError, HomeNotWritableError, MosaicError, StoreError
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.published import START, ask_reference_sql, publish, scenes
from mosaic_assets_tests.csquares.shapes import expected_counts, real_footprints


def test_a_file_holds_a_row_for_every_compressed_square_of_every_scene(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(2), [box(140, -41, 141, -40), box(140, -40.5, 140.5, -40)])
    table = pd.read_parquet(tmp_path / "pairs" / "one.parquet")
    assert table[["scene_id", "csquare"]].astype(str).values.tolist() == [
        ["h0000", "3414:100:*"],
        ["h0001", "3414:100:1"],
    ]
    assert table["platform"].tolist() == ["NOAA-12", "NOAA-14"]
    assert table["time"].tolist() == [pd.Timestamp(START), pd.Timestamp(START + timedelta(hours=1))]


def test_a_scene_and_its_squares_come_back_as_written(tmp_path: Path) -> None:
    polygon = Polygon([(178, -50), (-175, -42), (-170, -60), (179, -65)])
    written = [*scenes(3), Scene(id="timeless; ünïcode")]
    stamp = publish(tmp_path, "one", written, [polygon, box(0, 0, 10, 10), box(-1, -1, 1, 1), polygon])
    batch = read_batch(tmp_path, "one")
    assert batch.scenes == written
    assert batch.stamp == stamp == read_stamp(tmp_path, "one")
    assert codes_of_keys(batch.keys_of(0)).tolist() == compress(cover(polygon, 0.5))
    assert read_batch(tmp_path, "one", squares=False).scenes == written


def test_rows_are_sorted_by_time_platform_and_id_whatever_the_order_given(tmp_path: Path) -> None:
    first, second, third = scenes(3)
    second = replace(second, time=third.time, platform="NOAA-9")
    last = Scene(id="a")
    geometries = [box(n, 0, n + 1, 1) for n in range(4)]
    publish(tmp_path, "one", [last, second, third, first], geometries)
    batch = read_batch(tmp_path, "one")
    # "NOAA-12" < "NOAA-9" as text
    assert [scene.id for scene in batch.scenes] == [first.id, third.id, second.id, last.id]
    assert codes_of_keys(batch.keys_of(0)).tolist() == compress(cover(geometries[3], 0.5))


def test_code_and_key_of_a_row_name_the_same_square(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(1), [Polygon([(178, -50), (-175, -12), (-130, -60), (179, -65)])])
    table = pd.read_parquet(tmp_path / "pairs" / "one.parquet", columns=["csquare", "key"])
    assert len(table) > 100
    assert [keys_of_codes([code]) for code in table["csquare"]] == [[key] for key in table["key"]]


@needs_shared_data
def test_real_footprints_have_as_many_pairs_as_the_reference_counts_say(tmp_path: Path) -> None:
    """Counts from data/csquares/footprints_expected_halfdeg.csv, made with GEOS."""
    outlines = real_footprints()
    rows = [row for row in expected_counts() if row["method"] == "as-is"]
    assert len(rows) > 15
    publish(tmp_path, "real", [Scene(id=row["id"]) for row in rows], [outlines[row["id"]] for row in rows])
    table = pd.read_parquet(tmp_path / "pairs" / "real.parquet", columns=["scene_id"])
    counts = table["scene_id"].value_counts()
    assert {row["id"]: counts[row["id"]] for row in rows} == {row["id"]: int(row["n_codes_compressed"]) for row in rows}


@pytest.mark.parametrize(
    ("square", "expected"),
    [
        ("3414:100:1", ["h0000", "h0001", "h0002", "h0003"]),  # full 10, 5, 1 and 0.5 degrees around it
        ("3414:100:2", ["h0000", "h0001", "h0002"]),
        ("3414:101:1", ["h0000", "h0001"]),
        ("3414:205:1", ["h0000"]),
        ("3413:100:1", []),
    ],
)
def test_the_sql_of_reference_5_finds_every_level_of_compression(
    tmp_path: Path, square: str, expected: list[str]
) -> None:
    areas = [box(140, -50, 150, -40), box(140, -45, 145, -40), box(140, -41, 141, -40), box(140, -40.5, 140.5, -40)]
    publish(tmp_path, "one", scenes(4)[:2], areas[:2])
    publish(tmp_path, "two", scenes(4)[2:], areas[2:])
    assert [row[0] for row in ask_reference_sql(tmp_path, square)] == expected


def test_the_sql_of_reference_5_filters_by_date_and_satellite(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(4), [box(140, -41, 141, -40)] * 4)
    found = ask_reference_sql(tmp_path, "3414:100:1", startdate=START, sat="NOAA-12")
    assert found == [("h0002", "NOAA-12", START + timedelta(hours=2), "tape/2")]


def test_equal_content_has_an_equal_fingerprint_in_any_order(tmp_path: Path) -> None:
    areas = [box(0, 0, 3, 3), box(5, 5, 6, 6)]
    first = publish(tmp_path, "one", scenes(2), areas)
    again = publish(tmp_path, "one", scenes(2)[::-1], areas[::-1], edition=1)
    other = publish(tmp_path, "one", scenes(2), [areas[0], areas[0]], edition=2)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.published_at < again.published_at


def test_an_empty_batch_can_be_written_and_read(tmp_path: Path) -> None:
    publish(tmp_path, "none", [], [])
    batch = read_batch(tmp_path, "none")
    assert (batch.scenes, batch.offsets.tolist(), batch.keys.tolist()) == ([], [0], [])


@pytest.mark.parametrize(
    ("bad", "error", "part"),
    [
        ({"scenes": [*scenes(1), *scenes(1)]}, StoreError, "there twice"),
        ({"scenes": [Scene(id=""), Scene(id="b")]}, StoreError, "empty"),
        ({"scenes": scenes(1)}, StoreError, "one geometry a scene"),
        ({"scenes": [Scene(id="a", time=datetime(2003, 1, 1)), Scene(id="b")]}, StoreError, "no zone"),
        ({"published_at": datetime(2003, 1, 1)}, StoreError, "no zone"),
        ({"covers": cover_many([box(0, 0, 1, 1)] * 2, 1)}, CodeError, "cover them with 0.5"),
        ({"covers": cover_many([box(0, 0, 1, 1), Polygon()], 0.5)}, GeometryError, "'h0001'"),
        ({"batch": "../evil"}, StoreError, "'../evil'"),
        ({"batch": ""}, StoreError, "''"),
    ],
)
def test_what_cannot_be_indexed_is_refused_with_the_reason(
    tmp_path: Path, bad: dict[str, Any], error: type[MosaicError], part: str
) -> None:
    given: dict[str, Any] = {"batch": "one", "scenes": scenes(2), "published_at": START, **bad}
    given.setdefault("covers", cover_many([box(0, 0, 1, 1)] * 2, 0.5))
    with pytest.raises(error, match=part.replace("../", r"\.\./")):
        write_pairs(tmp_path, **given)
    assert published_batches(tmp_path) == []


def test_a_full_disk_leaves_the_edition_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = publish(tmp_path, "one", scenes(1), [box(0, 0, 1, 1)])

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("mosaic_assets.store.files.sync", full)
    with pytest.raises(HomeNotWritableError, match="disk is full"):
        publish(tmp_path, "one", scenes(2), [box(0, 0, 1, 1)] * 2, edition=1)
    assert read_batch(tmp_path, "one").stamp == before
    assert [path.name for path in (tmp_path / "pairs").iterdir()] == ["one.parquet"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _foreign(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)


def _turn_a_bit(path: Path) -> None:
    chunk = pq.read_metadata(path).row_group(0).column(2)
    assert chunk.path_in_schema == "key"
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 2] ^= 1
    path.write_bytes(content)


def _rename(path: Path) -> None:
    publish(path.parents[1], "another-name", scenes(1), [box(0, 0, 1, 1)])
    path.with_name("another-name.parquet").replace(path)


@pytest.mark.parametrize("damage", [_cut, _foreign, _turn_a_bit, _rename])
def test_a_damaged_or_foreign_file_is_named_with_a_remedy(tmp_path: Path, damage: Any) -> None:
    publish(tmp_path, "one", scenes(4), [box(0, 0, 33, 33)] * 4)
    damage(pairs_path(tmp_path, "one"))
    with pytest.raises(StoreError, match=r"one\.parquet.*(restore|Restore|rename)"):
        read_batch(tmp_path, "one")


def test_a_missing_batch_is_none_or_an_error(tmp_path: Path) -> None:
    assert read_stamp(tmp_path, "one") is None
    assert published_batches(tmp_path) == []
    with pytest.raises(StoreError, match="reading the c-square pairs"):
        read_batch(tmp_path, "one")
