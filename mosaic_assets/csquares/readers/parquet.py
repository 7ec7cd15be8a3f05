"""GeoParquet, and Parquet with WKB or WKT in a column: read row group by row group, the known columns alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.csquares.readers.delimited import OUTLINES, outline_column
from mosaic_assets.csquares.readers.fields import gather, is_known
from mosaic_assets.csquares.readers.records import Lost, Raw, Rejection, excerpt

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS = 256
"""Rows taken out of a row group at a time."""
_NATIVE = {
    "point": "Point",
    "multipoint": "MultiPoint",
    "linestring": "LineString",
    "multilinestring": "MultiLineString",
    "polygon": "Polygon",
    "multipolygon": "MultiPolygon",
}
"""Encodings of GeoParquet 1.1 besides WKB, and what they hold."""


@dataclass(frozen=True, slots=True)
class _Outlines:
    """The column of outlines, and what its metadata say."""

    column: str
    encoding: str
    crs: str | None
    spherical: bool

    def shape(self, value: Any) -> Any:
        """Return a cell as `shapes.shape_of` reads it."""
        kind = _NATIVE.get(self.encoding.casefold())
        return {"type": kind, "coordinates": _nested(value)} if kind and value is not None else value


def read_parquet(path: Path, max_bytes: int) -> Iterator[Raw | Rejection]:
    """Yield the rows of a file. A row group that is damaged is passed over."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except Exception as error:  # whatever the library makes of a damaged file
        raise Lost(f"it cannot be read as Parquet: {excerpt(str(error), 120)}; restore it from a copy") from error
    with file:
        yield from _groups(file, max_bytes)


def _groups(file: pq.ParquetFile, max_bytes: int) -> Iterator[Raw | Rejection]:
    outlines, first = _outlines(file), 1
    wanted = [
        outlines.column,
        *(name for name in file.schema_arrow.names if is_known(name) and name != outlines.column),
    ]
    left = max_bytes
    for group in range(file.metadata.num_row_groups):
        rows, size = file.metadata.row_group(group).num_rows, file.metadata.row_group(group).total_byte_size
        where = f"rows {first} to {first + rows - 1}"
        left -= size
        if left < 0:
            raise Lost(f"it unpacks to more than {max_bytes:,} bytes; expected fewer: split the file", where)
        done = 0
        try:
            for batch in file.iter_batches(_ROWS, row_groups=[group], columns=wanted, use_threads=False):
                for row in batch.to_pylist():
                    yield _raw(row, first + done, outlines)
                    done += 1
        except Exception as error:  # whatever the library makes of damage; the other groups may be sound
            reason = f"they cannot be read: {excerpt(str(error), 120)}; write the file again"
            yield Rejection(f"rows {first + done} to {first + rows - 1}", reason)
        first += rows


def _raw(row: dict[str, Any], number: int, outlines: _Outlines) -> Raw:
    shape = outlines.shape(row.pop(outlines.column))
    return Raw(f"row {number}", gather(row), shape, outlines.crs, outlines.spherical)


def _outlines(file: pq.ParquetFile) -> _Outlines:
    names = file.schema_arrow.names
    geo = _metadata(file)
    column = geo.get("primary_column") or outline_column(names)
    if column not in names:
        raise Lost(
            f"it has no column of outlines ({excerpt(column)}); expected GeoParquet, or one of {', '.join(OUTLINES)}"
        )
    columns = geo.get("columns")
    facts = columns.get(column) if isinstance(columns, Mapping) else None
    facts = facts if isinstance(facts, Mapping) else {}
    crs = facts.get("crs")
    return _Outlines(
        str(column),
        str(facts.get("encoding", "WKB")),
        crs if crs is None else json.dumps(crs),
        facts.get("edges") == "spherical",
    )


def _metadata(file: pq.ParquetFile) -> dict[str, Any]:
    try:
        geo = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
    except (ValueError, RecursionError) as error:
        raise Lost(f"its GeoParquet metadata are not JSON ({error}); write the file again") from error
    return geo if isinstance(geo, dict) else {}


def _nested(value: Any) -> Any:
    """Return nested positions, written as x and y, as lists."""
    if isinstance(value, Mapping):
        return [value.get("x"), value.get("y")]
    return [_nested(one) for one in value] if isinstance(value, list) and not _is_flat(value) else value


def _is_flat(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], float)
