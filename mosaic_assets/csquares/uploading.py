"""Batches on their way into the index: queue, footprints, pairs, index. Where a batch is says how far it has come."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import resolution_of
from mosaic_assets.csquares.cover import Covers, cover_many
from mosaic_assets.csquares.footprints import (
    batch_path,
    batches_in,
    footprints_path,
    published_footprints,
    queue_path,
    read_footprints,
    read_header,
    read_scenes,
)
from mosaic_assets.csquares.inbox import move, unfinished_take, waiting_files
from mosaic_assets.csquares.index import index_path
from mosaic_assets.csquares.merging import KEY_LEVEL, merge_ids
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.pairs import pairs_path
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_db import open_csquare_db
from mosaic_assets.store.files import make_folder
from mosaic_assets.store.sqlite import has_database

if TYPE_CHECKING:
    from shapely import Geometry


@dataclass(frozen=True, slots=True)
class Uploading:
    """What is on its way into the index."""

    files: int
    """Files in the inbox, settled or not, and those of a take that is not finished."""
    batches: int
    """Batches that wait, or are in work."""
    scenes: int
    """Their scenes."""


@dataclass(frozen=True, slots=True)
class SizeCount:
    """Squares of one size, before and after compression."""

    resolution: float
    """Degrees."""
    squares: int
    compressed: int


@dataclass(frozen=True, slots=True)
class FootprintReport:
    """A published batch of footprints."""

    path: Path
    scenes: int
    taken_at: datetime
    platforms: dict[str, int]
    first: datetime | None
    """Earliest acquisition, of the scenes that have a time."""
    last: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PairsReport:
    """The squares of a batch."""

    path: Path
    scenes: int
    pairs: int
    sizes: list[SizeCount]
    """Of all scenes together, each counted for itself."""
    example: str
    """Id of the scene with the most squares; empty without scenes."""
    example_sizes: list[SizeCount]
    example_codes: list[str]
    """Its squares, compressed."""
    example_geometry: Geometry | None
    size_bytes: int
    seconds: float

    @property
    def scenes_a_second(self) -> float:
        """Scenes a second, from reading footprints to published pairs."""
        return self.scenes / self.seconds if self.seconds else 0.0


def waiting_batches(settings: Settings) -> list[str]:
    """Return the batches that are not in the index yet, in the order in which they came.

    Raises
    ------
    DatabaseError
        The index is damaged.
    """
    there = {*batches_in(queue_path(settings, "any").parent), *published_footprints(settings.csquares)}
    return sorted(there - _indexed(settings))


def _indexed(settings: Settings) -> set[str]:
    path = index_path(settings.csquares)
    if not has_database(path):
        return set()
    with open_csquare_db(path) as db:
        return set(db.batches())


def uploading(settings: Settings) -> Uploading:
    """Return what is on its way into the index; all zero when everything that was dropped can be found.

    Raises
    ------
    StoreError
        A batch or the index is damaged.

    Examples
    --------
    >>> import tempfile; from mosaic_assets.settings import load_settings
    >>> uploading(load_settings(home=tempfile.mkdtemp()))
    Uploading(files=0, batches=0, scenes=0)
    """
    batches = waiting_batches(settings)
    names = {path.name for path in waiting_files(settings)}
    plan = unfinished_take(settings)
    names |= {file.name for file in plan.files} if plan else set()
    scenes = sum(read_header(batch_path(settings, batch)).scenes for batch in batches)
    return Uploading(len(names), len(batches), scenes)


def publish_footprints(settings: Settings, batch: str) -> FootprintReport:
    """Move a batch from the queue to ``csquares/footprints/``, and tell what it holds. Repeating it does no harm.

    Raises
    ------
    StoreError
        There is no such batch, or its file is damaged.
    """
    source, target = queue_path(settings, batch), footprints_path(settings.csquares, batch)
    if source.exists():
        read_header(source)  # a damaged file stays in the queue, where somebody will look for it
        make_folder(target.parent)
        move(source, target)
    if not target.exists():
        raise StoreError(
            f"publishing the footprints of batch {batch!r}: it is neither in {source.parent} nor in {target.parent}. Drop its "
            "scene files in the inbox again, or delete the partition"
        )
    scenes, header = read_scenes(target), read_header(target)
    times = [scene.time for scene in scenes if scene.time]
    return FootprintReport(
        target,
        len(scenes),
        header.taken_at,
        dict(Counter(scene.platform for scene in scenes).most_common()),
        min(times, default=None),
        max(times, default=None),
        target.stat().st_size,
    )


def publish_pairs(settings: Settings, batch: str) -> PairsReport:
    """Cover the footprints of a batch with squares, and publish the pairs.

    They count as published when the batch was taken: making the pairs of an old batch anew does not put its edition
    of a scene before that of a later batch.

    Raises
    ------
    StoreError
        There are no footprints of that batch, or the file is damaged.
    GeometryError
        A footprint cannot be covered; the reader let it pass, and another version of the package was used then.
    """
    began = time.perf_counter()
    found = read_footprints(footprints_path(settings.csquares, batch))
    outlines = [footprint.geometry for footprint in found.footprints]
    covers = cover_many(outlines, 0.5)
    scenes = [footprint.scene for footprint in found.footprints]
    stamp = write_pairs(settings.csquares, batch, scenes, covers, published_at=found.taken_at)
    seconds = time.perf_counter() - began
    path = pairs_path(settings.csquares, batch)
    number = _largest(covers)
    alone = [outlines[number]] if scenes else []
    return PairsReport(
        path,
        len(scenes),
        stamp.pairs,
        sizes_of(covers),
        scenes[number].id if scenes else "",
        sizes_of(cover_many(alone, 0.5)),
        covers.compressed(number) if scenes else [],
        alone[0] if alone else None,
        path.stat().st_size,
        seconds,
    )


def _largest(covers: Covers) -> int:
    """Return the number of the geometry with the most squares, the first of them; 0 when there is none."""
    offsets, _ = covers.ids()
    return int(np.diff(offsets).argmax()) if covers.count else 0


def sizes_of(covers: Covers) -> list[SizeCount]:
    """Count the squares at 10, 5, 1 and 0.5 degrees of geometries covered at 0.5, before and after compression.

    A square of a coarser grid is met if and only if one inside it is, so nothing is covered anew.

    Examples
    --------
    >>> import shapely
    >>> for size in sizes_of(cover_many([shapely.box(0, 0, 10, 11)], 0.5)):
    ...     print(size.resolution, size.squares, size.compressed)
    10.0 2 2
    5.0 6 3
    1.0 110 11
    0.5 440 11
    """
    offsets, ids = covers.ids()
    owner = np.repeat(np.arange(covers.count), np.diff(offsets))
    found = []
    for level in range(KEY_LEVEL + 1):
        total = arrays.total_of(level)
        # Numbers of different geometries lie a whole world apart, so that one sweep counts all of them; they ascend.
        squares = owner * total + ids // (arrays.total_of(KEY_LEVEL) // total)
        squares = squares[np.diff(squares, prepend=-1) > 0]
        found.append(SizeCount(resolution_of(level), len(squares), len(merge_ids(squares, level)[0])))
    return found
