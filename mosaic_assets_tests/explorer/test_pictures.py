"""Pictures come from the data set's own records, from below the home, and from nowhere else; hostile files cost nothing."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import requests
from PIL import Image

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.csquares import Scene
from mosaic_assets.explorer.datasets.decoding import as_rgb, decode
from mosaic_assets.explorer.datasets.safe_files import PictureError, find_picture
from mosaic_assets.gallery.manifest import read_manifest, write_manifest
from mosaic_assets.scenes.names import EXAMPLE
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.explorer.running import exploring
from mosaic_assets_tests.explorer.small_home import (  # noqa: F401
    CLOUDY,
    TILE,
    add_library,
    add_scenes,
    noise_picture,
    small_home,
    small_url,
)

GEOTIFF = {"driver": "GTiff", "crs": "EPSG:4326", "transform": rasterio.transform.from_origin(0, 1, 0.1, 0.1)}


def geotiff(values: np.ndarray, **more: object) -> bytes:
    with rasterio.MemoryFile() as memory:
        profile = {**GEOTIFF, "dtype": values.dtype.name, "count": values.shape[0], **more}
        with memory.open(**profile, height=values.shape[1], width=values.shape[2]) as dataset:
            dataset.write(values)
        return bytes(memory.read())


def png_bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels and is a few hundred bytes long."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def zipped(name: str, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, body)
    return buffer.getvalue()


PLACES = {
    "absolute": "/etc/hostname.png",
    "above": "../outside.png",
    "hidden-above": "pictures/../../outside.png",
    "url": "http://127.0.0.1:9/a.png",
    "file-url": "file:///etc/passwd.png",
    "link": "pictures/link.png",
    "link-folder": "away/outside.png",
    "circle": "pictures/circle.png",
    "folder": "pictures/folder.png",
    "pipe": "pictures/pipe.png",
    "missing": "pictures/missing.png",
    "nul": "pictures/a\0.png",
    "backslash": "..\\outside.png",
    "huge": "pictures/huge.png",
}
"""What a scene of the archive may name, and must not be shown."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose index names files that must not be read, and a few that are no pictures."""
    root = tmp_path_factory.mktemp("hostile")
    settings = load_settings(home=root / "home")
    folder = settings.home / "pictures"
    folder.mkdir(parents=True)
    (root / "outside.png").write_bytes(encode_png(noise_picture()))
    (folder / "link.png").symlink_to(root / "outside.png")
    (settings.home / "away").symlink_to(root)
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    (folder / "sound.png").write_bytes(encode_png(noise_picture()))
    (folder / "bomb.png").write_bytes(png_bomb(20_000, 20_000))
    (folder / "half.png").write_bytes(encode_png(noise_picture())[:3_000])
    (folder / "text.png").write_bytes(b"no picture at all")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "half.tif").write_bytes(geotiff(np.ones((3, 64, 64), np.uint8))[:500])
    (folder / "deep.tif").write_bytes(geotiff(np.arange(4 * 30 * 40, dtype=np.uint16).reshape(4, 30, 40)))
    source = f"<SimpleSource><SourceFilename>{root}/outside.png</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
    vrt = f'<VRTDataset rasterXSize="64" rasterYSize="64">{band}</VRTDataset>'
    (folder / "vrt.tif").write_text(vrt)
    named = {
        **PLACES,
        **{path.stem + path.suffix: f"pictures/{path.name}" for path in folder.iterdir() if path.is_file()},
    }
    named.pop("huge.png")
    add_scenes(settings, [Scene(name, platform="NOAA-12", image_location=place) for name, place in named.items()])
    return settings


@pytest.fixture(scope="module")
def hostile_url(hostile: Settings) -> Iterator[str]:
    with exploring(hostile) as url:
        yield url


def ask(url: str, what: str = "picture", **question: str) -> requests.Response:
    return requests.get(f"{url}/api/{what}", params=question, timeout=20)


@pytest.mark.parametrize("what", ["picture", "thumbnail"])
@pytest.mark.parametrize("number", [*PLACES, "bomb.png", "half.png", "text.png", "empty.tif", "half.tif", "vrt.tif"])
def test_nothing_but_pictures_below_the_home_are_shown(hostile_url: str, what: str, number: str) -> None:
    answer = ask(hostile_url, what, dataset="scenes", id=number)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(("showing the picture", "the scene"))


def test_a_sound_picture_is_sent_as_it_is(hostile: Settings, hostile_url: str) -> None:
    answer = ask(hostile_url, dataset="scenes", id="sound.png")
    assert answer.content == (hostile.home / "pictures" / "sound.png").read_bytes()
    assert (answer.headers["content-type"], "x-picture" in answer.headers) == ("image/png", False)


def test_a_geotiff_becomes_a_png_of_its_first_three_bands(hostile_url: str) -> None:
    answer = ask(hostile_url, dataset="scenes", id="deep.tif")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (40, 30), "RGB")
    assert answer.headers["x-picture"].startswith("the first 3 of 4 bands, stretched from")


@pytest.mark.parametrize(
    "number",
    ["..", "../../etc/passwd", "/etc/passwd", "%2e%2e%2f", "pictures/sound.png", "'; DROP TABLE tiles; --", "\u202e", "a" * 300],
)  # fmt: skip
@pytest.mark.parametrize("dataset", ["tiles", "crops", "chips", "queries", "gallery", "scenes"])
def test_an_id_is_no_path(small_url: str, dataset: str, number: str) -> None:  # noqa: F811
    assert ask(small_url, dataset=dataset, id=number).status_code == 404


@pytest.mark.parametrize(
    "question",
    [{}, {"dataset": "tiles"}, {"dataset": "none", "id": "a"}, {"dataset": "tiles", "id": ""}, {"dataset": "tiles", "id": "a" * 301},
     {"dataset": "tiles", "id": "a", "size": "100000"}, {"dataset": "tiles", "id": "a", "path": "/etc/passwd"}],
)  # fmt: skip
def test_a_malformed_question_is_refused(small_url: str, question: dict[str, str]) -> None:  # noqa: F811
    assert ask(small_url, "thumbnail", **question).status_code == 400


@pytest.mark.parametrize("dataset", ["tiles", "crops", "chips", "queries", "gallery", "scenes"])
def test_a_picture_of_what_is_not_built_says_what_to_do(empty_url: str, dataset: str) -> None:
    answer = ask(empty_url, dataset=dataset, id=EXAMPLE)
    assert answer.status_code == 404
    assert any(word in answer.json()["detail"] for word in ("run `mosaic", "materialize csquare_index"))


def test_a_scene_that_was_not_kept_has_no_crop(small_url: str) -> None:  # noqa: F811
    answer = ask(small_url, dataset="crops", id=CLOUDY.name.text)
    assert (answer.status_code, "screened_cloud" in answer.json()["detail"]) == (404, True)


def ids_of(url: str) -> dict[str, str]:
    first = {name: requests.get(f"{url}/api/{name}", timeout=20).json() for name in ("chips", "gallery", "queries")}
    return {
        "tiles": TILE,
        "crops": EXAMPLE,
        "chips": first["chips"]["chips"][0]["id"],
        "gallery": first["gallery"]["tiles"][0]["id"],
        "queries": first["queries"]["queries"][0]["id"],
    }


def test_every_data_set_has_pictures_and_thumbnails(small_url: str) -> None:  # noqa: F811
    for dataset, number in ids_of(small_url).items():
        whole, small = (
            ask(small_url, what, dataset=dataset, id=number, **more)
            for what, more in (("picture", {}), ("thumbnail", {"size": "64"}))
        )
        assert (dataset, whole.status_code, small.status_code) == (dataset, 200, 200)
        with Image.open(io.BytesIO(whole.content)) as large, Image.open(io.BytesIO(small.content)) as picture:
            assert max(picture.size) == min(64, max(large.size))
            assert picture.format == "JPEG"


def test_a_browser_that_has_a_picture_is_told_so(small_url: str) -> None:  # noqa: F811
    first = ask(small_url, "thumbnail", dataset="tiles", id=TILE)
    again = requests.get(first.url, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'}, timeout=20)
    other = requests.get(first.url, headers={"if-none-match": '"other"'}, timeout=20)
    assert (again.status_code, again.content, other.status_code) == (304, b"", 200)


def test_a_picture_that_was_made_anew_is_another(hostile: Settings, hostile_url: str) -> None:
    path = hostile.home / "pictures" / "sound.png"
    before = ask(hostile_url, "thumbnail", dataset="scenes", id="sound.png")
    fresh = path.with_name("fresh.png")
    fresh.write_bytes(encode_png(noise_picture(seed=2)))
    fresh.replace(path)
    after = ask(hostile_url, "thumbnail", dataset="scenes", id="sound.png")
    assert before.headers["etag"] != after.headers["etag"]
    assert before.content != after.content


@pytest.mark.parametrize(
    "named", ["{root}/outside.png", "../outside.png", "mosaic_library/../../outside.png", "link.png", ""]
)
def test_a_database_cannot_name_a_file_elsewhere(tmp_path: Path, named: str) -> None:
    settings = load_settings(home=tmp_path / "home")
    (tmp_path / "outside.png").write_bytes(encode_png(noise_picture()))
    settings.home.mkdir()
    (settings.home / "link.png").symlink_to(tmp_path / "outside.png")
    add_library(settings, named.format(root=tmp_path))
    with exploring(settings) as url:
        assert [ask(url, what, dataset="tiles", id=TILE).status_code for what in ("picture", "thumbnail")] == [404, 404]


@pytest.mark.parametrize(
    ("split", "name"), [("../..", "outside.tiff"), ("test", "../../../outside.tiff"), ("", "/etc/hostname.tiff")]
)
def test_a_manifest_cannot_name_a_file_elsewhere(small_home: Settings, tmp_path: Path, split: str, name: str) -> None:  # noqa: F811
    settings = load_settings(home=tmp_path / "home")
    (tmp_path / "outside.tiff").write_bytes(geotiff(np.zeros((3, 4, 4), np.uint8)))
    query = read_manifest(small_home)[0]
    write_manifest(settings, [replace(query, split=split, row=replace(query.row, imgname=name))])
    with exploring(settings) as url:
        answer = ask(url, dataset="queries", id=f"{split}/{name}")
        assert (answer.status_code, answer.json()["detail"][:19]) == (404, "showing the picture")


def test_looking_changes_nothing(small_home: Settings, small_url: str) -> None:  # noqa: F811
    def contents() -> dict[str, bytes]:
        files = [
            path for path in small_home.home.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        ]
        return {str(path): path.read_bytes() for path in files}

    before = contents()
    for name in (
        "crops",
        "chips",
        "gallery",
        "queries",
        "benchmarks",
        "assets",
        f"tiles?id={TILE}",
        "gallery/overview?zoom=13",
    ):
        assert requests.get(f"{small_url}/api/{name}", timeout=30).status_code == 200
    assert contents() == before


def test_a_path_is_looked_at_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    assert find_picture(tmp_path, "a.png").path == (tmp_path / "a.png").resolve()
    for named in ("", ".", "a.txt", "./../a.png", "a\n/../../b.png"):
        with pytest.raises(PictureError):
            find_picture(tmp_path, named)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (png_bomb(8_000, 7_000), "a.png"),
        (geotiff(np.zeros((1, 1, 1), np.uint8)).replace(b"\x01", b"\xff"), "a.tif"),
        (npy(np.zeros((3, 4, 4), np.complex64)), "a.npy"),
        (npy(np.zeros(4)), "a.npy"),
        (npy(np.zeros((4, 0))), "a.npy"),
        (b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (3, 3), }".ljust(128) + b"\n", "a.npy"),
        (npy(np.zeros((1, 1)))[:60].replace(b"(1, 1)", b"(99999999, 99999999)"), "a.npy"),
        (zipped("a.tif", bytes(65 * 1024 * 1024)), "a.zip"),
        (zipped("a.txt", b"text"), "a.zip"),
        (b"PK\x05\x06" + bytes(18), "a.zip"),
        (b"GIF89a" + b"\xff" * 40, "a.gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X" + b"\xff" * 30, "a.webp"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03", "a.jpg"),
    ],
    ids=["png", "geotiff", "complex", "one axis", "no pixels", "pickle", "claims", "zip bomb", "zip of text", "empty zip", "gif",
         "webp", "jpeg"],
)  # fmt: skip
def test_bombs_and_damage_are_refused(body: bytes, name: str) -> None:
    with pytest.raises(PictureError):
        decode(body, name)


def test_a_large_geotiff_of_few_bytes_is_refused_before_it_is_decoded() -> None:
    with rasterio.MemoryFile() as memory:
        with memory.open(**GEOTIFF, dtype="uint8", count=1, height=60_000, width=60_000, sparse_ok=True, tiled=True):
            pass
        body = bytes(memory.read())
    assert len(body) < 2_000_000
    with pytest.raises(PictureError, match="60,000 x 60,000"):
        decode(body, "a.tif", side=64)


def test_thumbnails_read_large_files_in_small() -> None:
    body = geotiff(np.zeros((3, 1_000, 500), np.uint8), compress="deflate")
    assert decode(body, "a.tif", side=100).values.shape == (3, 100, 50)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((3, 1, 1), 7, np.uint8), 7),
        (np.array([[[np.nan, 0.0, 1.0]]], np.float32), 0),
        (np.array([[[np.inf, -np.inf]]]), 0),
        (np.array([[[True]]]), 255),
        (np.full((1, 1, 1), 5, np.int16), 0),
    ],
)
def test_any_numbers_become_a_picture(values: np.ndarray, expected: int) -> None:
    rgb, _ = as_rgb(values)
    assert (rgb.dtype, rgb.shape[2], int(rgb[0, 0, 0])) == (np.uint8, 3, expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel_that_pictures_have_is_read(mode: str) -> None:
    buffer, kind = io.BytesIO(), "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (4, 4)).save(buffer, kind)
    rgb, _ = as_rgb(decode(buffer.getvalue(), f"a.{kind.lower()}").values)
    assert rgb.shape == (4, 4, 3)
