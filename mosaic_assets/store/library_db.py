"""``tiles.db``: reference 1's table to the letter, and beside it what that table lacks.

========== =======================================================================================
table      one row for
========== =======================================================================================
tiles      a tile in the library; the seven columns and two indexes of reference 1
provenance the same tile: where it is on Earth, where it came from, under which licence
rounds     a merged round of a biome: what was planned and what became of it
hits       a (biome, bucket): how many judged tiles fell there, before cap and duplicates
buckets    a bucket that holds tiles: how many
discards   a candidate that the merge did not keep, and why
hashes     a block of the tiles' perceptual hashes, packed, so that all can be had without reading every row
pending    a picture that a merge is about to publish; what is left here after a crash is removed
meta       a fact about the library itself: the centroids it was built with, the colour method, the
           bytes that proved to be a placeholder
========== =======================================================================================
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import DatabaseError
from mosaic_assets.store.library_records import (
    PROVENANCE_COLUMNS,
    TILE_COLUMNS,
    LibraryRow,
    MergedRound,
    merged_round,
    plain,
)
from mosaic_assets.store.sqlite import Database, has_database, open_database

SCHEMA_VERSION = 2

HASHES_PER_BLOCK = 4096
"""Packed hashes in a row of ``hashes``: a merge rewrites the last of them only."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS tiles (
  id TEXT PRIMARY KEY, bucket_id INTEGER, filepath TEXT, phash TEXT, mean_l REAL, mean_a REAL, mean_b REAL
);
CREATE INDEX IF NOT EXISTS idx_bucket ON tiles (bucket_id);
CREATE INDEX IF NOT EXISTS idx_phash ON tiles (bucket_id, phash);
CREATE TABLE IF NOT EXISTS provenance (
  id TEXT PRIMARY KEY REFERENCES tiles (id),
  source TEXT NOT NULL, imagery TEXT NOT NULL, release TEXT NOT NULL,
  z INTEGER NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL,
  west REAL NOT NULL, south REAL NOT NULL, east REAL NOT NULL, north REAL NOT NULL,
  biome TEXT NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  fetched_at TEXT NOT NULL, etag TEXT NOT NULL, sha256 TEXT NOT NULL,
  licence TEXT NOT NULL, attribution TEXT NOT NULL, synthetic INTEGER NOT NULL, csquare TEXT NOT NULL,
  UNIQUE (imagery, release, z, x, y)
);
CREATE INDEX IF NOT EXISTS idx_provenance_sha256 ON provenance (sha256);
CREATE TABLE IF NOT EXISTS rounds (
  biome TEXT NOT NULL, round INTEGER NOT NULL, source TEXT NOT NULL, imagery TEXT NOT NULL, release TEXT NOT NULL,
  zoom INTEGER NOT NULL, planned INTEGER NOT NULL, exhausted INTEGER NOT NULL, outcomes TEXT NOT NULL,
  new_buckets INTEGER NOT NULL, bytes_fetched INTEGER NOT NULL, seconds REAL NOT NULL,
  merge_number INTEGER NOT NULL, published_at TEXT NOT NULL, merged_at TEXT NOT NULL,
  PRIMARY KEY (biome, round)
);
CREATE TABLE IF NOT EXISTS hits (
  biome TEXT NOT NULL, bucket_id INTEGER NOT NULL, hits INTEGER NOT NULL, PRIMARY KEY (biome, bucket_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (bucket_id INTEGER PRIMARY KEY, kept INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS discards (
  biome TEXT NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL,
  PRIMARY KEY (biome, round, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (block INTEGER PRIMARY KEY, codes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pending (filepath TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""


_PLACEHOLDER = "placeholder_sha256:"


class LibraryDatabase(Database):
    """An open ``tiles.db``."""

    def meta(self, key: str) -> str | None:
        """One fact about the library, or None."""
        rows = self.query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the library."""
        with self.writing():
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def placeholders(self) -> set[str]:
        """SHA-256 of the source bytes that proved to be a placeholder."""
        rows = self.query(
            "SELECT substr(key, ?) FROM meta WHERE key GLOB ?", (len(_PLACEHOLDER) + 1, f"{_PLACEHOLDER}*")
        )
        return {str(row[0]) for row in rows}

    def add_placeholders(self, hashes: Iterable[str]) -> None:
        """Remember placeholders, so that the next one of them is known though it comes alone; call inside `writing`."""
        values = ((f"{_PLACEHOLDER}{sha256}", "identical bytes at distant places") for sha256 in sorted(hashes))
        self._connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", values)

    def bucket_counts(self, buckets: int) -> NDArray[np.int64]:
        """Tiles in each bucket; int64 of length ``buckets``."""
        counts = np.zeros(buckets, np.int64)
        for bucket, kept in self.query("SELECT bucket_id, kept FROM buckets"):
            counts[bucket] = kept
        return counts

    def hits(self) -> dict[str, dict[int, int]]:
        """For each biome, how many judged tiles fell in each bucket."""
        found: dict[str, dict[int, int]] = {}
        for biome, bucket, hits in self.query("SELECT biome, bucket_id, hits FROM hits"):
            found.setdefault(str(biome), {})[int(bucket)] = int(hits)
        return found

    def rounds(self) -> list[MergedRound]:
        """The ledger, in the order of the merges."""
        names = list(MergedRound.__slots__)
        rows = self.query(f"SELECT {', '.join(names)} FROM rounds ORDER BY merge_number, round, biome")
        return [merged_round(dict(zip(names, row, strict=True))) for row in rows]

    def merges(self) -> dict[tuple[int, str], int]:
        """Number of the merge that took each round, by (round, biome); the ledger without its figures."""
        rows = self.query("SELECT round, biome, merge_number FROM rounds")
        return {(int(number), str(biome)): int(merge) for number, biome, merge in rows}

    def last_round(self, biome: str) -> int:
        """Highest number among the merged rounds of a biome, 0 where there are none."""
        return int(self.query("SELECT coalesce(max(round), 0) FROM rounds WHERE biome = ?", (biome,))[0][0])

    def phashes_in(self, buckets: Iterable[int]) -> dict[int, set[str]]:
        """The perceptual hashes that stand in each of the given buckets."""
        found: dict[int, set[str]] = {bucket: set() for bucket in buckets}
        for chunk in _chunks(sorted(found), 500):
            marks = ",".join("?" * len(chunk))
            for bucket, phash in self.query(f"SELECT bucket_id, phash FROM tiles WHERE bucket_id IN ({marks})", chunk):
                found[int(bucket)].add(str(phash))
        return found

    def hashes(self) -> NDArray[np.uint64]:
        """The perceptual hashes of all tiles, uint64 (n,), in no order that means anything."""
        packed = b"".join(row[0] for row in self.query("SELECT codes FROM hashes ORDER BY block"))
        return np.frombuffer(packed, "<u8").astype(np.uint64)

    def known_ids(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that are in the library."""
        known: set[str] = set()
        for chunk in _chunks(ids, 500):
            marks = ",".join("?" * len(chunk))
            known.update(str(row[0]) for row in self.query(f"SELECT id FROM tiles WHERE id IN ({marks})", chunk))
        return known

    def rows_with_sha256(self, hashes: Sequence[str]) -> list[LibraryRow]:
        """The library's tiles whose source bytes have one of these hashes."""
        found: list[LibraryRow] = []
        for chunk in _chunks(hashes, 500):
            found += self.rows(f"sha256 IN ({','.join('?' * len(chunk))})", chunk)
        return found

    def rows(self, where: str = "1", parameters: Sequence[object] = ()) -> list[LibraryRow]:
        """Tiles with their provenance, ordered by id."""
        columns = ", ".join(LibraryRow.__slots__)
        sql = f"SELECT {columns} FROM tiles JOIN provenance USING (id) WHERE {where} ORDER BY id"
        return [LibraryRow(*row) for row in self.query(sql, parameters)]

    def count(self) -> int:
        """Tiles in the library."""
        return int(self.query("SELECT coalesce(sum(kept), 0) FROM buckets")[0][0])

    # Writes; call them inside `writing`.

    def announce(self, filepaths: Iterable[str]) -> None:
        """Note pictures that are about to appear, so that a crash before their rows leaves a trace."""
        with self.writing():
            self.mark_pending(filepaths)

    def mark_pending(self, filepaths: Iterable[str]) -> None:
        """Note pictures that the next merge removes unless they have a row by then; call it inside `writing`."""
        self._connection.executemany("INSERT OR IGNORE INTO pending VALUES (?)", ((path,) for path in filepaths))

    def abandoned(self) -> list[str]:
        """Announced pictures whose rows never came."""
        return [str(row[0]) for row in self.query("SELECT filepath FROM pending")]

    def clear_pending(self) -> None:
        """Forget the announcements; their pictures have rows now, or are gone."""
        self._connection.execute("DELETE FROM pending")

    def add_tiles(self, rows: Sequence[LibraryRow]) -> None:
        """Insert tiles, their provenance, and count them in their buckets."""
        self._insert("tiles", TILE_COLUMNS, rows)
        self._insert("provenance", PROVENANCE_COLUMNS, rows)
        self._append_hashes([row.phash for row in rows])
        self._connection.executemany(
            "INSERT INTO buckets VALUES (?, 1) ON CONFLICT (bucket_id) DO UPDATE SET kept = kept + 1",
            ((row.bucket_id,) for row in rows),
        )

    def remove_tiles(self, rows: Sequence[LibraryRow], outcome: str, detail: str) -> None:
        """Remove tiles with their provenance; counts, hits and ledger then say that they ended with ``outcome``."""
        run = self._connection.execute
        for row in rows:
            run("DELETE FROM provenance WHERE id = ?", (row.id,))
            run("DELETE FROM tiles WHERE id = ?", (row.id,))
            run("UPDATE buckets SET kept = kept - 1 WHERE bucket_id = ?", (row.bucket_id,))
            run("DELETE FROM buckets WHERE kept = 0")
            run("UPDATE hits SET hits = hits - 1 WHERE biome = ? AND bucket_id = ?", (row.biome, row.bucket_id))
            run("DELETE FROM hits WHERE hits = 0")
            run("INSERT INTO discards VALUES (?, ?, ?, ?, ?)", (row.biome, row.round, row.position, outcome, detail))
            where = "WHERE biome = ? AND round = ?"
            (text,) = run(f"SELECT outcomes FROM rounds {where}", (row.biome, row.round)).fetchone()
            counts = Counter(json.loads(text))
            counts.update({"kept": -1, outcome: 1})
            run(f"UPDATE rounds SET outcomes = ? {where}", (plain(dict(+counts)), row.biome, row.round))

        if rows:
            self.pack_hashes()

    def pack_hashes(self) -> None:
        """Pack the hashes of all tiles anew; reads every row. Call it inside `writing`."""
        self._connection.execute("DELETE FROM hashes")
        self._append_hashes([str(row[0]) for row in self.query("SELECT phash FROM tiles")])

    def _append_hashes(self, hashes: Sequence[str]) -> None:
        """Fill up the last block, then add further ones."""
        last = self.query("SELECT block, codes FROM hashes ORDER BY block DESC LIMIT 1") or [(0, b"")]
        block, packed = int(last[0][0]), bytes(last[0][1])
        packed += _packed_at_once(hashes) or b"".join(self._packed(code) for code in hashes)
        size = 8 * HASHES_PER_BLOCK
        for start in range(0, len(packed), size):
            values = (block + start // size, packed[start : start + size])
            self._connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", values)

    def _packed(self, code: str) -> bytes:
        try:
            return int(code, 16).to_bytes(8, "little")
        except (ValueError, OverflowError) as error:
            raise DatabaseError(
                f"packing the hashes of {self.path} failed: a tile has the hash {code!r}, expected 16 hexadecimal digits; "
                f"run `mosaic library verify --repair`"
            ) from error

    def add_hits(self, biome: str, hits: dict[int, int]) -> None:
        """Count judged tiles of a biome."""
        self._connection.executemany(
            "INSERT INTO hits VALUES (?, ?, ?) ON CONFLICT (biome, bucket_id) DO UPDATE SET hits = hits + excluded.hits",
            ((biome, bucket, count) for bucket, count in sorted(hits.items())),
        )

    def add_discards(self, biome: str, number: int, discards: Iterable[tuple[int, str, str]]) -> None:
        """Record (position, outcome, detail) of the candidates that were not kept."""
        self._connection.executemany(
            "INSERT INTO discards VALUES (?, ?, ?, ?, ?)", ((biome, number, *discard) for discard in discards)
        )

    def add_round(self, merged: MergedRound) -> None:
        """Write a line of the ledger."""
        names = MergedRound.__slots__
        values = [plain(getattr(merged, name)) for name in names]
        marks = ", ".join("?" * len(names))
        self._connection.execute(f"INSERT INTO rounds ({', '.join(names)}) VALUES ({marks})", values)

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[LibraryRow]) -> None:
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
            map(attrgetter(*columns), rows),
        )


def has_library(library: Path) -> bool:
    """Whether the folder ``mosaic_library`` holds a ``tiles.db``."""
    return has_database(library / "tiles.db")


@contextlib.contextmanager
def open_library(library: Path, *, create: bool = False, write: bool = False) -> Iterator[LibraryDatabase]:
    """Open ``tiles.db`` in the folder ``mosaic_library``; close it on leaving.

    Raises
    ------
    DatabaseError
        Missing (unless ``create``), not ours, damaged, or from a newer version.
    """
    path = library / "tiles.db"
    connection = open_database(path, SCHEMA, SCHEMA_VERSION, create=create, write=write)
    try:
        yield LibraryDatabase(connection, path)
    finally:
        connection.close()


def _packed_at_once(hashes: Sequence[str]) -> bytes:
    """Pack hashes, eight bytes each; nothing where one of them does not have 16 digits."""
    try:
        raw = bytes.fromhex("".join(hashes))
    except ValueError:
        return b""
    if len(raw) != 8 * len(hashes) or set(map(len, hashes)) != {16}:
        return b""
    return np.frombuffer(raw, ">u8").astype("<u8").tobytes()


def _chunks(values: Sequence[object], size: int) -> Iterator[list[object]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
