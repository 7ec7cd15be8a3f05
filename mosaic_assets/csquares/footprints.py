"""Footprints of a batch of scenes as GeoParquet: what the archive was given, before any square is made of it.

``csquares/footprints/<batch>.parquet`` has a row a scene: ``scene_id``, ``platform``, ``instrument``, ``time``,
``image_location``, ``thumbnail``, ``source``, ``licence`` and ``geometry`` (WKB, longitude and latitude, WGS 84).
GeoPandas, DuckDB and QGIS read it as it is. `mosaic_assets.csquares.uploading` makes pairs of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.csquares.pairs import pairs_path
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_db import Scene, time_text
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    import pyarrow as pa

    from mosaic_assets.csquares.readers import SceneFootprint

FORMAT_VERSION = 1

_HEADER = b"mosaic_assets.scene_footprints"
_TEXTS = tuple(field.name for field in fields(Scene) if field.name not in ("id", "time"))


@dataclass(frozen=True, slots=True)
class Header:
    """What a file of footprints says of itself."""

    batch: str
    taken_at: datetime
    """When its scenes were taken from the inbox: where batches share a scene, the later has it."""
    scenes: int


@dataclass(frozen=True, slots=True)
class FootprintBatch:
    """The scenes of one file with their footprints."""

    name: str
    taken_at: datetime
    footprints: Sequence[SceneFootprint]


def footprints_path(folder: Path, batch: str) -> Path:
    """Return where the footprints of a batch are.

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
    >>> footprints_path(Path("csquares"), "scenes-000001-00001").as_posix()
    'csquares/footprints/scenes-000001-00001.parquet'
    """
    return folder / "footprints" / pairs_path(folder, batch).name


def queue_path(settings: Settings, batch: str) -> Path:
    """Return where a batch that was taken from the inbox waits for its turn."""
    return settings.inbox.parent / "queue" / pairs_path(settings.csquares, batch).name


def batch_path(settings: Settings, batch: str) -> Path:
    """Return where the footprints of a batch are now: in the queue, or with those that had their turn."""
    waiting = queue_path(settings, batch)
    return waiting if waiting.exists() else footprints_path(settings.csquares, batch)


def published_footprints(folder: Path) -> list[str]:
    """Return the names of the batches that have a file of footprints, sorted; none when the folder is missing."""
    return batches_in(folder / "footprints")


def batches_in(place: Path) -> list[str]:
    """Return the names of the batches in a folder, sorted; temporary files are none."""
    return sorted(path.stem for path in place.glob("*.parquet") if not path.name.startswith("."))


def write_footprints(path: Path, batch: FootprintBatch) -> None:
    """Publish a batch of footprints, whole or not at all.

    Raises
    ------
    HomeNotWritableError
        No permission, read-only, or full.

    Examples
    --------
    >>> import shapely, tempfile; from datetime import UTC
    >>> from mosaic_assets.csquares.readers import SceneFootprint
    >>> path = Path(tempfile.mkdtemp()) / "one.parquet"
    >>> scene = SceneFootprint(Scene("h1awj"), shapely.box(140, -50, 150, -40))
    >>> write_footprints(path, FootprintBatch("one", datetime(2024, 1, 1, tzinfo=UTC), [scene]))
    >>> read_header(path).scenes
    1
    """
    import pyarrow.parquet as pq

    header = {
        "format_version": FORMAT_VERSION,
        "batch": batch.name,
        "taken_at": time_text(batch.taken_at),
        "scenes": len(batch.footprints),
    }
    metadata = {_HEADER: json.dumps(header).encode(), b"geo": json.dumps(_geo(batch.footprints)).encode()}
    with publishing(path, f"publishing the footprints of batch {batch.name}") as temporary:
        table = _table(batch.footprints).replace_schema_metadata(metadata)
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _table(footprints: Sequence[SceneFootprint]) -> pa.Table:
    import pyarrow as pa
    import shapely

    scenes = [footprint.scene for footprint in footprints]
    columns: dict[str, Any] = {"scene_id": pa.array([scene.id for scene in scenes], pa.string())}
    columns |= {name: pa.array([getattr(scene, name) for scene in scenes], pa.string()) for name in _TEXTS}
    columns["time"] = pa.array([scene.time for scene in scenes], pa.timestamp("us", tz="UTC"))
    outlines = shapely.to_wkb([footprint.geometry for footprint in footprints])
    columns["geometry"] = pa.array(list(outlines), pa.binary())
    return pa.table(columns)


def _geo(footprints: Sequence[SceneFootprint]) -> dict[str, Any]:
    """Return what GeoParquet 1.1 wants to know; without ``crs`` it is longitude and latitude, WGS 84."""
    kinds = sorted({footprint.geometry.geom_type.replace("LinearRing", "LineString") for footprint in footprints})
    column = {"encoding": "WKB", "geometry_types": kinds, "edges": "planar"}
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def read_header(path: Path) -> Header:
    """Return what a file of footprints says of itself; costs about a millisecond.

    Raises
    ------
    StoreError
        Missing, damaged, not one of footprints, or of a newer format.
    """
    import pyarrow.parquet as pq

    with _explaining_damage(path):
        metadata = pq.read_metadata(path)
        header = json.loads((metadata.metadata or {})[_HEADER])
        if header["format_version"] > FORMAT_VERSION:
            raise StoreError(f"reading {path}: a newer mosaic_assets wrote its format; upgrade mosaic_assets")
        if metadata.num_rows != header["scenes"]:
            raise ValueError(f"{metadata.num_rows} rows for {header['scenes']} scenes")
        return Header(header["batch"], datetime.fromisoformat(header["taken_at"]), header["scenes"])


def read_scenes(path: Path) -> list[Scene]:
    """Return the scenes of a file of footprints without their outlines. Raises `StoreError`."""
    return [_scene(row) for row in _read(path, ["scene_id", "time", *_TEXTS]).to_pylist()]


def read_footprints(path: Path) -> FootprintBatch:
    """Return a file of footprints.

    Raises
    ------
    StoreError
        Missing, damaged, not one of footprints, or of a newer format.
    """
    import shapely

    from mosaic_assets.csquares.readers import SceneFootprint

    header = read_header(path)
    table = _read(path, None)
    with _explaining_damage(path):
        outlines = shapely.from_wkb(table["geometry"].to_pylist())
    rows = table.drop_columns("geometry").to_pylist()
    found = [SceneFootprint(_scene(row), outline) for row, outline in zip(rows, outlines, strict=True)]
    return FootprintBatch(header.batch, header.taken_at, found)


def _read(path: Path, columns: list[str] | None) -> pa.Table:
    import pyarrow.parquet as pq

    with _explaining_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns=columns)


def _scene(row: dict[str, Any]) -> Scene:
    return Scene(id=row.pop("scene_id"), **row)


@contextlib.contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    import pyarrow as pa
    import shapely

    try:
        yield
    except (pa.ArrowException, shapely.errors.ShapelyError, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"reading the scene footprints {path} failed: {error!r}. Restore the file from a copy, or move it away and drop its "
            "scenes in the inbox again"
        ) from error
