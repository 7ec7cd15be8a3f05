"""Fields and towns: which plan lies on which block, and the colour of every parcel."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.sources.embedded import atlas
from mosaic_assets.sources.embedded.cover import KM_PER_DEGREE, classify, lift, ramp, step
from mosaic_assets.sources.embedded.noise import TILE, Field, hash_cells, node_pixels, scramble, unit, upsample
from mosaic_assets.sources.embedded.places import CITIES, PLACES, Colour
from mosaic_assets.sources.embedded.world import colours_near, latitudes

Array = NDArray[np.float64]

_LEVEL = 15
_BEND = 260.0  # how far plans are bent out of the grid, one standard deviation, in zoom-15 pixels
_BEND_STEP = 0.5  # so that up to 1,023 pixels pass `upsample`
_OFFSET = (141, 97)  # rows, columns: keeps roads off the borders of tiles, where they would look like seams
FIRST_ZOOM = 9
"""Below this zoom blocks are smaller than four pixels and are left out."""
_FULL_ZOOM = 12  # below, a block shows 16 parcels of its table instead of a plan
_FEW = np.arange(16, dtype=np.int64) * 3 + 2

_CROPS: tuple[Colour, ...] = (
    (38, 62, 34), (58, 82, 40), (80, 108, 52), (112, 138, 66), (146, 152, 86), (116, 112, 72), (104, 86, 60),
    (138, 108, 76), (166, 140, 100), (192, 172, 122), (210, 194, 156),
)  # fmt: skip
_ODD: tuple[Colour, ...] = (
    (206, 196, 66), (128, 112, 142), (216, 218, 216), (48, 42, 40), (70, 96, 98), (48, 130, 74), (172, 96, 64), (160, 176, 90),
)  # fmt: skip
_ROOFS: tuple[tuple[Colour, ...], ...] = (
    ((168, 112, 88), (182, 132, 106), (150, 98, 80), (190, 170, 150), (142, 138, 134), (206, 198, 188)),  # tiled
    ((150, 150, 152), (118, 120, 122), (188, 188, 188), (96, 98, 102), (214, 214, 212), (132, 134, 142)),  # concrete
    ((172, 160, 142), (196, 184, 162), (150, 138, 122), (210, 204, 192), (128, 118, 108), (180, 150, 126)),  # earthen
    ((126, 118, 112), (160, 154, 148), (104, 98, 96), (190, 186, 180), (140, 122, 110), (116, 124, 132)),  # shingle
)


class _Blocks(NamedTuple):
    """Everything known of the blocks in view, all of shape (rows, columns)."""

    column: NDArray[np.int64]
    row: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    colour: Array
    crop: Array
    city: NDArray[np.bool_]
    lng: Array
    lat: Array


def parcels(tile: Tile, spacing: int, noise: Array) -> NDArray[np.float32] | None:
    """Colour and opacity of the parcels on a tile.

    Parameters
    ----------
    tile : any tile; below zoom 9 nothing is drawn.
    spacing : pixels between nodes.
    noise : (16, n, n), as `noise.fields` gives.

    Returns
    -------
    float32 (256, 256, 4): red, green, blue (0..255) already multiplied by the opacity, and 1 - opacity; or None where
    nothing is built or grown.
    """
    if tile.z < FIRST_ZOOM:
        return None
    scale = 2.0 ** (_LEVEL - tile.z)
    top, left = tile.y * TILE * scale + _OFFSET[0], tile.x * TILE * scale + _OFFSET[1]
    bend = _bend(tile, noise)
    first_row, last_row = _span(top, scale, bend[1])
    first_column, last_column = _span(left, scale, bend[0])
    blocks = _blocks(np.arange(first_column, last_column + 1), np.arange(first_row, last_row + 1))
    if not (blocks.city.any() or (blocks.crop > 1 / 256).any()):
        return None
    shift = upsample(bend, spacing, _BEND_STEP)
    ramp_ = (np.arange(TILE) + 0.5) * scale
    v = (shift[1] + (ramp_ + (top - first_row * atlas.SIDE)).astype(np.float32)[:, None]).astype(np.int32)
    u = (shift[0] + (ramp_ + (left - first_column * atlas.SIDE)).astype(np.float32)[None, :]).astype(np.int32)
    return _look_up(blocks, u, v, plain=tile.z < _FULL_ZOOM)


def _span(start: float, scale: float, bend: Array) -> tuple[int, int]:
    """First and last block that a bent axis reaches; the cubic may overshoot its nodes a little."""
    low, high = bend.min(), bend.max()
    slack = 0.3 * (high - low) + 2
    return int((start + low - slack) // atlas.SIDE), int((start + TILE * scale + high + slack) // atlas.SIDE)


def _bend(tile: Tile, noise: Array) -> Array:
    """Shift of the plans (2, n, n) in zoom-15 pixels: strong in the old world, slight where land was surveyed."""
    count = noise.shape[-1]
    pixels = node_pixels(TILE // (count - 3))
    lng = (tile.x * TILE + pixels) * (360 / (TILE * 2.0**tile.z)) - 180
    old = np.maximum(step(lng, -45, -30), step(lng, -165, -175))
    strength = _BEND * (0.05 + 0.95 * old)[None, None, :]
    limit = 2000 * _BEND_STEP
    return np.clip(noise[[Field.WARP_U, Field.WARP_V]] * strength, -limit, limit)


def _look_up(blocks: _Blocks, u: NDArray[np.int32], v: NDArray[np.int32], *, plain: bool) -> NDArray[np.float32]:
    columns = blocks.crop.shape[1]
    slot = v >> 8
    slot *= np.int32(columns)
    slot += u >> 8
    if plain:
        number = ((v >> 4) & 12) + ((u >> 6) & 3)
        numbers = _FEW
    else:
        inside = v & 255
        inside <<= 8
        inside += u & 255
        inside += _plan_starts(blocks).ravel().take(slot)
        number = atlas.plans().take(inside)
        numbers = np.arange(atlas.NUMBERS, dtype=np.int64)
    # Four float32 travel as one 16-byte item: one gather instead of four.
    table = _colours(blocks, numbers).reshape(-1, 4).view(np.complex128).ravel()
    slot *= np.int32(len(numbers))
    slot += number
    return table.take(slot).view(np.float32).reshape(TILE, TILE, 4)


def _blocks(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> _Blocks:
    column, row = np.meshgrid(columns, rows)
    column &= (1 << _LEVEL) - 1
    hashes = hash_cells(column, row, 201)
    # Jitter by some kilometres dissolves the 7 km pixels of the map beneath.
    at_column = column + 0.5 + 8 * (unit(hashes, 0) - 0.5)
    at_row = row + 0.5 + 8 * (unit(hashes, 1) - 0.5)
    lng = at_column * (360 / 2.0**_LEVEL) - 180
    pixel_row: Array = at_row * TILE
    lat = latitudes(pixel_row, _LEVEL)
    sampled = colours_near(lng, lat)
    cover = classify(sampled[:3], lat)
    district = unit(_neighbourhood(column, row, hashes, 4, 202), 0)
    hamlet = unit(_neighbourhood(column, row, hashes, 1, 203), 0)
    mild = step(np.abs(lat), 60, 54) * (sampled[3] > 127)
    grown = cover.grass * (0.30 + 0.9 * step(district, 0.05, 0.6)) + 0.30 * cover.forest * step(district, 0.6, 0.95)
    grown = grown + 0.5 * cover.arid * (district > 0.985) - 0.06
    crop = np.clip(grown * 1.15, 0, 1) * mild * ~_kept_wild(lng, lat)
    town = _built_up(column, row)
    town = np.maximum(town, (hamlet < 0.03 * crop) * 0.75)
    city = (unit(hashes, 2) < town) & (sampled[3] > 60)
    return _Blocks(column, row, hashes, sampled[:3], crop, city, lng, lat)


def _neighbourhood(
    column: NDArray[np.int64], row: NDArray[np.int64], fray: NDArray[np.uint64], shift: int, salt: int
) -> NDArray[np.uint64]:
    """Hash of the 2**shift x 2**shift blocks around, the same for all of them.

    ``fray``, a hash of each block, first moves the block a little: without it the borders of neighbourhoods show as
    a chequerboard from afar.
    """
    mask = np.uint64((2 << shift) - 1)
    across = (fray & mask).astype(np.int64) - (1 << shift)
    down = ((fray >> np.uint64(32)) & mask).astype(np.int64) - (1 << shift)
    return hash_cells((column + across) >> shift, (row + down) >> shift, salt)


def _kept_wild(lng: Array, lat: Array) -> NDArray[np.bool_]:
    """Inside one of the places with a palette of its own, where nothing is grown."""
    wild = np.zeros(lng.shape, dtype=bool)
    for place in PLACES:
        if abs(place.lat - lat.flat[0]) < 6:
            distance = place.radius_km / KM_PER_DEGREE * 1.2
            wild |= (np.abs(lng - place.lng) < distance) & (np.abs(lat - place.lat) < distance)
    return wild


@cache
def _cities() -> NDArray[np.float64]:
    return np.array(CITIES)


def _built_up(column: NDArray[np.int64], row: NDArray[np.int64]) -> Array:
    """Share of built-up blocks round the large cities, 0..1, falling off over their radius."""
    lng = (column + 0.5) * (360 / 2.0**_LEVEL) - 180
    lat = latitudes((row * TILE + TILE // 2).astype(np.float64), _LEVEL)
    cities = _cities()
    close = (np.abs(cities[:, 0] - lng.mean()) < 2.5) & (np.abs(cities[:, 1] - lat.mean()) < 1.5)
    built = np.zeros(column.shape)
    for centre_lng, centre_lat, radius in cities[close]:
        across = (lng - centre_lng) * (1 - (centre_lat / 90) ** 2)
        down = lat - centre_lat
        distance = np.sqrt(across * across + down * down) * (KM_PER_DEGREE / radius)
        built = np.maximum(built, 1.12 - distance * 0.9 * np.maximum(distance, 0.6))
    return np.asarray(np.clip(built, 0, 1))


def _plan_starts(blocks: _Blocks) -> NDArray[np.int32]:
    """Where in the atlas each block's plan begins."""
    county = unit(_neighbourhood(blocks.column, blocks.row, blocks.hashes, 6, 205), 0)
    surveyed = np.where(blocks.lng < -40, county < 0.9, county < 0.15)
    kind = np.where(blocks.city, atlas.STREETS, np.where(surveyed, atlas.SQUARE, atlas.PATCHED))
    plan = (unit(blocks.hashes, 3) * atlas.PLANS).astype(np.int64)
    return ((kind * atlas.PLANS + plan) * atlas.SIDE * atlas.SIDE).astype(np.int32)


def _colours(blocks: _Blocks, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Table (rows, columns, numbers, 4): premultiplied colour and 1 - opacity of each number on every block."""
    column, row = blocks.column[..., None], blocks.row[..., None]
    hashes = hash_cells(column * atlas.NUMBERS + numbers, row, 206)
    table = np.empty((*hashes.shape, 4), dtype=np.float32)
    grown, shown = _grown(blocks, hashes, numbers)
    if blocks.city.any():
        built = _built(blocks, hashes, numbers)
        grown = np.where(blocks.city[..., None], built, grown)
        shown = np.where(blocks.city[..., None], 0.94, shown)
    table[..., :3] = np.moveaxis(grown * shown, 0, -1)
    table[..., 3] = 1 - shown
    return table


def _grown(blocks: _Blocks, hashes: NDArray[np.uint64], numbers: NDArray[np.int64]) -> tuple[Array, Array]:
    """Colours (3, ..., 64) and opacity of fields: a few crops rule a district, a few fields are odd."""
    district = _neighbourhood(blocks.column, blocks.row, blocks.hashes, 4, 207)[..., None]
    parish = _neighbourhood(blocks.column, blocks.row, blocks.hashes, 2, 208)[..., None]
    dry = step(blocks.colour[0] - blocks.colour[1], -10, 26)[..., None]
    middle = 0.12 + 0.5 * dry + 0.45 * (unit(district, 0) - 0.5) + 0.25 * (unit(parish, 0) - 0.5)
    wide = 0.25 + 0.6 * unit(district, 1)
    colour = ramp(_CROPS, middle + wide * (unit(hashes, 0) - 0.5))
    odd = unit(hashes, 1) < 0.02 + 0.10 * (unit(parish, 1) > 0.9)
    special = ramp(_ODD, np.where(unit(parish, 2) < 0.5, unit(parish, 3), unit(hashes, 2)))
    colour = np.where(odd, special, colour)
    base = lift(blocks.colour)[..., None]
    colour = 0.72 * colour + 0.32 * base
    colour = colour * (0.86 + 0.28 * unit(hashes, 3)) * (0.84 + 0.32 * unit(parish, 4))
    shown: Array = 0.93 * (unit(hashes, 5) < blocks.crop[..., None]).astype(np.float64)
    if numbers[0] == 0:
        colour[:, ..., 0] = 0.5 * base[..., 0] + np.array([92.0, 86, 74])[:, None, None]
        colour[:, ..., 1] *= 0.55
        shown[..., 0] = 0.65 * (blocks.crop > 0.3)
        shown[..., 1] = 0.5 * (blocks.crop > 0.4)
    return colour, shown


def _built(blocks: _Blocks, hashes: NDArray[np.uint64], numbers: NDArray[np.int64]) -> Array:
    """Colours (3, ..., 64) of towns: streets, shadows, eight greens, roofs of the region's kind."""
    quarter = scramble(blocks.hashes)[..., None]
    parish = _neighbourhood(blocks.column, blocks.row, blocks.hashes, 3, 210)[..., None]
    europe = (blocks.lng > -12) & (blocks.lng < 32) & (blocks.lat > 34)
    japan = (blocks.lng > 120) & (blocks.lat > 20)
    south = (np.abs(blocks.lat) < 33) & (blocks.lng > -20)
    style = np.where(europe, 0, np.where(japan, 1, np.where(south, 2, 3)))[..., None]
    style = np.where(unit(hashes, 4) < 0.65 * unit(parish, 0) * unit(quarter, 0), 1, style)
    shade = unit(hashes, 0)
    colour = np.zeros((3, *hashes.shape))
    for number, palette in enumerate(_ROOFS):
        colour = np.where(style == number, ramp(palette, shade), colour)
    green = ramp(((44, 60, 36), (66, 82, 48), (96, 104, 64), (124, 120, 82)), shade)
    colour = np.where(unit(hashes, 1) < 0.35 * unit(quarter, 1), green, colour)
    colour = np.where((numbers >= 2) & (numbers < 10), green, colour)
    if numbers[0] == 0:
        colour[..., 0] = np.array([124.0, 122, 120])[:, None, None] + 18 * (unit(parish, 1)[..., 0] - 0.5)
        colour[..., 1] = np.array([58.0, 60, 56])[:, None, None]
    tone = (0.90 + 0.20 * unit(quarter, 2)) * (0.74 + 0.50 * unit(parish, 2))
    warm = 0.16 * (unit(parish, 3) - 0.5) + 0.08 * (unit(quarter, 3) - 0.5)
    tone = tone * np.stack([1 + warm, np.ones_like(warm), 1 - warm])
    return np.asarray(colour * tone * (0.88 + 0.2 * unit(hashes, 3)))
