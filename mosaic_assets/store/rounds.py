"""Round files: one Parquet file for each harvested round of a biome, a row for every planned tile.

``harvest/<biome>/round-00001.parquet`` appears complete or not at all and is never changed, except that after its
merge the column ``body`` (the source bytes of the candidates) may be dropped. Beside an unmerged one there may be
``round-00001.staged``, a folder of pictures made ahead: the columns ``staged_bytes`` and ``staged_crc32`` say what
each must be to be taken (`mosaic_assets.library.staging`).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import StoreError
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FORMAT_VERSION = 1

GROUP_ROWS, GROUP_BYTES = 256, 4 << 20
"""Rows, and source bytes, at which a row group is full: reading back, bodies included, never needs a whole round in
memory, while each group costs about a millisecond to write and to read."""

_KEY = b"mosaic_assets.round"
_NAME = re.compile(r"^round-(\d{5})\.parquet$")


@dataclass(frozen=True, slots=True)
class RoundHeader:
    """What is known of a whole round; stored in the Parquet file's own metadata."""

    biome: str
    round: int
    plan_key: str
    """Fingerprint of (seed, zoom, place): rounds with the same key continue one sequence of tiles."""
    start: int
    """Position of the round's first tile in that sequence."""
    planned: int
    exhausted: bool
    source: str
    imagery: str
    release: str
    zoom: int
    licence: str
    attribution: str
    synthetic: bool
    repeats_are_placeholders: bool
    terms_acknowledged: str
    """Which terms the user acknowledged, or empty where none had to be; ``published_at`` says when they were relied on."""
    centroids_sha256: str
    colour_method: str
    code_version: str
    seconds: float = 0.0
    bytes_fetched: int = 0
    published_at: str = ""
    """ISO 8601, UTC."""
    outcomes: dict[str, int] = field(default_factory=dict)
    place: str = ""
    """Fingerprint of the biome's geometry when the round was planned."""
    format_version: int = FORMAT_VERSION


def round_schema() -> pa.Schema:
    """Columns of a round file; the bucket, colour and hash are null where the tile was not judged."""
    import pyarrow as pa

    text, real = pa.string(), pa.float64()
    return pa.schema(
        [
            ("position", pa.int32()), ("z", pa.int8()), ("x", pa.int32()), ("y", pa.int32()),
            ("west", real), ("south", real), ("east", real), ("north", real), ("csquare", text),
            ("outcome", text), ("detail", text),
            ("bucket_id", pa.int32()), ("phash", text), ("mean_l", real), ("mean_a", real), ("mean_b", real),
            ("fetched_at", text), ("etag", text), ("content_type", text), ("sha256", text), ("bytes", pa.int32()),
            ("staged_bytes", pa.int32()), ("staged_crc32", pa.int64()),
            ("body", pa.binary()),
        ]
    )  # fmt: skip


def round_path(harvest: Path, biome: str, number: int) -> Path:
    """Where a round file stands.

    >>> round_path(Path("harvest"), "dallol", 3).as_posix()
    'harvest/dallol/round-00003.parquet'
    """
    return harvest / biome / f"round-{number:05d}.parquet"


def staged_folder(harvest: Path, biome: str, number: int) -> Path:
    """Where the pictures that a round's harvest made ahead stand.

    >>> staged_folder(Path("harvest"), "dallol", 3).as_posix()
    'harvest/dallol/round-00003.staged'
    """
    return round_path(harvest, biome, number).with_suffix(".staged")


def published_rounds(harvest: Path) -> dict[str, list[int]]:
    """Numbers of the published rounds of each biome, ascending; from the file names alone."""
    found: dict[str, list[int]] = {}
    for path in harvest.glob("*/round-*.parquet"):
        if match := _NAME.match(path.name):
            found.setdefault(path.parent.name, []).append(int(match[1]))
    return {biome: sorted(numbers) for biome, numbers in sorted(found.items())}


class RoundWriter:
    """Appends batches of rows to a round file that is not published yet."""

    def __init__(self, temporary: Path) -> None:
        import pyarrow.parquet as pq

        self._schema = round_schema()
        self._writer = pq.ParquetWriter(temporary, self._schema, **_how_to_write(self._schema))
        self._rows: list[dict[str, Any]] = []  # of the group that is not full yet
        self._bytes = 0
        self.finished = False

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, in the order of their positions."""
        self._rows += rows
        self._bytes += sum(len(row["body"] or b"") for row in rows)
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0

    def finish(self, header: RoundHeader) -> None:
        """Write the last rows and the header, and close the file."""
        self._write_group()
        self._writer.add_key_value_metadata({_KEY: json.dumps(asdict(header), sort_keys=True).encode()})
        self._writer.close()
        self.finished = True

    def abandon(self) -> None:
        """Close the file without a header; it will not be published."""
        self._writer.close()


@contextlib.contextmanager
def writing_round(harvest: Path, biome: str, number: int) -> Iterator[RoundWriter]:
    """Write a round; it is published on leaving. The body must call `RoundWriter.finish`."""
    attempt = f"publishing round {number} of biome {biome}"
    with publishing(round_path(harvest, biome, number), attempt, replace=False) as temporary:
        writer = RoundWriter(temporary)
        try:
            yield writer
            if not writer.finished:
                raise RuntimeError(f"{attempt}: the body ended without RoundWriter.finish")  # a bug of the caller
        except BaseException:
            with contextlib.suppress(OSError):
                writer.abandon()
            raise


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
        values = json.loads((metadata.metadata or {})[_KEY])
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


def _how_to_write(schema: pa.Schema) -> dict[str, Any]:
    """Parquet options: pictures are compressed already, and every one is different.

    Of a few hundred rows zstd makes less without dictionaries: an eighth less to keep, in two thirds of the time.
    """
    return {
        "compression": {name: "none" if name == "body" else "zstd" for name in schema.names},
        "use_dictionary": False,
        "write_statistics": [name for name in schema.names if name != "body"],
        "write_page_checksum": True,
    }


def drop_bodies(path: Path, known: RoundTable | None = None) -> None:
    """Rewrite a merged round file without the source bytes; the outcomes stay.

    Parameters
    ----------
    known : what `read_round` says of the file, where that is at hand.
    """
    import pyarrow.parquet as pq

    header, table = known or read_round(path)
    with publishing(path, f"dropping merged source bytes from {path.name}") as temporary:
        slim = table.replace_schema_metadata({_KEY: json.dumps(asdict(header), sort_keys=True).encode()})
        pq.write_table(slim, temporary, **_how_to_write(slim.schema))


def utc(moment: datetime) -> str:
    """ISO 8601 text of an aware moment, to the second.

    >>> from datetime import UTC
    >>> utc(datetime(2024, 6, 15, 12, 0, 1, 5, tzinfo=UTC))
    '2024-06-15T12:00:01+00:00'
    """
    return moment.isoformat(timespec="seconds")
