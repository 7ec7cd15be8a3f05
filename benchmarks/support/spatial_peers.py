"""Other ways to find the scenes that include part of a square, each asked for the numbers of the scenes.

``holds`` is a question's answer, ascending; all but the R*Tree on boxes are exact.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from mosaic_assets.csquares import decode
from mosaic_assets.csquares.pairs import codes_of_keys, read_batch
from mosaic_assets.csquares.rings import unroll

TURNS = (-360.0, 0.0, 360.0)
"""Footprints over the date line are laid out beyond 180 degrees: a square is looked for there too."""


def laid_out(polygons: Sequence[shapely.Polygon]) -> np.ndarray:
    """Return the footprints as polygons of the plane; (n,) objects."""
    return np.array([shapely.union_all(unroll(polygon, "short")) for polygon in polygons], object)


class Tree:
    """Shapely's STRtree in memory, exact predicate."""

    name = "shapely STRtree, exact"

    def __init__(self, shapes: np.ndarray) -> None:
        start = time.perf_counter()
        shapely.prepare(shapes)
        self._tree = shapely.STRtree(shapes)
        self._tree.query(shapely.Point(0, 0))  # it is built on the first question
        self.made_s = time.perf_counter() - start
        self.bytes = int(shapely.get_num_coordinates(shapes).sum()) * 16

    def holds(self, code: str) -> np.ndarray:
        """Ask for a square's scenes."""
        west, south, east, north, _ = decode(code)
        found = [self._tree.query(shapely.box(west + t, south, east + t, north), "intersects") for t in TURNS]
        return np.unique(np.concatenate(found))


class Boxes:
    """SQLite's R*Tree on the footprints' bounding boxes, in a file; finds too many."""

    name = "SQLite R*Tree on boxes"

    def __init__(self, shapes: np.ndarray, path: Path) -> None:
        start = time.perf_counter()
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE VIRTUAL TABLE boxes USING rtree (scene, west, east, south, north)")
        west, south, east, north = shapely.bounds(shapes).T.tolist()
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO boxes VALUES (?, ?, ?, ?, ?)", zip(range(len(shapes)), west, east, south, north, strict=True)
        )
        self._db.execute("COMMIT")
        self.made_s, self.bytes = time.perf_counter() - start, path.stat().st_size

    def holds(self, code: str) -> np.ndarray:
        """Ask for a square's scenes."""
        west, south, east, north, _ = decode(code)
        sql = "SELECT scene FROM boxes WHERE west < ? AND east > ? AND south < ? AND north > ?"
        found = {row[0] for t in TURNS for row in self._db.execute(sql, (east + t, west + t, north, south))}
        return np.array(sorted(found), np.int64)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


class DuckSpatial:
    """DuckDB with its spatial extension and an R-tree, exact predicate."""

    name = "DuckDB spatial, exact"

    def __init__(self, shapes: np.ndarray, path: Path) -> None:
        """Raise what DuckDB raises when the extension is not on this machine."""
        import duckdb

        self._db = duckdb.connect(str(path))
        self._db.execute("LOAD spatial")
        start = time.perf_counter()
        self._db.execute("CREATE TABLE scenes (scene INTEGER, outline GEOMETRY)")
        rows = list(enumerate(shapely.to_wkb(shapes).tolist()))
        self._db.executemany("INSERT INTO scenes VALUES (?, ST_GeomFromWKB(?))", rows)
        self._db.execute("CREATE INDEX by_outline ON scenes USING RTREE (outline)")
        self._db.execute("CHECKPOINT")
        self.made_s, self.bytes = time.perf_counter() - start, path.stat().st_size

    def holds(self, code: str) -> np.ndarray:
        """Ask for a square's scenes."""
        west, south, east, north, _ = decode(code)
        sql = "SELECT scene FROM scenes WHERE ST_Intersects(outline, ST_MakeEnvelope(?, ?, ?, ?))"
        found = {n for t in TURNS for (n,) in self._db.execute(sql, (west + t, south, east + t, north)).fetchall()}
        return np.array(sorted(found), np.int64)


class TextPairs:
    """Reference 5's table in SQLite: a row a pair, both columns text, an index on each; its own SQL."""

    name = "reference 5's text pairs"

    def __init__(self, folder: Path, batches: Sequence[str], path: Path) -> None:
        start = time.perf_counter()
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE satdata_csq_all (scene_id TEXT, csquare TEXT)")
        self._db.execute("BEGIN")
        for rows in _text_rows(folder, batches):
            self._db.executemany("INSERT INTO satdata_csq_all VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        self._db.execute("CREATE INDEX by_scene ON satdata_csq_all (scene_id)")
        self._db.execute("CREATE INDEX by_square ON satdata_csq_all (csquare)")
        self.made_s, self.bytes = time.perf_counter() - start, path.stat().st_size

    def ids(self, c: str) -> list[tuple[Any, ...]]:
        """Ask for a half-degree square's scenes."""
        sql = "SELECT DISTINCT scene_id FROM satdata_csq_all WHERE csquare IN (?, ?, ?, ?)"
        return self._db.execute(sql, (c, f"{c[:8]}:*", f"{c[:6]}**:*", f"{c[:4]}:***:*")).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _text_rows(folder: Path, batches: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    for name in batches:
        batch = read_batch(folder, name)
        codes, counts = codes_of_keys(batch.keys).tolist(), np.diff(batch.offsets).tolist()
        ids = [scene.id for scene, many in zip(batch.scenes, counts, strict=True) for _ in range(many)]
        yield list(zip(ids, codes, strict=True))
