"""Key points and their descriptors: SIFT with square-rooted, L1-normed descriptors ("RootSIFT")."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MARGIN = 6
"""Key points nearer than this to a place without a tile are dropped, pixels: the edge of the gallery is no feature."""

SHRINK = 2
"""Key points are sought at half resolution, which SIFT doubles anyway: four times as fast."""

CONTRAST = 0.02
"""OpenCV's contrast threshold of SIFT; half its default, since fields and forest are low in contrast."""


class Features(NamedTuple):
    """Key points of a picture."""

    points: Floats
    """(n, 2) column and row; the middle of the first pixel is 0.5."""
    descriptors: Floats
    """(n, 128), each of length 1."""

    def shifted(self, columns: float, rows: float) -> Features:
        """Return the same key points in a picture that begins so much further to the upper left."""
        return Features(self.points + np.array([columns, rows], np.float32), self.descriptors)


_NONE = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))


def features_of(image: NDArray[np.uint8], covered: NDArray[np.bool_] | None = None, *, at_most: int = 1500) -> Features:
    """Find key points.

    Parameters
    ----------
    image : uint8 (h, w, 3).
    covered : bool (h, w); key points elsewhere, or `MARGIN` pixels from elsewhere, are dropped.
    at_most : how many are kept, those of the highest contrast.

    Examples
    --------
    >>> features_of(np.zeros((64, 64, 3), np.uint8)).descriptors.shape
    (0, 128)
    """
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = (grey.shape[1] // SHRINK, grey.shape[0] // SHRINK)
    if min(size) < 8:
        return _NONE
    mask = None if covered is None or covered.all() else cv2.resize(_far_from_edges(covered), size)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    sift: Any = cv2.SIFT.create(at_most, contrastThreshold=CONTRAST, enable_precise_upscale=True)
    found, descriptors = sift.detectAndCompute(small, mask)
    if descriptors is None:
        return _NONE
    points = (np.array([point.pt for point in found], np.float32) + np.float32(0.5)) * np.float32(SHRINK)
    return Features(points[:at_most], _root(descriptors[:at_most]))


def _far_from_edges(covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    import cv2

    padded = cv2.copyMakeBorder(covered.astype(np.uint8), MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE)
    shrunk = cv2.erode(padded, np.ones((2 * MARGIN + 1,) * 2, np.uint8))
    return np.asarray(shrunk[MARGIN:-MARGIN, MARGIN:-MARGIN], np.uint8)


def join(parts: list[Features]) -> Features:
    """Put key points of several pictures into one list; `Features.shifted` makes their points comparable."""
    return Features(
        np.concatenate([part.points for part in parts]), np.concatenate([part.descriptors for part in parts])
    )


def _root(descriptors: Floats) -> Floats:
    """Square roots of L1-normed descriptors: Euclidean distance then compares histograms as the Hellinger kernel does."""
    total = descriptors.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(descriptors / np.maximum(total, 1e-6)), np.float32)
