"""Label files: GeoJSON, a bare JSON list of Features, GeoPackage, GeoParquet and Shapefile; and which CRS they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    import geopandas as gpd

GEOJSON = {".geojson", ".json"}
PARQUET = {".parquet", ".geoparquet"}
OTHERS = {".gpkg", ".shp"}
WGS84 = "OGC:CRS84"


def read_file(path: Path) -> gpd.GeoDataFrame:
    """Read a file of labels as it is; its CRS may be None.

    Raises
    ------
    LabelError
        It does not exist, is of an unknown format, or cannot be read.
    """
    import geopandas as gpd

    if not path.exists():
        raise LabelError(f"reading labels failed: {path} does not exist; set chips.labels to a file of polygons")
    suffix = path.suffix.lower()
    if suffix not in GEOJSON | PARQUET | OTHERS:
        known = ", ".join(sorted(GEOJSON | PARQUET | OTHERS))
        raise LabelError(
            f"reading labels from {path} failed: {suffix or 'no ending'} is unknown; expected one of {known}"
        )
    try:
        if suffix in GEOJSON:
            return _geojson(path)
        return gpd.read_parquet(path) if suffix in PARQUET else gpd.read_file(path)
    except LabelError:
        raise
    except Exception as error:  # GDAL, Arrow, JSON and shapely raise classes of their own, without a common root
        raise LabelError(
            f"reading labels from {path} failed: {' '.join(str(error).split())[:300]}. Open it in a GIS to see what it is, "
            "and write it anew as GeoPackage or GeoJSON"
        ) from error


def _geojson(path: Path) -> gpd.GeoDataFrame:
    """Read GeoJSON: a FeatureCollection, one Feature, or a bare list of Features, which GDAL refuses."""
    import geopandas as gpd
    from shapely.geometry import shape

    content = json.loads(path.read_text(encoding="utf-8-sig"))
    features = content if isinstance(content, list) else _features(content, path)
    if not all(isinstance(one, dict) and one.get("type") == "Feature" for one in features):
        raise LabelError(
            f"reading labels from {path} failed: it holds something that is no Feature; expected GeoJSON Features"
        )
    shapes = [_shape_or_none(one.get("geometry"), shape) for one in features]
    rows = [one.get("properties") or {} for one in features]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "geometry"))
    data = {name: [row.get(name) for row in rows] for name in columns}
    return gpd.GeoDataFrame(data, geometry=gpd.GeoSeries(shapes, dtype="geometry"), crs=_named_crs(content))


def _shape_or_none(geometry: Any, shape: Any) -> Any:
    """Return a geometry; None for one that cannot be built, so that one bad row costs no other."""
    if not geometry:
        return None
    try:
        return shape(geometry)
    except Exception:  # shapely, numpy, KeyError, TypeError: whatever malformed coordinates lead to
        return None


def _features(content: Any, path: Path) -> list[Any]:
    if isinstance(content, dict) and content.get("type") == "Feature":
        return [content]
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list):
        raise LabelError(
            f"reading labels from {path} failed: it is JSON, but neither a FeatureCollection nor a list of Features"
        )
    return features


def _named_crs(content: Any) -> str | None:
    """Return the CRS of the member that GeoJSON had before RFC 7946, if there is one."""
    member = content.get("crs") if isinstance(content, dict) else None
    name = (member.get("properties") or {}).get("name") if isinstance(member, dict) else None
    return str(name) if name else None


def with_crs(frame: gpd.GeoDataFrame, path: Path, label_crs: str | None) -> gpd.GeoDataFrame:
    """Give a frame the CRS it means: its own, that of the settings, or for GeoJSON degrees on WGS 84.

    Raises
    ------
    LabelError
        Nobody says which, or coordinates that cannot be degrees.
    """
    if frame.crs is not None:
        return frame
    if label_crs:
        try:
            return frame.set_crs(label_crs)
        except Exception as error:  # pyproj's
            raise LabelError(
                f"chips.label_crs = {label_crs!r} is no CRS: {error}; expected one like EPSG:32734"
            ) from error
    if path.suffix.lower() not in GEOJSON:
        raise LabelError(
            f"labels in {path} have no CRS, so nobody knows where they lie; set chips.label_crs, as in EPSG:32734"
        )
    bounds = np.nan_to_num(frame.total_bounds)
    if np.abs(bounds[[0, 2]]).max() > 180.5 or np.abs(bounds[[1, 3]]).max() > 90.5:
        raise LabelError(
            f"labels in {path} reach to {bounds.round(1).tolist()}, which are no degrees, though GeoJSON is in WGS 84; "
            "set chips.label_crs to the CRS they are in"
        )
    return frame.set_crs(WGS84)
