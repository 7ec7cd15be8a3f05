"""Readers while a merge writes, and several runs at once."""

from __future__ import annotations

import sqlite3
import threading

from mosaic_assets.core.records import Outcome
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.coverage import read_state
from mosaic_assets.library.merge import count_unmerged, merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets.store.library_db import LibraryDatabase, open_library
from mosaic_assets_tests.library.painted import RECORD, colourful, grow, harvest, pictures


def kept(state):
    return sum(merged.outcomes.get(Outcome.KEPT, 0) for merged in state.rounds)


def test_the_state_is_that_of_one_moment_though_a_merge_commits_in_the_middle_of_reading(home, monkeypatch):
    grow(home)
    harvest(home, *home.biomes)
    whole = LibraryDatabase.hits

    def hits_after_a_merge(database):
        monkeypatch.undo()
        merge_rounds(home)
        return whole(database)

    monkeypatch.setattr(LibraryDatabase, "hits", hits_after_a_merge)
    during, after = read_state(home), read_state(home)
    assert during.kept.sum() == sum(during.total_hits().values()) == kept(during) == 90
    assert after.kept.sum() == sum(after.total_hits().values()) == kept(after) == 180


def test_a_reader_never_sees_a_row_without_its_picture_nor_half_a_round(new_home):
    home = new_home(round_tiles=10)
    for _ in range(4):
        harvest(home, *home.biomes)
    ended, seen = threading.Event(), set()

    def merge():
        try:
            merge_rounds(home)
        finally:
            ended.set()

    merging = threading.Thread(target=merge)
    merging.start()
    while not ended.is_set():
        if (home.library / "tiles.db").exists():
            connection = sqlite3.connect(home.library / "tiles.db")
            rows = connection.execute("SELECT filepath FROM tiles").fetchall()
            connection.close()
            seen.add(len(rows))
            assert all((home.home / path).exists() for (path,) in rows)
    merging.join()
    assert {count % 10 for count in seen} == {0}
    assert len(pictures(home)) == 120


def test_a_reader_that_comes_before_the_first_merge_has_ended_finds_a_whole_database_or_none(home, monkeypatch):
    """tiles.db appears with its tables, not as an empty file that gets them later."""
    harvest(home, "west")
    seen, connect = [], sqlite3.connect

    class Watching(sqlite3.Connection):
        def execute(self, sql, *values):
            if "CREATE TABLE" in sql or "user_version =" in sql:
                seen.append(((home.library / "tiles.db").exists(), count_unmerged(home)))
            return super().execute(sql, *values)

    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **options, factory=Watching))
    merge_rounds(home)
    assert len(seen) > 5 and set(seen) == {(False, 1)}


def test_an_empty_tiles_db_left_by_a_reader_is_no_obstacle(home):
    """`sqlite3.connect` on a library that is not there yet leaves an empty file."""
    connection = sqlite3.connect(home.library / "tiles.db")
    connection.execute("SELECT 1")
    connection.close()
    (home.library / "tiles.db").touch()
    assert read_state(home).rounds == []
    assert count_unmerged(home) == 0
    assert grow(home)[0].library_tiles == 90


def test_harvests_of_two_biomes_at_once_do_not_disturb_each_other(home):
    meeting = threading.Barrier(2, timeout=20)

    def run(name):
        def paint(tile):
            if tile in first:
                meeting.wait()  # both are in the middle of their rounds
            return colourful(tile)

        first = [plan_round(find_biome(name, home), home, RECORD).tiles[5]]
        harvest(home, name, paint=paint)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("west", "east")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = merge_rounds(home)
    assert [merged.biome for merged in report.rounds] == ["east", "west"] and report.kept == 60


def test_a_harvest_goes_on_while_a_merge_runs(home):
    harvest(home, "west", "east")
    merging = threading.Thread(target=merge_rounds, args=(home,))
    merging.start()
    (report,) = harvest(home, "north")
    merging.join()
    merge_rounds(home)
    assert report.round == 1 and count_unmerged(home) == 0


def test_writing_waits_for_no_reader(home):
    grow(home)
    harvest(home, "west")
    with open_library(home.library) as database, database.reading():
        before = database.count()
        merge_rounds(home)
        assert database.count() == before
    assert read_state(home).kept.sum() == before + 30
