"""What the round files know of the library's tiles: values to compare with, provenance, and source bytes to make them of."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import StoreError
from mosaic_assets.library.judge import tile_id
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_repair import RoundKey
from mosaic_assets.store.round_reading import read_header, read_rows
from mosaic_assets.store.rounds import RoundHeader, published_rounds, round_path

_OF_THE_ROUND = ("source", "imagery", "release", "biome", "round", "licence", "attribution", "synthetic")
_OF_THE_TILE = (
    "bucket_id", "phash", "mean_l", "mean_a", "mean_b", "z", "x", "y", "west", "south", "east", "north",
    "position", "fetched_at", "etag", "sha256", "csquare",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a round file says of one tile."""

    path: Path
    """The round file."""
    values: dict[str, Any]
    """The columns of `LibraryRow` but ``filepath``."""


def find_evidence(settings: Settings, wanted: Mapping[str, RoundKey | None]) -> dict[str, Evidence]:
    """Look tiles up in the round files.

    Parameters
    ----------
    wanted : ids of tiles, and the rounds they are said to come from, where that is known.

    Returns
    -------
    Evidence by id. A tile that no readable round file has as a candidate is left out.
    """
    found: dict[str, Evidence] = {}
    named = {key for key in wanted.values() if key is not None}
    published = {(biome, number) for biome, numbers in published_rounds(settings.harvest).items() for number in numbers}
    # The rounds that are named come first; every other one is read only while something is still looked for.
    for biome, number in [*sorted(named & published), *sorted(published - named)]:
        if len(found) == len(wanted):
            break
        path = round_path(settings.harvest, biome, number)
        for header, row in _candidates(path):
            key = tile_id(header.imagery, header.release, Tile(row["x"], row["y"], row["z"]))
            if key in wanted and key not in found:
                found[key] = Evidence(path, {"id": key, **_values(header, row)})
    return found


def source_bytes(evidence: Iterable[Evidence]) -> Iterator[tuple[str, bytes]]:
    """Yield (id, source bytes) of those tiles whose round file still holds them, intact, round by round."""
    by_file: defaultdict[Path, dict[int, Evidence]] = defaultdict(dict)
    for one in evidence:
        by_file[one.path][one.values["position"]] = one
    for path, wanted in sorted(by_file.items()):
        for row in _rows(path, bodies=True):
            tile, body = wanted.get(row["position"]), row.get("body")
            if tile and body and hashlib.sha256(body).hexdigest() == tile.values["sha256"]:
                yield tile.values["id"], body


def header_of(settings: Settings, key: RoundKey) -> RoundHeader | None:
    """The header of a round file; None where it is gone or cannot be read."""
    try:
        return read_header(round_path(settings.harvest, *key))
    except StoreError:
        return None


def count_outcomes(
    settings: Settings, key: RoundKey, kept: set[int], discards: Mapping[int, str], lost: str
) -> dict[str, int] | None:
    """Count a merged round's outcomes anew; None where its file is gone or cannot be read.

    Parameters
    ----------
    kept : positions of the round's tiles that are in the library.
    discards : outcomes that the merge, or a repair, recorded, by position.
    lost : the outcome of a candidate that is neither.
    """
    header = header_of(settings, key)
    if header is None:
        return None
    found: Counter[str] = Counter()
    for row in _rows(round_path(settings.harvest, *key), bodies=False):
        outcome = lost if row["outcome"] == Outcome.CANDIDATE else row["outcome"]
        found["kept" if row["position"] in kept else discards.get(row["position"], outcome)] += 1
    return dict(found) if sum(found.values()) == header.planned else None


def _candidates(path: Path) -> Iterator[tuple[RoundHeader, dict[str, Any]]]:
    try:
        header = read_header(path)
    except StoreError:
        return
    for row in _rows(path, bodies=False):
        if row["outcome"] == Outcome.CANDIDATE and row["phash"] is not None:
            yield header, row


def _rows(path: Path, *, bodies: bool) -> Iterator[dict[str, Any]]:
    """Yield rows as far as they can be read: a damaged round file is found by a check of its own."""
    try:
        for batch in read_rows(path, bodies=bodies):
            yield from batch
    except StoreError:
        return


def _values(header: RoundHeader, row: dict[str, Any]) -> dict[str, Any]:
    return {**{name: getattr(header, name) for name in _OF_THE_ROUND}, **{name: row[name] for name in _OF_THE_TILE}}
