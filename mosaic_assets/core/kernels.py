"""The compiled loops over a tile's pixels, where an installation has them; `kernels.c` says what they compute.

Whoever calls them has the same in numpy, or in a library: slower, and with the interpreter's lock held for more of the
time. An installation without a C compiler works, then, and gives the same colours, hashes and pixels; only its PNG files
are other bytes.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SOURCE = Path(__file__).with_suffix(".c")

_Pointer, _Size = ctypes.c_void_p, ctypes.c_size_t


def library_path(source: Path = SOURCE) -> Path:
    """Where the compiled source is looked for: its name tells of which text it was made, so that no other is ever used."""
    return source.with_name(f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.so")


@functools.cache
def kernels() -> Kernels | None:
    """Return the compiled loops; None where this installation has none."""
    try:
        return Kernels(ctypes.CDLL(str(library_path())))
    except OSError:  # not compiled here, or for another kind of machine
        return None


class Kernels:
    """Calls into the compiled library; they let other threads run meanwhile. Arrays must be contiguous."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._box_sums, self._shrink = library.mosaic_box_sums, library.mosaic_shrink
        self._filter, self._deflate = library.mosaic_filter, library.mosaic_deflate
        self._box_sums.argtypes = (_Pointer, _Size, _Pointer)
        self._shrink.argtypes = (_Pointer, _Pointer, _Size, _Pointer, _Pointer)
        self._filter.argtypes = (_Pointer, _Size, _Size, _Pointer)
        self._deflate.argtypes = (_Pointer, _Size, _Pointer)
        for function in (self._box_sums, self._shrink, self._filter):
            function.restype = None
        self._deflate.restype = _Size
        self.box_sums_function = ctypes.cast(self._box_sums, _Pointer)
        """What `box_sums` calls, for other compiled code to call."""
        self._bound = library.mosaic_deflate_bound
        self._bound.argtypes, self._bound.restype = (_Size,), _Size

    def box_sums(self, images: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Sums of the rounded means of 4 x 4 pixels: uint8 (n, 256, 256, 3) -> uint32 (n, 3)."""
        sums = np.empty((len(images), 3), np.uint32)
        self._box_sums(images.ctypes.data, len(images), sums.ctypes.data)
        return sums

    def shrink(
        self, images: NDArray[np.uint8], places: NDArray[np.int64], weights: NDArray[np.int16], out: NDArray[np.uint8]
    ) -> None:
        """Make pictures grey, and resample them to 32 x 32 pixels: uint8 (m, 256, 256, 3) into uint8 (n, 32, 32).

        Parameters
        ----------
        places : int64 (n,), which of the pictures, 0..m-1.
        weights : int16 (32, 2, 48), for each small pixel of a row the weights of the pixels from 20 before those under it,
            in units of 2**-22: divided by 1024 and rounded down, and what remains.
        """
        self._shrink(images.ctypes.data, places.ctypes.data, len(places), weights.ctypes.data, out.ctypes.data)

    def filter_rows(self, image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Filter a picture for PNG: uint8 (h, w, 3), neither side 0, into uint8 (h * (3 * w + 1),)."""
        height, width, channels = image.shape
        self._filter(image.ctypes.data, height, width * channels, out.ctypes.data)

    def deflate(self, data: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
        """Compress uint8 (n,), n >= 1, into ``out``, which holds `deflate_bound` bytes at least; return how many it took."""
        return int(self._deflate(data.ctypes.data, data.size, out.ctypes.data))

    def deflate_bound(self, size: int) -> int:
        """Bytes that `deflate` may write for so many."""
        return int(self._bound(size))
