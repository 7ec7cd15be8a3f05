"""The index ``csquares/index.db``: made from the pairs, batch by batch or all at once, with equal answers.

`update_index` brings in what was published, changed or withdrawn since; `rebuild_index` starts from nothing. Either is
one transaction: a crash or a reader meets the old index or the new one. What a key's list holds is told by `lists.lists_of`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.lists import postings_of, runs_of
from mosaic_assets.csquares.pairs import Batch, published_batches, read_batch, read_stamp
from mosaic_assets.csquares.rebuild import rebuild
from mosaic_assets.errors import UnknownNameError
from mosaic_assets.store.csquare_db import CsquareDatabase, open_csquare_db
from mosaic_assets.store.csquare_packing import extend_places, pack_keys, pack_places
from mosaic_assets.store.csquare_records import Catalogue, Scene, microseconds, sort_key

Ints = arrays.Ints


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
            rebuild(db, folder)
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
    _extend_lists(db, np.sort(postings_of(slots, offsets, keys)))
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


def _extend_lists(db: CsquareDatabase, postings: Ints) -> None:
    """Add sorted postings, all behind those that are there, to the lists."""
    gains = dict(runs_of(postings))
    _, there = db.lists(list(gains))
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
            batches, scenes = rebuild(db, folder)
        db.compact()
    return IndexReport(batches, scenes, 0, before, scenes, rebuilt=True)
