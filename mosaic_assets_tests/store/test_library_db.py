"""The tables of ``tiles.db``: what is written is read back, and removing takes off all that adding put on."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mosaic_assets.errors import DatabaseError
from mosaic_assets.store.library_db import has_library, open_library
from mosaic_assets.store.library_records import LibraryRow, MergedRound

NOW = datetime(2026, 1, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ROUND = MergedRound(
    biome="natron", round=1, source="s", imagery="i", release="1", zoom=8, planned=3, exhausted=True,
    outcomes={"kept": 2, "missing": 1}, new_buckets=2, bytes_fetched=9, seconds=0.5, merge_number=4,
    published_at=NOW, merged_at=NOW,
)  # fmt: skip


def tile(number, **given):
    row = LibraryRow(
        id=f"id-{number:04d}", bucket_id=number % 7, filepath=f"p/{number}.png", phash=f"{number:016x}", mean_l=1.5,
        mean_a=-2.25, mean_b=0.1 + 0.2, source="s", imagery="i", release="1", z=12, x=number, y=3, west=0.0, south=1.0,
        east=2.0, north=3.0, biome="natron", round=1, position=number, fetched_at="t", etag="", sha256=f"sha-{number}",
        licence="CC0", attribution="me", synthetic=False, csquare="1000",
    )  # fmt: skip
    return replace(row, **given)


@pytest.fixture
def database(tmp_path):
    with open_library(tmp_path / "mosaic_library", create=True) as opened:
        yield opened


def add(database, *rows):
    with database.writing():
        database.add_tiles(rows)


def test_there_is_a_library_once_it_was_created(tmp_path):
    assert not has_library(tmp_path)
    with pytest.raises(DatabaseError, match="build the library first"), open_library(tmp_path):
        pass
    assert not (tmp_path / "tiles.db").exists()
    with open_library(tmp_path, create=True):
        assert has_library(tmp_path)


def test_tiles_come_back_with_their_provenance_in_the_order_of_their_ids(database):
    rows = [tile(2), tile(1)]
    add(database, *rows)
    assert database.rows() == [tile(1), tile(2)]
    assert database.rows("x = ?", (2,)) == [tile(2)]
    assert database.count() == 2


def test_the_same_place_of_the_same_release_cannot_stand_twice(database):
    add(database, tile(1))
    with pytest.raises(DatabaseError, match="UNIQUE"):
        add(database, tile(9, x=1))
    assert database.count() == 1
    add(database, tile(9, x=1, release="2"))


def test_buckets_are_counted(database):
    add(database, *map(tile, (0, 7, 14, 1)))
    assert database.bucket_counts(7).tolist() == [3, 1, 0, 0, 0, 0, 0]


def test_the_ledger_comes_back_in_the_order_of_the_merges(database):
    rounds = [ROUND, replace(ROUND, round=3, merge_number=1), replace(ROUND, round=2, exhausted=False)]
    with database.writing():
        for merged in rounds:
            database.add_round(merged)
    assert database.rounds() == [rounds[1], rounds[0], rounds[2]]


def test_hits_add_up(database):
    with database.writing():
        database.add_hits("a", {1: 2, 2: 1})
        database.add_hits("a", {1: 3})
        database.add_hits("b", {1: 1})
    assert database.hits() == {"a": {1: 5, 2: 1}, "b": {1: 1}}


def test_removing_tiles_takes_off_what_adding_them_put_on(database):
    rows = [tile(0), tile(7)]
    add(database, *rows, tile(1))
    with database.writing():
        database.add_hits("natron", {0: 2, 1: 5})
        database.add_round(ROUND)
        database.remove_tiles(rows, "placeholder", "because")
    assert database.rows() == [tile(1)] and database.count() == 1
    assert database.bucket_counts(3).tolist() == [0, 1, 0]
    assert database.hits() == {"natron": {1: 5}}
    assert database.rounds()[0].outcomes == {"placeholder": 2, "missing": 1}
    assert database.query("SELECT * FROM discards ORDER BY position") == [
        ("natron", 1, 0, "placeholder", "because"),
        ("natron", 1, 7, "placeholder", "because"),
    ]


def test_placeholders_are_remembered_and_are_no_other_fact(database):
    database.set_meta("centroids_sha256", "c")
    with database.writing():
        database.add_placeholders({"b", "a"})
        database.add_placeholders({"a"})
    assert database.placeholders() == {"a", "b"}
    assert database.meta("centroids_sha256") == "c" and database.meta("nothing") is None


@pytest.mark.parametrize("count", [0, 1, 500, 501, 1203])
def test_questions_about_many_tiles_are_answered_for_all_of_them(database, count):
    """SQLite takes a limited number of values at a time, so they are asked for in parts."""
    rows = [tile(number, bucket_id=number) for number in range(count)]
    add(database, *rows)
    ids = [row.id for row in rows]
    assert database.known_ids([*ids, "stranger"]) == set(ids)
    assert {row.id for row in database.rows_with_sha256([row.sha256 for row in rows])} == set(ids)
    assert database.phashes_in(range(count + 1)) == {**{row.bucket_id: {row.phash} for row in rows}, count: set()}


@pytest.mark.parametrize(
    "texts", [["8000000000000001", "00000000000000ff"], ["8000000000000001", "ff"], ["ff" * 8, "0xff"]]
)
def test_hashes_are_packed_alike_together_and_one_by_one(database, texts):
    add(database, *(tile(number, phash=text) for number, text in enumerate(texts)))
    add(database, *(tile(10 + number, phash=text) for number, text in enumerate(texts)))
    assert database.hashes().tolist() == [int(text, 16) for text in texts] * 2


@pytest.mark.parametrize("text", ["not a hash", "8 00000000000001", "1" * 17])
def test_a_tile_whose_hash_is_none_is_refused(database, text):
    with pytest.raises(DatabaseError, match="expected 16 hexadecimal digits; run `mosaic library verify --repair`"):
        add(database, tile(1), tile(2, phash=text))
    assert database.count() == 0


def test_announcements_are_kept_until_they_are_cleared(database):
    database.announce(["a", "b"])
    database.announce(["b", "c"])
    assert database.abandoned() == ["a", "b", "c"]
    with database.writing():
        database.clear_pending()
    assert database.abandoned() == []


def test_a_failed_transaction_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError), database.writing():
        database.add_tiles([tile(1)])
        database.add_hits("a", {1: 1})
        database.add_round(ROUND)
        raise ZeroDivisionError
    assert (database.rows(), database.hits(), database.rounds(), database.count()) == ([], {}, [], 0)


def test_reading_answers_from_one_moment(database, tmp_path):
    with open_library(tmp_path / "mosaic_library", write=True) as other, database.reading():
        assert database.count() == 0
        add(other, tile(1))
        assert database.rows() == []
    assert database.count() == 1


def test_reference_1s_table_is_readable_without_us(database, tmp_path):
    add(database, tile(1))
    connection = sqlite3.connect(tmp_path / "mosaic_library" / "tiles.db")
    assert connection.execute("SELECT * FROM tiles").fetchall() == [
        ("id-0001", 1, "p/1.png", "0000000000000001", 1.5, -2.25, 0.1 + 0.2)
    ]
    connection.close()
