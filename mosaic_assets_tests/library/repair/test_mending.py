"""A library damaged in each way: verified, repaired, verified again."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from mosaic_assets.library.repair import repair_library
from mosaic_assets_tests.library.painted import ask, everything, texture
from mosaic_assets_tests.library.repair.damages import (
    MENDED_ALWAYS,
    MENDED_FROM_SOURCE_BYTES,
    change_colour,
    change_hash,
    lose_a_line_of_the_ledger,
    lose_tile_row,
)
from mosaic_assets_tests.library.repair.looks import (
    change,
    copied,
    failing_checks,
    files,
    found_in,
    notes,
    state,
    victim,
)


def name_of(value):
    return value.__name__ if callable(value) else None


@pytest.mark.parametrize("damage", MENDED_ALWAYS, ids=name_of)
def test_what_can_be_known_is_mended_and_the_library_is_as_it_was(sound, home, damage):
    before, pictures = state(sound), files(sound)
    damage(home, victim(home, 3))
    report = repair_library(home)
    assert set(found_in(report)) == {(fault, "mended") for fault in MENDED_ALWAYS[damage]}
    assert failing_checks(home) == set()
    assert state(home) == before
    assert {path for path, body in files(home).items() if pictures.get(path) != body} <= {victim(sound, 3)[1]}
    assert repair_library(home).findings == ()


@pytest.mark.parametrize("damage", MENDED_FROM_SOURCE_BYTES, ids=name_of)
def test_a_lost_picture_is_made_of_its_source_bytes_or_its_tile_sent_away(sound, home, damage):
    before, (tile, path, _) = state(sound), victim(sound, 3)
    damage(home, victim(home, 3))
    was_there = (home.home / path).exists()
    report = repair_library(home)
    assert failing_checks(home) == set()
    if home.keep_shard_bytes:
        assert {finding.done for finding in report.findings} == {"mended"}
        assert state(home) == before
        assert (home.home / path).read_bytes() == (sound.home / path).read_bytes()
    else:
        assert {finding.done for finding in report.findings} == {"quarantined"}
        assert ask(home, "SELECT * FROM tiles WHERE id = ?", tile) == []
        (note,) = notes(home)
        assert (
            note["row"]["id"] == tile
            and note["row"]["licence"] == "CC0"
            and note["from"] == (path if was_there else None)
        )
        assert (note["file"] is not None) == was_there
        kept, discards = (
            before[0]["tiles"],
            ask(home, "SELECT outcome, detail FROM discards WHERE outcome = 'quarantined'"),
        )
        assert [row for row in kept if row[0] != tile] == everything(home)["tiles"]
        assert discards == [("quarantined", note["reason"])]
    assert repair_library(home).findings == ()


def test_a_second_copy_of_a_tiles_picture_is_removed(sound, home):
    path = home.home / victim(home, 2).path
    (home.library / "bucket_4997").mkdir()
    shutil.copyfile(path, home.library / "bucket_4997" / path.name)
    assert found_in(repair_library(home)) == [("orphan_file", "mended")]
    assert state(home) == state(sound)


def test_a_line_that_the_ledger_lacks_is_made_of_the_round_file(sound, home):
    """But for the number of buckets that were new, which nobody knows any more."""
    lose_a_line_of_the_ledger(home, victim(home))
    assert found_in(repair_library(home)) == [("ledger", "mended")]
    assert [row[:5] for row in everything(home)["ledger"]] == [row[:5] for row in everything(sound)["ledger"]]
    assert failing_checks(home) == set() and repair_library(home).findings == ()


def test_rows_that_name_each_others_pictures_are_put_right(sound, home):
    (one, path, _), (other, other_path, _) = victim(home, 0), victim(home, 1)
    change(home, "UPDATE tiles SET filepath = ? WHERE id = ?", other_path, one)
    change(home, "UPDATE tiles SET filepath = ? WHERE id = ?", path, other)
    repair_library(home)
    assert state(home) == state(sound) and files(home) == files(sound)


def test_two_rows_that_name_one_picture_do_not_lose_it(sound, home):
    path, other = victim(home, 0).path, victim(home, 1).id
    change(home, "UPDATE tiles SET filepath = ? WHERE id = ?", path, other)
    repair_library(home)
    assert state(home) == state(sound) and files(home) == files(sound)


def test_a_row_that_names_a_file_elsewhere_never_touches_it(home, tmp_path):
    outside = tmp_path / "precious.png"
    Image.fromarray(texture(3)).save(outside)
    for number, path in enumerate(
        [str(outside), "mosaic_library/bucket_0001/../../../precious.png", "../precious.png", None]
    ):
        change(home, "UPDATE tiles SET filepath = ? WHERE id = ?", path, victim(home, number)[0])
    repair_library(home)
    assert outside.exists() and failing_checks(home) == set()


def test_a_wrong_hash_and_colour_are_believed_to_the_round_file_and_not_without_it(sound, home):
    """Without one, a picture of which neither value is right may be any picture."""
    change_hash(home, victim(home, 3))
    change_colour(home, victim(home, 3))
    without = copied(home, home.home.with_name("without"))
    shutil.rmtree(without.harvest)
    repair_library(home)
    assert state(home) == state(sound)
    repair_library(without)
    assert [note["row"]["id"] for note in notes(without)] == [victim(sound, 3)[0]]
    assert failing_checks(without) == set()


def test_without_round_files_one_right_value_is_enough(sound, home):
    shutil.rmtree(home.harvest)
    change_hash(home, victim(home, 2))
    change_colour(home, victim(home, 3))
    lose_tile_row(home, victim(home, 4))
    repair_library(home)
    assert everything(home)["tiles"] == everything(sound)["tiles"] and failing_checks(home) == set()
