"""``gallery.db``: tiles of a continuous region as reference 4 has them, and beside them what its readers never ask for.

``ge_tiles(zoom_level, tile_column, tile_row, time_, tile_data)`` is the reference's table: rows count from the north,
``tile_data`` is a JPEG or PNG of 256 x 256 pixels, ``time_`` an ISO date, or empty where nobody says when. Its index lists
the newest time first, so that a reader that takes the first row of a place takes the newest.

The grid is written into the file when it is created and never changes; whoever opens it for writing says which grid they
mean, and is refused when it is another. A tile is in the file whole or not at all: rows come in transactions.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mosaic_assets.core.grids import Grid
from mosaic_assets.core.records import Bounds, Outcome, Tile
from mosaic_assets.errors import GalleryError
from mosaic_assets.store.gallery_file import SCHEMA, SCHEMA_VERSION, grid_of, refuse_other_databases
from mosaic_assets.store.gallery_records import Coverage, MissingTile, StoredTile
from mosaic_assets.store.sqlite import Database, explaining_sqlite, has_database, open_database

BATCH = 256
"""Rows that are read at a time."""


class GalleryDatabase(Database):
    """An opened gallery; made by `open_gallery`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, grid: Grid) -> None:
        super().__init__(connection, path)
        self.grid = grid

    def counts(self) -> dict[tuple[int, str], int]:
        """Tiles by (zoom, time), in that order."""
        rows = self.query("SELECT zoom_level, time_, count(*) FROM tile_facts GROUP BY 1, 2 ORDER BY 1, 2")
        return {(zoom, time): count for zoom, time, count in rows}

    def zooms(self) -> list[int]:
        """Zoom levels that have tiles, ascending."""
        return sorted({zoom for zoom, _ in self.counts()})

    def count(self, zoom: int | None = None) -> int:
        """How many tiles there are, at one zoom or at all of them; every time counts."""
        return sum(count for (level, _), count in self.counts().items() if zoom in (None, level))

    def read(self, tile: Tile, time: str | None = None) -> bytes | None:
        """Bytes of a tile, the newest when no time is given; None when it is not there.

        Raises
        ------
        GeometryError
            The gallery's grid has no such tile.
        """
        self.grid.check(tile)
        sql = "SELECT tile_data FROM ge_tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
        sql, when = (sql, ()) if time is None else (f"{sql} AND time_ = ?", (time,))
        rows = self.query(f"{sql} ORDER BY time_ DESC LIMIT 1", (tile.z, tile.x, tile.y, *when))
        return rows[0][0] if rows else None

    def tiles(self, zoom: int, time: str | None = None) -> list[Tile]:
        """Tiles that are there, column by column from the west, each from the north; each once, whatever its times."""
        condition, when = ("", ()) if time is None else ("AND time_ = ?", (time,))
        rows = self.query(
            f"SELECT DISTINCT tile_column, tile_row FROM tile_facts WHERE zoom_level = ? {condition} ORDER BY 1, 2",
            (zoom, *when),
        )
        return [Tile(x, y, zoom) for x, y in rows]

    def bodies(self, zoom: int, time: str | None = None, *, all_times: bool = False) -> Iterator[StoredTile]:
        """Yield the tiles of a zoom with their bytes, in the order of `tiles`, some hundred in memory at a time.

        Without ``time`` the newest of each place, or with ``all_times`` every one, the newest first.
        """
        after: tuple[int, int, str] | None = None
        seen: Tile | None = None
        while rows := self._bodies_after(zoom, time, after):
            for x, y, when, data in rows:
                tile = Tile(x, y, zoom)
                if all_times or tile != seen:
                    yield StoredTile(tile, when, data)
                seen = tile
            after = rows[-1][:3]

    def _bodies_after(self, zoom: int, time: str | None, after: tuple[int, int, str] | None) -> list[tuple[Any, ...]]:
        # Each batch is a query of its own: no read transaction stays open while the caller works.
        conditions, values = ["zoom_level = ?"], [zoom]
        if time is not None:
            conditions.append("time_ = ?")
            values.append(time)  # type: ignore[arg-type]
        if after is not None:
            # The first comparison lets SQLite begin in its index where the last batch ended.
            conditions.append(
                "tile_column >= ? AND ((tile_column, tile_row) > (?, ?) OR (tile_column = ? AND tile_row = ? AND time_ < ?))"
            )
            x, y, when = after
            values += [x, x, y, x, y, when]  # type: ignore[list-item]
        return self.query(
            f"SELECT tile_column, tile_row, time_, tile_data FROM ge_tiles WHERE {' AND '.join(conditions)} "
            f"ORDER BY tile_column, tile_row, time_ DESC LIMIT {BATCH}",
            values,
        )

    def known(self, zoom: int, time: str) -> set[Tile]:
        """Tiles of a zoom and time that need not be asked for again: those there, and those missing for good."""
        there = self.tiles(zoom, time)
        return {*there, *(one.tile for one in self.missing(zoom, time) if one.outcome != Outcome.FETCH_FAILED)}

    def missing(self, zoom: int | None = None, time: str | None = None) -> list[MissingTile]:
        """Tiles that were asked for and are not there, in order."""
        rows = self.query(
            "SELECT zoom_level, tile_column, tile_row, time_, outcome, detail FROM missing_tiles "
            "WHERE (?1 IS NULL OR zoom_level = ?1) AND (?2 IS NULL OR time_ = ?2) ORDER BY 1, 2, 3, 4",
            (zoom, time),
        )
        return [MissingTile(Tile(x, y, z), when, outcome, detail) for z, x, y, when, outcome, detail in rows]

    def checksums(self, zoom: int, time: str | None = None) -> dict[tuple[Tile, str], str]:
        """SHA-256 of the bytes of each tile as they were written, hexadecimal, by (tile, time)."""
        rows = self.query(
            "SELECT tile_column, tile_row, time_, sha256 FROM tile_facts WHERE zoom_level = ?1 "
            "AND (?2 IS NULL OR time_ = ?2) ORDER BY 1, 2, 3",
            (zoom, time),
        )
        return {(Tile(x, y, zoom), when): digest.hex() for x, y, when, digest in rows}

    def checksum(self, tile: Tile, time: str) -> str | None:
        """SHA-256 of the bytes of a tile as they were written, hexadecimal; None when there is no such tile."""
        rows = self.query(
            "SELECT sha256 FROM tile_facts WHERE (zoom_level, tile_column, tile_row, time_) = (?, ?, ?, ?)",
            (*_place(tile), time),
        )
        return rows[0][0].hex() if rows else None

    def places(self, zoom: int, columns: range) -> list[tuple[Tile, str]]:
        """Tiles of some columns with their newest time, in the order of `tiles`."""
        rows = self.query(
            "SELECT tile_column, tile_row, max(time_) FROM tile_facts WHERE zoom_level = ? AND tile_column BETWEEN ? AND ? "
            "GROUP BY 1, 2 ORDER BY 1, 2",
            (zoom, columns.start, columns.stop - 1),
        )
        return [(Tile(x, y, zoom), when) for x, y, when in rows]

    def sample(self, zoom: int, count: int) -> list[tuple[Tile, str]]:
        """About ``count`` tiles with their times, spread over a zoom; the same ones until tiles are added."""
        total = self.count(zoom)
        rows = self.query(
            "SELECT tile_column, tile_row, time_ FROM tile_facts WHERE zoom_level = ? "
            "AND (tile_column * 31 + tile_row * 17) % ? = 0 ORDER BY 1, 2, 3",
            (zoom, max(1, total // max(1, count))),
        )
        return [(Tile(x, y, zoom), when) for x, y, when in rows]

    def fingerprint(self, zoom: int | None = None) -> str:
        """SHA-256 over grid, places, times and checksums of the tiles: what an index made from them remembers."""
        digest = hashlib.sha256(self.grid.name.encode())
        rows = self.query(
            "SELECT zoom_level, tile_column, tile_row, time_, sha256 FROM tile_facts "
            "WHERE ?1 IS NULL OR zoom_level = ?1 ORDER BY 1, 2, 3, 4",
            (zoom,),
        )
        for z, x, y, when, checksum in rows:
            digest.update(f"{z} {x} {y} {when} ".encode() + checksum)
        return digest.hexdigest()

    def state(self) -> str:
        """Say in few words what changes with every tile that is written or removed; a count, where `fingerprint` reads all."""
        newest, count = self.query("SELECT coalesce(max(rowid), 0), count(*) FROM ge_tiles")[0]
        return f"{self.grid.name}, {count} tiles, {newest} written"

    def coverages(self) -> list[Coverage]:
        """Regions that the gallery is to cover, by zoom and time."""
        rows = self.query("SELECT * FROM coverages ORDER BY zoom_level, time_")
        return [Coverage(z, when, Bounds(w, s, e, n), json.loads(text)) for z, when, w, s, e, n, text in rows]

    def set_coverage(self, coverage: Coverage) -> None:
        """Write down a region to cover; inside `writing`. One of the same zoom and time is replaced."""
        text = json.dumps(coverage.provenance, sort_keys=True)
        self._connection.execute(
            "INSERT OR REPLACE INTO coverages VALUES (?, ?, ?, ?, ?, ?, ?)",
            (coverage.zoom, coverage.time, *coverage.bounds, text),
        )

    def add(self, tiles: Iterable[StoredTile]) -> None:
        """Write tiles, in the place of those of the same place and time; inside `writing`.

        Raises
        ------
        GeometryError
            The gallery's grid has no such tile.
        """
        rows = [(one.tile.z, one.tile.x, one.tile.y, one.time, one.data) for one in tiles if self.grid.check(one.tile)]
        self._connection.executemany("INSERT OR REPLACE INTO ge_tiles VALUES (?, ?, ?, ?, ?)", rows)
        facts = [(*row[:4], hashlib.sha256(row[4]).digest()) for row in rows]
        self._connection.executemany("INSERT OR REPLACE INTO tile_facts VALUES (?, ?, ?, ?, ?)", facts)
        places = [row[:4] for row in rows]
        self._connection.executemany(
            "DELETE FROM missing_tiles WHERE (zoom_level, tile_column, tile_row, time_) = (?, ?, ?, ?)", places
        )

    def commit(self, tiles: Sequence[StoredTile]) -> int:
        """Write tiles in a transaction of their own; return how many."""
        with self.writing():
            self.add(tiles)
        return len(tiles)

    def note(self, key: str, value: str) -> None:
        """Write down something about the gallery; inside `writing`. The grid cannot be changed so."""
        self._connection.execute("INSERT OR REPLACE INTO gallery_info SELECT ?1, ?2 WHERE ?1 <> 'grid'", (key, value))

    def notes(self) -> dict[str, str]:
        """What is written down about the gallery; ``grid`` is one of the keys."""
        return dict(self.query("SELECT key, value FROM gallery_info ORDER BY 1"))

    def add_missing(self, tiles: Iterable[MissingTile]) -> None:
        """List tiles that were asked for in vain; inside `writing`."""
        rows = [(*_place(one.tile), one.time, one.outcome, one.detail) for one in tiles]
        self._connection.executemany("INSERT OR REPLACE INTO missing_tiles VALUES (?, ?, ?, ?, ?, ?)", rows)


def gallery_path(folder: Path) -> Path:
    """Path of the database in the folder of a gallery."""
    return folder / "gallery.db"


def has_gallery(folder: Path) -> bool:
    """Whether the folder holds a gallery."""
    return has_database(gallery_path(folder))


@contextlib.contextmanager
def open_gallery(folder: Path, *, grid: Grid | None = None, create: bool = False) -> Iterator[GalleryDatabase]:
    """Open the gallery of a folder.

    Parameters
    ----------
    folder : where ``gallery.db`` is or shall be.
    grid : the grid that the caller works in; None takes whatever the file says. Needed to create.
    create : make an empty gallery where there is none.

    Raises
    ------
    GalleryError
        There is none, the file is another database, or its grid is another.
    DatabaseError
        Not a database, damaged, or written by a newer version.
    """
    path = gallery_path(folder)
    if create and grid is None:
        raise GalleryError(f"creating {path}: the grid is missing; say GoogleCRS84Quad or WebMercatorQuad")
    if not create and not has_database(path):
        raise GalleryError(f"there is no gallery at {path} yet; build one with `mosaic gallery build`")
    refuse_other_databases(path)
    with contextlib.closing(open_database(path, SCHEMA, SCHEMA_VERSION, create=create)) as connection:
        with explaining_sqlite(path):
            found = grid_of(connection, path, grid if create else None)
        if grid is not None and found != grid:
            raise GalleryError(
                f"{path} is in the grid {found.name}, but {grid.name} was asked for; the two are never mixed. Set "
                f'gallery.grid = "{found.name}", or choose another --home for the other grid'
            )
        yield GalleryDatabase(connection, path, found)


def _place(tile: Tile) -> tuple[int, int, int]:
    return tile.z, tile.x, tile.y
