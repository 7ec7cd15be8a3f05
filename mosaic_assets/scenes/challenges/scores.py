"""How good a mask, a mended picture or a decoded one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.records import Mask, Rgb

SSIM_WINDOW = 7
"""Side of the square over which SSIM compares, pixels; no picture may be smaller."""


@dataclass(frozen=True)
class MaskScore:
    """Pixels by what was found and what is there; add scores of several scenes up before dividing."""

    hits: int
    """Cloud found where cloud is."""
    false_alarms: int
    misses: int
    clear: int
    """No cloud found where none is."""

    def __add__(self, other: MaskScore) -> MaskScore:
        return MaskScore(
            self.hits + other.hits,
            self.false_alarms + other.false_alarms,
            self.misses + other.misses,
            self.clear + other.clear,
        )

    @property
    def iou(self) -> float | None:
        """Intersection over union, 0..1; None when neither has cloud."""
        return _share(self.hits, self.hits + self.false_alarms + self.misses)

    @property
    def precision(self) -> float | None:
        """Share of the cloud found that is cloud; None when none was found."""
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float | None:
        """Share of the cloud that was found; None when there is none."""
        return _share(self.hits, self.hits + self.misses)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None when neither has cloud."""
        return _share(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)

    @property
    def accuracy(self) -> float | None:
        """Share of pixels that are right; None without pixels."""
        return _share(self.hits + self.clear, self.hits + self.clear + self.false_alarms + self.misses)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def score_mask(found: Mask, reference: Mask, valid: Mask | None = None) -> MaskScore:
    """Count the pixels of a mask against a reference, bool (rows, columns), where ``valid``.

    Examples
    --------
    >>> score = score_mask(np.array([[True, True, False]]), np.array([[True, False, False]]))
    >>> score, score.iou, score.recall
    (MaskScore(hits=1, false_alarms=1, misses=0, clear=1), 0.5, 1.0)
    """
    if found.shape != reference.shape:
        raise DataError(f"scoring a mask of {found.shape} against a reference of {reference.shape}; expected one shape")
    if valid is not None:
        found, reference = found[valid], reference[valid]
    hits = int(np.count_nonzero(found & reference))
    cloud, known = int(np.count_nonzero(found)), int(np.count_nonzero(reference))
    return MaskScore(hits, cloud - hits, known - hits, found.size - cloud - known + hits)


def mse(picture: Rgb, other: Rgb) -> float:
    """Mean squared error over all pixels and bands, grey levels squared."""
    difference = picture.astype(np.int32) - other
    return float(np.mean(np.square(difference), dtype=np.float64))


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio of a mean squared error, dB; infinite without error.

    Examples
    --------
    >>> round(psnr(1.0), 2), psnr(0.0)
    (48.13, inf)
    """
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(picture: Rgb, other: Rgb) -> float:
    """Structural similarity, mean over 7 x 7 squares and bands, at most 1 (equal)."""
    from skimage.metrics import structural_similarity

    found: Any = structural_similarity  # without types
    return float(found(picture, other, win_size=SSIM_WINDOW, channel_axis=2, data_range=255))
