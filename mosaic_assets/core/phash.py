"""The perceptual hash of a tile, equal to ``imagehash.phash(hash_size=8)`` in every bit.

The equality holds on flat, graded and symmetric pictures too, where most coefficients are rounding noise
round the median: the pixels must be Pillow's, and the cosine transform scipy's, in float64, row for row.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import luma
from mosaic_assets.core.imaging import check_tiles
from mosaic_assets.core.kernels import kernels
from mosaic_assets.core.tiles import TILE_SIZE

FLAT_PHASH = 0x8000000000000000
"""Hash of every picture of one colour but black, whose hash is 0."""

_SIDE = 32  # pixels a side that the transform sees
_KEPT = 8  # lowest frequencies kept, each way
_DIGITS = 16
_SCALE = TILE_SIZE // _SIDE
_LOBES = 3
_REACH = _SCALE * _LOBES  # pixels beyond the ones under it that a small pixel looks at, at most
_BITS = 22  # of the weights' fractions
_COLUMNS = 8  # small columns a product; measured
_AT_ONCE = 4  # tiles that stay in the processor's cache from one step to the next; measured


def phash(images: NDArray[np.uint8], places: Sequence[int] | None = None) -> NDArray[np.uint64]:
    """Perceptual hashes of tiles.

    Parameters
    ----------
    images : uint8 (n, 256, 256, 3), RGB; n may be 0.
    places : those of the m tiles to hash, 0..n-1; all of them unless given.

    Returns
    -------
    uint64 (m,): a bit for each of the 8 x 8 lowest frequencies, set where the coefficient exceeds their
    median, row by row, the first being the most significant.

    Raises
    ------
    ValueError
        Another shape or type.

    Examples
    --------
    >>> to_hex(phash(np.full((1, 256, 256, 3), 90, np.uint8)))
    ['8000000000000000']
    """
    from scipy.fft import dct

    images = check_tiles(images)
    small = _shrink(images, range(len(images)) if places is None else places).astype(np.float64)
    if not len(small):
        return np.empty(0, np.uint64)
    low = dct(dct(small, axis=1), axis=2)[:, :_KEPT, :_KEPT].reshape(-1, _KEPT * _KEPT)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


@overload
def to_hex(code: int) -> str: ...
@overload
def to_hex(code: NDArray[np.uint64]) -> list[str]: ...
def to_hex(code: int | NDArray[np.uint64]) -> str | list[str]:
    """Hash as 16 lower-case hexadecimal digits, as ``str`` of an imagehash gives it; an array gives a list.

    Raises
    ------
    ValueError
        A number outside 0..2**64 - 1.

    Examples
    --------
    >>> to_hex(255), to_hex(np.array([1, 2], np.uint64))
    ('00000000000000ff', ['0000000000000001', '0000000000000002'])
    """
    if isinstance(code, np.ndarray):
        digits = code.astype(">u8").tobytes().hex()
        return [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)]
    if not 0 <= code < 1 << 64:
        raise ValueError(f"writing {code} as a perceptual hash; expected a whole number from 0 to 2**64 - 1")
    return f"{int(code):016x}"


@overload
def from_hex(text: str) -> int: ...
@overload
def from_hex(text: list[str] | tuple[str, ...]) -> NDArray[np.uint64]: ...
def from_hex(text: str | list[str] | tuple[str, ...]) -> int | NDArray[np.uint64]:
    """Hash from its 16 hexadecimal digits; a list or tuple gives a uint64 array.

    Raises
    ------
    ValueError
        A text that is not 16 hexadecimal digits.

    Examples
    --------
    >>> from_hex("00000000000000ff"), from_hex(["0000000000000001"])
    (255, array([1], dtype=uint64))
    """
    if not isinstance(text, str):
        return np.array([from_hex(one) for one in text], np.uint64)
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 8 or len(text) != _DIGITS:
        raise ValueError(f"reading {text!r} as a perceptual hash; expected 16 hexadecimal digits, as tiles.db has them")
    return int.from_bytes(raw, "big")


def hamming(a: NDArray[np.uint64] | int, b: NDArray[np.uint64] | int) -> NDArray[np.uint8]:
    """Count the bits in which hashes differ: 0..64, uint8; the arguments broadcast together.

    Examples
    --------
    >>> hamming(np.array([0, 3], np.uint64), np.array([1, 0], np.uint64))
    array([1, 2], dtype=uint8)
    """
    return np.asarray(np.bitwise_count(np.bitwise_xor(np.asarray(a, np.uint64), np.asarray(b, np.uint64))), np.uint8)


def _shrink(images: NDArray[np.uint8], places: Sequence[int]) -> NDArray[np.uint8]:
    """Grey pictures of 32 x 32 pixels, (m, 32, 32); the rounding of grey and of the resize is Pillow's."""
    small = np.empty((len(places), _SIDE, _SIDE), np.uint8)
    if compiled := kernels():
        compiled.shrink(images, np.asarray(places, np.int64), _taps(), small)
        return small
    for start in range(0, len(places), _AT_ONCE):
        small[start : start + _AT_ONCE] = _resize(_grey(images[list(places[start : start + _AT_ONCE])]))
    return small


def _grey(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma of (n, 256, 256, 3), (n, 256, 256)."""
    return luma(images.reshape(-1, TILE_SIZE, 3)).reshape(-1, TILE_SIZE, TILE_SIZE).astype(np.float64)


def _resize(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resize (n, 256, 256) to (n, 32, 32) with whole numbers, 0..255, as Pillow's Lanczos filter does.

    Pillow weighs pixels by whole numbers, first along the rows, and rounds in between: products and sums stay far
    below 2**53, so a matrix product of floats is exact in whatever order it adds. Three times as fast as calling it.
    """
    weights = _weights()
    rows = grey.reshape(-1, TILE_SIZE)
    narrow = np.empty((len(rows), _SIDE))
    for first in range(0, _SIDE, _COLUMNS):  # the weights are a band: what lies beyond it is left out
        columns = slice(first, first + _COLUMNS)
        reach = slice(max(0, _SCALE * first - _REACH), _SCALE * (first + _COLUMNS) + _REACH)
        np.matmul(rows[:, reach], weights[reach, columns], out=narrow[:, columns])
    small: NDArray[np.float64] = np.matmul(weights.T, _rounded(narrow).reshape(-1, TILE_SIZE, _SIDE))
    return _rounded(small)


def _rounded(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the weights' scale off, in place, with halves rounded up, and clip to a byte."""
    sums += 1 << (_BITS - 1)
    sums *= 2.0**-_BITS
    np.floor(sums, out=sums)
    np.clip(sums, 0, 255, out=sums)
    return sums


@functools.cache
def _weights() -> NDArray[np.float64]:
    """Whole-numbered weights (256, 32) of Lanczos resampling with three lobes, scaled by 2**22 as Pillow scales them."""
    centres = (np.arange(_SIDE) + 0.5) * _SCALE
    distance = (np.arange(TILE_SIZE)[:, None] + 0.5 - centres) / _SCALE
    raw = np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0.0)
    scaled = raw / raw.sum(axis=0) * (1 << _BITS)
    whole: NDArray[np.float64] = np.trunc(scaled + np.copysign(0.5, scaled))
    return whole


@functools.cache
def _taps() -> NDArray[np.int16]:
    """Return the same weights as `Kernels.shrink` takes them, int16 (32, 2, 48): those of the pixels around each small one."""
    beyond = _REACH - _SCALE // 2
    padded = np.pad(_weights().T, ((0, 0), (beyond, beyond))).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SCALE + 2 * beyond, axis=1)[:, ::_SCALE]
    own = windows[np.arange(_SIDE), np.arange(_SIDE)]
    return np.stack([own >> 10, own & 1023], axis=1).astype(np.int16)
