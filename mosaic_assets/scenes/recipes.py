"""How radiances become an RGB picture.

``reflectance``
    Top-of-atmosphere reflectance, corrected for the height of the sun, less what the air above a dark surface adds,
    through a sigmoid: nothing is clipped at the bright end.
``smcefr_v1``
    The arithmetic of the published pictures: the library scaled, the script scaled again, and clipped to 0..1. Which is a
    white point of one over the file's scale factor, so that a new collection's factors shift the colours.

Pixels without data are painted `FILL_COLOUR`, pixels that only saturation keeps from having any `SATURATED_COLOUR`; in the
published pictures both are white.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import UnknownNameError

RGB_BANDS = ("Oa08", "Oa06", "Oa04")
"""Bands of red, green and blue: 665, 560 and 490 nm."""

AIR = {"Oa08": 0.03, "Oa06": 0.05, "Oa04": 0.08}
"""Reflectance that the air adds above a dark surface, and that is subtracted."""

STEEPNESS = 6.0
"""Of the sigmoid; 5 to 7 look natural."""

FILL_COLOUR = (0, 0, 0)
"""Painted where there is no data."""
SATURATED_COLOUR = (255, 0, 255)
"""Painted where a band has no data because the detector was saturated: no surface has that colour."""

_STEPS = 1 << 16  # of the table of the sigmoid over reflectance 0..2; a step is a fortieth of a grey level at most

Rgb = NDArray[np.uint8]
Reflectances = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Band:
    """A band of a window, and what it takes to turn it into reflectance."""

    raw: NDArray[np.uint16]
    """As stored, (rows, columns)."""
    scale: float
    """mW m-2 sr-1 nm-1 a step."""
    offset: float
    """mW m-2 sr-1 nm-1."""
    solar_flux: NDArray[np.float32]
    """mW m-2 nm-1 at each pixel, or broadcastable to it."""


def radiance(band: Band) -> NDArray[np.float32]:
    """Return radiance, float32 (rows, columns), mW m-2 sr-1 nm-1; of fill it is what the fill value would mean."""
    return np.asarray(band.raw * np.float32(band.scale) + np.float32(band.offset), np.float32)


def reflectance(band: Band, sun_cosine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return top-of-atmosphere reflectance, float32 (rows, columns), about 0..1.2.

    Parameters
    ----------
    band : the band; where its solar flux is 0 or less, there is no reflectance, and NaN stands for it.
    sun_cosine : cosine of the sun's zenith angle, above 0, broadcastable to the band.

    Examples
    --------
    >>> band = Band(np.array([[10_000]], np.uint16), 0.00876539, 0.0, np.array([[1549.0]], np.float32))
    >>> reflectance(band, np.float32(0.7)).round(4)
    array([[0.254]], dtype=float32)
    """
    light = np.asarray(band.solar_flux * sun_cosine, np.float32)
    if light.min(initial=1) <= 0:
        light = np.where(light > 0, light, np.float32(np.nan))
    return np.asarray(radiance(band) * (np.float32(np.pi) / light), np.float32)


def stretch(rho: NDArray[np.float32], air: float, steepness: float = STEEPNESS) -> NDArray[np.uint8]:
    """Turn reflectance into grey levels: 2 / (1 + exp(-steepness x)) - 1 of x = rho - air, at least 0, times 255, rounded.

    Examples
    --------
    >>> stretch(np.array([0.03, 0.13, 0.53, 1.2], np.float32), 0.03)
    array([  0,  74, 231, 255], dtype=uint8)
    """
    place = rho - np.float32(air)
    place *= np.float32(_STEPS / 2)
    np.fmax(place, np.float32(0), out=place)  # unlike clip, it makes 0 of NaN
    np.fmin(place, np.float32(_STEPS - 1), out=place)
    return _sigmoid(steepness).take(place.astype(np.int32), mode="wrap")


@cache
def _sigmoid(steepness: float) -> NDArray[np.uint8]:
    """Return the grey levels of reflectances 0..2, read-only."""
    at = (np.arange(_STEPS) + 0.5) * (2 / _STEPS)
    at[0] = 0.0
    table: NDArray[np.uint8] = np.rint(255 * np.tanh(steepness * at / 2)).astype(np.uint8)
    table.flags.writeable = False
    return table


def render_reflectance(bands: Mapping[str, Band], rho: Reflectances, steepness: float = STEEPNESS) -> Rgb:
    """Render the recipe ``reflectance``, uint8 (rows, columns, 3)."""
    import cv2

    del bands
    return np.asarray(cv2.merge([stretch(rho[name], AIR[name], steepness) for name in RGB_BANDS]), np.uint8)


def render_smcefr_v1(bands: Mapping[str, Band], rho: Reflectances) -> Rgb:
    """Render the recipe ``smcefr_v1``, uint8 (rows, columns, 3): scaled twice, clipped to 0..1, times 255, cut off.

    >>> band = Band(np.array([[10_000, 40_000]], np.uint16), 0.00876539, 0.0, np.float32(1549))
    >>> render_smcefr_v1(dict.fromkeys(RGB_BANDS, band), {})[0, :, 0]
    array([195, 255], dtype=uint8)
    """
    import cv2

    del rho
    return np.asarray(cv2.merge([_twice_scaled(bands[name]) for name in RGB_BANDS]), np.uint8)


def _twice_scaled(band: Band) -> NDArray[np.uint8]:
    again = radiance(band) * np.float32(band.scale)
    return np.asarray(again.clip(0, 1) * np.float32(255)).astype(np.uint8)


Recipe = Callable[[Mapping[str, Band], Reflectances], Rgb]

RECIPES: Mapping[str, Recipe] = {"reflectance": render_reflectance, "smcefr_v1": render_smcefr_v1}
"""The recipes by the names that the setting ``scenes.recipe`` knows."""


def render(
    recipe: str, bands: Mapping[str, Band], sun_cosine: NDArray[np.float32], rho: Reflectances | None = None
) -> Rgb:
    """Render a recipe by name; ``rho`` are the bands' reflectances, if they are known. Raises `UnknownNameError`."""
    draw = recipe_named(recipe)
    if rho is None:
        rho = {name: reflectance(bands[name], sun_cosine) for name in RGB_BANDS}
    return draw(bands, rho)


def recipe_named(name: str) -> Recipe:
    """Return a recipe by its name. Raises `UnknownNameError`."""
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, list(RECIPES), "Set scenes.recipe to one of these")
    return RECIPES[name]


def paint_gaps(rgb: Rgb, fill: NDArray[np.bool_], saturated: NDArray[np.bool_]) -> None:
    """Paint pixels without data, in place; where both masks are set, it is saturation that explains the gap."""
    if fill.any():
        rgb[fill] = FILL_COLOUR
    if saturated.any():
        rgb[saturated] = SATURATED_COLOUR
