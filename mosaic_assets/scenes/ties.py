"""Sun angles and places of a window, from the tie points that a product has every 64 columns.

Places of tie points lie on the ellipsoid. Where the ground is high and seen at a slant, the pixel lies elsewhere: by
about 0.5 m for each metre of height at the swath's edge, much less in the middle of it, where crops are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import Inflaters
from mosaic_assets.scenes.efr import Netcdf, Window, open_netcdf
from mosaic_assets.scenes.footprint import footprint_of_ring
from mosaic_assets.scenes.records import Product

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

TIE_GEOMETRIES = "tie_geometries.nc"
TIE_PLACES = "tie_geo_coordinates.nc"

MIN_SUN = float(np.cos(np.radians(85)))
"""Cosine of the sun's zenith angle that reflectance is divided by at least: below, it would be noise."""

EDGE_STEP = 32
"""Pixels between vertices of a crop's outline, about 9 km: a straight edge of that length is 2 m off."""

Floats = NDArray[np.float64]


class Lattice(NamedTuple):
    """Where tie points lie: every ``along``-th row and ``across``-th column, the first at row and column 0."""

    along: int
    across: int
    rows: int
    columns: int

    @classmethod
    def of(cls, file: Netcdf, name: str, rows: int, columns: int) -> Lattice:
        """Read the lattice of a file for a scene of this size. Raises `ProductError` when it does not cover the scene."""
        along, across = (int(file.number(f"{axis}_subsampling_factor", default)) for axis, default in _FACTORS)
        found = file.variable(name).shape
        if min(along, across) < 1 or len(found) != 2:
            raise ProductError(
                f"reading {name}: tie points every {along} rows and {across} columns, {found}; expected a grid"
            )
        needed = (rows - 1) // along + 1, (columns - 1 + across - 1) // across + 1
        if found[0] < needed[0] or found[1] < needed[1]:
            raise ProductError(
                f"reading {name}: {found} tie points, every {along} rows and {across} columns; a scene of {rows} x {columns} "
                f"needs {needed}"
            )
        return cls(along, across, *found)


_FACTORS = (("al", 1.0), ("ac", 64.0))


class Places:
    """Longitude and latitude anywhere in a scene, by its tie points."""

    def __init__(self, vectors: Floats, ties: Window, lattice: Lattice) -> None:
        self._vectors = vectors
        self._ties = ties
        self._lattice = lattice

    def at(self, rows: Sequence[float] | Floats, columns: Sequence[float] | Floats) -> Floats:
        """Return longitude and latitude, float64 (n, 2), degrees, at fractional rows and columns of the scene."""
        down = np.asarray(rows, float) / self._lattice.along - self._ties.row
        across = np.asarray(columns, float) / self._lattice.across - self._ties.column
        x, y, z = _bilinear(self._vectors, down, across).T
        return np.stack([np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=1)


class Sun(NamedTuple):
    """Cosine of the sun's zenith angle in a window, kept at the tie points' columns and worked out by the strip."""

    rows: NDArray[np.float32]
    """At each row of the window and the columns of the tie points around it."""
    across: int
    """Columns from one tie point to the next."""
    first: int
    """The window's first column, counted from the first tie point."""
    columns: int

    @property
    def cosine(self) -> NDArray[np.float32]:
        """At each pixel, float32 (rows, columns), 0.087..1."""
        left = self.rows[..., None]
        right = np.concatenate([left[:, 1:], left[:, -1:]], axis=1)
        share = (np.arange(self.across) / self.across).astype(np.float32)
        # The sum is rounded once, as processors do that multiply and add at a stroke.
        between = left * (1 - share) + right.astype(np.float64) * share
        cosine = between.astype(np.float32).reshape(len(left), -1)[:, self.first : self.first + self.columns]
        return cosine.clip(MIN_SUN, 1)

    def strip(self, rows: slice) -> Sun:
        """Return some rows of it."""
        return self._replace(rows=self.rows[rows])


def read_sun(product: Product, window: Window, pool: Inflaters | None = None) -> Sun:
    """Read the height of the sun in a window.

    Between tie points the cosine is interpolated, which differs from that of the interpolated angle by less than 1e-5.

    Raises
    ------
    ProductError
        The file of angles is not what it should be.
    """
    manifest = product.manifest()
    with open_netcdf(product.open(TIE_GEOMETRIES), f"{TIE_GEOMETRIES} of {product.name.text}", pool) as file:
        lattice = Lattice.of(file, "SZA", manifest.rows, manifest.columns)
        ties = _ties_around(lattice, window)
        plane = file.plane("SZA", ties, (lattice.rows, lattice.columns))
    angles = plane.raw * plane.scale + plane.offset
    if plane.missing.any() or not ((angles >= 0) & (angles <= 180)).all():
        raise ProductError(f"reading SZA of {product.name.text}: angles are missing or outside 0..180 degrees")
    rows = _at_rows(np.cos(np.radians(angles)), window, lattice, ties).astype(np.float32)
    return Sun(rows, lattice.across, window.column - ties.column * lattice.across, window.columns)


def _at_rows(values: Floats, window: Window, lattice: Lattice, ties: Window) -> Floats:
    """Return values at each row of a window and the columns of the tie points, (rows, columns of ``ties``)."""
    if lattice.along == 1:
        return values
    at = (window.row + np.arange(window.rows)) / lattice.along - ties.row
    before = np.clip(np.floor(at).astype(int), 0, max(0, ties.rows - 2))
    share = (at - before)[:, None]
    return np.asarray(values[before] * (1 - share) + values[np.minimum(before + 1, ties.rows - 1)] * share)


def scene_places(product: Product, window: Window, pool: Inflaters | None = None) -> Places:
    """Return the places of a window's rows. Raises `ProductError`."""
    manifest = product.manifest()
    with open_netcdf(product.open(TIE_PLACES), f"{TIE_PLACES} of {product.name.text}", pool) as file:
        lattice = Lattice.of(file, "latitude", manifest.rows, manifest.columns)
        ties = _ties_around(lattice, window)
        lat, lng = (file.plane(name, ties, (lattice.rows, lattice.columns)) for name in ("latitude", "longitude"))
    missing = lat.missing | lng.missing
    north, east = (np.radians(plane.raw * plane.scale + plane.offset) for plane in (lat, lng))
    if missing.any() or (np.abs(north) > np.pi / 2 + 1e-9).any() or (np.abs(east) > np.pi + 1e-9).any():
        raise ProductError(f"reading {TIE_PLACES} of {product.name.text}: places are missing or outside the world")
    vectors = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)
    return Places(vectors, ties, lattice)


def corners_of(places: Places, window: Window) -> tuple[tuple[float, float], ...]:
    """Return longitude and latitude of the corner pixels' centres: the first row first and last, the last row last and first."""
    bottom, right = window.row + window.rows - 1, window.column + window.columns - 1
    found = places.at([window.row, window.row, bottom, bottom], [window.column, right, right, window.column])
    return tuple((float(lng), float(lat)) for lng, lat in found)


def centre_of(places: Places, window: Window) -> tuple[float, float]:
    """Return longitude and latitude of the middle of a window, degrees."""
    row, column = window.row + (window.rows - 1) / 2, window.column + (window.columns - 1) / 2
    lng, lat = places.at([row], [column])[0]
    return float(lng), float(lat)


def footprint_of(places: Places, window: Window) -> BaseGeometry:
    """Return the outline of a window through the centres of its outer pixels, with a vertex every 32."""
    bottom, right = window.row + window.rows - 1, window.column + window.columns - 1
    down, across = (_stops(first, last) for first, last in ((window.row, bottom), (window.column, right)))
    rows = np.concatenate([np.full(len(across), window.row), down, np.full(len(across), bottom), down[::-1]])
    columns = np.concatenate([across, np.full(len(down), right), across[::-1], np.full(len(down), window.column)])
    ring = [(float(lng), float(lat)) for lng, lat in places.at(rows, columns).round(6)]
    distinct = [point for number, point in enumerate(ring) if number == 0 or point != ring[number - 1]]
    return footprint_of_ring([*distinct, distinct[0]] if distinct[-1] != distinct[0] else distinct)


def _ties_around(lattice: Lattice, window: Window) -> Window:
    """Return the rows and columns of tie points around a window."""
    first = window.row // lattice.along, window.column // lattice.across
    last_row = min(lattice.rows - 1, -(-(window.row + window.rows - 1) // lattice.along))
    last_column = min(lattice.columns - 1, -(-(window.column + window.columns - 1) // lattice.across))
    return Window(*first, last_row - first[0] + 1, last_column - first[1] + 1)


def _bilinear(field: Floats, down: Floats, across: Floats) -> Floats:
    """Return a field's values at fractional places, (n, values)."""
    row, column = (
        np.floor(at).astype(int).clip(0, max(0, side - 2))
        for at, side in zip((down, across), field.shape, strict=False)
    )
    below, right = np.minimum(row + 1, field.shape[0] - 1), np.minimum(column + 1, field.shape[1] - 1)
    y, x = (down - row)[:, None], (across - column)[:, None]
    upper = field[row, column] * (1 - x) + field[row, right] * x
    lower = field[below, column] * (1 - x) + field[below, right] * x
    return np.asarray(upper * (1 - y) + lower * y)


def _stops(first: int, last: int) -> Floats:
    return np.linspace(first, last, max(2, -(-(last - first) // EDGE_STEP) + 1))
