"""What the tests of the readers share: scenes, and files of them by tools that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import shapely

from mosaic_assets.csquares.readers import ReadFile, read_scene_file

SQUARE = {"type": "Polygon", "coordinates": [[[140, -50], [150, -50], [150, -40], [140, -40], [140, -50]]]}
SQUARE_WKT = "POLYGON ((140 -50, 150 -50, 150 -40, 140 -40, 140 -50))"


def feature(name: Any = "h1awj", shape: Any = SQUARE, /, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "geometry": shape, "properties": properties}


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", **members, "features": list(features)}


def read_json(folder: Path, value: Any) -> ReadFile:
    """Write a value as JSON and read it as scenes."""
    return read_text(folder, json.dumps(value), "scenes.json")


def read_text(folder: Path, text: str | bytes, name: str = "scenes.txt", **options: Any) -> ReadFile:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_scene_file(path, **options)


def ids(found: ReadFile) -> list[str]:
    return [one.scene.id for one in found.footprints]


def reasons(found: ReadFile) -> list[tuple[str, str]]:
    return [(one.record, one.reason) for one in found.rejected]


def frame(crs: str | None = "EPSG:4326") -> geopandas.GeoDataFrame:
    """Three scenes as GeoPandas has them."""
    columns = {
        "scene_id": ["h1awj", "h1awl", "Köln"],
        "satellite": ["NOAA-12", "NOAA-14", None],
        "scene_date_time": geopandas.pd.to_datetime(
            ["2003-06-21T06:23:00Z", "2003-06-22T03:10:00.25Z", None], format="ISO8601", utc=True
        ),
        "image_location": ["tape/1", "tape/2", ""],
        "orbit": [1, 2, 3],
    }
    outlines = [shapely.box(140, -50, 150, -40), shapely.Polygon([(148, -44), (153, -44), (150, -28)]), holed()]
    return geopandas.GeoDataFrame(columns, geometry=outlines, crs=crs)


def holed() -> shapely.MultiPolygon:
    whole = shapely.box(5, 48, 9, 52)
    return shapely.MultiPolygon(
        [shapely.Polygon(whole.exterior, [shapely.box(6, 49, 7, 50).exterior]), shapely.box(0, 0, 1, 1)]
    )
