"""One more round into a library of 500,000 tiles: what the merge takes beyond its pictures, and its memory.

``python -m benchmarks.merge_large``. The library's rows are generated (100 tiles in each of 5,000 buckets, random hashes, no
pictures); the round is real: 1,000 tiles cut from the mosaics, judged and published. The cap is above 100 so that they can
be kept.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harvest import BIOME, settings_for
from benchmarks.support.tile_server import running_tile_server
from mosaic_assets.core.records import Tile
from mosaic_assets.library import merge, publish
from mosaic_assets.library.centroids import BUCKETS, CENTROIDS_META, ensure_centroids
from mosaic_assets.library.coverage import read_state
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.judge import tile_id
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import open_library
from mosaic_assets.store.library_records import LibraryRow, MergedRound

PER_BUCKET = 100
ROUND_TILES = 1_000


def made_up_rows(rng: np.random.Generator, buckets: int) -> Iterator[list[LibraryRow]]:
    """Rows of tiles that were never fetched, a bucket at a time."""
    for bucket in range(buckets):
        codes = rng.integers(0, 2**63, PER_BUCKET, np.uint64)
        yield [
            LibraryRow(
                id=(name := tile_id("generated", "1", Tile(bucket, number, 15))),
                bucket_id=bucket, filepath=f"mosaic_library/bucket_{bucket:04d}/{name}.png", phash=f"{code:016x}",
                mean_l=50.0, mean_a=0.0, mean_b=0.0,
                source="generated", imagery="generated", release="1", z=15, x=bucket, y=number,
                west=0.0, south=0.0, east=0.01, north=0.01, biome=f"biome_{bucket % 18}", round=bucket // 18 + 1,
                position=number, fetched_at="2026-01-01T00:00:00+00:00", etag="", sha256=f"{bucket:032x}{number:032x}",
                licence="none", attribution="none", synthetic=True, csquare="1000:100:1",
            )
            for number, code in enumerate(codes.tolist())
        ]  # fmt: skip


def fill(settings: Settings, buckets: int) -> None:
    """Write the rows, and a ledger of as many rounds as they would have taken."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(1)
    centroids, _ = ensure_centroids(settings.library, settings.seed)
    with open_library(settings.library, create=True) as database:
        database.set_meta(CENTROIDS_META, centroids.record.sha256)
        with database.writing():
            for rows in made_up_rows(rng, buckets):
                database.add_tiles(rows)
            for number in range(buckets * PER_BUCKET // 1_000):
                database.add_round(
                    MergedRound(
                        f"biome_{number % 18}", number // 18 + 1, "generated", "generated", "1", 15, 1_000, False,
                        {"kept": 1_000}, 10, 10**7, 1.0, number // 6 + 1, moment, moment,
                    )
                )  # fmt: skip


def main() -> None:
    """Parse the command line; fill, harvest, merge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--buckets", type=int, default=BUCKETS, help="filled buckets; 5,000 make 500,000 tiles")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp()) / "home"
    pictures_s = 0.0

    def timed_pictures(*arguments: object) -> int:
        nonlocal pictures_s
        began = time.perf_counter()
        written = publish.write_pictures(*arguments)  # type: ignore[arg-type]
        pictures_s = time.perf_counter() - began
        return written

    merge.write_pictures = timed_pictures  # type: ignore[assignment]
    try:
        with running_tile_server() as (_, port, _):
            settings = settings_for(home, port, 10**6, ROUND_TILES)
            fill(settings, given.buckets)
            harvest_round(BIOME, settings)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        state = read_state(settings)
        opened_s = time.perf_counter() - began
        began = time.perf_counter()
        report = merge.merge_rounds(settings)
        seconds = time.perf_counter() - began
        unit = 1024 if sys.platform == "linux" else 1  # kilobytes there, bytes on macOS
        print(
            f"library of {report.library_tiles - report.kept:,} tiles, a round of {ROUND_TILES:,}, {report.kept:,} kept"
        )
        print(
            f"reading the library's state, as every sensor tick does: {opened_s * 1000:.0f} ms ({len(state.rounds)} rounds)"
        )
        print(
            f"merge: {seconds:.2f} s, of it pictures {pictures_s:.2f} s, everything else {seconds - pictures_s:.2f} s"
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
        print(f"peak memory of the process: {peak:.0f} MiB, before the merge {before * unit / 2**20:.0f} MiB")
        print(f"tiles.db: {(settings.library / 'tiles.db').stat().st_size / 2**20:.0f} MiB")
    finally:
        shutil.rmtree(home.parent)


if __name__ == "__main__":
    main()
