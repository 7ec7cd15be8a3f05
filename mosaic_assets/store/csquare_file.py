"""The file of the c-square index: its tables, its pages, and reading it in one state."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from types import TracebackType

from mosaic_assets.store.sqlite import explaining_sqlite

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS scenes (
  slot INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, platform TEXT NOT NULL, instrument TEXT NOT NULL, time TEXT,
  image_location TEXT NOT NULL, thumbnail TEXT NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL,
  batch TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS footprints (slot INTEGER PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lists (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, places BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS arrays (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
  batch TEXT PRIMARY KEY, published_at TEXT NOT NULL, fingerprint TEXT NOT NULL,
  scenes INTEGER NOT NULL, pairs INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overruled (id TEXT NOT NULL, batch TEXT NOT NULL, PRIMARY KEY (id, batch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""


class Reading:
    """One read transaction; a context manager written out, for it costs as much as half a search otherwise."""

    __slots__ = ("_connection", "_path")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def __enter__(self) -> int:
        try:
            self._connection.execute("BEGIN")
            row = self._connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        except sqlite3.Error as error:
            self._leave(error)
            raise
        return int(row[0]) if row else 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            with explaining_sqlite(self._path):
                raise error


def use_large_pages(connection: sqlite3.Connection) -> None:
    """Make the pages of an empty database 16 kB: bitsets of 4 kB then share them, which saves a tenth of the file."""
    connection.execute("PRAGMA busy_timeout = 0")
    # Another process may have it open already; then it stays as it is, which is as good but for the size.
    with contextlib.suppress(sqlite3.OperationalError):
        for statement in ("journal_mode = DELETE", "page_size = 16384"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute("VACUUM")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 30000")
