"""How fast near-duplicates are found among 500,000 hashes; run it with ``python benchmarks/near_duplicates.py``.

The hashes are those of real imagery where the folder `shared` stands beside the project: windows of 32 x 32 pixels, 7
apart, of the RSLoc-82K mosaics, which is the size that the perceptual hash looks at. Elsewhere they are made of random
spectra. A tenth of the queries is a stored hash with 0 to 12 bits changed, the others are of windows not stored.

Beside our index stand, in this process and on the same hashes: comparing with everything in numpy, a dictionary of
words (the same radii, looked up one by one), and Python's integers. Every answer is compared.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.near import NearIndex

Codes = NDArray[np.uint64]

SEED = 20_240_615
MOSAICS = Path(__file__).resolve().parents[2] / "shared" / "data" / "rsloc" / "RSimages"
GOAL_US = 200
GOAL_BUILD_S = 0.5
SPACING = 7
RADII = (2, 1, 1, 1)
"""Bits by which the words of a hash may differ at distance 8: any other pair differs by 9 or more."""


def real_windows() -> Iterator[NDArray[np.float64]]:
    """Yield grey windows (n, 32, 32) of the mosaics, a row of windows at a time."""
    import rasterio
    from PIL import Image

    for path in sorted(MOSAICS.rglob("*.tiff")):
        with rasterio.open(path) as mosaic:
            grey = np.asarray(Image.fromarray(np.moveaxis(mosaic.read(), 0, -1)).convert("L"), np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(grey, (32, 32))[::SPACING, ::SPACING]
        yield from (row for row in windows)


def spectra(count: int, random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield made pictures (n, 32, 32): noise, whose coefficients are as likely above their median as below."""
    yield from (random.normal(128, 30, (min(2_000, count - at), 32, 32)) for at in range(0, count, 2_000))


def hashes(count: int, random: np.random.Generator) -> tuple[Codes, str]:
    """Return that many hashes, shuffled, flat pictures left out, and what they are of."""
    from scipy.fft import dct

    found = []
    for images in real_windows() if MOSAICS.is_dir() else spectra(count, random):
        low = dct(dct(images, axis=1), axis=2)[:, :8, :8].reshape(-1, 64)
        bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
        found.append(bits.view(">u8")[:, 0].astype(np.uint64))
    everything = np.concatenate(found)
    everything = random.permutation(everything[~np.isin(everything, np.array([0, 1 << 63], np.uint64))])
    return everything[:count], "real imagery" if MOSAICS.is_dir() else "random spectra"


def split(codes: Codes, queries: int, random: np.random.Generator) -> tuple[Codes, Codes]:
    """Return stored hashes and queries; a tenth of these is a stored hash with some bits changed."""
    asked, stored = codes[:queries].copy(), codes[queries:]
    for at in range(0, queries, 10):
        bits = random.choice(64, random.integers(0, 13), replace=False)
        asked[at] = random.choice(stored) ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=0)
    return stored, asked


class Everything:
    """Compare with every stored hash, in numpy."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    def nearest(self, query: np.uint64) -> int:
        """Return the position of the nearest, or -1."""
        apart = np.bitwise_count(self.codes ^ query)
        at = int(apart.argmin())
        return at if apart[at] <= sum(RADII) + 3 else -1


class WordDictionary:
    """The textbook's multi-index: a dictionary from (word, value) to positions."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes.tolist()
        self.tables: list[defaultdict[int, list[int]]] = [defaultdict(list) for _ in RADII]
        for at, code in enumerate(self.codes):
            for word, table in enumerate(self.tables):
                table[code >> 16 * word & 0xFFFF].append(at)
        self.masks = [
            [sum(1 << bit for bit in bits) for n in range(radius + 1) for bits in itertools.combinations(range(16), n)]
            for radius in RADII
        ]

    def nearest(self, query: int) -> int:
        """Return the position of the nearest, or -1."""
        best = (sum(RADII) + 4, -1)
        for word, (table, masks) in enumerate(zip(self.tables, self.masks, strict=True)):
            value = query >> 16 * word & 0xFFFF
            for mask in masks:
                for at in table.get(value ^ mask, ()):
                    best = min(best, ((self.codes[at] ^ query).bit_count(), at))
        return best[1]


def by_integers(codes: list[int], query: int) -> int:
    """Compare with every stored hash, in Python."""
    apart, at = min(((code ^ query).bit_count(), at) for at, code in enumerate(codes))
    return at if apart <= sum(RADII) + 3 else -1


class Took(NamedTuple):
    """Seconds that something took."""

    wall: float
    processor: float


def timed(call: Callable[[], object], times: int = 1) -> tuple[object, Took]:
    """Return what a call returns, and what the shortest of several took; only wall time grows by waiting for others."""
    found = []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        found.append(Took(time.perf_counter() - wall, time.process_time() - processor))
    return result, min(found)


def megabytes(make: Callable[[], object]) -> float:
    """Return the memory that what a call makes takes, MB."""
    tracemalloc.start()
    made = make()
    taken = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    del made
    return taken


def main() -> int:
    """Print the table; end with 1 where answers differ or a goal is missed."""
    parser = argparse.ArgumentParser(description="Near-duplicate look-ups: ours beside three others.")
    parser.add_argument("--hashes", type=int, default=500_000)
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    random, k = np.random.default_rng(SEED), sum(RADII) + 3
    codes, origin = hashes(options.hashes + options.queries, random)
    stored, asked = split(codes, options.queries, random)
    print(f"{len(stored):,} hashes of {origin}, {len(asked):,} queries, k = {k}; on this machine as busy as it is\n")

    built = timed(lambda: NearIndex(stored), 3)[1]
    ours_mb, index = megabytes(lambda: NearIndex(stored)), NearIndex(stored)
    index.near(asked[:1], k)  # the list of changed words is made once in a process
    together, batch = timed(lambda: index.nearest(asked, k).tolist(), 3)
    singly, single = timed(lambda: [int(index.nearest(asked[at : at + 1], k)[0]) for at in range(len(asked))], 3)
    linear, linear_took = timed(lambda: [Everything(stored).nearest(query) for query in asked])
    words_mb = megabytes(lambda: WordDictionary(stored))
    dictionary, words_built = timed(lambda: WordDictionary(stored))
    words, words_took = timed(lambda: [dictionary.nearest(query) for query in asked.tolist()])  # type: ignore[attr-defined]
    few, integers = asked[:20].tolist(), stored.tolist()
    brute, brute_took = timed(lambda: [by_integers(integers, query) for query in few])

    answers: list[int] = together  # type: ignore[assignment]
    equal = singly == answers == linear == words and brute == answers[: len(few)]
    nothing = Took(0.0, 0.0)
    rows = [
        ("NearIndex, batches of 1,000", batch, len(asked), built, ours_mb),
        ("NearIndex, one by one", single, len(asked), built, ours_mb),
        ("comparing with everything, numpy", linear_took, len(asked), nothing, 0.0),
        ("dictionary of words", words_took, len(asked), words_built, words_mb),
        ("comparing with everything, Python", brute_took, len(few), nothing, 0.0),
    ]
    print(f"{'':34}{'us a look-up':>13}{'of processor':>13}{'of ours':>10}{'built in s':>12}{'MB':>8}")
    for name, took, count, made, taken in rows:
        wall, processor = (1e6 * seconds / count for seconds in took)
        ratio = processor / (1e6 * single.processor / len(asked))
        print(f"{name:34}{wall:13,.1f}{processor:13,.1f}{ratio:9.1f}x{made.wall:12.3f}{taken:8.0f}")
    print(f"\nwithin {k} bits: {sum(at >= 0 for at in answers)} of {len(asked)}; all answers equal: {equal}")
    slowest = 1e6 * max(batch.wall, single.wall) / len(asked)
    met = slowest <= GOAL_US and built.wall <= GOAL_BUILD_S
    print(f"goal: at most {GOAL_US} us a look-up, built in at most {GOAL_BUILD_S} s: {'met' if met else 'MISSED'}")
    return 0 if equal and met else 1


if __name__ == "__main__":
    sys.exit(main())
