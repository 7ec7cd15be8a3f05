"""A synthetic archive like reference 5's: NOAA-like passes received at Hobart, about ten a day from 1986 on.

Everything is made from a seed; no footprint is of a real pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely

from mosaic_assets.csquares import Scene, cover_many, write_pairs

SEED = 19_860_701
SATELLITES = ("NOAA-9", "NOAA-10", "NOAA-11", "NOAA-12", "NOAA-14", "NOAA-15", "NOAA-16", "NOAA-17")
BATCH = 200
CHUNK = 20_000
"""Footprints made at a time."""
START = datetime(1986, 7, 1, tzinfo=UTC)
MINUTES = 144
"""Between two passes: scene number n is at START + 144 n minutes."""


class Published(NamedTuple):
    """What publishing an archive took."""

    covering_s: float
    wall_s: float
    pairs: int


def scene_id(number: int) -> str:
    """Return an id of six letters, as reference 5's are."""
    return "h" + np.base_repr(number, 36).lower().rjust(5, "0")


def outlines(count: int) -> Iterator[tuple[int, list[shapely.Polygon]]]:
    """Yield the number of the first footprint and the footprints, 20,000 at a time, always the same."""
    rng = np.random.default_rng(SEED)
    for first in range(0, count, CHUNK):
        yield first, _passes(min(CHUNK, count - first), rng)


def publish(folder: Path, count: int) -> Published:
    """Publish an archive in batches of 200 scenes."""
    covering, began, pairs = 0.0, time.perf_counter(), 0
    platforms = np.random.default_rng(SEED + 1).integers(0, len(SATELLITES), count)
    for start, polygons in outlines(count):
        for first in range(start, start + len(polygons), BATCH):
            some = polygons[first - start : first - start + BATCH]
            scenes = [_scene(n, SATELLITES[platforms[n]]) for n in range(first, first + len(some))]
            now = time.perf_counter()
            covers = cover_many(some, 0.5)
            covers.compressed_keys()
            covering += time.perf_counter() - now
            pairs += write_pairs(folder, f"b{first:08d}", scenes, covers, published_at=START).pairs
    return Published(covering, time.perf_counter() - began, pairs)


def _scene(number: int, platform: str) -> Scene:
    return Scene(
        scene_id(number), platform, "AVHRR", START + timedelta(minutes=MINUTES * number),
        f"tape/{number}", f"gif/{number}.gif", "synthetic", "none",
    )  # fmt: skip


def _passes(count: int, rng: np.random.Generator) -> list[shapely.Polygon]:
    """Return footprints of passes seen from Hobart: 833 km up, 98.7 degrees, 2,900 km wide, 15 minutes.

    Those that come within 15 degrees of the pole are left out.
    """
    rings: list[np.ndarray] = []
    while len(rings) < count:
        node, start = rng.uniform(0, 360, 20_000), rng.uniform(0, 360, 20_000)
        lng, lat = _track(node, start, np.array([7.5]), 0.0)
        near = _degrees_between(lng[:, 0], lat[:, 0], 147.3, -42.9) < 25
        found = _rings(node[near], start[near])
        # Nearer to the pole, straight edges between these few vertices would cross each other.
        rings += list(found[found[:, :, 1].min(axis=1) > -75])
    return shapely.polygons(np.stack(rings[:count])).tolist()


def _rings(node: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return (n, points, 2): along one side and back along the other, closed."""
    minutes, half = np.linspace(0, 15, 24), 1450 / 6371
    sides = [_track(node, start, minutes, side) for side in (-half, half)]
    ends = [
        _track(node, start, minutes[at : at + 1], side) for at in (-1, 0) for side in np.linspace(-half, half, 8)[1:-1]
    ]
    across = [
        np.stack([np.concatenate([end[axis] for end in part], 1) for axis in (0, 1)], -1)
        for part in (ends[:6], ends[6:])
    ]
    one, other = (np.stack(side, -1) for side in sides)
    ring = np.concatenate([one, across[0], other[:, ::-1], across[1][:, ::-1]], 1)
    return np.concatenate([ring, ring[:, :1]], 1)


def _track(node: np.ndarray, start: np.ndarray, minutes: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude, (n, minutes), of points ``side`` radians to the side of the track."""
    tilt = np.radians(98.7)
    u = np.radians(start[:, None] + 360 * minutes / 101.4)
    x, y, z = np.cos(u), np.sin(u) * np.cos(tilt), np.sin(u) * np.sin(tilt)
    x, y, z = (np.cos(side) * a + np.sin(side) * b for a, b in ((x, 0.0), (y, -np.sin(tilt)), (z, np.cos(tilt))))
    lng = np.degrees(np.arctan2(y, x)) + node[:, None] - 360 / 1436 * minutes
    return (lng + 180) % 360 - 180, np.degrees(np.arcsin(z))


def _degrees_between(lng: np.ndarray, lat: np.ndarray, lng0: float, lat0: float) -> np.ndarray:
    a, b = np.radians(lat), np.radians(lat0)
    return np.degrees(np.arccos(np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(np.radians(lng - lng0))))
