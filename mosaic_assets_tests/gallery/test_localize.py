"""Pictures located in a made gallery, and real ones: to the metre where that is possible, not at all where it is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pyproj import Transformer
from rasterio.transform import from_bounds

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD, nominal_resolution
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.gallery.localize.changes import APPEARANCES
from mosaic_assets.gallery.localize.cutting import lay_out, read_query
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.localize.locate import located
from mosaic_assets.gallery.localize.records import Query
from mosaic_assets.gallery.localize.registry import method_named
from mosaic_assets.gallery.localize.view import GalleryView
from mosaic_assets.settings import load_settings
from mosaic_assets.store.gallery_db import open_gallery
from mosaic_assets.store.gallery_records import StoredTile
from mosaic_assets_tests.gallery.conftest import SHARED_RSLOC, needs_rsloc
from mosaic_assets_tests.gallery.drawn import NORTH, SIDE, WEST, ZOOM, answer, cut, fill, world


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_a_turned_scaled_and_changed_picture_is_found_to_the_metre_by_sift(gallery: Gallery, appearance: str) -> None:
    query = cut(gallery, appearance, "free")
    location = answer(query, gallery, "sift_vlad")
    assert location.accepted
    assert location.error_m is not None and location.error_m < 2


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_a_changed_picture_north_up_is_found_to_the_metre_by_edges(gallery: Gallery, appearance: str) -> None:
    location = answer(cut(gallery, appearance, "north_up", 2), gallery, "edge_clique")
    assert location.accepted
    assert location.error_m is not None and location.error_m < 3


@pytest.mark.parametrize("name", ["sift_vlad", "edge_clique"])
def test_the_mirror_image_of_a_place_is_not_accepted(gallery: Gallery, name: str) -> None:
    assert not answer(cut(gallery, "mirrored", "north_up"), gallery, name).accepted


@pytest.mark.parametrize("name", ["sift_vlad", "sift_vlad_retrieval", "edge_clique"])
def test_a_picture_without_features_has_no_answer_that_is_accepted(gallery: Gallery, name: str) -> None:
    location = located(Query("grey", np.full((256, 256, 3), 90, np.uint8)), gallery, method_named(name))
    assert (location.accepted, location.lng, location.candidates) == (False, None, ())
    assert location.picture.startswith(b"\x89PNG")


def test_retrieval_alone_finds_the_place_but_accepts_nothing(gallery: Gallery) -> None:
    location = answer(cut(gallery, "none", "free"), gallery, "sift_vlad_retrieval")
    assert location.error_m is not None and location.error_m < 1_500
    assert not location.accepted


def posed(gallery: Gallery, degrees: float, scale: float) -> Query:
    """A query at the middle of the gallery, turned, a pixel of which is as wide as so many of the gallery's."""
    centre, turn = np.array([WEST + 4.3, NORTH + 3.6]) * 256, np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    window = gallery.view.window(*(int(edge) - 600 for edge in centre), 1_200, 1_200)
    shift = centre - (window.left, window.top) - 0.5 - matrix @ np.full(2, 191.5)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(window.image, np.column_stack([matrix, shift]), (384, 384), flags=flags)
    return Query("turned", np.asarray(image, np.uint8), gallery.view.lnglat(*centre))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_half_and_double_scale_are_found_by_sift(gallery: Gallery, scale: float) -> None:
    found = answer(posed(gallery, 130, scale), gallery, "sift_vlad")
    assert found.accepted
    assert found.error_m is not None and found.error_m < 5


def test_the_edge_method_sweeps_turns_and_scales_when_told_to(gallery: Gallery) -> None:
    options = gallery.options.model_copy(update={"localize_turns": (-8.0, 0.0, 8.0), "localize_scales": (1.0, 1.12)})
    sweeping = Gallery(gallery.view, gallery.index, options, gallery.seed)
    query = posed(gallery, 8, 1.12)
    found = answer(query, sweeping, "edge_clique")
    assert found.error_m is not None and found.error_m < 10
    assert not answer(query, gallery, "edge_clique").accepted


def test_a_place_is_found_in_a_gallery_of_plate_carree_tiles(tmp_path: Path, gallery: Gallery) -> None:
    settings = load_settings(home=tmp_path)
    first = CRS84_QUAD.tile_at(*gallery.view.lnglat((WEST + 1) * 256, (NORTH + 1) * 256), ZOOM)
    tiles = [Tile(first.x + x, first.y + 1 + y, ZOOM) for x in range(5) for y in range(3)]
    settings.gallery_folder.mkdir(parents=True)
    with open_gallery(settings.gallery_folder, grid=CRS84_QUAD, create=True) as database, database.writing():
        database.add(StoredTile(tile, "", encode_png(plate_carree(gallery.view, tile))) for tile in tiles)
    query = next(
        found
        for seed in range(60)
        if (found := cut(gallery, "none", "rotation", seed)).truth and inside(found.truth, tiles)
    )
    with opening_gallery(settings) as opened:
        location = answer(query, opened, "sift_vlad")
    assert location.accepted
    assert location.error_m is not None and location.error_m < 4


def plate_carree(view: GalleryView, tile: Tile) -> np.ndarray:
    """Draw a tile of the other grid; the map projection is pyproj's."""
    west, south, east, north = CRS84_QUAD.bounds(tile)
    lng, lat = np.meshgrid(
        west + (np.arange(256) + 0.5) / 256 * (east - west), north - (np.arange(256) + 0.5) / 256 * (north - south)
    )
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lng, lat)
    pixel, half = nominal_resolution(ZOOM), np.pi * 6_378_137.0
    window = view.window(WEST * 256, NORTH * 256, SIDE * 256, SIDE * 256)
    columns, rows = (x + half) / pixel - window.left - 0.5, (half - y) / pixel - window.top - 0.5
    return np.asarray(
        cv2.remap(window.image, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR), np.uint8
    )


def inside(place: tuple[float, float], tiles: list[Tile]) -> bool:
    column, row = (float(at) / 256 for at in CRS84_QUAD.pixel_at(*place, ZOOM))
    return tiles[0].x + 1 < column < tiles[-1].x and tiles[0].y + 0.8 < row < tiles[-1].y + 0.2


def test_rows_of_a_plate_carree_gallery_are_laid_where_pyproj_puts_them(tmp_path: Path) -> None:
    tile = Tile(16_400, 12_016, ZOOM)
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 256, 3)).copy()
    with open_gallery(tmp_path, grid=CRS84_QUAD, create=True) as database:
        with database.writing():
            database.add([StoredTile(tile, "", encode_png(ramp))])
        view = GalleryView(database, ZOOM)
        top = int(WEB_MERCATOR_QUAD.pixel_at(*CRS84_QUAD.bounds(tile)[::3], ZOOM)[1]) + 20
        window = view.window(tile.x * 256, top, 4, 300)
    y = np.pi * 6_378_137.0 - (np.arange(top, top + 300) + 0.5) * nominal_resolution(ZOOM)
    lat = Transformer.from_crs(3857, 4326, always_xy=True).transform(np.zeros(300), y)[1]
    wanted = (CRS84_QUAD.bounds(tile).north - lat) / (360 / 2**ZOOM / 256) - 0.5
    assert window.covered.all()
    assert np.abs(window.image[:, 0, 0] - wanted).max() <= 0.51


def test_a_tile_of_the_plate_carree_grid_fills_about_one_and_a_half_cells_in_france(tmp_path: Path) -> None:
    with open_gallery(tmp_path, grid=CRS84_QUAD, create=True) as database:
        with database.writing():
            database.add([StoredTile(Tile(16_400, 12_016 + row, ZOOM), "", b"") for row in range(20)])
        cells = GalleryView(database, ZOOM).cells
    assert {cell.x for cell in cells} == {16_400}
    assert len(cells) == round(20 / np.cos(np.radians(47.9)))  # 29.8


@needs_rsloc
@pytest.mark.parametrize(
    ("tile", "mosaic"), [("15_16158_12025", "m53_L15_mapbox"), ("15_16400_12016", "F4_L15_arcgis")]
)
def test_a_real_tile_is_found_within_25_m_in_imagery_of_another_source_by_edges(
    tmp_path: Path, tile: str, mosaic: str
) -> None:
    from mosaic_assets.core.imaging import decode_tile

    query = read_query(SHARED_RSLOC / "RSimages" / "test400" / f"{mosaic}.tiff", ZOOM)
    column, row = (round(at) for at in world(query))
    settings = load_settings(home=tmp_path)
    x, y = -(-column // 256), -(-row // 256)
    fill(settings, query.image[y * 256 - row :, x * 256 - column :], x, y)
    z, x, y = map(int, tile.split("_"))
    image = decode_tile((SHARED_RSLOC / "Gallery" / f"{tile}.jpg").read_bytes())[0]
    assert image is not None
    bounds = from_bounds(*CRS84_QUAD.bounds(Tile(x, y, z)), 256, 256)
    with opening_gallery(settings) as opened:
        location = answer(lay_out(tile, image, bounds, "EPSG:4326", ZOOM), opened, "edge_clique")
    assert location.accepted
    assert location.error_m is not None and location.error_m < 25
