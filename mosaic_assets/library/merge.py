"""Merging published rounds into the library: the only code that writes ``mosaic_library``.

Rounds are taken in the order (round, biome), their tiles by position, so the result does not depend on which run ended
first. A round goes in whole or not at all:

1. what to keep is decided in memory,
2. the pictures' paths are announced in ``pending``,
3. pictures that the harvest made ahead are moved into their buckets, the others written to ``temp/``, made durable and
   renamed,
4. one transaction writes rows, hits, discards and the ledger, and clears ``pending``.

A crash before 4 leaves announced pictures without rows; the next merge removes them and starts the round over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mosaic_assets.core.records import Outcome
from mosaic_assets.core.storage import TileFormat, suffix_of
from mosaic_assets.errors import CentroidsError
from mosaic_assets.library.centroids import BUCKETS, CENTROIDS_META, load_centroids
from mosaic_assets.library.choose import REPEATED, Decision, KnownHashes, decide
from mosaic_assets.library.publish import remove_pictures, write_pictures
from mosaic_assets.library.staging import Staged, clear_leftovers, drop_staged
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, holding, make_folder
from mosaic_assets.store.library_db import LibraryDatabase, has_library, open_library
from mosaic_assets.store.library_records import LibraryRow, MergedRound
from mosaic_assets.store.round_reading import RoundTable, drop_bodies, has_bodies, read_bodies, read_round
from mosaic_assets.store.rounds import RoundHeader, published_rounds, round_path

BODIES_DROPPED = "bodies_dropped_through_merge"
"""Key in ``meta``: the number of the last merge whose rounds have no source bytes any more."""

AT_HAND_BYTES = 32 << 20
"""Tables of merged rounds that are kept until the source bytes are dropped, at most; a round of 1,000 takes 0.3 MB."""

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
    leftover_bytes: int = 0
    """Size of the pictures made ahead that killed harvests and merges had left, and that are removed now."""


def unmerged_rounds(settings: Settings, database: LibraryDatabase | None) -> list[tuple[int, str]]:
    """(round, biome) of the published rounds that are not in the library, in merging order."""
    done = database.merges() if database else {}
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
            freed = _recover(settings, database)
            if database.meta(CENTROIDS_META) is None:
                database.set_meta(CENTROIDS_META, centroids.record.sha256)
                database.set_meta("colour_method", centroids.record.colour_method)
            number = max(database.merges().values(), default=0) + 1
            done: list[tuple[MergedRound, int, int]] = []
            hashes, at_hand, room = KnownHashes(database), dict[Path, RoundTable](), AT_HAND_BYTES
            for round_number, biome in unmerged_rounds(settings, database):
                path = round_path(settings.harvest, biome, round_number)
                known = read_round(path)
                done.append(_merge_one(settings, database, hashes, path, known, centroids.record.sha256, number))
                if (room := room - known.table.nbytes) > 0:
                    at_hand[path] = known
                if progress:
                    progress(done[-1][0].planned)
            _drop_merged_bodies(settings, database, at_hand)
            return _report(database, done, freed, time.perf_counter() - began)


def _report(
    database: LibraryDatabase, done: list[tuple[MergedRound, int, int]], freed: int, seconds: float
) -> MergeReport:
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
        leftover_bytes=freed,
    )


def _recover(settings: Settings, database: LibraryDatabase) -> int:
    """Undo what a killed merge left: scratch files, and announced pictures that never got their rows.

    What it and killed harvests left of pictures made ahead goes, too; return how many bytes that was.
    """
    temp = make_folder(settings.library / "temp")
    with explaining_refusals("clearing up after an interrupted merge", temp):
        for leftover in temp.iterdir():
            leftover.unlink()
    abandoned = database.abandoned()
    known = (
        {row.filepath for row in database.rows("filepath IN (SELECT filepath FROM pending)")} if abandoned else set()
    )
    remove_pictures(settings, [filepath for filepath in abandoned if filepath not in known])
    if abandoned:
        with database.writing():
            database.clear_pending()
    if len(database.hashes()) != database.count():  # a library from before they were packed, or mended by hand
        with database.writing():
            database.pack_hashes()
    return clear_leftovers(settings, database.merges())


def _merge_one(
    settings: Settings,
    database: LibraryDatabase,
    hashes: KnownHashes,
    path: Path,
    known: RoundTable,
    centroids_sha256: str,
    merge_number: int,
) -> tuple[MergedRound, int, int]:
    header = known.header
    if header.centroids_sha256 != centroids_sha256:
        raise CentroidsError(
            f"{path} was judged with centroids {header.centroids_sha256[:16]}..., the library has {centroids_sha256[:16]}...; "
            f"move the round file away to harvest it anew, or restore the library's own centroids.npy"
        )
    decision = decide(known.rows(), header, database, hashes, settings)
    suffixes = _suffixes(settings, path, {row["position"] for row in decision.keep})
    folder = settings.library.name
    library_rows = [_library_row(row, header, folder, suffixes[row["position"]]) for row in decision.keep]
    database.announce(row.filepath for row in library_rows)
    written = write_pictures(settings, path, {row.position: row for row in library_rows}, _staged(decision.keep))
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
    hashes.follow(decision)
    if removed:
        remove_pictures(settings, removed)
        with database.writing():
            database.clear_pending()
    drop_staged(settings, header.biome, header.round)
    return merged, written, len(removed)


def _staged(rows: Iterable[dict[str, Any]]) -> dict[int, Staged]:
    """What the pictures must be that the harvest made ahead, by position; rounds of older versions have none."""
    return {
        row["position"]: Staged(row["staged_bytes"], row["staged_crc32"])
        for row in rows
        if row.get("staged_crc32") is not None
    }


def _suffixes(settings: Settings, path: Path, positions: set[int]) -> dict[int, str]:
    """Suffix of each kept tile's file; only where the sources' own bytes are kept must they be looked at for it."""
    chosen = TileFormat(settings.tile_format)
    if chosen is not TileFormat.SOURCE:
        return dict.fromkeys(positions, suffix_of(b"", chosen))
    return {position: suffix_of(body or b"", chosen) for position, body in read_bodies(path, positions)}


def _library_row(row: dict[str, Any], header: RoundHeader, folder: str, suffix: str) -> LibraryRow:
    return LibraryRow(
        id=row["id"],
        bucket_id=row["bucket_id"],
        filepath=f"{folder}/bucket_{row['bucket_id']:04d}/{row['id']}{suffix}",
        phash=row["phash"],
        mean_l=row["mean_l"],
        mean_a=row["mean_a"],
        mean_b=row["mean_b"],
        source=header.source,
        imagery=header.imagery,
        release=header.release,
        z=row["z"],
        x=row["x"],
        y=row["y"],
        west=row["west"],
        south=row["south"],
        east=row["east"],
        north=row["north"],
        biome=header.biome,
        round=header.round,
        position=row["position"],
        fetched_at=row["fetched_at"],
        etag=row["etag"],
        sha256=row["sha256"],
        licence=header.licence,
        attribution=header.attribution,
        synthetic=header.synthetic,
        csquare=row["csquare"],
    )


def _ledger_line(header: RoundHeader, decision: Decision, merge_number: int) -> MergedRound:
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


def _drop_merged_bodies(settings: Settings, database: LibraryDatabase, at_hand: Mapping[Path, RoundTable]) -> None:
    """Free the space of source bytes that the library now holds as pictures; also after a merge that was killed here.

    Rounds that are still in memory, ``at_hand``, are not read again for it.
    """
    if settings.keep_shard_bytes:
        return
    done = int(database.meta(BODIES_DROPPED) or 0)  # so that not every round there ever was is looked at each time
    rounds = {key: merge for key, merge in database.merges().items() if merge > done}
    for number, biome in rounds:
        path = round_path(settings.harvest, biome, number)
        if path.exists() and has_bodies(path):
            drop_bodies(path, at_hand.get(path))
    if rounds:
        database.set_meta(BODIES_DROPPED, str(max(rounds.values())))
