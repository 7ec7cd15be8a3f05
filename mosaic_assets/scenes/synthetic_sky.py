"""Clouds of a synthetic scene, and the light that reaches the instrument through them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.recipes import AIR, STEEPNESS

TRUTH_OPACITY = 0.2
"""A pixel is cloud in the truth mask where clouds hide at least this share of the ground."""

WAVELENGTHS = (
    400.0, 412.5, 442.5, 490.0, 510.0, 560.0, 620.0, 665.0, 673.75, 681.25, 708.75,
    753.75, 761.25, 764.375, 767.5, 778.75, 865.0, 885.0, 900.0, 940.0, 1020.0,
)  # fmt: skip
"""Of the bands Oa01 to Oa21, nm."""

_KNOTS = (400.0, 490.0, 560.0, 665.0, 865.0, 1020.0)  # blue stands for violet, near infrared for what lies beyond

Plane = NDArray[np.float32]


class Sky(NamedTuple):
    """Clouds at each pixel, float32 (rows, columns) each."""

    opacity: Plane
    """Share of the ground that is hidden, 0..1."""
    brightness: Plane
    """Reflectance of the cloud itself."""

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Where it is cloud, bool (rows, columns)."""
        return np.asarray(self.opacity >= TRUTH_OPACITY)


class Surface(NamedTuple):
    """Reflectance of the ground at four wavelengths, float32 (rows, columns) each."""

    blue: Plane
    green: Plane
    red: Plane
    infrared: Plane


def draw_sky(rows: int, columns: int, cover: float, rng: np.random.Generator) -> Sky:
    """Draw clouds over about this share of a scene.

    Parameters
    ----------
    rows, columns : size.
    cover : 0..1; about this share of the truth mask is set.
    rng : the same generator, the same sky.
    """
    field, puffs = (
        _octaves(rows, columns, rng, (512, 256, 128, 64, 32, 16, 8, 4)),
        _octaves(rows, columns, rng, (64, 24, 8)),
    )
    edge = float(np.quantile(field[::7, ::7], 1 - cover)) if cover < 1 else float(field.min()) - 1
    spread = float(field.std()) * 0.5 + 1e-6
    opacity = ((field - edge) / spread + TRUTH_OPACITY).clip(0, 1)
    if cover == 0:
        opacity[:] = 0
    depth = ((field - edge) / (4 * spread)).clip(0, 1)
    return Sky(opacity.astype(np.float32), (0.5 + 0.35 * depth + 0.05 * puffs).clip(0.2, 1.05).astype(np.float32))


def _octaves(rows: int, columns: int, rng: np.random.Generator, lengths: tuple[int, ...]) -> Plane:
    """Return smooth noise with features of these lengths in pixels, longer ones stronger; about -2..2."""
    import cv2

    total = np.zeros((rows, columns), np.float32)
    for length in lengths:
        coarse = rng.standard_normal((rows // length + 3, columns // length + 3)).astype(np.float32)
        grown = cv2.resize(coarse, None, fx=length, fy=length, interpolation=cv2.INTER_CUBIC)
        total += grown[:rows, :columns] * np.float32((length / lengths[0]) ** 0.75)
    return np.asarray(total / total.std(), np.float32)


def surface_of(colours: NDArray[np.uint8], land: NDArray[np.bool_]) -> Surface:
    """Return reflectances that the recipe ``reflectance`` renders as these colours, and a likely one in the infrared.

    Parameters
    ----------
    colours : uint8 (rows, columns, 3), sRGB.
    land : bool (rows, columns); vegetation is only there bright in the infrared.
    """
    table = (2 / STEEPNESS * np.arctanh(np.minimum(np.arange(256), 245) / 255)).astype(np.float32)
    red, green, blue = (table[colours[..., band]] for band in range(3))
    leaves = (green - (red + blue) / 2).clip(0)
    infrared = np.where(land, 1.25 * red + 6 * leaves + np.float32(0.04), np.float32(0.35) * red)
    return Surface(blue, green, red, infrared.astype(np.float32))


def top_of_atmosphere(band: int, surface: Surface, sky: Sky) -> Plane:
    """Return top-of-atmosphere reflectance of a band (1..21), float32 (rows, columns)."""
    wavelength = WAVELENGTHS[band - 1]
    planes = (surface.blue, surface.blue, surface.green, surface.red, surface.infrared, surface.infrared)
    high = int(np.searchsorted(_KNOTS, wavelength, side="left").clip(1, len(_KNOTS) - 1))
    share = np.float32((wavelength - _KNOTS[high - 1]) / (_KNOTS[high] - _KNOTS[high - 1]))
    ground = (
        planes[high - 1] if planes[high - 1] is planes[high] else planes[high - 1] * (1 - share) + planes[high] * share
    )
    clear = ground + np.float32(air_reflectance(wavelength))
    return np.asarray(clear + sky.opacity * (sky.brightness - clear), np.float32)


def air_reflectance(wavelength: float) -> float:
    """Return what the air above a dark surface reflects, falling with wavelength; at 490, 560, 665 nm as `recipes.AIR`.

    >>> [round(air_reflectance(w), 3) for w in (400.0, 490.0, 560.0, 665.0, 865.0)]
    [0.163, 0.08, 0.05, 0.03, 0.014]
    """
    known = [(490.0, AIR["Oa04"]), (560.0, AIR["Oa06"]), (665.0, AIR["Oa08"])]
    (w0, a0), (w1, a1) = known[:2] if wavelength < 560 else known[1:]
    return float(a0 * (wavelength / w0) ** (np.log(a1 / a0) / np.log(w1 / w0)))
