"""Shapely geometries taken apart into the edges and points that are rasterised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import resolution_of
from mosaic_assets.csquares import rings
from mosaic_assets.csquares.edges import line_runs, point_runs, polygon_runs
from mosaic_assets.csquares.great_circle import densify
from mosaic_assets.csquares.raster import Runs
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Geometry, Polygon

Floats = arrays.Floats
Ints = arrays.Ints
Objects = npt.NDArray[np.object_]

MOST_SQUARES = 20_000_000
"""Most squares that one geometry may cover."""
_POINT, _LINE, _RING, _POLYGON = 0, 1, 2, 3


@dataclass(slots=True)
class Outlines:
    """The pieces of a batch of geometries, each with the number of the geometry it belongs to."""

    level: int
    edges: rings.EdgeKind
    long_edges: rings.LongEdges
    wrap: bool
    first: int = 0
    """Number of the first geometry of the batch."""
    refused: dict[int, GeometryError] = field(default_factory=dict)

    def runs(self, geometries: Sequence[Any]) -> tuple[Runs, Ints]:
        """Return the runs of squares that geometries cross, and the geometry each part belongs to."""
        import shapely

        pieces, owner = self._pieces(geometries)
        kinds = shapely.get_type_id(pieces)
        polygons, polygon_owner = self._polygons(pieces[kinds == _POLYGON], owner[kinds == _POLYGON])
        lined = (kinds == _LINE) | (kinds == _RING)
        lines, line_owner = self._lines(pieces[lined], owner[lined])
        found = [
            (polygon_runs(polygons, self.level), polygon_owner),
            (line_runs(lines, self.level, self.long_edges), line_owner),
            (point_runs(pieces[kinds == _POINT], self.level), owner[kinds == _POINT]),
        ]
        runs, owner = _join(found)
        if self.refused:
            held = ~np.isin(owner[runs.part], list(self.refused))
            runs = Runs(*(column[held] for column in (runs.part, runs.row, runs.first, runs.last, runs.weight)))
        return runs, owner

    def _pieces(self, geometries: Sequence[Any]) -> tuple[Objects, Ints]:
        """Return single points, lines and polygons, their owners, and refuse what lies outside the world."""
        import shapely

        whole = _objects(list(geometries))
        for number in np.flatnonzero(~shapely.is_geometry(whole)):
            self._refuse(
                int(number) + self.first,
                GeometryError(
                    f"it is a {type(whole[number]).__name__}; expected a shapely geometry, for example from "
                    "shapely.geometry.shape(mapping)"
                ),
            )
            whole[number] = None
        self._refuse_outside(whole)
        pieces, owner = shapely.get_parts(whole, return_index=True)
        owner = owner + self.first
        while (shapely.get_type_id(pieces) > _POLYGON).any():  # collections may hold collections
            pieces, inner = shapely.get_parts(pieces, return_index=True)
            owner = owner[inner]
        held = ~shapely.is_empty(pieces)
        return shapely.force_2d(pieces[held]), owner[held]

    def _refuse_outside(self, whole: Objects) -> None:
        """Refuse geometries with vertices that are not numbers or lie outside the world."""
        import shapely

        points, owner = shapely.get_coordinates(whole, return_index=True)
        lng, lat = np.abs(points).T
        good = (lat <= 90) & (lng <= (540 if self.wrap else 180))
        for number in np.unique(owner[~good]):
            at = int(np.flatnonzero(~good & (owner == number))[0])
            self._refuse(
                int(number) + self.first,
                GeometryError(
                    f"it has a vertex at lng={points[at, 0]}, lat={points[at, 1]}; expected -180..180 and -90..90 "
                    "degrees; reproject it to EPSG:4326, check the order of the two, or pass wrap=True if "
                    "longitudes run past 180 on purpose"
                ),
            )
            whole[number] = None

    def _refuse(self, number: int, error: GeometryError) -> None:
        refusal = GeometryError(f"covering geometry number {number} with c-squares: {error}")
        refusal.__cause__ = error.__cause__
        self.refused.setdefault(number, refusal)

    def _polygons(self, polygons: Objects, owner: Ints) -> tuple[Objects, Ints]:
        """Return sound polygons of the plane and their owners."""
        import shapely

        if self.edges == "great_circle":
            polygons, owner = self._curved(polygons, owner, self._curve_polygons)
        polygons, owner = self._each(polygons, owner, self._unroll, only=_has_long_edges(polygons))
        polygons, owner = self._each(polygons, owner, _sound, only=~shapely.is_valid(polygons))
        size = resolution_of(self.level)
        much = shapely.area(polygons) / size**2 + shapely.length(polygons) / size > MOST_SQUARES
        return self._each(polygons, owner, self._too_many, only=much)

    def _each(
        self,
        polygons: Objects,
        owner: Ints,
        change: Callable[[Any], list[Any]],
        only: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Objects, Ints]:
        """Replace some polygons by what becomes of them; a geometry with a refused part is refused whole."""
        if only is not None and not only.any():
            return polygons, owner
        chosen = np.arange(len(polygons)) if only is None else np.flatnonzero(only)
        kept = [polygons[:0] if only is None else polygons[~only]]
        owners = [owner[:0] if only is None else owner[~only]]
        for number in chosen:
            try:
                parts = change(polygons[number])
            except GeometryError as error:
                self._refuse(int(owner[number]), error)
                continue
            kept.append(_objects(parts))
            owners.append(np.full(len(parts), owner[number]))
        polygons, owner = np.concatenate(kept), np.concatenate(owners)
        held = ~np.isin(owner, list(self.refused))
        return polygons[held], owner[held]

    def _lines(self, lines: Objects, owner: Ints) -> tuple[Objects, Ints]:
        """Return lines with as many vertices as they need, and their owners."""
        import shapely

        if self.edges == "great_circle":
            lines, owner = self._curved(lines, owner, self._curve_lines)
        much = shapely.length(lines) / resolution_of(self.level) > MOST_SQUARES
        return self._each(lines, owner, self._too_many, only=much)

    def _curved(self, shapes: Objects, owner: Ints, curve: Callable[[Objects], Objects]) -> tuple[Objects, Ints]:
        """Put vertices on great circles, all at once if every edge has one."""
        try:
            return curve(shapes), owner
        except GeometryError:
            return self._each(shapes, owner, lambda one: list(curve(np.array([one], object))))

    def _curve_polygons(self, polygons: Objects) -> Objects:
        import shapely

        ring, polygon = shapely.get_rings(polygons, return_index=True)
        points, (offsets,) = self._densified(ring)
        outer = np.searchsorted(polygon, np.arange(len(polygons) + 1))
        curved: Objects = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (offsets, outer))
        return curved

    def _curve_lines(self, lines: Objects) -> Objects:
        import shapely

        curved: Objects = shapely.from_ragged_array(shapely.GeometryType.LINESTRING, *self._densified(lines))
        return curved

    def _densified(self, lines: Objects) -> tuple[Floats, tuple[Ints]]:
        """Return the vertices of densified lines or rings and where each starts."""
        import shapely

        if self.long_edges == "as_drawn":
            raise GeometryError(
                "great-circle edges always go the short way round; use long_edges='short' or edges='planar'"
            )
        points, line = shapely.get_coordinates(lines, return_index=True)
        points, line = densify(points, line, resolution_of(self.level) / 100)
        return points, (np.searchsorted(line, np.arange(len(lines) + 1)),)

    def _unroll(self, polygon: Polygon) -> list[Polygon]:
        return rings.unroll(polygon, self.long_edges)

    def _too_many(self, shape: Geometry) -> list[Geometry]:
        raise GeometryError(
            f"it spans {shape.area:.6g} square degrees with an outline of {shape.length:.6g} degrees, more than "
            f"{MOST_SQUARES:,} squares of {resolution_of(self.level):g} degrees; use a coarser resolution or split it"
        )


def _objects(shapes: list[Any]) -> Objects:
    held = np.empty(len(shapes), object)
    held[:] = shapes
    return held


def _has_long_edges(polygons: Objects) -> npt.NDArray[np.bool_]:
    import shapely

    points, polygon = shapely.get_coordinates(polygons, return_index=True)
    # A step from one ring to the next may count too; that costs time, not truth.
    long = (np.abs(np.diff(points[:, 0])) > 180) & (polygon[1:] == polygon[:-1])
    found = np.zeros(len(polygons), bool)
    found[polygon[1:][long]] = True
    return found


def _sound(polygon: Polygon) -> list[Polygon]:
    return rings.sound([polygon])


def _join(found: list[tuple[Runs, Ints]]) -> tuple[Runs, Ints]:
    """Number the parts of polygons, lines and points through."""
    starts = np.cumsum([0, *(len(owner) for _, owner in found)])
    columns = [
        (runs.part + start, runs.row, runs.first, runs.last, runs.weight)
        for (runs, _), start in zip(found, starts, strict=False)
    ]
    joined = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Runs(*joined), np.concatenate([owner for _, owner in found])
