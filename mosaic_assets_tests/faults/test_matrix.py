"""Every fault of the matrix, from the wire to the round's file."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import pytest

from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import SourceUnavailableError
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets.settings import Settings
from mosaic_assets_tests.faults.acts import ACTS, true_picture
from mosaic_assets_tests.faults.conftest import NewHome
from mosaic_assets_tests.faults.control import PROJECT, Remote
from mosaic_assets_tests.faults.matrix import FINAL, LIMITS, PASSING, RETRIES, Final, Passing, table
from mosaic_assets_tests.faults.pictures import placard
from mosaic_assets_tests.library.painted import WEST, round_rows

KNOWN = (hashlib.sha256(placard()).hexdigest(),)
CONNECTIONS = 4


@dataclass(frozen=True)
class Seen:
    """What came of a round in which every other tile met a fault."""

    settings: Settings
    place: dict[str, Tile]
    """Where each fault was met."""
    rows: dict[Tile, dict[str, Any]]
    requests: dict[Tile, int]
    seconds: float


def meet(faulty: Remote, settings: Settings, scripts: dict[str, list[str]]) -> Seen:
    """Harvest a round in which each fault is met at one place, with a good tile after it."""
    record = faulty.record("told", placeholder_sha256=KNOWN, max_connections=CONNECTIONS)
    tiles = plan_round(settings_biome(settings), settings, record).tiles
    place = dict(zip(scripts, tiles[::2], strict=True))
    faulty.tell({place[name]: script for name, script in scripts.items()})
    began = time.monotonic()
    with faulty.source("told", settings, placeholder_sha256=KNOWN, max_connections=CONNECTIONS) as source:
        report = harvest_round("west", settings, source=source)
    seconds = time.monotonic() - began
    assert report.path
    rows = {Tile(row["x"], row["y"], row["z"]): row for row in round_rows(report.path)}
    assert list(rows) == tiles
    return Seen(settings, place, rows, faulty.seen("told"), seconds)


def settings_biome(settings: Settings) -> Any:
    from mosaic_assets.library.biomes import find_biome

    return find_biome("west", settings)


def home_for(lasting_home: NewHome, faults: int, network: dict[str, float]) -> Settings:
    return lasting_home(round_tiles=2 * faults, network=network)


# Where nothing stands still, a busy machine shall not be taken for a slow server.
PATIENT = LIMITS | {"timeout_s": 20.0}
NEARLY = LIMITS | {"timeout_s": 1.0}


@pytest.fixture(scope="module")
def final(faulty: Remote, lasting_home: NewHome) -> Seen:
    return meet(faulty, home_for(lasting_home, len(FINAL), PATIENT), {row.fault: [row.fault] for row in FINAL})


@pytest.fixture(scope="module")
def passed(faulty: Remote, lasting_home: NewHome) -> Seen:
    return meet(
        faulty, home_for(lasting_home, len(PASSING), NEARLY), {row.fault: [row.fault, "picture"] for row in PASSING}
    )


@pytest.fixture(scope="module")
def lasting(faulty: Remote, lasting_home: NewHome) -> Seen:
    return meet(faulty, home_for(lasting_home, len(PASSING), LIMITS), {row.fault: [row.fault] for row in PASSING})


def named(row: Final | Passing) -> str:
    return row.fault


@pytest.mark.parametrize("row", FINAL, ids=named)
def test_a_final_answer_is_recorded_after_one_request(final: Seen, row: Final) -> None:
    tile = final.place[row.fault]
    found = final.rows[tile]
    assert (found["outcome"], found["detail"], final.requests[tile]) == (row.outcome, row.detail, row.requests)
    assert (found["body"] is not None) is (row.outcome is Outcome.CANDIDATE)


@pytest.mark.parametrize("row", PASSING, ids=named)
def test_a_fault_that_passes_leaves_the_picture(passed: Seen, row: Passing) -> None:
    tile = passed.place[row.fault]
    assert (passed.rows[tile]["outcome"], passed.requests[tile]) == ("candidate", 2)
    assert passed.rows[tile]["body"] == true_picture(tile)


@pytest.mark.parametrize("row", PASSING, ids=named)
def test_a_fault_that_does_not_pass_is_recorded_after_the_retries(lasting: Seen, row: Passing) -> None:
    tile = lasting.place[row.fault]
    found = lasting.rows[tile]
    # Bytes that are not HTTP may be overtaken by the end of their connection.
    details = {row.detail, "connection lost"} if row.fault == "no_http" else {row.detail}
    assert found["outcome"] == "fetch_failed" and found["detail"] in details
    assert found["body"] is None
    most = (1 + RETRIES) * (6 if row.resent else 1)
    assert 1 + RETRIES <= lasting.requests[tile] <= most


@pytest.mark.parametrize("round_of", ["final", "passed", "lasting"])
def test_no_fault_reaches_the_tiles_beside_it(request: pytest.FixtureRequest, round_of: str) -> None:
    seen: Seen = request.getfixturevalue(round_of)
    beside = set(seen.rows) - set(seen.place.values())
    assert len(beside) == len(seen.place)
    assert {tile for tile in beside if seen.rows[tile]["body"] != true_picture(tile)} == set()


def test_a_round_among_faults_ends_in_the_time_that_the_settings_allow(lasting: Seen) -> None:
    """Each try may take four times the timeout, on as many connections as allowed; a minute for a busy machine."""
    tries = len(PASSING) * (1 + RETRIES)
    assert lasting.seconds < tries * 4 * LIMITS["timeout_s"] / CONNECTIONS + 60


def test_what_was_recorded_is_not_asked_for_again_by_merges_and_further_rounds(
    faulty: Remote, lasting_home: NewHome
) -> None:
    settings = lasting_home("small", biomes={"west": {"box": [*WEST[:2], 6, 6]}}, round_tiles=8)
    scripts = {row.fault: [row.fault] for row in FINAL[:3] + FINAL[10:11]}
    meet(faulty, settings, scripts)
    merge_rounds(settings)
    reports = []
    with faulty.source("told", settings) as source:
        for _ in range(4):
            reports.append(harvest_round("west", settings, source=source))
            merge_rounds(settings)
    assert reports[-1].path is None and reports[-1].exhausted
    assert set(faulty.seen("told").values()) == {1}


def test_a_server_that_nobody_runs_ends_the_round_with_one_error(lasting_home: NewHome, closed_port: int) -> None:
    settings = lasting_home(round_tiles=100)
    nobody = Remote(closed_port)
    with nobody.source("clean", settings) as source, pytest.raises(SourceUnavailableError, match=f"{closed_port}"):
        harvest_round("west", settings, source=source)
    assert not list(settings.harvest.rglob("*.parquet"))


def test_the_table_of_the_documentation_is_this_one() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "\n" + table() + "\n" in page


def test_every_fault_of_the_server_stands_in_the_matrix_or_is_tested_apart() -> None:
    apart = {"picture", "refused", "redirect_in_the_clear"}
    assert set(ACTS) == {row.fault for row in FINAL} | {row.fault for row in PASSING} | apart
