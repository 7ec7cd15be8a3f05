"""Files as a whole: encodings, sizes, archives, tables, manifests, and what is none of it."""

from __future__ import annotations

import ast
import contextlib
import gzip
import json
import re
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from mosaic_assets.csquares.readers import read_scene_file, reading
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data
from mosaic_assets_tests.csquares.readers.written import (
    collection,
    feature,
    frame,
    ids,
    read_json,
    read_text,
    reasons,
)

TEXT = json.dumps(collection(feature("Köln"), feature("B")), ensure_ascii=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_unicode_is_read_in_every_encoding(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = TEXT.encode(encoding)
    found = read_text(tmp_path, gzip.compress(content) if packed else content)
    assert (ids(found), found.rejected) == (["Köln", "B"], [])


def test_bytes_of_another_encoding_spoil_the_record_they_are_in_and_no_other(tmp_path: Path) -> None:
    found = read_text(tmp_path, TEXT.encode("latin-1"))
    assert ids(found) == ["B"]
    assert reasons(found) == [
        (
            r"feature 1 (scene K\udcf6ln)",
            r"its id 'K\udcf6ln' has at position 2 what is not text in UTF-8; save the file in that encoding, without "
            "control characters",
        )
    ]
    assert found.rejected[0].record.encode()  # it can be printed


def test_bytes_of_another_encoding_in_what_is_not_looked_at_do_no_harm(tmp_path: Path) -> None:
    assert ids(read_text(tmp_path, json.dumps(feature("A", note="Köln"), ensure_ascii=False).encode("latin-1"))) == [
        "A"
    ]


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    size = len(TEXT.encode())
    assert len(read_text(tmp_path, TEXT, max_bytes=size).footprints) == 2
    found = read_text(tmp_path, TEXT, max_bytes=size - 1)
    assert (found.format, found.footprints) == ("GeoJSON", [])
    assert reasons(found) == [
        ("file scenes.txt", f"it holds {size} bytes; expected {size - 1} at most: split the file")
    ]


def test_an_archive_is_read_up_to_the_limit_of_what_it_unpacks_to(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(feature(f"s{number}")) for number in range(5_000))
    found = read_text(tmp_path, gzip.compress(lines.encode()), max_bytes=500_000)
    assert 1_000 < len(found.footprints) < 4_000
    assert reasons(found)[-1] == (
        "file scenes.txt",
        "it unpacks to more than 500,000 bytes; expected fewer: split the file",
    )


def test_an_archive_that_would_unpack_to_very_much_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000 + b"]", 9)
    tracemalloc.start()
    started = time.perf_counter()
    found = read_text(tmp_path, bomb, max_bytes=10_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons(found)[0][1].startswith("it unpacks to more than 10,000,000 bytes")
    assert peak < 30_000_000
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_what_stands_before_the_damage_of_an_archive_is_read(tmp_path: Path, damage: str) -> None:
    lines = "\n".join(
        json.dumps(feature(f"s{number}", note=f"{number * 7919 % 10_007}" * 20)) for number in range(3_000)
    )
    packed = bytearray(gzip.compress(lines.encode()))
    if damage == "cut":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2] ^= 255
    found = read_text(tmp_path, bytes(packed), "x.ndjson.gz")
    assert found.format == "newline-delimited GeoJSON"
    assert 500 < len(found.footprints) < 2_900
    assert "the rest of the gzip archive is damaged" in reasons(found)[-1][1]


NEITHER = "it is neither JSON nor XML, and its first line names no column of outlines; expected GeoJSON, "


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty; expected GeoJSON, "),
        (b" \n ", "it is empty; expected GeoJSON, "),
        (b"hello", NEITHER),
        (b"\x00" * 100, NEITHER),
        (b"PK\x03\x04....", "it is a zip archive: unpack it; expected GeoJSON, "),
        (b"II*\x00....", "it is a TIFF picture; expected GeoJSON, "),
        (b"\x89HDF\r\n", "it is a netCDF or HDF file; expected GeoJSON, "),
        (b"\x1f\x8b", "the rest of the gzip archive is damaged ("),
        (b"PAR1", "it cannot be read as Parquet: "),
        (b"SQLite format 3\x00" + b"\x00" * 100, "it cannot be read as a GeoPackage: "),
        (b"<html><p>", "it is not XML: "),
        (b"<?xml version='1.0'?><a/>", ""),
    ],
)
def test_files_of_other_kinds_are_rejected_by_their_name(tmp_path: Path, content: bytes, reason: str) -> None:
    found = read_text(tmp_path, content, "what.ever")
    assert found.footprints == []
    ((record, text),) = reasons(found)
    assert record == ("the manifest" if not reason else "file what.ever")
    assert text.startswith(reason or "it has no footprint; expected a Sentinel-3 manifest")


def test_files_that_cannot_be_opened_are_rejected_by_their_name(tmp_path: Path) -> None:
    assert reasons(read_scene_file(tmp_path / "gone.csv")) == [
        ("file gone.csv", "it cannot be read: No such file or directory; give permission or copy it again")
    ]
    assert reasons(read_scene_file(tmp_path)) == [
        (
            f"file {tmp_path.name}",
            "it is a folder without xfdumanifest.xml; expected a file, or the folder of a Sentinel-3 product",
        )
    ]


def test_a_name_that_is_no_text_is_told_of_in_characters_that_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "K\udcf6ln.csv"
    path.write_text("hello")
    assert read_scene_file(path).rejected[0].record == r"file K\udcf6ln.csv"


def test_reading_a_geopackage_leaves_nothing_beside_it(tmp_path: Path) -> None:
    frame().to_file(tmp_path / "x.gpkg", driver="GPKG")
    with contextlib.closing(sqlite3.connect(tmp_path / "x.gpkg")) as sql:
        sql.execute("PRAGMA journal_mode = WAL")
    before = (tmp_path / "x.gpkg").read_bytes()
    assert len(read_scene_file(tmp_path / "x.gpkg").footprints) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["x.gpkg"]
    assert (tmp_path / "x.gpkg").read_bytes() == before


def test_importing_the_readers_imports_no_library_of_geometries_or_tables() -> None:
    code = "import sys, mosaic_assets.csquares.readers; print([n for n in sys.modules if '.' not in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"shapely", "pyarrow", "pyogrio", "pyproj", "pandas", "geopandas", "scipy", "dagster"}
    assert heavy & set(ast.literal_eval(done.stdout)) == set()


def test_entities_are_refused_in_whatever_encoding_they_hide(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-32"):
        found = read_text(tmp_path, f'<?xml version="1.0"?>{laughs}'.encode(encoding))
        assert found.rejected[0].reason.startswith("it is XML with a document type")


def test_a_report_names_so_many_records_and_counts_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_REJECTIONS", 3)
    found = read_json(tmp_path, [1, 2, 3, 4, 5, feature("A")])
    assert [one.record for one in found.rejected] == ["feature 1", "feature 2", "feature 3", "2 further records"]
    assert ids(found) == ["A"]


@needs_shared_data
def test_buildings_are_no_scenes_and_a_picture_is_no_table() -> None:
    """4,708 buildings of OpenStreetMap without an id; a GeoTIFF."""
    found = read_scene_file(SHARED_DATA / "swellendam" / "buildings_osm.geojson")
    assert (found.footprints, len(found.rejected)) == ([], 4708)
    assert {re.sub(r"\d+", "N", one.record) for one in found.rejected} == {"feature N"}
    picture = next((SHARED_DATA / "swellendam").glob("*.tif"))
    assert reasons(read_scene_file(picture))[0][1].startswith("it is a TIFF picture; expected GeoJSON, ")
