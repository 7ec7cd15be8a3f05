"""Which of a round's tiles enter the library: reference 1's rules, and hashes that are nearly alike."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.near import NearIndex
from mosaic_assets.core.phash import from_hex
from mosaic_assets.core.records import JUDGED, Outcome, Tile
from mosaic_assets.core.tiles import tile_distance
from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.library.judge import FLAT_HASHES, tile_id
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets.store.rounds import RoundHeader

DISTANT_TILES = 8
"""Identical bytes at tiles at least this far apart (and not flat) are a placeholder, where the source has that rule."""

REPEATED = "identical bytes at distant places"
"""Why a tile is taken for a placeholder."""

# Rows hold plain texts, and a round has many.
_CANDIDATE, _KEPT, _JUDGED = str(Outcome.CANDIDATE), str(Outcome.KEPT), frozenset(map(str, JUDGED))


@dataclass(slots=True)
class Decision:
    """What a round adds to the library, and takes out of it."""

    keep: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the round, each with the ``id`` of its tile."""
    discards: list[tuple[int, str, str]] = field(default_factory=list)
    """Position, outcome and detail of what the merge, not the harvest, discards."""
    hits: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    new_buckets: int = 0
    evicted: list[LibraryRow] = field(default_factory=list)
    """Tiles of the library that prove to be a placeholder."""
    placeholders: set[str] = field(default_factory=set)


class KnownHashes:
    """The hashes of the library's tiles but the featureless ones, read and indexed once for all rounds of a merge."""

    def __init__(self, database: LibraryDatabase) -> None:
        self._database = database
        self._index: NearIndex | None = None

    def near(self, codes: NDArray[np.uint64], bits: int) -> NDArray[np.bool_]:
        """Whether a hash of the library lies within so many bits of each."""
        if self._index is None:
            self._index = NearIndex(_textured(self._database.hashes()))
        return self._index.near(codes, bits)

    def follow(self, decision: Decision) -> None:
        """Note what a round that is in the library now added to it."""
        if decision.evicted:
            self._index = None
        elif self._index is not None:
            self._index.add(_textured(codes_of(decision.keep)))


class Duplicates:
    """Tells whether a picture is known by its hash, while a round's tiles are gone through in order.

    By the rule ``exact``, reference 1's, a hash that stands in the same bucket is a duplicate; by ``near`` so is one
    within ``duplicate_distance`` bits anywhere in the library. Synthetic imagery is held to the first unless told
    otherwise: its detail is made up from one stock of patterns, so that distant tiles have like hashes. Flat pictures
    all share one hash, whatever their place: of those a bucket keeps one, under either rule.
    """

    def __init__(
        self,
        candidates: Sequence[dict[str, Any]],
        database: LibraryDatabase,
        hashes: KnownHashes,
        settings: Settings,
        synthetic: bool,
    ) -> None:
        near = settings.duplicates == "near" or (settings.duplicates == "auto" and not synthetic)
        self._bits = settings.duplicate_distance if near else None
        exact = [row for row in candidates if self._bits is None or row["phash"] in FLAT_HASHES]
        self._standing = database.phashes_in({row["bucket_id"] for row in exact})
        self._own = NearIndex(np.empty(0, np.uint64))
        self._known: frozenset[int] = frozenset()
        self._crowded: dict[int, NDArray[np.uint64]] = {}
        if self._bits is not None:
            self._look_round([row for row in candidates if row["phash"] not in FLAT_HASHES], hashes, self._bits)

    def _look_round(self, rows: Sequence[dict[str, Any]], hashes: KnownHashes, bits: int) -> None:
        """Find the tiles, by position, whose hash has a neighbour in the library, and those that have one in the round."""
        codes, positions = codes_of(rows), np.array([row["position"] for row in rows], np.int64)
        self._known = frozenset(positions[hashes.near(codes, bits)].tolist())
        crowded = np.flatnonzero(NearIndex(codes).crowded(bits)).tolist()
        self._crowded = {int(positions[at]): codes[at : at + 1] for at in crowded}

    def reason(self, row: dict[str, Any]) -> str:
        """Say why a candidate is a duplicate, or ''."""
        if self._bits is None or row["phash"] in FLAT_HASHES:
            return "the same hash stands in its bucket" if row["phash"] in self._standing[row["bucket_id"]] else ""
        code = self._crowded.get(row["position"])
        if row["position"] in self._known or (code is not None and self._own.near(code, self._bits)[0]):
            return f"its hash is within {self._bits} bits of another tile's"
        return ""

    def add(self, row: dict[str, Any]) -> None:
        """Note a tile that is kept."""
        if self._bits is None or row["phash"] in FLAT_HASHES:
            self._standing[row["bucket_id"]].add(row["phash"])
        elif (code := self._crowded.get(row["position"])) is not None:
            self._own.add(code)


def codes_of(rows: Sequence[dict[str, Any]]) -> NDArray[np.uint64]:
    """Return the perceptual hashes of rows, uint64 (n,)."""
    return from_hex([row["phash"] for row in rows])


def _textured(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return codes[~np.isin(codes, from_hex(sorted(FLAT_HASHES)))]


def decide(
    rows: Sequence[dict[str, Any]],
    header: RoundHeader,
    database: LibraryDatabase,
    hashes: KnownHashes,
    settings: Settings,
) -> Decision:
    """Choose a round's tiles to keep, in the order of their positions; changes nothing.

    Parameters
    ----------
    rows : all rows of the round, without bodies, ordered by position.
    hashes : of the tiles in ``database``.
    """
    repeated, evicted = _placeholders(rows, header, database)
    choice = _Choice(rows, header, database, hashes, settings, evicted)
    decision = Decision(evicted=evicted, placeholders=repeated)
    hits: list[int] = []
    outcomes: list[str] = []
    for row in rows:
        outcome, detail = row["outcome"], ""
        if row["sha256"] in repeated:
            outcome, detail = str(Outcome.PLACEHOLDER), REPEATED
        elif outcome == _CANDIDATE:
            outcome, detail = choice.outcome(row)
            if outcome == _KEPT:
                decision.keep.append({**row, "id": choice.ids[row["position"]]})
        if outcome not in (row["outcome"], _KEPT):
            decision.discards.append((row["position"], outcome, detail))
        if outcome in _JUDGED:
            hits.append(row["bucket_id"])
        outcomes.append(outcome)
    decision.hits.update(hits)
    decision.outcomes.update(outcomes)
    decision.new_buckets = choice.new_buckets()
    return decision


class _Choice:
    """Which candidates are kept, while they are gone through in order."""

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        header: RoundHeader,
        database: LibraryDatabase,
        hashes: KnownHashes,
        settings: Settings,
        evicted: Iterable[LibraryRow],
    ) -> None:
        for outcome in {row["outcome"] for row in rows}:
            Outcome(outcome)  # one that is none is a damaged file's
        candidates = [row for row in rows if row["outcome"] == _CANDIDATE]
        self.ids = {row["position"]: tile_id(header.imagery, header.release, tile_of(row)) for row in candidates}
        """The id of each candidate's tile, by position."""
        self._standing = database.known_ids(list(self.ids.values()))
        counts = database.bucket_counts(BUCKETS)
        self._filled_before = int((counts > 0).sum())
        for tile in evicted:
            counts[tile.bucket_id] -= 1
        self._counts: list[int] = counts.tolist()
        self._cap = settings.bucket_cap
        self._duplicates = Duplicates(candidates, database, hashes, settings, header.synthetic)

    def outcome(self, row: dict[str, Any]) -> tuple[str, str]:
        """Say what becomes of a candidate, with a detail, and count it if it is kept."""
        if self.ids[row["position"]] in self._standing:
            return str(Outcome.DUPLICATE), "the same tile is in the library"
        if self._counts[row["bucket_id"]] >= self._cap:
            return str(Outcome.BUCKET_FULL), ""
        if reason := self._duplicates.reason(row):
            return (str(Outcome.FLAT), "") if row["phash"] in FLAT_HASHES else (str(Outcome.DUPLICATE), reason)
        self._counts[row["bucket_id"]] += 1
        self._duplicates.add(row)
        return _KEPT, ""

    def new_buckets(self) -> int:
        """Count the buckets that held no tile before, less those that hold none any more."""
        return sum(count > 0 for count in self._counts) - self._filled_before


def _placeholders(
    rows: Sequence[dict[str, Any]], header: RoundHeader, database: LibraryDatabase
) -> tuple[set[str], list[LibraryRow]]:
    """Hashes of source bytes that occur at distant places, and library tiles that prove to be such."""
    if not header.repeats_are_placeholders:
        return set(), []
    # Two flat tiles may well be the same bytes; two different places of the Earth with texture are not. Bytes that
    # repeat have their hash in one row at least, though those of full buckets lack it.
    flat = {row["sha256"] for row in rows if row["phash"] in FLAT_HASHES}
    places: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["sha256"] and row["sha256"] not in flat:
            places.setdefault(row["sha256"], []).append(row)
    standing = [tile for tile in database.rows_with_sha256(sorted(places)) if tile.phash not in FLAT_HASHES]
    known: dict[str, list[Tile]] = {}
    for tile in standing:
        known.setdefault(tile.sha256, []).append(Tile(tile.x, tile.y, tile.z))
    repeated = database.placeholders() & places.keys()
    for sha, found in places.items():
        if (len(found) > 1 or sha in known) and _distant([*known.get(sha, ()), *map(tile_of, found)]):
            repeated.add(sha)
    return repeated, [tile for tile in standing if tile.sha256 in repeated]


def _distant(tiles: list[Tile]) -> bool:
    pairs = itertools.combinations(tiles, 2)
    return any(one.z == other.z and tile_distance(one, other) >= DISTANT_TILES for one, other in pairs)


def tile_of(row: dict[str, Any]) -> Tile:
    """Return where a round's row lies."""
    return Tile(row["x"], row["y"], row["z"])
