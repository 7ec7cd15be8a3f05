"""The chips' footprints, for the index of places: a part a region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mosaic_assets.chips.dataset import manifest_path, read_manifest
from mosaic_assets.store.csquare_records import Scene

if TYPE_CHECKING:
    import shapely

    from mosaic_assets.settings import Settings

PLATFORM = "chips"


def footprints(settings: Settings) -> Iterator[tuple[str, list[tuple[Scene, shapely.Polygon]]]]:
    """Yield the chips of the manifest, region by region, as scenes with outlines in degrees; nothing without a manifest.

    A chip has no time: a composite has none, and a file does not say.
    """
    if not manifest_path(settings).exists():
        return
    manifest = read_manifest(settings)
    for region, own in manifest.groupby("region", sort=True):
        yield str(region), [(_scene(row), row.geometry) for row in own.itertuples()]


def footprints_state(settings: Settings) -> str:
    """Return what changes whenever the manifest does; "" without one."""
    path = manifest_path(settings)
    return f"{path.stat().st_mtime_ns} {path.stat().st_size}" if path.exists() else ""


def _scene(row: Any) -> Scene:
    path = f"chips/{row.path}"
    return Scene(
        str(row.id),
        platform=PLATFORM,
        instrument=str(row.split),
        image_location=path,
        thumbnail=path,
        source=str(row.source),
        licence=str(row.licence),
    )
