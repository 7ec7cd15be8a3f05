"""Pictures that a server may send by habit, by mistake or in malice, each made with little work and always the same."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from isal import isal_zlib
from PIL import Image

from mosaic_assets.core.imaging import encode_jpeg, encode_png
from mosaic_assets_tests.library.painted import texture

SIDE = 256
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types of https://www.w3.org/TR/png-3/#11IHDR


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def scene(seed: int, side: int = SIDE) -> Image.Image:
    return Image.fromarray(np.resize(texture(seed), (side, side, 3)))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int], rows: Iterable[bytes], *, depth: int = 8, colour: int = RGB, interlace: int = 0,
    more: bytes = b"",
) -> bytes:  # fmt: skip
    """A PNG of rows that begin with their filter byte; ``more`` is put between header and pixels."""
    packer = isal_zlib.compressobj(level=1)
    pixels = b"".join([packer.compress(row) for row in rows]) + packer.flush()
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def filtered(samples: np.ndarray) -> list[bytes]:
    """Rows of samples as bytes, each behind the filter byte "None"."""
    return [b"\0" + row.tobytes() for row in samples]


# Unusual, yet pictures


def grey_jpeg() -> bytes:
    return saved(scene(1).convert("L"), "JPEG", quality=90)


def cmyk_jpeg() -> bytes:
    return saved(scene(2).convert("CMYK"), "JPEG", quality=95)


def progressive_jpeg() -> bytes:
    return saved(scene(3), "JPEG", quality=85, progressive=True)


def rotated_jpeg() -> bytes:
    """Its EXIF orientation says "rotate by 90 degrees"."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(scene(4), "JPEG", quality=90, exif=exif)


def grey_png_16_bit() -> bytes:
    values = np.asarray(scene(5).convert("L")).astype(">u2") * 256 + 17
    return png((SIDE, SIDE), filtered(values.astype(">u2")), depth=16, colour=GREY)


def rgb_png_16_bit() -> bytes:
    values = np.asarray(scene(6)).astype(">u2") * 256 + 17
    return png((SIDE, SIDE), filtered(values.astype(">u2").reshape(SIDE, -1)), depth=16)


def palette_png() -> bytes:
    return saved(scene(7).quantize(200), "PNG")


def opaque_png() -> bytes:
    return saved(scene(8).convert("RGBA"), "PNG")


def interlaced_png() -> bytes:
    """Adam7: first column, first row, step right and step down of each pass; https://www.w3.org/TR/png-3/#8Interlace."""
    pixels = np.asarray(scene(9))
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [row for x, y, right, down in passes for row in filtered(pixels[y::down, x::right])]
    return png((SIDE, SIDE), rows, interlace=1)


def gif_animation() -> bytes:
    frames = [scene(seed).quantize(64) for seed in (10, 11, 12)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def webp_animation() -> bytes:
    frames = [scene(seed) for seed in (13, 14, 15)]
    return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)


# No tile: another size, or pixels one can see through


def one_pixel() -> bytes:
    return encode_png(np.full((1, 1, 3), 90, np.uint8))


def side_512() -> bytes:
    return saved(scene(16, 512), "JPEG", quality=85)


def half_transparent() -> bytes:
    picture = scene(17).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, SIDE // 2, SIDE))
    return saved(picture, "PNG")


def transparent_gif() -> bytes:
    return saved(Image.new("P", (SIDE, SIDE), 3), "GIF", transparency=3)


@cache
def side_30000() -> bytes:
    """A true picture of 30,000 x 30,000 pixels, one bit each: 112 MB of rows in about 110 kB."""
    row = bytes(1 + 30_000 // 8)
    return png((30_000, 30_000), (row for _ in range(30_000)), depth=1, colour=GREY)


# Bombs: small files that ask for much memory or time


def png_bomb() -> bytes:
    """The header says 60,000 x 60,000, the pixels are a handful."""
    return png((60_000, 60_000), [bytes(100)])


def jpeg_bomb() -> bytes:
    """A JPEG whose frame header was changed to 65,000 x 65,000 pixels."""
    body = encode_jpeg(texture(18))
    frame = struct.pack(">HH", SIDE, SIDE)
    at = body.index(b"\xff\xc0") + 5
    return body[:at] + body[at:].replace(frame, struct.pack(">HH", 65_000, 65_000), 1)


@cache
def png_pixel_bomb() -> bytes:
    """The header says 256 x 256, the pixels unpack to 256 MiB."""
    return png((SIDE, SIDE), (bytes(1 << 20) for _ in range(256)))


@cache
def png_text_bomb() -> bytes:
    """Eight texts that unpack to 32 MiB each, before pixels that are in order."""
    text = b"Comment\0\0" + zlib.compress(bytes(1 << 25), 9)
    return png((SIDE, SIDE), filtered(texture(19).reshape(SIDE, -1)), more=8 * chunk(b"zTXt", text))


@cache
def png_profile_bomb() -> bytes:
    """A colour profile that unpacks to 64 MiB, before pixels that are in order."""
    profile = b"sRGB\0\0" + zlib.compress(bytes(1 << 26), 9)
    return png((SIDE, SIDE), filtered(texture(20).reshape(SIDE, -1)), more=chunk(b"iCCP", profile))


@cache
def jpeg_scan_bomb(size: int = 3_900_000) -> bytes:
    """A progressive JPEG that refines the same coefficients again and again; each scan visits every block."""
    body = saved(scene(21), "JPEG", quality=80, progressive=True)
    first = body.index(b"\xff\xda")
    second = body.index(b"\xff", first + 14)
    while body[second + 1] == 0:
        second = body.index(b"\xff", second + 2)
    # A Huffman table of one code, 0, for "this block and the next 16,383 hold nothing".
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15]) + b"\xe0"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0x00, 1, 63, 0x00) + b"\x00\x00"
    repeats = size // len(scan)
    return body[:second] + table + scan * repeats + b"\xff\xd9"


@cache
def gzip_bomb() -> bytes:
    """1 GiB of zeros in about 1 MB of gzip: members may follow one another."""
    return gzip.compress(bytes(1 << 24), 9) * 64


@cache
def fat_png(size: int = 3_900_000) -> bytes:
    """A tile with a private chunk of nearly the largest body that is accepted; no packer makes it small."""
    ballast = np.random.default_rng(22).bytes(size)
    return png((SIDE, SIDE), filtered(texture(23).reshape(SIDE, -1)), more=chunk(b"juNk", ballast))


# "No imagery here"


def placard() -> bytes:
    """Stand-in for a provider's placeholder picture, whose hash the record names."""
    return encode_jpeg(texture(24, (204, 204, 204), swing=3))


def late_cut_jpeg() -> bytes:
    """The first 90 % of a picture, sent as if they were all of it."""
    body = encode_jpeg(texture(25))
    return body[: len(body) * 9 // 10]


PICTURES: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        grey_jpeg, cmyk_jpeg, progressive_jpeg, rotated_jpeg, grey_png_16_bit, rgb_png_16_bit, palette_png, opaque_png,
        interlaced_png, gif_animation, webp_animation, one_pixel, side_512, half_transparent, transparent_gif, side_30000,
        png_bomb, jpeg_bomb, png_pixel_bomb, png_text_bomb, png_profile_bomb, jpeg_scan_bomb, fat_png, placard,
        late_cut_jpeg,
    )
}  # fmt: skip
"""By name; the server sends each under the name of its fault."""
