"""The same seed and requests give the same library, whatever happened on the way."""

from __future__ import annotations

import json
import threading

import pytest

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import RoundExistsError, SourceUnavailableError
from mosaic_assets.library.harvest import BATCH, harvest_round
from mosaic_assets.library.judge import tile_id
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.store.rounds import published_rounds, round_path
from mosaic_assets_tests.library.painted import (
    PaintedSource,
    answering,
    ask,
    colourful,
    everything,
    grow,
    harvest,
    pictures,
    round_rows,
    tile_rows,
)


@pytest.fixture(scope="module")
def expected(lasting_home):
    """The library after two undisturbed waves; the cap of 4 makes the order of the tiles matter."""
    home = lasting_home("expected", bucket_cap=4, round_tiles=20)
    grow(home, waves=2)
    return everything(home)


@pytest.mark.parametrize("order", [("west", "east", "north"), ("north", "west", "east"), ("west", "north", "east")])
def test_the_order_in_which_the_runs_of_a_wave_end_does_not_matter(new_home, expected, order):
    home = new_home("other", bucket_cap=4, round_tiles=20)
    for _ in range(2):
        harvest(home, *order)
        merge_rounds(home)
    assert everything(home) == expected


@pytest.mark.parametrize("workers", [1, 5])
def test_the_number_of_workers_does_not_matter(new_home, expected, workers):
    home = new_home("other", bucket_cap=4, round_tiles=20, workers=workers)
    grow(home, waves=2)
    assert everything(home) == expected


def test_the_order_of_merging_matters(new_home):
    """Without this the tests above could not fail: rounds merged one by one in another order keep other tiles."""
    one, other = (new_home(name, bucket_cap=4, round_tiles=20) for name in ("one", "other"))
    grow(one)
    for name in ("west", "north", "east"):
        harvest(other, name)
        merge_rounds(other)
    assert tile_rows(one) != tile_rows(other)


def test_a_run_that_breaks_off_and_is_repeated_does_not_matter(new_home, expected):
    home = new_home("other", bucket_cap=4, round_tiles=20)
    broken = answering(*[b""] * 7, SourceUnavailableError("gone"))
    with pytest.raises(SourceUnavailableError):
        harvest(home, "east", paint=broken)
    grow(home, waves=2)
    assert everything(home) == expected


def test_runs_of_a_wave_side_by_side_do_not_matter(new_home, expected):
    home = new_home("other", bucket_cap=4, round_tiles=20)
    for _ in range(2):
        runs = [threading.Thread(target=harvest, args=(home, name)) for name in home.biomes]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        merge_rounds(home)
    assert everything(home) == expected


def test_merging_after_every_wave_or_after_both_gives_the_same_outcomes_of_tiles(new_home, expected):
    home = new_home("other", bucket_cap=4, round_tiles=20)
    for _ in range(2):
        harvest(home, *home.biomes)
    merge_rounds(home)
    found = everything(home)
    assert (found["tiles"], found["pictures"], found["hits"]) == tuple(
        expected[name] for name in ("tiles", "pictures", "hits")
    )


def test_another_seed_gives_another_library(new_home, expected):
    home = new_home("other", bucket_cap=4, round_tiles=20, seed=1)
    grow(home, waves=2)
    assert {row[0] for row in tile_rows(home)} != {row[0] for row in expected["tiles"]}


def test_the_pixels_are_those_that_the_source_gave(home):
    grow(home)
    drawn = pictures(home)
    for path, x, y, z in ask(home, "SELECT filepath, x, y, z FROM tiles JOIN provenance USING (id)"):
        assert drawn[path] == decode_tile(colourful(Tile(x, y, z)))[0].tobytes()


def test_ids_derive_from_imagery_release_and_tile_alone(home):
    grow(home)
    for row in ask(home, "SELECT id, imagery, release, x, y, z FROM provenance"):
        assert row[0] == tile_id(row[1], row[2], Tile(*row[3:]))


def test_an_id_is_the_same_on_every_machine():
    # Origin: python3 -c "import hashlib, uuid; d = hashlib.sha256('a\x1f2\x1f3\x1f1\x1f5'.encode()).digest()[:16];
    #                     print(uuid.UUID(bytes=d, version=4))"
    assert tile_id("a", "2", Tile(x=1, y=5, z=3)) == "23bd67f1-1d92-4017-b3f8-b8b1df1a133b"


def test_two_runs_of_one_biome_at_once_publish_one_round_and_lose_nothing(home):
    started, go_on = threading.Event(), threading.Event()

    def waiting(tile):
        started.set()
        go_on.wait(20)
        return colourful(tile)

    failed = []

    def slow_run():
        try:
            harvest(home, "west", paint=waiting)
        except RoundExistsError as error:
            failed.append(str(error))

    slow = threading.Thread(target=slow_run)
    slow.start()
    started.wait(20)
    (fast,) = harvest(home, "west")
    before = fast.path.read_bytes()
    go_on.set()
    slow.join()
    assert len(failed) == 1 and "immutable" in failed[0] and "Run again" in failed[0]
    assert fast.path.read_bytes() == before
    assert sorted(path.name for path in fast.path.parent.iterdir()) == ["round-00001.parquet", "round-00001.staged"]
    assert harvest(home, "west")[0].round == 2


def test_a_round_says_what_it_did(home):
    (report,) = harvest(home, "west", paint=answering(b"<html>", b""))
    rows = round_rows(report.path)
    assert report.outcomes == {"candidate": 28, "not_an_image": 2}
    assert report.planned == len(rows) == 30
    assert [row["position"] for row in rows] == list(range(30))
    assert report.bytes_fetched == sum(row["bytes"] for row in rows)
    assert report.buckets == len({row["bucket_id"] for row in rows} - {None})
    assert report.tiles_per_second == pytest.approx(30 / report.seconds)


def test_progress_is_told_of_every_tile(new_home):
    home, told = new_home(round_tiles=BATCH + 3), []
    harvest_round("west", home, source=PaintedSource(), progress=told.append)
    assert told == [BATCH, 3]
    merged = []
    merge_rounds(home, progress=merged.append)
    assert merged == [BATCH + 3]


@pytest.mark.parametrize("wrong", ["fewer", "more", "others"])
def test_a_source_that_breaks_its_promise_publishes_nothing(home, wrong):
    source = PaintedSource()
    honest = source.fetch
    source.fetch = {
        "fewer": lambda tiles: honest(tiles[:-1]),
        "more": lambda tiles: honest([*tiles, tiles[0]]),
        "others": lambda tiles: honest(tiles[::-1]),
    }[wrong]
    with pytest.raises((RuntimeError, ValueError)):
        harvest_round("west", home, source=source)
    assert published_rounds(home.harvest) == {}
    assert not round_path(home.harvest, "west", 1).exists()


def test_the_ledger_counts_every_planned_tile_once(home):
    grow(home, waves=2)
    for planned, text in ask(home, "SELECT planned, outcomes FROM rounds"):
        assert sum(json.loads(text).values()) == planned
