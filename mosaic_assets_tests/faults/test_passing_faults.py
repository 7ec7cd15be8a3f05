"""With a third of all requests failing in passing, the library is the one of a server without faults."""

from __future__ import annotations

from typing import Any

from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.settings import Settings
from mosaic_assets_tests.faults.conftest import NewHome
from mosaic_assets_tests.faults.control import Remote, running
from mosaic_assets_tests.faults.matrix import LIMITS, PASSING
from mosaic_assets_tests.library.painted import EAST, NORTH, WEST, ask, everything, pictures

TILES = 100
BIOMES = {"west": {"box": WEST}, "east": {"box": EAST}, "north": {"box": NORTH}}
SLOW = {"stalled", "silent", "dripping"}
"""Faults that take a timeout or more each: drawn seldom, so that the test does not wait for a minute."""

FAULTS = [row.fault for row in PASSING if row.fault not in SLOW] * 3 + ["refused", "stalled", "silent"]
# A tile that meets a fault each time is lost: 0.3 ** 5 = 0.24 % of them with the default of four further tries, 2e-5 here.
NETWORK = LIMITS | {"retries": 8, "backoff_s": 0.02, "max_retry_after_s": 0.02}


def grown(server: Remote, mode: str, settings: Settings) -> dict[str, Any]:
    """All that is in a library of three biomes harvested and merged, but for the moments of fetching."""
    for biome in BIOMES:
        with server.source(mode, settings, max_connections=8) as source:
            harvest_round(biome, settings, source=source)
    merge_rounds(settings)
    return everything(settings)


def test_passing_faults_leave_no_trace_in_the_library(lasting_home: NewHome) -> None:
    plain, hurt = (lasting_home(name, biomes=BIOMES, round_tiles=TILES, network=NETWORK) for name in ("plain", "hurt"))
    with running("--seed", "1", "--share", "0.3", "--faults", ",".join(FAULTS)) as server:
        expected, found = grown(server, "clean", plain), grown(server, "mixed", hurt)
        asked = server.seen("mixed")
    assert len(expected["tiles"]) > 2 * TILES  # so there was something to lose
    assert len(asked) == 3 * TILES
    assert sum(asked.values()) > 1.3 * len(asked)  # so there was something to withstand
    assert found == expected
    assert pictures(hurt) == pictures(plain)
    assert ask(hurt, "SELECT count(*) FROM discards WHERE outcome = 'fetch_failed'") == [(0,)]


def test_a_server_that_goes_away_for_a_moment_is_asked_again(lasting_home: NewHome) -> None:
    """Every fifth request is reset and nobody listens for 0.2 s thereafter; pauses of 0.1 s and more outlast that."""
    network = LIMITS | {"retries": 8, "backoff_s": 0.1}
    settings = lasting_home("away", round_tiles=20, network=network)
    with running("--share", "0.2", "--faults", "refused", "--seed", "3") as server:
        with server.source("mixed", settings) as source:
            report = harvest_round("west", settings, source=source)
        asked = server.seen("mixed")
    assert report.outcomes == {"candidate": 20}
    assert sum(asked.values()) > 20
