"""The colour of a tile, defined bit by bit: it decides the bucket.

Rounding the mean first would move one tile in twenty to another bucket, and giving 0..255 to the LAB
conversion all of them, without a complaint. `COLOUR_METHOD` names every choice and is kept beside the
centroids.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.imaging import check_tiles
from mosaic_assets.core.kernels import kernels

COLOUR_METHOD = (
    "256x256 sRGB uint8 -> 4x4 box reduction to 64x64 uint8, halves rounded up (Pillow Image.reduce(4)) "
    "-> float64 mean / 255 -> CIELAB, D65, 2 degree observer (skimage.color.rgb2lab)"
)
"""Every choice between a tile's pixels and its colour; another method makes another library."""

_SIDE = 64
_AT_ONCE = 8  # tiles that stay in the processor's cache from one step to the next; measured
_EVEN = np.uint64(0x00FF00FF00FF00FF)


def mean_rgb(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean colour of tiles, in the definition of `COLOUR_METHOD`.

    Parameters
    ----------
    images : uint8 (n, 256, 256, 3), RGB; n may be 0.

    Returns
    -------
    float64 (n, 3), 0..1; bit for bit what Pillow's ``reduce(4)`` and numpy's mean give.

    Raises
    ------
    ValueError
        Another shape or type.

    Examples
    --------
    >>> mean_rgb(np.full((1, 256, 256, 3), 51, np.uint8))
    array([[0.2, 0.2, 0.2]])
    """
    images, compiled = check_tiles(images), kernels()
    return mean_of_sums(compiled.box_sums(images) if compiled else _box_sums(images))


def mean_of_sums(sums: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Mean colours of the sums of 64 x 64 box means each: uint32 (n, 3) -> float64 (n, 3), 0..1."""
    return sums / (_SIDE * _SIDE) / 255.0  # the sums are whole numbers, so only the divisions round


def rgb_to_lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of sRGB colours, D65, 2 degree observer.

    Parameters
    ----------
    rgb : float64 (n, 3), **0..1**; n may be 0.

    Returns
    -------
    float64 (n, 3): L 0..100, a and b about -128..128. A colour does not depend on the batch it is in.

    Raises
    ------
    ValueError
        Whole numbers, values outside 0..1 (the conversion would take 0..255 without complaint and answer
        L = 4047), NaN, or another shape.

    Examples
    --------
    >>> rgb_to_lab(np.array([[1.0, 0.0, 0.0]])).round(2)
    array([[53.24, 80.09, 67.2 ]])
    """
    from skimage.color import rgb2lab

    if rgb.dtype != np.float64 or rgb.ndim != 2 or rgb.shape[1] != 3:
        raise ValueError(f"converting colours given as {rgb.dtype} {rgb.shape}; expected float64 (n, 3) in 0..1")
    if not ((rgb >= 0.0) & (rgb <= 1.0)).all():  # NaN fails too
        raise ValueError(
            f"converting colours from {rgb.min()} to {rgb.max()}; expected 0..1: divide 0..255 by 255, without rounding"
        )
    # As n rows of one pixel: in one row of n, the last digits of a colour would depend on its neighbours.
    return np.asarray(rgb2lab(rgb[:, None], illuminant="D65", observer="2")[:, 0], np.float64)


def lab_of(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean CIELAB colour of tiles: uint8 (n, 256, 256, 3) -> float64 (n, 3), `mean_rgb` then `rgb_to_lab`.

    Raises
    ------
    ValueError
        Another shape or type.

    Examples
    --------
    >>> lab_of(np.full((1, 256, 256, 3), 255, np.uint8)).round(1) + 0.0
    array([[100.,   0.,   0.]])
    """
    return rgb_to_lab(mean_rgb(images))


def luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma as ITU-R BT.601 weighs it and Pillow's ``convert("L")`` rounds it: uint8 (rows, columns, 3) -> (rows, columns).

    Pillow weighs by 65536ths that add up to one, and rounds halves up. The sums stay below 2**24 of these, so 32-bit
    floats hold every one exactly, in whatever order they are added.

    Examples
    --------
    >>> luma(np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8))
    array([[ 76, 255]], dtype=uint8)
    """
    import cv2

    return np.asarray(cv2.transform(image.astype(np.float32), _luma_weights())).astype(np.uint8)


@functools.cache
def _luma_weights() -> NDArray[np.float32]:
    """Weights of red, green and blue, and a half to round up (https://github.com/python-pillow/Pillow, ``Convert.c``)."""
    return np.array([[19595, 38470, 7471, 32768]], np.float32) / np.float32(65536)


def _box_sums(images: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Sums of the rounded 4 x 4 means of n tiles: uint8 (n, 256, 256, 3) -> uint32 (n, 3)."""
    sums = np.empty((len(images), 3), np.uint32)
    scratch = (
        np.empty((2, _AT_ONCE, _SIDE, 4, 96), "<u8"),
        np.empty((2, _AT_ONCE, _SIDE, _SIDE, 6), "<u2"),
        np.empty((3, _AT_ONCE, _SIDE, _SIDE), "<u2"),
    )
    for start in range(0, len(images), _AT_ONCE):
        some = images[start : start + _AT_ONCE]
        means = _box_means(some, *(memory[:, : len(some)] for memory in scratch))
        sums[start : start + _AT_ONCE] = means.reshape(3, len(some), -1).sum(axis=2, dtype=np.uint32).T
    return sums


def _box_means(
    images: NDArray[np.uint8], bytes_: NDArray[np.uint64], halves: NDArray[np.uint16], out: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Put the rounded 4 x 4 means of n tiles into ``out`` (3, n, 64, 64).

    Eight bytes are added at a time: even and odd ones are spread to 16-bit lanes, which hold four rows. Faster than
    handing each tile to Pillow, most of whose time goes into copying it; and few calls for many tiles, because between
    calls the threads of other batches wait for each other.
    """
    words = images.reshape(-1, _SIDE, 4, 96 * 8).view("<u8")
    np.bitwise_and(words, _EVEN, out=bytes_[0])
    np.right_shift(words, 8, out=bytes_[1])
    np.bitwise_and(bytes_[1], _EVEN, out=bytes_[1])
    lanes = halves.reshape(2, len(images), _SIDE, -1).view("<u8")
    np.add(bytes_[:, :, :, 0], bytes_[:, :, :, 1], out=lanes)
    lanes += bytes_[:, :, :, 2]
    lanes += bytes_[:, :, :, 3]
    for channel, mean in enumerate(out):
        # Four pixels are twelve bytes, every third of them the channel's: by turns even and odd.
        first, second, third, fourth = (halves[at % 2, ..., at // 2] for at in range(channel, 12, 3))
        np.add(first, second, out=mean)
        mean += third
        mean += fourth
    out += 8
    out >>= 4
    return out
