"""Queries: where they are cut, what their lists say, and which pictures are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD
from mosaic_assets.core.records import Bounds
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.importing import import_queries
from mosaic_assets.gallery.manifest import manifest_path, queries_folder, read_manifest
from mosaic_assets.gallery.queries import cut_query_set, plan_windows
from mosaic_assets.gallery.query_files import (
    COLUMNS,
    QueryRow,
    look_at_query,
    overlaps,
    read_csv,
    read_query,
    write_csv,
    write_query,
)
from mosaic_assets.gallery.query_set import make_query_set
from mosaic_assets.settings import Settings
from mosaic_assets.sources.embedded import EmbeddedSource, render
from mosaic_assets.sources.server import running_server
from mosaic_assets_tests.gallery.conftest import REGION, settings_at


def test_a_query_shows_the_pixels_of_its_own_place(built: Settings) -> None:
    image, pixels = read_query(read_manifest(built)[0].path(built))
    west, _, _, north = image.bounds
    column, row = (round(float(pixel)) for pixel in WEB_MERCATOR_QUAD.pixel_at(west, north, 14))
    for i, j in ((0, 0), (127, 0), (64, 100), (127, 127)):
        x, y = column + i, row + j
        there = render(WEB_MERCATOR_QUAD.tile_at(*map(float, WEB_MERCATOR_QUAD.lnglat_at(x + 0.5, y + 0.5, 14)), 14))
        assert np.abs(there[y % 256, x % 256].astype(int) - pixels[j, i]).max() < 40  # JPEG of the source


def test_the_list_is_the_references_and_says_what_gdal_says(built: Settings) -> None:
    to_degrees = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    lines = (queries_folder(built) / "test.csv").read_text().splitlines()
    assert lines[0] == "imgname,lat,lon,level,width,height,resolution,type,lon_min,lat_min,lon_max,lat_max"
    for row in read_csv(queries_folder(built) / "test.csv"):
        with rasterio.open(queries_folder(built) / "test" / row.imgname) as dataset:
            west, south = to_degrees.transform(dataset.bounds.left, dataset.bounds.bottom)
            east, north = to_degrees.transform(dataset.bounds.right, dataset.bounds.top)
            lng, lat = to_degrees.transform(*dataset.xy(dataset.height / 2, dataset.width / 2, offset="ul"))
            assert (row.width, row.height, row.resolution) == (dataset.width, dataset.height, dataset.res[0])
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert tuple(row.bounds) == pytest.approx((west, south, east, north), abs=1e-9)
        assert (row.lon, row.lat) == pytest.approx((lng, lat), abs=1e-9)
        assert (row.level, row.type) == (14, "embedded")


def test_queries_lie_in_the_region_and_share_no_pixel(built: Settings) -> None:
    rows = [query.row for query in read_manifest(built)]
    region = Bounds(*REGION)
    assert len(rows) == 10
    assert all(region.west <= row.lon_min and row.lon_max <= region.east for row in rows)
    assert all(region.south <= row.lat_min and row.lat_max <= region.north for row in rows)
    assert [pair for pair in overlaps(rows, rows) if pair[0] != pair[1]] == []


def test_splits_have_their_shares(built: Settings) -> None:
    splits = [query.split for query in read_manifest(built)]
    assert (splits.count("tune"), splits.count("test")) == (2, 8)


@pytest.mark.parametrize(("share", "tune"), [(0.0, 0), (0.5, 5), (1.0, 10)])
def test_the_share_of_the_tune_split_is_a_setting(share: float, tune: int) -> None:
    from mosaic_assets.gallery.queries import _split

    assert [_split(number, share) for number in range(10)].count("tune") == tune


def test_the_same_seed_gives_the_same_places_and_another_seed_others() -> None:
    one, two = settings_at(Path("a")), settings_at(Path("b"))
    assert plan_windows(one) == plan_windows(two)
    assert plan_windows(one) != plan_windows(one.model_copy(update={"seed": 1}))


def test_queries_of_another_source_do_not_take_the_gallerys_date(tmp_path: Path) -> None:
    table = {"query_count": 1, "time": "2023-08-16"}
    dated = cut_query_set(settings_at(tmp_path / "one", **table)).queries
    with EmbeddedSource() as source, running_server(source) as url:
        said = {
            "kind": "xyz",
            "url": f"{url}/tile/{{z}}/{{y}}/{{x}}",
            "licence": "l",
            "attribution": "a",
            "bulk_use": "allowed",
        }
        settings = settings_at(tmp_path / "two", query_source="other", **table)
        undated = cut_query_set(settings.model_copy(update={"sources": {"other": said}})).queries
    assert [(query.source, query.time) for query in (*dated, *undated)] == [("embedded", "2023-08-16"), ("other", "")]


def test_cutting_again_cuts_nothing_and_changes_no_byte(own: Settings) -> None:
    files = sorted(path for path in queries_folder(own).rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    assert cut_query_set(own).cut == 0
    assert {path: path.read_bytes() for path in files} == before


def test_a_smaller_set_removes_what_it_no_longer_has(own: Settings) -> None:
    settings = settings_at(own.home, query_count=3, query_tune_share=0)
    assert cut_query_set(settings).splits == {"test": 3}
    assert not (queries_folder(own) / "tune.csv").exists()
    assert len(list(queries_folder(own).rglob("*.tiff"))) == 3


def test_a_region_too_small_for_a_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="one query needs 1280 x 1280"):
        plan_windows(settings_at(tmp_path, query_pixels=1024, query_zoom=10))


Make = Callable[..., Path]


@pytest.fixture
def make_tiff(tmp_path: Path) -> Make:
    """Write a TIFF; keyword arguments change what makes it a query."""

    def make(name: str = "q_L15_mine.tiff", **changes: Any) -> Path:
        profile = {
            "driver": "GTiff", "width": 64, "height": 48, "count": 3, "dtype": "uint8", "crs": "EPSG:3857",
            "transform": from_origin(78000, 6020000, 4.777314267823516, 4.777314267823516), **changes,
        }  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(3).integers(0, 255, (profile["count"], 48, 64)).astype(profile["dtype"])
        with rasterio.open(path, "w", **{k: v for k, v in profile.items() if v is not None}) as dataset:
            dataset.write(pixels)
        return path

    return make


def test_a_good_tiff_is_read(make_tiff: Make) -> None:
    image, pixels = read_query(make_tiff())
    assert (image.width, image.height, image.level, pixels.shape) == (64, 48, 15, (48, 64, 3))


ROTATED = from_origin(78000, 6020000, 4.7, 4.7) @ Affine.rotation(10)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # what this test writes on purpose
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crs": None, "transform": None}, "no place on Earth"),
        ({"crs": None}, "no place on Earth"),
        ({"crs": "EPSG:32631"}, "EPSG:32631, expected EPSG:3857"),
        ({"crs": "EPSG:4326", "transform": from_origin(1, 48, 1e-5, 1e-5)}, "EPSG:4326, expected EPSG:3857"),
        ({"transform": ROTATED}, "rotated or mirrored"),
        ({"transform": Affine(4.7, 0, 78000, 0, 4.7, 6020000)}, "rotated or mirrored"),
        ({"dtype": "uint16"}, "uint16, expected uint8"),
        ({"count": 4}, "4 band"),
        ({"count": 1}, "1 band"),
    ],
)
def test_a_picture_that_is_no_query_says_why(make_tiff: Make, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(GalleryError, match=words):
        look_at_query(make_tiff(**changes))


@pytest.mark.parametrize("content", [b"", b"not a tiff", b"II*\x00\x08\x00\x00\x00"])
def test_a_file_that_is_no_picture_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "q.tiff"
    path.write_bytes(content)
    with pytest.raises(GalleryError, match="no picture that can be read"):
        look_at_query(path)


def test_a_picture_cut_short_says_so(make_tiff: Make) -> None:
    path = make_tiff(compress="deflate")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(GalleryError, match=r"cannot be read|can be read"):
        read_query(path)


ROW = QueryRow("a_L15_x.tiff", 48.5, 1.5, 15, 256, 256, 4.77, "x", 1.0, 48.0, 2.0, 49.0)


def test_a_list_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, imgname="b", lat=1 / 3, lon=-1e-17)]
    write_csv(tmp_path / "l.csv", rows)
    assert read_csv(tmp_path / "l.csv") == rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("lon_min", "west"), "lacks the column.* lon_min"),
        (lambda _: "", "lacks the column"),
        (lambda text: text.replace(",48.5,", ",north,"), "line 2: lat is 'north', expected a number"),
        (lambda text: text.replace(",256,256,", ",256.5,256,"), "line 2: width is '256.5'"),
        (lambda text: text.replace("1.0,48.0,2.0,49.0", "2.0,48.0,1.0,49.0"), "line 2: .* expected lon_min < lon_max"),
        (lambda text: text.replace("1.0,48.0,2.0,49.0", "1.0,48.0,2.0,99.0"), "within -85.0511..85.0511"),
        (lambda text: text.replace(",256,256,", ",0,256,"), "line 2: .* expected sizes and resolution above 0"),
        (lambda text: text.replace(",4.77,", ",nan,"), "line 2: .* expected sizes and resolution above 0"),
        (lambda text: text.replace(",15,", ",31,"), "a level from 0 to 30"),
        (lambda text: text[: text.rindex(",")], "line 2: lat_max is ''"),
        (lambda text: text.replace("1.0,48.0,2.0,49.0", "1.0,nan,2.0,49.0"), "expected lon_min < lon_max"),
    ],
)
def test_a_bad_list_names_its_line(tmp_path: Path, change: Callable[[str], str], words: str) -> None:
    path = tmp_path / "l.csv"
    write_csv(path, [ROW])
    path.write_text(change(path.read_text()))
    with pytest.raises(GalleryError, match=words):
        read_csv(path)


def test_a_list_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("l.csv", "none.csv"):
        with pytest.raises(GalleryError, match="give a CSV in UTF-8"):
            read_csv(tmp_path / name)


def test_columns_are_the_references() -> None:
    assert len(COLUMNS) == 12 and COLUMNS[0] == "imgname" and COLUMNS[-1] == "lat_max"


def test_boxes_that_only_touch_do_not_overlap() -> None:
    right = replace(ROW, imgname="b", lon_min=2.0, lon_max=3.0)
    assert overlaps([ROW], [right]) == []
    moved = replace(right, lon_min=1.75, lon_max=2.75)
    assert overlaps([ROW], [moved])[0][2] == pytest.approx(0.25)


def test_given_queries_are_taken_over_and_cutting_does_not_replace_them(make_tiff: Make, tmp_path: Path) -> None:
    make_tiff("given/tune/a_L15_x.tiff")
    make_tiff("given/test/b_L15_x.tiff", transform=from_origin(79000, 6020000, 4.7773, 4.7773))
    settings = settings_at(tmp_path / "home", query_folder=tmp_path / "given")
    made = make_query_set(settings)
    assert made.splits == {"test": 1, "tune": 1} and not made.synthetic
    with pytest.raises(GalleryError, match="taken over, and cutting would replace it"):
        make_query_set(settings_at(tmp_path / "home"))


def test_queries_that_share_ground_with_an_earlier_split_are_set_aside(make_tiff: Make, tmp_path: Path) -> None:
    make_tiff("given/test100/a_L15_x.tiff")
    make_tiff("given/test400/b_L15_x.tiff", transform=from_origin(78100, 6020000, 4.7773, 4.7773))
    make_tiff("given/test400/c_L15_x.tiff", transform=from_origin(90000, 6020000, 4.7773, 4.7773))
    report = import_queries(settings_at(tmp_path / "one"), tmp_path / "given")
    assert report.set_aside == ("test400/b_L15_x.tiff",)
    assert [query.row.imgname for query in report.queries] == ["a_L15_x.tiff", "c_L15_x.tiff"]
    kept = import_queries(settings_at(tmp_path / "two"), tmp_path / "given", keep_overlapping=True)
    assert len(kept.queries) == 3


def test_a_copy_of_a_synthetic_query_still_says_that_it_is(built: Settings, tmp_path: Path) -> None:
    import shutil

    (tmp_path / "given").mkdir()
    shutil.copy(read_manifest(built)[0].path(built), tmp_path / "given")
    (query,) = import_queries(settings_at(tmp_path / "home"), tmp_path / "given", licence="mine").queries
    assert (query.synthetic, query.source) == (True, "embedded") and "Blue Marble" in query.licence


def test_a_flat_folder_is_split_by_place(make_tiff: Make, tmp_path: Path) -> None:
    """Ten pictures in five overlapping pairs: no pair is torn apart, and two of ten are for choosing parameters."""
    for number in range(10):
        left = 78000 + number // 2 * 5000 + number % 2 * 100
        make_tiff(f"given/p{number}_L15_x.tiff", transform=from_origin(left, 6020000, 4.7773, 4.7773))
    report = import_queries(settings_at(tmp_path / "home"), tmp_path / "given")
    splits = {query.row.imgname: query.split for query in report.queries}
    assert report.set_aside == () and sorted(splits.values()) == ["test"] * 8 + ["tune"] * 2
    assert all(splits[f"p{n}_L15_x.tiff"] == splits[f"p{n + 1}_L15_x.tiff"] for n in range(0, 10, 2))


def test_a_scene_class_is_kept_where_a_list_gives_it(make_tiff: Make, tmp_path: Path) -> None:
    path = make_tiff("given/q_L15_x.tiff")
    write_csv(tmp_path / "given" / "mine.csv", [look_at_query(path).row()])
    header, line = (tmp_path / "given" / "mine.csv").read_text().split()
    (tmp_path / "given" / "mine.csv").write_text(f"{header},scene_class\n{line},urban\n")
    (query,) = import_queries(settings_at(tmp_path / "home"), tmp_path / "given").queries
    assert (query.split, query.scene_class) == ("mine", "urban")


def test_a_manifest_is_geoparquet_that_geopandas_reads(built: Settings) -> None:
    import geopandas as gpd

    frame = gpd.read_parquet(manifest_path(built))
    assert frame.crs == "EPSG:4326" and len(frame) == 10
    assert set(frame["synthetic"]) == {True} and set(frame["sha256"].str.len()) == {64}
    assert frame.geometry.bounds["minx"].tolist() == frame["lon_min"].tolist()


def test_no_query_set_and_a_broken_manifest_say_so(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with pytest.raises(GalleryError, match="no query set"):
        read_manifest(settings)
    manifest_path(settings).parent.mkdir(parents=True)
    manifest_path(settings).write_bytes(b"PAR1 nothing")
    with pytest.raises(GalleryError, match="materialize `query_set` anew"):
        read_manifest(settings)


def test_a_query_is_written_without_loss(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    write_query(tmp_path / "q_L15_x.tiff", pixels, 1000.0, 2000.0, 4.5)
    image, read = read_query(tmp_path / "q_L15_x.tiff")
    assert np.array_equal(read, pixels)
    assert (image.left, image.top, image.pixel_width, image.pixel_height) == (1000.0, 2000.0, 4.5, 4.5)
