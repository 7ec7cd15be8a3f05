"""The real thing: web server, daemon, sensors, runs, checks, backfill; nothing is faked but the size."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from mosaic_assets.library.biomes import BUILT_IN
from mosaic_assets.library.checks import CHECKS
from mosaic_assets_tests.defs.running import DagsterDev, mosaic_up

PLACES = {"natron", "dallol", "ocean_pacific"}

SMALL = {
    "MOSAIC_BUILTIN_BIOMES": "false",
    "MOSAIC_BIOMES": json.dumps({biome.name: {"box": biome.box} for biome in BUILT_IN if biome.name in PLACES}),
    "MOSAIC_ROUND_TILES": "60",
    "MOSAIC_TARGET__FLOOR": "1",
    "MOSAIC_TARGET__BUCKETS": "100",  # more than three rounds find, so that somebody needs a second one
    "MOSAIC_LIMITS__MAX_RUNS_IN_FLIGHT": "2",
}


def partition(run: dict) -> str:
    return next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition")


@pytest.mark.slow
def test_sensors_rerun_partitions_until_the_target_is_met_and_then_stop(
    tmp_path: Path, published_centroids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    library = home / "mosaic_library"
    shutil.copytree(published_centroids, library)
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    with mosaic_up(home, SMALL) as server:
        server.start_sensor("coverage_sensor")
        server.start_sensor("merge_sensor")
        last_word = server.wait("an end of the requests", lambda: ended(server))
        check_the_end(server, last_word)
        check_a_backfill(server)


def ended(server: DagsterDev) -> str | None:
    """The coverage sensor's reason, once it asks for nothing because the target is met."""
    newest = server.ticks("coverage_sensor", 1)
    reason = newest[0]["skipReason"] if newest else None
    return reason if reason and ": met" in reason.splitlines()[0] else None


def check_the_end(server: DagsterDev, last_word: str) -> None:
    harvests = server.runs("harvest_biome")
    assert {run["status"] for run in harvests} == {"SUCCESS"}
    rounds = Counter(map(partition, harvests))
    assert set(rounds) == PLACES
    assert max(rounds.values()) > 1, "no biome was asked for a second round, so the loop was not closed"
    for biome in rounds:
        assert f"{biome}: met" in last_word
    assert all(tick["status"] != "FAILURE" for tick in server.ticks("coverage_sensor"))
    assert all(run["status"] == "SUCCESS" for run in server.runs("merge_library"))
    for asset in ("bucketed_library", "coverage_report"):
        found = server.checks(asset)
        expected = {check.name: check.blocking for check in CHECKS if check.asset == asset}
        assert {name: check["blocking"] for name, check in found.items()} == expected
        for name, check in found.items():
            assert check["executionForLatestMaterialization"]["evaluation"]["success"], name


def check_a_backfill(server: DagsterDev) -> None:
    before = Counter(map(partition, server.runs("harvest_biome")))
    merges = len(server.runs("merge_library"))
    server.backfill("harvested_tiles", ["natron", "dallol"])

    def all_ended() -> bool:
        filled = [run for run in server.runs() if any(tag["key"] == "dagster/backfill" for tag in run["tags"])]
        return len(filled) == 2 and all(run["status"] == "SUCCESS" for run in filled)

    server.wait("the backfill's end", all_ended)
    assert Counter(map(partition, server.runs("harvest_biome"))) == before, "a backfill's runs are not the sensor's"
    server.wait("the merge of the backfill", lambda: len(server.runs("merge_library")) > merges and no_unmerged(server))


def no_unmerged(server: DagsterDev) -> bool:
    newest = server.ticks("merge_sensor", 1)
    return bool(newest and newest[0]["skipReason"] == "every published round is in the library")
