"""Measurements as a Parquet file: a row a picture, method and case; what is there is not measured again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mosaic_assets.errors import DataError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing

Row = dict[str, Any]

SAVE_EVERY_S = 10.0
"""A killed run loses at most what it measured in so long, seconds."""

COMMON = {
    "picture": "string", "sha256": "string", "synthetic": "bool", "method": "string", "fingerprint": "string",
    "note": "string",
}  # fmt: skip
"""Columns of every challenge. ``note`` is empty, or begins with ``skipped:`` or ``failed:``."""
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "clouds": {
        **COMMON, "reference": "string", "hits": "int64", "false_alarms": "int64", "misses": "int64", "clear": "int64",
        "iou": "double", "precision": "double", "recall": "double", "f1": "double", "accuracy": "double",
        "cloud_share": "double", "reference_share": "double", "seconds": "double",
    },
    "noise": {
        **COMMON, "case": "string", "kind": "string", "seed": "int64", "mse": "double", "psnr": "double",
        "ssim": "double", "seconds": "double",
    },
    "compression": {
        **COMMON, "level": "double", "lossless": "bool", "equal": "bool", "bytes": "int64", "bits_a_pixel": "double",
        "psnr": "double", "ssim": "double", "encode_mb_s": "double", "decode_mb_s": "double",
    },
}  # fmt: skip
"""Columns of each challenge and their Arrow types. Sizes are bytes, PSNR is dB and null where nothing differs."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "clouds": ("sha256", "method", "fingerprint"),
    "noise": ("sha256", "method", "fingerprint", "case", "seed"),
    "compression": ("sha256", "method", "fingerprint", "level"),
}
"""What tells measurements apart."""
HEADER = b"mosaic_assets.challenge"
"""Key of the file's own metadata."""
VERSION = "1"
"""Of the cases and scores. Raise it when they change: measurements of another version are taken again."""


def results_path(settings: Settings, challenge: str) -> Path:
    """Path of a challenge's measurements, ``smcefr/challenges/<challenge>.parquet``."""
    return settings.smcefr_folder / "challenges" / f"{challenge}.parquet"


def key_of(challenge: str, row: Row) -> tuple[Any, ...]:
    """Return what tells this measurement from others."""
    return tuple(row[name] for name in KEYS[challenge])


def completed(challenge: str, row: Row) -> Row:
    """Return a measurement with every column of its challenge, None where it says nothing."""
    return {name: row.get(name) for name in COLUMNS[challenge]}


def read_results(path: Path, challenge: str) -> list[Row]:
    """Read a file of measurements; no file, or one of another version, is an empty list.

    Raises
    ------
    DataError
        The file is no Parquet file, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return []
    attempt = f"reading the measurements {path} failed"
    remedy = "Delete the file: the next run measures again"
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{attempt}: {error}. {remedy}") from error
    if (table.schema.metadata or {}).get(HEADER) != VERSION.encode():
        return []
    missing = [name for name in COLUMNS[challenge] if name not in table.column_names]
    if missing:
        raise DataError(
            f"{attempt}: it has no column {missing[0]!r}; expected {', '.join(COLUMNS[challenge])}. {remedy}"
        )
    rows: list[Row] = table.select(list(COLUMNS[challenge])).to_pylist()
    return rows


def write_results(path: Path, challenge: str, rows: Iterable[Row]) -> None:
    """Publish measurements, sorted by picture, then as given."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"string": pa.string(), "bool": pa.bool_(), "int64": pa.int64(), "double": pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS[challenge].items()], {HEADER: VERSION})
    ordered = sorted(rows, key=lambda row: (row["picture"], row["sha256"]))
    table = pa.Table.from_pylist([completed(challenge, row) for row in ordered], schema)
    with publishing(path, f"writing the measurements of {challenge}") as temporary:
        pq.write_table(table, temporary, compression="zstd")


class Keeper:
    """Holds the measurements of a run and saves them now and then."""

    def __init__(
        self, path: Path, challenge: str, rows: Iterable[Row], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rows = list(rows)
        self._path, self._challenge, self._clock = path, challenge, clock
        self._saved = clock()

    def add(self, row: Row) -> None:
        """Take a measurement; save when the last saving is long ago."""
        self.rows.append(row)
        if self._clock() - self._saved > SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Publish everything so far."""
        write_results(self._path, self._challenge, self.rows)
        self._saved = self._clock()
