"""Drawing a synthetic scene: ground, sky, swath, light and flags, before any file is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.synthetic import SyntheticSpec
from mosaic_assets.scenes.synthetic_ground import TIE_STEP, ground_colours, sun_cosines
from mosaic_assets.scenes.synthetic_sky import Sky, Surface, draw_sky, surface_of, top_of_atmosphere

DETECTORS = 3_700
FULL_COLUMNS = 4_865
SATURATED_FROM = 0.95
"""Reflectance of cloud from which the drawn instrument is saturated at 665, 560 and 490 nm."""

FLAG_NAMES = (
    "land", "coastline", "fresh_inland_water", "tidal_region", "bright", "straylight_risk", "invalid", "cosmetic",
    "duplicated", "sun-glint_risk", "dubious",
)  # fmt: skip
"""From bit 31 downwards."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scene as it was drawn."""

    spec: SyntheticSpec
    surface: Surface
    sky: Sky
    land: NDArray[np.bool_]
    invalid: NDArray[np.bool_]
    """Beyond the swath's edge."""
    detector: NDArray[np.int16]
    """int16 (rows, columns), -1 where invalid."""
    sun: NDArray[np.float32]
    """Cosine of the sun's zenith angle, (rows, columns)."""


def draw(spec: SyntheticSpec) -> Drawn:
    """Draw ground, clouds and swath of a product."""
    frame, rng = spec.frame, np.random.default_rng([spec.seed, 1])
    colours, land = ground_colours(frame)
    invalid = _beyond_swath(spec)
    sky = draw_sky(frame.rows, frame.columns, spec.cloud, rng)
    first = (FULL_COLUMNS - frame.columns) // 2
    detector = ((np.arange(frame.columns) + first) * DETECTORS // FULL_COLUMNS).astype(np.int16)
    detectors = np.where(invalid, np.int16(-1), detector[None, :])
    ties = sun_cosines(*frame.tie_places(), frame.lng, spec.name.start)
    columns = np.arange(frame.columns) / TIE_STEP
    before = np.minimum(columns.astype(int), frame.tie_columns - 2)
    share = (columns - before).astype(np.float32)
    sun = ties[:, before].astype(np.float32) * (1 - share) + ties[:, before + 1].astype(np.float32) * share
    return Drawn(spec, surface_of(colours, land), sky, land, invalid, detectors, sun)


def _beyond_swath(spec: SyntheticSpec) -> NDArray[np.bool_]:
    """Return what the swath does not reach: a ragged edge on the left, and in the kind ``edge`` half of the scene."""
    rows, columns = np.arange(spec.frame.rows)[:, None], np.arange(spec.frame.columns)[None, :]
    reach = 6 + 4 * np.sin(rows / 40)
    if spec.kind == "edge":
        reach = reach + 0.35 * spec.frame.columns + 0.15 * rows
    return np.asarray(columns < reach)


def flag_masks(spec: SyntheticSpec) -> dict[str, int]:
    """Return the flags of the product's collection by name."""
    late = ("saturated", "partially_saturated")
    saturated = late if spec.name.collection == "004" else tuple(f"saturated@Oa{band:02d}" for band in range(1, 22))
    return {name: 1 << (31 - number) for number, name in enumerate((*FLAG_NAMES, *saturated))}


def saturated(drawn: Drawn) -> NDArray[np.bool_]:
    """Return where the three bands of the picture are saturated: the brightest cloud."""
    bright = (drawn.sky.opacity * drawn.sky.brightness) > SATURATED_FROM
    return np.asarray(bright & ~drawn.invalid)


def draw_flags(drawn: Drawn) -> NDArray[np.uint32]:
    """Return the quality flags of every pixel, uint32 (rows, columns)."""
    masks = flag_masks(drawn.spec)
    flags = np.zeros(drawn.land.shape, np.uint32)
    names = [name for name in masks if name in ("saturated", "saturated@Oa04", "saturated@Oa06", "saturated@Oa08")]
    # The flag for bright pixels goes by brightness, as the real one does: thin cloud lacks it, bright sand has it.
    bright = (top_of_atmosphere(8, drawn.surface, drawn.sky) > 0.27) & ~drawn.invalid
    columns = np.arange(drawn.land.shape[1])
    duplicated = np.broadcast_to((columns % 16 == 3) | (columns % 16 == 9), drawn.land.shape) & ~drawn.invalid
    for name, where in (
        ("land", drawn.land & ~drawn.invalid),
        ("bright", bright),
        ("invalid", drawn.invalid),
        ("duplicated", duplicated),
        *((name, saturated(drawn)) for name in names),
    ):
        flags[where] |= np.uint32(masks[name])
    return flags
