"""Fine grain: a few periodic textures, each made once from hashes with integer arithmetic.

Their period is a power of two in pixels and divides the width of the world, so neighbouring tiles continue one
another at every zoom. What gives a place its shape comes from `noise`, these only fill in the last 16 pixels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.sources.embedded.noise import TILE, hash_cells

PERIOD = 1024
"""Pixels after which a texture repeats."""


def window(texture: NDArray[np.int8], tile: Tile) -> NDArray[np.int8]:
    """The part of a texture that lies under a tile, as a view: int8 (256, 256)."""
    row, column = tile.y * TILE % PERIOD, tile.x * TILE % PERIOD
    return texture[row : row + TILE, column : column + TILE]


@cache
def grain() -> NDArray[np.int8]:
    """Soil and grass: rough at 2 to 16 pixels."""
    return _standard(np.sum([_octave(step, 11) * 0.8**n for n, step in enumerate((16, 8, 4, 2, 1))], axis=0))


@cache
def hills() -> NDArray[np.int8]:
    """Relief lit from the north-west: slopes of a rough surface, ridges up to 64 pixels apart."""
    height = np.sum([_octave(step, 23) * (step / 64.0) ** 0.9 for step in (64, 32, 16, 8, 4, 2)], axis=0)
    slope = np.roll(height, (1, 1), (0, 1)) - np.roll(height, (-1, -1), (0, 1))
    return _standard(np.asarray(slope))


@cache
def canopy() -> NDArray[np.int8]:
    """Tree crowns about 7 pixels across, lit from the north-west, with dark gaps."""
    near, _, down, right, shade = _worley(8, 31)
    light = 40 * (1 - near / 40.0) - 5.0 * (down + right) + 0.12 * (shade.astype(np.float64) - 128)
    return _standard(_blur(light) + 0.25 * _octave(16, 33) / 4)


@cache
def waves() -> NDArray[np.int8]:
    """Wind sea: short crests that lie across the wind, 4 to 16 pixels apart."""
    smooth = [_octave(step, 41 + step) for step in (8, 4, 2)]
    drawn = [_along(octave, 6) for octave in smooth]
    return _standard(drawn[0] + drawn[1] * 0.8 + drawn[2] * 0.5)


@cache
def cracks() -> NDArray[np.int8]:
    """Thin dark lines between plates of 32 pixels: crevassed ice, dried salt, jointed rock."""
    near, second, _, _, shade = _worley(32, 53)
    gap = np.sqrt(second.astype(np.float64)) - np.sqrt(near.astype(np.float64))
    lines = -np.clip(3.0 - gap, 0, 3) * 30
    return _standard(lines + 0.12 * (shade.astype(np.float64) - 128) + 0.1 * _octave(8, 59))


def _standard(values: NDArray[np.float64]) -> NDArray[np.int8]:
    """Mean 0 and standard deviation 32, as int8; a value beyond four deviations is cut."""
    centred = values - values.mean()
    cut: NDArray[np.int8] = np.clip(np.rint(centred * (32 / centred.std())), -127, 127).astype(np.int8)
    return cut


def _octave(step: int, salt: int) -> NDArray[np.float64]:
    """Periodic noise with cells of ``step`` pixels (a power of two), -128..127, whole numbers in quarters."""
    size = PERIOD // step
    cells = np.arange(size, dtype=np.int64)
    field = (hash_cells(cells[None, :], cells[:, None], salt * 64 + step) >> np.uint64(13)).astype(np.uint8)
    values = field.astype(np.float64) - 127.5
    while len(values) < PERIOD:
        values = _double(values)
    return values


def _double(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the resolution by cubic B-spline subdivision, along both axes, periodic."""
    for axis in (0, 1):
        before, after = np.roll(values, 1, axis), np.roll(values, -1, axis)
        even, odd = (before + 6 * values + after) / 8, (values + after) / 2
        shape = list(values.shape)
        shape[axis] *= 2
        values = np.stack([even, odd], axis=axis + 1).reshape(shape)
    return values


def _blur(values: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return values


def _along(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Mean over a short run to the lower right, two columns for each row."""
    return np.asarray(sum(np.roll(values, (n, 2 * n), (0, 1)) for n in range(length))) / length


def _worley(cell: int, salt: int) -> tuple[NDArray[np.int32], ...]:
    """Squared distances to the nearest and second nearest of jittered points, the offset to the nearest, its hash.

    int32 (1024, 1024) each: nearest, second, rows down, columns right, byte 0..255.
    """
    size = PERIOD // cell
    number = np.arange(size, dtype=np.int64)
    hashes = hash_cells(number[None, :], number[:, None], salt)
    row = ((hashes >> np.uint64(3)) % np.uint64(cell)).astype(np.int32)
    column = ((hashes >> np.uint64(19)) % np.uint64(cell)).astype(np.int32)
    pixel = np.arange(PERIOD, dtype=np.int32) % cell
    near = np.full((PERIOD, PERIOD), 1 << 20, dtype=np.int32)
    second, down, right, shade = near.copy(), near.copy(), near.copy(), near.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            dv = pixel[:, None] - _spread(row, dy, dx, cell) - dy * cell
            du = pixel[None, :] - _spread(column, dy, dx, cell) - dx * cell
            distance = dv * dv + du * du
            closer = distance < near
            second = np.minimum(second, np.maximum(distance, near))
            near = np.where(closer, distance, near)
            down, right = np.where(closer, dv, down), np.where(closer, du, right)
            byte = _spread(((hashes >> np.uint64(40)) & np.uint64(255)).astype(np.int32), dy, dx, cell)
            shade = np.where(closer, byte, shade)
    return near, second, down, right, shade


def _spread(values: NDArray[np.int32], dy: int, dx: int, cell: int) -> NDArray[np.int32]:
    """The value of the neighbouring cell (dy, dx) at every pixel."""
    return np.roll(values, (-dy, -dx), (0, 1)).repeat(cell, 0).repeat(cell, 1)
