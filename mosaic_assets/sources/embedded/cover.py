"""Which ground lies where, and in which colours: decided on the coarse grid, so it costs little."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.sources.embedded.noise import TILE, Field, node_pixels
from mosaic_assets.sources.embedded.places import PLACES, Colour, Place
from mosaic_assets.sources.embedded.world import Ground, latitudes

Array = NDArray[np.float64]

KM_PER_DEGREE = 111.2


@dataclass(slots=True)
class Layers:
    """What `paint` needs, all at the nodes (n, n); colours are (3, n, n), 0..255."""

    land: Array
    other: Array
    """The second ground: rock, clearing, blue ice."""
    other_mask: Array
    """Above 0 the second ground shows."""
    stream: Array
    """Colour of rivers and dry beds."""
    stream_width: Array
    """Rivers run where the field RIVER is closer to 0 than this."""
    sea: Array
    shoal: Array
    """The second water: sandbank, reef, ice floe."""
    shoal_mask: Array
    """Above 0 the second water shows."""
    odd: Array
    """Colour of burns, blooms, pits, bare red soil: rare, and of every hue."""
    odd_mask: Array
    """Above 0 the odd ground shows."""
    coast: Array
    """Above 0 is land."""
    places: list[tuple[Place, Array, Array]] = field(default_factory=list)
    """Place, its opacity, and where on its palette each node stands, 0..1."""
    textures: dict[str, Array] = field(default_factory=dict)
    """Contrast of each texture, as a share of the brightness for one standard deviation."""


def step(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between; ``low`` may exceed ``high``.

    Examples
    --------
    >>> step(np.array([0.0, 0.5, 2.0]), 0, 1)
    array([0. , 0.5, 1. ])
    """
    # Scaled in place: this runs some thirty times a tile on small arrays, where calls cost more than arithmetic.
    t = (value - low) * (1 / (high - low))
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    return np.asarray(t * t * (3 - 2 * t))


def blend(first: Array, second: Array, share: Array) -> Array:
    """``first`` where share is 0, ``second`` where it is 1."""
    return np.asarray(first + (second - first) * share)


@cache
def _steps(palette: tuple[Colour, ...]) -> Array:
    """A palette in 1,024 equal steps, (1024, 3)."""
    table = np.array(palette, dtype=np.float64)
    place = np.arange(1024) * ((len(table) - 1) / 1023)
    low = np.minimum(place.astype(np.int64), len(table) - 2)
    share = (place - low)[:, None]
    return np.asarray(table[low] * (1 - share) + table[low + 1] * share)


def ramp(palette: tuple[Colour, ...], at: Array) -> Array:
    """Walk along a palette in 1,024 steps: 0 its first colour, 1 its last; (3, ...) for ``at`` of any shape.

    Examples
    --------
    >>> ramp(((0, 0, 0), (100, 50, 0)), np.array([0.0, 1.0]))
    array([[  0., 100.],
           [  0.,  50.],
           [  0.,   0.]])
    """
    step_number = np.minimum(np.maximum(at * 1023, 0), 1023).astype(np.intp)
    return np.moveaxis(_steps(palette).take(step_number, axis=0), -1, 0)


def lift(colour: Array) -> Array:
    """Brighten shadows the way aerial imagery is processed: the power 3/4 of Blue Marble's 0..255.

    Two square roots, which every machine rounds alike, instead of a power.
    """
    root = np.sqrt(colour / 255)
    return np.asarray(255 * root * np.sqrt(root))


@dataclass(slots=True)
class Cover:
    """Shares of the kinds of ground at each point, 0..1, from Blue Marble's colour and the latitude."""

    ice: Array
    salt: Array
    arid: Array
    forest: Array
    grass: Array


def classify(colour: Array, lat: Array) -> Cover:
    """Deduce the ground from its colour as seen from space.

    Parameters
    ----------
    colour : (3, ...) Blue Marble 0..255, not lifted.
    lat : degrees, broadcastable to the rest.
    """
    red, green, blue = colour
    value = (red + green + blue) / 3 + 1
    top = np.maximum(np.maximum(red, green), blue) + 1
    saturation = (top - np.minimum(np.minimum(red, green), blue)) / top
    white = step(value, 150, 205) * step(saturation, 0.30, 0.14)
    polar = step(np.abs(lat), 38, 48)
    rest = 1 - white
    arid = rest * step(value, 70, 125) * step((red - blue) / value, 0.22, 0.50)
    forest = (rest - arid) * step((green - (red + blue) / 2) / value, 0.10, 0.38) * step(value, 78, 48)
    return Cover(white * polar, white * (1 - polar), arid, forest, rest - arid - forest)


_RARE: tuple[Colour, ...] = (
    (40, 34, 33), (66, 50, 44), (150, 70, 42), (196, 124, 62), (222, 196, 120), (226, 220, 204), (190, 180, 84),
    (96, 150, 62), (44, 104, 60), (62, 132, 128), (108, 112, 150), (120, 76, 98), (172, 98, 96), (92, 58, 40),
)  # fmt: skip
_RARE_DRY: tuple[Colour, ...] = (
    (70, 60, 56), (104, 84, 72), (150, 92, 62), (186, 104, 62), (212, 146, 84), (230, 196, 140), (238, 226, 204),
    (206, 200, 190), (164, 150, 136), (150, 120, 116), (120, 92, 92), (96, 104, 92), (66, 96, 66),
)  # fmt: skip
_TROPIC: tuple[Colour, ...] = (
    (12, 40, 84), (16, 62, 112), (22, 92, 138), (38, 130, 160), (74, 168, 178), (126, 200, 194), (186, 218, 200),
)  # fmt: skip
_COLD: tuple[Colour, ...] = ((12, 34, 62), (18, 48, 76), (30, 66, 84), (52, 86, 92), (86, 104, 94))
_ICE: tuple[Colour, ...] = (
    (176, 206, 226), (204, 224, 238), (226, 236, 244), (240, 245, 249), (249, 250, 252), (252, 252, 250), (238, 234, 226),
    (214, 210, 204),
)  # fmt: skip


def _calm(zoom: int) -> float:
    """How much of a region's own tint shows: from afar it averages out, from zoom 13 on it shows in full."""
    return min(max(0.3 + 0.7 * (zoom - 5) / 8, 0.3), 1.0)


def layers(tile: Tile, spacing: int, ground: Ground, noise: Array) -> Layers:
    """Decide the colours of a tile.

    Parameters
    ----------
    tile : the tile.
    spacing : pixels between nodes.
    ground : Blue Marble at the nodes.
    noise : (16, n, n), as `noise.fields` gives.
    """
    pixels = node_pixels(spacing)
    lat = latitudes(tile.y * TILE + pixels, tile.z)[:, None]
    cover = classify(ground.land, lat)
    made = _land(ground, cover, noise, _calm(tile.z))
    made.odd_mask = made.odd_mask - max(13 - tile.z, 0) * 0.5  # smaller than a few pixels
    lng = (tile.x * TILE + pixels) * (360 / (TILE * 2.0**tile.z)) - 180
    for place, near in near_places(lng, lat[:, 0], noise[Field.COAST]):
        _apply(made, place, near, noise)
    _textures(made, cover, noise, tile.z)
    return made


def _tint(colour: Array, noise: Array, light: Array, warm: Array, green: Array) -> Array:
    """Vary lightness, warmth and greenness by region; extremes are rarer than they are far."""
    long = noise * (0.55 + 0.28 * np.abs(noise))
    factor = np.minimum(np.maximum(1 + light * long[Field.LIGHT], 0.5), 1.9)
    bias = np.maximum(warm * long[Field.WARM], -0.13)  # no blue deserts
    leaf = green * long[Field.GREEN]
    gain = np.stack([1 + bias - 0.5 * leaf, 1 + 0.6 * leaf, 1 - bias - 0.5 * leaf])
    return np.asarray(colour * factor * np.minimum(np.maximum(gain, 0.4), 1.7))


def _land(ground: Ground, cover: Cover, noise: Array, calm: float) -> Layers:
    lifted = lift(ground.land)
    soft = 1 - cover.ice - cover.salt
    vary = soft * calm
    light = vary * (0.21 - 0.07 * cover.arid) + 0.03 * (cover.salt + cover.ice)
    warm = vary * (0.12 - 0.03 * cover.forest - 0.04 * cover.arid) + 0.02 * cover.salt
    green = vary * (0.12 - 0.09 * cover.arid)
    land = _tint(lifted, noise, light, warm, green)
    frozen = ramp(
        _ICE, 0.56 + calm * (0.27 * noise[Field.LIGHT] + 0.06 * noise[Field.HUE] + 0.04 * noise[Field.HEIGHT])
    )
    land = blend(land, frozen * (0.97 + calm * 0.04 * noise[Field.WARM]), cover.ice)
    kind = 0.5 + 0.26 * noise[Field.KIND] + 0.05 * noise[Field.HUE]
    odd = blend(ramp(_RARE, kind), ramp(_RARE_DRY, kind), cover.arid)
    odd = blend(land, odd * (1 + 0.1 * noise[Field.PATCH]), np.array(0.7))
    odd_mask = noise[Field.RARE] - 1.75 - 4 * (1 - soft) + 0.25 * noise[Field.KIND]
    other, mask = _other(land, cover, noise)
    stream, width = _stream(land, cover, noise)
    coast = ground.share - 0.5 + 0.2 * noise[Field.COAST] * step(np.abs(ground.share - 0.5), 0.5, 0.2)
    nothing = np.full_like(coast, -4.0)
    return Layers(land, other, mask, stream, width, ground.sea, ground.sea, nothing, odd, odd_mask, coast)


def _other(land: Array, cover: Cover, noise: Array) -> tuple[Array, Array]:
    """The second ground: its colour, and where it shows."""
    dark, pale = land * 0.62, np.minimum(land * 1.25 + 14, 250)
    pick = step(noise[Field.KIND], -0.5, 0.5)
    dry = blend(dark, pale, pick)
    clearing = land * 1.35 + np.array([34.0, 26, 8])[:, None, None]
    scrub = land * np.array([0.66, 0.74, 0.70])[:, None, None]
    blue = land * np.array([0.80, 0.91, 0.98])[:, None, None]
    other = dry * (cover.arid + cover.salt) + clearing * cover.forest + scrub * cover.grass + blue * cover.ice
    bar = 1.1 - 0.5 * noise[Field.WET] * (1 - cover.ice) + 0.7 * cover.forest + 0.5 * cover.ice
    hard = 1.2 + 2.5 * cover.forest + 1.0 * cover.ice
    return other, (noise[Field.PATCH] - bar) * hard


def _stream(land: Array, cover: Cover, noise: Array) -> tuple[Array, Array]:
    """Rivers: the zero line of a smooth field; brown or dark where it is wet, pale beds where it is dry."""
    water = ramp(((26, 40, 42), (52, 62, 52), (104, 92, 64), (138, 118, 84)), 0.5 + 0.3 * noise[Field.WARM])
    bed = np.minimum(land * 1.18 + 12, 245)
    colour = blend(water, bed, np.clip(cover.arid * 1.5 + cover.salt, 0, 1))
    width = np.maximum(0.007 + 0.007 * noise[Field.WET], 0) * (1 - cover.ice)
    return colour, width


def add_sea(made: Layers, tile: Tile, spacing: int, ground: Ground, noise: Array) -> None:
    """Decide the colours of the water; left out of `layers` because most tiles have none."""
    lat = latitudes(tile.y * TILE + node_pixels(spacing), tile.z)[:, None]
    blue = ground.sea[2]
    shelf = step(blue, 55, 125)
    near = step(ground.share, 0.01, 0.35)
    tropic = step(np.abs(lat), 34, 26)
    depth = np.maximum(shelf, near) * (0.42 + 0.17 * noise[Field.SHOAL] + 0.08 * noise[Field.HUE]) + 0.2 * near
    warm = ramp(_TROPIC, depth)
    cold = ramp(_COLD, depth * 0.8 + 0.1 * noise[Field.WARM])
    shallow = blend(cold, warm, tropic)
    deep = lift(ground.sea) * (1 + 0.05 * noise[Field.LIGHT]) * 0.8
    deep = deep + np.array([2.0, 7, 8])[:, None, None] * (1 + 0.4 * noise[Field.GREEN])
    glint = step(noise[Field.RARE], 1.4, 3.2) * np.array([34.0, 38, 36])[:, None, None]
    made.sea = blend(deep + glint, shallow, np.clip(shelf + near, 0, 1))
    sand = np.array([216.0, 206, 172])[:, None, None] + 12 * noise[Field.WARM]
    grass = made.sea * np.array([0.62, 0.66, 0.60])[:, None, None]
    shoal = blend(grass, sand, step(noise[Field.KIND], 0.3, 1.0))
    floe = np.array([232.0, 238, 243])[:, None, None] + 6 * noise[Field.HUE]
    polar = step(np.abs(lat), 70, 81)
    made.shoal = blend(shoal, floe, polar)
    banks = noise[Field.PATCH] + 0.6 * noise[Field.SHOAL] - 1.5 - 4 * (1 - tropic * shelf)
    made.shoal_mask = blend(banks, (noise[Field.PATCH] + noise[Field.SHOAL]) * 3, polar)


def near_places(lng: Array, lat: Array, ragged: Array) -> list[tuple[Place, Array]]:
    """The places that reach into a tile, each with its share 0..1 at the nodes."""
    found = []
    for place in PLACES:
        narrow = 1 - (place.lat / 90) ** 2  # close to the cosine, and the same on every machine
        reach = 1.65 * place.radius_km / KM_PER_DEGREE
        east = place.lng - reach / narrow < lng[-1] and lng[0] < place.lng + reach / narrow
        if not (east and place.lat - reach < lat[0] and lat[-1] < place.lat + reach):
            continue
        across = (lng - place.lng)[None, :] * narrow
        down = (lat - place.lat)[:, None]
        distance = np.sqrt(across * across + down * down) * (KM_PER_DEGREE / place.radius_km)
        share = step(distance + 0.14 * np.maximum(ragged, -3), 1.2, 0.7)
        if share.any():
            found.append((place, share))
    return found


def _apply(made: Layers, place: Place, share: Array, noise: Array) -> None:
    """Give a place its palette; its own streams and odd patches would spoil it."""
    if place.bar is None:
        walk = 0.5 + 0.20 * noise[Field.HUE] + 0.18 * noise[Field.SHOAL] + 0.12 * noise[Field.PATCH]
    else:
        walk = (0.8 * noise[Field.PATCH] + 0.5 * noise[Field.HUE] - place.bar) * 0.9
        share = share * step(walk, -0.03, 0.06)
    made.places.append((place, share * place.strength, walk))
    if place.bar is not None:
        return
    made.stream_width = made.stream_width * (1 - share)
    made.odd_mask = made.odd_mask - 4 * share


def _textures(made: Layers, cover: Cover, noise: Array, zoom: int) -> None:
    """How strongly each texture shows; weak at low zoom, where a pixel averages over what they stand for."""
    near = min(max((zoom - 4) / 7, 0.0), 1.0)
    crowns = min(max(zoom - 12.0, 0.0), 1.0)
    rough = step(noise[Field.WARP_U] + noise[Field.LIGHT] * 0.5, -0.4, 1.6)
    bare = np.ones_like(rough)
    for place, share, _ in made.places:
        if place.bar is None:
            bare = bare * (1 - share)
    strengths = {
        "grain": 0.07 * cover.arid + 0.04 * cover.salt + 0.1 * cover.grass + 0.07 * cover.forest * (1 - crowns),
        "canopy": crowns * 0.18 * cover.forest * bare,
        "hills": (0.11 * cover.arid + 0.09 * cover.grass) * rough + 0.05 * cover.forest + 0.03 * cover.ice,
        "cracks": 0.045 * cover.ice * step(noise[Field.WET], 0.0, 1.5) + 0.04 * cover.salt,
        "dunes": min(max((zoom - 11) / 3, 0.0), 1.0)
        * 0.14
        * cover.arid
        * step(noise[Field.KIND] - 0.4 * noise[Field.WARP_U], -0.2, 0.7),
    }
    # What is too weak to see becomes nothing, gradually, and costs nothing.
    made.textures = {name: np.maximum(near * strength - 0.01, 0) for name, strength in strengths.items()}
