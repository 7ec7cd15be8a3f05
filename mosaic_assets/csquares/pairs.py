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
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.errors import CodeError, GeometryError, StoreError
from mosaic_assets.store.csquare_db import Scene, Stamp, sort_key, time_text
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa

    from mosaic_assets.csquares.cover import Covers

FORMAT_VERSION = 1
KEYS = arrays.total_of(KEY_LEVEL) * 4
"""Keys are smaller than this."""

_HEADER = b"mosaic_assets.csquare_pairs"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_TEXTS = tuple(field.name for field in fields(Scene) if field.name not in ("id", "time"))


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


def write_pairs(folder: Path, batch: str, scenes: Sequence[Scene], covers: Covers, *, published_at: datetime) -> Stamp:
    """Publish the pairs of a batch, in place of an earlier edition if there is one.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    batch : str
        See `pairs_path`.
    scenes : sequence of Scene
        No id twice; times aware.
    covers : Covers
        What they cover at 0.5 degrees, in the same order; none refused, none without squares.
    published_at : datetime
        Now, aware. Where batches share a scene, the one published last has it.

    Returns
    -------
    Stamp
        Counts and fingerprint; equal content has an equal fingerprint.

    Raises
    ------
    CodeError
        The squares are not of 0.5 degrees.
    GeometryError
        A scene has no squares; leave it out and report it.
    StoreError
        Scenes and covers differ in number, an id is empty or there twice, a time has no zone, or the batch's name
        cannot be that of a file.

    Examples
    --------
    >>> import shapely, tempfile; from datetime import UTC; from mosaic_assets.csquares import cover_many
    >>> folder, now = Path(tempfile.mkdtemp()), datetime(2024, 1, 1, tzinfo=UTC)
    >>> covers = cover_many([shapely.box(140, -41, 141, -40)], 0.5)
    >>> write_pairs(folder, "one", [Scene("h1awj")], covers, published_at=now).pairs
    1
    """
    path = pairs_path(folder, batch)
    _refuse_unfit(batch, scenes, covers, published_at)
    offsets, keys = covers.compressed_keys()
    stamp = Stamp(time_text(published_at), _fingerprint(scenes, offsets, keys), len(scenes), len(keys))
    with publishing(path, f"publishing the c-square pairs of batch {batch}") as temporary:
        _write(
            temporary,
            _table(scenes, offsets, keys),
            {"format_version": FORMAT_VERSION, "batch": batch, **asdict(stamp)},
        )
    return stamp


def _refuse_unfit(batch: str, scenes: Sequence[Scene], covers: Covers, published_at: datetime) -> None:
    attempt = f"publishing the c-square pairs of batch {batch}, {len(scenes)} scenes"
    if level_of(covers.resolution) != KEY_LEVEL:
        raise CodeError(f"{attempt}: their squares are of {covers.resolution} degrees; cover them with 0.5")
    if covers.count != len(scenes):
        raise StoreError(f"{attempt}: the covers are of {covers.count} geometries; pass one geometry a scene")
    seen: set[str] = set()
    for scene in scenes:
        if not scene.id or scene.id in seen:
            raise StoreError(f"{attempt}: the id {scene.id!r} is empty or there twice; give every scene its own")
        seen.add(scene.id)
        if scene.time is not None and scene.time.tzinfo is None:
            raise StoreError(f"{attempt}: the time {scene.time} of {scene.id!r} has no zone; give it one, such as UTC")
    if published_at.tzinfo is None:
        raise StoreError(f"{attempt}: the time of publication {published_at} has no zone; use datetime.now(UTC)")
    offsets, _ = covers.ids()
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if len(empty):
        number = int(empty[0])
        reason = covers.refused.get(number, "its geometry is empty")
        raise GeometryError(
            f"{attempt}: {len(empty)} have no squares, the first is {scenes[number].id!r}: {reason}; leave them out"
        )


def _fingerprint(scenes: Sequence[Scene], offsets: arrays.Ints, keys: arrays.Ints) -> str:
    """Return the SHA-256 of scenes and squares, whatever the order of the scenes."""
    parts = sorted(
        (scene.id, _plain(scene), keys[offsets[number] : offsets[number + 1]].astype("<i4").tobytes())
        for number, scene in enumerate(scenes)
    )
    found = hashlib.sha256()
    for _, text, squares in parts:
        found.update(text.encode() + squares)
    return found.hexdigest()


def _plain(scene: Scene) -> str:
    return json.dumps(asdict(scene), default=time_text)


def _table(scenes: Sequence[Scene], offsets: arrays.Ints, keys: arrays.Ints) -> pa.Table:
    """Return the rows, scenes sorted by time, platform and id; texts as dictionaries, which pandas reads as categories."""
    import pyarrow as pa

    order = sorted(range(len(scenes)), key=lambda number: sort_key(scenes[number]))
    rows = np.concatenate([np.arange(0), *(np.arange(offsets[n], offsets[n + 1]) for n in order)])
    keys = keys[rows]
    scene = np.repeat(np.arange(len(order)), np.diff(offsets)[order]).astype(np.int32)
    distinct, place = np.unique(keys, return_inverse=True)
    columns: dict[str, pa.Array] = {
        "scene_id": pa.DictionaryArray.from_arrays(scene, [scenes[number].id for number in order]),
        "csquare": pa.DictionaryArray.from_arrays(place.astype(np.int32), codes_of_keys(distinct).tolist()),
        "key": pa.array(keys.astype(np.int32)),
    }
    for name in _TEXTS:
        columns[name] = (
            pa.array([getattr(scenes[number], name) for number in order], pa.string()).take(scene).dictionary_encode()
        )
    times = pa.array([scenes[number].time for number in order], pa.timestamp("us", tz="UTC"))
    columns["time"] = times.take(scene)
    # An empty batch has no text to tell the type from.
    schema = pa.schema([(name, _type(name)) for name in columns])
    return pa.table({name: column.cast(schema.field(name).type) for name, column in columns.items()}, schema=schema)


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    plain = {"key": pa.int32(), "time": pa.timestamp("us", tz="UTC")}
    return plain.get(name, pa.dictionary(pa.int32(), pa.string()))


def codes_of_keys(keys: arrays.Ints) -> arrays.Texts:
    """Return the compressed codes that keys stand for, in half-degree length.

    Examples
    --------
    >>> codes_of_keys(np.array([0, 2, 19])).tolist()
    ['1000:***:*', '1000:100:*', '1000:101:1']
    """
    return arrays.starred(keys >> 2, keys & 3, KEY_LEVEL)


def _write(path: Path, table: pa.Table, header: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    texts = [name for name in table.column_names if name != "key"]
    with pq.ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        write_page_checksum=True,
        use_dictionary=texts,
        column_encoding={"key": "DELTA_BINARY_PACKED"},
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_HEADER: json.dumps(header, sort_keys=True).encode()})


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
    header = json.loads((metadata or {})[_HEADER])
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
        table = file.read(columns=["scene_id", "time", *_TEXTS, *(["key"] if squares else [])]).combine_chunks()
        ids = pc.dictionary_encode(table["scene_id"]).combine_chunks().indices.to_numpy() if len(table) else np.zeros(0)
        starts = np.flatnonzero(np.diff(ids, prepend=-1))
        keys = table["key"].to_numpy().astype(np.int64) if squares else np.zeros(0, np.int64)
        rows = table.select(["scene_id", "time", *_TEXTS]).take(starts).to_pylist()
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
