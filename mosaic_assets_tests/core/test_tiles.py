"""The tile grid, against mercantile (an independent implementation of the same grid)."""

from __future__ import annotations

import math

import mercantile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import (
    MAX_LAT,
    bounds_of,
    check_tile,
    mercator_bounds,
    tile_area,
    tile_at,
    tile_bounds,
    tile_distance,
    tiles_at,
)
from mosaic_assets.errors import GeometryError

zooms = st.integers(0, 24)
lngs, lats = st.floats(-180, 180), st.floats(-MAX_LAT, MAX_LAT)


@st.composite
def tiles(draw: st.DrawFn, zoom: st.SearchStrategy[int] = zooms) -> Tile:
    z = draw(zoom)
    axis = st.integers(0, 2**z - 1)
    return Tile(draw(axis), draw(axis), z)


# mercantile.tile(lng, lat, zoom), version 1.2.1
@pytest.mark.parametrize(
    ("lng", "lat", "zoom", "expected"),
    [
        (0.0, 0.0, 0, (0, 0, 0)),
        (2.3522, 48.8566, 15, (16598, 11273, 15)),
        (-122.4194, 37.7749, 18, (41928, 101324, 18)),
        (151.2093, -33.8688, 10, (942, 614, 10)),
        (-179.9999, 85.05, 5, (0, 0, 5)),
        (179.9999, -85.05, 5, (31, 31, 5)),
    ],
)
def test_known_places(lng: float, lat: float, zoom: int, expected: tuple[int, int, int]) -> None:
    assert tile_at(lng, lat, zoom) == expected


@given(tiles(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_point_inside_a_tile_is_in_the_tile_that_mercantile_names(tile: Tile, right: float, down: float) -> None:
    west, south, east, north = tile_bounds(tile)
    lng, lat = west + right * (east - west), north + down * (south - north)
    assert tile_at(lng, lat, tile.z) == mercantile.tile(lng, lat, tile.z) == tile


@given(tiles())
def test_bounds_are_those_of_mercantile(tile: Tile) -> None:
    assert tile_bounds(tile) == pytest.approx(tuple(mercantile.bounds(*tile)), abs=1e-11)
    assert mercator_bounds(tile) == pytest.approx(tuple(mercantile.xy_bounds(*tile)), abs=1e-6)


@given(tiles())
def test_a_tile_owns_its_north_west_corner(tile: Tile) -> None:
    corner = tile_bounds(tile)
    assert tile_at(corner.west, corner.north, tile.z) == tile


@given(tiles(st.integers(1, 24)))
def test_the_east_and_south_edges_belong_to_the_neighbours(tile: Tile) -> None:
    west, south, east, north = tile_bounds(tile)
    last = 2**tile.z - 1
    assert tile_at(east, north, tile.z).x == min(tile.x + 1, last)
    assert tile_at(west, south, tile.z).y == min(tile.y + 1, last)
    assert tile_at(math.nextafter(east, -200), math.nextafter(south, 90), tile.z) == tile


@given(lngs, lats, zooms)
def test_every_point_lies_in_the_half_open_bounds_of_its_tile(lng: float, lat: float, zoom: int) -> None:
    tile = tile_at(lng, lat, zoom)
    west, south, east, north = tile_bounds(tile)
    assert west <= lng < east or (lng == 180 and tile.x == 2**zoom - 1)
    assert south < lat <= north or abs(lat) >= 85.0511287798


@given(lngs, lats, st.integers(1, 24))
def test_the_parent_of_a_points_tile_is_the_points_tile_one_zoom_up(lng: float, lat: float, zoom: int) -> None:
    x, y, _ = tile_at(lng, lat, zoom)
    assert tile_at(lng, lat, zoom - 1) == (x // 2, y // 2, zoom - 1)


@given(tiles(st.integers(0, 23)))
def test_children_cover_their_parent_and_share_no_area(tile: Tile) -> None:
    x, y = np.array([0, 1, 0, 1]) + 2 * tile.x, np.array([0, 0, 1, 1]) + 2 * tile.y
    west, south, east, north = bounds_of(x, y, tile.z + 1)
    assert (west[0], south[2], east[1], north[0]) == tile_bounds(tile)
    assert (east[0], south[0]) == (west[1], north[2])
    assert tile_area(x, y, tile.z + 1).sum() == pytest.approx(float(tile_area(tile.x, tile.y, tile.z)), rel=1e-12)


def test_arrays_give_what_scalars_give() -> None:
    lng, lat = np.linspace(-180, 180, 97), np.linspace(-85, 85, 97)
    x, y = tiles_at(lng, lat, 12)
    assert x.dtype == y.dtype == np.int64
    assert [(*xy, 12) for xy in zip(x, y, strict=True)] == [tile_at(*point, 12) for point in zip(lng, lat, strict=True)]


def test_the_corners_of_the_world() -> None:
    assert tile_at(-180, MAX_LAT, 3) == (0, 0, 3)
    assert tile_at(180, -MAX_LAT, 3) == (7, 7, 3)


@pytest.mark.parametrize("zoom", [0, 1, 6])
def test_areas_add_up_to_the_tiled_part_of_the_sphere(zoom: int) -> None:
    # A zone of the sphere between latitudes -p and p is sin(p) of the whole (Archimedes).
    column = tile_area(0, np.arange(2**zoom), zoom)
    assert column.sum() * 2**zoom == pytest.approx(math.sin(math.radians(MAX_LAT)), rel=1e-13)


@given(tiles(st.integers(0, 12)))
def test_area_is_the_difference_of_sines(tile: Tile) -> None:
    west, south, east, north = map(math.radians, mercantile.bounds(*tile))
    zone = (math.sin(north) - math.sin(south)) / 2 * (east - west) / math.tau
    assert float(tile_area(tile.x, tile.y, tile.z)) == pytest.approx(zone, rel=1e-8)


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        ((3, 3, 4), (3, 3, 4), 0),
        ((3, 3, 4), (4, 4, 4), 1),
        ((3, 3, 4), (3, 9, 4), 6),
        ((0, 0, 4), (15, 0, 4), 1),  # across the date line
        ((0, 0, 4), (0, 15, 4), 15),  # but not over the pole
        ((0, 0, 4), (8, 0, 4), 8),
        ((0, 0, 0), (0, 0, 0), 0),
    ],
)
def test_distance(a: tuple[int, int, int], b: tuple[int, int, int], steps: int) -> None:
    assert tile_distance(Tile(*a), Tile(*b)) == tile_distance(Tile(*b), Tile(*a)) == steps


@pytest.mark.parametrize("tile", [(-1, 0, 3), (8, 0, 3), (0, 8, 3), (0, -1, 3), (0, 0, -1), (0, 0, 31)])
def test_a_tile_that_the_grid_has_not_is_refused(tile: tuple[int, int, int]) -> None:
    for refuse in (check_tile, tile_bounds, mercator_bounds):
        with pytest.raises(GeometryError, match="grid"):
            refuse(Tile(*tile))


@pytest.mark.parametrize(
    ("lng", "lat"), [(180.001, 0), (-181, 0), (0, 85.0512), (0, -90), (math.nan, 0), (0, math.nan), (math.inf, 0)]
)
def test_a_point_outside_the_tiled_world_is_refused(lng: float, lat: float) -> None:
    with pytest.raises(GeometryError, match="no tile holds the point"):
        tiles_at([0.0, lng], [0.0, lat], 5)


def test_distance_needs_one_zoom() -> None:
    with pytest.raises(GeometryError, match="zooms differ"):
        tile_distance(Tile(0, 0, 1), Tile(0, 0, 2))
