"""Pairs of scene and square as Parquet, one file a batch: the source of truth that the index is derived from.

``csquares/pairs/<batch>.parquet`` has a row for every square in a scene's compressed list, sorted by scene and square:

============== =====================================================================================================
scene_id       the scene
csquare        code of half-degree length, ``*`` for what is open: ``3414:227:4``, ``3414:1**:*``
key            the same as an integer: four times the id of its first half-degree square, plus 0, 1, 2, 3 for 10, 5, 1, 0.5 degrees
platform, instrument, time, image_location, thumbnail, source, licence   of the scene, on every row (this costs next to nothing)
============== =====================================================================================================

So one file is complete, appears whole or not at all, and can be asked with SQL without a second one.
A scene that is in several batches counts as the batch published last has it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.errors import StoreError
from mosaic_assets.store.csquare_db import Scene, Stamp

FORMAT_VERSION = 1
KEYS = arrays.total_of(KEY_LEVEL) * 4
"""Keys are smaller than this."""

HEADER = b"mosaic_assets.csquare_pairs"
"""Where a file's metadata say which edition of which batch it is."""

TEXTS = tuple(field.name for field in fields(Scene) if field.name not in ("id", "time"))
"""Columns that hold texts of a scene."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


@dataclass(frozen=True)
class Batch:
    """The scenes of one file and their squares; those of scene ``i`` are ``keys[offsets[i]:offsets[i + 1]]``."""

    name: str
    stamp: Stamp
    scenes: list[Scene]
    offsets: arrays.Ints
    """(scenes + 1,) int64."""
    keys: arrays.Ints
    """(pairs,) int64, ascending within a scene; empty when only the scenes were read."""

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Positions in ``scenes`` by id."""
        return {scene.id: number for number, scene in enumerate(self.scenes)}

    def keys_of(self, number: int) -> arrays.Ints:
        """Return the keys of one scene, (n,) int64."""
        return self.keys[self.offsets[number] : self.offsets[number + 1]]


def pairs_path(folder: Path, batch: str) -> Path:
    """Return where the pairs of a batch are.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    batch : str
        1..120 letters, digits, ``.``, ``_`` or ``-``; the first a letter or a digit.

    Raises
    ------
    StoreError
        The name cannot be that of a file.

    Examples
    --------
    >>> pairs_path(Path("csquares"), "hobart-2003-06").as_posix()
    'csquares/pairs/hobart-2003-06.parquet'
    """
    if not _NAME.fullmatch(batch):
        raise StoreError(
            f"naming the pairs of batch {batch!r}: expected 1 to 120 letters, digits, dots, underscores or hyphens, the first "
            "a letter or a digit; choose such a name"
        )
    return folder / "pairs" / f"{batch}.parquet"


def published_batches(folder: Path) -> list[str]:
    """Return the names of the batches that have a file of pairs, sorted; none when the folder is missing."""
    found = (path.stem for path in (folder / "pairs").glob("*.parquet"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def codes_of_keys(keys: arrays.Ints) -> arrays.Texts:
    """Return the compressed codes that keys stand for, in half-degree length.

    Examples
    --------
    >>> codes_of_keys(np.array([0, 2, 19])).tolist()
    ['1000:***:*', '1000:100:*', '1000:101:1']
    """
    return arrays.starred(keys >> 2, keys & 3, KEY_LEVEL)


def read_stamp(folder: Path, batch: str) -> Stamp | None:
    """Return which edition of a batch is published, or None when there is none; costs about a millisecond.

    Raises
    ------
    StoreError
        The file is damaged, not one of pairs, that of another batch, or of a newer format.
    """
    import pyarrow.parquet as pq

    path = pairs_path(folder, batch)
    if not path.is_file():
        return None
    with _explaining_damage(path):
        return _stamp_of(pq.read_metadata(path).metadata, path, batch)


def _stamp_of(metadata: dict[bytes, bytes] | None, path: Path, batch: str) -> Stamp:
    header = json.loads((metadata or {})[HEADER])
    if header.pop("format_version") > FORMAT_VERSION:
        raise StoreError(f"reading {path}: a newer mosaic_assets wrote its format; upgrade mosaic_assets")
    if (owner := header.pop("batch")) != batch:
        raise StoreError(f"reading {path}: it holds the pairs of batch {owner!r}; rename it back to {owner}.parquet")
    return Stamp(**header)


@contextlib.contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"reading the c-square pairs {path} failed: {error!r}. Restore the file from a copy, or move it away and publish the "
            "batch again"
        ) from error


def read_batch(folder: Path, batch: str, *, squares: bool = True) -> Batch:
    """Read the pairs of a batch.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    batch : str
        See `published_batches`.
    squares : bool
        False leaves out the keys and reads the scenes only.

    Raises
    ------
    StoreError
        Missing, damaged, not a file of pairs, or of a newer format.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = pairs_path(folder, batch)
    with _explaining_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        stamp = _stamp_of(file.metadata.metadata, path, batch)
        table = file.read(columns=["scene_id", "time", *TEXTS, *(["key"] if squares else [])]).combine_chunks()
        ids = pc.dictionary_encode(table["scene_id"]).combine_chunks().indices.to_numpy() if len(table) else np.zeros(0)
        starts = np.flatnonzero(np.diff(ids, prepend=-1))
        keys = table["key"].to_numpy().astype(np.int64) if squares else np.zeros(0, np.int64)
        rows = table.select(["scene_id", "time", *TEXTS]).take(starts).to_pylist()
        scenes = [Scene(id=row.pop("scene_id"), **row) for row in rows]
    offsets = np.append(starts, len(table)).astype(np.int64)
    if (len(scenes), len(table)) != (stamp.scenes, stamp.pairs) or not _sound(offsets, keys):
        raise StoreError(
            f"reading the c-square pairs {path}: {len(scenes)} scenes and {len(table)} pairs are not the {stamp.scenes} and "
            f"{stamp.pairs} sorted ones that were published; restore the file from a copy, or publish the batch again"
        )
    return Batch(batch, stamp, scenes, offsets, keys)


def _sound(offsets: arrays.Ints, keys: arrays.Ints) -> bool:
    """Return whether keys are in range and ascend within every scene."""
    if not len(keys):
        return True
    rising = np.diff(keys) > 0
    rising[offsets[1:-1] - 1] = True
    return bool(rising.all()) and int(keys.min()) >= 0 and int(keys.max()) < KEYS
