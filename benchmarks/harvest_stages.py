"""Where a tile's time goes on its way into the library, what binds each stage, storage formats, memory, distant servers.

``python -m benchmarks.harvest_stages``, on real tiles cut from the mosaics.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.support.real_tiles import real_tiles
from benchmarks.support.tile_server import running_tile_server
from mosaic_assets.core import colour, tile_files, tile_png
from mosaic_assets.core import phash as perceptual
from mosaic_assets.core.colour import mean_rgb, rgb_to_lab
from mosaic_assets.core.imaging import decode_tile, new_canvas
from mosaic_assets.core.phash import phash
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.storage import TileFormat, store_as, suffix_of
from mosaic_assets.core.tile_files import read_tiles
from mosaic_assets.core.tile_png import TilePng
from mosaic_assets.library.centroids import ensure_centroids
from mosaic_assets.library.harvest import BATCH
from mosaic_assets.library.judge import Judgement, assign_buckets
from mosaic_assets.library.rows import RoundRows
from mosaic_assets.library.staging import LARGEST_PICTURE, _measured, _take
from mosaic_assets.settings import Network
from mosaic_assets.sources.client import HttpClient
from mosaic_assets.store.files import write_durably
from mosaic_assets.store.rounds import RoundWriter

TILES = 960


def cpu_ms(work: Callable[[], object], tiles: int = TILES) -> float:
    """CPU time of this process, ms a tile, at the second time: caches and imports are warm."""
    work()
    began = time.process_time()
    work()
    return (time.process_time() - began) / tiles * 1000


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """Let numpy and the compression library do what the compiled kernels do otherwise."""
    with contextlib.ExitStack() as stack:
        for module in (colour, perceptual, tile_png):
            stack.enter_context(mock.patch.object(module, "kernels", lambda: None))
        stack.enter_context(mock.patch.object(tile_files, "jpegs", lambda: None))
        yield


def stages(bodies: list[bytes], folder: Path) -> None:
    """Print CPU and share of each stage."""
    from threadpoolctl import threadpool_limits

    centroids, _ = ensure_centroids(folder / "mosaic_library", 1)
    tree, canvas = centroids.tree(), new_canvas(BATCH)
    for place, body in enumerate(bodies[:BATCH]):
        decode_tile(body, canvas[place])
    means = mean_rgb(canvas)
    tiles = [Tile(16_000 + number, 11_000, 15) for number in range(len(bodies))]
    judged = [
        Judgement(Fetched(tile, body, None, datetime.now(UTC)), Outcome.CANDIDATE, "", 1, "0" * 16, (1.0, 2.0, 3.0), "a" * 64)
        for tile, body in zip(tiles, bodies, strict=True)
    ]  # fmt: skip
    turns_of_batch = range(0, len(bodies), BATCH)  # what follows reads the canvas, as a harvest does, not all memory
    pngs = [TilePng().encode(canvas[number % BATCH]) for number in range(len(bodies))]

    def fetch() -> None:
        client = HttpClient(Network(), requests_per_s=None, max_connections=20)
        for _ in client.get_all(f"http://127.0.0.1:{port}/15/1/{number}" for number in range(len(bodies))):
            continue

    def round_file() -> None:
        writer, rows = RoundWriter(folder / "round.parquet"), RoundRows(tiles)
        for start in range(0, len(tiles), BATCH):
            writer.append(rows.of(judged[start : start + BATCH]))
        writer.abandon()

    turns = iter(range(4))
    ways = [(folder / "staged", folder / "bucket"), (folder / "bucket", folder / "staged")]

    def files() -> None:
        (target := folder / f"files-{next(turns)}").mkdir()
        for number, content in enumerate(pngs):
            write_durably(target / str(number), content)

    def take() -> None:
        ways.reverse()
        source, target = ways[0]
        for number, picture in enumerate(staged):
            assert _take(source / str(number), picture, target / str(number), memory)

    def buckets() -> None:
        for _ in turns_of_batch:
            assign_buckets(rgb_to_lab(means), tree)

    def hashes() -> None:
        for _ in turns_of_batch:
            phash(canvas)

    def read() -> None:
        for start in turns_of_batch:
            read_tiles(bodies[start : start + BATCH], canvas)

    def pngs_of_a_batch() -> None:
        encoder = TilePng()
        for _ in turns_of_batch:
            for image in canvas:
                encoder.encode(image)

    plan = [
        ("fetch", fetch, "one thread for 20 connections; else a distant server's round trip"),
        ("decode JPEG, mean, SHA-256", read, "entropy decoding, about half of it"),
        ("LAB, bucket", buckets, "nil"),
        ("perceptual hash", hashes, "grey and Lanczos, to the bit as Pillow's"),
        ("round file", round_file, "nil"),
        ("PNG", pngs_of_a_batch, "a look-up and a shift a byte"),
        ("file: write, sync", files, "the file system's journal; less in memory"),
        ("merge: check, rename", take, "reading 120 KiB from the page cache"),
    ]
    staged, memory = [_measured(content) for content in pngs], bytearray(LARGEST_PICTURE)
    for way in ways[0]:
        way.mkdir()
    for number, content in enumerate(pngs):
        (folder / "bucket" / str(number)).write_bytes(content)
    with running_tile_server() as (_, port, _), threadpool_limits(1, "blas"):
        table = [(name, cpu_ms(work), limit) for name, work, limit in plan]
        with without_kernels():
            slower = {name: cpu_ms(work) for name, work, _ in plan if work in (read, hashes, pngs_of_a_batch)}
    total = sum(cost for _, cost, _ in table)
    cores = os.cpu_count() or 1
    print(f"\nstage of a kept tile{'':14}CPU ms   share   limit")
    for name, cost, limit in table:
        instead = f" ({slower[name]:.3f} without what is compiled)" if name in slower else ""
        print(f"  {name:32}{cost:6.3f}{cost / total:8.0%}   {limit}{instead}")
    print(f"  {'sum':32}{total:6.3f}: at most {cores * 1000 / total:,.0f} tiles/s on {cores} cores")


def formats(bodies: list[bytes]) -> None:
    """Print bytes and CPU of each storage format."""
    some = bodies[:240]
    pairs = [(decode_tile(body)[0], body) for body in some]
    encoder = TilePng()
    print("\ntile_format    KiB a tile   CPU ms a tile")
    for chosen in TileFormat:
        sizes: list[int] = []

        def write(chosen: TileFormat = chosen, sizes: list[int] = sizes) -> None:
            sizes[:] = [len(store_as(image, body, chosen, encoder)) for image, body in pairs]  # type: ignore[arg-type]

        cost = cpu_ms(write, len(some))
        name = f"{chosen} ({suffix_of(some[0], chosen)})"
        print(f"  {name:15}{sum(sizes) / len(sizes) / 1024:8.1f}{cost:14.2f}")


MEASURE = """
import json, sys
from pathlib import Path
from benchmarks.harvest import BIOME, settings_for
from mosaic_assets.library.harvest import harvest_round
settings = settings_for(Path(sys.argv[1]), int(sys.argv[2]), 10**6, int(sys.argv[3]))
harvest_round(BIOME, settings.model_copy(update={"round_tiles": 40, "first_round_tiles": 40}))  # imports do not count
report = harvest_round(BIOME, settings)
status = Path("/proc/self/status")  # getrusage would tell of the parent's memory, too: it outlives exec
peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 if status.exists() else 0
print(json.dumps({"MiB": peak / 2**20, "tiles": report.planned, "seconds": report.seconds}))
"""


def _harvest(folder: Path, port: int, tiles: int) -> dict[str, float]:
    home = Path(tempfile.mkdtemp(dir=folder)) / "home"
    shutil.copytree(folder / "mosaic_library", home / "mosaic_library")
    command = [sys.executable, "-c", MEASURE, str(home), str(port), str(tiles)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def memory(folder: Path) -> None:
    """Print the peak memory of harvests of growing size."""
    print("\nround of tiles   peak memory of the process, MiB")
    with running_tile_server() as (_, port, _):
        for tiles in (100, 1_000, 10_000):
            print(f"  {tiles:12,}   {_harvest(folder, port, tiles)['MiB']:8.0f}")
    print(
        "  bound beyond imports: bodies of 40 requests, of workers + 2 batches (4 MiB each) and of a row group (4 MiB), "
        "32 pictures on their way to the disk, a canvas of 6 MiB a worker"
    )


def distant(folder: Path) -> None:
    """Print the rate against a server whose answers take 100 ms, beside what the connections allow."""
    delay, tiles = 0.1, 1_000
    with running_tile_server(delay) as (_, port, _):
        found = _harvest(folder, port, tiles)
    rate, allowed = found["tiles"] / found["seconds"], 20 / delay
    print(
        f"\nanswers that take 100 ms, 20 connections: {rate:.0f} tiles/s of {allowed:.0f} possible ({rate / allowed:.0%})"
    )


def main() -> None:
    """Measure and print everything."""
    folder = Path(tempfile.mkdtemp())
    try:
        bodies = real_tiles()[:TILES]
        print(f"{len(bodies)} real tiles of {sum(map(len, bodies)) / len(bodies) / 1024:.1f} KiB on average")
        stages(bodies, folder)
        formats(bodies)
        memory(folder)
        distant(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
