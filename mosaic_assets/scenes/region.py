"""The area whose scenes are taken: a polygon of one's own, or both Americas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.errors import SettingsError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import write_bytes

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Drawn off the coasts by hand, longitude latitude: Alaska to Greenland, down the Atlantic, up the Pacific.
AMERICAS = (
    (-169.0, 72.0), (-141.0, 72.5), (-128.0, 76.0), (-110.0, 80.5), (-90.0, 83.5), (-60.0, 84.0), (-30.0, 84.0),
    (-10.0, 82.0), (-17.0, 70.0), (-40.0, 59.0), (-51.0, 46.0), (-60.0, 42.5), (-75.0, 31.0), (-58.0, 15.0),
    (-48.0, 4.0), (-33.5, -4.0), (-33.5, -10.0), (-38.0, -22.0), (-47.0, -28.5), (-55.0, -38.0), (-61.0, -45.0),
    (-55.0, -53.0), (-66.0, -57.0), (-77.0, -53.0), (-77.0, -44.0), (-73.0, -20.0), (-83.0, -6.0), (-83.0, 5.0),
    (-95.0, 13.0), (-107.0, 18.0), (-118.0, 27.0), (-126.5, 38.0), (-127.0, 48.0), (-139.0, 57.0), (-152.0, 54.5),
    (-169.0, 51.0), (-169.0, 72.0),
)  # fmt: skip

AMERICAS_TITLE = "North and South America"


def load_region(settings: Settings) -> BaseGeometry:
    """Return the area whose scenes are taken: polygons in longitude and latitude, degrees.

    Raises
    ------
    SettingsError
        ``scenes.region`` is no readable GeoJSON, or has no valid polygon inside the world.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> [round(edge) for edge in load_region(load_settings()).bounds]
    [-169, -57, -10, 84]
    """
    import shapely

    path = settings.scenes.region
    if path is None:
        return shapely.Polygon(AMERICAS)
    shapes = [shape for item in _geometries(path) for shape in _polygons(item, path)]
    if not shapes:
        raise _refusal(path, "it has no polygon")
    region = shapely.union_all(shapes)
    west, south, east, north = region.bounds
    if not (region.is_valid and region.area > 0):
        raise _refusal(path, "its polygons enclose no area")
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise _refusal(path, f"it reaches from {west:g}, {south:g} to {east:g}, {north:g}, out of the world")
    return region


def publish_region(settings: Settings) -> Path:
    """Write the area in force as GeoJSON, for people and maps: ``smcefr/region.geojson``; return its path."""
    import shapely

    path = settings.smcefr_folder / "region.geojson"
    title = str(settings.scenes.region or AMERICAS_TITLE)
    geometry = json.loads(shapely.to_geojson(load_region(settings)))
    feature = {"type": "Feature", "properties": {"title": title}, "geometry": geometry}
    write_bytes(path, json.dumps(feature).encode(), "publishing the region of the scenes")
    return path


def rings_to_search(region: BaseGeometry, max_vertices: int) -> list[str]:
    """Return WKT polygons that together hold the region: catalogues take one polygon without holes at a time.

    A part with more than ``max_vertices`` vertices is replaced by its convex hull, and that by its box.

    >>> import shapely
    >>> rings_to_search(shapely.box(0, 0, 1, 1), 10)
    ['POLYGON ((1 0, 1 1, 0 1, 0 0, 1 0))']
    """
    import shapely

    wkts = []
    for part in shapely.get_parts(region):
        shape = shapely.Polygon(part.exterior)
        for simpler in (shapely.convex_hull, shapely.envelope):
            if shapely.get_num_coordinates(shape) > max_vertices:
                shape = simpler(shape)
        wkts.append(shapely.to_wkt(shape, rounding_precision=6, trim=True))
    return wkts


def _refusal(path: Path, found: str) -> SettingsError:
    return SettingsError(
        f"reading the region scenes.region = {path} failed: {found}; expected GeoJSON with polygons in longitude and latitude"
    )


def _geometries(path: Path) -> list[Any]:
    """Return the geometry objects of a GeoJSON file: of a collection, a feature, or a bare geometry."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refusal(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _refusal(path, f"it is not JSON ({str(error)[:80]})") from error
    if not isinstance(content, dict):
        raise _refusal(path, "it is no GeoJSON object")
    features = content["features"] if isinstance(content.get("features"), list) else [content]
    found = [item.get("geometry", item) if isinstance(item, dict) else None for item in features]
    return [item for item in found if item is not None]


def _polygons(item: Any, path: Path) -> list[BaseGeometry]:
    import shapely

    try:
        shape = shapely.from_geojson(json.dumps(item))
    except (shapely.errors.GEOSException, TypeError) as error:
        raise _refusal(path, f"a geometry is unusable ({str(error)[:80]})") from error
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(shape)))
    return [part for part in parts if part.geom_type == "Polygon"]
