"""``csquares/index.db``: which scenes include which squares, derived from the pairs and made anew from them at will.

========== ==========================================================================================================
table      one row for
========== ==========================================================================================================
scenes     a scene: its id, what a search answers with, the batch it came from, and its slot
footprints a scene: the keys of its compressed squares, packed by `pack_keys`
lists      a square in a block of slots: the scenes that have it in their compressed list, packed by `pack_places`
arrays     a column over all scenes in the order of time: slots, times, platforms
batches    a batch of pairs that is in the index, as it was then
overruled  a scene that a later batch has too: what to look at again should that batch lose it
meta       a fact about the index: its generation, slots given out so far, platform names
========== ==========================================================================================================

A **slot** is a scene's place in the lists. Slots are given out in the order of time within a batch, never twice, so
that adding scenes only ever adds to the ends of lists. A **block** is 32,768 slots. The array ``order`` holds the slots
sorted by time, platform and id; after a rebuild it counts 0, 1, 2, ...
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mosaic_assets.errors import NotBuiltError
from mosaic_assets.store.csquare_file import SCHEMA, SCHEMA_VERSION, Reading, use_large_pages
from mosaic_assets.store.csquare_packing import Ints, pack_keys, unpack_keys
from mosaic_assets.store.csquare_records import NO_TIME, Catalogue, Scene, Stamp, Stored, sort_key, time_text
from mosaic_assets.store.sqlite import atomic, explaining_sqlite, has_database, open_database

__all__ = [
    "Catalogue",
    "CsquareDatabase",
    "Scene",
    "Stamp",
    "Stored",
    "open_csquare_db",
    "pack_keys",
    "sort_key",
    "time_text",
    "unpack_keys",
]

_COLUMNS = tuple(field.name for field in fields(Scene))
_NAMES = ", ".join(_COLUMNS)
_TIME = _COLUMNS.index("time")
_MARKS = 64
"""So many ids are bound one by one, which is faster than as JSON; SQLite limits their number."""


class CsquareDatabase:
    """An open ``index.db``. Reads run when called; writes happen inside `writing`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction around all writes of an addition or a rebuild; readers see it whole or not at all."""
        with explaining_sqlite(self.path), atomic(self._connection):
            yield
            generation = self.generation() + 1
            self.set_meta("generation", str(generation))

    def reading(self) -> Reading:
        """Answer several questions from one state of the index; gives its generation."""
        return Reading(self._connection, self.path)

    @property
    def is_reading(self) -> bool:
        """Whether this is inside `reading`."""
        return self._connection.in_transaction

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one reading statement."""
        with explaining_sqlite(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def generation(self) -> int:
        """Number of transactions that changed the index; what was read holds as long as it stays."""
        return int(self.meta("generation") or 0)

    def meta(self, key: str) -> str | None:
        """One fact about the index, or None."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def catalogue(self) -> Catalogue:
        """The columns over all scenes."""
        found = dict(self.query("SELECT name, content FROM arrays"))
        order, times, platforms = (
            np.frombuffer(found.get(name, b""), kind)
            for name, kind in (("order", "<i4"), ("times", "<i8"), ("platforms", "<u2"))
        )
        names = tuple(json.loads(self.meta("platforms") or "[]"))
        return Catalogue(order.astype(np.int64), times, platforms, names, int(self.meta("slots") or 0))

    def lists(self, ids: Sequence[int]) -> tuple[int, list[tuple[int, int, bytes]]]:
        """The generation, and (id, kind, places) of those lists that there are; both from one state of the index."""
        few = len(ids) <= _MARKS
        parameters: Sequence[object] = ids if few else (_as_json(ids),)
        try:
            rows = self._connection.execute(_lists_sql(len(ids) if few else None), parameters).fetchall()
        except sqlite3.Error as error:
            with explaining_sqlite(self.path):
                raise error
        return rows.pop()[1], rows

    def scenes(self, slots: Ints) -> list[Scene]:
        """The scenes in some slots, in the order of the slots asked for."""
        sql = f"SELECT slot, {_NAMES} FROM scenes WHERE slot IN (SELECT value FROM json_each(?))"
        found = {row[0]: _scene(row[1:]) for row in self.query(sql, (_as_json(slots.tolist()),))}
        return [found[slot] for slot in slots.tolist()]

    def slot_of(self, scene_id: str) -> int | None:
        """The slot of a scene, or None."""
        rows = self.query("SELECT slot FROM scenes WHERE id = ?", (scene_id,))
        return int(rows[0][0]) if rows else None

    def ids(self) -> list[tuple[int, str]]:
        """(slot, id) of every scene."""
        return self.query("SELECT slot, id FROM scenes")

    def footprint(self, slot: int) -> Ints:
        """The keys of a scene's compressed squares."""
        return unpack_keys(self.query("SELECT keys FROM footprints WHERE slot = ?", (slot,))[0][0])

    def batches(self) -> dict[str, Stamp]:
        """The batches that are in the index, by name."""
        rows = self.query("SELECT batch, published_at, fingerprint, scenes, pairs FROM batches ORDER BY batch")
        return {row[0]: Stamp(*row[1:]) for row in rows}

    def claims(self, ids: Iterable[str]) -> list[tuple[str, str]]:
        """(id, batch) of every batch that has one of these scenes, those overruled by a later batch included."""
        wanted = "IN (SELECT value FROM json_each(?1))"
        sql = f"SELECT id, batch FROM scenes WHERE id {wanted} UNION SELECT id, batch FROM overruled WHERE id {wanted}"
        return self.query(sql, (_as_json(sorted(ids)),))

    def claimed_by(self, batch: str) -> set[str]:
        """The ids of the scenes that a batch had when it was added."""
        sql = "SELECT id FROM scenes WHERE batch = ?1 UNION SELECT id FROM overruled WHERE batch = ?1"
        return {str(row[0]) for row in self.query(sql, (batch,))}

    def stored(self, ids: Iterable[str]) -> dict[str, Stored]:
        """Those of some scenes that are in the index, by id."""
        sql = (
            f"SELECT slot, batch, keys, {_NAMES} FROM scenes JOIN footprints USING (slot) "
            "WHERE id IN (SELECT value FROM json_each(?))"
        )
        rows = self.query(sql, (_as_json(sorted(ids)),))
        return {row[3]: Stored(row[0], _scene(row[3:]), row[1], row[2]) for row in rows}

    # Writes; call them inside `writing`.

    def clear(self) -> None:
        """Empty every table; the generation goes on counting."""
        for table in ("scenes", "footprints", "lists", "arrays", "batches", "overruled"):
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("DELETE FROM meta WHERE key <> 'generation'")

    def compact(self) -> None:
        """Give the disk back what a rebuild left free, if that is much; call it outside `writing`."""
        with explaining_sqlite(self.path):
            free, pages = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count")
            )
            if free > pages // 10:
                self._connection.execute("VACUUM")

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the index."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def put_lists(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        """Write (id, kind, places), replacing lists of the same id."""
        self._connection.executemany("INSERT OR REPLACE INTO lists VALUES (?, ?, ?)", rows)

    def put_scenes(self, rows: Iterable[tuple[int, Scene, str]]) -> None:
        """Write (slot, scene, batch), replacing the scene in the same slot."""
        marks = ", ".join("?" * (len(_COLUMNS) + 2))
        self._connection.executemany(
            f"INSERT OR REPLACE INTO scenes (slot, {_NAMES}, batch) VALUES ({marks})",
            ((slot, *_row(scene), batch) for slot, scene, batch in rows),
        )

    def put_footprints(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Write (slot, packed keys)."""
        self._connection.executemany("INSERT INTO footprints VALUES (?, ?)", rows)

    def remove(self, slots: Iterable[int]) -> None:
        """Forget the scenes in some slots; the lists keep the slots, `Catalogue.order` tells that nobody is there."""
        for slot in slots:
            for table in ("scenes", "footprints"):
                self._connection.execute(f"DELETE FROM {table} WHERE slot = ?", (slot,))

    def put_catalogue(self, catalogue: Catalogue) -> None:
        """Write the columns over all scenes."""
        columns = {
            "order": catalogue.order.astype("<i4"),
            "times": catalogue.times.astype("<i8"),
            "platforms": catalogue.platforms.astype("<u2"),
        }
        rows = ((name, column.tobytes()) for name, column in columns.items())
        self._connection.executemany("INSERT OR REPLACE INTO arrays VALUES (?, ?)", rows)
        self.set_meta("platforms", json.dumps(catalogue.names))
        self.set_meta("slots", str(catalogue.slots))

    def sorted_catalogue(self, slots: int) -> Catalogue:
        """Make the columns over all scenes from the table ``scenes``."""
        # The time without its Z is what numpy reads; texts of one form sort as the times do.
        rows = self.query(
            "SELECT slot, coalesce(substr(time, 1, 26), 'NaT'), platform FROM scenes "
            "ORDER BY time IS NULL, time, platform, id"
        )
        order, times, platforms = zip(*rows, strict=True) if rows else ((), (), ())
        moments = np.array(times, "datetime64[us]")
        names, codes = np.unique(np.array(platforms, object).astype(str), return_inverse=True)
        return Catalogue(
            np.array(order, np.int64),
            np.where(np.isnat(moments), NO_TIME, moments.astype(np.int64)),
            codes.astype(np.uint16),
            tuple(names.tolist()),
            slots,
        )

    def put_batch(self, batch: str, stamp: Stamp | None) -> None:
        """Record that a batch is in the index, or with None that it no longer is."""
        self._connection.execute("DELETE FROM batches WHERE batch = ?", (batch,))
        if stamp is not None:
            self._connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", (batch, *astuple(stamp)))

    def put_overruled(self, ids: Iterable[str], rows: Iterable[tuple[str, str]]) -> None:
        """Replace what is known of the overruled editions of some scenes by (id, batch)."""
        self._connection.executemany("DELETE FROM overruled WHERE id = ?", ((scene_id,) for scene_id in ids))
        self._connection.executemany("INSERT INTO overruled VALUES (?, ?)", rows)


@cache
def _lists_sql(marks: int | None) -> str:
    """One statement for lists and generation: two would need a transaction around them, and twice the time."""
    wanted = "SELECT value FROM json_each(?)" if marks is None else ",".join("?" * marks)
    return (
        f"SELECT id, kind, places FROM lists WHERE id IN ({wanted}) UNION ALL "
        "SELECT -1, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'), 0), NULL"
    )


def _as_json(values: Sequence[object]) -> str:
    return json.dumps(list(values))


def _row(scene: Scene) -> list[object]:
    return [time_text(value) if isinstance(value, datetime) else value for value in astuple(scene)]


def _scene(row: Sequence[Any]) -> Scene:
    """Return a scene from its columns, in the order of its fields."""
    values = list(row)
    values[_TIME] = datetime.fromisoformat(row[_TIME]) if row[_TIME] else None
    return Scene(*values)


@contextlib.contextmanager
def open_csquare_db(path: Path, *, create: bool = False) -> Iterator[CsquareDatabase]:
    """Open ``index.db``; close it on leaving.

    Raises
    ------
    NotBuiltError
        Missing, unless ``create``.
    DatabaseError
        Not ours, damaged, or from a newer version.
    """
    if not create and not has_database(path):
        raise NotBuiltError(
            f"opening the c-square index {path} failed: there is none yet. Run `mosaic run`, which also takes scene files "
            "from inbox/scenes of the data home, or materialize csquare_index; in Python, call write_pairs and then update_index"
        )
    fresh = not has_database(path)
    connection = open_database(path, SCHEMA, SCHEMA_VERSION, create=create)
    try:
        if fresh:
            use_large_pages(connection)
        connection.execute("PRAGMA cache_size = -32768")  # 32 MB instead of 2: the lists around a place stay at hand
        yield CsquareDatabase(connection, path)
    finally:
        connection.close()
