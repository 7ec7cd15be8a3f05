"""How large the c-square index is and how fast it answers; run it with ``python benchmarks/csquares_index.py``.

The archive is **synthetic**: footprints of NOAA-like passes received at Hobart, about ten a day from 1986 on, made here
from a seed. Beside the index stands a plain SQLite table of text pairs with two secondary indexes, as reference 5 has
it, made from the first ``--pairs-scenes`` of the same scenes; answers of both to the same questions are compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely

from mosaic_assets.csquares import cover_many, encode
from mosaic_assets.csquares.index import index_path, rebuild_index, update_index
from mosaic_assets.csquares.pairs import codes_of_keys, published_batches, read_batch, write_pairs
from mosaic_assets.csquares.search import SceneIndex, open_index
from mosaic_assets.store.csquare_db import Scene

SEED = 19_860_701
SATELLITES = ("NOAA-9", "NOAA-10", "NOAA-11", "NOAA-12", "NOAA-14", "NOAA-15", "NOAA-16", "NOAA-17")
BATCH = 200
START = datetime(1986, 7, 1, tzinfo=UTC)
TARGETS = {
    "index, MB": 100, "0.5-degree square p50, ms": 0.1, "0.5-degree square p95, ms": 1.0, "10-degree block p50, ms": 2.0,
    "scene's squares p50, ms": 0.1, "append of 200, s": 1.5, "encode all, s": 60, "peak memory, MiB": 2048,
}  # fmt: skip


def passes(count: int, rng: np.random.Generator) -> list[shapely.Polygon]:
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


def publish(folder: Path, count: int) -> tuple[float, float, int]:
    """Publish an archive in batches; return seconds for covering, for all of it, and the number of pairs."""
    rng, covering, began, pairs = np.random.default_rng(SEED), 0.0, time.perf_counter(), 0
    names = [f"{SATELLITES[number]}" for number in rng.integers(0, len(SATELLITES), count)]
    for first in range(0, count, BATCH):
        which = range(first, min(first + BATCH, count))
        if first % 20_000 == 0:
            outlines = passes(min(20_000, count - first), rng)
        scenes = [
            Scene(
                _id(n),
                names[n],
                "AVHRR",
                START + timedelta(minutes=144 * n),
                f"tape/{n}",
                f"gif/{n}.gif",
                "synthetic",
                "none",
            )
            for n in which
        ]
        start = time.perf_counter()
        covers = cover_many(outlines[first % 20_000 : first % 20_000 + len(which)], 0.5)
        covers.compressed_keys()
        covering += time.perf_counter() - start
        pairs += write_pairs(folder, f"b{first:08d}", scenes, covers, published_at=START).pairs
    return covering, time.perf_counter() - began, pairs


def _id(number: int) -> str:
    return "h" + np.base_repr(number, 36).lower().rjust(5, "0")


def questions(count: int, seed: int = 1) -> list[str]:
    """Return half-degree squares where the archive has scenes."""
    rng = np.random.default_rng(seed)
    return encode(rng.uniform(110, 180, count), rng.uniform(-70, -15, count), 0.5).tolist()


def timed(asks: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return the median and the 95th percentile, ms, over questions; of three askings of each the fastest counts."""
    found = [min(_seconds(ask) for _ in range(3)) for ask in asks]
    return tuple(np.percentile(found, [50, 95]) * 1000)


def _seconds(ask: Callable[[], object]) -> float:
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def show(name: str, value: float, unit: str = "") -> None:
    """Print a figure beside its target."""
    target = TARGETS.get(name)
    beside = "" if target is None else f"   target {target:g}: {'reached' if value <= target else 'MISSED'}"
    print(f"  {name:<34} {value:10,.3f}{unit}{beside}")


def measure(index: SceneIndex, count: int) -> None:
    """Print how fast an open index answers."""
    squares = questions(1_000)
    spans = [START + timedelta(days=float(d)) for d in np.random.default_rng(2).uniform(0, count / 10, 1_000)]
    ids = [_id(int(n)) for n in np.random.default_rng(3).integers(0, count, 1_000)]
    tens = sorted({code[:4] for code in squares})
    asks: dict[str, list[Callable[[], object]]] = {
        "0.5-degree square": [lambda c=c: index.numbers(codes=c) for c in squares],
        "  the same, count only": [lambda c=c: index.count(codes=c) for c in squares],
        "  with a two-day filter": [
            lambda c=c, s=s: index.numbers(codes=c, start=s, end=s + timedelta(days=2))
            for c, s in zip(squares, spans, strict=True)
        ],
        "  page of 100 scenes": [lambda c=c: index.search(codes=c) for c in squares[:200]],
        "  all ids as text": [lambda c=c: index.ids(codes=c) for c in squares[:100]],
        "1-degree square": [lambda c=c: index.numbers(codes=c[:8]) for c in squares],
        "5-degree square": [lambda c=c: index.numbers(codes=c[:6]) for c in squares],
        "10-degree block": [lambda c=c: index.numbers(codes=c) for c in tens],
        "box of 5 x 5 degrees off the grid": [
            lambda c=c: index.numbers(
                box=(int(c[2:4]) * 10 + 2.2, -int(c[1]) * 10 - 7.7, int(c[2:4]) * 10 + 7.2, -int(c[1]) * 10 - 2.7)
            )
            for c in squares[:100]
        ],
        "scene's squares": [lambda i=i: index.keys_of(i) for i in ids],
        "  as text": [lambda i=i: index.squares_of(i, compressed=True) for i in ids[:100]],
        "scenes sharing squares with one": [lambda i=i: index.count(scene=i) for i in ids[:50]],
        "overlap of two scenes": [lambda i=i: index.overlap(i, ids[0]) for i in ids[:100]],
    }
    for name, some in asks.items():
        p50, p95 = timed(some)
        show(f"{name} p50, ms", p50)
        show(f"{name} p95, ms", p95)
    found = [index.count(codes=c) for c in squares]
    print(f"  scenes found by a 0.5-degree square: median {np.median(found):,.0f}, most {max(found):,}")


def compare(folder: Path, count: int) -> None:
    """Print size and speed of reference 5's table beside the index of the same scenes, answers checked equal."""
    part, batches = folder / "part", published_batches(folder)[: count // BATCH]
    for name in batches:
        (part / "pairs").mkdir(parents=True, exist_ok=True)
        (part / "pairs" / f"{name}.parquet").symlink_to(folder / "pairs" / f"{name}.parquet")
    start = time.perf_counter()
    rebuild_index(part)
    ours_s, ours_mb = time.perf_counter() - start, index_path(part).stat().st_size / 1e6
    start = time.perf_counter()
    table = part / "table.db"
    with sqlite3.connect(table, isolation_level=None) as plain:
        plain.execute("PRAGMA journal_mode = OFF")
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute("CREATE TABLE satdata_csq_all (scene_id TEXT, csquare TEXT)")
        plain.execute("BEGIN")
        for rows in _rows(part, batches):
            plain.executemany("INSERT INTO satdata_csq_all VALUES (?, ?)", rows)
        plain.execute("COMMIT")
        plain.execute("CREATE INDEX by_scene ON satdata_csq_all (scene_id)")
        plain.execute("CREATE INDEX by_square ON satdata_csq_all (csquare)")
        theirs_s, theirs_mb = time.perf_counter() - start, table.stat().st_size / 1e6
        squares = questions(200)
        sql = "SELECT DISTINCT scene_id FROM satdata_csq_all WHERE csquare IN (?, ?, ?, ?)"

        def ask(c: str) -> list[tuple[str]]:
            return plain.execute(sql, (c, f"{c[:8]}:*", f"{c[:6]}**:*", f"{c[:4]}:***:*")).fetchall()

        with open_index(part) as index:
            ours = timed([lambda c=c: index.ids(codes=c) for c in squares])
            wrong = sum(sorted(index.ids(codes=c).tolist()) != sorted(row[0] for row in ask(c)) for c in squares)
        theirs = timed([lambda c=c: ask(c) for c in squares])
    plain.close()
    print(
        f"\nthe first {len(batches) * BATCH:,} scenes, beside a plain SQLite table of text pairs with two indexes (reference 5)"
    )
    print(f"  {'':28}{'index':>12}{'text pairs':>14}{'ratio':>9}")
    for name, a, b in (("MB", ours_mb, theirs_mb), ("made in, s", ours_s, theirs_s), ("0.5-degree ids p50, ms", ours[0], theirs[0]),
                       ("0.5-degree ids p95, ms", ours[1], theirs[1])):  # fmt: skip
        print(f"  {name:28}{a:12,.2f}{b:14,.2f}{b / a:8.1f}x")
    print(f"  different answers to {len(squares)} squares: {wrong}")


def _rows(folder: Path, batches: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    for name in batches:
        batch = read_batch(folder, name)
        codes, counts = codes_of_keys(batch.keys).tolist(), np.diff(batch.offsets).tolist()
        ids = [scene.id for scene, many in zip(batch.scenes, counts, strict=True) for _ in range(many)]
        yield list(zip(ids, codes, strict=True))


def main() -> int:
    """Make the archive, index it, ask it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--pairs-scenes", type=int, default=3_000, help="scenes in the plain table; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="keep the archive here, and use it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        note = folder / "note.json"
        if not note.is_file():
            covering, took, pairs = publish(folder, given.scenes)
            note.write_text(json.dumps([covering, took, pairs]))
        covering, took, pairs = json.loads(note.read_text())
        batches = published_batches(folder)
        size = sum(path.stat().st_size for path in (folder / "pairs").iterdir()) / 1e6
        print(
            f"synthetic archive: {given.scenes:,} scenes, {pairs:,} pairs in {len(batches)} batches, {size:,.0f} MB of Parquet"
        )
        show("encode all, s", covering)
        show("  made, encoded and published in, s", took)
        last = batches[-1]
        held_back = (folder / "pairs" / f"{last}.parquet").rename(folder / "held-back")
        start = time.perf_counter()
        rebuild_index(folder)
        show("rebuild from the pairs, s", time.perf_counter() - start)
        held_back.rename(folder / "pairs" / f"{last}.parquet")
        start = time.perf_counter()
        report = update_index(folder, [last])
        show(f"append of {report.added}, s", time.perf_counter() - start)
        show("index, MB", index_path(folder).stat().st_size / 1e6)
        show("peak memory, MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        with open_index(folder) as index:
            measure(index, given.scenes)
        if given.pairs_scenes:
            compare(folder, min(given.pairs_scenes, given.scenes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
