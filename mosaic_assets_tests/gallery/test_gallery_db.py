"""Opening galleries of ours and of others, and what travels to the c-squares index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD, grid_named
from mosaic_assets.core.imaging import encode_jpeg
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import DatabaseError, GalleryError, GeometryError
from mosaic_assets.gallery.footprints import footprints, footprints_state
from mosaic_assets.gallery.importing import import_gallery
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import gallery_path, has_gallery, open_gallery
from mosaic_assets.store.gallery_records import StoredTile
from mosaic_assets.store.sqlite import open_database
from mosaic_assets_tests.gallery.conftest import SHARED_RSLOC, needs_rsloc, settings_at

TILE = Tile(16400, 12016, 15)


def foreign(path: Path, *tiles: tuple[object, ...]) -> Path:
    """A gallery as reference 4 publishes it: one table, no grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE ge_tiles (zoom_level, tile_column, tile_row, time_, tile_data)")
        connection.executemany("INSERT INTO ge_tiles VALUES (?, ?, ?, ?, ?)", tiles)
    return path


def test_an_empty_gallery_is_one(tmp_path: Path) -> None:
    with open_gallery(tmp_path, grid=CRS84_QUAD, create=True) as gallery:
        assert (gallery.count(), gallery.zooms(), gallery.read(TILE), list(gallery.bodies(15))) == (0, [], None, [])
        assert gallery.notes() == {"grid": "GoogleCRS84Quad"}
    assert has_gallery(tmp_path)


def test_the_grid_stays_what_it_was(tmp_path: Path) -> None:
    with open_gallery(tmp_path, grid=CRS84_QUAD, create=True) as gallery, gallery.writing():
        gallery.note("grid", "WebMercatorQuad")
    for create in (True, False):
        with (
            pytest.raises(GalleryError, match="never mixed"),
            open_gallery(tmp_path, grid=WEB_MERCATOR_QUAD, create=create),
        ):
            pass
    with open_gallery(tmp_path) as gallery:
        assert gallery.grid == CRS84_QUAD


def test_a_tile_outside_the_grid_is_not_written_nor_read(tmp_path: Path) -> None:
    north_of_the_pole = Tile(16400, 11, 15)
    with open_gallery(tmp_path, grid=CRS84_QUAD, create=True) as gallery:
        with pytest.raises(GeometryError):
            gallery.commit([StoredTile(TILE, "", b"x"), StoredTile(north_of_the_pole, "", b"x")])
        assert gallery.count() == 0  # all or nothing
        with pytest.raises(GeometryError):
            gallery.read(north_of_the_pole)


def test_what_is_no_gallery_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="there is no gallery"), open_gallery(tmp_path):
        pass
    path = gallery_path(tmp_path / "other")
    open_database(path, "CREATE TABLE tiles (a)", 1, create=True).close()  # a database of ours, but not this one
    with pytest.raises(GalleryError, match="is not a gallery \\(its tables: tiles"), open_gallery(path.parent):
        pass
    path = foreign(gallery_path(tmp_path / "foreign"))
    with (
        pytest.raises(GalleryError, match="does not say which grid"),
        open_gallery(path.parent, grid=CRS84_QUAD, create=True),
    ):
        pass
    path = gallery_path(tmp_path / "text")
    path.parent.mkdir()
    path.write_text("this is no database, but it is long enough to be taken for one" * 50)
    with pytest.raises(DatabaseError, match="not a usable SQLite database"), open_gallery(path.parent):
        pass


@needs_rsloc
def test_a_published_gallery_is_taken_over_once_its_grid_is_said(tmp_path: Path) -> None:
    tiles = []
    for path in sorted((SHARED_RSLOC / "Gallery").glob("*.jpg")):
        zoom, column, row = map(int, path.stem.split("_"))
        tiles.append((zoom, column, row, "2023-08-16", path.read_bytes()))
    settings = settings_at(tmp_path / "home")
    assert import_gallery(settings, foreign(tmp_path / "galleryL15.db", *tiles)) == 2
    with open_gallery(settings.gallery_folder) as gallery:
        assert gallery.read(TILE) == (SHARED_RSLOC / "Gallery" / "15_16400_12016.jpg").read_bytes()
        assert gallery.counts() == {(15, "2023-08-16"): 2}


@pytest.mark.parametrize(
    ("tile", "words"),
    [
        (
            (15, 16400, 11, "", encode_jpeg(np.zeros((256, 256, 3), np.uint8))),
            "is it in the other grid",
        ),
        ((15, 16400, 12016, None, b"nothing"), "is no picture of 256 x 256"),
        ((15, 16400, 12016, "", None), "NoneType as its picture"),
        ((15, "east", 12016, "", b"x"), "column 'east'"),
    ],
    ids=["outside the grid", "no picture", "nothing", "text for a number"],
)
def test_a_published_gallery_that_cannot_be_is_refused(tmp_path: Path, tile: tuple[object, ...], words: str) -> None:
    with pytest.raises(GalleryError, match=words):
        import_gallery(settings_at(tmp_path / "home"), foreign(tmp_path / "g.db", tile))


def test_tiles_of_a_published_gallery_are_not_mixed_with_ours(own: Settings, tmp_path: Path) -> None:
    data = encode_jpeg(np.zeros((256, 256, 3), np.uint8))
    with pytest.raises(GalleryError, match="would be mixed"):
        import_gallery(own, foreign(tmp_path / "g.db", (13, 4112, 3015, "", data)))
    assert import_gallery(own, foreign(tmp_path / "h.db", (13, 4112, 3015, "2001-01-01", data))) == 1
    scenes = [scene for name, scenes in footprints(own) if name == "gallery-13-00128" for scene, _ in scenes]
    assert [(scene.instrument, scene.time.year) for scene in scenes if scene.time] == [("h.db", 2001)]


def test_a_database_without_ge_tiles_is_not_imported(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE ge_tiles (zoom_level, x, y)")
    with pytest.raises(GalleryError, match="expected a table ge_tiles with"):
        import_gallery(settings_at(tmp_path / "home"), tmp_path / "x.db")
    with pytest.raises(GalleryError, match="no such database"):
        import_gallery(settings_at(tmp_path / "home"), tmp_path / "none.db")


def test_footprints_are_the_tiles_and_the_queries(built: Settings) -> None:
    parts = dict(footprints(built))
    assert {name: len(scenes) for name, scenes in parts.items()} == {
        "queries-test": 8, "queries-tune": 2, "gallery-13-00128": 4, "gallery-14-00257": 16,
    }  # fmt: skip
    scene, outline = parts["gallery-13-00128"][0]
    assert (scene.id, scene.platform) == ("GoogleCRS84Quad/13/4112/3015", "gallery")
    assert outline.bounds == tuple(CRS84_QUAD.bounds(Tile(4112, 3015, 13)))
    scene, outline = parts["queries-tune"][0]
    assert scene.platform == "queries" and (built.home / scene.image_location).is_file()
    ids = [scene.id for scenes in parts.values() for scene, _ in scenes]
    assert len(set(ids)) == len(ids) == 30


def test_the_state_of_footprints_changes_with_a_tile(own: Settings, tmp_path: Path) -> None:
    before = footprints_state(own)
    with open_gallery(own.gallery_folder, grid=grid_named(own.gallery.grid), create=True) as gallery:
        gallery.commit([StoredTile(TILE, "", b"x")])
    assert footprints_state(own) != before
    assert (
        footprints_state(settings_at(tmp_path / "none")) == ""
        and list(footprints(settings_at(tmp_path / "none"))) == []
    )
