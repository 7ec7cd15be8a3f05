"""From source bytes to colour, bucket and hash: the judgement that decides where a tile belongs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import mean_rgb, rgb_to_lab
from mosaic_assets.core.imaging import decode_tile, new_canvas
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.records import Fetched, Outcome, Tile

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FLAT_HASH = "8000000000000000"
"""The perceptual hash of every featureless picture but a black one."""

FLAT_HASHES = frozenset({FLAT_HASH, "0000000000000000"})
"""The perceptual hashes of featureless pictures; the second is that of a black one, and of nothing else."""

_MEASURED_AT_ONCE = 4  # decoded pictures that are still in the processor's nearest cache


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a planned tile after fetching and judging; colour fields are None where there was no picture."""

    fetched: Fetched
    outcome: Outcome
    detail: str
    bucket_id: int | None = None
    phash: str | None = None
    """None too where the bucket was full."""
    lab: tuple[float, float, float] | None = None
    sha256: str = ""


Keep = Callable[[Judgement, NDArray[np.uint8]], None]
"""Told of a candidate and its picture, uint8 (256, 256, 3), whose memory is used anew afterwards."""


def tile_id(imagery: str, release: str, tile: Tile) -> str:
    """The tile's id: shaped like a version 4 UUID, but the same on every machine.

    Examples
    --------
    >>> tile_id("embedded", "1", Tile(x=16598, y=11273, z=15))
    '88037979-de86-4fbc-910e-6aee2047553a'
    """
    # \x1f separates: no name can make two different tiles share a text.
    text = "\x1f".join(map(str, (imagery, release, tile.z, tile.x, tile.y)))
    digits = hashlib.sha256(text.encode()).hexdigest()
    # As uuid.UUID(version=4) marks them, in half its time.
    marked = f"4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}"
    return f"{digits[:8]}-{digits[8:12]}-{marked}-{digits[20:32]}"


def assign_buckets(lab: NDArray[np.float64], tree: cKDTree) -> NDArray[np.int64]:
    """Index of the nearest centroid for each colour; (n, 3) -> (n,). Ties go to the tree's first find, as in scipy."""
    return np.asarray(tree.query(lab)[1], np.int64)


def judge(
    answers: Sequence[Fetched],
    tree: cKDTree,
    full: frozenset[int],
    canvas: NDArray[np.uint8] | None = None,
    keep: Keep | None = None,
) -> list[Judgement]:
    """Judge a batch of answers.

    Parameters
    ----------
    answers : what the source said, in any order.
    tree : over the centroids.
    full : buckets that hold the cap already; a tile of theirs ends here, its hash is not computed and its bytes are
        not kept.
    canvas : uint8 (n, 256, 256, 3), n >= len(answers); memory to decode into, used anew for every batch.
    keep : told of every candidate while its picture is at hand.

    Returns
    -------
    One judgement an answer, in the same order. No bytes whatever make it raise.
    """
    if canvas is None:
        canvas = new_canvas(len(answers))
    judged: dict[int, Judgement] = {}
    seen: list[int] = []  # the answers whose pictures stand on the canvas, one after the other
    means: list[NDArray[np.float64]] = []
    for index, answer in enumerate(answers):
        if answer.body is None:
            judged[index] = Judgement(answer, answer.outcome or Outcome.NOT_AN_IMAGE, answer.detail)
            continue
        image, outcome, detail = decode_tile(answer.body, canvas[len(seen)])
        if image is None:
            judged[index] = Judgement(answer, outcome or Outcome.NOT_AN_IMAGE, detail)
        else:
            seen.append(index)
            if len(seen) % _MEASURED_AT_ONCE == 0:
                means.append(mean_rgb(canvas[len(seen) - _MEASURED_AT_ONCE : len(seen)]))
    if seen:
        images = canvas[: len(seen)]
        lab = rgb_to_lab(np.concatenate([*means, mean_rgb(images[len(means) * _MEASURED_AT_ONCE :])]))
        found = _judge_pictures([answers[index] for index in seen], images, lab, tree, full)
        judged.update(zip(seen, found, strict=True))
        for item, image in zip(found, images, strict=True):
            if keep and item.outcome is Outcome.CANDIDATE:
                keep(item, image)
    return [judged[index] for index in range(len(answers))]


def hash_of(body: bytes) -> str | None:
    """Perceptual hash of one tile's bytes, 16 hex digits; None where there is no picture."""
    image = decode_tile(body)[0]
    return None if image is None else to_hex(phash(image[None]))[0]


def _judge_pictures(
    answers: Sequence[Fetched],
    images: NDArray[np.uint8],
    lab: NDArray[np.float64],
    tree: cKDTree,
    full: frozenset[int],
) -> list[Judgement]:
    """Judge answers whose pictures and colours are given, one an answer, in the same order."""
    buckets = assign_buckets(lab, tree).tolist()
    wanted = [place for place, bucket in enumerate(buckets) if bucket not in full]
    codes = dict(zip(wanted, to_hex(phash(images, wanted)), strict=True))
    return [
        Judgement(
            answer,
            Outcome.CANDIDATE if place in codes else Outcome.BUCKET_FULL,
            answer.detail,
            bucket,
            codes.get(place),
            (colour[0], colour[1], colour[2]),
            hashlib.sha256(answer.body or b"").hexdigest(),
        )
        for place, (answer, bucket, colour) in enumerate(zip(answers, buckets, lab.tolist(), strict=True))
    ]
