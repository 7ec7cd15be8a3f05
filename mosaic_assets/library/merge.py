"""Merging published rounds into the library: the only code that writes ``mosaic_library``.

Rounds are taken in the order (round, biome), their tiles by position, so the result does not depend on which run ended
first. A round goes in whole or not at all:

1. what to keep is decided in memory,
2. the pictures' paths are announced in ``pending``,
3. the pictures are written to ``temp/``, made durable and renamed into their buckets,
4. one transaction writes rows, hits, discards and the ledger, and clears ``pending``.

A crash before 4 leaves announced pictures without rows; the next merge removes them and starts the round over.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mosaic_assets.core.imaging import decode_tile, encode_png
from mosaic_assets.core.records import JUDGED, Outcome, Tile
from mosaic_assets.core.tiles import tile_distance
from mosaic_assets.errors import CentroidsError, StoreError
from mosaic_assets.library.centroids import BUCKETS, CENTROIDS_META, load_centroids
from mosaic_assets.library.judge import FLAT_HASHES, tile_id
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sync
from mosaic_assets.store.library_db import LibraryDatabase, LibraryRow, MergedRound, has_library, open_library
from mosaic_assets.store.rounds import (
    RoundHeader,
    drop_bodies,
    has_bodies,
    published_rounds,
    read_header,
    read_rows,
    round_path,
)

DISTANT_TILES = 8
"""Identical bytes at tiles at least this far apart (and not flat) are a placeholder, where the source has that rule."""

REPEATED = "identical bytes at distant places"
"""Why a tile is taken for a placeholder."""

LOCK_WAIT_S = 600.0
"""How long a merge waits for another one, seconds."""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did to the library."""

    rounds: list[MergedRound]
    kept: int
    removed: int
    """Tiles taken out again because they proved to be a placeholder."""
    library_tiles: int
    library_buckets: int
    bytes_written: int
    seconds: float
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Decision:
    """What a round adds to the library."""

    keep: list[dict[str, Any]]
    discards: list[tuple[int, str, str]]
    hits: Counter[int]
    outcomes: Counter[str]
    new_buckets: int
    evicted: list[LibraryRow]
    placeholders: set[str]


def unmerged_rounds(settings: Settings, database: LibraryDatabase | None) -> list[tuple[int, str]]:
    """(round, biome) of the published rounds that are not in the library, in merging order."""
    done = {(merged.round, merged.biome) for merged in database.rounds()} if database else set()
    published = published_rounds(settings.harvest)
    return sorted((n, biome) for biome, numbers in published.items() for n in numbers if (n, biome) not in done)


def count_unmerged(settings: Settings) -> int:
    """Number of published rounds that the library lacks; 0 while nothing is harvested."""
    if not has_library(settings.library):
        return len(unmerged_rounds(settings, None))
    with open_library(settings.library) as database:
        return len(unmerged_rounds(settings, database))


def merge_rounds(settings: Settings, *, progress: Callable[[int], None] | None = None) -> MergeReport:
    """Merge every published round that is not in the library yet.

    Parameters
    ----------
    progress : told of the number of planned tiles of each round just merged.

    Raises
    ------
    CentroidsError
        The library, or a round, belongs to other centroids.
    BusyError
        Another merge did not end in time.
    HomeNotWritableError
        The disk refused; the rounds merged so far stay merged, the one at hand is started over next time.
    """
    began = time.perf_counter()
    library = make_folder(settings.library)
    with holding(library / ".merge.lock", "merging harvested rounds", wait_s=LOCK_WAIT_S):
        centroids = load_centroids(library)
        with open_library(library, create=True) as database:
            _recover(settings, database)
            if database.meta(CENTROIDS_META) is None:
                database.set_meta(CENTROIDS_META, centroids.record.sha256)
                database.set_meta("colour_method", centroids.record.colour_method)
            number = max((merged.merge_number for merged in database.rounds()), default=0) + 1
            done: list[tuple[MergedRound, int, int]] = []
            for round_number, biome in unmerged_rounds(settings, database):
                path = round_path(settings.harvest, biome, round_number)
                done.append(_merge_one(settings, database, path, centroids.record.sha256, number))
                if progress:
                    progress(done[-1][0].planned)
            _drop_merged_bodies(settings, database)
            return _report(database, done, time.perf_counter() - began)


def _report(database: LibraryDatabase, done: list[tuple[MergedRound, int, int]], seconds: float) -> MergeReport:
    outcomes: Counter[str] = Counter()
    for merged, _, _ in done:
        outcomes.update(merged.outcomes)
    return MergeReport(
        rounds=[merged for merged, _, _ in done],
        kept=outcomes[Outcome.KEPT],
        removed=sum(removed for _, _, removed in done),
        library_tiles=database.count(),
        library_buckets=int((database.bucket_counts(BUCKETS) > 0).sum()),
        bytes_written=sum(written for _, written, _ in done),
        seconds=seconds,
        outcomes=dict(sorted(outcomes.items())),
    )


def _recover(settings: Settings, database: LibraryDatabase) -> None:
    """Undo what a killed merge left: scratch files, and announced pictures that never got their rows."""
    temp = make_folder(settings.library / "temp")
    with explaining_refusals("clearing up after an interrupted merge", temp):
        for leftover in temp.iterdir():
            leftover.unlink()
    abandoned = database.abandoned()
    known = (
        {row.filepath for row in database.rows("filepath IN (SELECT filepath FROM pending)")} if abandoned else set()
    )
    _remove_pictures(settings, [filepath for filepath in abandoned if filepath not in known])
    if abandoned:
        with database.writing():
            database.clear_pending()


def _remove_pictures(settings: Settings, filepaths: Sequence[str]) -> None:
    for filepath in filepaths:
        with explaining_refusals("removing a picture that is no tile of the library", settings.home / filepath):
            (settings.home / filepath).unlink(missing_ok=True)


def _merge_one(
    settings: Settings, database: LibraryDatabase, path: Path, centroids_sha256: str, merge_number: int
) -> tuple[MergedRound, int, int]:
    header = read_header(path)
    if header.centroids_sha256 != centroids_sha256:
        raise CentroidsError(
            f"{path} was judged with centroids {header.centroids_sha256[:16]}..., the library has {centroids_sha256[:16]}...; "
            f"move the round file away to harvest it anew, or restore the library's own centroids.npy"
        )
    rows = list(itertools.chain.from_iterable(read_rows(path, bodies=False)))
    decision = _decide(rows, header, database, settings.bucket_cap)
    library_rows = [_library_row(row, header, settings) for row in decision.keep]
    database.announce(row.filepath for row in library_rows)
    written = _write_pictures(settings, path, {row.position: row for row in library_rows})
    removed = [row.filepath for row in decision.evicted]
    merged = _ledger_line(header, decision, merge_number)
    with database.writing():
        database.remove_tiles(decision.evicted, Outcome.PLACEHOLDER, REPEATED)
        database.add_placeholders(decision.placeholders)
        database.add_tiles(library_rows)
        database.add_hits(header.biome, dict(decision.hits))
        database.add_discards(header.biome, header.round, decision.discards)
        database.add_round(merged)
        database.clear_pending()
        database.mark_pending(removed)  # a crash before the next line leaves their removal to the next merge
    if removed:
        _remove_pictures(settings, removed)
        with database.writing():
            database.clear_pending()
    return merged, written, len(removed)


def _decide(rows: Sequence[dict[str, Any]], header: RoundHeader, database: LibraryDatabase, cap: int) -> _Decision:
    """Choose the tiles to keep: reference 1's rules, in the order of the positions."""
    repeated, evicted = _placeholders(rows, header, database)
    candidates = [row for row in rows if row["outcome"] == Outcome.CANDIDATE]
    ids = {row["position"]: tile_id(header.imagery, header.release, _tile(row)) for row in candidates}
    known = database.known_ids(list(ids.values()))
    counts = database.bucket_counts(BUCKETS)
    buckets_before = int((counts > 0).sum())
    for tile in evicted:
        counts[tile.bucket_id] -= 1
    hashes = database.phashes_in({row["bucket_id"] for row in candidates if counts[row["bucket_id"]] < cap})
    decision = _Decision([], [], Counter(), Counter(), 0, evicted, repeated)
    for row in rows:
        bucket, outcome, detail = row["bucket_id"], Outcome(row["outcome"]), ""
        if row["sha256"] and row["sha256"] in repeated:
            outcome, detail = Outcome.PLACEHOLDER, REPEATED
        elif outcome is Outcome.CANDIDATE:
            if ids[row["position"]] in known:
                outcome, detail = Outcome.DUPLICATE, "the same tile is in the library"
            elif counts[bucket] >= cap:
                outcome = Outcome.BUCKET_FULL
            elif row["phash"] in hashes[bucket]:
                flat = row["phash"] in FLAT_HASHES
                outcome, detail = (
                    (Outcome.FLAT, "") if flat else (Outcome.DUPLICATE, "the same hash stands in its bucket")
                )
            else:
                outcome = Outcome.KEPT
                counts[bucket] += 1
                hashes[bucket].add(row["phash"])
                decision.keep.append({**row, "id": ids[row["position"]]})
        if row["outcome"] != outcome and outcome is not Outcome.KEPT:
            decision.discards.append((row["position"], str(outcome), detail))
        if outcome in JUDGED:
            decision.hits[bucket] += 1
        decision.outcomes[str(outcome)] += 1
    decision.new_buckets = int((counts > 0).sum()) - buckets_before
    return decision


def _placeholders(
    rows: Sequence[dict[str, Any]], header: RoundHeader, database: LibraryDatabase
) -> tuple[set[str], list[LibraryRow]]:
    """Hashes of source bytes that occur at distant places, and library tiles that prove to be such."""
    if not header.repeats_are_placeholders:
        return set(), []
    places: dict[str, list[Tile]] = {}
    for row in rows:
        # Two flat tiles may well be the same bytes; two different places of the Earth with texture are not.
        if row["sha256"] and row["phash"] not in FLAT_HASHES:
            places.setdefault(row["sha256"], []).append(_tile(row))
    standing = [row for row in database.rows_with_sha256(sorted(places)) if row.phash not in FLAT_HASHES]
    repeated = database.placeholders() & places.keys()
    for sha, tiles in places.items():
        known = [Tile(row.x, row.y, row.z) for row in standing if row.sha256 == sha]
        if _distant([*known, *tiles]):
            repeated.add(sha)
    return repeated, [row for row in standing if row.sha256 in repeated]


def _distant(tiles: list[Tile]) -> bool:
    pairs = itertools.combinations(tiles, 2)
    return any(one.z == other.z and tile_distance(one, other) >= DISTANT_TILES for one, other in pairs)


def _tile(row: dict[str, Any]) -> Tile:
    return Tile(row["x"], row["y"], row["z"])


def _library_row(row: dict[str, Any], header: RoundHeader, settings: Settings) -> LibraryRow:
    folder = settings.library.name
    return LibraryRow(
        **{name: row[name] for name in ("id", "bucket_id", "phash", "mean_l", "mean_a", "mean_b")},
        **{name: row[name] for name in ("z", "x", "y", "west", "south", "east", "north")},
        **{name: row[name] for name in ("position", "fetched_at", "etag", "sha256", "csquare")},
        filepath=f"{folder}/bucket_{row['bucket_id']:04d}/{row['id']}.png",
        source=header.source,
        imagery=header.imagery,
        release=header.release,
        biome=header.biome,
        round=header.round,
        licence=header.licence,
        attribution=header.attribution,
        synthetic=header.synthetic,
    )


def _write_pictures(settings: Settings, path: Path, wanted: dict[int, LibraryRow]) -> int:
    """Write the kept tiles as PNG, a batch at a time on all workers; return the bytes written."""
    for bucket in {row.bucket_id for row in wanted.values()}:
        make_folder(settings.library / f"bucket_{bucket:04d}")
    written = 0
    folders: set[Path] = set()
    with ThreadPoolExecutor(settings.workers) as pool:
        for batch in read_rows(path, bodies=True) if wanted else ():
            jobs = [(settings, wanted[row["position"]], row.get("body")) for row in batch if row["position"] in wanted]
            written += sum(pool.map(_write_picture, jobs))
            folders.update((settings.home / job[1].filepath).parent for job in jobs)
        with explaining_refusals("making pictures durable", settings.library):
            list(pool.map(sync, [*folders, settings.library] if folders else []))
    return written


def _write_picture(job: tuple[Settings, LibraryRow, bytes | None]) -> int:
    settings, row, body = job
    intact = body is not None and hashlib.sha256(body).hexdigest() == row.sha256
    image = decode_tile(body)[0] if body and intact else None
    if image is None:
        raise StoreError(
            f"the source bytes of tile {row.z}/{row.x}/{row.y} (round {row.round} of {row.biome}) are gone or damaged; "
            f"move that round file away so that the round is harvested anew"
        )
    final = settings.home / row.filepath
    scratch = settings.library / "temp" / f"{row.id}.png"
    content = encode_png(image)
    with explaining_refusals(f"writing tile {row.id}", final):
        scratch.write_bytes(content)
        sync(scratch)
        scratch.replace(final)
    return len(content)


def _ledger_line(header: RoundHeader, decision: _Decision, merge_number: int) -> MergedRound:
    return MergedRound(
        biome=header.biome,
        round=header.round,
        source=header.source,
        imagery=header.imagery,
        release=header.release,
        zoom=header.zoom,
        planned=header.planned,
        exhausted=header.exhausted,
        outcomes=dict(decision.outcomes),
        new_buckets=decision.new_buckets,
        bytes_fetched=header.bytes_fetched,
        seconds=header.seconds,
        merge_number=merge_number,
        published_at=datetime.fromisoformat(header.published_at),
        merged_at=datetime.now(UTC),
    )


def _drop_merged_bodies(settings: Settings, database: LibraryDatabase) -> None:
    """Free the space of source bytes that the library now holds as pictures; also after a merge that was killed here."""
    if settings.keep_shard_bytes:
        return
    for merged in database.rounds():
        path = round_path(settings.harvest, merged.biome, merged.round)
        if path.exists() and has_bodies(path):
            drop_bodies(path)
