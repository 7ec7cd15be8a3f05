"""From bytes to pixels and back: decoding what a server sent, writing PNG and JPEG.

Decoding answers with an outcome instead of raising, because servers send error pages, half files and pictures
of any size with status 200, and one of them must not end a round of a thousand tiles.

What a picture may hold beside its pixels is ignored: EXIF orientation (tiles have none), ICC profiles, all
frames of an animation but the first.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Outcome
from mosaic_assets.core.tiles import TILE_SIZE

if TYPE_CHECKING:
    from PIL.Image import Image

Decoded = tuple[NDArray[np.uint8] | None, Outcome | None, str]
"""(picture, None, "") or (None, outcome, why); the picture is uint8 (256, 256, 3), RGB."""

PNG_LEVEL = 1
"""Effort of the PNG compressor, 0..3; see `encode_png`."""

MAX_SCANS = 500
"""Scans of a progressive JPEG that are decoded. Encoders write about ten; each visits all blocks and may be 12 bytes
short, so a file of nothing but scans would take seconds."""

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
_NOT_SOF = frozenset((0xC4, 0xC8, 0xCC))  # between the frame markers: Huffman tables, a reserved one, arithmetic tables


class _Header(NamedTuple):
    """What the first bytes say: format, size in pixels, and of a JPEG the colour components and whether it has many scans."""

    format: str
    width: int
    height: int
    components: int = 0
    progressive: bool = False


def decode_tile(body: bytes, out: NDArray[np.uint8] | None = None) -> Decoded:
    """Decode a tile; never raises, whatever the bytes.

    JPEG, PNG, WebP and GIF are read, of any colour model: grey, palette, 16 bits (the upper 8 are kept),
    CMYK. The size is read from the header before anything is decoded, so no file makes it allocate more
    pixels than one tile has.

    Parameters
    ----------
    body : the file.
    out : uint8 (256, 256, 3), contiguous; the picture is put there instead of into new memory, whose pages cost the
        system more time than the decoding costs us. After a failure it holds anything.

    Returns
    -------
    image : uint8 (256, 256, 3), RGB, writable; None where there is no usable picture.
    outcome : None beside a picture. ``WRONG_SIZE``: not 256 x 256. ``NOT_AN_IMAGE``: an error page, a
        truncated, damaged or unknown file; a JPEG that only a lenient reader would take counts as damaged.
        ``MISSING``: any pixel is not fully opaque, since its colour would be that of the canvas.
    detail : a few words on the outcome, "" beside a picture.

    Examples
    --------
    >>> decode_tile(b"<!DOCTYPE html><title>Sorry</title>")[1:]
    (<Outcome.NOT_AN_IMAGE: 'not_an_image'>, 'an HTML page')
    >>> decode_tile(encode_png(np.zeros((512, 300, 3), np.uint8)))[1:]
    (<Outcome.WRONG_SIZE: 'wrong_size'>, '300 x 512, expected 256 x 256')
    """
    try:
        header = _read_header(body)
    except (struct.error, IndexError):
        return None, Outcome.NOT_AN_IMAGE, "a file cut short in its header"
    if header is None:
        return None, Outcome.NOT_AN_IMAGE, _describe(body)
    if (header.width, header.height) != (TILE_SIZE, TILE_SIZE):
        return _wrong_size(header.width, header.height)
    if header.progressive and body.count(b"\xff\xda") > MAX_SCANS:
        return None, Outcome.NOT_AN_IMAGE, f"a JPEG of more than {MAX_SCANS} scans"
    if header.format == "JPEG" and header.components != 4:
        return _decode_jpeg(body, out)
    return _decode_with_pillow(body, header.format, out)


def new_canvas(tiles: int) -> NDArray[np.uint8]:
    """Memory to decode so many tiles into: uint8 (tiles, 256, 256, 3)."""
    # libjpeg-turbo writes to addresses that are multiples of 32 past the processor's caches, from which the pixels are
    # read next. Half as far off, it decodes 8 % faster, and measuring the colour takes a third.
    size = tiles * 3 * TILE_SIZE * TILE_SIZE
    memory = np.empty(size + 32, np.uint8)
    first = (16 - memory.ctypes.data) % 32
    return memory[first : first + size].reshape(tiles, TILE_SIZE, TILE_SIZE, 3)


def encode_png(image: NDArray[np.uint8], scratch: NDArray[np.uint8] | None = None) -> bytes:
    r"""Encode a picture as PNG, RGB, 8 bits.

    Every row is filtered with "Up", which suits imagery and costs one subtraction. Equal pixels give equal
    bytes on one kind of processor; another may compress differently, the pixels being the same.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB, neither side 0.
    scratch : uint8 (h, 3 * w + 1), memory to work in, used anew for every picture.

    Raises
    ------
    ValueError
        Another shape or type.

    Examples
    --------
    >>> encode_png(np.zeros((1, 1, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    from isal import isal_zlib

    rows = _checked_picture(image).reshape(image.shape[0], -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8) if scratch is None else scratch
    filtered[:, 0] = 2  # the number of "Up", https://www.w3.org/TR/png-3/#9Filters
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    pixels = isal_zlib.compress(filtered, level=PNG_LEVEL)
    size = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 2, 0, 0, 0)
    return b"".join((_PNG_MAGIC, *_chunk(b"IHDR", size), *_chunk(b"IDAT", pixels), *_chunk(b"IEND", b"")))


def encode_jpeg(image: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode a picture as JPEG with 4:2:0 chroma.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB, neither side 0.
    quality : 1..100.

    Raises
    ------
    ValueError
        Another shape or type, or a quality out of range.

    Examples
    --------
    >>> decode_tile(encode_jpeg(np.full((256, 256, 3), 90, np.uint8)))[0].mean()
    np.float64(90.0)
    """
    import simplejpeg

    if not 1 <= quality <= 100:
        raise ValueError(f"encoding a JPEG at quality {quality!r}; give a whole number from 1 to 100")
    encoded = simplejpeg.encode_jpeg(_checked_picture(image), quality=quality, colorspace="RGB", colorsubsampling="420")
    return bytes(encoded)


def check_tiles(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a batch of tiles, contiguous, if it is uint8 (n, 256, 256, 3), n >= 0; raise ValueError if not.

    Examples
    --------
    >>> check_tiles(np.zeros((0, 256, 256, 3), np.uint8)).shape
    (0, 256, 256, 3)
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (TILE_SIZE, TILE_SIZE, 3):
        raise ValueError(
            f"measuring tiles given as {images.dtype} {images.shape}; "
            f"expected uint8 (n, {TILE_SIZE}, {TILE_SIZE}, 3), RGB: stack what decode_tile returns"
        )
    return np.ascontiguousarray(images)


def _checked_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"encoding a picture given as {image.dtype} {image.shape}; expected uint8 (h, w, 3), RGB, neither side 0"
        )
    return np.ascontiguousarray(image)


def _chunk(kind: bytes, data: bytes) -> tuple[bytes, ...]:
    """Return the parts of a chunk, which are joined once: pixels are many bytes to copy."""
    from isal import isal_zlib

    checksum = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)


def _wrong_size(width: int, height: int) -> Decoded:
    return None, Outcome.WRONG_SIZE, f"{width} x {height}, expected {TILE_SIZE} x {TILE_SIZE}"


def _read_header(body: bytes) -> _Header | None:
    """Format and size, or None for none of the four formats; IndexError or struct.error when cut short."""
    if body.startswith(_JPEG_MAGIC):
        return _read_jpeg_header(body)
    if body.startswith(_PNG_MAGIC):
        return _Header("PNG", *struct.unpack_from(">II", body, 16))
    if body.startswith((b"GIF87a", b"GIF89a")):
        return _Header("GIF", *struct.unpack_from("<HH", body, 6))
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return _read_webp_header(body)
    return None


def _read_jpeg_header(body: bytes) -> _Header:
    """Find the first frame marker; https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1 and B.2.2."""
    at = 2
    while True:
        at = body.find(b"\xff", at)
        if at < 0:
            raise IndexError
        while body[at] == 0xFF:  # any number of them may precede a marker
            at += 1
        marker = body[at]
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_SOF:
            height, width, components = struct.unpack_from(">HHB", body, at + 4)
            return _Header("JPEG", width, height, components, progressive=marker & 3 == 2)
        standalone = marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += 1 if standalone else 1 + struct.unpack_from(">H", body, at + 1)[0]


def _read_webp_header(body: bytes) -> _Header | None:
    """Read the canvas size of the three kinds; https://www.rfc-editor.org/rfc/rfc9649, 2.5 to 2.7 and 3.4."""
    kind = body[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", body, 21)[0]
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 26))
    else:
        return None
    return _Header("WEBP", width, height)


def _decode_jpeg(body: bytes, out: NDArray[np.uint8] | None) -> Decoded:
    import simplejpeg

    image = np.empty((TILE_SIZE, TILE_SIZE, 3), np.uint8) if out is None else out
    try:
        # A decoder that finds another size than the header said refuses the buffer instead of allocating.
        simplejpeg.decode_jpeg(body, "RGB", buffer=image)
    except ValueError as error:
        if "subsampling" in str(error):  # a chroma layout that this decoder has no name for
            return _decode_with_pillow(body, "JPEG", out)
        return (
            None,
            Outcome.NOT_AN_IMAGE,
            "a truncated JPEG" if "Premature" in str(error) else "a damaged JPEG",
        )
    return image, None, ""


def _decode_with_pillow(body: bytes, kind: str, out: NDArray[np.uint8] | None) -> Decoded:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body), formats=(kind,)) as picture:
            if picture.size != (TILE_SIZE, TILE_SIZE):  # a GIF's frame may exceed its canvas
                return _wrong_size(*picture.size)
            picture.load()
            opacity = _opacity(picture)
            if opacity is not None:
                return None, Outcome.MISSING, opacity
            image = _to_rgb(picture)
    except Exception as error:  # decoders raise what they like: OSError, SyntaxError, ValueError, struct.error ...
        cut = "truncated" in str(error) or isinstance(error, EOFError)
        return None, Outcome.NOT_AN_IMAGE, f"a {'truncated' if cut else 'damaged'} {kind}"
    if out is None:
        return image, None, ""
    out[:] = image
    return out, None, ""


def _opacity(picture: Image) -> str | None:
    """Say how much of a picture is transparent; None if all of it is opaque."""
    if not picture.has_transparency_data:
        return None
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    share = float(np.mean(alpha < 255))
    if share == 0:
        return None
    return "transparent" if not alpha.any() else f"{share:.1%} of the pixels transparent"


def _to_rgb(picture: Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # 16-bit grey: a plain conversion would clip instead of scale
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(picture.convert("RGB"), np.uint8)


def _describe(body: bytes) -> str:
    """Say what a body that is no picture seems to be."""
    text = body[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not body.strip():
        return "an empty answer"
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text:
        return "an HTML page"
    if text.startswith(b"<"):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        return "a JSON document"
    if body.startswith(b"\x1f\x8b"):
        return "gzip data"
    printable = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text)
    return "plain text" if printable else "no picture format that is read here"
