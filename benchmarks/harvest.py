"""Growing a colour library from real tiles over loopback HTTP: reference 1's pipeline beside ours, in turn.

``python -m benchmarks.harvest`` (also: ``--repeats 1`` to be quick, ``--folder /dev/shm`` for a library in memory).

Both ask the same tile server for the same real tiles, on the same cores, with 20 requests under way, and write a library on
the same disk: (a) an empty one, where every tile is kept, (b) one whose buckets are mostly full. Ours is the whole way: a
planned round, its file made durable, the merge into the library with every picture made durable. Takes some 5 GB of disk
until it ends; wait five minutes between two runs on the same disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.support.reference1 import Reference1
from benchmarks.support.tile_server import running_tile_server
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.centroids import ensure_centroids
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.sources.registry import source_record

TILES = 1_500
CAP_WHEN_FULL = 20
"""A cap at which most buckets of the filled library are full."""
BIOME = "urban_europe"

OURS_A_TURN = 5
"""Runs of ours for one of each reference, which takes thirty times as long: on a shared machine one bad second may be a whole run."""


@dataclass(frozen=True)
class Run:
    """What one run took."""

    seconds: float
    cpu_s: float
    server_cpu_s: float
    kept: int


def settings_for(home: Path, port: int, cap: int, tiles: int = TILES) -> Settings:
    """Settings of a home that harvests from the loopback server."""
    source = {
        "kind": "xyz",
        "url": f"http://127.0.0.1:{port}/{{z}}/{{y}}/{{x}}",
        "licence": "internal tests only",
        "attribution": "RSLoc-82K",
        "bulk_use": "allowed",
        "max_zoom": 20,
        "max_connections": 20,
        "repeats_are_placeholders": True,
    }
    return load_settings(
        home=home,
        source="loopback",
        sources={"loopback": source},
        zoom=15,
        round_tiles=tiles,
        first_round_tiles=tiles,
        bucket_cap=cap,
    )


def timed(work: Callable[[], int], server_pid: int) -> Run:
    """Run; wall time, CPU of this process and of the server."""
    import psutil

    server = psutil.Process(server_pid)
    before, cpu, began = sum(server.cpu_times()[:2]), time.process_time(), time.perf_counter()
    kept = work()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Run(seconds, cpu_s, sum(server.cpu_times()[:2]) - before, kept)


def ours(home: Path, port: int, cap: int) -> int:
    """Harvest a round and merge it."""
    settings = settings_for(home, port, cap)
    harvest_round(BIOME, settings)
    return merge_rounds(settings).kept


def reference(home: Path, port: int, cap: int, *, late_png: bool = False) -> int:
    """Let reference 1's pipeline ask for the same tiles."""
    settings = settings_for(home, port, cap)
    plan = plan_round(find_biome(BIOME, settings), settings, source_record("loopback", settings))
    library = Reference1(settings.library, cap, late_png=late_png)
    try:
        return library.grow([f"http://127.0.0.1:{port}/{tile.z}/{tile.y}/{tile.x}" for tile in plan.tiles])
    finally:
        library.close()


def measure(contender: Callable[[Path, int, int], int], template: Path, cap: int, folder: Path, skip: int) -> Run:
    """Run a contender on a copy of a home, with a server of its own that has served ``skip`` tiles already.

    What it leaves stays until all is measured: for some minutes ext4 goes past inodes that were just freed one by one,
    which would cost the next contender 0.5 ms a file.
    """
    home = Path(tempfile.mkdtemp(dir=folder)) / "home"
    shutil.copytree(template, home)
    os.sync()  # what was copied must not be written during the measurement
    with running_tile_server(skip=skip) as (process, port, _):
        return timed(lambda: contender(home, port, cap), process.pid)


def server_ceiling(seconds: float = 2.0) -> float:
    """Tiles a second that the server answers to a client which only reads, four connections at a time."""
    request, pipelined = b"GET /15/1/1 HTTP/1.1\r\nHost: x\r\n\r\n", 8
    with running_tile_server() as (_, port, _):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/15/1/1") as answer:
            body = len(answer.read())
        connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        answered, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for connection in connections:
                connection.sendall(request * pipelined)
            for connection in connections:
                wanted = pipelined * body  # headers come on top: what is left of them is read in the next turn
                while wanted > 0:
                    wanted -= len(connection.recv(1 << 20))
                answered += pipelined
        return answered / (time.perf_counter() - began)


def report(name: str, tiles: int, runs: dict[str, list[Run]]) -> None:
    """Print a table of medians, and the ratio."""
    print(f"\n{name}")
    print(f"{'':14}{'tiles/s':>9}{'CPU ms a tile':>15}{'server ms a tile':>18}{'kept':>7}")
    speed = {}
    for who, found in runs.items():
        run = sorted(found, key=lambda one: one.seconds)[len(found) // 2]
        speed[who] = tiles / statistics.median(one.seconds for one in found)
        per_tile = 1000 / tiles
        print(f"{who:14}{speed[who]:9.0f}{run.cpu_s * per_tile:15.2f}{run.server_cpu_s * per_tile:18.3f}{run.kept:7}")
    print(
        "ratios:", ", ".join(f"{speed['ours'] / other:.1f} to {who}" for who, other in speed.items() if who != "ours")
    )


def main() -> None:
    """Parse the command line; run both contenders in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="turns of all contenders; the median counts")
    parser.add_argument("--folder", type=Path, default=None, help="where the libraries stand, for example /dev/shm")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    contenders = {
        "reference 1": reference,
        "with late PNG": partial(reference, late_png=True),  # a kinder reading of its description
        "ours": ours,
    }
    try:
        print(f"{os.cpu_count()} cores; libraries in {options.folder or tempfile.gettempdir()}; {TILES} tiles a run")
        print(f"the server alone: {server_ceiling():,.0f} tiles/s")
        empty, full = folder / "empty", folder / "full"
        ensure_centroids(empty / "mosaic_library", 1)
        shutil.copytree(empty, full)
        with running_tile_server() as (_, port, tiles):
            assert tiles >= 2 * TILES, tiles
            ours(full, port, 10**6)  # also warms up: every import is done before anything is measured
        warm = folder / "warm"
        shutil.copytree(empty, warm)
        with running_tile_server() as (_, port, _):
            reference(warm, port, 1)
        for name, template, cap, skip in (
            ("(a) an empty library: every tile is kept", empty, 10**6, 0),
            (
                f"(b) a library of {TILES} tiles, capped at {CAP_WHEN_FULL} a bucket: mostly full",
                full,
                CAP_WHEN_FULL,
                TILES,
            ),
        ):
            runs: dict[str, list[Run]] = {who: [] for who in contenders}
            for _ in range(options.repeats):
                for who, contender in contenders.items():
                    for _ in range(OURS_A_TURN if who == "ours" else 1):
                        runs[who].append(measure(contender, template, cap, folder, skip))
            report(name, TILES, runs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
