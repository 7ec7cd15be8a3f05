"""Tiles' files, as many as are judged together: their pixels, mean colours and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import mean_of_sums, mean_rgb
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.jpegs import jpegs
from mosaic_assets.core.records import Outcome

_AT_ONCE = 4  # decoded pictures that are still in the processor's nearest cache


class TileFiles(NamedTuple):
    """What n files hold."""

    problems: list[tuple[Outcome, str] | None]
    """Why there is no picture, as of `decode_tile`; None where one stands on the canvas."""
    means: NDArray[np.float64]
    """(n, 3): colours as of `mean_rgb`; anything where there is no picture."""
    sha256: list[str]
    """Of the bytes, as hexadecimal digits."""


def read_tiles(bodies: Sequence[bytes], canvas: NDArray[np.uint8]) -> TileFiles:
    """Decode, measure and digest files; never raises, whatever the bytes.

    Where an installation has `jpegs`, plain JPEG files are done in one call. Everything else goes through `decode_tile`,
    one by one, and comes out the same.

    Parameters
    ----------
    bodies : the files.
    canvas : uint8 (m, 256, 256, 3), m >= len(bodies), contiguous: the n-th picture is put in the n-th place.
    """
    problems: list[tuple[Outcome, str] | None] = [None] * len(bodies)
    if compiled := jpegs():
        decoded, sums, digests = compiled.read(bodies, canvas)
        means = mean_of_sums(sums)
    else:
        decoded, means = np.zeros(len(bodies), np.bool_), np.zeros((len(bodies), 3))
        digests = [hashlib.sha256(body).hexdigest() for body in bodies]
    for first in range(0, len(bodies), _AT_ONCE):
        some = slice(first, min(first + _AT_ONCE, len(bodies)))
        left = (first + np.flatnonzero(~decoded[some])).tolist()
        for place in left:
            image, outcome, detail = decode_tile(bodies[place], canvas[place])
            if image is None:
                problems[place] = outcome or Outcome.NOT_AN_IMAGE, detail
        if left:
            means[some] = mean_rgb(canvas[some])
    return TileFiles(problems, means, digests)
