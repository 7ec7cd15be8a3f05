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
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import DatabaseError
from mosaic_assets.store.sqlite import atomic, explaining_sqlite, has_database, open_database, snapshot

Ints = NDArray[np.int64]

SCHEMA_VERSION = 1
BLOCK_BITS = 15
"""A block is ``1 << BLOCK_BITS`` slots: a bitset of 4 kB. Larger blocks make additions slow, smaller ones searches."""
BLOCK = 1 << BLOCK_BITS
NO_TIME = np.iinfo(np.int64).max
"""Stands in ``Catalogue.times`` for a scene without a time; such scenes come last."""

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


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of an archive: all that a search answers with. Texts may be empty, except the id."""

    id: str
    platform: str = ""
    """The satellite, as in ``NOAA-12``."""
    instrument: str = ""
    time: datetime | None = None
    """Start of the acquisition, aware; None where a data set has no times."""
    image_location: str = ""
    thumbnail: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which edition of a batch of pairs this is."""

    published_at: str
    """ISO 8601, UTC, microseconds: later editions sort behind earlier ones."""
    fingerprint: str
    """SHA-256 of scenes and squares."""
    scenes: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A scene as it stands in the index."""

    slot: int
    scene: Scene
    batch: str
    keys: bytes


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns over all scenes, sorted by time (none last), platform and id; a scene's number is its position."""

    order: Ints
    """(n,) slots."""
    times: Ints
    """(n,) microseconds since 1970 UTC, or `NO_TIME`; ascending."""
    platforms: NDArray[np.uint16]
    """(n,) positions in ``names``."""
    names: tuple[str, ...]
    slots: int
    """Slots given out so far, those of removed scenes included."""

    @property
    def in_place(self) -> bool:
        """True when a scene's number is its slot."""
        return len(self.order) == self.slots and bool((self.order == np.arange(self.slots)).all())


def pack_keys(keys: Ints) -> bytes:
    """Return ascending keys as bytes: differences, bytes of one weight together, deflated.

    Parameters
    ----------
    keys : (n,) int64
        Ascending, 0..2**24 - 1.

    Examples
    --------
    >>> unpack_keys(pack_keys(np.array([5, 9, 70_000]))).tolist()
    [5, 9, 70000]
    """
    steps = np.diff(keys, prepend=0).astype("<i4")
    return zlib.compress(steps.view(np.uint8).reshape(-1, 4)[:, :3].T.tobytes(), 6)


def unpack_keys(packed: bytes) -> Ints:
    """Return the keys in what `pack_keys` made, (n,) int64."""
    low, middle, high = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(3, -1).astype(np.int64)
    return np.cumsum(low | middle << 8 | high << 16)


LIST, BITS, GAPS = 0, 1, 2
"""How places are packed: 16-bit numbers; a bit a place, the least significant first; a byte a gap."""
_SKIP = 255
"""As a gap: skip this many places and take none. A smaller gap is skipped, and the place behind it taken."""
_FEW = 32
"""Lists up to this long stay numbers; packing them tighter would save next to nothing."""


_COUNT = np.arange(BLOCK)
_COUNT.setflags(write=False)


def pack_places(places: Ints) -> tuple[int, bytes]:
    r"""Return ascending places in a block in a short form.

    Returns
    -------
    kind : int
        `LIST`, `BITS` or `GAPS`.
    packed : bytes

    Examples
    --------
    >>> pack_places(np.array([1, 300])), pack_places(np.array([0, 1, 9]))
    ((0, b'\x01\x00,\x01'), (1, b'\x03\x02'))
    """
    count, size = len(places), int(places[-1]) // 8 + 1
    if 2 * count > size:  # gaps would be shorter still, but bits are by far the fastest to read
        bits = np.zeros(8 * size, np.uint8)
        bits[places] = 1
        return BITS, np.packbits(bits, bitorder="little").tobytes()
    if count > _FEW:
        gaps = places.copy()
        gaps[1:] -= places[:-1] + 1
        skips = gaps // _SKIP
        length = count + int(skips.sum())
        if length < 2 * count:
            packed = np.full(length, _SKIP, np.uint8)
            packed[np.cumsum(skips + 1) - 1] = gaps - _SKIP * skips
            return GAPS, packed.tobytes()
    return LIST, places.astype("<u2").tobytes()


def unpack_places(kind: int, packed: bytes) -> Ints:
    """Return the places in what `pack_places` made, (n,) int64 ascending."""
    if kind == BITS:
        return np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little"))
    if kind == LIST:
        return np.frombuffer(packed, "<u2").astype(np.int64)
    gaps = np.frombuffer(packed, np.uint8)
    if b"\xff" not in packed:  # the usual case, at a third of the time
        places: Ints = gaps.astype(np.int64).cumsum()
        places += _COUNT[: len(places)]
        return places
    taken = gaps != _SKIP
    behind: Ints = np.cumsum(gaps + taken, dtype=np.int64)[taken]  # no byte overflows: 255 is never taken
    return behind - 1


def extend_places(kind: int, packed: bytes, more: Ints) -> tuple[int, bytes]:
    """Return what `pack_places` made with further places, all behind those that are there.

    A bitset stays one, though a list might become shorter in time; a rebuild chooses anew.

    Examples
    --------
    >>> unpack_places(*extend_places(*pack_places(np.array([0, 1, 9])), np.array([20]))).tolist()
    [0, 1, 9, 20]
    """
    if kind != BITS:
        return pack_places(np.concatenate([unpack_places(kind, packed), more]))
    bits = bytearray(packed)
    bits.extend(bytes(int(more[-1]) // 8 + 1 - len(bits)))
    for place in more.tolist():
        bits[place >> 3] |= 1 << (place & 7)
    return BITS, bytes(bits)


def microseconds(moment: datetime | None) -> int:
    """Return an aware moment as microseconds since 1970 UTC; `NO_TIME` for None."""
    if moment is None:
        return NO_TIME
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def sort_key(scene: Scene) -> tuple[int, str, str]:
    """Return what scenes are ordered by: time, platform, id."""
    return microseconds(scene.time), scene.platform, scene.id


_COLUMNS = tuple(field.name for field in fields(Scene))
_NAMES = ", ".join(_COLUMNS)


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

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Answer several questions from one state of the index."""
        with explaining_sqlite(self.path), snapshot(self._connection):
            yield

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

    def lists(self, ids: Sequence[int]) -> list[tuple[int, int, bytes]]:
        """(id, kind, places) of those lists that there are; call it inside `reading` or `writing`."""
        few = len(ids) <= 64  # question marks are faster, and limited in number
        wanted = ",".join("?" * len(ids)) if few else "SELECT value FROM json_each(?)"
        parameters: Sequence[object] = ids if few else (_as_json(ids),)
        sql = f"SELECT id, kind, places FROM lists WHERE id IN ({wanted})"
        return self._connection.execute(sql, parameters).fetchall()

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


def _as_json(values: Sequence[object]) -> str:
    return json.dumps(list(values))


def _row(scene: Scene) -> list[object]:
    return [time_text(value) if isinstance(value, datetime) else value for value in astuple(scene)]


def _scene(row: Sequence[Any]) -> Scene:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Scene(**{**values, "time": datetime.fromisoformat(values["time"]) if values["time"] else None})


def time_text(moment: datetime) -> str:
    """Return an aware moment as ISO 8601 text in UTC, always of 27 characters, so that texts sort as moments do.

    >>> time_text(datetime(2003, 6, 21, 6, 23, tzinfo=UTC))
    '2003-06-21T06:23:00.000000Z'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@contextlib.contextmanager
def open_csquare_db(path: Path, *, create: bool = False) -> Iterator[CsquareDatabase]:
    """Open ``index.db``; close it on leaving.

    Raises
    ------
    DatabaseError
        Missing (unless ``create``), not ours, damaged, or from a newer version.
    """
    if not create and not has_database(path):
        raise DatabaseError(
            f"opening the c-square index {path} failed: there is none yet. Publish pairs with "
            "mosaic_assets.csquares.pairs.write_pairs, then call mosaic_assets.csquares.index.update_index"
        )
    connection = open_database(path, SCHEMA, SCHEMA_VERSION, create=create)
    try:
        connection.execute("PRAGMA cache_size = -32768")  # 32 MB instead of 2: the lists around a place stay at hand
        yield CsquareDatabase(connection, path)
    finally:
        connection.close()
