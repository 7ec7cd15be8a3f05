"""Decoding what servers send and writing pictures, against Pillow, GDAL and zlib."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.core.imaging import check_tiles, decode_tile, encode_jpeg, encode_png
from mosaic_assets.core.records import Outcome
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.core.png_chunks import chunks_of
from mosaic_assets_tests.core.real_tiles import jpeg_tiles, real_tiles

MISSING, NOT_AN_IMAGE, WRONG_SIZE = Outcome.MISSING, Outcome.NOT_AN_IMAGE, Outcome.WRONG_SIZE


def _scene(height: int = 256, width: int = 256) -> NDArray[np.uint8]:
    """A picture with slopes, an edge and some noise, so that its files have the size of real ones."""
    down, right = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(5).integers(0, 24, (height, width, 3))
    slopes = np.stack([right // 2, down // 2, (right + down) // 4 + 60 * (right > down)], axis=-1)
    return np.asarray((slopes + noise) % 256, np.uint8)


def _file(image: NDArray[np.uint8], kind: str, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).convert(mode).save(out, kind, **options)
    return out.getvalue()


def _with_alpha(alpha: NDArray[np.uint8] | int) -> NDArray[np.uint8]:
    return np.dstack([_scene(), np.broadcast_to(np.uint8(alpha), (256, 256))])


def _by_pillow(body: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(body)) as picture:
        return np.asarray(picture.convert("RGB"))


@needs_shared_data
def test_real_jpegs_give_the_pixels_that_pillow_gives() -> None:
    bodies = [path.read_bytes() for path in jpeg_tiles()]
    assert len(bodies) > 390
    for body in bodies:
        image, outcome, detail = decode_tile(body)
        assert (outcome, detail) == (None, "")
        np.testing.assert_array_equal(image, _by_pillow(body))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {"quality": 85}),
        ("JPEG", "RGB", {"quality": 85, "progressive": True}),
        ("JPEG", "RGB", {"quality": 85, "subsampling": "4:4:4"}),
        ("JPEG", "RGB", {"quality": 85, "subsampling": "4:2:2"}),
        ("JPEG", "RGB", {"quality": 85, "restart_marker_rows": 1}),
        ("JPEG", "RGB", {"quality": 85, "comment": b"\xff\xc0 not a frame"}),
        ("JPEG", "RGB", {"quality": 85, "keep_rgb": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("JPEG", "CMYK", {"quality": 95, "subsampling": "4:2:2"}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "L", {}),
        ("PNG", "1", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True, "exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"}),
        ("GIF", "P", {}),
        ("GIF", "L", {}),
    ],
)
def test_every_colour_model_gives_the_pixels_that_pillow_gives(
    kind: str, mode: str, options: dict[str, object]
) -> None:
    body = _file(_scene(), kind, mode, **options)
    image, outcome, detail = decode_tile(body)
    assert (outcome, detail) == (None, "")
    assert image is not None
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, _by_pillow(body))


def test_sixteen_bit_grey_keeps_its_upper_bits() -> None:
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    image, _, _ = decode_tile(out.getvalue())
    assert image is not None
    np.testing.assert_array_equal(image, np.arange(256, dtype=np.uint8)[:, None, None].repeat(256, 1).repeat(3, 2))


def test_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees"
    body = _file(_scene(), "JPEG", exif=exif, quality=90)
    np.testing.assert_array_equal(decode_tile(body)[0], _by_pillow(body))


def test_only_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.fromarray(_scene()).convert("P"), Image.new("P", (256, 256), 3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_tile(out.getvalue())[0], np.asarray(frames[0].convert("RGB")))


_ONE_HOLE = np.full((256, 256), 255, np.uint8)
_ONE_HOLE[200, 17] = 0


@pytest.mark.parametrize(
    ("alpha", "kind", "detail"),
    [
        (0, "PNG", "transparent"),
        (0, "WEBP", "transparent"),
        (_ONE_HOLE, "PNG", "0.0% of the pixels transparent"),
        (
            np.repeat(np.uint8([0, 255]), 128)[:, None] * np.ones((1, 256), np.uint8),
            "PNG",
            "50.0% of the pixels transparent",
        ),
        (128, "PNG", "100.0% of the pixels transparent"),
    ],
)
def test_a_picture_one_can_see_through_is_missing(alpha: NDArray[np.uint8] | int, kind: str, detail: str) -> None:
    assert decode_tile(_file(_with_alpha(alpha), kind, "RGBA")) == (None, MISSING, detail)


def test_transparent_entries_of_a_palette_count() -> None:
    body = _file(np.zeros((256, 256, 3), np.uint8), "PNG", "P", transparency=0)
    assert decode_tile(body) == (None, MISSING, "transparent")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (256, 255), (1, 1), (128, 256)])
def test_another_size_is_said(kind: str, height: int, width: int) -> None:
    body = _file(_scene(height, width), kind)
    assert decode_tile(body) == (None, WRONG_SIZE, f"{width} x {height}, expected 256 x 256")


def test_a_lossless_webp_tells_its_size_too() -> None:
    assert decode_tile(_file(_scene(300, 200), "WEBP", lossless=True))[2].startswith("200 x 300")


def _png_with(size: tuple[int, int], body: bytes) -> bytes:
    """A PNG whose header claims another size, checksums mended."""
    head = b"IHDR" + struct.pack(">II", *size) + body[24:29]
    return body[:12] + head + struct.pack(">I", zlib.crc32(head)) + body[33:]


def _gif_with_frame(side: int) -> bytes:
    """A GIF whose canvas is 256 x 256 and whose first frame is not."""
    body = bytearray(_file(np.zeros((256, 256, 3), np.uint8), "GIF", "L"))
    at = body.index(b"\x2c", 13 + 3 * (2 << (body[10] & 7)))
    body[at + 5 : at + 9] = struct.pack("<HH", side, side)
    return bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        _png_with((60_000, 60_000), _file(_scene(), "PNG")),
        _file(_scene(), "JPEG").replace(struct.pack(">HH", 256, 256), b"\xff\xdc\xff\xdc"),
        _gif_with_frame(2_000),
    ],
    ids=["png", "jpeg", "gif"],
)
def test_a_bomb_is_refused_by_its_header(body: bytes) -> None:
    import tracemalloc

    decode_tile(encode_png(_scene()))  # imports and tables do not count
    tracemalloc.start()
    try:
        image, outcome, _ = decode_tile(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (image, outcome) == (None, WRONG_SIZE)
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "an empty answer"),
        (b" \r\n", "an empty answer"),
        (b"<!DOCTYPE html><html><body>502</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf\n<HTML>", "an HTML page"),
        (b"<?xml version='1.0'?><ServiceException/>", "an XML document"),
        (b'{"error": {"code": 498}}', "a JSON document"),
        (b"[]", "a JSON document"),
        (b"\x1f\x8b\x08\x00\x00", "gzip data"),
        (b"Too many requests", "plain text"),
        (bytes(range(256)), "no picture format that is read here"),
        (b"\xff\xd8\xff", "a file cut short in its header"),
        (b"\x89PNG\r\n\x1a\n", "a file cut short in its header"),
        (b"GIF89a", "a file cut short in its header"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a file cut short in its header"),
        (b"RIFF\x00\x00\x00\x00WEBPjunk", "no picture format that is read here"),
    ],
)
def test_what_is_no_picture_is_named(body: bytes, detail: str) -> None:
    assert decode_tile(body) == (None, NOT_AN_IMAGE, detail)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_picture_is_not_half_a_picture(kind: str, share: float) -> None:
    body = _file(_scene(), kind)
    image, outcome, detail = decode_tile(body[: int(share * len(body))])
    assert (image, outcome) == (None, NOT_AN_IMAGE)
    assert kind in detail or "header" in detail


def test_a_truncated_jpeg_with_an_end_marker_is_damaged() -> None:
    body = _file(_scene(), "JPEG")
    assert decode_tile(body[: len(body) // 2] + b"\xff\xd9") == (None, NOT_AN_IMAGE, "a damaged JPEG")


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from(["", "JPEG", "PNG", "WEBP", "GIF"]),
    st.integers(0, 2**16),
    st.integers(0, 2**16),
)
def test_no_bytes_make_it_raise(junk: bytes, kind: str, at: int, cut: int) -> None:
    whole = _FILES[kind]
    body = whole[: at % (len(whole) + 1)] + junk + whole[cut % (len(whole) + 1) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about damaged metadata
        image, outcome, _ = decode_tile(body)
    assert (image is None) is (outcome is not None)
    assert image is None or image.shape == (256, 256, 3)


_FILES = {kind: _file(_scene(), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")} | {"": b""}


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([1, 3, 256]))
def test_a_png_of_any_size_leads_back_to_its_pixels(height: int, width: int, seed: int, values: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, values, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(_by_pillow(encode_png(pixels)), pixels)


def _by_gdal(body: bytes) -> NDArray[np.uint8]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.MemoryFile(body) as memory, memory.open() as picture:
            return np.moveaxis(picture.read(), 0, -1)


def test_a_second_reader_sees_the_same_pixels() -> None:
    np.testing.assert_array_equal(_by_gdal(encode_png(_scene())), _scene())


@needs_shared_data
def test_pngs_of_real_tiles_lead_back_to_their_pixels() -> None:
    for pixels in real_tiles()[::9]:
        body = encode_png(pixels)
        np.testing.assert_array_equal(decode_tile(body)[0], pixels)
        np.testing.assert_array_equal(_by_pillow(body), pixels)


def test_a_png_is_strictly_valid() -> None:
    scene = _scene()
    body = encode_png(scene)
    (first, size), (second, pixels), last = chunks_of(body)
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    assert (first, size) == (b"IHDR", struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0))
    assert last == (b"IEND", b"")
    assert second == b"IDAT"
    stream = zlib.decompressobj()  # checks the header's and the data's checksum
    rows = np.frombuffer(stream.decompress(pixels), np.uint8).reshape(256, 1 + 768)
    assert (stream.eof, stream.unused_data) == (True, b"")
    assert set(rows[:, 0]) == {2}
    np.testing.assert_array_equal(np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8), scene.reshape(256, 768))


def test_equal_pixels_give_equal_files() -> None:
    assert encode_png(_scene()) == encode_png(np.asfortranarray(_scene())) == encode_png(_scene().copy())


@needs_shared_data
def test_pngs_are_hardly_larger_than_pillows() -> None:
    tiles = real_tiles()[::20]
    ours, pillows = (
        sum(len(encode(tile)) for tile in tiles) for encode in (encode_png, lambda tile: _file(tile, "PNG"))
    )
    assert ours < 1.15 * pillows


def test_a_jpeg_is_close_to_its_picture_and_closer_at_higher_quality() -> None:
    scene = _scene()
    errors = [
        np.abs(_by_pillow(encode_jpeg(scene, quality=quality)).astype(int) - scene).mean() for quality in (30, 90, 100)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 8
    assert encode_jpeg(scene) == encode_jpeg(scene, quality=90)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_a_quality_out_of_range_is_refused(quality: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        encode_jpeg(_scene(), quality=quality)


@pytest.mark.parametrize("shape", [(256, 256), (256, 256, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_what_cannot_be_encoded_is_refused(shape: tuple[int, ...]) -> None:
    for encode in (encode_png, encode_jpeg):
        with pytest.raises(ValueError, match=r"\(h, w, 3\)"):
            encode(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float64"):
        encode_png(np.zeros((4, 4, 3)))  # type: ignore[arg-type]


def test_a_batch_must_be_a_stack_of_tiles() -> None:
    with pytest.raises(ValueError, match="decode_tile"):
        check_tiles(_scene())
