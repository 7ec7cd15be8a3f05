"""Seamless noise on the tile grid: integer hashes on lattices that are fixed on the globe.

Level ``L`` has ``2**L`` lattice cells along the equator, whatever the zoom, so a pattern keeps its place when one
zooms in and joins itself across the date line. Values are integers and weights are multiples of 1/256, so that
every sum of products is exact: the result does not depend on the order in which a BLAS adds, or on its threads.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile

TILE = 256
"""Pixels along a side of a tile."""


class Field(IntEnum):
    """The independent noise fields, 16 of them: two hashes of eight bytes."""

    LIGHT = 0
    WARM = 1
    GREEN = 2
    RARE = 3
    KIND = 4
    HEIGHT = 5
    RIVER = 6
    WARP_U = 7
    WARP_V = 8
    PATCH = 9
    MOTTLE = 10
    WET = 11
    FLOW = 12
    SHOAL = 13
    HUE = 14
    COAST = 15


# First level, last level, and the share of amplitude that each further level keeps.
_SPECTRA: dict[Field, tuple[int, int, float]] = {
    Field.LIGHT: (7, 13, 0.90),
    Field.WARM: (7, 13, 0.90),
    Field.GREEN: (7, 13, 0.90),
    Field.RARE: (12, 22, 0.60),
    Field.KIND: (9, 13, 0.70),
    Field.HEIGHT: (9, 22, 0.62),
    Field.RIVER: (10, 18, 0.50),
    Field.WARP_U: (12, 17, 0.40),
    Field.WARP_V: (12, 17, 0.40),
    Field.PATCH: (13, 22, 0.66),
    Field.MOTTLE: (14, 23, 0.75),
    Field.WET: (10, 20, 0.62),
    Field.FLOW: (11, 17, 0.45),
    Field.SHOAL: (11, 21, 0.62),
    Field.HUE: (11, 17, 0.80),
    Field.COAST: (9, 23, 0.70),
}
_FIRST = min(first for first, _, _ in _SPECTRA.values())
_LAST = max(last for _, last, _ in _SPECTRA.values())

# Standard deviation of a byte's noise after the cubic B-spline in both directions, measured over many cells.
_OCTAVE_STD = 35.5

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_COLUMN = np.uint64(0xD6E8FEB86659FD93)
_ROW = np.uint64(0xA0761D6478BD642F)


def scramble(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of 64-bit integers so that neighbours share nothing (a splitmix-style finaliser).

    Parameters
    ----------
    value : uint64 of any shape; not changed.

    Returns
    -------
    uint64 of the same shape; a bijection, and 0 stays 0.

    Examples
    --------
    >>> scramble(np.array([0, 1], dtype=np.uint64))
    array([                   0, 6238072747940578789], dtype=uint64)
    """
    mixed = (value ^ (value >> np.uint64(30))) * _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_cells(column: NDArray[np.int64], row: NDArray[np.int64], salt: NDArray[np.int64] | int) -> NDArray[np.uint64]:
    """Hash lattice cells; the arguments broadcast against each other.

    Parameters
    ----------
    column, row : int64 cell numbers, any value.
    salt : int64 that tells one use from another.

    Returns
    -------
    uint64 of the broadcast shape, uniform over the 64 bits.

    Examples
    --------
    >>> hash_cells(np.array([3]), np.array([4]), 5) == hash_cells(np.array([4]), np.array([3]), 5)
    array([False])
    """
    key = column.astype(np.uint64) * _COLUMN + row.astype(np.uint64) * _ROW
    return scramble(key + (np.atleast_1d(salt).astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def unit(hashes: NDArray[np.uint64], byte: int) -> NDArray[np.float64]:
    """One byte of each hash as a number in [0, 1): multiples of 1/256.

    Examples
    --------
    >>> unit(np.array([0x8000], dtype=np.uint64), 1)
    array([0.5])
    """
    return ((hashes >> np.uint64(8 * byte)) & np.uint64(255)).astype(np.float64) / 256


def bspline(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic B-spline at a distance in cells, rounded to multiples of 1/256.

    Parameters
    ----------
    distance : float64 of any shape, signed.

    Returns
    -------
    float64 of the same shape, 0..171/256; 0 from a distance of 2 on.

    Examples
    --------
    >>> bspline(np.array([0.0, 1.0, 2.0])) * 256
    array([171.,  43.,   0.])
    """
    d = np.abs(distance)
    near = np.maximum(1 - d, 0)
    far = np.maximum(2 - d, 0)
    return np.asarray(np.rint((far * far * far - 4 * near * near * near) * (256 / 6)) / 256)


def grid_spacing(zoom: int) -> int:
    """Pixels between the nodes of the coarse grid on which colours are decided: 16 from zoom 9, 1 up to zoom 5.

    Examples
    --------
    >>> [grid_spacing(zoom) for zoom in (3, 6, 15)]
    [1, 2, 16]
    """
    return 1 << min(max(zoom - 5, 0), 4)


def node_pixels(spacing: int) -> NDArray[np.float64]:
    """Where the nodes of a tile lie, in pixels from its left (or upper) edge.

    One node before the tile and two after its last interval, for the cubic; with spacing 1 the 256 pixel centres.
    """
    if spacing == 1:
        return np.arange(TILE, dtype=np.float64) + 0.5
    return np.arange(-1, TILE // spacing + 2, dtype=np.float64) * float(spacing)


@cache
def _amplitudes(levels: tuple[int, ...]) -> NDArray[np.float32]:
    """Weights of (level, field) that bring every field to mean 0 and standard deviation 1 at full detail."""
    table = np.zeros((len(levels), len(Field)))
    for field, (first, last, keep) in _SPECTRA.items():
        share = {level: keep ** (level - first) for level in range(first, last + 1)}
        norm = sum(value * value for value in share.values()) ** 0.5 * _OCTAVE_STD
        for row, level in enumerate(levels):
            # Rounded so that a table computed elsewhere is the same table.
            table[row, field] = round(share.get(level, 0.0) / norm * 2**24) / 2**24
    return table.astype(np.float32)


def fields(tile: Tile) -> NDArray[np.float64]:
    """Evaluate the 16 fields at the nodes of a tile's coarse grid.

    Parameters
    ----------
    tile : any tile, zoom 0..24.

    Returns
    -------
    float64 of shape (16, n, n), about normal with mean 0 and standard deviation 1 (less where levels finer than
    the grid are left out), n = 256 for spacing 1, else 256 / spacing + 3. Row, column.

    Examples
    --------
    >>> fields(Tile(0, 0, 15)).shape
    (16, 19, 19)
    """
    spacing = grid_spacing(tile.z)
    finest = tile.z + 8 - max(spacing.bit_length(), 3)  # a cell is at least two nodes, and 8 pixels at low zoom
    levels = tuple(range(_FIRST, min(_LAST, max(finest, _FIRST)) + 1))
    size = int(TILE * 2.0 ** (levels[-1] - tile.z - 8)) + 5
    row_weights, rows = _axis(tile.y, tile.z, levels, spacing, size)
    column_weights, columns = _axis(tile.x, tile.z, levels, spacing, size)
    columns &= (1 << np.array(levels, dtype=np.int64))[:, None] - 1
    bytes_ = _lattice(levels, columns, rows)
    count = len(row_weights[0])
    half = np.matmul(row_weights, bytes_.reshape(len(levels), size, -1))
    half = half.reshape(len(levels), count, size, len(Field)).transpose(0, 2, 3, 1)
    full = np.matmul(column_weights, half.reshape(len(levels), size, -1))
    full = full.reshape(len(levels), count, len(Field), count)
    # Level after level, in a fixed order: the only sum here that rounds.
    full *= _amplitudes(levels)[:, None, :, None]
    total: NDArray[np.float64] = full.sum(axis=0).transpose(1, 2, 0).astype(np.float64, order="C")
    return total


def _axis(
    number: int, zoom: int, levels: tuple[int, ...], spacing: int, size: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Weights (level, node, cell) and cell numbers (level, cell) along one axis."""
    scale = 2.0 ** (np.array(levels) - zoom - 8)[:, None]
    at = (number * TILE + node_pixels(spacing))[None, :] * scale
    first = np.floor(at[:, :1]) - 1
    cells = first + np.arange(size)
    return bspline(at[:, :, None] - cells[:, None, :]).astype(np.float32), cells.astype(np.int64)


def _lattice(levels: tuple[int, ...], columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Bytes -128..127 of (level, row, column, field)."""
    salt = np.array(levels, dtype=np.int64)[:, None, None]
    first = hash_cells(columns[:, None, :], rows[:, :, None], salt)
    both = np.stack([first, scramble(first ^ _GOLDEN)], axis=-1)
    # Little-endian on every machine, so that a field is the same byte everywhere.
    return both.astype("<u8", copy=False).view(np.int8).astype(np.float32)


@cache
def _upsampler(spacing: int) -> NDArray[np.float32]:
    """Catmull-Rom weights (256, nodes) in multiples of 1/64; every row sums to exactly 1."""
    nodes = TILE // spacing + 3
    weights = np.zeros((TILE, nodes), dtype=np.float32)
    for pixel in range(TILE):
        cell, t = divmod((pixel + 0.5) / spacing, 1.0)
        cubic = np.array([-t + 2 * t * t - t**3, 2 - 5 * t * t + 3 * t**3, t + 4 * t * t - 3 * t**3, -t * t + t**3])
        whole = np.rint(cubic * 32)
        whole[int(np.argmax(whole))] += 64 - whole.sum()
        weights[pixel, int(cell) : int(cell) + 4] = whole / 64
    return weights


def upsample(nodes: NDArray[np.float64], spacing: int, step: float) -> NDArray[np.float32]:
    """Spread fields from the coarse grid over the pixels.

    Parameters
    ----------
    nodes : float64 of shape (f, n, n).
    spacing : pixels between nodes, as `grid_spacing` gives.
    step : a power of two; values are first rounded to multiples of it and cut at 2,047 times it, so that float32
        holds every product exactly.

    Returns
    -------
    float32 of shape (f, 256, 256).

    Examples
    --------
    >>> float(upsample(np.full((1, 19, 19), 7.0), 16, 0.125)[0, 100, 200])
    7.0
    """
    steps = np.rint(np.minimum(np.maximum(nodes * (1 / step), -2047), 2047)) * step
    whole: NDArray[np.float32] = steps.astype(np.float32)
    if spacing > 1:
        weights = _upsampler(spacing)
        # Bands of 32 rows keep each product below the size from which BLAS libraries start threads of their own,
        # which would get into the way of ours.
        half = np.matmul(weights, whole).reshape(-1, 32, weights.shape[1])
        whole = np.matmul(half, np.ascontiguousarray(weights.T)).reshape(-1, TILE, TILE)
    return whole
