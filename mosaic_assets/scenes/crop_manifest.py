"""The manifest of a day: a row a scene, kept or not, as GeoParquet.

``smcefr/manifest/<day>.parquet``; all of them together are one data set::

    geopandas.read_parquet("mosaic_data/smcefr/manifest")

``geometry`` is the outline of the crop (null where there is none), ``scene_footprint`` that of the scene; longitude and
latitude, WGS 84.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.errors import ProductError, StoreError
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import SceneNumbers, SceneOutcome, SceneRecord
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa

NAME_FIELDS = (
    "mission", "product_type", "start", "stop", "created", "duration_s", "cycle", "relative_orbit", "frame", "centre",
    "platform", "timeliness", "collection",
)  # fmt: skip
"""Fields of a product's name that have a column; ``centre`` is called ``processing_centre`` there."""

NUMBERS = ("fill", "saturated", "cloud", "water", "texture", "entropy")
CORNERS = ("first_row_first", "first_row_last", "last_row_last", "last_row_first")
"""Corner pixels: row, then column."""

_MOMENTS = ("start", "stop", "created")
_COUNTS = ("duration_s", "cycle", "relative_orbit", "frame")
_PLAIN = ("recipe", "sha256", "source", "licence", "attribution")
_MAYBE_COUNTS = ("rows", "columns", "row_offset", "column_offset", "size_bytes")


def manifest_folder(settings: Settings) -> Path:
    """Return the folder of the manifests, which reads as one data set."""
    return settings.smcefr_folder / "manifest"


def manifest_path(settings: Settings, day: date) -> Path:
    """Return where the manifest of a day lies, whether or not it is there."""
    return manifest_folder(settings) / f"{day.isoformat()}.parquet"


def manifest_days(settings: Settings) -> list[date]:
    """Return the days that have a manifest, in order."""
    return sorted(date.fromisoformat(path.stem) for path in manifest_folder(settings).glob("????-??-??.parquet"))


def write_manifest(settings: Settings, day: date, records: Iterable[SceneRecord]) -> Path:
    """Publish the manifest of a day, whole or not at all; an earlier one is replaced. Records may be none."""
    path = manifest_path(settings, day)
    write_records(path, records, f"publishing the manifest of {day}")
    return path


def write_records(path: Path, records: Iterable[SceneRecord], attempt: str) -> None:
    """Publish records as GeoParquet; the same records give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(record) for record in records]
    table = pa.Table.from_pylist(rows, schema=manifest_schema())
    with publishing(path, attempt) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_manifest(settings: Settings, day: date) -> tuple[SceneRecord, ...]:
    """Return the records of a day; none when it has no manifest. Raises `StoreError` when the file is damaged."""
    path = manifest_path(settings, day)
    return read_records(path) if path.is_file() else ()


def read_records(path: Path) -> tuple[SceneRecord, ...]:
    """Read a manifest. Raises `StoreError` when it is damaged or not one of ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        rows = pq.read_table(path, partitioning=None).to_pylist()
        return tuple(_record(row) for row in rows)
    except (
        pa.ArrowException,
        OSError,
        KeyError,
        ValueError,
        TypeError,
        ProductError,
        shapely.errors.GEOSException,
    ) as error:
        raise StoreError(
            f"reading the manifest {path} failed: it is damaged ({str(error)[:120]}); delete it and run the day again: pictures "
            "that are there are made anew"
        ) from error


def read_kept(settings: Settings, days: Sequence[date] | None = None) -> list[SceneRecord]:
    """Return the kept scenes of these days, or of all, by name of the product."""
    wanted = manifest_days(settings) if days is None else days
    kept = [one for day in wanted for one in read_manifest(settings, day) if one.outcome is SceneOutcome.KEPT]
    return sorted(kept, key=lambda record: record.name.text)


def manifest_schema() -> pa.Schema:
    """Return columns and types, with the description of the geometries that GeoParquet asks for."""
    import pyarrow as pa

    moment, count, number = pa.timestamp("us", tz="UTC"), pa.int64(), pa.float64()
    columns: list[tuple[str, Any]] = [("product", pa.string()), ("outcome", pa.string()), ("detail", pa.string())]
    for name in NAME_FIELDS:
        kind = moment if name in _MOMENTS else count if name in _COUNTS else pa.string()
        columns.append((_column(name), kind))
    columns += [(name, number) for name in NUMBERS]
    columns += [(name, count) for name in _MAYBE_COUNTS]
    columns += [(f"{place}_{axis}", number) for place in ("centre", *CORNERS) for axis in ("lng", "lat")]
    columns += [("filepath", pa.string()), *((name, pa.string()) for name in _PLAIN)]
    columns += [("bytes_fetched", count), ("synthetic", pa.bool_())]
    columns += [("geometry", pa.binary()), ("scene_footprint", pa.binary())]
    shapes = {name: {"encoding": "WKB", "geometry_types": []} for name in ("geometry", "scene_footprint")}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": shapes}
    return pa.schema(columns, metadata={"geo": json.dumps(geo, sort_keys=True)})


def picture_path(record: SceneRecord) -> str:
    """Return where the picture of a scene lies below ``smcefr/``: ``<year>/<product name>.png``."""
    return f"{record.name.start.year}/{record.name.text}.png"


def _column(field: str) -> str:
    return "processing_centre" if field == "centre" else field


def _row(record: SceneRecord) -> dict[str, Any]:
    import shapely

    places = dict(zip(("centre", *CORNERS), (record.centre, *record.corners), strict=False)) if record.centre else {}
    shapes = {"geometry": record.crop_footprint, "scene_footprint": record.scene_footprint}
    return {
        "product": record.name.text,
        "outcome": record.outcome.value,
        "detail": record.detail,
        **{_column(name): getattr(record.name, name) for name in NAME_FIELDS},
        **{name: getattr(record.numbers, name) for name in NUMBERS},
        **{name: getattr(record, name) for name in (*_MAYBE_COUNTS, *_PLAIN, "bytes_fetched", "synthetic")},
        **{f"{name}_{axis}": at[n] for name, at in places.items() if at for n, axis in enumerate(("lng", "lat"))},
        "filepath": picture_path(record) if record.outcome is SceneOutcome.KEPT else None,
        **{name: None if shape is None else shapely.to_wkb(shape) for name, shape in shapes.items()},
    }


def _record(row: dict[str, Any]) -> SceneRecord:
    import shapely

    name = parse_name(row["product"])
    places = [(row[f"{place}_lng"], row[f"{place}_lat"]) for place in ("centre", *CORNERS)]
    known = places[0][0] is not None
    return SceneRecord(
        name=name,
        outcome=SceneOutcome(row["outcome"]),
        detail=row["detail"],
        numbers=SceneNumbers(**{name: row[name] for name in NUMBERS}),
        scene_footprint=shapely.from_wkb(row["scene_footprint"]),
        crop_footprint=shapely.from_wkb(row["geometry"]),
        centre=places[0] if known else None,
        corners=tuple(places[1:]) if known else (),
        **{name: row[name] for name in (*_MAYBE_COUNTS, *_PLAIN, "bytes_fetched", "synthetic")},
    )
