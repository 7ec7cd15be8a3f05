"""How fast points become c-squares and footprints become lists of them; run it with ``python benchmarks/csquares.py``.

Everything runs in this process, on one core. The peers' figures are those published with the tools or measured
with them elsewhere; they are printed beside ours for scale, not as a race on equal machines.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import shape

from mosaic_assets.csquares import cover_many, encode

SEED = 20_030_621
FOOTPRINTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "csquares" / "footprints.geojson"
STATION = shapely.Point(147.3, -42.9)
R_TOOL_POINTS_PER_S = 0.4e6
"""R `vmstools`, the one peer without wrong codes for ordinary points."""
REFERENCE_SCENES_PER_S = 1 / 180
"""Reference 5's first code: about three minutes a scene."""
REFERENCE_SCENE = {10: (28, 28), 5: (99, 36), 1: (1_982, 515), 0.5: (7_691, 704)}
"""Reference 5's own scene: squares before and after compression."""


def swaths(count: int, seed: int = SEED, minutes: float = 15.0) -> list[shapely.Polygon]:
    """Return footprints of NOAA-like passes received at Hobart: 833 km up, 98.7 degrees, 2,900 km wide.

    Vertices every 40 s of flight along both sides, as a data centre would write them, with jumps at +-180.
    """
    rng = np.random.default_rng(seed)
    rings = []
    while len(rings) < count:
        ring = _pass(rng.uniform(0, 360), rng.uniform(0, 360), minutes)
        if STATION.distance(shapely.Point(ring[:-1].mean(axis=0))) < 25:
            rings.append(shapely.Polygon(ring))
    return rings


def _pass(node: float, start: float, minutes: float) -> np.ndarray:
    """Return one ring, (n, 2) longitude and latitude."""
    period, turn = 101.4, 360 / (23 * 60 + 56)  # minutes; degrees a minute
    t = np.arange(0, minutes + 1e-9, 2 / 3)
    u = np.radians(start + 360 * t / period)
    tilt, omega = np.radians(98.7), np.radians(node - turn * t)
    along = np.stack([np.cos(u), np.sin(u) * np.cos(tilt), np.sin(u) * np.sin(tilt)], axis=1)
    across = np.stack([np.zeros_like(t), -np.sin(tilt) * np.ones_like(t), np.cos(tilt) * np.ones_like(t)], axis=1)
    half = 1450 / 6371
    sides = []
    for side in (-half, half):
        x, y, z = (np.cos(side) * along + np.sin(side) * across).T
        lng = np.degrees(np.arctan2(y, x) + omega)
        sides.append(np.stack([(lng + 180) % 360 - 180, np.degrees(np.arcsin(z))], axis=1))
    steps = np.linspace(0, 1, 8)[1:-1]
    return np.concatenate(
        [
            sides[0],
            _end(sides[0][-1], sides[1][-1], steps),
            sides[1][::-1],
            _end(sides[1][0], sides[0][0], steps),
            sides[0][:1],
        ]
    )


def _end(here: np.ndarray, there: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return points between two corners on the great circle, so that the short sides bend as scans do."""
    a, b = (
        np.array(
            [
                np.cos(np.radians(p[1])) * np.cos(np.radians(p[0])),
                np.cos(np.radians(p[1])) * np.sin(np.radians(p[0])),
                np.sin(np.radians(p[1])),
            ]
        )
        for p in (here, there)
    )
    angle = np.arccos(np.clip(a @ b, -1, 1))
    points = (np.sin((1 - steps)[:, None] * angle) * a + np.sin(steps[:, None] * angle) * b) / np.sin(angle)
    return np.stack([np.degrees(np.arctan2(points[:, 1], points[:, 0])), np.degrees(np.arcsin(points[:, 2]))], axis=1)


def best(call: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of several runs, seconds of processor time of all threads."""
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def points_table(count: int = 1_000_000) -> None:
    """Print points encoded a second."""
    rng = np.random.default_rng(SEED)
    lng, lat = rng.uniform(-180, 180, count), rng.uniform(-90, 90, count)
    print(f"\nencode, {count:,} points, one core")
    for resolution in (10, 1, 0.5, 0.1, 0.01):
        rate = count / best(lambda at=resolution: encode(lng, lat, at))
        beside = f"   R vmstools: {R_TOOL_POINTS_PER_S / 1e6:.1f}" if resolution == 0.5 else ""
        print(f"  {resolution:>5} degrees   {rate / 1e6:6.1f} M points/s{beside}")


def scenes_table(name: str, scenes: list[shapely.Geometry]) -> None:
    """Print scenes covered and compressed a second, to integer keys and to text."""
    print(f"\n{name}, {len(scenes)} scenes, cover and compress at 0.5 degrees, one core")
    keys = best(lambda: cover_many(scenes, 0.5, keep_refused=True).compressed_keys())
    singly = best(lambda: [cover_many([s], 0.5, keep_refused=True).compressed_keys() for s in scenes[:200]], 3)

    def texts() -> None:
        covers = cover_many(scenes, 0.5, keep_refused=True)
        for number in range(len(scenes)):
            covers.compressed(number)

    refused = len(cover_many(scenes, 0.5, keep_refused=True).refused)
    print(f"  in a batch, to integer keys   {len(scenes) / keys:8,.0f} scenes/s ({refused} refused)")
    print(f"  in a batch, to text           {len(scenes) / best(texts, 3):8,.0f} scenes/s")
    print(f"  one by one, to integer keys   {len(scenes[:200]) / singly:8,.0f} scenes/s")


def squares_table(scenes: list[shapely.Geometry]) -> None:
    """Print squares a scene before and after compression beside reference 5's own scene."""
    print("\nsquares a scene (median), before -> after compression; reference 5's scene")
    for resolution, (before, after) in REFERENCE_SCENE.items():
        covers = cover_many(scenes, resolution, keep_refused=True)
        plain, short = (np.diff(part[0]) for part in (covers.ids(), covers.compressed_keys()))
        print(
            f"  {resolution:>4} degrees  {np.median(plain):6,.0f} -> {np.median(short):4,.0f}"
            f"     {before:6,} -> {after:4,}"
        )


def main() -> int:
    """Print every table."""
    points_table()
    scenes = swaths(1_000)
    print(f"\nreference 5: {REFERENCE_SCENES_PER_S:.4f} scenes/s (three minutes each)")
    scenes_table("reference-5-like swaths", scenes)
    squares_table(scenes)
    if FOOTPRINTS.is_file():
        features = json.loads(FOOTPRINTS.read_text())["features"]
        scenes_table("real footprints", [shape(feature["geometry"]) for feature in features])
    return 0


if __name__ == "__main__":
    sys.exit(main())
