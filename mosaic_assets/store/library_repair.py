"""What repairing asks of ``tiles.db`` and writes to it; the ordinary traffic is in `mosaic_assets.store.library_db`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mosaic_assets.errors import DatabaseError
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_records import PROVENANCE_COLUMNS, TILE_COLUMNS, LibraryRow, MergedRound

PAGE = 256
"""Rows read together."""

Values = dict[str, Any]
"""Columns of `LibraryRow` by name; those of a row that is not there are None."""

RoundKey = tuple[str, int]
"""(biome, round)."""


@dataclass(slots=True)
class Changes:
    """Everything that one repair changes in the database, in one transaction."""

    remove: set[str] = field(default_factory=set)
    """Ids whose rows go, from both tables."""
    write: list[LibraryRow] = field(default_factory=list)
    """Tiles whose rows are written as they are here, into both tables."""
    discards: list[tuple[str, int, int, str, str]] = field(default_factory=list)
    """(biome, round, position, outcome, detail) of removed tiles."""
    new_rounds: list[MergedRound] = field(default_factory=list)
    """Lines that the ledger lacks."""
    outcomes: dict[RoundKey, dict[str, int]] = field(default_factory=dict)
    """Ledger lines to correct."""
    meta: dict[str, str] = field(default_factory=dict)
    remove_files: list[str] = field(default_factory=list)
    """Pictures that go once the rows are written, relative to the home; a crash leaves that to whoever comes next."""
    recount: bool = False
    """Whether the table of bucket counts is wrong, or becomes so by the above."""
    repack: bool = False
    """Whether the packed hashes are not those of the tiles."""

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any(getattr(self, name) for name in Changes.__slots__)


def pages(database: LibraryDatabase) -> Iterator[list[tuple[Values, bool]]]:
    """Yield all rows of ``tiles``, some at a time, each with its provenance and whether there is any."""
    names = list(LibraryRow.__slots__)
    columns = ", ".join(f"tiles.{name}" if name == "id" else name for name in names)
    sql = (
        f"SELECT tiles.rowid, provenance.id IS NOT NULL, {columns} FROM tiles "
        f"LEFT JOIN provenance ON provenance.id = tiles.id WHERE tiles.rowid > ? ORDER BY tiles.rowid LIMIT {PAGE}"
    )
    last = -(2**63)
    while rows := database.query(sql, (last,)):
        last = rows[-1][0]
        yield [(dict(zip(names, row[2:], strict=True)), bool(row[1])) for row in rows]


def lone_provenance(database: LibraryDatabase) -> list[Values]:
    """Rows of ``provenance`` without a row of ``tiles``; the columns of that one are None."""
    sql = f"SELECT {', '.join(PROVENANCE_COLUMNS)} FROM provenance WHERE id NOT IN (SELECT id FROM tiles) ORDER BY id"
    nothing: Values = dict.fromkeys(LibraryRow.__slots__)
    return [{**nothing, **dict(zip(PROVENANCE_COLUMNS, row, strict=True))} for row in database.query(sql)]


def ages(database: LibraryDatabase, ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Sort keys by which tiles came into the library: the number of the merge, then the merge's own order."""
    found: dict[str, tuple[Any, ...]] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        sql = (
            "SELECT p.id, coalesce(merge_number, 0), p.round, p.biome, p.position FROM provenance p "
            f"LEFT JOIN rounds USING (biome, round) WHERE p.id IN ({', '.join('?' * len(some))})"
        )
        found.update({str(row[0]): row[1:] for row in database.query(sql, some)})
    return found


def kept_by_round(database: LibraryDatabase) -> dict[RoundKey, int]:
    """Tiles, with provenance, of each round."""
    sql = "SELECT biome, round, count(*) FROM tiles JOIN provenance USING (id) GROUP BY biome, round"
    return {(str(biome), int(number)): int(count) for biome, number, count in database.query(sql)}


def positions_of(database: LibraryDatabase, biome: str, number: int) -> tuple[dict[int, str], dict[int, str]]:
    """What the database says of a round's positions: ids of those in the library, outcomes of those discarded."""
    where = "WHERE biome = ? AND round = ?"
    kept = database.query(f"SELECT position, id FROM tiles JOIN provenance USING (id) {where}", (biome, number))
    discards = database.query(f"SELECT position, outcome FROM discards {where}", (biome, number))
    return dict(kept), dict(discards)


def wrong_counts(database: LibraryDatabase) -> list[tuple[int, int, int]]:
    """(bucket, its count, its rows) where these differ."""
    rows = dict(database.query("SELECT bucket_id, count(*) FROM tiles GROUP BY bucket_id"))
    counts = dict(database.query("SELECT bucket_id, kept FROM buckets"))
    both = sorted({*rows, *counts}, key=lambda bucket: (bucket is None, bucket))
    return [(b, counts.get(b, 0), rows.get(b, 0)) for b in both if counts.get(b, 0) != rows.get(b, 0)]


def index_problems(database: LibraryDatabase) -> list[str]:
    """Complaints of SQLite's own integrity check."""
    return [str(row[0]) for row in database.query("PRAGMA integrity_check") if row[0] != "ok"]


def rebuild_indexes(database: LibraryDatabase) -> None:
    """Make all indexes anew from their tables.

    Raises
    ------
    DatabaseError
        The tables themselves are damaged.
    """
    with database.writing():
        database.query("REINDEX")
    if problems := index_problems(database):
        raise DatabaseError(
            f"{database.path} is damaged beyond its indexes: {problems[0]}. Restore it from a copy, or move the library "
            f"away and merge the harvested rounds into a new one"
        )


def apply(database: LibraryDatabase, changes: Changes) -> None:
    """Write all changes, or none; announcements of a killed merge or repair end with it."""
    with database.writing():
        for table in ("provenance", "tiles"):
            _each(database, f"DELETE FROM {table} WHERE id = ?", ((one,) for one in sorted(changes.remove)))
        _upsert(database, "tiles", TILE_COLUMNS, changes.write)
        _upsert(database, "provenance", PROVENANCE_COLUMNS, changes.write)
        where = "WHERE biome = ? AND round = ? AND position = ?"
        _each(database, f"DELETE FROM discards {where}", ((r.biome, r.round, r.position) for r in changes.write))
        _each(database, "INSERT OR REPLACE INTO discards VALUES (?, ?, ?, ?, ?)", changes.discards)
        for merged in changes.new_rounds:
            database.add_round(merged)
        lines = ((json.dumps(counts, sort_keys=True), *key) for key, counts in changes.outcomes.items())
        _each(database, "UPDATE rounds SET outcomes = ? WHERE biome = ? AND round = ?", lines)
        _each(database, "INSERT OR REPLACE INTO meta VALUES (?, ?)", changes.meta.items())
        if changes.recount:
            database.query("DELETE FROM buckets")
            database.query("INSERT INTO buckets SELECT bucket_id, count(*) FROM tiles GROUP BY bucket_id")
        if changes.write or changes.remove or changes.repack:
            database.pack_hashes()
        database.clear_pending()
        database.mark_pending(changes.remove_files)


def _upsert(database: LibraryDatabase, table: str, columns: Sequence[str], rows: Iterable[LibraryRow]) -> None:
    sql = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns[1:])}"
    )
    _each(database, sql, ([getattr(row, name) for name in columns] for row in rows))


def _each(database: LibraryDatabase, sql: str, rows: Iterable[Sequence[object]]) -> None:
    for row in rows:
        database.query(sql, row)
