"""The scenes of the days' manifests as plain rows; each day is read once, and again when its file is another."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, cast

from mosaic_assets.errors import NotBuiltError, ProductError, UnknownNameError
from mosaic_assets.explorer.datasets.keeping import reading_home
from mosaic_assets.explorer.datasets.safe_files import Identity, identity_at
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.explorer.reading import Shelf
from mosaic_assets.scenes.crop_manifest import manifest_days, manifest_path, picture_path, read_manifest
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Row = dict[str, Any]
Days = dict[date, tuple[Identity | None, list[Row]]]

MOST_DAYS = 4_000
"""Days whose rows are kept; eleven years."""
NUMBERS = ("fill", "saturated", "cloud", "water", "texture", "entropy")
NOT_BUILT = "no day has crops yet; materialize smcefr_crops, or run `mosaic scenes fetch --day 2024-06-01`"


def crop_days(shelf: Shelf) -> list[date]:
    """Return the days that have a manifest, the newest first.

    Raises
    ------
    NotBuiltError
        There is none.
    """
    days = manifest_days(shelf.settings)
    if not days:
        raise NotBuiltError(NOT_BUILT)
    return days[::-1]


def rows_of_day(shelf: Shelf, day: date) -> list[Row]:
    """Return the scenes of a day by time of sensing; none when it has no manifest. Raises `StoreError` when that is damaged."""
    days = cast(Days, shelf.kept.setdefault("datasets.crops", {}))
    identity = identity_at(manifest_path(shelf.settings, day))
    found = days.get(day)
    if found is not None and found[0] == identity:
        return found[1]
    with reading_home():
        records = read_manifest(shelf.settings, day)
    rows = [_row(record) for record in sorted(records, key=lambda record: record.name.text[16:])]
    if len(days) >= MOST_DAYS:
        days.clear()
    days[day] = identity, rows
    return rows


def crop_row(shelf: Shelf, product: str) -> Row:
    """Return a scene by the name of its product.

    Raises
    ------
    NotBuiltError, UnknownNameError
        No day has crops, or none has this scene.
    """
    crop_days(shelf)
    try:
        rows = rows_of_day(shelf, parse_name(product).day)
    except ProductError:
        rows = []
    for row in rows:
        if row["id"] == product:
            return row
    raise UnknownNameError("crop", product[:100], "the products of the days' manifests", "See /api/crops.")


def _row(record: SceneRecord) -> Row:
    kept, name = record.outcome is SceneOutcome.KEPT, record.name
    bounds = bounds_of(record.crop_footprint or record.scene_footprint)
    return {
        "id": name.text,
        "day": name.day.isoformat(),
        "time": name.start,
        "mission": name.mission,
        "relative_orbit": name.relative_orbit,
        "frame": name.frame,
        "timeliness": name.timeliness,
        "collection": name.collection,
        "outcome": record.outcome.value,
        "why": record.detail,
        **{number: getattr(record.numbers, number) for number in NUMBERS},
        "recipe": record.recipe,
        "centre": record.centre,
        "bounds": bounds,
        "rows": record.rows,
        "columns": record.columns,
        "row_offset": record.row_offset,
        "column_offset": record.column_offset,
        "sha256": record.sha256,
        "size_bytes": record.size_bytes,
        "bytes_fetched": record.bytes_fetched,
        "source": record.source,
        "licence": record.licence,
        "attribution": record.attribution,
        "synthetic": record.synthetic,
        "filepath": picture_path(record) if kept else None,
        "thumbnail": thumbnail_link("crops", name.text, 256) if kept else None,
        "picture": picture_link("crops", name.text) if kept else None,
    }


def bounds_of(shape: BaseGeometry | None) -> list[float] | None:
    """Return west, south, east, north of an outline; west lies above east where it goes over the date line.

    Examples
    --------
    >>> import shapely
    >>> bounds_of(shapely.union_all([shapely.box(170, 0, 180, 5), shapely.box(-180, 0, -175, 6)]))
    [170.0, 0.0, -175.0, 6.0]
    """
    if shape is None or shape.is_empty:
        return None
    west, south, east, north = shape.bounds
    parts = [part.bounds for part in getattr(shape, "geoms", [])]
    if east - west > 180 and len(parts) > 1:
        west = min((part[0] for part in parts if part[0] > 0), default=west)
        east = max((part[2] for part in parts if part[2] < 0), default=east)
    return [float(west), float(south), float(east), float(north)]
