"""Turns the decisions of `cover` into pixels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.errors import ZoomError
from mosaic_assets.sources.embedded import textures
from mosaic_assets.sources.embedded.cover import Layers, layers
from mosaic_assets.sources.embedded.noise import TILE, Field, fields, grid_spacing, upsample
from mosaic_assets.sources.embedded.parcels import parcels
from mosaic_assets.sources.embedded.world import ground

Plane = NDArray[np.float32]
Array = NDArray[np.float64]

MAX_ZOOM = 19

_COLOUR_STEP = 0.125
_SHARE_STEP = 1 / 1024
_TINTS = (1.0, 0.95, 0.84)  # light is warmer than shade
_DUNE_LEVEL = 18  # one dune is a little longer than a lattice cell of this level, 150 m

def render(tile: Tile) -> NDArray[np.uint8]:
    """Draw a tile. A pure function of the tile: no state, no randomness.

    Parameters
    ----------
    tile : zoom 0..19.

    Returns
    -------
    uint8 of shape (256, 256, 3), sRGB. Neighbouring tiles join without a line, across the date line too.

    Raises
    ------
    ZoomError
        Zoom outside 0..19, or x, y outside the grid of that zoom.

    Examples
    --------
    >>> render(Tile(16, 11, 5)).shape
    (256, 256, 3)
    """
    _check(tile)
    spacing = grid_spacing(tile.z)
    noise = fields(tile)
    made = layers(tile, spacing, ground(tile, spacing), noise)
    dry = _mask(made.coast, tile, 2.0 * 1.65 ** (tile.z - 5), 0.004)
    if isinstance(dry, float):
        picture = (_land if dry else _sea)(tile, spacing, made, noise)
    else:
        picture = _mix(_sea(tile, spacing, made, noise), _land(tile, spacing, made, noise), dry)
    return _to_bytes(picture)


def _check(tile: Tile) -> None:
    if not 0 <= tile.z <= MAX_ZOOM:
        raise ZoomError(f"drawing embedded tile {tuple(tile)}: zoom {tile.z} lies outside 0..{MAX_ZOOM}; choose one inside")
    if not (0 <= tile.x < 1 << tile.z and 0 <= tile.y < 1 << tile.z):
        raise ZoomError(
            f"drawing embedded tile {tuple(tile)}: x and y must lie in 0..{(1 << tile.z) - 1} at zoom {tile.z}; "
            f"check the order x, y, z"
        )


def _mask(nodes: Array, tile: Tile, gain: float, rough: float) -> Plane | float:
    """Where a field is positive: 0.0 or 1.0 if that holds all over, else shares (256, 256) with a soft, rough edge."""
    spread = 0.3 * (nodes.max() - nodes.min()) + 4 * rough + 1 / gain  # the cubic may overshoot by a quarter
    if nodes.max() + spread < 0:
        return 0.0
    if nodes.min() - spread > 0:
        return 1.0
    step = 4 * _SHARE_STEP * 2.0 ** min(15 - tile.z, 0)
    plane: Plane = upsample(nodes[None], grid_spacing(tile.z), step)[0]
    plane += np.multiply(textures.window(textures.grain(), tile), np.float32(rough / 32), dtype=np.float32)
    plane *= np.float32(gain)
    plane += np.float32(0.5)
    return np.clip(plane, 0, 1, out=plane)


def _mix(first: Plane, second: Plane, share: Plane) -> Plane:
    """``first`` where share is 0, ``second`` where it is 1; overwrites and returns ``second``."""
    second -= first
    second *= share
    second += first
    return second


def _over(picture: Plane, colour: Array, share: Plane | float, spacing: int) -> Plane:
    """Lay a colour given at the nodes over a picture."""
    if isinstance(share, float):
        return upsample(colour, spacing, _COLOUR_STEP) if share else picture
    return _mix(picture, upsample(colour, spacing, _COLOUR_STEP), share)


def _land(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    other = _mask(made.other_mask, tile, 1.2, 0.12)
    picture = upsample(made.land if other != 1.0 else made.other, spacing, _COLOUR_STEP)
    picture = _over(picture, made.other, other, spacing)
    picture = _streams(picture, tile, spacing, made, noise)
    ground_plan = parcels(tile, spacing, noise)
    if ground_plan is not None:
        for band in range(3):
            picture[band] *= ground_plan[..., 3]
            picture[band] += ground_plan[..., band]
    _roughen(picture, _relief(tile, spacing, made, noise))
    return picture


def _streams(picture: Plane, tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    line, width = noise[Field.RIVER], made.stream_width
    closest = np.abs(line).min() - 0.6 * (line.max() - line.min())
    if tile.z < 8 or width.max() <= 0 or closest > width.max():
        return picture
    step = _SHARE_STEP * 2.0 ** min(15 - tile.z, 0)
    planes = upsample(np.stack([line, width]), spacing, step)
    np.abs(planes[0], out=planes[0])
    share = planes[1] - planes[0]
    share *= np.float32(700 * 2.0 ** (tile.z - 15))
    np.clip(share, 0, 1, out=share)
    return _over(picture, made.stream, share, spacing) if share.any() else picture


def _relief(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    """Light and shade about 0, as a share of the brightness."""
    total = np.zeros((TILE, TILE), dtype=np.float32)
    for name, strength in made.textures.items():
        if strength.max() < 0.004:
            continue
        values = _dunes(tile, spacing, noise) if name == "dunes" else textures.window(_TEXTURES[name](), tile)
        contrast = upsample(strength[None], spacing, _SHARE_STEP)[0]
        contrast *= values
        total += contrast
    total *= np.float32(1 / 32)
    return total


def _roughen(picture: Plane, relief: Plane) -> None:
    for band, tint in enumerate(_TINTS):
        factor = relief * np.float32(tint)
        factor += np.float32(1)
        picture[band] *= factor


@cache
def _dune_profile() -> NDArray[np.int8]:
    """One dune from foot to foot, 256 steps: a long lit slope, a crest, a short slope in shade."""
    place = np.arange(256) / 256
    lit = 34 * place / 0.7 - 6
    shade = -62 + 40 * (place - 0.7) / 0.3
    return np.rint(np.where(place < 0.7, lit, shade)).astype(np.int8)


def _dunes(tile: Tile, spacing: int, noise: Array) -> NDArray[np.int8]:
    """Long dunes across the wind; a smooth field bends them and makes them fork."""
    scale = 2.0 ** (_DUNE_LEVEL - tile.z - 8)
    at = np.arange(TILE) + 0.5
    across = ((tile.x * TILE + at) * scale * 0.75 * 256) % 256
    down = ((tile.y * TILE + at) * scale * 0.5 * 256) % 256
    # 90 dunes of shift for each standard deviation: enough to turn them by tens of degrees.
    phase = upsample((noise[Field.FLOW] + 0.25 * noise[Field.SHOAL])[None], spacing, 1 / 512)[0]
    phase *= np.float32(4.0 * 256)
    phase += across.astype(np.float32)[None, :]
    phase += down.astype(np.float32)[:, None]
    return _dune_profile().take(phase.astype(np.int32) & 255)


def _sea(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    bank = _mask(made.shoal_mask, tile, 1.0, 0.1)
    picture = upsample(made.sea if bank != 1.0 else made.shoal, spacing, _COLOUR_STEP)
    picture = _over(picture, made.shoal, bank, spacing)
    # Two thirds of the sea are calm enough to look flat.
    swell = np.clip(noise[Field.WARP_U] - 0.35, 0, 2) * min(max((tile.z - 7) / 6, 0.0), 1.0)
    if swell.max() > 0.02:
        height = upsample(swell[None], spacing, _SHARE_STEP)[0]
        height *= textures.window(textures.waves(), tile)
        height *= np.float32(1.6 / 32)
        picture += height
    return picture


def _to_bytes(picture: Plane) -> NDArray[np.uint8]:
    np.clip(picture, 0, 255, out=picture)
    image = np.empty((TILE, TILE, 3), dtype=np.uint8)
    for band in range(3):
        image[..., band] = picture[band]
    return image


_TEXTURES = {
    "grain": textures.grain,
    "canopy": textures.canopy,
    "hills": textures.hills,
    "cracks": textures.cracks,
}
