"""How many tiles steering saves; run it with ``python benchmarks/steering.py --cache DIR``.

Policies take tiles from the same pools, in an order drawn anew for every seed. Printed is what each asks for until as
many buckets hold the floor as reference 1's fixed weights fill, as a part of what those ask for; a wave counts whole.
Reference 1 keeps no places, so it asks for tiles of small places again and again; the same weights without repeats stand
beside it, to tell what steering adds. *Among biomes* is the real `decide`, called once a wave as the sensor does; *ours*
chooses within biomes too, with the real `focus`, after a short first round: what a harvest does. *Palettes known* is a
greedy choice among biomes that knows their tiles beforehand: more than any choice among biomes can promise. Rounds are
1,000 tiles long where nothing else is said.

Three worlds: the embedded imagery, drawn tile by tile once (about 4 ms each; ``--cache`` keeps them); a simulated one of
overlapping palettes, another for every seed, without places; and windows of 64 pixels of the real mosaics, five places,
with rounds of 100: their windows of 256 pixels, zoom-15 tiles, are too few to steer among. ``--zooms`` shows what the
zoom level does to coverage.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mosaic_assets.core.colour import rgb_to_lab
from mosaic_assets.core.records import Tile
from mosaic_assets.core.sampling import plan_tiles
from mosaic_assets.core.species import chao1, expected_new
from mosaic_assets.library.allocation import STRETCH, focus
from mosaic_assets.library.biomes import BUILT_IN
from mosaic_assets.library.centroids import BUCKETS, ensure_centroids, load_centroids
from mosaic_assets.library.coverage import LibraryState
from mosaic_assets.library.judge import judge
from mosaic_assets.library.steering import decide
from mosaic_assets.settings import Limits, Target
from mosaic_assets.sources.embedded.source import EmbeddedSource
from mosaic_assets.store.library_records import MergedRound

SEED = 20_240_615
MOSAICS = Path(__file__).resolve().parents[2] / "shared" / "data" / "rsloc" / "RSimages"
CAP = 100
BATCH = 100
"""Tiles that reference 1 takes an iteration."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEVELS = (0.25, 0.5, 0.75, 0.9, 1.0)
BIOMES = {biome.name: biome for biome in BUILT_IN}
_TOTALS = {phase: sum(biome.weight for biome in BUILT_IN if biome.phase == phase) for phase in (1, 2)}
FIXED = {biome.name: biome.weight / _TOTALS[biome.phase] / 2 for biome in BUILT_IN}
"""Reference 1's weights, half of the tiles for each of its two phases, side by side."""


class Pool(NamedTuple):
    """What a place's tiles turn out to be: int64 (n,) bucket and hash, and int64 (n, 2) x and y or nothing."""

    bucket: NDArray[np.int64]
    code: NDArray[np.int64]
    place: NDArray[np.int64] | None = None
    complete: bool = False
    """Whether these are all tiles of the place, and not the first of many."""

    def taken(self, order: NDArray[np.int64]) -> Pool:
        """Return some tiles, or all in another order."""
        return Pool(self.bucket[order], self.code[order], None if self.place is None else self.place[order])


World = dict[str, Pool]


# The worlds


def draw(job: tuple[str, int, int, Path]) -> Pool:
    """Draw a biome's first tiles of a zoom level and judge them; keep the outcome in the cache."""
    name, zoom, count, cache = job
    path = cache / f"{name}-z{zoom}.npz"
    stored = _stored(path, count)
    if stored is None:
        tiles = plan_tiles(BIOMES[name].geometry(), zoom, seed=SEED, start=0, count=count)
        place = np.array([(tile.x, tile.y) for tile in tiles], np.int64)
        bucket, code = _judged(tiles, load_centroids(cache / "mosaic_library").tree())
        stored = Pool(bucket, code, place, complete=len(tiles) < count)
        np.savez(path, bucket=bucket, code=code, place=place, complete=stored.complete)
    return stored


def _stored(path: Path, count: int) -> Pool | None:
    """Return what the cache has of a place's first tiles, if it has as many."""
    if not path.is_file():
        return None
    with np.load(path) as found:
        pool = Pool(found["bucket"], found["code"], found["place"], bool(found["complete"]))
    if len(pool.bucket) < count and not pool.complete:
        return None
    return pool.taken(np.arange(min(count, len(pool.bucket))))._replace(complete=len(pool.bucket) < count)


def _judged(tiles: list[Tile], tree: cKDTree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return bucket and hash of each tile."""
    found: list[tuple[int, int]] = []
    with EmbeddedSource() as source:
        answers = source.fetch(tiles)
        while batch := list(itertools.islice(answers, 64)):
            judged = judge(batch, tree, frozenset())
            found += [(j.bucket_id, int(j.phash, 16)) for j in judged if j.bucket_id is not None and j.phash]
    bucket, code = zip(*found, strict=True)
    return np.array(bucket, np.int64), np.array(code, np.uint64).view(np.int64)


def embedded(zoom: int, count: int, cache: Path) -> World:
    """Return the pools of all built-in biomes."""
    ensure_centroids(cache / "mosaic_library", SEED)
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        pools = workers.map(draw, [(name, zoom, count, cache) for name in BIOMES])
        return dict(zip(BIOMES, pools, strict=True))


def shuffled(world: World, seed: int) -> World:
    """Return the same tiles in another order."""
    random = np.random.default_rng(seed)
    return {
        name: pool.taken(random.permutation(len(pool.bucket)))._replace(complete=pool.complete)
        for name, pool in world.items()
    }


def mosaics(cache: Path) -> World:
    """Return the windows of 64 pixels of each real mosaic; no two are duplicates."""
    tree = load_centroids(cache / "mosaic_library").tree()
    found = {}
    for name, (means, place) in windows(64):
        bucket = tree.query(rgb_to_lab(means))[1].astype(np.int64)
        found[name] = Pool(bucket, np.arange(len(bucket)), place)
    return found


def simulated(seed: int, colours: int = 2_000, count: int = 30_000) -> World:
    """Make up biomes whose palettes overlap.

    Each has 25 to 500 of 2,000 colours (log-uniform), near one another on a ring, as often as a Zipf law of exponent
    0.8 to 1.6 with Dirichlet noise says; no duplicates.
    """
    random = np.random.default_rng((SEED, seed))
    world = {}
    for name in BIOMES:
        size = int(np.exp(random.uniform(np.log(25), np.log(500))))
        spread = random.normal(random.integers(colours), size * random.uniform(0.6, 1.5), 4 * size)
        palette = random.permutation(np.unique(np.mod(np.round(spread).astype(np.int64), colours)))[:size]
        zipf = np.arange(1.0, len(palette) + 1) ** -random.uniform(0.8, 1.6)
        shares = random.dirichlet(zipf / zipf.sum() * len(palette) / 2 + 1e-3)
        world[name] = Pool(random.choice(palette, count, p=shares), np.arange(count))
    return world


# Taking tiles


class Taker:
    """A library that grows by the merge's rules: cap, and no two of one hash in a bucket."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kept = np.zeros(BUCKETS, np.int64)
        self.hits: dict[str, dict[int, int]] = {}
        self.position = dict.fromkeys(world, 0)
        self.asked = 0
        self._seen: set[tuple[int, int]] = set()

    def left(self, name: str) -> int:
        """Return how many of a biome's tiles nobody asked for."""
        return len(self.world[name].bucket) - self.position[name]

    def take(self, name: str, count: int) -> int:
        """Ask for the next tiles of a biome; return how many there were."""
        piece = np.arange(self.position[name], min(self.position[name] + count, len(self.world[name].bucket)))
        self.position[name] += len(piece)
        return self.merge(name, piece)

    def merge(self, name: str, piece: NDArray[np.int64]) -> int:
        """Ask for these tiles of a biome; return how many there are."""
        hits, pool = self.hits.setdefault(name, {}), self.world[name]
        for pair in zip(pool.bucket[piece].tolist(), pool.code[piece].tolist(), strict=True):
            hits[pair[0]] = hits.get(pair[0], 0) + 1
            if self.kept[pair[0]] < CAP and pair not in self._seen:
                self._seen.add(pair)
                self.kept[pair[0]] += 1
        self.asked += len(piece)
        return len(piece)

    def filled(self, floor: int) -> int:
        """Return how many buckets hold the floor."""
        return int((self.kept >= floor).sum())


Curve = list[tuple[int, int]]
"""(tiles asked for, buckets filled), ascending."""


def by_weight(
    world: World, weights: Mapping[str, float], floor: int, seed: int, most: int, *, repeats: bool = False
) -> Curve:
    """Draw biomes by weight, and without repeats leave the share of a used-up one to the others.

    Parameters
    ----------
    repeats : draw from places whose tiles are all known with replacement, as who keeps no places does.
    """
    random, taker, curve = np.random.default_rng((seed, 1)), Taker(world), [(0, 0)]
    weight = np.array([weights[name] for name in world])
    again = [repeats and pool.complete for pool in world.values()]
    while taker.asked < most:
        share = weight * [taker.left(name) > 0 or more for name, more in zip(world, again, strict=True)]
        if not share.any():
            break
        counts = random.multinomial(BATCH, share / share.sum()).tolist()
        for name, count, more in zip(world, counts, again, strict=True):
            if more:
                taker.merge(name, random.integers(0, len(world[name].bucket), count))
            else:
                taker.take(name, count)
        curve.append((taker.asked, taker.filled(floor)))
    return curve


def steered(world: World, floor: int, goal: int, *, tiles: int = 1_000, first: int = 0, focused: bool = False) -> float:
    """Ask `decide` for waves until the goal is reached; return the tiles asked for, infinity where it never is.

    Parameters
    ----------
    tiles, first : tiles of a round, and of a biome's first one (0: the same).
    focused : let further rounds take the best of the biome's next tiles instead of the very next.
    """
    taker, rounds = Taker(world), list[MergedRound]()
    asked = {name: np.zeros(len(pool.bucket), bool) for name, pool in world.items()}
    weights = {name: BIOMES[name].weight if name in BIOMES else 1.0 for name in world}
    target, limits = Target(floor=floor, buckets=goal), Limits(max_rounds=10_000, max_tiles=10**9)
    for wave in itertools.count(1):
        state = LibraryState(taker.kept, taker.hits, rounds)
        decision = decide(weights, state, target, limits, now=NOW)
        if not decision.requests:
            break
        lacking = taker.kept < floor
        for name in decision.requests:
            number = sum(merged.biome == name for merged in rounds) + 1
            count = first if first and number == 1 else tiles
            left = np.flatnonzero(~asked[name])
            piece = left[_best(world[name], left, asked[name], lacking, count)] if focused else left[:count]
            asked[name][piece] = True
            planned = taker.merge(name, piece)
            rounds.append(_ledger_line(name, number, planned, planned == len(left), wave))
    return taker.asked if taker.filled(floor) >= goal else math.inf


def _best(
    pool: Pool, left: NDArray[np.int64], asked: NDArray[np.bool_], lacking: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Return which of a place's tiles left to take; what is not taken stays."""
    if pool.place is None:
        raise ValueError("focusing in a place whose tiles have no coordinates")
    return focus(pool.place[left[: count * STRETCH]], pool.place[asked], lacking[pool.bucket[asked]], count)


def _ledger_line(name: str, number: int, planned: int, exhausted: bool, wave: int) -> MergedRound:
    return MergedRound(
        biome=name, round=number, source="s", imagery="s", release="1", zoom=15, planned=planned, exhausted=exhausted,
        outcomes={"kept": planned}, new_buckets=0, bytes_fetched=0, seconds=1.0, merge_number=wave, published_at=NOW,
        merged_at=NOW,
    )  # fmt: skip


def all_known(world: World, floor: int, goal: int) -> int:
    """Take 100 tiles at a time from the biome that fills most, knowing what its tiles left are; return the tiles."""
    taker = Taker(world)
    left = {name: np.bincount(pool.bucket, minlength=BUCKETS) for name, pool in world.items()}
    while taker.filled(floor) < goal:
        need = np.maximum(floor - taker.kept, 0)
        promise = {
            name: np.minimum(need, left[name] * BATCH / taker.left(name)).sum() for name in world if taker.left(name)
        }
        best = max(promise, key=lambda name: promise[name])
        start = taker.position[best]
        taker.take(best, BATCH)
        left[best] -= np.bincount(world[best].bucket[start : start + BATCH], minlength=BUCKETS)
    return taker.asked


def reached(curve: Curve, goal: int) -> float:
    """Return the tiles asked for when the goal was reached first, infinity where it was not."""
    return next((asked for asked, filled in curve if filled >= goal), math.inf)


# The tables


Policy = Callable[[World, int, int, int], float]
"""(world, floor, goal, seed) -> tiles needed."""


def policies(tiles: int) -> dict[str, Policy]:
    """Return what is compared, by name; rounds have so many tiles where nothing else is said."""
    quarter = tiles // 4

    def weights(choose: Callable[[World], Mapping[str, float]]) -> Policy:
        return lambda world, floor, goal, seed: reached(by_weight(world, choose(world), floor, seed, 10**9), goal)

    def ours(**how: Any) -> Policy:
        return lambda world, floor, goal, _: steered(world, floor, goal, **{"tiles": tiles, **how})

    return {
        "fixed, no repeats": weights(_fixed),
        "uniform": weights(lambda world: dict.fromkeys(world, 1.0)),
        "among biomes": ours(),
        f"among biomes, by {quarter}": ours(tiles=quarter),
        "palettes known": lambda world, floor, goal, _: all_known(world, floor, goal),
        "ours": ours(focused=True, first=quarter),  # the default settings
        "ours, long first round": ours(focused=True),
        f"ours, rounds of {quarter}": ours(focused=True, tiles=quarter),
    }


def _fixed(world: World) -> Mapping[str, float]:
    """Reference 1's weights; the same for all places of a world that it does not know."""
    return FIXED if set(world) <= set(FIXED) else dict.fromkeys(world, 1.0)


def policies_table(
    title: str, make: Callable[[int], World], floor: int, seeds: int, asked: int, tiles: int = 1_000
) -> None:
    """Print what each policy needs, as a part of the fixed weights' tiles: median and worst seed."""
    base: list[list[float]] = []
    goals: list[list[int]] = []
    ratios: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        world = make(seed)
        curve = by_weight(world, _fixed(world), floor, seed, asked, repeats=True)
        goals.append([max(1, int(level * curve[-1][1])) for level in LEVELS])
        base.append([reached(curve, goal) for goal in goals[-1]])
        for name, policy in policies(tiles).items():
            if not name.startswith("ours") or all(pool.place is not None for pool in world.values()):
                needed = [policy(world, floor, goal, seed) for goal in goals[-1]]
                ratios.setdefault(name, []).append([n / whole for n, whole in zip(needed, base[-1], strict=True)])
    print(f"\n{title}: buckets with {floor} or more tiles, {seeds} seeds, rounds of {tiles:,}")
    print(f"{'buckets (median)':24}" + "".join(f"{value:15,.0f}" for value in np.median(goals, axis=0)))
    print(f"{'fixed weights, tiles':24}" + "".join(f"{value:15,.0f}" for value in np.median(base, axis=0)))
    for name, rows in ratios.items():
        cells = zip(np.median(rows, axis=0), np.max(rows, axis=0), strict=True)
        print(f"{name:24}" + "".join(f"{f'{middle:.2f} ({worst:.2f})':>15}" for middle, worst in cells))


def zooms_table(zooms: list[int], count: int, cache: Path) -> None:
    """Print what the same number of tiles from each biome meets at each zoom level."""
    worlds = {zoom: embedded(zoom, count, cache) for zoom in zooms}
    sizes = {name: min(len(world[name].bucket) for world in worlds.values()) for name in BIOMES}
    print(f"\nzoom, embedded imagery: {sum(sizes.values()):,} tiles, up to {count:,} of each biome")
    for zoom, world in worlds.items():
        taken = np.concatenate([pool.bucket[: sizes[name]] for name, pool in world.items()])
        _zoom_line(f"zoom {zoom}", np.bincount(taken, minlength=BUCKETS))


def real_zooms_table(seeds: int, cache: Path) -> None:
    """Print the same for windows of 256, 128 and 64 pixels of the real mosaics: zoom 15, 16 and 17 of one imagery."""
    tree = load_centroids(cache / "mosaic_library").tree()
    colours = {side: np.concatenate([means for _, (means, _) in windows(side)]) for side in (256, 128, 64)}
    buckets = {side: tree.query(rgb_to_lab(means))[1] for side, means in colours.items()}
    count = len(buckets[256])
    print(f"\nzoom, real mosaics: {count} windows, median of {seeds} draws")
    for side, found in buckets.items():
        draws = [np.random.default_rng(seed).permutation(found)[:count] for seed in range(seeds)]
        tables = [np.bincount(drawn, minlength=BUCKETS) for drawn in draws]
        _zoom_line(f"{side} pixels", *tables)


def _zoom_line(label: str, *tables: NDArray[np.int64]) -> None:
    rows = [(float((t > 0).sum()), float((t >= 3).sum()), chao1(t), expected_new(t, 1_000)) for t in tables]
    seen, filled, reachable, new = np.median(rows, axis=0)
    print(
        f"  {label:12} {seen:6,.0f} buckets seen, {filled:5,.0f} with 3 or more, about {reachable:6,.0f} within reach, "
        f"{new:5.1f} new per 1,000 more"
    )


def windows(side: int) -> Iterator[tuple[str, tuple[NDArray[np.float64], NDArray[np.int64]]]]:
    """Yield each mosaic's name with its windows: mean colours (n, 3), 0..1, and (n, 2) column and row; no black ones."""
    import rasterio

    for path in sorted(MOSAICS.rglob("*.tiff")):
        with rasterio.open(path) as mosaic:
            pixels = np.moveaxis(mosaic.read(), 0, -1)
        rows, columns = pixels.shape[0] // 256 * 256 // side, pixels.shape[1] // 256 * 256 // side
        cut = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
        means = cut.mean(axis=(1, 3), dtype=np.float64).reshape(-1, 3) / 255
        row, column = np.divmod(np.arange(rows * columns), columns)
        inside = means.any(axis=1)
        yield path.stem, (means[inside], np.stack([column, row], axis=1)[inside])


def main() -> int:
    """Print every table asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cache", type=Path, help="folder that keeps the judged tiles; default: a temporary one")
    parser.add_argument("--tiles", type=int, default=6_000, help="embedded tiles drawn of each biome")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--asked", type=int, default=40_000, help="tiles that the fixed weights ask for")
    parser.add_argument("--floors", default="3,10")
    parser.add_argument("--zooms", default="", help="for example 15,16,17: what the zoom level does to coverage")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = given.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        if given.zooms:
            zooms_table([int(zoom) for zoom in given.zooms.split(",")], min(given.tiles, 1_500), cache)
            if MOSAICS.is_dir():
                real_zooms_table(given.seeds, cache)
            return 0
        drawn = embedded(15, given.tiles, cache)
        real = mosaics(cache)
        for floor in map(int, given.floors.split(",")):
            policies_table("embedded imagery", lambda seed: shuffled(drawn, seed), floor, given.seeds, given.asked)
            policies_table("simulated", simulated, floor, given.seeds, given.asked)
            if real:
                policies_table("real, 64 pixels", lambda seed: shuffled(real, seed), floor, given.seeds, 4_000, 100)
    return 0


if __name__ == "__main__":
    sys.exit(main())
