"""How much memory a harvest takes among faults: run as a process of its own, because a peak cannot be taken back.

``python -m mosaic_assets_tests.faults.memory PORT HOME FAULT...`` harvests a round of good tiles, then one in which every
tile meets one of the faults, merges it, and prints by how many bytes the process's peak grew, with the outcomes.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
from pathlib import Path

from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.faults.control import Remote
from mosaic_assets_tests.faults.matrix import LIMITS
from mosaic_assets_tests.library.painted import WEST, ZOOM

TILES = 110
"""Of each round; the biome has 225."""


def peak() -> int:
    """The most memory this process ever had, bytes.

    Not what `getrusage` says on Linux: there it begins with the parent's, so that a large parent would hide all growth.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(port: str, home: str, *faults: str) -> None:
    settings = load_settings(
        home=home, builtin_biomes=False, biomes={"west": {"box": WEST}}, zoom=ZOOM, workers=2, round_tiles=TILES,
        network=LIMITS | {"timeout_s": 5.0},
    )  # fmt: skip
    server = Remote(int(port))
    server.tell({})
    with server.source("told", settings) as source:
        harvest_round("west", settings, source=source)
        merge_rounds(settings)
        before = peak()
        tiles = plan_round(find_biome("west", settings), settings, source.record).tiles
        server.tell({tile: [fault] for tile, fault in zip(tiles, itertools.cycle(faults), strict=False)})
        report = harvest_round("west", settings, source=source)
    harvested = peak()
    merge_rounds(settings)
    grown = {"harvest": harvested - before, "merge": peak() - harvested}
    sys.stdout.write(json.dumps({"grown": grown, "planned": report.planned, "outcomes": report.outcomes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
