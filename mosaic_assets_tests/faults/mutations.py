"""Damaged pictures from a seed: bits, bytes and lengths changed, parts cut, doubled, swapped and joined with others."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

from mosaic_assets.core.imaging import encode_jpeg
from mosaic_assets_tests.faults import pictures
from mosaic_assets_tests.library.painted import texture

Mutation = Callable[[bytearray, Random], bytes]

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, 0x100, 0x101, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def seeds() -> tuple[bytes, ...]:
    """Whole pictures of every format and colour model that is read."""
    names = [
        "grey_jpeg", "cmyk_jpeg", "progressive_jpeg", "rotated_jpeg", "grey_png_16_bit", "rgb_png_16_bit", "palette_png",
        "opaque_png", "interlaced_png", "gif_animation", "webp_animation", "half_transparent", "transparent_gif",
        "side_512",
    ]  # fmt: skip
    plain = pictures.scene(31)
    return (
        *(pictures.PICTURES[name]() for name in names),
        encode_jpeg(texture(32)),
        pictures.saved(plain, "JPEG", quality=60, restart_marker_rows=2),
        pictures.saved(plain, "WEBP", quality=60),
        pictures.saved(plain.convert("RGBA"), "WEBP", quality=60, exact=True),
        pictures.saved(plain, "WEBP", lossless=True),
        pictures.saved(plain.convert("L"), "GIF"),
    )


def flip_bits(body: bytearray, draw: Random) -> bytes:
    for _ in range(draw.choice([1, 1, 2, 8, 64])):
        body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    return bytes(body)


def flip_early_bits(body: bytearray, draw: Random) -> bytes:
    """In the header, where they mean most."""
    for _ in range(draw.choice([1, 2, 4])):
        body[draw.randrange(min(len(body), 700))] ^= 1 << draw.randrange(8)
    return bytes(body)


def truncate(body: bytearray, draw: Random) -> bytes:
    return bytes(body[: draw.randrange(len(body) + 1)])


def cut_out(body: bytearray, draw: Random) -> bytes:
    start, length = draw.randrange(len(body)), draw.choice([1, 2, 16, 300])
    return bytes(body[:start] + body[start + length :])


def double(body: bytearray, draw: Random) -> bytes:
    start, length = draw.randrange(len(body)), draw.choice([1, 2, 16, 300, 3000])
    return bytes(body[: start + length] + body[start:])


def swap(body: bytearray, draw: Random) -> bytes:
    """Two neighbouring parts change places."""
    a, b, c = sorted(draw.randrange(len(body) + 1) for _ in range(3))
    return bytes(body[:a] + body[b:c] + body[a:b] + body[c:])


def set_number(body: bytearray, draw: Random) -> bytes:
    """An extreme number anywhere, of 1, 2 or 4 bytes, in either byte order: sizes, lengths and counts are such."""
    body += bytes(max(0, 4 - len(body)))
    for _ in range(draw.choice([1, 1, 2])):
        form = draw.choice(["B", ">H", "<H", ">I", "<I"])
        mask = (1 << 8 * struct.calcsize(form)) - 1
        at = draw.randrange(max(1, min(len(body), draw.choice([64, 700, len(body)])) - 4))
        struct.pack_into(form, body, at, draw.choice(EXTREMES) & mask)
    return bytes(body)


def join(body: bytearray, draw: Random) -> bytes:
    """The beginning of one picture and the end of another."""
    other = draw.choice(seeds())
    return bytes(body[: draw.randrange(len(body) + 1)]) + other[draw.randrange(len(other) + 1) :]


def insert_noise(body: bytearray, draw: Random) -> bytes:
    at = draw.randrange(len(body) + 1)
    return bytes(body[:at]) + draw.randbytes(draw.choice([1, 4, 100, 5000])) + bytes(body[at:])


def blank_out(body: bytearray, draw: Random) -> bytes:
    start, length = draw.randrange(len(body)), draw.choice([4, 64, 1000])
    end = min(len(body), start + length)
    body[start:end] = bytes([draw.choice([0, 0xFF])]) * (end - start)
    return bytes(body)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, flip_early_bits, truncate, cut_out, double, swap, set_number, set_number, join, insert_noise, blank_out,
)  # fmt: skip


def with_checksums(body: bytes) -> bytes:
    """Mend the checksums of a PNG's chunks, or nothing behind them would ever be read."""
    mended, at = bytearray(body), 8
    while body.startswith(b"\x89PNG") and at + 12 <= len(body):
        length = struct.unpack_from(">I", body, at)[0]
        end = at + 8 + length
        if end + 4 > len(body):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(body[at + 4 : end]))
        at = end + 4
    return bytes(mended)


def mutant(seed: int, number: int) -> bytes:
    """One damaged picture; the same for the same seed and number."""
    draw = Random(f"{seed} {number}")
    body = draw.choice(seeds())
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if body:
            body = draw.choice(MUTATIONS)(bytearray(body), draw)
    return with_checksums(body) if draw.random() < 0.8 else body
