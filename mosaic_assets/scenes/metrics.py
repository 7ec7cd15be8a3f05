"""Numbers of a crop that decide whether it is worth keeping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.recipes import RGB_BANDS
from mosaic_assets.scenes.records import Limits, SceneNumbers, SceneOutcome

CLOUD_BRIGHT = 0.3
"""Mean reflectance of red, green and blue above which a pixel may be cloud ..."""
CLOUD_WHITE = 0.3
"""... if the bands differ from their mean by less than this share of it, summed over the three."""

Bools = NDArray[np.bool_]


def share(mask: Bools) -> float:
    """Return the share of a mask that is set, 0..1."""
    return float(np.count_nonzero(mask)) / mask.size


class Masks(NamedTuple):
    """What is known of the pixels of a strip, each bool (rows, columns)."""

    fill: Bools
    """No data, and no saturation to explain it."""
    saturated: Bools
    """No data because of saturation."""
    cloud: Bools
    water: Bools


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a strip of a crop; those of strips add up to those of the crop."""

    levels: NDArray[np.int64]
    """Valid pixels of each grey level, (256,)."""
    laplacians: int
    """Pixels whose Laplacian counts ..."""
    total: int
    """... its sum ..."""
    squares: int
    """... and the sum of its squares."""
    pixels: int
    """All pixels, and those of each of the `Masks`."""
    fill: int
    saturated: int
    cloud: int
    water: int

    @property
    def numbers(self) -> SceneNumbers:
        """Shares of all pixels, texture and entropy of the valid ones."""
        fill, saturated, cloud, water = (getattr(self, name) / self.pixels for name in Masks._fields)
        return SceneNumbers(fill, saturated, cloud, water, self.texture, self.entropy)

    @property
    def entropy(self) -> float:
        """Entropy of the grey levels, bits, 0..8; 0 when no pixel is valid."""
        shares = self.levels[self.levels > 0] / max(int(self.levels.sum()), 1)
        return float(abs((shares * np.log2(shares)).sum()))

    @property
    def texture(self) -> float:
        """Standard deviation of the Laplacian of luma scaled to 0..1."""
        if self.laplacians == 0:
            return 0.0
        variance = (self.laplacians * self.squares - self.total**2) / self.laplacians**2
        return math.sqrt(max(variance, 0.0)) / 255


def tally(grey: NDArray[np.uint8], masks: Masks, inside: slice) -> Tally:
    """Count what a strip holds.

    Parameters
    ----------
    grey : luma of the strip and of the row above and below it, where there is one.
    masks : like ``grey``.
    inside : rows of the strip itself.
    """
    gaps = masks.fill | masks.saturated
    valid = ~gaps if gaps.any() else None
    levels = np.bincount((grey[inside] if valid is None else grey[inside][valid[inside]]).ravel(), minlength=256)
    found = _laplacian(grey, valid)
    counts = (int(np.count_nonzero(mask[inside])) for mask in masks)
    return Tally(levels, found.size, int(found.sum()), int((found * found).sum()), grey[inside].size, *counts)


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the counts of a whole crop."""
    parts = list(tallies)
    return Tally(*(sum(getattr(part, field.name) for part in parts) for field in fields(Tally)))


def _laplacian(grey: NDArray[np.uint8], valid: Bools | None) -> NDArray[np.int32]:
    """Return the Laplacian by four neighbours, without the outermost pixels and those beside a gap."""
    import cv2

    found = np.asarray(cv2.Laplacian(grey, cv2.CV_16S, ksize=1))[1:-1, 1:-1].astype(np.int32)
    if valid is None:
        return found
    around = valid[:-2, 1:-1] & valid[2:, 1:-1] & valid[1:-1, :-2] & valid[1:-1, 2:] & valid[1:-1, 1:-1]
    return np.asarray(found[around])


def entropy(grey: NDArray[np.uint8], valid: Bools | None = None) -> float:
    """Return the entropy of the grey levels, bits, 0..8; 0 when no pixel is valid.

    >>> entropy(np.array([[0, 1], [2, 3]], np.uint8))
    2.0
    """
    return _tally_of(grey, valid).entropy


def texture(grey: NDArray[np.uint8], valid: Bools | None = None) -> float:
    """Return the standard deviation of the Laplacian (four neighbours) of luma scaled to 0..1; edges of gaps do not count.

    >>> texture(np.zeros((8, 8), np.uint8))
    0.0
    """
    return _tally_of(grey, valid).texture


def _tally_of(grey: NDArray[np.uint8], valid: Bools | None) -> Tally:
    none = np.zeros(grey.shape, bool)
    return tally(grey, Masks(none if valid is None else ~valid, none, none, none), slice(None))


def cloudy(rho: Mapping[str, NDArray[np.float32]], saturated: Bools) -> Bools:
    """Return where a crop is cloud: bright and white, or so bright that a detector was saturated.

    Snow and ice are bright and white, too. NaN is no cloud.
    """
    red, green, blue = (rho[name] for name in RGB_BANDS)
    mean = red + green
    mean += blue
    mean /= np.float32(3)
    spread = np.abs(red - mean) + np.abs(green - mean) + np.abs(blue - mean)
    with np.errstate(invalid="ignore"):
        return np.asarray(((mean > CLOUD_BRIGHT) & (spread < CLOUD_WHITE * mean)) | saturated)


def judge(numbers: SceneNumbers, limits: Limits) -> tuple[SceneOutcome, str]:
    """Return what becomes of a crop with these numbers, and why in a few words; numbers that are None do not count.

    >>> judge(SceneNumbers(fill=0.1), Limits())
    (<SceneOutcome.SCREENED_FILL: 'screened_fill'>, '10.0% of the crop are without data, more than 2.0%')
    """
    if _above(numbers.fill, limits.max_fill):
        return SceneOutcome.SCREENED_FILL, _more(numbers.fill, "are without data", limits.max_fill)
    if _above(numbers.cloud, limits.max_cloud):
        return SceneOutcome.SCREENED_CLOUD, _more(numbers.cloud, "are cloud", limits.max_cloud)
    if _above(numbers.water, limits.max_water) and _below(numbers.texture, limits.min_texture):
        why = _more(numbers.water, "are open water", limits.max_water)
        return (
            SceneOutcome.SCREENED_WATER,
            f"{why}, and its texture is {numbers.texture:.4f}, below {limits.min_texture}",
        )
    if _below(numbers.entropy, limits.min_entropy):
        return SceneOutcome.FLAT, f"its luma has {numbers.entropy:.2f} bits, fewer than {limits.min_entropy}"
    return SceneOutcome.KEPT, ""


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit


def _more(value: float | None, what: str, limit: float) -> str:
    return f"{value or 0:.1%} of the crop {what}, more than {limit:.1%}"
