"""What goes wrong with pictures, made on purpose and from a seed, so that mending can be measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mosaic_assets.scenes.challenges.records import Degraded, Mask, Rgb

IMPULSE_SHARE = 0.05
"""Pixels that salt and pepper hit, half of them white."""
STRIPE_SIGMA = 12.0
"""Standard deviation of a column's offset, grey levels; each band has its own, as a push-broom camera's detectors do."""
BLOCK_SIDE = 32
"""Of a missing block, pixels."""
BLOCK_SHARE = 0.03
"""Area of the missing blocks as drawn; where they overlap it is less."""
LINE_SHARE = 0.02
"""Rows at which a gap begins."""
LINE_MAX = 3
"""Rows of the widest gap."""


@dataclass(frozen=True)
class Case:
    """A way for a picture to go wrong."""

    name: str
    kind: str
    degrade: Callable[[Rgb, np.random.Generator], Degraded]
    note: str


def case_rng(case: str, seed: int) -> np.random.Generator:
    """Random numbers of a case: the same for every picture and method, others for every seed."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(case.encode()).digest()[:4], "big")])


def gaussian(picture: Rgb, rng: np.random.Generator, sigma: float) -> Degraded:
    """Add normal noise to every value, round, and clip to 0..255.

    Examples
    --------
    >>> grey = np.full((64, 64, 3), 128, np.uint8)
    >>> noisy = gaussian(grey, np.random.default_rng(0), 25).picture
    >>> round(float(noisy.std())), round(float(noisy.mean()))
    (25, 128)
    """
    return Degraded(_to_bytes(picture + rng.normal(0, sigma, picture.shape)), "gaussian", sigma=sigma)


def salt_and_pepper(picture: Rgb, rng: np.random.Generator) -> Degraded:
    """Turn some pixels white or black, in all bands at once."""
    drawn = rng.random(picture.shape[:2])
    noisy = picture.copy()
    noisy[drawn < IMPULSE_SHARE] = 255
    noisy[drawn < IMPULSE_SHARE / 2] = 0
    return Degraded(noisy, "impulse")


def stripes(picture: Rgb, rng: np.random.Generator) -> Degraded:
    """Add an offset to every column of every band."""
    offsets = rng.normal(0, STRIPE_SIGMA, (1, *picture.shape[1:]))
    return Degraded(_to_bytes(picture + offsets), "stripes")


def missing_blocks(picture: Rgb, rng: np.random.Generator) -> Degraded:
    """Blank squares; a picture smaller than two squares gets smaller ones."""
    rows, columns = picture.shape[:2]
    side = min(BLOCK_SIDE, rows // 2, columns // 2)
    missing = np.zeros((rows, columns), np.bool_)
    count = max(1, round(BLOCK_SHARE * rows * columns / side**2))
    for row, column in rng.integers(0, (rows - side, columns - side), (count, 2)):
        missing[row : row + side, column : column + side] = True
    return _blanked(picture, missing)


def missing_lines(picture: Rgb, rng: np.random.Generator) -> Degraded:
    """Blank bundles of one to three rows."""
    rows = picture.shape[0]
    missing = np.zeros(picture.shape[:2], np.bool_)
    starts = rng.choice(rows, max(1, round(LINE_SHARE * rows)), replace=False)
    for start, height in zip(starts, rng.integers(1, LINE_MAX + 1, len(starts)), strict=True):
        missing[start : start + height] = True
    return _blanked(picture, missing)


def _blanked(picture: Rgb, missing: Mask) -> Degraded:
    blank = picture.copy()
    blank[missing] = 0
    return Degraded(blank, "missing", missing=missing)


def _to_bytes(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Rgb:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _gaussian_case(sigma: int) -> Case:
    return Case(
        f"gaussian_{sigma}",
        "gaussian",
        lambda picture, rng: gaussian(picture, rng, sigma),
        f"normal, sigma {sigma} of 255",
    )


CASES: tuple[Case, ...] = (
    *map(_gaussian_case, (15, 25, 50)),
    Case("salt_pepper", "impulse", salt_and_pepper, f"{IMPULSE_SHARE:.0%} of the pixels white or black"),
    Case("stripes", "stripes", stripes, f"an offset a column and band, sigma {STRIPE_SIGMA:g} of 255"),
    Case("missing_blocks", "missing", missing_blocks, f"squares of {BLOCK_SIDE} pixels, {BLOCK_SHARE:.0%} of the area"),
    Case("missing_lines", "missing", missing_lines, f"{LINE_SHARE:.0%} of the rows begin a gap of 1 to {LINE_MAX}"),
)
"""Every case, in the order of the tables."""
