"""Writing the pairs of a batch: what it may hold, its fingerprint, and its rows as Parquet; see `mosaic_assets.csquares.pairs`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.csquares.pairs import FORMAT_VERSION, HEADER, TEXTS, codes_of_keys, pairs_path
from mosaic_assets.errors import CodeError, GeometryError, StoreError
from mosaic_assets.store.csquare_db import Scene, Stamp, sort_key, time_text
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa

    from mosaic_assets.csquares.cover import Covers


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
    for name in TEXTS:
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
        writer.add_key_value_metadata({HEADER: json.dumps(header, sort_keys=True).encode()})
