"""Records that travel between sources, the library and the orchestration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Tile(NamedTuple):
    """A tile of the Web-Mercator pyramid (EPSG:3857), 256 x 256 pixels.

    ``x`` counts from the west (180 W), ``y`` from the **north**, both from 0 to ``2**z - 1``.
    Sources that order or count differently are converted at their edge.
    """

    x: int
    y: int
    z: int


class Bounds(NamedTuple):
    """A box in degrees, WGS 84; ``west < east`` and ``south < north``."""

    west: float
    south: float
    east: float
    north: float


class Outcome(StrEnum):
    """What became of a planned tile. Every planned tile ends with exactly one."""

    CANDIDATE = "candidate"
    """Fetched and judged, waiting for the merge."""
    KEPT = "kept"
    """In the library."""
    BUCKET_FULL = "bucket_full"
    """Its bucket holds as many tiles as the cap allows."""
    DUPLICATE = "duplicate"
    """Its perceptual hash is near, or equal, to that of a tile in the library (setting ``duplicates``)."""
    FLAT = "flat"
    """A featureless tile (open sea, bare ice); all of them share one hash and the bucket has one."""
    MISSING = "missing"
    """The source has no imagery there (404, blank, outside its extent)."""
    PLACEHOLDER = "placeholder"
    """The source answered with its "no imagery" picture."""
    NOT_AN_IMAGE = "not_an_image"
    """The answer does not decode."""
    WRONG_SIZE = "wrong_size"
    """The picture is not 256 x 256."""
    REFUSED = "refused"
    """The source refuses for good (401, 403, 410, too large); asking again would not help."""
    FETCH_FAILED = "fetch_failed"
    """Passing failures (timeouts, 429, 5xx) outlasted the retries."""
    QUARANTINED = "quarantined"
    """Was in the library until a repair found that it could not be mended."""


JUDGED = frozenset({Outcome.CANDIDATE, Outcome.KEPT, Outcome.BUCKET_FULL, Outcome.DUPLICATE, Outcome.FLAT})
"""Outcomes of tiles whose colour is known; only these count as hits of a bucket."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer of a source.

    ``outcome`` is ``None`` when ``body`` holds an encoded picture still to be judged; otherwise it is one of
    ``MISSING``, ``PLACEHOLDER``, ``NOT_AN_IMAGE``, ``REFUSED``, ``FETCH_FAILED``, ``body`` is ``None``, and
    ``detail`` says why in a few words.
    """

    tile: Tile
    body: bytes | None
    outcome: Outcome | None
    fetched_at: datetime
    """UTC, aware."""
    etag: str = ""
    content_type: str = ""
    detail: str = ""
