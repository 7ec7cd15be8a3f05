"""A library damaged in each way, and in all ways at once: verified, repaired, verified again."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.errors import BusyError, CentroidsError, DatabaseError
from mosaic_assets.library import repair
from mosaic_assets.library.centroids import load_centroids, publish_centroids
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.library.inspection import Fault
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.repair import repair_library
from mosaic_assets.store.files import holding
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets_tests.library.painted import PLACES, ask, everything, grow, harvest, texture, tile_rows

LIBRARY_CHECKS = [check for check in CHECKS if check.name != "coverage_target_is_met"]


@pytest.fixture(scope="module", params=["bytes kept", "bytes dropped"])
def sound(request, lasting_home):
    """A home whose library was grown by two merges, its rounds with or without their source bytes."""
    biomes = {name: PLACES[name] for name in ("west", "east")}
    kept = request.param == "bytes kept"
    home = lasting_home("sound", biomes=biomes, round_tiles=15, bucket_cap=4, keep_shard_bytes=kept)
    grow(home, waves=2)
    return home


@pytest.fixture
def home(sound, tmp_path):
    return copied(sound, tmp_path / "copy")


def copied(settings, folder):
    shutil.copytree(settings.home, folder)
    return settings.model_copy(update={"home": folder})


def change(settings, sql, *values):
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute(sql, values)


def failing_checks(settings):
    return {check.name for check in LIBRARY_CHECKS if not run_check(check, settings, Scope.ALL).passed}


def found_in(report):
    return sorted({(str(finding.fault), finding.done) for finding in report.findings})


def files(settings):
    """Bytes of every file below the library but the database's own."""
    return {
        path.relative_to(settings.home).as_posix(): path.read_bytes()
        for path in settings.library.rglob("*")
        if path.is_file() and not path.name.startswith("tiles.db") and path.name != ".merge.lock"
    }


def notes(settings):
    path = settings.library / "quarantine" / "quarantine.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def state(settings):
    """All that a repair decides: the library, and what is in quarantine, but not when it came there."""
    found = [{name: value for name, value in note.items() if name not in ("when",)} for note in notes(settings)]
    quarantine = {
        path: body for path, body in files(settings).items() if "/quarantine/" in path and "jsonl" not in path
    }
    return everything(settings), sorted(found, key=json.dumps), quarantine


class Victim(NamedTuple):
    """A tile as it was when all was well; its path is relative to the home."""

    id: str
    path: str
    bucket: int


def victims(settings):
    """All tiles, in the same order in every run."""
    return [Victim(*row) for row in ask(settings, "SELECT id, filepath, bucket_id FROM tiles ORDER BY id")]


def victim(settings, number=0):
    return victims(settings)[number]


# Each damage is done to one tile, so that all of them can be done at once to different ones.


def lose_file(settings, tile):
    (settings.home / tile.path).unlink()


def add_orphan(settings, tile):
    path = settings.home / tile.path
    Image.fromarray(texture(5)).save(path.with_name("orphan.png"))


def truncate(settings, tile):
    path = settings.home / tile.path
    path.write_bytes(path.read_bytes()[:2000])


def write_html(settings, tile):
    (settings.home / tile.path).write_text("<!DOCTYPE html>")


def shrink(settings, tile):
    Image.new("RGB", (128, 128)).save(settings.home / tile.path)


def paint_over(settings, tile):
    Image.fromarray(texture(77, (10, 200, 30))).save(settings.home / tile.path)


def make_opaque_rgba(settings, tile):
    path = settings.home / tile.path
    Image.open(path).convert("RGBA").save(path)


def change_bucket(settings, tile):
    change(settings, "UPDATE tiles SET bucket_id = (bucket_id + 7) % 5000 WHERE id = ?", tile.id)


def move_to_another_bucket(settings, tile):
    """Row and file agree on a bucket to which the colour does not belong."""
    other = tile.path.replace(f"bucket_{tile.bucket:04d}", "bucket_4999")
    (settings.home / other).parent.mkdir(exist_ok=True)
    (settings.home / tile.path).rename(settings.home / other)
    change(settings, "UPDATE tiles SET bucket_id = 4999, filepath = ? WHERE id = ?", other, tile.id)


def move_file_alone(settings, tile):
    other = settings.home / tile.path.replace(f"bucket_{tile.bucket:04d}", "bucket_4998")
    other.parent.mkdir(exist_ok=True)
    (settings.home / tile.path).rename(other)


def change_hash(settings, tile):
    change(settings, "UPDATE tiles SET phash = '00000000000000ff' WHERE id = ?", tile.id)


def garble_hash(settings, tile):
    change(settings, "UPDATE tiles SET phash = 'none of it' WHERE id = ?", tile.id)


def change_colour(settings, tile):
    change(settings, "UPDATE tiles SET mean_a = mean_a + 1e-6 WHERE id = ?", tile.id)


def forget_colour(settings, tile):
    change(settings, "UPDATE tiles SET mean_l = NULL WHERE id = ?", tile.id)


def leave_in_temp(settings, tile):
    (settings.library / "temp" / "half.png").write_bytes(b"half")


def announce_a_picture(settings, tile):
    path = tile.path.replace(".png", "-announced.png")
    (settings.home / path).write_bytes(b"of a killed merge")
    change(settings, "INSERT INTO pending VALUES (?)", path)


def change_count(settings, tile):
    change(settings, "UPDATE buckets SET kept = kept + 1 WHERE bucket_id = ?", tile.bucket)


def forget_packed_hashes(settings, tile):
    change(settings, "DELETE FROM hashes")


def lose_provenance(settings, tile):
    change(settings, "DELETE FROM provenance WHERE id = ?", tile.id)


def empty_licence(settings, tile):
    change(settings, "UPDATE provenance SET licence = '' WHERE id = ?", tile.id)


def shift_bounds(settings, tile):
    change(settings, "UPDATE provenance SET west = west + 5 WHERE id = ?", tile.id)


def lose_tile_row(settings, tile):
    change(settings, "DELETE FROM tiles WHERE id = ?", tile.id)


def exchange_outcomes(settings, tile):
    text = ask(settings, "SELECT outcomes FROM rounds WHERE biome = 'west' AND round = 1")[0][0]
    counts = json.loads(text)
    counts["kept"], counts["missing"] = counts["kept"] - 1, 1
    change(settings, "UPDATE rounds SET outcomes = ? WHERE biome = 'west' AND round = 1", json.dumps(counts))


def lose_a_line_of_the_ledger(settings, tile):
    change(settings, "DELETE FROM rounds WHERE biome = 'east' AND round = 2")


def forget_centroids(settings, tile):
    change(settings, "DELETE FROM meta WHERE key = 'centroids_sha256'")


def spoil_an_index(settings, tile):
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        # A second one over another column, as if it had missed changes.
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(bucket_id)', '(mean_l)') WHERE name = 'idx_bucket'"
        )


MENDED_ALWAYS = {
    make_opaque_rgba: {"damaged_picture"},
    change_bucket: {"wrong_bucket", "wrong_counts"},
    move_to_another_bucket: {"wrong_bucket", "wrong_counts"},
    move_file_alone: {"missing_file"},
    change_hash: {"wrong_hash", "wrong_counts"},
    garble_hash: {"wrong_hash", "wrong_counts"},
    change_colour: {"wrong_colour"},
    forget_colour: {"wrong_colour"},
    leave_in_temp: {"leftover"},
    announce_a_picture: {"leftover"},
    change_count: {"wrong_counts"},
    forget_packed_hashes: {"wrong_counts"},
    lose_provenance: {"no_provenance"},
    empty_licence: {"no_provenance"},
    shift_bounds: {"no_provenance"},
    lose_tile_row: {"lone_provenance", "wrong_counts"},
    exchange_outcomes: {"ledger"},
    forget_centroids: {"ledger"},
    spoil_an_index: {"index"},
}
"""Damage, and the faults that are found; whatever is lost stands elsewhere too, and the library is as it was."""

MENDED_FROM_SOURCE_BYTES = {
    lose_file: {"missing_file"},
    truncate: {"damaged_picture"},
    write_html: {"damaged_picture"},
    shrink: {"damaged_picture", "wrong_bucket", "wrong_colour", "wrong_hash"},
    paint_over: {"other_picture"},
}
"""Damage to a picture: made anew where the round file has the source bytes, else sent away."""


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


def test_an_orphan_is_sent_away_whole(home):
    add_orphan(home, victim(home, 2))
    path = victim(home, 2).path.rpartition("/")[0] + "/orphan.png"
    content = (home.home / path).read_bytes()
    assert found_in(repair_library(home)) == [("orphan_file", "quarantined")]
    (note,) = notes(home)
    assert (note["from"], note["row"], note["reason"]) == (path, None, "no row names it")
    assert (home.library / "quarantine" / note["file"]).read_bytes() == content
    assert failing_checks(home) == set()


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


def test_orphans_of_one_name_do_not_replace_each_other(home):
    for shade in (10, 20, 30):
        path = home.home / victim(home, 2)[1].rpartition("/")[0] / "orphan.png"
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(path)
        repair_library(home)
    shades = [Image.open(home.library / "quarantine" / note["file"]).getpixel((0, 0))[0] for note in notes(home)]
    assert shades == [10, 20, 30]


def test_a_folder_among_the_pictures_is_sent_away(home):
    folder = (home.home / victim(home)[1]).with_name("folder")
    folder.mkdir()
    (folder / "note.txt").write_text("somebody's")
    repair_library(home)
    assert failing_checks(home) == set()
    assert [path.read_text() for path in (home.library / "quarantine").rglob("note.txt")] == ["somebody's"]


def test_of_an_over_full_bucket_the_newest_go(sound, home):
    lower = home.model_copy(update={"bucket_cap": 2})
    report = repair_library(lower)
    assert {finding.fault for finding in report.findings} == {Fault.OVER_FULL_BUCKET}
    assert failing_checks(lower) == set()
    came = "SELECT t.bucket_id, t.id FROM tiles t JOIN provenance p USING (id) JOIN rounds USING (biome, round) "
    rows = ask(sound, came + "ORDER BY t.bucket_id, merge_number, p.round, p.biome, p.position")
    expected = {row[1] for _, group in itertools.groupby(rows, lambda row: row[0]) for row in list(group)[:2]}
    assert {row[0] for row in ask(home, "SELECT id FROM tiles")} == expected
    assert len(notes(home)) == len(rows) - len(expected) > 3


def test_a_tile_whose_bucket_has_no_room_is_sent_away(home):
    """Its row was in another bucket; meanwhile its own was filled by others."""
    bucket = ask(home, "SELECT bucket_id FROM tiles GROUP BY 1 HAVING count(*) = 4 ORDER BY 1 LIMIT 1")[0][0]
    (oldest,) = ask(home, "SELECT id FROM tiles WHERE bucket_id = ? ORDER BY id LIMIT 1", bucket)[0]
    change(home, "UPDATE tiles SET bucket_id = 1 WHERE id = ?", oldest)
    report = repair_library(home.model_copy(update={"bucket_cap": 3}))
    reasons = {note["row"]["id"]: note["reason"] for note in notes(home)}
    assert reasons[oldest] == f"bucket {bucket} holds 3 other tiles"
    assert ("wrong_bucket", "quarantined") in found_in(report)


def test_of_two_tiles_with_one_picture_the_newer_goes(home):
    """The second row names a copy of the first one's picture, and all its values are that picture's."""
    bucket = ask(home, "SELECT bucket_id FROM tiles GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1")[0][0]
    order = "JOIN provenance p USING (id) JOIN rounds USING (biome, round) WHERE bucket_id = ? "
    first, second = ask(
        home,
        f"SELECT id, filepath FROM tiles {order} ORDER BY merge_number, p.round, p.biome, p.position LIMIT 2",
        bucket,
    )
    shutil.copyfile(home.home / first[1], home.home / second[1])
    columns = "phash, mean_l, mean_a, mean_b"
    change(
        home,
        f"UPDATE tiles SET ({columns}) = (SELECT {columns} FROM tiles WHERE id = ?) WHERE id = ?",
        first[0],
        second[0],
    )
    assert ("duplicate", "quarantined") in found_in(repair_library(home))
    assert [note["row"]["id"] for note in notes(home)] == [second[0]]
    assert failing_checks(home) == set()


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


def test_without_round_files_a_tile_of_no_known_place_is_sent_away(home):
    shutil.rmtree(home.harvest)
    tile, path, _ = victim(home, 3)
    lose_provenance(home, victim(home, 3))
    repair_library(home)
    (note,) = notes(home)
    assert note["row"]["id"] == tile and note["reason"].startswith("nothing says where it comes from")
    assert not (home.home / path).exists() and failing_checks(home) == set()


ALL_DAMAGE = [*MENDED_ALWAYS, *MENDED_FROM_SOURCE_BYTES, add_orphan, lose_a_line_of_the_ledger]


def damage_everything(settings):
    """Damage a tile in each way; the paths of these."""
    tiles = victims(settings)
    assert len(tiles) > len(ALL_DAMAGE) + 5
    for damage, tile in zip(ALL_DAMAGE, tiles, strict=False):
        damage(settings, tile)
    return {tile.path for tile in tiles[: len(ALL_DAMAGE)]}


def test_all_damage_at_once_is_told_and_repaired_and_what_was_sound_is_untouched(sound, home):
    touched = damage_everything(home)
    assert failing_checks(home) >= {
        "rows_and_files_agree",
        "pictures_are_tiles",
        "provenance_is_complete",
        "ledger_adds_up",
    }
    damaged, rows = files(home), tile_rows(home)
    told = repair_library(home, dry_run=True)
    assert (files(home), tile_rows(home)) == (damaged, rows)
    done = repair_library(home)
    assert [(f.fault, f.what, f.done) for f in told.findings] == [(f.fault, f.what, f.done) for f in done.findings]
    assert told.dry_run and not done.dry_run and done.tiles == len(rows)
    assert {finding.fault for finding in done.findings} >= set(Fault) - {Fault.DUPLICATE, Fault.OVER_FULL_BUCKET}
    assert failing_checks(home) == set()
    untouched = {path: body for path, body in files(sound).items() if path not in touched}
    assert len(untouched) > 5 and untouched.items() <= files(home).items()
    assert repair_library(home).findings == ()
    assert sum(row["found"] for row in done.table()) == len(done.findings) == done.mended + done.quarantined


def test_a_sound_library_is_left_as_it_is_to_the_last_byte(sound, home):
    content = (home.library / "tiles.db").read_bytes()
    assert repair_library(home).findings == ()
    assert files(home) == files(sound) and (home.library / "tiles.db").read_bytes() == content


def test_a_repaired_library_goes_on_growing(home):
    damage_everything(home)
    repair_library(home)
    harvest(home, "west", "east")
    merge_rounds(home)
    assert failing_checks(home) == set()


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours may catch it."""


@pytest.fixture(scope="module")
def damaged(sound, tmp_path_factory):
    home = copied(sound, tmp_path_factory.mktemp("damaged") / "home")
    damage_everything(home)
    return home


@pytest.fixture(scope="module")
def undisturbed(damaged, tmp_path_factory):
    """What a repair that nobody disturbs makes of the damaged home."""
    home = copied(damaged, tmp_path_factory.mktemp("undisturbed") / "home")
    repair_library(home)
    return state(home)


STEPS = [
    (repair, "_remove_scratch"), (repair, "remove_pictures"), (LibraryDatabase, "announce"), (repair, "write_picture"),
    (repair, "_note_exiles"), (repair, "write_bytes"), (repair, "apply"), (LibraryDatabase, "add_round"),
    (LibraryDatabase, "pack_hashes"), (repair, "_move_away"), (LibraryDatabase, "clear_pending"),
]  # fmt: skip


@pytest.mark.parametrize("sound", ["bytes kept"], indirect=True)  # all steps are taken
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_repair_that_ends_at_a_step_is_made_up_for_by_the_next(
    damaged, undisturbed, tmp_path, monkeypatch, owner, step, when
):
    home, whole = copied(damaged, tmp_path / "home"), getattr(owner, step)

    def ending(*arguments):
        if when == "after":
            whole(*arguments)
        raise Killed

    monkeypatch.setattr(owner, step, ending)
    with pytest.raises(Killed):
        repair_library(home)
    monkeypatch.undo()
    repair_library(home)
    for was, should in zip(state(home), undisturbed, strict=True):
        assert was == should
    assert failing_checks(home) == set() and repair_library(home).findings == ()


_ENDING = {"at": None}
_CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.link"))


def _end_at_a_change(event, arguments):
    """Count what changes the disk; at the chosen one, end."""
    if _ENDING["at"] is None or (event not in _CHANGES and not (event == "open" and _writes(arguments))):
        return
    _ENDING["at"] -= 1
    if _ENDING["at"] < 0:
        raise Killed


def _writes(arguments):
    mode, flags = arguments[1:]
    return mode[0] in "wxa" if isinstance(mode, str) else bool(flags & os.O_CREAT)


def test_a_repair_may_end_before_any_change_of_the_disk(damaged, undisturbed, tmp_path):
    home = copied(damaged, tmp_path / "home")
    sys.addaudithook(_end_at_a_change)  # cannot be taken off again, hence the switch
    for number in range(300):
        _ENDING["at"] = number
        try:
            repair_library(home)
        except Killed:
            continue
        else:
            break
        finally:
            _ENDING["at"] = None
    assert 10 < number < 299  # it came one change further each time, and through in the end
    assert state(home) == undisturbed
    assert failing_checks(home) == set()


def test_a_merge_after_a_repair_that_ended_finds_a_library_it_can_work_with(home, monkeypatch):
    for damage, tile in zip(
        (move_to_another_bucket, move_file_alone, lose_file, truncate), victims(home), strict=False
    ):
        damage(home, tile)

    def ending(*arguments):
        raise Killed

    monkeypatch.setattr(repair, "apply", ending)
    with pytest.raises(Killed):
        repair_library(home)
    monkeypatch.undo()
    harvest(home, "west")
    merge_rounds(home)
    repair_library(home)
    assert failing_checks(home) == set()


# Refusals


def test_a_repair_waits_for_a_merge_and_gives_up(home, monkeypatch):
    monkeypatch.setattr(repair, "LOCK_WAIT_S", 0.1)
    lose_file(home, victim(home))
    with (
        holding(home.library / ".merge.lock", "merging"),
        pytest.raises(BusyError, match="repairing the library cannot"),
    ):
        repair_library(home)


def test_there_must_be_a_library(new_home):
    home = new_home("empty")
    with pytest.raises(DatabaseError, match="build the library first"):
        repair_library(home)


def test_centroids_that_are_not_the_librarys_do_not_move_all_of_it(home, monkeypatch):
    monkeypatch.setattr(repair, "FEW", 5)
    lab = load_centroids(home.library).lab
    forget_centroids(home, victim(home))
    (home.library / "centroids.npy").unlink()
    publish_centroids(home.library, np.roll(lab, 1, axis=0), 7)
    before = files(home)
    with pytest.raises(CentroidsError, match="not the centroids it was built with"):
        repair_library(home)
    assert files(home) == before


@pytest.mark.parametrize("tile_format", ["png", "webp", "source"])
def test_pictures_of_every_format_are_verified_and_made_anew(new_home, tile_format):
    home = new_home("formats", tile_format=tile_format, keep_shard_bytes=True)
    grow(home)
    suffix = {"png": ".png", "webp": ".webp", "source": ".jpg"}[tile_format]
    before, sound_files = everything(home)["tiles"], files(home)
    assert {Path(row[2]).suffix for row in before} == {suffix}
    assert repair_library(home).findings == ()
    for damage, tile in zip((lose_file, truncate, paint_over, move_to_another_bucket), victims(home), strict=False):
        damage(home, tile)
    repair_library(home)
    assert everything(home)["tiles"] == before and files(home) == sound_files


def test_progress_counts_every_tile(home):
    told = []
    report = repair_library(home, dry_run=True, progress=told.append)
    assert sum(told) == report.tiles == len(victims(home))
