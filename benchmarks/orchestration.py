"""What Dagster costs: rounds of embedded tiles launched through the daemon, alone and as a wave with its merge.

``python -m benchmarks.orchestration`` (``--tiles 1000,4000`` for rounds of other sizes). Everything runs as with ``mosaic up``:
web server and daemon as processes, default launcher, the settings of ``dagster.yaml``, the sensors switched on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from mosaic_assets.library.centroids import ensure_centroids
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.rounds import published_rounds, read_header, round_path
from mosaic_assets_tests.defs.running import DagsterDev, dagster_dev

WAVE = 6
"""Rounds of a wave, as many as ``limits.max_runs_in_flight`` has by default."""
TIMES = "{ runsOrError(limit: 100) { ... on Runs { results { pipelineName status creationTime startTime endTime } } } }"


def times(server: DagsterDev, job: str) -> list[dict[str, Any]]:
    """Creation, start and end of a job's runs, seconds since 1970."""
    runs = server.ask(TIMES)["runsOrError"]["results"]
    return [run for run in runs if run["pipelineName"] == job]


def rounds_done(settings: Settings) -> list[float]:
    """Seconds that each published round took by its own account: planning, fetching, judging, writing."""
    return [
        read_header(round_path(settings.harvest, biome, number)).seconds
        for biome, numbers in published_rounds(settings.harvest).items()
        for number in numbers
    ]


def measure(tiles: int, centroids: Path) -> None:
    """Grow a wave of rounds of a size through the daemon; print where the time went."""
    home = Path(tempfile.mkdtemp()) / "home"
    shutil.copytree(centroids, home / "mosaic_library")
    given = {
        "MOSAIC_ROUND_TILES": str(tiles),
        "MOSAIC_LIMITS__MAX_ROUNDS": "1",
        "MOSAIC_LIMITS__MAX_RUNS_IN_FLIGHT": str(WAVE),
        "MOSAIC_TARGET__BUCKETS": "5000",
    }
    os.environ.update(given)
    settings = load_settings(home=home)
    try:
        with dagster_dev(home, given) as server:
            began = time.time()
            server.start_sensor("coverage_sensor")
            server.start_sensor("merge_sensor")
            server.wait("the merge of the first wave", lambda: merged(server), 900)
            harvests, merges = times(server, "harvest_biome")[-WAVE:], times(server, "merge_library")[-1:]
            own = rounds_done(settings)[:WAVE]
        report(tiles, began, harvests, merges, own)
    finally:
        shutil.rmtree(home.parent)


def merged(server: DagsterDev) -> bool:
    """Whether the first wave is in the library."""
    return any(run["endTime"] for run in times(server, "merge_library"))


def report(
    tiles: int, began: float, harvests: list[dict[str, Any]], merges: list[dict[str, Any]], own: list[float]
) -> None:
    """Print the shares."""
    in_run = sum(run["endTime"] - run["startTime"] for run in harvests)
    waited = sum(run["startTime"] - run["creationTime"] for run in harvests)
    wave_s = merges[0]["endTime"] - min(run["creationTime"] for run in harvests)
    harvest_s = max(run["endTime"] for run in harvests) - min(run["startTime"] for run in harvests)
    print(f"\nrounds of {tiles:,} tiles, {len(harvests)} of them, two at a time:")
    print(f"  harvesting by its own account          {sum(own) / len(own):6.1f} s a round")
    print(
        f"  the run around it, start to end        {in_run / len(harvests):6.1f} s a round: {1 - sum(own) / in_run:.0%} is Dagster's"
    )
    print(f"  from its request to its start          {waited / len(harvests):6.1f} s a round, queued behind the others")
    print(
        f"  harvesting the whole wave              {harvest_s:6.1f} s: {len(harvests) * tiles / harvest_s * 60:,.0f} tiles a minute"
    )
    print(f"  merge, checks and report               {merges[0]['endTime'] - merges[0]['startTime']:6.1f} s")
    print(
        f"  from the first request to the merge's end {wave_s:.1f} s: {len(harvests) * tiles / wave_s * 60:,.0f} tiles a minute"
    )
    print(f"  before the first request               {min(run['creationTime'] for run in harvests) - began:6.1f} s")


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
