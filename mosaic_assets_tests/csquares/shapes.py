"""Random outlines, real outlines, and two slow but independent judges of what they cover."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from mosaic_assets_tests.conftest import SHARED_DATA

DATA = SHARED_DATA / "csquares"


def real_footprints() -> dict[str, Any]:
    """Return the real scene footprints by id."""
    features = json.loads((DATA / "footprints.geojson").read_text())["features"]
    return {feature["properties"]["id"]: shape(feature["geometry"]) for feature in features}


def expected_counts() -> list[dict[str, str]]:
    with (DATA / "footprints_expected_halfdeg.csv").open() as lines:
        return list(csv.DictReader(lines))


def random_polygon(rng: np.random.Generator, snap: float | None, share: float = 1.0) -> shapely.Polygon:
    """Return a sound star of 3-13 corners, some of them moved to multiples of ``snap`` degrees, perhaps holed."""
    while True:
        count = int(rng.integers(3, 14))
        centre, size = rng.uniform([-170, -80], [170, 80]), rng.choice([1.0, 3.0, 8.0])
        angle = np.sort(rng.uniform(0, 2 * np.pi, count))
        reach = rng.uniform(0.2, 1, count) * size
        corners = centre + np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
        if snap is not None:
            moved = np.round(corners / snap) / round(1 / snap) if snap < 1 else np.round(corners / snap) * snap
            corners = np.where(rng.random(corners.shape) < share, moved, corners)
        polygon = shapely.Polygon(np.clip(corners, [-180, -90], [180, 90]))
        if polygon.is_valid and polygon.area > 0:
            return _with_hole(polygon)


def _with_hole(polygon: shapely.Polygon) -> shapely.Polygon:
    """Cut a hole of whole half-degree squares out where one fits."""
    inside = polygon.representative_point()
    west, south = np.floor(inside.x * 2) / 2, np.floor(inside.y * 2) / 2
    hole = shapely.box(west, south, west + 0.5, south + 0.5)
    if not shapely.contains_properly(polygon, hole):
        return polygon
    return shapely.Polygon(polygon.exterior, [hole.exterior])


def squares_by_geos(geometry: Any, size: float = 0.5) -> set[tuple[int, int]]:
    """Return (row, column) of the squares whose interior meets the geometry's, by DE-9IM."""
    west, south, east, north = geometry.bounds
    cols = np.arange(max(np.floor(west / size) - 1, -180 / size), min(np.ceil(east / size) + 1, 180 / size))
    rows = np.arange(max(np.floor(south / size) - 1, -90 / size), min(np.ceil(north / size) + 1, 90 / size))
    col, row = (part.ravel() for part in np.meshgrid(cols, rows))
    boxes = shapely.box(col * size, row * size, (col + 1) * size, (row + 1) * size)
    shapely.prepare(geometry)
    near = shapely.intersects(geometry, boxes)
    col, row, boxes = col[near], row[near], boxes[near]
    taken = shapely.contains_properly(geometry, boxes)
    taken[~taken] = shapely.relate_pattern(geometry, boxes[~taken], "T********")
    return set(zip(row[taken].astype(int).tolist(), col[taken].astype(int).tolist(), strict=True))


def edge_passes(polygon: shapely.Polygon, square: tuple[int, int]) -> bool:
    """Whether an edge passes through the open half-degree square, in exact arithmetic."""
    half = Fraction(1, 2)
    limits = [(square[1] * half, square[1] * half + half), (square[0] * half, square[0] * half + half)]
    for ring in (polygon.exterior, *polygon.interiors):
        corners = [(Fraction(x), Fraction(y)) for x, y in ring.coords]
        if any(_passes(a, b, limits) for a, b in pairwise(corners)):
            return True
    return False


def _passes(
    start: tuple[Fraction, Fraction], end: tuple[Fraction, Fraction], limits: list[tuple[Fraction, Fraction]]
) -> bool:
    enter, leave = Fraction(0), Fraction(1)
    for a, b, (low, high) in zip(start, end, limits, strict=True):
        if a == b:
            if not low < a < high:
                return False
            continue
        first, last = sorted(((low - a) / (b - a), (high - a) / (b - a)))
        enter, leave = max(enter, first), min(leave, last)
    return enter < leave
