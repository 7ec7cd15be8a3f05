"""The file of a gallery: its tables, whether a database is one, and which grid it is in."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from mosaic_assets.core.grids import Grid, grid_named
from mosaic_assets.errors import DatabaseError, GalleryError, UnknownNameError
from mosaic_assets.store.sqlite import APPLICATION_ID, explaining_sqlite, has_database, read_only

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS ge_tiles (
  zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, time_ TEXT NOT NULL,
  tile_data BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ge_tiles_place ON ge_tiles (zoom_level, tile_column, tile_row, time_ DESC);
CREATE TABLE IF NOT EXISTS tile_facts (
  zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, time_ TEXT NOT NULL,
  sha256 BLOB NOT NULL, PRIMARY KEY (zoom_level, tile_column, tile_row, time_)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS missing_tiles (
  zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, time_ TEXT NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (zoom_level, tile_column, tile_row, time_)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS coverages (
  zoom_level INTEGER NOT NULL, time_ TEXT NOT NULL, west REAL NOT NULL, south REAL NOT NULL, east REAL NOT NULL,
  north REAL NOT NULL, provenance TEXT NOT NULL, PRIMARY KEY (zoom_level, time_)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gallery_info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""


def refuse_other_databases(path: Path) -> None:
    """Say what an existing file is when it is no gallery of ours, before anything is added to it."""
    if not has_database(path):
        return
    with explaining_sqlite(path), contextlib.closing(read_only(path)) as connection:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "ge_tiles" in names and owner != APPLICATION_ID:
        raise GalleryError(
            f"{path} has a table ge_tiles, but was not made here and does not say which grid it is in; move it away, then take "
            "its tiles over with `mosaic gallery import FILE --grid GoogleCRS84Quad` (or WebMercatorQuad)"
        )
    if "gallery_info" not in names:
        some = ", ".join(sorted(names)[:5]) or "none"
        raise GalleryError(f"{path} is not a gallery (its tables: {some}); move it away or choose another --home")


def grid_of(connection: sqlite3.Connection, path: Path, new: Grid | None) -> Grid:
    """Return the grid that the file is in, after writing it into a file that has none yet."""
    if new is not None:
        connection.execute("INSERT OR IGNORE INTO gallery_info VALUES ('grid', ?)", (new.name,))
    row = connection.execute("SELECT value FROM gallery_info WHERE key = 'grid'").fetchone()
    if row is None:
        raise GalleryError(f"{path} does not say which grid it is in; move it away and build it anew")
    try:
        return grid_named(row[0])
    except UnknownNameError as error:
        raise DatabaseError(f"{path} is in a grid that is not known here: {error}") from error
