"""Exports read back by programs that are not ours: GDAL for MBTiles and GeoPackage, PMTiles' own reader."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.vrt import WarpedVRT

from mosaic_assets.core.grids import CRS84_QUAD, WEB_MERCATOR_QUAD
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.errors import GalleryError, UnknownNameError
from mosaic_assets.gallery.export import export_gallery
from mosaic_assets.gallery.stitch import stitch
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import gallery_path, open_gallery
from mosaic_assets_tests.gallery.conftest import REGION


@pytest.fixture
def as_named(tmp_path: Path) -> dict[str, Path]:
    return {"mbtiles": tmp_path / "g.mbtiles", "pmtiles": tmp_path / "g.pmtiles", "geopackage": tmp_path / "g.gpkg"}


@pytest.mark.parametrize("which", ["built", "mercator"])
def test_a_geopackage_has_the_grid_and_the_very_bytes(
    which: str, as_named: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    settings: Settings = request.getfixturevalue(which)
    path = as_named["geopackage"]
    report = export_gallery(settings, "geopackage", path=path)
    with sqlite3.connect(gallery_path(settings.gallery_folder)) as ours, sqlite3.connect(path) as theirs:
        wanted = ours.execute(
            "SELECT zoom_level, tile_column, tile_row, tile_data FROM ge_tiles ORDER BY 1, 2, 3"
        ).fetchall()
        found = theirs.execute(
            "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles ORDER BY 1, 2, 3"
        ).fetchall()
    assert found == wanted and report.tiles == len(wanted)


def test_gdal_places_the_geopackage_where_the_gallery_is(built: Settings, as_named: dict[str, Path]) -> None:
    export_gallery(built, "geopackage", path=as_named["geopackage"])
    with rasterio.open(as_named["geopackage"], zoom_level=14) as dataset:
        assert dataset.crs == rasterio.crs.CRS.from_epsg(4326)
        assert tuple(dataset.bounds) == pytest.approx(REGION, abs=1e-9)
        assert (dataset.width, dataset.height) == (1024, 1024)
        read = np.moveaxis(dataset.read((1, 2, 3)), 0, 2)
    with open_gallery(built.gallery_folder) as gallery:
        own = stitch(gallery, Tile(8226, 6032, 14), 4).astype(int)
    # GDAL's JPEG decoder takes colour differently at tile edges; a shift of a pixel would be seen.
    assert np.abs(read - own).mean() < 0.5 < 3 < np.abs(read - np.roll(own, 1, axis=0)).mean()


def test_gdal_places_the_mbtiles_where_the_gallery_is(built: Settings, as_named: dict[str, Path]) -> None:
    """Read by GDAL and warped back to plate carree by GDAL, the picture is the gallery's."""
    report = export_gallery(built, "mbtiles", path=as_named["mbtiles"])
    assert report.grid == "WebMercatorQuad" and "interpolated" in report.resampling
    box = CRS84_QUAD.bounds(Tile(8225, 6031, 14))
    transform = rasterio.transform.from_bounds(*box, 256, 256)
    with (
        rasterio.open(as_named["mbtiles"], zoom_level=14) as dataset,
        WarpedVRT(dataset, crs="EPSG:4326", transform=transform, width=256, height=256, tolerance=0.01) as warped,
    ):
        read = np.moveaxis(warped.read((1, 2, 3)), 0, 2).astype(float)
    with open_gallery(built.gallery_folder) as gallery:
        own = stitch(gallery, Tile(8225, 6031, 14), 1).astype(float)
    shifted = np.roll(own, 3, axis=0)
    assert np.abs(read - own).mean() < 9 < np.abs(read - shifted).mean()  # a shift of 3 rows would be seen


def test_rows_of_an_mbtiles_count_from_the_south(mercator: Settings, as_named: dict[str, Path]) -> None:
    export_gallery(mercator, "mbtiles", path=as_named["mbtiles"])
    with sqlite3.connect(as_named["mbtiles"]) as connection:
        rows = connection.execute("SELECT tile_column, tile_row, tile_data FROM tiles WHERE zoom_level = 13").fetchall()
        said = dict(connection.execute("SELECT name, value FROM metadata"))
    with open_gallery(mercator.gallery_folder) as gallery:
        assert {Tile(x, 2**13 - 1 - y, 13): data for x, y, data in rows} == {
            one.tile: one.data for one in gallery.bodies(13)
        }
    assert (said["format"], said["minzoom"], said["maxzoom"]) == ("jpg", "13", "13")
    assert "synthetic" in said["description"] and "Blue Marble" in said["attribution"]
    west, south, east, north = map(float, said["bounds"].split(","))
    assert west < REGION[0] + 1e-9 and REGION[2] - 1e-9 < east and south < REGION[1] and REGION[3] < north


@pytest.mark.parametrize("which", ["built", "mercator"])
def test_pmtiles_own_reader_finds_every_tile(
    which: str, as_named: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    from pmtiles.reader import MemorySource, Reader, all_tiles

    settings: Settings = request.getfixturevalue(which)
    report = export_gallery(settings, "pmtiles", path=as_named["pmtiles"])
    content = MemorySource(as_named["pmtiles"].read_bytes())
    header = Reader(content).header()
    tiles = dict(all_tiles(content))
    assert len(tiles) == report.tiles == header["addressed_tiles_count"]
    assert header["tile_type"].name == "JPEG" and header["clustered"]
    assert header["min_lon_e7"] / 1e7 == pytest.approx(REGION[0], abs=0.05)
    for (z, x, y), data in tiles.items():
        assert decode_tile(data)[0] is not None
        box = WEB_MERCATOR_QUAD.bounds(Tile(x, y, z))
        assert box.south < REGION[3] and REGION[1] < box.north
    assert Reader(content).metadata()["provenance"][0]["source"] == "embedded"


def test_both_web_containers_hold_the_same_bytes(built: Settings, as_named: dict[str, Path]) -> None:
    from pmtiles.reader import MemorySource, all_tiles

    for kind in ("mbtiles", "pmtiles"):
        export_gallery(built, kind, path=as_named[kind])
    with sqlite3.connect(as_named["mbtiles"]) as connection:
        rows = connection.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
    assert {(z, x, 2**z - 1 - y): data for z, x, y, data in rows} == dict(
        all_tiles(MemorySource(as_named["pmtiles"].read_bytes()))
    )


@pytest.mark.parametrize("kind", ["mbtiles", "pmtiles", "geopackage"])
def test_the_same_gallery_gives_the_same_bytes(built: Settings, as_named: dict[str, Path], kind: str) -> None:
    contents = []
    for _ in range(2):
        export_gallery(built, kind, path=as_named[kind])
        contents.append(as_named[kind].read_bytes())
    assert contents[0] == contents[1]


def test_only_tiles_that_are_covered_wholly_are_exported(built: Settings, as_named: dict[str, Path]) -> None:
    report = export_gallery(built, "mbtiles", zooms=[13], path=as_named["mbtiles"])
    touched = list(WEB_MERCATOR_QUAD.tiles_in(Bounds(*REGION), 13))
    inside = [
        t
        for t in touched
        if WEB_MERCATOR_QUAD.bounds(t).north <= REGION[3] and WEB_MERCATOR_QUAD.bounds(t).south >= REGION[1]
    ]
    assert (report.tiles, report.left_out) == (len(inside), len(touched) - len(inside)) and inside


def test_an_export_that_fails_leaves_the_old_file(own: Settings, as_named: dict[str, Path]) -> None:
    path = as_named["mbtiles"]
    path.write_bytes(b"the old one")
    with sqlite3.connect(gallery_path(own.gallery_folder)) as connection:
        connection.execute("UPDATE ge_tiles SET tile_data = x'00' WHERE zoom_level = 14 AND tile_row = 6032")
    with pytest.raises(GalleryError, match="cannot be decoded"):
        export_gallery(own, "mbtiles", path=path)
    assert path.read_bytes() == b"the old one" and list(path.parent.glob(".*")) == []


def test_what_cannot_be_exported_is_refused(built: Settings, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="kind of export"):
        export_gallery(built, "zip")
    with pytest.raises(GalleryError, match="no tiles of zooms 5"):
        export_gallery(built, "mbtiles", zooms=[5])
    with pytest.raises(GalleryError, match="no tiles of zooms any, time '1999-01-01'"):
        export_gallery(built, "mbtiles", time="1999-01-01")
    with pytest.raises(GalleryError, match="build one with"):
        export_gallery(built.model_copy(update={"home": tmp_path}), "mbtiles")


def test_the_picture_in_an_export_is_a_jpeg(built: Settings, as_named: dict[str, Path]) -> None:
    from PIL import Image

    export_gallery(built, "mbtiles", path=as_named["mbtiles"])
    with sqlite3.connect(as_named["mbtiles"]) as connection:
        (data,) = connection.execute("SELECT tile_data FROM tiles LIMIT 1").fetchone()
    assert Image.open(io.BytesIO(data)).format == "JPEG"
