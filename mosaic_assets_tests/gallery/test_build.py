"""Filling the gallery: which tiles, what is in them, what happens when a run is killed or the source has gaps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD, Grid
from mosaic_assets.core.imaging import decode_tile, encode_png
from mosaic_assets.core.records import Bounds, Fetched, Outcome, Tile
from mosaic_assets.errors import GalleryError, TermsError, ZoomError
from mosaic_assets.gallery import build as building
from mosaic_assets.gallery.build import build_zoom, wanted_zoom
from mosaic_assets.gallery.drawing import resampling
from mosaic_assets.gallery.resample import average_rows, mercator_tiles_under, to_mercator, to_plate_carree
from mosaic_assets.gallery.stitch import stitch
from mosaic_assets.settings import Settings
from mosaic_assets.sources.embedded import EMBEDDED, EmbeddedSource, render
from mosaic_assets.sources.server import running_server
from mosaic_assets.store.gallery_db import gallery_path, open_gallery
from mosaic_assets_tests.gallery.conftest import REGION, SHARED_RSLOC, needs_rsloc, settings_at


def test_the_region_is_covered_in_each_grid(built: Settings, mercator: Settings) -> None:
    for settings in (built, mercator):
        with open_gallery(settings.gallery_folder) as gallery:
            for zoom in settings.gallery.zooms:
                assert gallery.tiles(zoom) == sorted(gallery.grid.tiles_in(Bounds(*REGION), zoom))


def test_the_table_is_the_references(built: Settings) -> None:
    with sqlite3.connect(gallery_path(built.gallery_folder)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(ge_tiles)")]
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT tile_data FROM ge_tiles WHERE zoom_level = 13 AND tile_column = 1 AND tile_row = 2"
        ).fetchall()
    assert columns == ["zoom_level", "tile_column", "tile_row", "time_", "tile_data"]
    assert "USING INDEX ge_tiles_place" in plan[0][3]


def test_mercator_tiles_have_the_bytes_of_the_source(mercator: Settings) -> None:
    with open_gallery(mercator.gallery_folder) as gallery, EmbeddedSource() as source:
        tiles = gallery.tiles(13)[:2]
        assert [gallery.read(tile) for tile in tiles] == [answer.body for answer in source.fetch(tiles)]


def test_a_plate_carree_pixel_shows_what_lies_at_its_place(built: Settings) -> None:
    """Each pixel is near in colour to the Web-Mercator picture at its own lng and lat, drawn independently."""
    tile = Tile(4112, 3015, 13)
    with open_gallery(built.gallery_folder) as gallery:
        drawn = decode_tile(gallery.read(tile) or b"")[0]
    assert drawn is not None
    rows = np.arange(8, 256, 16)
    lng, lat = CRS84_QUAD.lnglat_at(tile.x * 256 + 100.5, tile.y * 256 + rows + 0.5, 13)
    errors = []
    for number, row in enumerate(rows):
        owner = WEB_MERCATOR_QUAD.tile_at(float(lng), float(lat[number]), 13)
        column, line = WEB_MERCATOR_QUAD.pixel_at(float(lng), float(lat[number]), 13)
        there = render(owner)[int(line) % 256, int(column) % 256].astype(int)
        errors.append(np.abs(there - drawn[row, 100]).mean())
    assert (
        np.median(errors) < 15
    )  # JPEG and the average over 1.5 rows; a tile off by one row of tiles gives 40 and more


def test_rows_are_averaged_exactly() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (40, 3, 3), dtype=np.uint8)
    edges = np.array([0.0, 1.5, 4.25, 30.0, 40.0])
    fine = np.repeat(picture.astype(float), 4, axis=0)  # quarter rows: all these edges fall between them
    expected = [fine[int(4 * a) : int(4 * b)].mean(0) for a, b in pairwise(edges)]
    assert np.abs(average_rows(picture, edges) - np.array(expected)).max() <= 0.5 + 1e-9


def test_there_and_back_again_changes_a_smooth_picture_little() -> None:
    """A ramp by latitude, from Web Mercator to plate carree and back, within one grey level away from the edges."""
    target = Tile(4112, 2866, 13)
    over = list(CRS84_QUAD.tiles_in(WEB_MERCATOR_QUAD.bounds(target), 13))
    needed = sorted({under for tile in over for under in mercator_tiles_under(tile)})

    def ramp(tile: Tile) -> np.ndarray:
        values = ((tile.y - needed[0].y) * 256 + np.arange(256)) / 4 % 256
        return np.broadcast_to(values[:, None, None], (256, 256, 3)).astype(np.uint8)

    plain = {tile: ramp(tile) for tile in needed}
    carree = {tile: to_plate_carree(tile, plain) for tile in over}
    back = to_mercator(target, {tile: image for tile, image in carree.items() if image is not None})
    assert back is not None and np.abs(back.astype(int) - plain[target]).max() <= 1


def test_a_second_run_asks_for_nothing_and_changes_nothing(own: Settings) -> None:
    with open_gallery(own.gallery_folder) as gallery:
        before = gallery.fingerprint()
    report = build_zoom(own, 14)
    with open_gallery(own.gallery_folder) as gallery:
        assert (report.written, report.present_before, gallery.fingerprint()) == (0, 16, before)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    built: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_at(tmp_path)
    monkeypatch.setattr(building, "BATCH", 5)

    def killed(tiles: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_zoom(settings, 14, killed)
    report = build_zoom(settings, 14)
    assert (report.present_before, report.written) == (5, 11)
    with open_gallery(settings.gallery_folder) as ours, open_gallery(built.gallery_folder) as whole:
        assert ours.fingerprint(14) == whole.fingerprint(14)


class Patchy(EmbeddedSource):
    """Embedded imagery without some tiles."""

    def __init__(self, gaps: dict[Tile, Outcome]) -> None:
        super().__init__(EMBEDDED)
        self.gaps = gaps

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        for answer in super().fetch(tiles):
            outcome = self.gaps.get(answer.tile)
            yield answer if outcome is None else Fetched(answer.tile, None, outcome, datetime.now(UTC), detail="gone")


Open = Callable[..., Patchy]


@pytest.fixture
def patchy(monkeypatch: pytest.MonkeyPatch) -> dict[Tile, Outcome]:
    """Gaps of the source, to be filled in by the test."""
    gaps: dict[Tile, Outcome] = {}
    monkeypatch.setattr("mosaic_assets.sources.registry.open_source", lambda *_: Patchy(gaps))
    return gaps


def test_missing_tiles_are_listed_and_only_passing_failures_are_asked_again(
    tmp_path: Path, patchy: dict[Tile, Outcome]
) -> None:
    settings = settings_at(tmp_path, grid="WebMercatorQuad")
    planned = list(WEB_MERCATOR_QUAD.tiles_in(Bounds(*REGION), 13))
    patchy.update({planned[0]: Outcome.MISSING, planned[1]: Outcome.FETCH_FAILED})
    assert build_zoom(settings, 13).outcomes == {"missing": 1, "fetch_failed": 1}
    patchy.clear()
    second = build_zoom(settings, 13)
    assert (second.written, second.outcomes) == (1, {"missing": 1})


def test_a_gap_in_the_source_is_a_gap_in_every_plate_carree_tile_above_it(
    tmp_path: Path, patchy: dict[Tile, Outcome]
) -> None:
    settings = settings_at(tmp_path)
    gap = mercator_tiles_under(Tile(4112, 3015, 13))[-1]  # reaches below the tile's south edge
    patchy[gap] = Outcome.MISSING
    report = build_zoom(settings, 13)
    assert {one.tile for one in report.missing} == {Tile(4112, 3015, 13), Tile(4112, 3016, 13)}
    assert str(tuple(gap)) in report.missing[0].detail


def test_times_stand_beside_each_other_and_the_newest_is_read(own: Settings) -> None:
    tile = Tile(4112, 3015, 13)
    build_zoom(settings_at(own.home, time="2020-12-31"), 13)
    build_zoom(settings_at(own.home, time="2023-08-16", jpeg_quality=20), 13)
    with open_gallery(own.gallery_folder) as gallery:
        assert [time for zoom, time in gallery.counts() if zoom == 13] == ["", "2020-12-31", "2023-08-16"]
        assert gallery.read(tile) == gallery.read(tile, "2023-08-16") != gallery.read(tile, "2020-12-31")
        assert [one.time for one in gallery.bodies(13)] == ["2023-08-16"] * 4
        assert [one.time for one in gallery.bodies(13, all_times=True)] == ["2023-08-16", "2020-12-31", ""] * 4


def test_bodies_come_in_order_whatever_the_batch(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic_assets.store.gallery_db.BATCH", 3)
    with open_gallery(own.gallery_folder) as gallery:
        assert [one.tile for one in gallery.bodies(14)] == gallery.tiles(14)


def test_a_file_of_pixels_is_warped_onto_the_grid(tmp_path: Path) -> None:
    """A raster in EPSG:4326 whose colours are its coordinates: each pixel of the tile has the colour of its own place."""
    import rasterio
    from rasterio.transform import from_origin

    size, west, north, step = 600, 0.69, 47.52, 0.0002
    path = tmp_path / "ramp.tif"
    ramp = np.zeros((3, size, size), np.uint8)
    ramp[0], ramp[1] = np.arange(size)[None, :] / 2.5, np.arange(size)[:, None] / 2.5
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=3, dtype="uint8", crs="EPSG:4326",
        transform=from_origin(west, north, step, step),
    ) as dataset:  # fmt: skip
        dataset.write(ramp)
    source = {"kind": "raster", "paths": [str(path)], "licence": "none", "attribution": "nobody", "default_zoom": 13}
    settings = settings_at(tmp_path / "home", source="ramp", jpeg_quality=100)
    settings = settings.model_copy(update={"sources": {"ramp": source}})
    report = build_zoom(settings, 13)
    assert report.written == 4 and report.resampling.startswith("warped")
    tile = Tile(4113, 3016, 13)
    with open_gallery(settings.gallery_folder) as gallery:
        image = decode_tile(gallery.read(tile) or b"")[0]
    assert image is not None
    box = CRS84_QUAD.bounds(tile)
    expected_red = ((box.west + box.east) / 2 - west) / step / 2.5
    expected_green = (north - (box.south + box.north) / 2) / step / 2.5
    middle = image[124:132, 124:132].reshape(-1, 3).mean(0)
    assert middle[:2] == pytest.approx([expected_red, expected_green], abs=1.5)


@needs_rsloc
def test_a_tile_of_ours_shows_what_the_published_tile_of_that_name_shows(tmp_path: Path) -> None:
    """Cut from query F4 (ArcGIS), (15, 16400, 12016) lies on the published tile (another source and year) to 2 pixels."""
    import cv2

    files = [str(SHARED_RSLOC / "RSimages" / "test400" / "F4_L15_arcgis.tiff")]
    source = {"kind": "raster", "paths": files, "licence": "none", "attribution": "none", "max_zoom": 16}
    settings = settings_at(tmp_path, source="f4", region=(0.165, 47.967, 0.197, 47.998))
    settings = settings.model_copy(update={"sources": {"f4": source}})
    build_zoom(settings, 15)
    with open_gallery(settings.gallery_folder) as gallery:
        ours = stitch(gallery, Tile(16400, 12016, 15), 3)
    published = cv2.imread(str(SHARED_RSLOC / "Gallery" / "15_16400_12016.jpg"))[:, :, ::-1]

    def edges(picture: np.ndarray) -> np.ndarray:
        grey = cv2.GaussianBlur(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        return cv2.GaussianBlur(cv2.Canny(grey, 30, 80).astype(np.float32), (0, 0), 2)

    likeness = cv2.matchTemplate(edges(ours), edges(published)[32:-32, 32:-32], cv2.TM_CCOEFF_NORMED)
    _, best, _, (column, row) = cv2.minMaxLoc(likeness)
    assert best > 0.5 and abs(column - 288) <= 2 and abs(row - 288) <= 2


@pytest.mark.parametrize("grid", ["GoogleCRS84Quad", "WebMercatorQuad"])
def test_a_gallery_fetched_from_a_server_is_the_one_drawn_here(
    built: Settings, mercator: Settings, tmp_path: Path, grid: str
) -> None:
    with EmbeddedSource() as source, running_server(source) as url:
        table = {
            "kind": "xyz", "url": f"{url}/tile/{{z}}/{{y}}/{{x}}", "licence": "none", "attribution": "none",
            "bulk_use": "allowed",
        }  # fmt: skip
        settings = settings_at(tmp_path, source="loopback", grid=grid)
        build_zoom(settings.model_copy(update={"sources": {"loopback": table}}), 13)
    drawn = built if grid == "GoogleCRS84Quad" else mercator
    with open_gallery(settings.gallery_folder) as ours, open_gallery(drawn.gallery_folder) as theirs:
        assert ours.fingerprint(13) == theirs.fingerprint(13)


def test_a_png_of_the_source_becomes_a_jpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Png(EmbeddedSource):
        def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
            for tile in tiles:
                yield Fetched(tile, encode_png(np.full((256, 256, 3), 90, np.uint8)), None, datetime.now(UTC))

    monkeypatch.setattr("mosaic_assets.sources.registry.open_source", lambda *_: Png())
    settings = settings_at(tmp_path, grid="WebMercatorQuad")
    build_zoom(settings, 13)
    with open_gallery(settings.gallery_folder) as gallery:
        assert all(one.data.startswith(b"\xff\xd8") for one in gallery.bodies(13))


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ({"region": (1, 48, 0, 49)}, GalleryError, "no area"),
        ({"region": (0, 48, 200, 49)}, GalleryError, "does not hold the point"),
        ({"region": (0, 0, 90, 45)}, GalleryError, "gallery.max_tiles allows"),
        ({"source": "esri_wayback"}, TermsError, "acknowledge"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_written(
    tmp_path: Path, table: dict[str, object], error: type[Exception], words: str
) -> None:
    settings = settings_at(tmp_path, **{"max_tiles": 1000, **table})
    with pytest.raises(error, match=words):
        build_zoom(settings, 13)
    assert not settings.gallery_folder.exists()


def test_a_zoom_that_the_source_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ZoomError):
        build_zoom(settings_at(tmp_path, region=(0.7, 47.49, 0.7001, 47.4901)), 20)


@pytest.mark.parametrize(
    ("grid", "kind", "words"),
    [
        (WEB_MERCATOR_QUAD, "xyz", "JPEG bytes unchanged"),
        (WEB_MERCATOR_QUAD, "raster", "as the source reads its files"),
        (CRS84_QUAD, "embedded", "rows averaged"),
        (CRS84_QUAD, "raster", "warped from the file"),
    ],
)
def test_it_is_written_down_how_tiles_were_resampled(grid: Grid, kind: str, words: str) -> None:
    assert words in resampling(grid, kind)


def test_another_source_is_not_mixed_in(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    other = EMBEDDED.model_copy(update={"name": "other", "imagery": "other"})
    monkeypatch.setattr("mosaic_assets.sources.registry.open_source", lambda *_: EmbeddedSource(other))
    with pytest.raises(GalleryError, match="would be mixed with them"):
        build_zoom(own, 13)
    assert build_zoom(settings_at(own.home, time="2024-01-01"), 13).written == 4


@pytest.mark.parametrize("key", ["", "fifteen", "-1", "25"])
def test_a_partition_that_is_no_zoom_is_refused(key: str) -> None:
    with pytest.raises(ZoomError):
        wanted_zoom(key)
