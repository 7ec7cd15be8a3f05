"""Turns the decisions of `cover` into pixels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.errors import ZoomError
from mosaic_assets.sources.embedded import textures
from mosaic_assets.sources.embedded.cover import Layers, add_sea, layers, ramp
from mosaic_assets.sources.embedded.noise import TILE, Field, fields, grid_spacing, upsample
from mosaic_assets.sources.embedded.parcels import parcels
from mosaic_assets.sources.embedded.places import Colour
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
    seen = ground(tile, spacing)
    made = layers(tile, spacing, seen, noise)
    dry = _mask(made.coast, tile, 2.0 * 1.65 ** (tile.z - 5), 0.004)
    if not isinstance(dry, float) or not dry:
        add_sea(made, tile, spacing, seen, noise)
    if isinstance(dry, float):
        picture = (_land if dry else _sea)(tile, spacing, made, noise)
    else:
        picture = _mix(_sea(tile, spacing, made, noise), _land(tile, spacing, made, noise), dry)
    picture = _palettes(picture, tile, spacing, made, wet=True)
    return _to_bytes(picture)


def _check(tile: Tile) -> None:
    if not 0 <= tile.z <= MAX_ZOOM:
        raise ZoomError(
            f"drawing embedded tile {tuple(tile)}: zoom {tile.z} lies outside 0..{MAX_ZOOM}; choose one inside"
        )
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
    plane: Plane = upsample(nodes[None], grid_spacing(tile.z), 4 * _fine_step(tile.z))[0]
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
    picture = upsample(made.land, spacing, _COLOUR_STEP)
    other = _mask(made.other_mask, tile, 1.2, 0.12)
    picture = _over(picture, made.other, other, spacing)
    odd = _mask(made.odd_mask, tile, 5.0, 0.05)
    picture = _over(picture, made.odd, odd, spacing)
    stream = _streams(tile, spacing, made, noise)
    picture = _over(picture, made.stream, stream, spacing)
    picture = _palettes(picture, tile, spacing, made, wet=False)
    grown = parcels(tile, spacing, noise)
    if grown is not None:
        for band in range(3):
            picture[band] *= grown[..., 3]
            picture[band] += grown[..., band]
    relief = _relief(tile, spacing, made, noise)
    if not isinstance(stream, float):
        relief *= 1 - np.float32(0.85) * stream
    _roughen(picture, relief)
    return picture


def _streams(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane | float:
    """Share of river at each pixel: where the field RIVER is closer to 0 than the river's half width."""
    line, width = noise[Field.RIVER], made.stream_width
    closest = np.abs(line).min() - 0.6 * (line.max() - line.min())
    if tile.z < 8 or width.max() <= 0 or closest > width.max():
        return 0.0
    planes = upsample(np.stack([line, width]), spacing, _fine_step(tile.z))
    np.abs(planes[0], out=planes[0])
    share: Plane = planes[1] - planes[0]
    share *= np.float32(700 * 2.0 ** (tile.z - 15))
    np.clip(share, 0, 1, out=share)
    return share if share.any() else 0.0


def _palettes(picture: Plane, tile: Tile, spacing: int, made: Layers, *, wet: bool) -> Plane:
    """Lay the colours of special places over a picture, crisp down to the pixel."""
    for place, share, walk in made.places:
        if place.wet != wet:
            continue
        at, opacity = upsample(np.stack([walk, share]), spacing, _SHARE_STEP * 2)
        crust = _TEXTURES[place.crust]()
        at += np.multiply(textures.window(textures.grain(), tile), np.float32(0.022 / 32), dtype=np.float32)
        at += np.multiply(textures.window(crust, tile), np.float32(0.018 / 32), dtype=np.float32)
        np.clip(at, 0, 1, out=at)
        at *= np.float32(255.5)
        colour = _table(place.palette).take(at.astype(np.uint8)).view(np.float32).reshape(TILE, TILE, 4)
        for band in range(3):
            picture[band] += opacity * (colour[..., band] - picture[band])
    return picture


@cache
def _table(palette: tuple[Colour, ...]) -> NDArray[np.complex128]:
    """A palette in 256 steps; four float32 as one item, so that one look-up fetches a colour."""
    steps = np.zeros((256, 4), dtype=np.float32)
    steps[:, :3] = ramp(palette, np.arange(256) / 255).T
    return steps.view(np.complex128).ravel()


def _fine_step(zoom: int) -> float:
    """Rounding of fields whose contours are drawn: finer where a pixel spans less of the field."""
    return _SHARE_STEP * 2.0 ** min(15 - zoom, 0)


def _relief(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    """Light and shade about 0, as a share of the brightness."""
    total = np.zeros((TILE, TILE), dtype=np.float32)
    for name, strength in made.textures.items():
        if not strength.any():
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
    profile: NDArray[np.int8] = np.rint(np.where(place < 0.7, lit, shade)).astype(np.int8)
    return profile


def _dunes(tile: Tile, spacing: int, noise: Array) -> NDArray[np.int8]:
    """Long dunes across the wind; a smooth field bends them and makes them fork."""
    scale = 2.0 ** (_DUNE_LEVEL - tile.z - 8)
    at = np.arange(TILE) + 0.5
    across = ((tile.x * TILE + at) * scale * 0.75 * 256) % 256
    down = ((tile.y * TILE + at) * scale * 0.5 * 256) % 256
    # Four dunes of shift for each standard deviation, enough to bend them; 32 more keep the phase positive.
    phase = upsample((noise[Field.FLOW] + 0.25 * noise[Field.SHOAL])[None], spacing, 1 / 512)[0]
    phase *= np.float32(4.0 * 256)
    phase += (across + 32 * 256).astype(np.float32)[None, :]
    phase += down.astype(np.float32)[:, None]
    heights: NDArray[np.int8] = _dune_profile().take(phase.astype(np.int32) & 255)
    return heights


def _sea(tile: Tile, spacing: int, made: Layers, noise: Array) -> Plane:
    bank = _mask(made.shoal_mask, tile, 1.0, 0.1)
    picture = upsample(made.sea, spacing, _COLOUR_STEP)
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
