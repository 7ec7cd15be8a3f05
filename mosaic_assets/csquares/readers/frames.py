"""Outlines of any coordinate system brought to longitude and latitude, and judged.

* Coordinate systems other than WGS 84 are reprojected; straight edges of a projected one get a vertex every 10 km first.
* Edges that are great circles (GeoParquet's ``spherical``) get vertices until straight lines are near enough.
* Longitudes run from -180 to 180, or in all of a geometry from 0 to 360: those beyond 180 are then brought back by a full
  turn. An edge over more than 180 degrees says, in that convention, nothing that can be trusted and rejects the record.
* 1e-7 degrees (1 cm) beyond the world are rounding and moved back to its edge.
* A third coordinate is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mosaic_assets.csquares.great_circle import densify
from mosaic_assets.csquares.readers.records import MAX_VERTICES, Lost, excerpt
from mosaic_assets.csquares.readers.shapes import refuse_strange
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Geometry

Floats = npt.NDArray[np.float64]
Change = Callable[["Geometry"], "Geometry"]

_KINDS = ("Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
          "GeometryCollection")  # fmt: skip
_ROUNDING = 1e-7
"""Degrees beyond the world that are taken for rounding: the size of the smallest c-square."""
_EDGE_M = 10_000.0
"""Longest edge of a projected outline, metres: it then bends by metres, of squares of 55 km."""
_NEAR = 0.005
"""Latitude by which a great circle may differ from the straight lines that stand for it, degrees."""


@dataclass(slots=True)
class Frames:
    """The ways from coordinate systems to longitude and latitude, each looked up once a file."""

    _changes: dict[str, Change | Lost] = field(default_factory=dict)

    def placed(self, geometry: Geometry, crs: str | None, *, spherical: bool = False) -> Geometry:
        """Return a geometry in longitude and latitude.

        Parameters
        ----------
        geometry : shapely geometry
        crs : str or None
            Its coordinate system, anything that PROJ reads; x is east. None: longitude and latitude, WGS 84.
        spherical : bool
            Edges are great circles.

        Raises
        ------
        Lost
            Nothing in it, numbers that are none, outside the world, too many vertices, an unknown coordinate system.

        Examples
        --------
        >>> import shapely
        >>> Frames().placed(shapely.box(350, 10, 355, 12), None).bounds
        (-10.0, 10.0, -5.0, 12.0)
        >>> Frames().placed(shapely.Point(-20037508.342789244, 0), "EPSG:3857").wkt
        'POINT (-180 0)'
        """
        import shapely

        _refuse_unusable(geometry)
        geometry = shapely.force_2d(geometry)
        if crs is not None:
            geometry = self._change(crs)(geometry)
        refuse_strange(
            shapely.get_coordinates(geometry), "" if crs is None else f", reprojected from {excerpt(crs, 40)}"
        )
        geometry = _on_the_world(geometry)
        return _curved(geometry) if spherical else geometry

    def _change(self, crs: str) -> Change:
        if crs not in self._changes:
            try:
                self._changes[crs] = _change_of(crs)
            except Lost as lost:
                self._changes[crs] = lost
        found = self._changes[crs]
        if isinstance(found, Lost):
            raise Lost(str(found))
        return found


def _change_of(crs: str) -> Change:
    """Return what brings geometries of a coordinate system to longitude and latitude."""
    import pyproj
    import shapely

    try:
        system, world = pyproj.CRS.from_user_input(crs), pyproj.CRS.from_epsg(4326)
        if system.to_2d().equals(world, ignore_axis_order=True):
            return lambda geometry: geometry
        transform = pyproj.Transformer.from_crs(system, world, always_xy=True).transform
        step = _EDGE_M / system.axis_info[0].unit_conversion_factor if system.is_projected else np.inf
    except (pyproj.exceptions.ProjError, ValueError, LookupError, ArithmeticError) as error:
        raise Lost(
            f"its coordinate system {excerpt(crs, 40)} is not one that PROJ can bring to longitude and latitude; "
            "expected EPSG:4326 or a known one: reproject it"
        ) from error

    def moved(points: Floats) -> Floats:
        return np.stack(transform(*points.T), axis=1) if len(points) else points

    return lambda geometry: shapely.transform(_cut_up(geometry, step), moved)


def _cut_up(geometry: Geometry, step: float) -> Geometry:
    """Put vertices on long edges, though not more than a ring may have."""
    import shapely

    length = float(shapely.length(geometry))
    if not np.isfinite(step) or not np.isfinite(length):
        return geometry
    return shapely.segmentize(geometry, max(step, length / MAX_VERTICES))


def _refuse_unusable(geometry: Geometry) -> None:
    import shapely

    if geometry.geom_type not in _KINDS:
        raise Lost(f"its geometry is a {geometry.geom_type}; expected points, lines or polygons")
    if geometry.is_empty:
        raise Lost("its geometry is empty; expected the outline of the scene")
    if shapely.get_num_coordinates(geometry) > MAX_VERTICES and (most := _longest(geometry)) > MAX_VERTICES:
        raise Lost(f"it has {most:,} vertices in one ring or line; expected {MAX_VERTICES:,} at most: simplify it")


def _longest(geometry: Geometry) -> int:
    """Return how many vertices the longest ring or line has."""
    import shapely

    return int(max(shapely.get_num_coordinates(_outlines(geometry)), default=0))


def _outlines(geometry: Geometry) -> list[Geometry]:
    """Return the rings and lines of a geometry."""
    import shapely

    parts = shapely.get_parts([geometry])
    while (shapely.get_type_id(parts) > 3).any():  # collections may hold collections
        parts = shapely.get_parts(parts)
    kinds = shapely.get_type_id(parts)
    return [*shapely.get_rings(parts[kinds == 3]), *parts[(kinds == 1) | (kinds == 2)]]


def _on_the_world(geometry: Geometry) -> Geometry:
    """Bring longitudes of 0..360 to -180..180; refuse what is neither."""
    import shapely

    points = shapely.get_coordinates(geometry)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    if max(-south, north) > 90 + _ROUNDING:
        at = points[np.argmax(np.abs(points[:, 1]))]
        raise Lost(
            f"it has a vertex at lng={at[0]:.10g}, lat={at[1]:.10g}; expected latitudes of -90..90 degrees: is the order "
            "longitude, latitude, and the coordinate system EPSG:4326?"
        )
    if max(-west, east) <= 180 + _ROUNDING:
        limits = np.array([180.0, 90.0])
        return geometry if max(-west, east) <= 180 and max(-south, north) <= 90 else _clipped(geometry, limits)
    if west < 0 or east > 360:
        raise Lost(
            f"its longitudes run from {west:.10g} to {east:.10g}; expected -180..180, or 0..360 in all of it: is the order "
            "longitude, latitude, and the coordinate system EPSG:4326?"
        )
    _refuse_wide_edges(geometry)
    return _clipped(shapely.transform(geometry, _turned), np.array([180.0, 90.0]))


def _turned(points: Floats) -> Floats:
    return points - np.where(points[:, :1] > 180, [[360.0, 0.0]], 0.0)


def _clipped(geometry: Geometry, limits: Floats) -> Geometry:
    import shapely

    return shapely.transform(geometry, lambda points: np.clip(points, -limits, limits))


def _refuse_wide_edges(geometry: Geometry) -> None:
    import shapely

    points, line = shapely.get_coordinates(_outlines(geometry), return_index=True)
    wide = (np.abs(np.diff(points[:, 0])) > 180) & (line[1:] == line[:-1])
    if wide.any():
        first, last = points[np.flatnonzero(wide)[0] :, 0][:2]
        raise Lost(
            f"its longitudes are those of 0..360 and an edge runs from {first:.10g} to {last:.10g}: which way round cannot "
            "be told; expected edges of at most 180 degrees: put vertices on it"
        )


def _curved(geometry: Geometry) -> Geometry:
    """Put vertices on edges that are great circles."""
    import shapely

    if geometry.geom_type in ("Point", "MultiPoint"):
        return geometry
    if geometry.geom_type == "Polygon":
        return shapely.Polygon(_bent(geometry.exterior), [_bent(hole) for hole in geometry.interiors])
    if hasattr(geometry, "geoms"):
        parts: list[Any] = [_curved(part) for part in geometry.geoms if not part.is_empty]
        return type(geometry)(parts)
    return type(geometry)(_bent(geometry))


def _bent(line: Geometry) -> Floats:
    import shapely

    points = shapely.get_coordinates(line)
    try:
        return densify(points, np.zeros(len(points), np.int64), _NEAR)[0]
    except GeometryError as error:
        raise Lost(str(error)) from error
