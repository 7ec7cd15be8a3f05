"""Both grids beside mercantile and pyproj: who owns which point, and how large things are."""

from __future__ import annotations

import math

import mercantile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from mosaic_assets.core.grids import (
    CRS84_QUAD,
    GRIDS,
    WEB_MERCATOR_QUAD,
    Grid,
    grid_named,
    nominal_resolution,
    tile_spacing,
)
from mosaic_assets.core.records import Bounds, Tile
from mosaic_assets.errors import GeometryError, UnknownNameError

BOTH = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
ZOOMS = st.integers(0, 24)
LNGS = st.floats(-180, 180)


@st.composite
def tiles(draw: st.DrawFn, grid: Grid, low: int = 2) -> Tile:
    zoom = draw(st.integers(low, 24))
    first, last = grid.rows(zoom)
    return Tile(draw(st.integers(0, 2**zoom - 1)), draw(st.integers(first, last)), zoom)


@BOTH
@given(data=st.data())
def test_a_point_lies_in_the_tile_that_owns_it(grid: Grid, data: st.DataObject) -> None:
    lng, zoom = data.draw(LNGS), data.draw(st.integers(2, 24))
    lat = data.draw(st.floats(-grid.max_lat, grid.max_lat))
    box = grid.bounds(grid.tile_at(lng, lat, zoom))
    assert box.west <= lng and (lng < box.east or lng == box.east == 180)
    assert lat <= box.north and (box.south < lat or lat == box.south == -grid.max_lat)


@BOTH
@given(data=st.data())
def test_the_north_west_corner_and_the_centre_of_a_tile_are_its_own(grid: Grid, data: st.DataObject) -> None:
    tile = data.draw(tiles(grid))
    box = grid.bounds(tile)
    assert grid.tile_at(box.west, box.north, tile.z) == tile
    assert grid.tile_at(*grid.centre(tile), tile.z) == tile


@BOTH
@given(data=st.data())
def test_the_east_and_south_edges_belong_to_the_neighbours_to_the_last_bit(grid: Grid, data: st.DataObject) -> None:
    tile = data.draw(tiles(grid))
    box, (_, last) = grid.bounds(tile), grid.rows(tile.z)
    east = grid.tile_at(box.east, box.north, tile.z)
    south = grid.tile_at(box.west, box.south, tile.z)
    assert east == (tile if tile.x == 2**tile.z - 1 else Tile(tile.x + 1, tile.y, tile.z))
    assert south == (tile if tile.y == last else Tile(tile.x, tile.y + 1, tile.z))
    if south != tile:
        assert grid.bounds(south).north == box.south


@BOTH
@given(data=st.data())
def test_a_tile_is_the_union_of_its_four_children(grid: Grid, data: st.DataObject) -> None:
    tile = data.draw(tiles(grid))
    box = grid.bounds(tile)
    children = [Tile(2 * tile.x + i, 2 * tile.y + j, tile.z + 1) for i in (0, 1) for j in (0, 1)]
    boxes = [grid.bounds(child) for child in children]
    assert min(b.west for b in boxes) == box.west and max(b.east for b in boxes) == box.east
    assert min(b.south for b in boxes) == box.south and max(b.north for b in boxes) == box.north
    assert list(grid.tiles_in(box, tile.z + 1)) == children


@given(LNGS, st.floats(-85.05, 85.05), ZOOMS)
def test_web_mercator_tiles_are_mercantiles(lng: float, lat: float, zoom: int) -> None:
    ours, theirs = WEB_MERCATOR_QUAD.tile_at(lng, lat, zoom), mercantile.tile(lng, lat, zoom)
    # mercantile nudges points by 1e-14 of the world before it rounds; away from edges the two agree.
    x, y = (float(pixel) / 256 for pixel in WEB_MERCATOR_QUAD.pixel_at(lng, lat, zoom))
    if all(abs(part - round(part)) > 1e-6 for part in (x, y)):
        assert (ours.x, ours.y) == (theirs.x, theirs.y)


@given(tiles(WEB_MERCATOR_QUAD))
def test_web_mercator_bounds_are_mercantiles(tile: Tile) -> None:
    ours = WEB_MERCATOR_QUAD.bounds(tile)
    assert ours == pytest.approx(tuple(mercantile.bounds(tile.x, tile.y, tile.z)), abs=1e-9)


@given(tiles(WEB_MERCATOR_QUAD))
def test_the_centre_of_a_web_mercator_tile_is_the_middle_of_its_pixels_by_pyproj(tile: Tile) -> None:
    box = mercantile.xy_bounds(tile.x, tile.y, tile.z)
    to_degrees = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    lng, lat = to_degrees.transform((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    assert WEB_MERCATOR_QUAD.centre(tile) == pytest.approx((lng, lat), abs=1e-9)


@given(tiles(CRS84_QUAD, low=0))
def test_plate_carree_edges_are_exact_fractions_of_360_degrees(tile: Tile) -> None:
    from fractions import Fraction

    step = Fraction(360, 2**tile.z)
    exact = (tile.x * step - 180, 180 - (tile.y + 1) * step, (tile.x + 1) * step - 180, 180 - tile.y * step)
    assert [Fraction(edge) for edge in CRS84_QUAD.bounds(tile)] == list(exact)


@BOTH
@given(data=st.data())
def test_pixels_and_degrees_are_each_others_reverse(grid: Grid, data: st.DataObject) -> None:
    lng, lat, zoom = data.draw(LNGS), data.draw(st.floats(-85, 85)), data.draw(ZOOMS)
    back = grid.lnglat_at(*grid.pixel_at(lng, lat, zoom), zoom)
    assert [float(degrees) for degrees in back] == pytest.approx([lng, lat], abs=1e-9)


@BOTH
@given(data=st.data())
def test_ground_pixels_are_what_the_ellipsoids_geodesics_measure(grid: Grid, data: st.DataObject) -> None:
    lat, zoom = data.draw(st.floats(-84, 84)), data.draw(st.integers(8, 20))
    column, row = (float(pixel) for pixel in grid.pixel_at(10.0, lat, zoom))
    lngs, lats = grid.lnglat_at([column - 0.5, column + 0.5, column, column], [row, row, row - 0.5, row + 0.5], zoom)
    _, _, measured = Geod(ellps="WGS84").inv(lngs[[0, 2]], lats[[0, 2]], lngs[[1, 3]], lats[[1, 3]])
    assert grid.ground_pixel(zoom, lat) == pytest.approx(measured, rel=1e-4)


def test_the_reference_tile_is_inside_query_f4_in_one_grid_only() -> None:
    """(15, 16400, 12016) lies inside query F4, and only if it is read as plate carree."""
    inside = Bounds(0.15380859375, 47.92373347614946, 0.2526855468749716, 47.99730258552346)  # of F4's TIFF
    tile = Tile(16400, 12016, 15)
    lng, lat = CRS84_QUAD.centre(tile)
    assert inside.west < lng < inside.east and inside.south < lat < inside.north
    middle = mercantile.bounds(tile.x, tile.y, tile.z)
    assert WEB_MERCATOR_QUAD.centre(tile)[1] == pytest.approx((middle.south + middle.north) / 2, abs=1e-6)
    assert middle.north < 44


@pytest.mark.parametrize(
    ("zoom", "metres", "spacing"),
    # Reference 4's table, digits corrected: its resolutions are cut off, its last spacing is 611.494.
    [(13, 19.109, 4891.970), (14, 9.555, 2445.985), (15, 4.777, 1222.992), (16, 2.389, 611.496)],
)
def test_nominal_figures_are_those_of_the_table(zoom: int, metres: float, spacing: float) -> None:
    assert nominal_resolution(zoom) == pytest.approx(metres, abs=5e-4)
    assert tile_spacing(zoom) == pytest.approx(spacing, abs=5e-4)
    assert nominal_resolution(zoom) == pytest.approx(math.tau * 6378137 / 256 / 2**zoom)


def test_a_box_that_ends_on_an_edge_does_not_take_the_tile_behind_it() -> None:
    box = CRS84_QUAD.bounds(Tile(16400, 12016, 15))
    assert list(CRS84_QUAD.tiles_in(box, 15)) == [Tile(16400, 12016, 15)]
    wider = Bounds(box.west, box.south, np.nextafter(box.east, 180), box.north)
    assert CRS84_QUAD.tiles_in(wider, 15).count == 2


@pytest.mark.parametrize(
    ("lng", "lat"), [(180.1, 0), (-181, 0), (0, 90.5), (0, float("nan")), (float("nan"), 0), (48.0, 95.0)]
)
@BOTH
def test_a_point_outside_the_world_is_refused(grid: Grid, lng: float, lat: float) -> None:
    with pytest.raises(GeometryError, match=r"does not hold the point|no tile holds"):
        grid.tile_at(lng, lat, 3)


@pytest.mark.parametrize(
    ("grid", "tile"),
    [
        (CRS84_QUAD, Tile(0, 8191, 15)),  # north of the pole
        (CRS84_QUAD, Tile(0, 24576, 15)),
        (CRS84_QUAD, Tile(32768, 12016, 15)),
        (WEB_MERCATOR_QUAD, Tile(0, -1, 3)),
        (WEB_MERCATOR_QUAD, Tile(0, 0, 31)),
    ],
)
def test_a_tile_that_is_not_on_earth_is_refused(grid: Grid, tile: Tile) -> None:
    with pytest.raises(GeometryError):
        grid.check(tile)


def test_the_poles_have_tiles_in_plate_carree_only() -> None:
    assert CRS84_QUAD.tile_at(0, 90, 3) == Tile(4, 2, 3)
    assert CRS84_QUAD.tile_at(0, -90, 3) == Tile(4, 5, 3)
    with pytest.raises(GeometryError):
        WEB_MERCATOR_QUAD.tile_at(0, 90, 3)


def test_an_unknown_grid_is_named() -> None:
    with pytest.raises(UnknownNameError, match="GoogleCRS84Quad, WebMercatorQuad"):
        grid_named("EPSG:4326")
