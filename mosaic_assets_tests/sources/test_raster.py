from __future__ import annotations

import csv
from pathlib import Path

import mercantile
import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import reproject

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import GeometryError, SourceError
from mosaic_assets.settings import load_settings
from mosaic_assets.sources.raster import RasterSource
from mosaic_assets.sources.raster_files import grid_offset, raster_footprint, survey
from mosaic_assets.sources.records import SourceRecord
from mosaic_assets.sources.server import running_server
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data

# rasterio multiplies affine's matrices in a way that affine 3 discourages; nothing of ours is meant.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

MOSAICS = SHARED_DATA / "rsloc" / "RSimages"
AERIAL = SHARED_DATA / "swellendam" / "3420B_2010_328_RGB_LATLNG.tif"
PLACE = Tile(x=16400, y=11395, z=15)


def record_of(*paths):
    return SourceRecord(name="files", kind="raster", paths=tuple(map(str, paths)), licence="test", attribution="test")


def open_files(*paths, workers=1):
    return RasterSource(record_of(*paths), load_settings(), workers)


def fetch_one(*paths, tile=PLACE):
    with open_files(*paths) as source:
        (fetched,) = source.fetch([tile])
    return fetched


def pixels_of(fetched):
    picture, outcome, detail = decode_tile(fetched.body)
    assert outcome is None, detail
    return picture


def box(tile):
    return mercantile.xy_bounds(*tile)


def random_bands(count=3, size=256, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8)


def write(path, bands, bounds=None, crs="EPSG:3857", colours=None, **profile):
    """Write a GeoTIFF that covers PLACE, unless told otherwise."""
    left, bottom, right, top = bounds or box(PLACE)
    count, height, width = bands.shape
    transform = from_bounds(left, bottom, right, top, width, height)
    given = {"driver": "GTiff", "dtype": bands.dtype, "count": count, "height": height, "width": width}
    with rasterio.open(path, "w", **given, crs=crs, transform=transform, **profile) as dataset:
        dataset.write(bands)
        if colours:
            dataset.colorinterp = colours
    return path


def test_a_file_on_the_grid_is_read_to_the_pixel(tmp_path):
    bands = random_bands()
    fetched = fetch_one(write(tmp_path / "a.tif", bands))
    assert np.array_equal(pixels_of(fetched), np.moveaxis(bands, 0, 2))
    assert (fetched.outcome, fetched.content_type) == (None, "image/png")


@given(columns=st.integers(0, 40), rows=st.integers(0, 40), shift=st.integers(-300, 300), z=st.integers(10, 19))
def test_the_offset_counts_whole_tiles_from_the_files_corner(columns, rows, shift, z):
    corner = Tile(x=300, y=400, z=z)
    pixel_m = (box(corner).right - box(corner).left) / 256
    left, top = box(corner).left + shift * pixel_m, box(corner).top
    file = survey_of_grid(left, top, pixel_m)
    expected = (256 * columns - shift, 256 * rows)
    assert grid_offset(file, Tile(x=300 + columns, y=400 + rows, z=z)) == expected


@given(off=st.floats(0.02, 0.98), z=st.integers(10, 19))
def test_a_file_off_the_grid_has_no_offset(off, z):
    corner = Tile(x=300, y=400, z=z)
    pixel_m = (box(corner).right - box(corner).left) / 256
    assert grid_offset(survey_of_grid(box(corner).left + off * pixel_m, box(corner).top, pixel_m), corner) is None
    assert grid_offset(survey_of_grid(box(corner).left, box(corner).top, pixel_m * 1.0001), corner) is None
    assert grid_offset(survey_of_grid(box(corner).left, box(corner).top, pixel_m), mercantile.parent(corner)) is None


def survey_of_grid(left, top, pixel_m, size=10_000):
    from mosaic_assets.core.records import Bounds
    from mosaic_assets.sources.raster_files import RasterFile

    return RasterFile(
        path="",
        bounds=Bounds(0, 0, 1, 1),
        left=left,
        bottom=top - size * pixel_m,
        right=left + size * pixel_m,
        top=top,
        pixel_m=pixel_m,
        pixel_size=(pixel_m, pixel_m),
        bands=(1, 2, 3),
        overviews=(),
    )


def test_grey_becomes_three_equal_bands(tmp_path):
    bands = random_bands(1)
    picture = pixels_of(fetch_one(write(tmp_path / "a.tif", bands)))
    assert all(np.array_equal(picture[..., band], bands[0]) for band in range(3))


def test_colours_are_found_by_their_labels_and_alpha_is_dropped(tmp_path):
    bands = random_bands(5)
    bands[3] = 1  # alpha: barely there is there
    colours = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.alpha, ColorInterp.red]
    picture = pixels_of(fetch_one(write(tmp_path / "a.tif", bands, colours=colours)))
    assert np.array_equal(picture, np.moveaxis(bands[[4, 2, 1]], 0, 2))


def test_a_fourth_band_without_a_label_is_left_out(tmp_path):
    bands = random_bands(4)
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined]
    picture = pixels_of(fetch_one(write(tmp_path / "a.tif", bands, colours=colours, photometric="rgb", alpha="no")))
    assert np.array_equal(picture, np.moveaxis(bands[:3], 0, 2))


def shifted(bounds, pixels):
    left, bottom, right, top = bounds
    metres = pixels * (right - left) / 256
    return left + metres, bottom, right + metres, top


@pytest.mark.parametrize("pixels", [-1, 1, -0.5, 0.5])
def test_a_tile_that_is_covered_only_in_part_is_missing(tmp_path, pixels):
    path = write(tmp_path / "a.tif", random_bands(), bounds=shifted(box(PLACE), pixels))
    fetched = fetch_one(path)
    assert (fetched.body, fetched.outcome, fetched.detail) == (None, Outcome.MISSING, "outside the raster")


def widened(tile):
    """The box of a tile and half a tile round it, off the grid by a third of a pixel."""
    left, bottom, right, top = box(tile)
    half = (right - left) / 2
    nudge = (right - left) / 256 / 3
    return left - half + nudge, bottom - half, right + half + nudge, top + half


@pytest.mark.parametrize("resampled", [False, True])
@pytest.mark.parametrize("kind", ["alpha", "nodata", "mask"])
def test_a_single_invalid_pixel_makes_a_tile_missing(tmp_path, kind, resampled):
    size, bounds = (512, widened(PLACE)) if resampled else (256, None)
    bands = np.maximum(random_bands(3, size), 1)
    holed = bands.copy()
    hole = (slice(None), size // 2, size // 2)
    alpha = np.full((1, size, size), 255, np.uint8)
    profile, colours = {}, None
    if kind == "nodata":
        holed[hole] = 0
        profile = {"nodata": 0}
    elif kind == "alpha":
        colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        bands, holed = np.concatenate([bands, alpha]), np.concatenate([holed, alpha])
        holed[(3, *hole[1:])] = 0
    whole = write(tmp_path / "whole.tif", bands, bounds, colours=colours, **profile)
    broken = write(tmp_path / "broken.tif", holed, bounds, colours=colours, **profile)
    if kind == "mask":
        with rasterio.open(broken, "r+") as dataset:
            alpha[hole] = 0
            dataset.write_mask(alpha[0])
    assert fetch_one(whole).outcome is None
    assert fetch_one(broken).outcome is Outcome.MISSING


def test_black_in_one_band_is_no_hole_in_a_file_whose_nodata_is_black(tmp_path):
    bands = np.maximum(random_bands(), 1)
    bands[0, 7, 7] = 0
    assert fetch_one(write(tmp_path / "a.tif", bands, nodata=0)).outcome is None


def test_the_first_file_that_covers_all_of_a_tile_wins(tmp_path):
    part = write(tmp_path / "part.tif", random_bands(seed=1), bounds=shifted(box(PLACE), 5))
    holed = random_bands(seed=2)
    holed[:, 9, 9] = 0
    hole = write(tmp_path / "hole.tif", holed, nodata=0)
    first = write(tmp_path / "first.tif", random_bands(seed=3))
    second = write(tmp_path / "second.tif", random_bands(seed=4))
    assert np.array_equal(pixels_of(fetch_one(part, hole, first, second)), np.moveaxis(random_bands(seed=3), 0, 2))


def test_reducing_takes_the_average(tmp_path):
    bands = random_bands(3, 512)
    picture = pixels_of(fetch_one(write(tmp_path / "a.tif", bands)))
    means = np.moveaxis(bands.reshape(3, 256, 2, 256, 2).mean(axis=(2, 4)), 0, 2)
    assert np.abs(picture - means).max() <= 0.5 + 1e-6  # rounding, whichever way halves go


def test_reducing_uses_the_smaller_copies_inside_the_file(tmp_path):
    path = write(tmp_path / "a.tif", random_bands(3, 1024), tiled=True)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    with rasterio.open(path, overview_level=1) as dataset:
        smallest = np.moveaxis(dataset.read(), 0, 2)
    assert smallest.shape == (256, 256, 3)
    assert np.array_equal(pixels_of(fetch_one(path)), smallest)


def test_magnifying_is_smooth(tmp_path):
    ramp = np.broadcast_to(np.arange(0, 256, 2, dtype=np.uint8), (3, 128, 128))
    picture = pixels_of(fetch_one(write(tmp_path / "a.tif", ramp))).astype(int)
    steps = np.diff(picture[:, 2:-2, 0], axis=1)
    assert steps.min() >= 0
    assert steps.max() <= 2  # doubling pixels instead would give steps of 0 and 2 only: see the next line
    assert (steps == 1).mean() > 0.9


def test_neighbouring_tiles_of_a_warped_file_join(tmp_path):
    left, bottom, right, top = box(mercantile.parent(PLACE))
    wave = (127 + 120 * np.sin(np.arange(600) / 9)).astype(np.uint8)
    bands = np.broadcast_to(wave, (3, 600, 600))
    path = write(tmp_path / "a.tif", bands, bounds=(left - 99, bottom - 99, right + 99, top + 99))
    west, east = (Tile(*tile) for tile in sorted(mercantile.children(mercantile.parent(PLACE)))[0::2][:2])
    with open_files(path) as source:
        a, b = (pixels_of(fetched).astype(int) for fetched in source.fetch([west, east]))
    assert west.x + 1 == east.x
    inside = np.abs(np.diff(np.concatenate([a[:, -9:], b[:, :9]], axis=1)[..., 0], axis=1))
    assert inside[:, 8].max() <= inside.max() <= 20


def test_patterns_are_relative_to_the_working_directory_and_sorted(tmp_path, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.tif", "a.tif", "deep/er/c.tif"):
        write(tmp_path / name, random_bands())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = [Path(file.path).name for file in survey(record_of("*.tif", "~/deep/**/*.tif", "a.tif"))]
    assert names == ["a.tif", "b.tif", "c.tif"]


@pytest.mark.parametrize("pattern", ["absent.tif", "*.jp2", "~/nowhere/*.tif"])
def test_a_pattern_that_matches_nothing_is_an_error(pattern):
    with pytest.raises(SourceError, match=r"matches no file .* correct sources\.files\.paths"):
        open_files(pattern)


def test_files_that_cannot_be_tiles_are_refused_with_the_remedy(tmp_path):
    deep = write(tmp_path / "deep.tif", random_bands().astype(np.uint16))
    adrift = write(tmp_path / "adrift.tif", random_bands(), crs=None)
    palette = write(tmp_path / "palette.tif", random_bands(1), photometric="palette")
    text = tmp_path / "text.tif"
    text.write_text("not a picture")
    for path, remedy in [
        (deep, "uint16 pixels, but tiles are 8-bit"),
        (adrift, "no place on Earth"),
        (palette, "-expand rgb"),
        (text, "take it out of"),
    ]:
        with pytest.raises(SourceError, match=remedy) as caught:
            open_files(path)
        assert str(path) in str(caught.value)


def test_a_file_damaged_inside_fails_its_tiles_only(tmp_path):
    path = write(tmp_path / "a.tif", random_bands(), compress="deflate")
    whole = path.read_bytes()
    with rasterio.open(path) as dataset:
        offset = int(dataset.tags(ns="TIFF", bidx=1).get("BLOCK_OFFSET_0_0", 0)) or len(whole) // 2
    path.write_bytes(whole[:offset] + bytes(2000) + whole[offset + 2000 :])
    fetched = fetch_one(path)
    assert fetched.outcome is Outcome.NOT_AN_IMAGE
    assert "cannot be read" in fetched.detail


def test_a_tile_that_does_not_exist_is_an_error(tmp_path):
    with open_files(write(tmp_path / "a.tif", random_bands())) as source, pytest.raises(GeometryError):
        list(source.fetch([Tile(x=0, y=0, z=-1)]))


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "exact", "columns", "rows"),
    [
        # Whole tiles inside the file's box, by hand from the box in tiles at zoom 15 (see the comments).
        ("test100/f1_L15_arcgis.tiff", False, range(16255, 16265), range(11226, 11235)),  # 2817 columns for 2816
        ("test100/f20_L15_arcgis.tiff", True, range(16331, 16340), range(11411, 11420)),
        ("test100/f66_L15_arcgis.tiff", True, range(16854, 16862), range(11736, 11746)),
        ("test400/F4_L15_arcgis.tiff", True, range(16398, 16407), range(11391, 11400)),
        ("test400/m53_L15_mapbox.tiff", False, range(16154, 16163), range(11401, 11411)),  # 2561 for 2560
    ],
)
def test_the_real_mosaics_give_the_tiles_they_cover(name, exact, columns, rows):
    (file,) = survey(record_of(MOSAICS / name))
    around = [Tile(x, y, 15) for y in (rows[0] - 1, rows[0], rows[-1], rows[-1] + 1)
              for x in (columns[0] - 1, columns[0], columns[-1], columns[-1] + 1)]  # fmt: skip
    with open_files(MOSAICS / name, workers=2) as source:
        answers = {fetched.tile: fetched for fetched in source.fetch(around)}
    assert {tile for tile in answers if answers[tile].outcome is None} == {
        tile for tile in around if tile.x in columns and tile.y in rows
    }
    assert file.native_zoom == 15
    assert (grid_offset(file, around[0]) is not None) == exact


@needs_shared_data
def test_an_exact_window_has_the_pixels_that_rasterio_reads():
    path = MOSAICS / "test400" / "F4_L15_arcgis.tiff"
    tiles = [Tile(16398, 11391, 15), Tile(16402, 11395, 15), Tile(16406, 11399, 15)]
    with open_files(path) as source, rasterio.open(path) as dataset:
        for fetched in source.fetch(tiles):
            window = dataset.window(*box(fetched.tile)).round_offsets().round_lengths()
            assert (window.width, window.height) == (256, 256)
            assert np.array_equal(pixels_of(fetched), np.moveaxis(dataset.read(window=window), 0, 2))


@needs_shared_data
@pytest.mark.parametrize(
    ("path", "tile"),
    [
        (MOSAICS / "test100" / "f1_L15_arcgis.tiff", Tile(16260, 11230, 15)),
        (MOSAICS / "test400" / "m53_L15_mapbox.tiff", Tile(16158, 11405, 15)),
        (AERIAL, Tile(18250, 19681, 15)),
        (AERIAL, Tile(36501, 39362, 16)),
    ],
)
def test_a_warped_window_agrees_with_gdals_reprojection(path, tile):
    with rasterio.open(path) as dataset:
        reducing = tile.z == 15 and path == AERIAL
        expected = np.zeros((3, 256, 256), np.uint8)
        reproject(
            dataset.read([1, 2, 3]),
            expected,
            src_transform=dataset.transform,
            src_crs=dataset.crs,
            dst_transform=from_origin(box(tile).left, box(tile).top, *[(box(tile).right - box(tile).left) / 256] * 2),
            dst_crs=CRS.from_epsg(3857),
            resampling=Resampling.average if reducing else Resampling.bilinear,
        )
    picture = pixels_of(fetch_one(path, tile=tile)).astype(int)
    difference = np.abs(picture - np.moveaxis(expected, 0, 2))
    # `reproject` may be off by an eighth of a pixel, our reader by a hundredth.
    assert difference.mean() < 1.5
    assert picture.std() > 5


@needs_shared_data
def test_the_dark_seam_at_the_edge_of_m53_stays_out():
    # Its first column is nearly black: filling, not imagery.
    path = MOSAICS / "test400" / "m53_L15_mapbox.tiff"
    with rasterio.open(path) as dataset:
        assert dataset.read()[:, :, 0].mean() < 10
    with open_files(path) as source:
        for fetched in source.fetch([Tile(16154, y, 15) for y in range(11401, 11405)]):
            assert pixels_of(fetched)[:, 0].mean() > 40


@needs_shared_data
def test_serving_a_raster_changes_no_byte(record_at, open_xyz):
    tiles = [Tile(16398 + i, 11391 + i, 15) for i in range(5)] + [Tile(0, 0, 15)]
    with open_files(MOSAICS / "test400" / "F4_L15_arcgis.tiff", workers=2) as source:
        direct = list(source.fetch(tiles))
        with running_server(source) as url:
            record = record_at(url, url=url + "/tile/{z}/{y}/{x}")
            served = list(open_xyz(record, max_body_bytes=1_000_000).fetch(tiles))
    assert [one.body for one in served] == [one.body for one in direct]
    assert [one.outcome for one in served] == [None] * 5 + [Outcome.MISSING]


@needs_shared_data
def test_threads_do_not_change_the_answers():
    tiles = [Tile(x, y, 15) for x in range(18249, 18253) for y in range(19674, 19686)]
    answers = []
    for workers in (1, 4):
        with open_files(AERIAL, workers=workers) as source:
            answers.append([(one.tile, one.body, one.outcome) for one in source.fetch(tiles)])
    assert answers[0] == answers[1]
    assert sum(body is not None for _, body, _ in answers[0]) == 14


@needs_shared_data
def test_footprints_agree_with_the_published_table():
    with (MOSAICS / "test400.csv").open() as table:
        (row,) = [row for row in csv.DictReader(table) if row["imgname"] == "F4_L15_arcgis.tiff"]
    ((path, bounds, zoom),) = raster_footprint(record_of(MOSAICS / "test400" / "F4_L15_arcgis.tiff"))
    assert path.endswith("F4_L15_arcgis.tiff")
    published = [float(row[name]) for name in ("lon_min", "lat_min", "lon_max", "lat_max")]
    pixel_deg = 360 / 256 / 2**15
    assert list(bounds) == pytest.approx(published, abs=1.01 * pixel_deg)
    assert zoom == int(row["level"])
