"""From source bytes to colour, bucket and hash: the judgement that decides where a tile belongs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import rgb_to_lab
from mosaic_assets.core.imaging import decode_tile, new_canvas
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tile_files import read_tiles

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FLAT_HASH = "8000000000000000"
"""The perceptual hash of every featureless picture but a black one."""

FLAT_HASHES = frozenset({FLAT_HASH, "0000000000000000"})
"""The perceptual hashes of featureless pictures; the second is that of a black one, and of nothing else."""


class Judgement(NamedTuple):
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
    bodies = {index: answer.body for index, answer in enumerate(answers) if answer.body is not None}
    judged = {
        index: Judgement(answer, answer.outcome or Outcome.NOT_AN_IMAGE, answer.detail)
        for index, answer in enumerate(answers)
        if index not in bodies
    }
    files = read_tiles([*bodies.values()], canvas)
    seen = [place for place, problem in enumerate(files.problems) if problem is None]
    lab = rgb_to_lab(files.means[seen])
    buckets = dict(zip(seen, assign_buckets(lab, tree).tolist(), strict=True))
    wanted = [place for place in seen if buckets[place] not in full]
    codes = dict(zip(wanted, to_hex(phash(canvas[: len(bodies)], wanted)), strict=True))
    colours = dict(zip(seen, lab.tolist(), strict=True))
    for place, index in enumerate(bodies):
        answer = answers[index]
        if problem := files.problems[place]:
            judged[index] = Judgement(answer, *problem)
            continue
        outcome = Outcome.CANDIDATE if place in codes else Outcome.BUCKET_FULL
        judged[index] = Judgement(
            answer, outcome, answer.detail, buckets[place], codes.get(place), tuple(colours[place]), files.sha256[place]
        )
        if keep and place in codes:
            keep(judged[index], canvas[place])
    return [judged[index] for index in range(len(answers))]


def hash_of(body: bytes) -> str | None:
    """Perceptual hash of one tile's bytes, 16 hex digits; None where there is no picture."""
    image = decode_tile(body)[0]
    return None if image is None else to_hex(phash(image[None]))[0]
