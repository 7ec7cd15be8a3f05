"""A manifest is read in full, and a hostile or broken one is refused in words."""

from __future__ import annotations

import json
import re

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.footprint import footprint_of_ring
from mosaic_assets.scenes.manifest import MAX_MANIFEST_BYTES, parse_manifest
from mosaic_assets.scenes.names import EXAMPLE
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data
from mosaic_assets_tests.scenes.copernicus_server import MANIFEST, OBJECT

REAL = SHARED_DATA / "olci" / "xfdumanifest_collection002.xml"

SMALL = MANIFEST.format(
    start="2021-10-21T07:38:27.254946Z", stop="2021-10-21T07:41:12Z", ring="0 0 0 10 10 10 10 0 0 0", name=EXAMPLE,
    bright="12.5", invalid="1", rows=3749, columns=4865, objects=OBJECT.format(file="a.nc", size=5, md5="0" * 32),
)  # fmt: skip


@needs_shared_data
def test_a_real_manifest_says_what_its_stac_item_says() -> None:
    """The item was made from the manifest by stactools-packages/sentinel3; productSize stands in the manifest."""
    manifest = parse_manifest(REAL.read_bytes(), EXAMPLE)
    item = json.loads(REAL.with_name("stac_item.json").read_text())
    properties = item["properties"]
    theirs = {name: value for name, value in properties.items() if name.startswith("s3:")}
    assert manifest.percentages == {ours: theirs[f"s3:{ours}"] for ours in set(manifest.percentages) - {"dubious"}} | {
        "dubious": theirs["s3:dubious_samples"]
    }
    assert manifest.start.isoformat() == properties["start_datetime"].replace("Z", "+00:00")
    assert manifest.footprint.hausdorff_distance(shapely.from_geojson(json.dumps(item["geometry"]))) < 1e-3
    assert (manifest.rows, manifest.columns, len(manifest.files)) == (3749, 4865, 29)
    assert sum(file.size_bytes for file in manifest.files.values()) == 546_227_708
    assert manifest.files["qualityFlags.nc"].md5 == "01ddd934226358295d921f86394fb5c3"


def test_a_small_manifest() -> None:
    manifest = parse_manifest(SMALL.encode(), EXAMPLE + ".SEN3")
    assert dict(manifest.percentages) == {"bright": 12.5, "invalid": 1.0}
    assert manifest.footprint.equals(shapely.box(0, 0, 10, 10))


BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("<xfdu:XFDU", BOMB + "<xfdu:XFDU", "hostile"),
        ("<xfdu:XFDU", FILE + "<xfdu:XFDU", "hostile"),
        ("<xfdu:XFDU", "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'><xfdu:XFDU", "hostile"),
        ("</metadataSection>", "", "not XML"),
        ('encoding="UTF-8"', 'encoding="nonsense"', "not XML"),
        (EXAMPLE, EXAMPLE.replace("_334_", "_335_"), "it is the manifest of"),
        (EXAMPLE, "S3A", "reading the product name"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 0 10 10", "no pairs"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 0 10 10 10 10 0", "not closed"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 0 10 95 10 10 0 0 0", "outside the world"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 0 10 nan 10 10 0 0 0", "outside the world"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 0 10 ten 10 10 0 0 0", "could not convert"),
        ("0 0 0 10 10 10 10 0 0 0", "0 0 1 1 2 2 0 0", "no area"),
        ("EPSG/0/4326", "EPSG/0/3857", "EPSG:4326"),
        ("3749", "0", "rows = '0'"),
        ("3749", "37491000", "rows = '37491000'"),
        ("3749", "many", "rows = 'many'"),
        ('percentage="12.5"', 'percentage="112.5"', "bright pixels is '112.5'"),
        ('percentage="12.5"', 'percentage="nan"', "bright pixels is 'nan'"),
        ("./a.nc", "../a.nc", "names the file"),
        ("./a.nc", "/etc/passwd", "names the file"),
        ("./a.nc", "./a/b.nc", "names the file"),
        ('size="5"', 'size="-5"', "size of a.nc"),
        ("MD5", "CRC32", "expected MD5"),
        ("0" * 32, "0" * 31, "MD5 of a.nc"),
        ("07:41:12", "07:38:00", "not after its startTime"),
        ("2021-10-21T07:38:27.254946Z", "yesterday", "startTime is 'yesterday'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old: str, new: str, found: str) -> None:
    with pytest.raises(ProductError, match=re.escape(found)):
        parse_manifest(SMALL.replace(old, new, 1).encode(), EXAMPLE)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n", b"<a/>", b"<a>" * 20_000, b" " * (MAX_MANIFEST_BYTES + 1)])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ProductError):
        parse_manifest(content, EXAMPLE)


def test_a_footprint_over_the_date_line_is_cut_there() -> None:
    shape = footprint_of_ring([(175, -5), (-175, -5), (-175, 5), (175, 5), (175, -5)])
    assert shape.equals(shapely.MultiPolygon([shapely.box(175, -5, 180, 5), shapely.box(-180, -5, -175, 5)]))


@given(west=st.integers(-180, 179), width=st.integers(1, 170))
def test_a_footprint_has_the_same_area_wherever_it_lies(west: int, width: int) -> None:
    """Longitudes as a manifest writes them: -180..180, whatever they wind round."""
    ring = [((lng + 180) % 360 - 180, lat) for lng, lat in shapely.box(west, -10, west + width, 10).exterior.coords]
    shape = footprint_of_ring(ring)
    assert shape.area == pytest.approx(width * 20)
    assert shape.is_valid
    assert shape.bounds[0] >= -180
    assert shape.bounds[2] <= 180


def test_a_footprint_round_the_pole_reaches_it() -> None:
    ring = [(lng, 80.0) for lng in (0, 90, 180, -90, 0)]
    shape = footprint_of_ring(ring)
    assert shape.area == pytest.approx(360 * 10)
    assert shape.bounds[3] == 90
