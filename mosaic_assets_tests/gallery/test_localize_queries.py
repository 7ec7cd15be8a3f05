"""What `locate` takes and answers: pictures of every kind, methods by name, and refusals that say what to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import from_bounds, from_origin

from mosaic_assets.core.grids import CRS84_QUAD, nominal_resolution
from mosaic_assets.errors import GalleryError, UnknownNameError
from mosaic_assets.gallery.localize.cutting import read_query
from mosaic_assets.gallery.localize.gallery import Gallery
from mosaic_assets.gallery.localize.locate import locate
from mosaic_assets.gallery.localize.metrics import ground_distance
from mosaic_assets.gallery.localize.registry import load_methods
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.gallery_db import open_gallery
from mosaic_assets_tests.gallery.drawn import ZOOM, cut, drawn, fill


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


def test_a_location_can_be_written_as_json(settings: Settings, gallery: Gallery) -> None:
    import json

    location = locate(cut(gallery, "none", "rotation").image, settings)
    plain = {
        name: value for name, value in dataclasses.asdict(location).items() if name not in ("picture", "candidates")
    }
    assert json.loads(json.dumps(plain))["accepted"] is True
