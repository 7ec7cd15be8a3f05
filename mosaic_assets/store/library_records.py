"""What `mosaic_assets.store.library_db` takes and gives: a tile with its provenance, a line of the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MergedRound:
    """A line of the ledger: one round of one biome that is in the library."""

    biome: str
    round: int
    source: str
    imagery: str
    release: str
    zoom: int
    planned: int
    exhausted: bool
    """True when the biome has no further tile to ask for."""
    outcomes: dict[str, int]
    new_buckets: int
    bytes_fetched: int
    seconds: float
    merge_number: int
    published_at: datetime
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """One tile with its provenance; column names are those of the tables."""

    id: str
    bucket_id: int
    filepath: str
    phash: str
    mean_l: float
    mean_a: float
    mean_b: float
    source: str
    imagery: str
    release: str
    z: int
    x: int
    y: int
    west: float
    south: float
    east: float
    north: float
    biome: str
    round: int
    position: int
    fetched_at: str
    etag: str
    sha256: str
    licence: str
    attribution: str
    synthetic: bool
    csquare: str


TILE_COLUMNS = ("id", "bucket_id", "filepath", "phash", "mean_l", "mean_a", "mean_b")
"""The columns of ``tiles``, in reference 1's order."""

PROVENANCE_COLUMNS = ("id", *(name for name in LibraryRow.__slots__ if name not in TILE_COLUMNS))
"""The columns of ``provenance``; `LibraryRow` has the same names."""


def merged_round(values: dict[str, object]) -> MergedRound:
    """Return a line of the table ``rounds``, by its columns' names."""
    return MergedRound(
        **{
            **values,
            "exhausted": bool(values["exhausted"]),
            "outcomes": json.loads(str(values["outcomes"])),
            "published_at": datetime.fromisoformat(str(values["published_at"])),
            "merged_at": datetime.fromisoformat(str(values["merged_at"])),
        }
    )


def plain(value: object) -> object:
    """Return a field as SQLite stores it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return value
