"""Edges, which stay where colours change: the strength of the gradient, levelled against its surroundings.

Two sensors and two years agree on where roads, woods and field borders are long after they disagree on colours. Each cell of the
index carries its edges at a quarter of the resolution, 64 x 64 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.uint8]
"""(h, w), 0..255."""

QUARTER = 4
"""Pixels of the picture in a pixel of the coarse edges, along each side."""

_SURROUNDINGS = 12.0
"""Standard deviation of the window that edges are levelled in, pixels at half resolution."""


def edges_of(image: NDArray[np.uint8], factor: int = QUARTER) -> Edges:
    """Compute edges at 1 / factor of the resolution.

    Parameters
    ----------
    image : uint8 (h, w, 3), sides a multiple of ``factor``, at least 8 pixels.
    factor : 1, 2 or 4. Gradients are taken at half resolution at most, then averaged.

    Returns
    -------
    (h / factor, w / factor)

    Examples
    --------
    >>> edges_of(np.full((64, 64, 3), 90, np.uint8)).max()
    np.uint8(0)
    """
    import cv2

    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    height, width = grey.shape[0] // factor, grey.shape[1] // factor
    if factor > 1:
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    strength: NDArray[np.float32] = (
        np.hypot(cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)) / 32
    )
    spread = _SURROUNDINGS * (2 if factor == 1 else 1)
    level = cv2.GaussianBlur(strength, (0, 0), spread, borderType=cv2.BORDER_REFLECT) + 1.5
    levelled: Any = np.minimum(strength / level, 4.0) * 63.75
    if levelled.shape != (height, width):
        levelled = cv2.resize(levelled, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(levelled, np.uint8)


def spread_of(field: Edges, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the length of every window of a field, its mean taken off: (h - rows + 1, w - columns + 1).

    It is the same for all templates of one shape; computing it is half the work of comparing.
    """
    import cv2

    total, squares = cv2.integral2(field, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)
    rows, columns = shape[:2]

    def sums(table: Any) -> NDArray[np.float64]:
        return np.asarray(
            table[rows:, columns:] - table[:-rows, columns:] - table[rows:, :-columns] + table[:-rows, :-columns]
        )

    return np.sqrt(np.maximum(sums(squares) - sums(total) ** 2 / (rows * columns), 0)).astype(np.float32)


def likeness(field: Edges, template: Edges, spread: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return the normed cross-correlation of a template with every place of a field that holds it, -1..1.

    Places without contrast get 0. A template without contrast, or larger than the field, is like nothing.

    Parameters
    ----------
    spread : `spread_of` the field for the template's shape, when it is known.
    """
    import cv2

    places = tuple(max(0, whole - part + 1) for whole, part in zip(field.shape, template.shape, strict=True))
    if template.std() < 1 or 0 in places:
        return np.zeros(places, np.float32)
    centred = template.astype(np.float32) - np.float32(template.mean())
    product = cv2.matchTemplate(field.astype(np.float32), centred, cv2.TM_CCORR)
    length = spread_of(field, template.shape) if spread is None else spread
    enough = np.sqrt(template.size)  # a standard deviation of 1
    return np.where(length > enough, product / np.maximum(length, enough) / np.linalg.norm(centred), 0).astype(
        np.float32
    )


def peaks(likeness: NDArray[np.float32], count: int, apart: int) -> list[tuple[float, int, int]]:
    """Return the highest places as (value, column, row), no two nearer than ``apart`` pixels along both axes.

    Examples
    --------
    >>> peaks(np.float32([[0.1, 0.9, 0.8], [0.2, 0.1, 0.7]]), 2, 2)
    [(0.8999999761581421, 1, 0)]
    """
    found = []
    left = likeness.copy()
    for _ in range(count if left.size else 0):
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        value = float(left[row, column])
        if value <= 0:
            break
        found.append((value, int(column), int(row)))
        left[max(0, row - apart + 1) : row + apart, max(0, column - apart + 1) : column + apart] = 0
    return found
