"""Crops on disk: ``smcefr/<year>/<product name>.png``, each published whole before its row says that it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.crop_manifest import picture_path
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, write_bytes

if TYPE_CHECKING:
    from mosaic_assets.scenes.crop import CropResult

LICENCE = (
    "Copernicus Sentinel data: free, full and open; "
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
)
"""Licence of crops of real products."""


def attribution_of(record: SceneRecord) -> str:
    """Return what has to be said beside a crop: of real data, the notice that the terms of Copernicus ask for."""
    if record.synthetic:
        from mosaic_assets.sources.embedded import EMBEDDED

        return f"SYNTHETIC, not acquired by any satellite; {EMBEDDED.attribution}"
    return f"contains modified Copernicus Sentinel data {record.name.start.year}"


def licence_of(record: SceneRecord) -> str:
    """Return the licence of a crop."""
    if record.synthetic:
        from mosaic_assets.sources.embedded import EMBEDDED

        return EMBEDDED.licence
    return LICENCE


def crop_path(settings: Settings, record: SceneRecord) -> Path:
    """Return where the picture of a scene lies, whether or not it is there."""
    return settings.smcefr_folder / picture_path(record)


def publish_crop(settings: Settings, record: SceneRecord, crop: CropResult) -> SceneRecord:
    """Publish the picture of a crop that is to be kept; return the record with all that is known of the crop.

    Of a crop that is not kept, only outcome, numbers and recipe are taken over.

    Raises
    ------
    HomeNotWritableError
        The disk is full, or the folder cannot be written.
    """
    record = replace(record, outcome=crop.outcome, detail=crop.detail, numbers=crop.numbers, recipe=crop.recipe)
    if crop.outcome is not SceneOutcome.KEPT or crop.rgb is None:
        return record
    content = encode_png(crop.rgb)
    write_bytes(crop_path(settings, record), content, f"publishing the crop of {record.name.text}")
    return replace(
        record,
        crop_footprint=crop.footprint,
        row_offset=crop.row_offset,
        column_offset=crop.column_offset,
        centre=crop.centre,
        corners=crop.corners,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        licence=licence_of(record),
        attribution=attribution_of(record),
    )


def read_crop_bytes(settings: Settings, record: SceneRecord) -> bytes:
    """Return the picture of a kept scene, as it lies there.

    Raises
    ------
    StoreError
        It is not there, or is another than its row says.
    """
    path = crop_path(settings, record)
    remedy = f"run `mosaic scenes fetch --day {record.name.day} --again`"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"reading the crop {path} failed: {error.strerror}; {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise StoreError(
            f"reading the crop {path}: its sha256 is {found[:16]}..., its manifest says {record.sha256[:16]}...; {remedy}"
        )
    return content


def crops_of_day(settings: Settings, day: date) -> list[Path]:
    """Return the pictures whose names say this day, whatever the manifest says."""
    return sorted((settings.smcefr_folder / str(day.year)).glob(f"S3?_OL_1_EFR____{day:%Y%m%d}T*.png"))


def remove_strays(settings: Settings, day: date, records: Iterable[SceneRecord]) -> list[Path]:
    """Remove pictures of a day that no kept record claims; return which."""
    kept = {crop_path(settings, record) for record in records if record.outcome is SceneOutcome.KEPT}
    strays = [path for path in crops_of_day(settings, day) if path not in kept]
    for path in strays:
        with explaining_refusals("removing a crop that is no longer kept", path):
            path.unlink(missing_ok=True)
    return strays
