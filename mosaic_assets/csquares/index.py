"""The index ``csquares/index.db``: made from the pairs, batch by batch or all at once, with equal answers.

`update_index` brings in what was published, changed or withdrawn since; `rebuild_index` starts from nothing. Either is
one transaction: a crash or a reader meets the old index or the new one. What a key's list holds is told by `lists_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.pairs import Batch, published_batches, read_batch, read_stamp
from mosaic_assets.errors import UnknownNameError
from mosaic_assets.store.csquare_db import (
    BLOCK,
    BLOCK_BITS,
    Catalogue,
    CsquareDatabase,
    Scene,
    Stamp,
    extend_places,
    microseconds,
    open_csquare_db,
    pack_keys,
    pack_places,
    sort_key,
)

Ints = arrays.Ints

TOUCH = 1 << 20
"""Added to the key of a 10- or 5-degree square: the list of scenes that have it or any square inside it."""
LIST_BITS = 21
"""A list's id is its block, then this many bits for the key, `TOUCH` included."""

_PAIRS_AT_ONCE = 24_000_000
"""Pairs sorted at a time in a rebuild, in whole blocks: some 600 MB of memory."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an update or a rebuild did, and what the index holds now."""

    batches: int
    """Batches brought in, changed or withdrawn."""
    added: int
    changed: int
    """Scenes whose record or squares changed."""
    removed: int
    scenes: int
    """Scenes in the index now."""
    rebuilt: bool


def index_path(folder: Path) -> Path:
    """Return where the index is: ``index.db`` in the folder ``csquares`` of the data home."""
    return folder / "index.db"


def lists_of(key: int) -> list[int]:
    """Return the lists that together name every scene which includes all or part of a square.

    A scene includes part of a square if its compressed squares have the square, one around it, or one inside it.
    For 10 and 5 degrees one list (`TOUCH`) stands for the square and all inside.

    Examples
    --------
    >>> lists_of(19)  # 1000:101:1: itself, 1000:101, 1000:1, 1000
    [19, 18, 1, 0]
    >>> lists_of(0) == [TOUCH]
    True
    """
    leaf, level = key >> 2, key & 3
    above = [leaf // 4 * 16 + 2, leaf // 100 * 400 + 1, leaf // 400 * 1600][3 - level :]
    if level < 2:
        return [TOUCH | key, *above]
    inside = [4 * (leaf + place) + 3 for place in range(4)] if level == 2 else []
    return [key, *inside, *above]


def update_index(folder: Path, batches: Iterable[str] | None = None) -> IndexReport:
    """Bring the index up to date with the published pairs; make it if there is none.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    batches : iterable of str, optional
        Batches to look at, published or withdrawn (their file is gone); by default all. Those that the index has as
        they are cost next to nothing.

    Raises
    ------
    UnknownNameError
        A batch is neither published nor in the index.
    StoreError
        A file of pairs cannot be read; the index stays as it was.
    DatabaseError
        The index is damaged: move it away and rebuild it.
    BusyError
        Another process is writing to it.

    Examples
    --------
    >>> import tempfile
    >>> update_index(Path(tempfile.mkdtemp())).scenes
    0
    """
    with open_csquare_db(index_path(folder), create=True) as db:
        if batches is not None:
            batches = sorted(set(batches))
            _refuse_unknown(db, folder, batches)
        if not _stale(db, folder, batches):
            return IndexReport(0, 0, 0, 0, len(db.catalogue().order), rebuilt=False)
        with db.writing():
            # Another process may have been here between the question and the lock.
            change = _Change(db, folder, _stale(db, folder, batches))
            report = change.apply()
            if not _worn(db.catalogue()):
                return report
            _rebuild(db, folder)
        db.compact()
    return IndexReport(report.batches, report.added, report.changed, report.removed, report.scenes, rebuilt=True)


def _refuse_unknown(db: CsquareDatabase, folder: Path, batches: Iterable[str]) -> None:
    known = {*published_batches(folder), *db.batches()}
    for batch in batches:
        if batch not in known:
            raise UnknownNameError("batch of c-square pairs", batch, known, "Publish it with write_pairs first.")


def _stale(db: CsquareDatabase, folder: Path, batches: Iterable[str] | None) -> list[str]:
    """Return which batches differ between the folder and the index."""
    known = db.batches()
    names = {*known, *published_batches(folder)} if batches is None else set(batches)
    return [name for name in sorted(names) if read_stamp(folder, name) != known.get(name)]


def _worn(catalogue: Catalogue) -> bool:
    """Whether so many slots stand empty, after changes to scenes, that making the index anew pays."""
    return catalogue.slots - len(catalogue.order) > max(1_000, catalogue.slots // 4)


class _Change:
    """The batches that changed, and for every scene in question the batch that has it now."""

    def __init__(self, db: CsquareDatabase, folder: Path, names: Iterable[str]) -> None:
        self._db, self._folder = db, folder
        self._known = db.batches()
        self._changed: dict[str, Batch | None] = {}
        self._loaded: dict[str, Batch] = {}
        self._ids: set[str] = set()
        todo = list(names)
        while todo:
            todo += self._look_at(todo.pop())

    def _look_at(self, name: str) -> list[str]:
        """Load a changed batch; return others that have the same scenes and changed, too."""
        if name in self._changed:
            return []
        there = read_stamp(self._folder, name) is not None
        batch = self._changed[name] = read_batch(self._folder, name) if there else None
        ids = self._db.claimed_by(name) | ({scene.id for scene in batch.scenes} if batch else set())
        self._ids |= ids
        rivals = {rival for _, rival in self._db.claims(ids)} - self._changed.keys()
        return [rival for rival in sorted(rivals) if read_stamp(self._folder, rival) != self._known[rival]]

    def apply(self) -> IndexReport:
        """Write what changed."""
        db = self._db
        winners, overruled = self._winners()
        stored = db.stored(self._ids)
        gone = [stored[scene_id].slot for scene_id in sorted(stored.keys() - winners.keys())]
        fresh: list[tuple[Scene, str, Ints]] = []
        renamed: list[tuple[int, Scene, str]] = []
        moved = 0
        for scene_id, batch in winners.items():
            number = batch.number_of[scene_id]
            scene, keys, old = batch.scenes[number], batch.keys_of(number), stored.get(scene_id)
            if old is None or old.keys != pack_keys(keys):
                fresh.append((scene, batch.name, keys))
                gone += [old.slot] if old else []
                moved += old is not None
            elif (old.scene, old.batch) != (scene, batch.name):
                renamed.append((old.slot, scene, batch.name))
        removed = len(gone) - moved
        db.remove(gone)
        db.put_scenes(renamed)
        for name, changed in self._changed.items():
            db.put_batch(name, changed.stamp if changed else None)
        db.put_overruled(self._ids, overruled)
        fresh.sort(key=lambda row: sort_key(row[0]))
        total = _add(db, fresh, in_order=not gone and not renamed)
        return IndexReport(len(self._changed), len(fresh) - moved, moved + len(renamed), removed, total, rebuilt=False)

    def _winners(self) -> tuple[dict[str, Batch], list[tuple[str, str]]]:
        """Return, for every scene in question, the batch that has it, and the (id, batch) that come second."""
        claims: dict[str, set[str]] = {scene_id: set() for scene_id in self._ids}
        for scene_id, name in self._db.claims(self._ids):
            if name not in self._changed:
                claims[scene_id].add(name)
        for name, batch in self._changed.items():
            for scene in batch.scenes if batch else ():
                claims[scene.id].add(name)
        winners, overruled = {}, []
        for scene_id in sorted(self._ids):
            if claims[scene_id]:
                *others, first = sorted(claims[scene_id], key=self._rank)
                winners[scene_id] = self._batch(first)
                overruled += [(scene_id, name) for name in others]
        return winners, overruled

    def _rank(self, name: str) -> tuple[str, str]:
        batch = self._changed.get(name)
        return (batch.stamp if batch else self._known[name]).published_at, name

    def _batch(self, name: str) -> Batch:
        changed = self._changed.get(name)
        if changed is not None:
            return changed
        if name not in self._loaded:
            self._loaded[name] = read_batch(self._folder, name)
        return self._loaded[name]


def _add(db: CsquareDatabase, rows: list[tuple[Scene, str, Ints]], *, in_order: bool) -> int:
    """Give scenes, sorted, the next slots; return how many scenes there are now."""
    before = db.catalogue()
    slots = np.arange(before.slots, before.slots + len(rows))
    numbered = list(zip(slots.tolist(), rows, strict=True))
    db.put_scenes((slot, scene, batch) for slot, (scene, batch, _) in numbered)
    db.put_footprints((slot, pack_keys(keys)) for slot, (_, _, keys) in numbered)
    offsets = np.concatenate([[0], np.cumsum([len(keys) for _, _, keys in rows], dtype=np.int64)])
    keys = np.concatenate([np.zeros(0, np.int64), *(keys for _, _, keys in rows)])
    _extend_lists(db, np.sort(_postings(slots, offsets, keys)))
    if in_order and _all_later(db, before, rows):
        after = _extended(before, [scene for scene, _, _ in rows])
    else:
        after = db.sorted_catalogue(before.slots + len(rows))
    db.put_catalogue(after)
    return len(after.order)


def _all_later(db: CsquareDatabase, before: Catalogue, rows: list[tuple[Scene, str, Ints]]) -> bool:
    """Whether sorted scenes come behind all that are in the index."""
    if not rows or not len(before.order):
        return True
    (last,) = db.scenes(before.order[-1:])
    return sort_key(last) < sort_key(rows[0][0])


def _extended(catalogue: Catalogue, scenes: list[Scene]) -> Catalogue:
    """Return the catalogue with scenes that come behind all others, in the next slots."""
    names = list(catalogue.names)
    names += sorted({scene.platform for scene in scenes} - set(names))
    place = {name: number for number, name in enumerate(names)}
    return Catalogue(
        np.append(catalogue.order, np.arange(catalogue.slots, catalogue.slots + len(scenes))),
        np.append(catalogue.times, np.array([microseconds(scene.time) for scene in scenes], np.int64)),
        np.append(catalogue.platforms, np.array([place[scene.platform] for scene in scenes], np.uint16)),
        tuple(names),
        catalogue.slots + len(scenes),
    )


def _postings(slots: Ints, offsets: Ints, keys: Ints) -> Ints:
    """Return what lists gain from scenes: numbers of (block, `TOUCH` and key, place in the block), unsorted.

    Parameters
    ----------
    slots : (n,) int64
    offsets : (n + 1,) int64
        The keys of the scene in ``slots[i]`` are ``keys[offsets[i]:offsets[i + 1]]``.
    keys : (m,) int64
        Ascending within a scene.
    """
    slot = np.repeat(slots, np.diff(offsets))
    leaf, level = keys >> 2, keys & 3
    found = [_numbered(slot, keys)]
    for finest, leaves in ((0, 400), (1, 100)):
        which = np.flatnonzero(level >= finest)
        around, of = leaf[which] // leaves, slot[which]
        # Keys ascend within a scene, so the squares around them come in runs.
        first = np.ones(len(which), bool)
        first[1:] = (around[1:] != around[:-1]) | (of[1:] != of[:-1])
        found.append(_numbered(of[first], around[first] * (4 * leaves) + finest | TOUCH))
    return np.concatenate(found)


def _numbered(slot: Ints, key: Ints) -> Ints:
    return ((slot >> BLOCK_BITS) << LIST_BITS | key) << BLOCK_BITS | slot & (BLOCK - 1)


def _runs(postings: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield list ids, ascending, with their places, from sorted postings."""
    ids = postings >> BLOCK_BITS
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    places = postings & (BLOCK - 1)
    ends = [*starts[1:].tolist(), len(ids)][: len(starts)]  # no end without a start
    for list_id, start, end in zip(ids[starts].tolist(), starts.tolist(), ends, strict=True):
        yield list_id, places[start:end]


def _extend_lists(db: CsquareDatabase, postings: Ints) -> None:
    """Add sorted postings, all behind those that are there, to the lists."""
    gains = dict(_runs(postings))
    there = db.lists(list(gains))
    db.put_lists((list_id, *extend_places(kind, packed, gains.pop(list_id))) for list_id, kind, packed in there)
    db.put_lists((list_id, *pack_places(places)) for list_id, places in gains.items())


def rebuild_index(folder: Path) -> IndexReport:
    """Make the index anew from all published pairs; afterwards a scene's slot is its number.

    Memory: some 600 MB for any number of scenes, and about 1 kB a scene. Until it is done, searches answer from the old
    index.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.

    Raises
    ------
    StoreError
        A file of pairs cannot be read; the index stays as it was.
    DatabaseError
        ``index.db`` is damaged or not ours; move it away, then rebuild.
    BusyError
        Another process is writing to it.

    Examples
    --------
    >>> import tempfile
    >>> rebuild_index(Path(tempfile.mkdtemp())).rebuilt
    True
    """
    with open_csquare_db(index_path(folder), create=True) as db:
        with db.writing():
            before = len(db.catalogue().order)
            batches, scenes = _rebuild(db, folder)
        db.compact()
    return IndexReport(batches, scenes, 0, before, scenes, rebuilt=True)


@dataclass(frozen=True)
class _Part:
    """What a rebuild must know of a file: the slot of each of its scenes, or -1 where another batch has it."""

    name: str
    stamp: Stamp
    slots: Ints
    pairs: Ints
    """Pairs of each scene."""


def _rebuild(db: CsquareDatabase, folder: Path) -> tuple[int, int]:
    """Return how many batches and scenes there are."""
    db.clear()
    parts, scenes = _number_scenes(db, folder)
    for part in parts:
        db.put_batch(part.name, part.stamp)
    for low, high in _groups(parts, scenes):
        _write_group(db, folder, parts, low, high)
    db.put_catalogue(db.sorted_catalogue(scenes))
    return len(parts), scenes


def _number_scenes(db: CsquareDatabase, folder: Path) -> tuple[list[_Part], int]:
    """Write all scenes in the order of time, each as the batch published last has it."""
    batches = [read_batch(folder, name, squares=False) for name in published_batches(folder)]
    owner: dict[str, int] = {}
    overruled: list[tuple[str, str]] = []
    for at in sorted(range(len(batches)), key=lambda at: (batches[at].stamp.published_at, batches[at].name)):
        for scene in batches[at].scenes:
            if scene.id in owner:
                overruled.append((scene.id, batches[owner[scene.id]].name))
            owner[scene.id] = at
    db.put_overruled([], overruled)
    rows = [
        (scene, at, number)
        for at, batch in enumerate(batches)
        for number, scene in enumerate(batch.scenes)
        if owner[scene.id] == at
    ]
    rows.sort(key=lambda row: sort_key(row[0]))
    db.put_scenes((slot, scene, batches[at].name) for slot, (scene, at, _) in enumerate(rows))
    slots = [np.full(len(batch.scenes), -1) for batch in batches]
    for slot, (_, at, number) in enumerate(rows):
        slots[at][number] = slot
    parts = [_Part(b.name, b.stamp, slots[at], np.diff(b.offsets)) for at, b in enumerate(batches)]
    return parts, len(rows)


def _groups(parts: list[_Part], scenes: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of slots, of whole blocks, that are sorted together."""
    blocks = -(-scenes // BLOCK)
    load = np.zeros(blocks + 1)
    for part in parts:
        np.add.at(load, part.slots >> BLOCK_BITS, part.pairs)  # -1, the last, takes those of no slot
    low = 0
    for block in range(blocks):
        if block + 1 == blocks or load[low : block + 2].sum() > _PAIRS_AT_ONCE:
            yield low * BLOCK, (block + 1) * BLOCK
            low = block + 1


def _write_group(db: CsquareDatabase, folder: Path, parts: list[_Part], low: int, high: int) -> None:
    """Write lists and footprints of a range of slots."""
    postings = [np.zeros(0, np.int64)]
    footprints: list[tuple[int, bytes]] = []
    for part in parts:
        mine = np.flatnonzero((part.slots >= low) & (part.slots < high))
        if len(mine) == 0:
            continue
        batch = read_batch(folder, part.name)
        keys = [batch.keys_of(number) for number in mine.tolist()]
        footprints += zip(part.slots[mine].tolist(), map(pack_keys, keys), strict=True)
        offsets = np.concatenate([[0], np.cumsum(part.pairs[mine])])
        postings.append(_postings(part.slots[mine], offsets, np.concatenate(keys)))
    joined = np.concatenate(postings)
    postings.clear()
    joined.sort()
    db.put_lists((list_id, *pack_places(places)) for list_id, places in _runs(joined))
    footprints.sort()
    db.put_footprints(footprints)
