"""Outlines of the crops for the index of c-squares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mosaic_assets.scenes.crop_manifest import manifest_days, manifest_folder, picture_path, read_kept
from mosaic_assets.scenes.records import SceneRecord
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_records import Scene

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

DATASET = "crops"
"""Name of the data set in the index, and platform of its scenes."""


def footprints(settings: Settings) -> Iterator[tuple[str, list[tuple[Scene, BaseGeometry]]]]:
    """Yield the kept crops month by month: name of the part (``2024-06``), scenes with their outlines.

    Raises
    ------
    StoreError
        A manifest is damaged.
    """
    days = manifest_days(settings)
    for month in sorted({(day.year, day.month) for day in days}):
        kept = read_kept(settings, [day for day in days if (day.year, day.month) == month])
        found = [(_scene(record), record.crop_footprint) for record in kept if record.crop_footprint is not None]
        if found:
            yield f"{month[0]:04d}-{month[1]:02d}", found


def footprints_state(settings: Settings) -> str:
    """Return what changes whenever an outline may have: size and time of every manifest; "" while there is none.

    Nothing is opened, for a sensor asks at every tick.
    """
    found = [(path.name, path.stat()) for path in sorted(manifest_folder(settings).glob("????-??-??.parquet"))]
    lines = "".join(f"{name} {stat.st_size} {stat.st_mtime_ns}\n" for name, stat in found)
    return hashlib.sha256(lines.encode()).hexdigest() if found else ""


def _scene(record: SceneRecord) -> Scene:
    mission = f"Sentinel-3{record.name.mission[2]}"
    return Scene(
        id=record.name.text,
        platform=DATASET,
        instrument=f"OLCI {mission}" + (" (synthetic)" if record.synthetic else ""),
        time=record.name.start,
        image_location=f"smcefr/{picture_path(record)}",
        source=record.source + (" (synthetic)" if record.synthetic else ""),
        licence=record.licence,
    )
