"""The two tile grids of a localization gallery, under the names that OGC's Two Dimensional Tile Matrix Sets gives them.

``GoogleCRS84Quad`` is plate carree on a square of 360 x 360 degrees: a tile of zoom z is 360 / 2**z degrees wide and high, and
row 0 begins at latitude 180, so that only the middle half of the rows lies on Earth. It is the grid of ``ge_tiles`` in
reference 4. ``WebMercatorQuad`` is the grid of web maps, `mosaic_assets.core.tiles`.

Columns are the same in both grids, to the last bit. Rows are not: (15, 16400, 12016) lies near Le Mans in one grid and near
Tarbes, 530 km south, in the other. So a gallery's file says which grid it is in, and nothing here has a default.

A tile owns its west and its north edge; its east and south edges belong to the neighbours. Where there is no neighbour,
longitude 180 belongs to the last column, and the south edge of the world to the last row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosaic_assets.core import plate_carree
from mosaic_assets.core import tiles as mercator
from mosaic_assets.core.ground import GroundPixel, metres_a_radian
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.core.tile_range import TileRange
from mosaic_assets.core.tiles import EARTH_RADIUS_M, MAX_LAT, TILE_SIZE, checked_zoom
from mosaic_assets.errors import GeometryError, UnknownNameError

GridName = Literal["GoogleCRS84Quad", "WebMercatorQuad"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """A tile grid: which tile holds a place, where a tile lies, how large its pixels are.

    ``Tile`` is used for tiles of both grids; which grid one belongs to is what the `Grid` says that made it.
    """

    name: GridName
    crs: str
    """Coordinate reference system of the grid, as in ``EPSG:3857``."""
    max_lat: float
    """The world of the grid reaches from minus to plus this latitude, degrees."""

    @property
    def is_mercator(self) -> bool:
        """True for ``WebMercatorQuad``."""
        return self.name == "WebMercatorQuad"

    def rows(self, zoom: int) -> tuple[int, int]:
        """Return the first and the last row that lie on Earth, at zoom 0..30; `GeometryError` otherwise.

        Examples
        --------
        >>> CRS84_QUAD.rows(15), WEB_MERCATOR_QUAD.rows(15)
        ((8192, 24575), (0, 32767))
        """
        return (0, (1 << checked_zoom(zoom)) - 1) if self.is_mercator else plate_carree.rows(zoom)

    def check(self, tile: Tile) -> Tile:
        """Return the tile if the grid has it on Earth.

        Raises
        ------
        GeometryError
            The zoom lies outside 0..30, the column outside ``0..2**z - 1``, or the row outside `rows`.

        Examples
        --------
        >>> CRS84_QUAD.check(Tile(x=16400, y=12016, z=15))
        Tile(x=16400, y=12016, z=15)
        """
        first, last = self.rows(tile.z)
        side = 1 << tile.z
        if not (0 <= tile.x < side and first <= tile.y <= last):
            raise GeometryError(
                f"tile {tuple(tile)} is not in the grid {self.name}: at zoom {tile.z}, columns go from 0 to {side - 1} and "
                f"rows from {first} to {last}; check the order (x, y, z), that y counts from the north, and the grid"
            )
        return tile

    def tile_at(self, lng: float, lat: float, zoom: int) -> Tile:
        """Tile that owns a point.

        Parameters
        ----------
        lng : degrees, -180..180; 180 belongs to the last column.
        lat : degrees, within `max_lat`; a point on an edge belongs to the tile south of it.
        zoom : 0..30.

        Raises
        ------
        GeometryError
            The point lies outside the grid's world, or the zoom outside 0..30.

        Examples
        --------
        >>> CRS84_QUAD.tile_at(0.1809, 47.9827, 15), WEB_MERCATOR_QUAD.tile_at(0.1809, 47.9827, 15)
        (Tile(x=16400, y=12016, z=15), Tile(x=16400, y=11392, z=15))
        """
        x, y = self.tiles_at(lng, lat, zoom)
        return Tile(int(x), int(y), zoom)

    def tiles_at(self, lng: ArrayLike, lat: ArrayLike, zoom: int) -> tuple[_Ints, _Ints]:
        """Columns and rows that own points, int64; `tile_at` for arrays that broadcast together.

        Examples
        --------
        >>> CRS84_QUAD.tiles_at([-180, 0, 180], [90, 0, -90], 2)
        (array([0, 2, 3]), array([1, 2, 2]))
        """
        if self.is_mercator:
            return mercator.tiles_at(lng, lat, zoom)
        checked_zoom(zoom)
        lng, lat = np.broadcast_arrays(np.asarray(lng, np.float64), np.asarray(lat, np.float64))
        self._check_points(lng, lat)
        return plate_carree.tiles_at(lng, lat, zoom)

    def bounds_of(self, x: ArrayLike, y: ArrayLike, zoom: int) -> tuple[_Floats, _Floats, _Floats, _Floats]:
        """Give the west, south, east and north edges of tiles, degrees, float64.

        x and y are integers that broadcast together; they are not checked. Neighbours get the very same number for the edge
        they share. The tiles of `GoogleCRS84Quad` at zooms 0 and 1 reach beyond the poles, to latitude 180.

        Examples
        --------
        >>> [edge.tolist() for edge in CRS84_QUAD.bounds_of([0, 1], [0, 1], 1)]
        [[-180.0, 0.0], [0.0, -180.0], [0.0, 180.0], [180.0, 0.0]]
        """
        return mercator.bounds_of(x, y, zoom) if self.is_mercator else plate_carree.bounds_of(x, y, zoom)

    def bounds(self, tile: Tile) -> Bounds:
        """Give the edges of a tile, degrees; `GeometryError` as in `check`.

        Examples
        --------
        >>> CRS84_QUAD.bounds(Tile(x=16400, y=12016, z=15))
        Bounds(west=0.17578125, south=47.977294921875, east=0.186767578125, north=47.98828125)
        """
        self.check(tile)
        return Bounds(*(float(edge) for edge in self.bounds_of(tile.x, tile.y, tile.z)))

    def centre(self, tile: Tile) -> tuple[float, float]:
        """Give lng and lat, degrees, of the corner that the four middle pixels of a tile share; `GeometryError` as in `check`.

        In Web Mercator that is not the mean of the north and south edge.

        Examples
        --------
        >>> CRS84_QUAD.centre(Tile(x=16400, y=12016, z=15))
        (0.1812744140625, 47.9827880859375)
        """
        self.check(tile)
        lng, lat = self.lnglat_at((tile.x + 0.5) * TILE_SIZE, (tile.y + 0.5) * TILE_SIZE, tile.z)
        return float(lng), float(lat)

    def tiles_in(self, bounds: Bounds, zoom: int) -> TileRange:
        """Tiles that share more than an edge with a box.

        Raises
        ------
        GeometryError
            The box has no area or leaves the grid's world, or the zoom lies outside 0..30.

        Examples
        --------
        >>> CRS84_QUAD.tiles_in(Bounds(0.0, 0.0, 90.0, 90.0), 2).count
        1
        """
        if not (bounds.west < bounds.east and bounds.south < bounds.north):
            raise GeometryError(
                f"tiles of the box {tuple(bounds)}: it has no area; expected west < east and south < north, degrees"
            )
        first = self.tile_at(bounds.west, bounds.north, zoom)
        last = self.tile_at(bounds.east, bounds.south, zoom)
        west, _, _, north = (float(edge) for edge in self.bounds_of(last.x, last.y, zoom))
        # A tile that only touches the east or south edge from outside holds nothing of the box.
        return TileRange(zoom, first.x, last.x - (west >= bounds.east), first.y, last.y - (north <= bounds.south))

    def pixel_at(self, lng: ArrayLike, lat: ArrayLike, zoom: int) -> tuple[_Floats, _Floats]:
        """Column and row in the picture of the whole world at a zoom, float64 pixels from the north-west corner.

        Pixel (0, 0) reaches from 0 to 1; tile x begins at column ``256 * x``.

        Raises
        ------
        GeometryError
            A point lies outside the grid's world.

        Examples
        --------
        >>> [float(pixel) for pixel in WEB_MERCATOR_QUAD.pixel_at(0.0, 0.0, 1)]
        [256.0, 256.0]
        """
        lng, lat = np.asarray(lng, np.float64), np.asarray(lat, np.float64)
        self._check_points(lng, lat)
        pixels = float(TILE_SIZE << checked_zoom(zoom))
        if not self.is_mercator:
            return np.asarray((lng + 180.0) / 360.0 * pixels), np.asarray((180.0 - lat) / 360.0 * pixels)
        ordinate = np.arctanh(np.sin(np.radians(lat))) / np.pi
        return np.asarray((lng + 180.0) / 360.0 * pixels), np.asarray((1.0 - ordinate) / 2.0 * pixels)

    def lnglat_at(self, column: ArrayLike, row: ArrayLike, zoom: int) -> tuple[_Floats, _Floats]:
        """Longitude and latitude, degrees, of places in the picture of the whole world; the reverse of `pixel_at`, unchecked.

        Examples
        --------
        >>> [float(degrees) for degrees in CRS84_QUAD.lnglat_at(0.0, 256.0, 1)]
        [-180.0, 0.0]
        """
        pixels = float(TILE_SIZE << checked_zoom(zoom))
        column, row = np.asarray(column, np.float64), np.asarray(row, np.float64)
        lng = np.asarray(column / pixels * 360.0 - 180.0)
        if not self.is_mercator:
            return lng, np.asarray(180.0 - row / pixels * 360.0)
        return lng, np.asarray(np.degrees(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * row / pixels)))))

    def ground_pixel(self, zoom: int, lat: float) -> GroundPixel:
        """Size of a pixel on the ground at a latitude, metres on the WGS 84 ellipsoid.

        Raises
        ------
        GeometryError
            ``lat`` is a pole or beyond `max_lat`, or the zoom lies outside 0..30.

        Examples
        --------
        >>> [round(metres, 2) for metres in CRS84_QUAD.ground_pixel(15, 46.8)]
        [3.28, 4.77]
        >>> [round(metres, 2) for metres in WEB_MERCATOR_QUAD.ground_pixel(15, 46.8)]
        [3.28, 3.27]
        """
        self._check_points(np.asarray(0.0), np.asarray(lat))
        radians = 2 * math.pi / (TILE_SIZE << checked_zoom(zoom))
        east, north = metres_a_radian(lat)
        # A mercator row is as many degrees of latitude high as it is wide, times the cosine.
        height = math.cos(math.radians(lat)) if self.is_mercator else 1.0
        return GroundPixel(east * radians, north * radians * height)

    def _check_points(self, lng: _Floats, lat: _Floats) -> None:
        lng, lat = np.broadcast_arrays(lng, lat)
        wrong = ~((np.abs(lng) <= 180.0) & (np.abs(lat) <= self.max_lat))  # catches NaN too
        if wrong.any():
            first = np.argmax(wrong.ravel())
            raise GeometryError(
                f"the grid {self.name} does not hold the point lng {lng.ravel()[first]}, lat {lat.ravel()[first]}; expected "
                f"lng in -180..180 and lat in -{self.max_lat}..{self.max_lat}: check their order, or clip"
            )


CRS84_QUAD = Grid("GoogleCRS84Quad", "EPSG:4326", 90.0)
"""Plate carree on 360 x 360 degrees: the grid of reference 4's gallery."""

WEB_MERCATOR_QUAD = Grid("WebMercatorQuad", "EPSG:3857", MAX_LAT)
"""The grid of web maps."""

GRIDS: dict[str, Grid] = {grid.name: grid for grid in (CRS84_QUAD, WEB_MERCATOR_QUAD)}
"""Every grid by name."""


def grid_named(name: str) -> Grid:
    """Return the grid of a name; `UnknownNameError` when there is none.

    Examples
    --------
    >>> grid_named("WebMercatorQuad").crs
    'EPSG:3857'
    """
    if name not in GRIDS:
        raise UnknownNameError("tile grid", name, GRIDS, "Set `gallery.grid` to one of them.")
    return GRIDS[name]


def nominal_resolution(zoom: int) -> float:
    """Return what is called the resolution of a zoom: metres a pixel at the equator, the same in both grids.

    Examples
    --------
    >>> [round(nominal_resolution(zoom), 3) for zoom in (13, 14, 15, 16)]
    [19.109, 9.555, 4.777, 2.389]
    """
    return 2 * math.pi * EARTH_RADIUS_M / (TILE_SIZE << checked_zoom(zoom))


def tile_spacing(zoom: int) -> float:
    """Return the width of a tile at the equator, metres, the same in both grids.

    Examples
    --------
    >>> [round(tile_spacing(zoom), 3) for zoom in (13, 14, 15, 16)]
    [4891.97, 2445.985, 1222.992, 611.496]
    """
    return TILE_SIZE * nominal_resolution(zoom)
