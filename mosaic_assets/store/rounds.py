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
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.store.arrow_columns import arrow_column
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1

GROUP_ROWS, GROUP_BYTES = 1024, 4 << 20
"""Rows, and source bytes, at which a row group is full: reading back, bodies included, never needs a whole round in
memory, while each group costs about a millisecond to write and to read."""

HEADER_KEY = b"mosaic_assets.round"
"""Where a file's metadata hold its header, as JSON."""

Columns = dict[str, list[Any]]
"""Rows of a round file: the values of each column of `round_schema`, by its name."""

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
        self._writer = pq.ParquetWriter(temporary, self._schema, **how_to_write(self._schema))
        self._group: Columns = {name: [] for name in self._schema.names}  # that is not full yet
        self._bytes = 0
        self.finished = False

    def append(self, rows: Columns) -> None:
        """Add rows, in the order of their positions: every column of `round_schema`, all of one length."""
        for name, values in self._group.items():
            values += rows[name]
        self._bytes += sum(len(body) for body in rows["body"] if body)
        if len(self._group["position"]) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._group["position"]:
            columns = [arrow_column(self._group[field.name], field.type) for field in self._schema]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._group, self._bytes = {name: [] for name in self._group}, 0

    def finish(self, header: RoundHeader) -> None:
        """Write the last rows and the header, and close the file."""
        self._write_group()
        self._writer.add_key_value_metadata({HEADER_KEY: json.dumps(asdict(header), sort_keys=True).encode()})
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


def how_to_write(schema: pa.Schema) -> dict[str, Any]:
    """Parquet options: pictures are compressed already, and every one is different.

    Of a few hundred rows zstd makes less without dictionaries: an eighth less to keep, in two thirds of the time.
    """
    return {
        "compression": {name: "none" if name == "body" else "zstd" for name in schema.names},
        "use_dictionary": False,
        "write_statistics": [name for name in schema.names if name != "body"],
        "write_page_checksum": True,
    }


def utc(moment: datetime) -> str:
    """ISO 8601 text of an aware moment, to the second.

    >>> from datetime import UTC
    >>> utc(datetime(2024, 6, 15, 12, 0, 1, 5, tzinfo=UTC))
    '2024-06-15T12:00:01+00:00'
    """
    return moment.isoformat(timespec="seconds")
