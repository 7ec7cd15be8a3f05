"""Tables and manifests: what is good in them is read, what is not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from mosaic_assets.csquares.readers import delimited, read_scene_file
from mosaic_assets_tests.csquares.readers.written import SQUARE_WKT, frame, ids, read_text, reasons


def test_tables_in_parquet_without_outlines_are_rejected(tmp_path: Path) -> None:
    frame().drop(columns="geometry").to_parquet(tmp_path / "x.parquet")
    ((record, reason),) = reasons(read_scene_file(tmp_path / "x.parquet"))
    assert record == "file x.parquet"
    assert reason.startswith("it has no column of outlines (None); expected GeoParquet, or one of geometry, wkt, ")


def test_a_damaged_row_group_costs_no_other(tmp_path: Path) -> None:
    rows = frame().drop(columns="geometry").assign(wkt=frame().geometry.to_wkt())
    path = tmp_path / "x.parquet"
    plain = {"use_dictionary": False, "write_statistics": False, "compression": None}
    rows.to_parquet(path, row_group_size=1, write_page_checksum=True, **plain)
    content = path.read_bytes()
    assert content.count(b"POLYGON ((148") == 1
    path.write_bytes(content.replace(b"POLYGON ((148", b"POLYGON ((149"))
    found = read_scene_file(path)
    assert ids(found) == ["h1awj", "Köln"]
    ((record, reason),) = reasons(found)
    assert record == "rows 2 to 2"
    assert reason.startswith("they cannot be read: ")


ROW = f'h1awj,"{SQUARE_WKT}",NOAA-12'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ID,Footprint,Platform\n{ROW}\n", ["h1awj"]),
        (f"id;wkt;platform\nh1awj;{SQUARE_WKT};NOAA-12", ["h1awj"]),
        (f"id\tWKT\tplatform\nh1awj\t{SQUARE_WKT}\tNOAA-12", ["h1awj"]),
        (f"sep=,\nid,geom,platform\n{ROW}", ["h1awj"]),
        (f"\n\nid,geom,platform\n\n{ROW}\n , , \n", ["h1awj"]),
        (f"id,geom,platform,\n{ROW},,\n", ["h1awj"]),
        (f'"id","the_geom","platform"\r\n{ROW}\r\n', ["h1awj"]),
        (f'id,geom,note\na,"{SQUARE_WKT}","two\nlines"\nb,POINT (1 2),', ["a", "b"]),
        ("id,geom,platform\na,POINT (1 2)", ["a"]),
        ("geometry,wkt,id\nPOINT (1 2),POINT (3 4),a", ["a"]),
        ("id,wkt,id\na,POINT (1 2),b", ["a"]),
    ],
)
def test_tables_are_read_however_they_are_written(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = read_text(tmp_path, text)
    assert (found.format, ids(found), found.rejected) == ("CSV", expected, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"bad,{SQUARE_WKT},NOAA-12",
         "it has 7 columns, the header 3 (' 150 -40' is the first too many); expected a quoted outline, or another delimiter"),
        (f'bad,"{SQUARE_WKT},NOAA-12',
         "it is not a row: unexpected end of data; expected each quote to be closed, and doubled within a text"),
        ('bad,"POINT (1 2)"x,', "it is not a row: ',' expected after '\"'; expected each quote to be closed, and doubled "
         "within a text"),
        ("bad,,NOAA-12", "it has no geometry; expected the outline of the scene"),
        ("bad", "it has no geometry; expected the outline of the scene"),
        ("bad,POLYGON ((0 0,", "it has 3"),
    ],
)  # fmt: skip
def test_a_broken_row_costs_no_other(tmp_path: Path, line: str, reason: str) -> None:
    found = read_text(tmp_path, f"id,wkt,platform\na,POINT (1 2),\n{line}\nb,POINT (3 4),\nc,POINT (5 6),\n")
    assert ids(found) == ["a", "b", "c"]
    ((record, text),) = reasons(found)
    assert record in ("line 3", "line 3 (scene bad)")
    assert text == reason or reason == "it has 3"


def test_a_quote_that_stays_open_costs_one_row_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_MOST_LINES", 10)
    rows = [f"s{number},POINT (1 2)" for number in range(100)]
    rows[50] = 's50,"POINT (1 2)'
    found = read_text(tmp_path, "\n".join(["id,wkt", *rows]))
    assert ids(found) == [f"s{number}" for number in range(100) if number != 50]
    assert [one.record for one in found.rejected] == ["line 52"]


def test_an_outline_may_be_longer_than_the_cells_that_python_reads_by_itself(tmp_path: Path) -> None:
    circle = shapely.Point(10, 10).buffer(5, quad_segs=3_000)
    assert len(circle.wkt) > 131_072
    assert ids(read_text(tmp_path, f'id,wkt\na,"{circle.wkt}"\n')) == ["a"]


MANIFEST = """<?xml version="1.0"?>
<x:XFDU xmlns:x="urn:x" xmlns:gml="urn:gml"><a><startTime>2021-10-21T07:38:27Z</startTime>
<platform><familyName>Sentinel-3</familyName><number>B</number>
<instrument><familyName abbreviation="SLSTR">Sea and Land</familyName></instrument></platform>
<footPrint srsName="http://www.opengis.net/def/crs/EPSG/0/4326"><gml:posList>10 20 10 25 15 25 10 20</gml:posList></footPrint>
<productName>S3B_X.SEN3</productName></a><fileLocation href="./quicklook.jpg"/></x:XFDU>"""


def test_a_product_folder_is_one_scene(tmp_path: Path) -> None:
    folder = tmp_path / "S3B_X.SEN3"
    folder.mkdir()
    (folder / "xfdumanifest.xml").write_text(MANIFEST)
    for path in (folder, folder / "xfdumanifest.xml"):
        found = read_scene_file(path)
        (one,) = found.footprints
        assert found.format == "Sentinel-3 manifest"
        assert (one.scene.id, one.scene.platform, one.scene.instrument) == ("S3B_X", "Sentinel-3B", "SLSTR")
        assert one.scene.image_location == str(folder)
        assert one.scene.thumbnail == str(folder / "quicklook.jpg")
        assert one.geometry.bounds == (20, 10, 25, 15)  # latitude comes first there


@pytest.mark.parametrize(
    ("old", "new", "where", "reason"),
    [
        ("<x:XFDU", "<!DOCTYPE x [<!ENTITY a 'b'>]><x:XFDU", "file scenes.txt",
         "it is XML with a document type, which may unfold without end; expected a manifest without one"),
        ("</x:XFDU>", "", "file scenes.txt", "it is not XML: 'no element found: line 6, column 79'; copy the manifest again"),
        ("10 20 10 25", "10 20 10", "scene S3B_X", "its footprint has 7 numbers; expected pairs of latitude and longitude"),
        ("10 20 10 25", "10 20 ten 25", "scene S3B_X",
         "its footprint is not a list of numbers: could not convert string to float: 'ten'"),
        ("posList", "points", "scene S3B_X",
         "it has no footprint; expected a Sentinel-3 manifest with a gml:posList in its footPrint"),
        ("/4326", "/3857", "scene S3B_X", "its footprint is in the coordinate system "
         "'http://www.opengis.net/def/crs/EPSG/0/3857'; expected EPSG:4326"),
        ("2021-10-21T", "yesterday ", "scene S3B_X",
         "its time is 'yesterday 07:38:27Z'; expected ISO 8601 such as 2003-06-21T06:23:00Z, or nothing"),
        ("10 20 10 25 15 25 10 20", "100 20 100 25 105 25", "scene S3B_X",
         "it has a vertex at lng=25, lat=105; expected latitudes of -90..90 degrees: is the order longitude, latitude, and the "
         "coordinate system EPSG:4326?"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_is_rejected_with_the_reason(
    tmp_path: Path, old: str, new: str, where: str, reason: str
) -> None:
    assert old in MANIFEST
    found = read_text(tmp_path, MANIFEST.replace(old, new))
    assert found.footprints == []
    assert reasons(found) == [(where, reason)]
