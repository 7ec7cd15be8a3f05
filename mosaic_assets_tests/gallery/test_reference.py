"""Reference 4's access code runs against our gallery; expressed here anew, its defects mended and named."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mosaic_assets.core.grids import CRS84_QUAD, nominal_resolution
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.errors import GalleryError, GeometryError
from mosaic_assets.gallery.stitch import contact_sheet, overview, stitch
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import gallery_path, open_gallery
from mosaic_assets_tests.gallery.conftest import settings_at


def save_all(database: Path, folder: Path) -> int:
    """The first block of the README. It selects five columns and unpacks six: `tile_data` is added to the SELECT."""
    connection = sqlite3.connect(database)
    cursor = connection.cursor()
    cursor.execute("select rowid,zoom_level,tile_column,tile_row,time_,tile_data from ge_tiles")
    rows = cursor.fetchall()
    for rowid, _zoom, _column, _row, _time, tile_data in rows:
        image = cv2.imdecode(np.asarray(bytearray(tile_data), dtype="uint8"), cv2.IMREAD_COLOR)
        assert image.shape == (256, 256, 3)
        cv2.imwrite(str(folder / f"{rowid}.jpg"), image)
    connection.close()
    return len(rows)


def stitch_as_the_readme(database: Path, level: int, column: int, row: int, size: int) -> NDArray[np.uint8]:
    """The second block: N x N tiles round one, N odd; with an even N it fails, for it then walks N + 1 tiles."""
    connection = sqlite3.connect(database)
    cursor = connection.cursor()
    picture = np.full((256 * size, 256 * size, 3), 255, dtype=np.uint8)
    half = int(size / 2)
    for i in range(-half, half + 1):
        for j in range(-half, half + 1):
            cursor.execute(
                "select rowid,tile_data from ge_tiles where zoom_level = ? and tile_column = ? and tile_row = ?",
                (level, column + j, row + i),
            )
            found = cursor.fetchmany(1)
            if found:
                image = cv2.imdecode(np.asarray(bytearray(found[0][1]), dtype="uint8"), cv2.IMREAD_COLOR)
                top, left = (i + half) * 256, (j + half) * 256
                picture[top : top + 256, left : left + 256] = image
    connection.close()
    return picture


def test_every_tile_is_read_and_saved(built: Settings, tmp_path: Path) -> None:
    assert save_all(gallery_path(built.gallery_folder), tmp_path) == 20
    assert len(list(tmp_path.glob("*.jpg"))) == 20


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("place", [(8225, 6031), (8224, 6030), (8227, 6033)], ids=["inside", "corner", "other corner"])
def test_stitching_gives_the_references_picture_to_the_last_pixel(
    built: Settings, size: int, place: tuple[int, int]
) -> None:
    theirs = stitch_as_the_readme(gallery_path(built.gallery_folder), 14, *place, size)
    with open_gallery(built.gallery_folder) as gallery:
        ours = stitch(gallery, Tile(*place, 14), size)
    assert np.array_equal(ours, theirs[:, :, ::-1])  # OpenCV's order is blue, green, red


def test_an_even_stitch_has_the_tile_right_below_the_middle(built: Settings) -> None:
    with open_gallery(built.gallery_folder) as gallery:
        tile = Tile(8225, 6031, 14)
        assert np.array_equal(stitch(gallery, tile, 2)[256:, 256:], stitch(gallery, tile, 1))


def test_the_readers_query_finds_the_newest_time(own: Settings) -> None:
    from mosaic_assets.gallery.build import build_zoom

    build_zoom(settings_at(own.home, time="2023-08-16", jpeg_quality=10), 13)
    with sqlite3.connect(gallery_path(own.gallery_folder)) as connection:
        found = connection.execute(
            "select rowid,tile_data,time_ from ge_tiles where zoom_level = 13 and tile_column = 4112 and tile_row = 3015"
        ).fetchmany(1)
    assert found[0][2] == "2023-08-16"


def test_the_other_functions_have_their_equals() -> None:
    """Centre, bounds of one tile (not of 3 x 3, as the demo's do), row and column of a point, resolution of a level."""
    tile = Tile(16400, 12016, 15)
    assert CRS84_QUAD.centre(tile) == (16400.5 / 32768 * 360 - 180, 180 - 12016.5 / 32768 * 360)
    assert CRS84_QUAD.bounds(tile) == Bounds(0.17578125, 47.977294921875, 0.186767578125, 47.98828125)
    assert CRS84_QUAD.tile_at(0.18, 47.98, 15) == tile
    assert nominal_resolution(15) == pytest.approx(4.777314267823505, rel=1e-12)  # as in the published lists


@pytest.mark.parametrize("size", [0, -3, 65])
def test_a_size_out_of_range_is_refused(built: Settings, size: int) -> None:
    with open_gallery(built.gallery_folder) as gallery, pytest.raises(GalleryError, match="from 1 to 64"):
        stitch(gallery, Tile(8225, 6031, 14), size)


def test_a_tile_of_the_other_grid_is_refused(built: Settings) -> None:
    with open_gallery(built.gallery_folder) as gallery, pytest.raises(GeometryError, match="not in the grid Google"):
        stitch(gallery, Tile(8225, 100, 14))


def test_an_overview_shows_every_tile_in_its_place(built: Settings) -> None:
    with open_gallery(built.gallery_folder) as gallery:
        small = overview(gallery, 14, side=64)
        whole = cv2.resize(stitch(gallery, Tile(8226, 6032, 14), 4), (64, 64), interpolation=cv2.INTER_AREA)
    assert small.shape == (64, 64, 3)
    assert np.abs(small.astype(int) - whole).max() <= 1


def test_an_overview_of_an_empty_zoom_says_so(built: Settings) -> None:
    with open_gallery(built.gallery_folder) as gallery, pytest.raises(GalleryError, match="no tiles there"):
        overview(gallery, 9)


def test_a_contact_sheet_holds_pictures_of_any_shape() -> None:
    from PIL import Image

    sheet = contact_sheet([np.zeros((40, 80, 3), np.uint8), np.zeros((300, 20, 3), np.uint8)], each=50)
    assert Image.open(io.BytesIO(sheet)).size == (108, 54)
