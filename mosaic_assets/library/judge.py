"""From source bytes to colour, bucket and hash: the judgement that decides where a tile belongs."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import lab_of
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tiles import TILE_SIZE

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
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


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
    for index, answer in enumerate(answers):
        if answer.body is None:
            judged[index] = Judgement(answer, answer.outcome or Outcome.NOT_AN_IMAGE, answer.detail)
            continue
        image, outcome, detail = decode_tile(answer.body, canvas[len(seen)])
        if image is None:
            judged[index] = Judgement(answer, outcome or Outcome.NOT_AN_IMAGE, detail)
        else:
            seen.append(index)
    if seen:
        images = canvas[: len(seen)]
        found, candidates = _judge_pictures(answers, seen, images, tree, full)
        judged.update(found)
        for index, image in zip(candidates, images, strict=False):
            if keep:
                keep(found[index], image)
    return [judged[index] for index in range(len(answers))]


def new_canvas(tiles: int) -> NDArray[np.uint8]:
    """Memory for so many decoded tiles: uint8 (tiles, 256, 256, 3)."""
    return np.empty((tiles, TILE_SIZE, TILE_SIZE, 3), np.uint8)


def hash_of(body: bytes) -> str | None:
    """Perceptual hash of one tile's bytes, 16 hex digits; None where there is no picture."""
    image = decode_tile(body)[0]
    return None if image is None else to_hex(phash(image[None]))[0]


def _judge_pictures(
    answers: Sequence[Fetched], seen: list[int], images: NDArray[np.uint8], tree: cKDTree, full: frozenset[int]
) -> tuple[dict[int, Judgement], list[int]]:
    """Judge the answers ``seen``, whose pictures are given; and say whose pictures ``images`` begins with afterwards."""
    lab = lab_of(images)
    buckets = assign_buckets(lab, tree).tolist()
    wanted = [place for place, bucket in enumerate(buckets) if bucket not in full]
    for place, index in enumerate(wanted):  # move those to be hashed together; place <= index, so none is lost
        if place != index:
            images[place] = images[index]
    codes = dict(zip(wanted, to_hex(phash(images[: len(wanted)])), strict=True))
    judged = {
        index: Judgement(
            answers[index],
            Outcome.CANDIDATE if place in codes else Outcome.BUCKET_FULL,
            answers[index].detail,
            bucket,
            codes.get(place),
            (colour[0], colour[1], colour[2]),
            hashlib.sha256(answers[index].body or b"").hexdigest(),
        )
        for place, (index, bucket, colour) in enumerate(zip(seen, buckets, lab.tolist(), strict=True))
    }
    return judged, [seen[place] for place in wanted]
