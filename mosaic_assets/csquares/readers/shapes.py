"""Outlines as files write them: GeoJSON objects, WKT, WKB, each into a shapely geometry or a reason why not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mosaic_assets.csquares.readers.records import MAX_VERTICES, Lost, excerpt

if TYPE_CHECKING:
    from shapely import Geometry

Floats = npt.NDArray[np.float64]

_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How deep positions are nested in ``coordinates``."""
_FEWEST = {"LineString": 2, "MultiLineString": 2, "Polygon": 3, "MultiPolygon": 3}
_NESTED = 8
"""Collections in collections that are still read."""
_HEX = re.compile(r"0[01][0-9A-Fa-f]{8,}")
_WITH_SRID = re.compile(r"\s*SRID\s*=\s*(\d+)\s*;(.*)", re.IGNORECASE | re.DOTALL)
_ODATA = re.compile(r"\s*geo(?:graphy|metry)'(.*)'\s*", re.IGNORECASE | re.DOTALL)


def shape_of(value: Any) -> tuple[Geometry, str | None]:
    """Return the geometry that a value of a file stands for.

    Parameters
    ----------
    value : Any
        GeoJSON object; WKT, also with ``SRID=...;`` in front or as OData writes it; WKB, also as hexadecimal digits;
        None. An open ring is closed.

    Returns
    -------
    geometry : shapely geometry
    crs : str or None
        The coordinate system that the value itself names, such as ``EPSG:4326``.

    Raises
    ------
    Lost
        There is none, or it cannot be read.

    Examples
    --------
    >>> geometry, crs = shape_of("SRID=32755;POINT (500000 5300000)")
    >>> geometry.wkt, crs
    ('POINT (500000 5300000)', 'EPSG:32755')
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_wkb(bytes(value))
    if isinstance(value, Mapping):
        return _of_mapping(value), None
    if value is None:
        raise Lost("it has no geometry; expected the outline of the scene")
    raise Lost(f"its geometry is {excerpt(value, 30)}; expected a GeoJSON geometry, WKT or WKB")


def _of_text(text: str) -> tuple[Geometry, str | None]:
    import shapely

    if match := _ODATA.fullmatch(text):
        text = match[1]
    if match := _WITH_SRID.fullmatch(text):
        return _of_text(match[2])[0], f"EPSG:{match[1]}"
    text = text.strip()
    if text.startswith("{"):
        return shape_of(_json(text))
    if _HEX.fullmatch(text) and len(text) % 2 == 0:
        return _of_wkb(bytes.fromhex(text))
    if not text:
        raise Lost("it has no geometry; expected the outline of the scene")
    try:
        return shapely.from_wkt(text), None
    except (shapely.errors.ShapelyError, ValueError, NotImplementedError) as error:
        raise Lost(
            f"its geometry {excerpt(text, 40)} is not WKT of points, lines or polygons: {_first_line(error)}"
        ) from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Lost(f"its geometry {excerpt(text, 40)} is not JSON: {_first_line(error)}") from error


def _of_wkb(value: bytes) -> tuple[Geometry, str | None]:
    import shapely

    try:
        geometry = shapely.from_wkb(value)
    except (shapely.errors.ShapelyError, ValueError, NotImplementedError, MemoryError) as error:
        raise Lost(
            f"its geometry of {len(value):,} bytes is not WKB of points, lines or polygons: {_first_line(error)}"
        ) from error
    srid = int(shapely.get_srid(geometry))
    return geometry, f"EPSG:{srid}" if srid > 0 else None


def _first_line(error: BaseException) -> str:
    return excerpt(str(error).strip().partition("\n")[0], 120).strip("'\"")


def _of_mapping(value: Mapping[Any, Any], nested: int = 0) -> Geometry:
    import shapely

    kind = value.get("type")
    if kind == "GeometryCollection":
        parts = value.get("geometries")
        if not isinstance(parts, list) or nested > _NESTED or not all(isinstance(part, Mapping) for part in parts):
            raise Lost(f"its geometries are {excerpt(parts, 30)}; expected a list of GeoJSON geometries")
        return shapely.GeometryCollection([_of_mapping(part, nested + 1) for part in parts])
    if not isinstance(kind, str) or kind not in _DEPTHS:
        raise Lost(
            f"its geometry has the type {excerpt(kind, 30)}; expected {', '.join(_DEPTHS)} or a collection of them"
        )
    coordinates = value.get("coordinates")
    if not isinstance(coordinates, list):
        raise Lost(f"the coordinates of its {kind} are {excerpt(coordinates, 30)}; expected a list")
    return _built(kind, coordinates)


def _built(kind: str, coordinates: list[Any]) -> Geometry:
    """Build a geometry of arrays of positions. An empty list makes an empty geometry."""
    import shapely

    if not coordinates:
        return shapely.from_wkt(f"{kind} EMPTY".upper())
    if kind == "Point":
        return shapely.Point(_positions([coordinates], kind)[0])
    parts = _parts(coordinates, _DEPTHS[kind], kind)
    if kind == "MultiPoint":
        return shapely.MultiPoint(parts)
    if kind == "LineString":
        return shapely.LineString(parts)
    if kind == "MultiLineString":
        return shapely.MultiLineString(parts)
    if kind == "Polygon":
        return shapely.Polygon(parts[0], parts[1:])
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in parts])


def _parts(value: Any, depth: int, kind: str) -> Any:
    """Return the lists of positions in nested lists, nested alike; empty ones left out."""
    if not isinstance(value, list):
        raise Lost(f"the coordinates of its {kind} hold {excerpt(value, 30)}; expected lists of positions")
    if depth == 1:
        return _positions(value, kind)
    parts = [_parts(one, depth - 1, kind) for one in value if one != []]
    if not parts:
        raise Lost(f"the coordinates of its {kind} are empty; expected lists of positions")
    return parts


def _positions(value: list[Any], kind: str) -> Floats:
    """Return (n, 2) numbers; what follows the first two of a position is dropped."""
    if len(value) > MAX_VERTICES:
        raise Lost(
            f"its {kind} has {len(value):,} vertices in one ring or line; expected {MAX_VERTICES:,} at most: simplify it"
        )
    points = _array(value)
    if points.ndim != 2 or points.dtype.kind not in "iuf" or points.shape[1] < 2:
        bad = next((position for position in value if not _is_position(position)), value[:1])
        raise Lost(f"its {kind} has the position {excerpt(bad, 40)}; expected [longitude, latitude], two numbers")
    if len(points) < _FEWEST.get(kind, 1):
        raise Lost(f"its {kind} has a ring or line of {len(points)} vertices; expected {_FEWEST[kind]} at least")
    found: Floats = points[:, :2].astype(np.float64)
    refuse_strange(found)
    return found


def refuse_strange(points: Floats, reprojected: str = "") -> None:
    """Refuse vertices, (n, 2), that are not numbers. Raises `Lost`."""
    strange = ~np.isfinite(points).all(axis=1)
    if strange.any():
        x, y = points[strange][0]
        raise Lost(f"it has a vertex at lng={x}, lat={y}{reprojected}; expected numbers within the world")


def _array(value: list[Any]) -> npt.NDArray[Any]:
    """Return positions as an array; of no use for numbers if they are not all positions."""
    try:
        return np.array(value)
    except ValueError:  # some have a third coordinate, some have not
        pass
    try:
        return np.array([[position[0], position[1]] for position in value])
    except (ValueError, TypeError, LookupError):
        return np.empty(0, object)


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(type(one) in (int, float) for one in value[:2])
