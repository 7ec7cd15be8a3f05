"""Making the index anew from all published pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.lists import postings_of, runs_of
from mosaic_assets.csquares.pairs import published_batches, read_batch
from mosaic_assets.store.csquare_db import CsquareDatabase
from mosaic_assets.store.csquare_packing import BLOCK, BLOCK_BITS, pack_keys, pack_places
from mosaic_assets.store.csquare_records import Stamp, sort_key

Ints = arrays.Ints

_PAIRS_AT_ONCE = 24_000_000
"""Pairs sorted at a time in a rebuild, in whole blocks: some 600 MB of memory."""


@dataclass(frozen=True)
class _Part:
    """What a rebuild must know of a file: the slot of each of its scenes, or -1 where another batch has it."""

    name: str
    stamp: Stamp
    slots: Ints
    pairs: Ints
    """Pairs of each scene."""


def rebuild(db: CsquareDatabase, folder: Path) -> tuple[int, int]:
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
        postings.append(postings_of(part.slots[mine], offsets, np.concatenate(keys)))
    joined = np.concatenate(postings)
    postings.clear()
    joined.sort()
    db.put_lists((list_id, *pack_places(places)) for list_id, places in runs_of(joined))
    footprints.sort()
    db.put_footprints(footprints)
