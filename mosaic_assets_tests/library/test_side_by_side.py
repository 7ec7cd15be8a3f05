"""Several things at once, and clocks that are set while the work goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.library import harvest as harvesting
from mosaic_assets.library import merge as merging
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.library.coverage import read_state
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.store.library_db import open_library
from mosaic_assets_tests.library.painted import ask, everything, harvest


def test_two_harvests_and_a_merge_at_the_same_time_give_what_they_give_one_after_the_other(new_home):
    home, other = new_home("home"), new_home("other")
    for settings in (home, other):
        harvest(settings, "north")
    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(harvest, home, "west"), pool.submit(harvest, home, "east"), pool.submit(merge_rounds, home)]
        for one in work:
            one.result()
    merge_rounds(home)
    merge_rounds(other)
    harvest(other, "west", "east")
    merge_rounds(other)
    assert everything(home) == everything(other)
    assert ask(home, "SELECT count(*) FROM rounds") == [(3,)]


def test_a_reader_in_the_middle_of_a_merge_sees_whole_rounds(new_home):
    home = new_home(round_tiles=60)
    harvest(home, "west")
    merge_rounds(home)
    harvest(home, "east", "north")
    ended, seen = threading.Event(), set()

    def look():
        while not ended.is_set():
            state = read_state(home)
            with open_library(home.library) as database, database.reading():
                rows = database.rows()
                assert len(rows) == database.count() == len(database.hashes())
            kept = sum(merged.outcomes.get("kept", 0) for merged in state.rounds)
            assert kept == int(state.kept.sum())
            seen.add((len(state.rounds), kept))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        merge_rounds(home)
        ended.set()
        for reader in readers:
            reader.result()
    kept = [
        count
        for (count,) in ask(
            home, "SELECT json_extract(outcomes, '$.kept') FROM rounds ORDER BY merge_number, round, biome"
        )
    ]
    whole = {(rounds, sum(kept[:rounds])) for rounds in (1, 2, 3)}
    assert seen <= whole
    assert (1, kept[0]) in seen  # it looked while the merge was under way


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_between_rounds_changes_nothing_but_the_times(new_home, monkeypatch, jump):
    home, steady = new_home("home"), new_home("steady")

    class Jumped(datetime):
        @classmethod
        def now(cls, tz):
            return datetime.now(tz) + jump

    for settings in (home, steady):
        harvest(settings, "west")
        merge_rounds(settings)
    monkeypatch.setattr(harvesting, "datetime", Jumped)
    monkeypatch.setattr(merging, "datetime", Jumped)
    harvest(home, "west", "east")
    merge_rounds(home)
    monkeypatch.undo()
    harvest(steady, "west", "east")
    merge_rounds(steady)
    assert everything(home) == everything(steady)
    told = [run_check(check, home, Scope.ALL) for check in CHECKS if check.blocking]
    assert [found.summary for found in told if not found.passed] == []
