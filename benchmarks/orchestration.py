"""What Dagster costs: rounds of embedded tiles launched through the daemon, alone and as a wave with its merge.

``python -m benchmarks.orchestration`` (``--tiles 1000,4000`` for rounds of other sizes). Everything runs by ``mosaic up``: web
server and daemon as processes, default launcher, the settings of ``dagster.yaml``, the library's sensors switched on. The
rounds measured are the first of their biomes, which are as large as all others here (``first_round_tiles``), and the tiles
counted are those that their files say were planned.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from mosaic_assets.library.centroids import ensure_centroids
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.round_reading import read_header
from mosaic_assets.store.rounds import RoundHeader, round_path
from mosaic_assets_tests.defs.running import DagsterDev, mosaic_up

WAVE = 6
"""Rounds of a wave, as many as ``limits.max_runs_in_flight`` has by default."""
TIMES = """{ runsOrError(limit: 100) { ... on Runs { results {
  pipelineName status creationTime startTime endTime tags { key value } } } } }"""


def times(server: DagsterDev, job: str) -> list[dict[str, Any]]:
    """Creation, start and end of a job's runs, seconds since 1970; newest first."""
    runs = server.ask(TIMES)["runsOrError"]["results"]
    return [run for run in runs if run["pipelineName"] == job]


def round_of(settings: Settings, run: dict[str, Any]) -> RoundHeader:
    """What the round says of itself that a run published: tiles planned; seconds of fetching, judging, writing."""
    biome = next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition")
    return read_header(round_path(settings.harvest, biome, 1))


def measure(tiles: int, centroids: Path) -> None:
    """Grow a wave of rounds of a size through the daemon; print where the time went."""
    home = Path(tempfile.mkdtemp()) / "home"
    shutil.copytree(centroids, home / "mosaic_library")
    given = {
        "MOSAIC_ROUND_TILES": str(tiles),
        "MOSAIC_FIRST_ROUND_TILES": str(tiles),
        "MOSAIC_LIMITS__MAX_ROUNDS": "1",
        "MOSAIC_LIMITS__MAX_RUNS_IN_FLIGHT": str(WAVE),
        "MOSAIC_TARGET__BUCKETS": "5000",
    }
    settings = load_settings(home=home)
    try:
        with mosaic_up(home, given) as server:
            began = time.time()
            server.start_sensor("coverage_sensor")
            server.start_sensor("merge_sensor")
            server.wait("the merge of the first wave", lambda: merged(server), 900)
            harvests, merges = times(server, "harvest_biome")[-WAVE:], times(server, "merge_library")[-1:]
            rounds = [round_of(settings, run) for run in harvests]
        report(tiles, began, harvests, merges[0], rounds)
    finally:
        shutil.rmtree(home.parent)


def merged(server: DagsterDev) -> bool:
    """Whether the first wave is in the library."""
    return any(run["endTime"] for run in times(server, "merge_library"))


def report(
    tiles: int, began: float, harvests: list[dict[str, Any]], merge: dict[str, Any], rounds: list[RoundHeader]
) -> None:
    """Print the shares."""
    runs = len(harvests)
    own, planned = sum(round_.seconds for round_ in rounds), sum(round_.planned for round_ in rounds)
    in_run = sum(run["endTime"] - run["startTime"] for run in harvests)
    waited = sum(run["startTime"] - run["creationTime"] for run in harvests)
    asked = min(run["creationTime"] for run in harvests)
    harvest_s = max(run["endTime"] for run in harvests) - min(run["startTime"] for run in harvests)
    wave_s, share = merge["endTime"] - asked, 1 - own / in_run
    print(f"\nrounds of {tiles:,} tiles, {runs} of them, two at a time; {planned:,} tiles planned in all:")
    print(f"  harvesting by its own account          {own / runs:6.1f} s a round")
    print(f"  the run around it, start to end        {in_run / runs:6.1f} s a round: {share:.0%} is Dagster's")
    print(f"  from its request to its start          {waited / runs:6.1f} s a round, queued behind the others")
    print(
        f"  harvesting the whole wave              {harvest_s:6.1f} s: {planned / harvest_s * 60:,.0f} tiles a minute"
    )
    print(f"  merge, checks and report               {merge['endTime'] - merge['startTime']:6.1f} s")
    print(f"  first request to the merge's end       {wave_s:6.1f} s: {planned / wave_s * 60:,.0f} tiles a minute")
    print(f"  before the first request               {asked - began:6.1f} s")


def main() -> None:
    """Parse the command line and measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", default="1000,3000", help="round sizes, separated by commas")
    sizes = [int(size) for size in parser.parse_args().tiles.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        ensure_centroids(Path(folder) / "centroids", 1)
        for size in sizes:
            measure(size, Path(folder) / "centroids")


if __name__ == "__main__":
    main()
