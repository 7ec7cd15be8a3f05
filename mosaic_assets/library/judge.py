"""From source bytes to colour, bucket and hash: the judgement that decides where a tile belongs."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import lab_of
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.records import Fetched, Outcome, Tile

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FLAT_HASH = "8000000000000000"
"""The perceptual hash of every featureless picture but a black one."""

FLAT_HASHES = frozenset({FLAT_HASH, "0000000000000000"})
"""The perceptual hashes of featureless pictures; the second is that of a black one, and of nothing else."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a planned tile after fetching and judging; colour fields are None where there was no picture."""

    fetched: Fetched
    outcome: Outcome
    detail: str
    bucket_id: int | None = None
    phash: str | None = None
    lab: tuple[float, float, float] | None = None
    sha256: str = ""


def tile_id(imagery: str, release: str, tile: Tile) -> str:
    """The tile's id: shaped like a version 4 UUID, but the same on every machine.

    Examples
    --------
    >>> tile_id("embedded", "1", Tile(x=16598, y=11273, z=15))
    '88037979-de86-4fbc-910e-6aee2047553a'
    """
    # \x1f separates: no name can make two different tiles share a text.
    text = "\x1f".join(map(str, (imagery, release, tile.z, tile.x, tile.y)))
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def assign_buckets(lab: NDArray[np.float64], tree: cKDTree) -> NDArray[np.int64]:
    """Index of the nearest centroid for each colour; (n, 3) -> (n,). Ties go to the tree's first find, as in scipy."""
    return np.asarray(tree.query(lab)[1], np.int64)


def measure(images: NDArray[np.uint8], tree: cKDTree) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """LAB (n, 3), bucket (n,) and hash (n hex texts) of tiles; images are uint8 (n, 256, 256, 3)."""
    lab = lab_of(images)
    return lab, assign_buckets(lab, tree), to_hex(phash(images))


def judge(answers: Sequence[Fetched], tree: cKDTree, full: frozenset[int]) -> list[Judgement]:
    """Judge a batch of answers.

    Parameters
    ----------
    answers : what the source said, in any order.
    tree : over the centroids.
    full : buckets that hold the cap already; a tile of theirs ends here and its bytes are not kept.

    Returns
    -------
    One judgement an answer, in the same order. No bytes whatever make it raise.
    """
    decoded = [(None, a.outcome, a.detail) if a.body is None else decode_tile(a.body) for a in answers]
    seen = [index for index, (image, _, _) in enumerate(decoded) if image is not None]
    judged: dict[int, Judgement] = {}
    if seen:
        images = np.stack([decoded[index][0] for index in seen])  # type: ignore[misc]
        lab, buckets, hashes = measure(images, tree)
        for index, colour, bucket, code in zip(seen, lab.tolist(), buckets.tolist(), hashes, strict=True):
            outcome = Outcome.BUCKET_FULL if bucket in full else Outcome.CANDIDATE
            body = answers[index].body or b""
            judged[index] = Judgement(
                answers[index],
                outcome,
                answers[index].detail,
                bucket,
                code,
                tuple(colour),
                hashlib.sha256(body).hexdigest(),
            )
    return [
        judged.get(index) or Judgement(answer, outcome or Outcome.NOT_AN_IMAGE, detail)
        for index, (answer, (_, outcome, detail)) in enumerate(zip(answers, decoded, strict=True))
    ]
