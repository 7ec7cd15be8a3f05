"""Swaths of full orbits, which lap themselves, against winding numbers counted one square at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares import cover_many
from mosaic_assets.csquares.lapping import split_lapping
from mosaic_assets.errors import GeometryError
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.shapes import real_footprints

ROWS = -89.75 + 0.5 * np.arange(360)
"""Latitudes of the half-degree squares' centres."""


def unwrapped(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes that run on past 180, every edge the short way round, and latitudes."""
    x, y = ring.T
    step = np.diff(x)
    step -= 360 * np.rint(step / 360)
    return x[0] + np.concatenate([[0.0], np.cumsum(step)]), y


def winding_numbers(ring: np.ndarray) -> np.ndarray:
    """Return (360, 720) winding numbers of the squares' centres less that of the north pole.

    The meridian from a centre up to the pole crosses edges; each crossing changes the number by one.
    """
    x, y = unwrapped(ring)
    winding = np.zeros((360, 720), int)
    for a, b, c, d in zip(x[:-1], y[:-1], x[1:], y[1:], strict=True):
        low, high = min(a, c), max(a, c)
        for column in range(int(np.ceil((low - 0.25) * 2)), int(np.ceil((high - 0.25) * 2))):
            crossing = b + (0.25 + column / 2 - a) / (c - a) * (d - b)
            winding[crossing > ROWS, (column + 360) % 720] += 1 if c > a else -1
    return winding


def squares_by_winding(ring: np.ndarray) -> np.ndarray:
    """Return which squares (360, 720) an edge passes through, or lie inside: within the smaller of the two areas that
    a winding number can mean, above the lowest or below the highest."""
    winding = winding_numbers(ring)
    weight = np.cos(np.radians(ROWS))[:, None]
    above, below = winding > winding.min(), winding < winding.max()
    inside = above if (above * weight).sum() < (below * weight).sum() else below
    x, y = unwrapped(ring)
    for a, b, c, d in zip(x[:-1], y[:-1], x[1:], y[1:], strict=True):
        columns = np.arange(np.floor(min(a, c) * 2) - 1, np.ceil(max(a, c) * 2) + 1)
        rows = np.arange(max(-180, np.floor(min(b, d) * 2) - 1), min(180, np.ceil(max(b, d) * 2) + 1))
        column, row = (part.ravel() for part in np.meshgrid(columns, rows))
        boxes = shapely.box(column / 2, row / 2, column / 2 + 0.5, row / 2 + 0.5)
        passed = shapely.relate_pattern(shapely.LineString([(a, b), (c, d)]), boxes, "T********")
        inside[(row[passed] + 180).astype(int), (column[passed] + 360).astype(int) % 720] = True
    return inside


def squares_of(geometry: Any) -> np.ndarray:
    """Return which squares (360, 720) `cover_many` finds."""
    ids = cover_many([geometry], 0.5).ids()[1]
    found = np.zeros((360, 720), bool)
    row, col = arrays.cells_of_ids(ids, 3)
    found[row + 180, col + 360] = True
    return found


def orbit(rng: np.random.Generator, turns: float) -> np.ndarray:
    """Return the ring of a swath over some turns of an orbit like NOAA's, from any of its vertices, either way round."""
    tilt, half = np.radians(98.7), np.radians(rng.uniform(3, 13))
    u = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi * turns, 180)
    along = np.stack([np.cos(u), np.sin(u) * np.cos(tilt), np.sin(u) * np.sin(tilt)], axis=1)
    across = np.array([0, -np.sin(tilt), np.cos(tilt)])
    drift = rng.uniform(-180, 180) - 25.4 * (u - u[0]) / (2 * np.pi)  # the Earth turns below: 25.4 degrees an orbit
    sides = []
    for side in (-half, half):
        x, y, z = (np.cos(side) * along + np.sin(side) * across).T
        lng = np.degrees(np.arctan2(y, x)) + drift
        sides.append(np.stack([(lng + 180) % 360 - 180, np.degrees(np.arcsin(z))], axis=1))
    ring = np.roll(np.concatenate([sides[0], sides[1][::-1]]), rng.integers(360), axis=0)
    ring = np.concatenate([ring, ring[:1]])
    return ring[::-1] if rng.random() < 0.5 else ring


@pytest.mark.parametrize("seed", range(8))
def test_a_full_orbit_from_anywhere_has_the_squares_of_its_winding_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = orbit(rng, rng.uniform(0.9, 1.2))
    assert (squares_of(shapely.Polygon(ring)) == squares_by_winding(ring)).all()


def test_many_full_orbits_have_to_be_cut() -> None:
    """Otherwise the test above would not test the cutting; narrow ones pass beside the poles and need none."""
    pieces = [len(split_lapping(orbit(np.random.default_rng(seed), 1.1))) for seed in range(8)]
    assert sum(count >= 2 for count in pieces) >= 3
    assert min(pieces) >= 1


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "count"),
    [  # counts of the winding numbers of both, computed by this file's reference
        ("test_rework_product_north_pole_antimeridian_overlapping", 63_438),
        ("test_error_13_01_2025_extracted_185", 44_849),
    ],
)
def test_the_two_real_scenes_that_lap_themselves(name: str, count: int) -> None:
    (geometry,) = (geometry for scene, geometry in real_footprints().items() if scene.endswith(name))
    expected = squares_by_winding(shapely.get_coordinates(geometry.exterior))
    assert expected.sum() == count
    assert (squares_of(geometry) == expected).all()


def test_a_coarse_swath_round_both_poles_is_not_turned_inside_out() -> None:
    """A whole orbit's outline of few vertices: over the north pole, over the south pole, a little over its own start."""
    up, down = list(range(-70, 81, 10)), list(range(80, -81, -10))
    left = [(-10, lat) for lat in up] + [(-170, lat) for lat in down] + [(-35, -80), (-35, -60)]
    right = [(-15, -60), (-15, -80), (80, -82)] + [(170, lat) for lat in down[::-1]] + [(10, lat) for lat in up[::-1]]
    ring = np.array([((lng + 75 + 180) % 360 - 180, lat) for lng, lat in [*left, *right, left[0]]], float)
    found = squares_of(shapely.Polygon(ring))
    assert (found == squares_by_winding(ring)).all()
    assert found.mean() < 0.25


def test_where_the_ring_starts_does_not_matter() -> None:
    ring = orbit(np.random.default_rng(3), 1.1)
    turned = np.concatenate([ring[100:-1], ring[:101]])
    assert (squares_of(shapely.Polygon(ring)) == squares_of(shapely.Polygon(turned))).all()


def test_a_figure_of_eight_over_the_date_line_is_refused() -> None:
    """Its lobes have opposite signs: no number tells inside from outside."""
    eight = shapely.Polygon([(170, -10), (-170, 10), (-170, -10), (170, 10)])
    assert split_lapping(shapely.get_coordinates(eight)) == []
    with pytest.raises(GeometryError, match="a repair would change its area"):
        cover_many([eight], 0.5)


def test_what_cannot_be_cut_is_refused_with_what_to_do() -> None:
    """Two turns along the equator and back to the start: a line of winding number two between the halves of the globe."""
    lng = (np.arange(0, 721, 10.0) + 180) % 360 - 180
    ring = np.stack([lng, 5 * np.sin(np.radians(np.arange(0, 721, 10.0)) / 2)], axis=1)
    with pytest.raises(GeometryError, match="pieces of less than half an orbit"):
        cover_many([shapely.Polygon(ring)], 0.5)


def test_a_sound_ring_is_one_piece() -> None:
    (whole,) = split_lapping(shapely.get_coordinates(shapely.box(170, -10, 175, 10)))
    assert whole.area == 100
