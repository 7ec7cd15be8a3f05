"""Many tiles' JPEG files in one call of compiled code, where an installation has it; `jpegs.c` says what is done there.

It needs a C compiler and libjpeg-turbo's development files (Debian's ``libjpeg62-turbo-dev``) while the project is installed.
Without them each file is decoded by itself: the same pixels, in more time.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.imaging import decode_tile, new_canvas
from mosaic_assets.core.kernels import kernels, library_path
from mosaic_assets.core.tiles import TILE_SIZE

SOURCE = Path(__file__).with_suffix(".c")

_DIGEST = hashlib.sha256().digest_size


class ReadJpegs(NamedTuple):
    """What one call made of n files."""

    decoded: NDArray[np.bool_]
    """(n,): whether a picture stands on the canvas."""
    sums: NDArray[np.uint32]
    """(n, 3): of those pictures, as `Kernels.box_sums` gives them."""
    sha256: list[str]
    """Of all files, as hexadecimal digits."""


@functools.cache
def jpegs() -> Jpegs | None:
    """Return the compiled decoder; None where this installation has none, or one that makes other pixels."""
    measuring = kernels()
    if measuring is None:
        return None
    try:
        found = Jpegs(ctypes.CDLL(str(library_path(SOURCE))), measuring.box_sums_function, _openssl_sha256())
    except (ImportError, OSError, AttributeError):  # not compiled here, or what it works with is not there
        return None
    return found if _agrees(found) else None


class Jpegs:
    """Calls the compiled decoder, which lets other threads run meanwhile."""

    def __init__(self, library: ctypes.CDLL, measure: ctypes.c_void_p, digest: ctypes.c_void_p) -> None:
        self._read, self._measure, self._digest = library.mosaic_read_tiles, measure, digest
        pointer = ctypes.c_void_p
        self._read.argtypes = (pointer, pointer, ctypes.c_size_t, *[pointer] * 6)
        self._read.restype = None

    def read(self, bodies: Sequence[bytes], canvas: NDArray[np.uint8]) -> ReadJpegs:
        """Decode, measure and digest files, the n-th into the n-th place of a contiguous uint8 (m, 256, 256, 3), m >= n.

        Decoded are whole baseline files of 256 x 256 pixels in the usual colour model; what is on the canvas in the place
        of another is anything.
        """
        n = len(bodies)
        if n > len(canvas):
            raise ValueError(f"decoding {n} files onto a canvas of {len(canvas)} tiles; give a larger one")
        decoded, sums, digests = np.empty(n, np.bool_), np.zeros((n, 3), np.uint32), np.empty((n, _DIGEST), np.uint8)
        self._read(
            (ctypes.c_char_p * n)(*bodies),
            (ctypes.c_size_t * n)(*map(len, bodies)),
            n,
            canvas.ctypes.data,
            decoded.ctypes.data,
            self._measure,
            sums.ctypes.data,
            self._digest,
            digests.ctypes.data,
        )
        text = digests.tobytes().hex()
        return ReadJpegs(decoded, sums, [text[at : at + 2 * _DIGEST] for at in range(0, len(text), 2 * _DIGEST)])


def _openssl_sha256() -> ctypes.c_void_p:
    """Find OpenSSL's own function: hashlib's calls it, too, once a file and with the interpreter's lock given up in between."""
    import _hashlib

    return ctypes.cast(ctypes.CDLL(_hashlib.__file__).SHA256, ctypes.c_void_p)


def _agrees(found: Jpegs) -> bool:
    """Whether it makes the pixels that `decode_tile` makes; takes a few milliseconds, once a process."""
    import simplejpeg

    random = np.random.default_rng(1)
    slopes = np.add.outer(np.arange(TILE_SIZE), np.arange(TILE_SIZE))[..., None] * (1, 2, 3) // 6
    picture = (slopes + random.integers(0, 64, (TILE_SIZE, TILE_SIZE, 3))).clip(0, 255).astype(np.uint8)
    layouts = ("420", "422", "444")
    bodies = [bytes(simplejpeg.encode_jpeg(picture, 80, "RGB", layout)) for layout in layouts]
    canvas, expected = new_canvas(len(bodies)), new_canvas(len(bodies))
    read = found.read(bodies, canvas)
    for body, place in zip(bodies, expected, strict=True):
        decode_tile(body, place)
    digests = [hashlib.sha256(body).hexdigest() for body in bodies]
    return bool(read.decoded.all() and (canvas == expected).all() and read.sha256 == digests)
