"""Reading round files (`mosaic_assets.store.rounds`): a header, places, rows with or without source bytes; and dropping these."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import StoreError
from mosaic_assets.store.files import publishing
from mosaic_assets.store.rounds import FORMAT_VERSION, HEADER_KEY, RoundHeader, how_to_write, round_path

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def read_header(path: Path) -> RoundHeader:
    """Read what a round file says of itself; costs a quarter of a millisecond.

    Raises
    ------
    StoreError
        The file is not a round file, is damaged, or is of a newer format.
    """
    import pyarrow.parquet as pq

    with _explaining_damage(path):
        metadata = pq.read_metadata(path)
    return _header(path, metadata)


def _header(path: Path, metadata: pq.FileMetaData) -> RoundHeader:
    """Return the header that stands in a file's metadata, checked."""
    with _explaining_damage(path):
        values = json.loads((metadata.metadata or {})[HEADER_KEY])
        version = int(values["format_version"])
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{path} has format {version}, this version reads up to {FORMAT_VERSION}; upgrade mosaic_assets"
        )
    with _explaining_damage(path):
        header = RoundHeader(**values)
    if path != round_path(path.parents[1], header.biome, header.round):
        raise StoreError(
            f"{path} holds round {header.round} of biome {header.biome}, so its place is "
            f"{header.biome}/round-{header.round:05d}.parquet; move it back there"
        )
    return header


@contextlib.contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"reading round file {path} failed: {error!r}. Restore it from a copy, or move it out of the harvest folder; "
            f"its tiles will then be harvested anew"
        ) from error


class RoundTable(NamedTuple):
    """A round read at one go, but for the source bytes."""

    header: RoundHeader
    table: pa.Table
    """All columns but ``body``."""

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for every planned tile, in the order of their positions."""
        return _rows(self.table)


def read_round(path: Path) -> RoundTable:
    """Read a round's header and all columns but the source bytes; `StoreError` as of `read_header`."""
    import pyarrow.parquet as pq

    with _explaining_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        header = _header(path, file.metadata)
        return RoundTable(header, file.read(columns=_all_but_bodies(file.schema_arrow.names), use_threads=False))


def read_rows(path: Path, *, bodies: bool, batch: int = 256) -> Iterator[list[dict[str, Any]]]:
    """Yield a round's rows in batches, in the order of their positions."""
    for chunk in _chunks(path, None if bodies else _all_but_bodies, batch):
        yield _rows(chunk)


def _rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    names, values = table.schema.names, [column.to_pylist() for column in table.columns]
    return [dict(zip(names, row)) for row in zip(*values)]  # noqa: B905 - a table's columns are equally long


def read_bodies(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, bytes | None]]:
    """Yield position and source bytes of the wanted rows, by position; None where they are not kept, or were dropped."""

    def choose(names: list[str]) -> list[str]:
        return [name for name in names if name in ("position", "body")]

    for chunk in _chunks(path, choose, 256, wanted):
        positions = chunk.column("position").to_pylist()
        bodies = chunk.column("body").to_pylist() if "body" in chunk.schema.names else [None] * len(positions)
        yield from ((position, body) for position, body in zip(positions, bodies, strict=True) if position in wanted)


def _all_but_bodies(names: list[str]) -> list[str]:
    return [name for name in names if name != "body"]


def _chunks(
    path: Path, choose: Callable[[list[str]], list[str]] | None, batch: int, wanted: Collection[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the columns chosen, of all row groups or of those that hold wanted positions."""
    import pyarrow.parquet as pq

    with _explaining_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        columns = choose(file.schema_arrow.names) if choose else file.schema_arrow.names
        # One row group at a time: the writer bounds the bytes of a group, nobody those of 256 rows.
        for group in range(file.num_row_groups):
            if wanted is not None and not _may_hold(file.metadata.row_group(group), wanted):
                continue
            yield from file.read_row_group(group, columns, use_threads=False).to_batches(max_chunksize=batch)


def _may_hold(group: pq.RowGroupMetaData, wanted: Collection[int]) -> bool:
    """Whether any wanted position lies between the first and the last of a row group."""
    column = next(
        column for column in map(group.column, range(group.num_columns)) if column.path_in_schema == "position"
    )
    if not column.is_stats_set or not column.statistics.has_min_max:
        return True
    first, last = column.statistics.min, column.statistics.max
    return any(first <= position <= last for position in wanted)


def read_places(path: Path) -> NDArray[np.int64]:
    """Read where a round's tiles lie and which bucket each fell in, by position.

    Returns
    -------
    int64 of shape (planned, 3): x, y, bucket, the last -1 for a tile that was not judged.
    """
    import pyarrow.parquet as pq

    names = ["x", "y", "bucket_id"]
    with _explaining_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        batches = file.read(columns=names, use_threads=False).to_batches()
    parts = [np.stack([_numbers(batch.column(name)) for name in names], axis=1) for batch in batches]
    return np.concatenate([np.empty((0, len(names)), np.int64), *parts])


def _numbers(column: pa.Int32Array) -> NDArray[np.int64]:
    """Return a column's numbers, -1 for null; pyarrow's own way to numpy would import pandas, which takes half a second."""
    valid, values = column.buffers()
    here = slice(column.offset, column.offset + len(column))
    numbers = np.frombuffer(values, np.int32)[here].astype(np.int64)
    if column.null_count:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
        numbers[bits[here] == 0] = -1
    return numbers


def has_bodies(path: Path) -> bool:
    """Whether the round file still holds the candidates' source bytes."""
    import pyarrow.parquet as pq

    with _explaining_damage(path):
        return "body" in pq.read_schema(path).names


def drop_bodies(path: Path, known: RoundTable | None = None) -> None:
    """Rewrite a merged round file without the source bytes; the outcomes stay.

    Parameters
    ----------
    known : what `read_round` says of the file, where that is at hand.
    """
    import pyarrow.parquet as pq

    header, table = known or read_round(path)
    with publishing(path, f"dropping merged source bytes from {path.name}") as temporary:
        slim = table.replace_schema_metadata({HEADER_KEY: json.dumps(asdict(header), sort_keys=True).encode()})
        pq.write_table(slim, temporary, **how_to_write(slim.schema))
