"""Locating pictures in a made gallery of 64 tiles: fields, roads and houses drawn with a seed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import from_bounds, from_origin

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD, grid_named, nominal_resolution
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import GalleryError, UnknownNameError
from mosaic_assets.gallery.localize import index as indexing
from mosaic_assets.gallery.localize.changes import APPEARANCES
from mosaic_assets.gallery.localize.cutting import cut_query, lay_out, read_query
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.localize.locate import locate, located
from mosaic_assets.gallery.localize.metrics import Asked, ground_distance, judged
from mosaic_assets.gallery.localize.records import Query
from mosaic_assets.gallery.localize.registry import load_methods, method_named
from mosaic_assets.gallery.localize.search import make_lists, most_alike, number_of_lists
from mosaic_assets.gallery.localize.verify import agreement
from mosaic_assets.gallery.localize.view import GalleryView
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.gallery_db import StoredTile, open_gallery
from mosaic_assets_tests.gallery.conftest import SHARED_RSLOC, needs_rsloc

ZOOM, WEST, NORTH, SIDE = 15, 16_390, 11_380, 8


def drawn(side: int, seed: int = 7) -> np.ndarray:
    """A picture of fields with furrows, roads and houses."""
    random = np.random.default_rng(seed)
    seeds = np.ones((side, side), np.uint8)
    seeds[random.integers(0, side, side // 6), random.integers(0, side, side // 6)] = 0
    labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5)[1]
    tones = random.integers(60, 190, (labels.max() + 1, 3)) * np.array([0.9, 1.0, 0.7])
    turn, rows, columns = random.uniform(0, np.pi, labels.max() + 1)[labels], *np.mgrid[:side, :side]
    furrows = 8 * np.sin((columns * np.cos(turn) + rows * np.sin(turn)) * 0.8)
    image = np.clip(tones[labels] + furrows[..., None] + random.normal(0, 4, (side, side, 1)), 0, 255).astype(np.uint8)
    for _ in range(side // 20):
        ends = random.integers(0, side, 4).tolist()
        cv2.line(image, ends[:2], ends[2:], (200, 195, 185), 3)
    for column, row, width, height, tone in random.integers(
        (0, 0, 4, 4, 0), (side, side, 14, 14, 255), (side * 2, 5)
    ).tolist():
        cv2.rectangle(image, (column, row), (column + width, row + height), (tone, tone // 2 + 90, tone // 2 + 60), -1)
    return image


def fill(settings: Settings, image: np.ndarray) -> None:
    settings.gallery_folder.mkdir(parents=True)
    tiles = [
        StoredTile(Tile(WEST + x, NORTH + y, ZOOM), "", encode_png(image[y * 256 : y * 256 + 256, x * 256 : x * 256 + 256].copy()))
        for x in range(image.shape[1] // 256)
        for y in range(image.shape[0] // 256)
    ]  # fmt: skip
    with open_gallery(settings.gallery_folder, grid=WEB_MERCATOR_QUAD, create=True) as database, database.writing():
        database.add(tiles)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(home=tmp_path_factory.mktemp("localize"), gallery={"grid": "WebMercatorQuad"})
    fill(settings, drawn(256 * SIDE))
    return settings


@pytest.fixture(scope="module")
def gallery(settings: Settings) -> Iterator[Gallery]:
    with opening_gallery(settings) as opened:
        yield opened


def answer(query: Query, gallery: Gallery, name: str) -> Asked:
    """What a method says, judged; `located` draws a picture besides, which takes longer than the search."""
    return judged(query, name, method_named(name).run(query, gallery), 0.0, 0.0)


def cut(gallery: Gallery, appearance: str, how: str, seed: int = 1, size: int = 384) -> Query:
    return cut_query(gallery.view, np.random.default_rng(seed), appearance, how, size, f"{appearance} {how}")


def world(query: Query) -> tuple[float, float]:
    """Upper left corner of a north-up query in pixels of the world."""
    assert query.footprint is not None
    column, row = WEB_MERCATOR_QUAD.pixel_at(*query.footprint[0], ZOOM)
    return float(column), float(row)


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


def test_the_same_gallery_and_seed_give_an_index_of_the_same_bytes_also_after_a_kill(
    settings: Settings, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PART", 20)

    def killed(what: str, done: int, of: int) -> None:
        if what.startswith("indexing") and done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexing.open_index(gallery.view, tmp_path, settings.seed, killed)
    folder = next(tmp_path.glob("*/part-00000.npz")).parent
    assert not (folder / "index.json").exists()
    first = (folder / "part-00000.npz").stat().st_mtime_ns
    seen: list[str] = []
    opened = indexing.open_index(gallery.view, tmp_path, settings.seed, lambda what, _done, _of: seen.append(what))
    assert not any(what.startswith("training") for what in seen)
    assert first and not list(folder.glob("part-*"))
    for name in ("vectors.npy", "edges.npy", "model.npz", "lists.npz"):
        assert (opened.folder / name).read_bytes() == (gallery.index.folder / name).read_bytes(), name


def test_an_index_is_built_anew_when_the_gallery_has_changed(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"home": tmp_path})
    shutil.copytree(settings.gallery_folder, own.gallery_folder)
    with opening_gallery(own) as before:
        old = before.index.folder
    grid = grid_named(own.gallery.grid)
    with open_gallery(own.gallery_folder, grid=grid, create=True) as database, database.writing():
        database.add([StoredTile(Tile(WEST + SIDE, NORTH, ZOOM), "", encode_png(drawn(256, 9)))])
    with opening_gallery(own) as after:
        assert len(after.index.cells) == SIDE**2 + 1
        assert after.index.folder != old and not old.exists()


def test_a_damaged_index_is_reported_with_a_remedy(settings: Settings, gallery: Gallery, tmp_path: Path) -> None:
    own = settings.model_copy(update={"home": tmp_path})
    shutil.copytree(settings.gallery_folder, own.gallery_folder)
    folder = own.gallery_folder / gallery.index.folder.relative_to(settings.gallery_folder)
    (folder / "vectors.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(GalleryError, match=r"is damaged\. Remove that folder"), opening_gallery(own):
        pass


def test_a_vector_takes_a_kilobyte_at_most_and_a_cell_4_kb_of_edges(gallery: Gallery) -> None:
    assert gallery.index.vectors.itemsize * gallery.index.vectors.shape[1] <= 1_024
    assert gallery.index.edges.shape == (SIDE**2, 64, 64)


def clustered(count: int, random: np.random.Generator) -> np.ndarray:
    made = random.standard_normal((50, 32))[random.integers(0, 50, count)] + 0.5 * random.standard_normal((count, 32))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def test_lists_hold_every_vector_once_and_a_full_search_equals_brute_force() -> None:
    random = np.random.default_rng(3)
    vectors = clustered(3_000, random)
    lists, order = make_lists(vectors, 40, 1)
    assert sorted(order.tolist()) == list(range(3_000))
    query = clustered(1, random)[0].astype(np.float32)
    rows, cosines = most_alike(query, vectors[order], lists, 10, share=1.0)
    brute = np.argsort(-(vectors.astype(np.float32) @ query), kind="stable")[:10]
    assert set(order[rows].tolist()) == set(brute.tolist())
    assert (np.diff(cosines) <= 0).all()


def test_a_tenth_of_the_lists_finds_nearly_every_neighbour() -> None:
    random = np.random.default_rng(4)
    vectors = clustered(5_000, random)
    lists, order = make_lists(vectors, 70, 1)
    stored = vectors[order]
    wanted = random.integers(0, 5_000, 100)
    found = [most_alike(stored[row].astype(np.float32), stored, lists, 1, share=0.1)[0][0] for row in wanted]
    assert np.mean(np.array(found) == wanted) >= 0.98


@pytest.mark.parametrize(("count", "lists"), [(0, 1), (20_000, 1), (20_001, 141), (824_796, 908)])
def test_an_index_is_divided_once_it_is_large(count: int, lists: int) -> None:
    assert number_of_lists(count) == lists


def test_agreement_finds_the_similarity_among_more_wrong_matches_than_right_ones(gallery: Gallery) -> None:
    random = np.random.default_rng(5)
    found = gallery.features(gallery.index.cell(0))
    matrix = np.array([[0.6, -0.8, 40.0], [0.8, 0.6, -25.0]])  # turned by 53.13 degrees
    points = found.points @ matrix[:, :2].T + matrix[:, 2]
    wrong = random.permutation(len(points))[: int(len(points) * 0.6)]
    points[wrong] = random.uniform(0, 256, (len(wrong), 2))
    again = agreement(found, found._replace(points=points.astype(np.float32)))
    assert again is not None
    assert np.abs(again.matrix - matrix).max() < 0.02


def test_nothing_agrees_in_two_unlike_pictures(gallery: Gallery) -> None:
    from mosaic_assets.gallery.localize.features import features_of

    other = features_of(drawn(256, 99))
    found = agreement(other, gallery.features(gallery.index.cell(0)))
    assert found is None or found.inliers < 8


@pytest.mark.parametrize("crs", [3857, 4326])
def test_a_georeferenced_query_is_laid_out_at_the_scale_of_the_zoom(gallery: Gallery, tmp_path: Path, crs: int) -> None:
    query = cut(gallery, "none", "north_up", 3)
    (lng, lat), pixel = query.footprint[0], nominal_resolution(ZOOM)  # type: ignore[index]
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lng, lat)
    path = tmp_path / "query.tif"
    if crs == 3857:
        transform = from_origin(x, y, pixel / 2, pixel / 2)  # twice as fine as the gallery
    else:
        far = Transformer.from_crs(3857, 4326, always_xy=True).transform(x + 384 * pixel, y - 384 * pixel)
        transform = from_bounds(lng, far[1], far[0], lat, 768, 768)
    image = cv2.resize(query.image, (768, 768), interpolation=cv2.INTER_LINEAR)
    profile = {"driver": "GTiff", "width": 768, "height": 768, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", crs=f"EPSG:{crs}", transform=transform, **profile) as out:
        out.write(np.moveaxis(image, -1, 0))
    read = read_query(path, ZOOM)
    assert read.image.shape == (384, 384, 3)
    assert ground_distance(read.truth, query.truth) < 0.5  # type: ignore[arg-type]
    assert np.abs(read.image.astype(int) - query.image).mean() < 6


def written(path: Path, bands: np.ndarray) -> Path:
    profile: dict[str, Any] = {
        "width": bands.shape[2],
        "height": bands.shape[1],
        "count": len(bands),
        "dtype": bands.dtype,
    }
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:3857", transform=from_origin(20_000, 6_100_000, 4.777, 4.777), **profile
    ) as out:
        out.write(bands)
    return path


def test_queries_of_16_bits_and_of_4_bands_are_read(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(200, 9_000, 300).astype(np.uint16), (4, 300, 1))
    image = read_query(written(tmp_path / "16.tif", ramp), ZOOM).image
    assert image.shape[2] == 3
    assert (int(image[150, 2, 0]), int(image[150, -3, 0])) == (0, 255)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.tif", "there is no such file"),
        (lambda folder: not_a_picture(folder), "not a picture that can be read"),
        (lambda folder: written(folder / "two.tif", np.zeros((2, 99, 99), np.uint8)), "2 bands of uint8, expected 1, 3 or 4"),
        (lambda folder: written(folder / "float.tif", np.zeros((3, 99, 99), np.float32)), "3 bands of float32"),
        (lambda _folder: np.full((200, 200, 3), 77, np.uint8), "the picture is blank"),
        (lambda _folder: drawn(40), "40 x 40 pixels at the gallery's scale, expected at least 64"),
        (lambda _folder: np.zeros((200, 200), np.uint8), r"shape \(200, 200\)"),
    ],
)  # fmt: skip
def test_bad_queries_are_refused_with_a_reason(settings: Settings, tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        locate(make(tmp_path), settings)


def not_a_picture(folder: Path) -> Path:
    path = folder / "text.tif"
    path.write_text("no picture")
    return path


def test_without_a_gallery_tiles_or_the_zoom_the_message_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    image = drawn(256)
    nowhere = load_settings(home=tmp_path / "none")
    with pytest.raises(GalleryError, match=r"no gallery at .* build one with `mosaic gallery build`"):
        locate(image, nowhere)
    empty = load_settings(home=tmp_path / "empty")
    empty.gallery_folder.mkdir(parents=True)
    with open_gallery(empty.gallery_folder, grid=CRS84_QUAD, create=True):
        pass
    with pytest.raises(GalleryError, match="the gallery is empty"):
        locate(image, empty)
    other = load_settings(home=settings.home, gallery={"localize_zoom": 13})
    with pytest.raises(GalleryError, match=r"no tiles at zoom 13 \(zooms with tiles: 15\)"):
        locate(image, other)


def test_a_gallery_of_blank_tiles_cannot_be_indexed(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    fill(settings, np.full((512, 512, 3), 120, np.uint8))
    with pytest.raises(GalleryError, match="4 tiles show 0 key points"):
        locate(drawn(256), settings)


def test_locate_draws_the_query_beside_the_gallery(settings: Settings, gallery: Gallery) -> None:
    query = cut(gallery, "none", "rotation")
    location = locate(query.image, settings)
    assert location.accepted and location.method == "sift_vlad"
    assert location.footprint is not None and location.inliers >= 8
    assert ground_distance((location.lng, location.lat), query.truth) < 2  # type: ignore[arg-type]
    picture = cv2.imdecode(np.frombuffer(location.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[1] == 1_100


def test_a_method_of_the_user_is_registered_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    (tmp_path / "users_method.py").write_text(
        "from mosaic_assets.gallery.localize import method\n"
        "@method('nowhere_at_all')\n"
        "def find(query, gallery):\n"
        '    """Find nothing."""\n'
        "    return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = load_settings(home=settings.home, gallery={"localize_modules": ("users_method",)})
    assert locate(drawn(256), own, method="nowhere_at_all").candidates == ()
    assert load_methods()["nowhere_at_all"].description == "Find nothing."


def test_unknown_methods_and_modules_are_reported(settings: Settings) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown method of localization 'sfit'; known are: .*sift_vlad"):
        locate(drawn(256), settings, method="sfit")
    with pytest.raises(GalleryError, match=r"loading methods of localization from .no\.such\.module."):
        load_methods(("no.such.module",))


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
    inner = query.image[y * 256 - row :, x * 256 - column :]
    settings.gallery_folder.mkdir(parents=True)
    tiles = [
        StoredTile(Tile(x + i, y + j, ZOOM), "", encode_png(inner[j * 256 : j * 256 + 256, i * 256 : i * 256 + 256].copy()))
        for i in range(inner.shape[1] // 256)
        for j in range(inner.shape[0] // 256)
    ]  # fmt: skip
    with open_gallery(settings.gallery_folder, grid=WEB_MERCATOR_QUAD, create=True) as database, database.writing():
        database.add(tiles)
    z, x, y = map(int, tile.split("_"))
    image = decode_tile((SHARED_RSLOC / "Gallery" / f"{tile}.jpg").read_bytes())[0]
    assert image is not None
    bounds = from_bounds(*CRS84_QUAD.bounds(Tile(x, y, z)), 256, 256)
    with opening_gallery(settings) as opened:
        location = answer(lay_out(tile, image, bounds, "EPSG:4326", ZOOM), opened, "edge_clique")
    assert location.accepted
    assert location.error_m is not None and location.error_m < 25


def test_a_location_can_be_written_as_json(settings: Settings, gallery: Gallery) -> None:
    import json

    location = locate(cut(gallery, "none", "rotation").image, settings)
    plain = {
        name: value for name, value in dataclasses.asdict(location).items() if name not in ("picture", "candidates")
    }
    assert json.loads(json.dumps(plain))["accepted"] is True
