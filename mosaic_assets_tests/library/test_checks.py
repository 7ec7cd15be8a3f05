"""Every check passes on a sound library, and fails on one damaged in its very way, naming the offender."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
import zlib
from contextlib import closing

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mosaic_assets.core.checks import Check, CheckResult, Scope, run_check
from mosaic_assets.errors import StoreError
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.settings import Target
from mosaic_assets_tests.library.painted import PLACES, ask, colourful, grow, harvest

ORDINARY = [check for check in CHECKS if check.name != "coverage_target_is_met"]


@pytest.fixture(scope="module")
def sound(lasting_home):
    """A home whose library was grown by two merges; each test damages a copy."""
    biomes = {name: PLACES[name] for name in ("west", "east")}
    home = lasting_home("sound", biomes=biomes, round_tiles=12, bucket_cap=3, keep_shard_bytes=True)
    grow(home, waves=2)
    return home


@pytest.fixture
def home(sound, tmp_path):
    shutil.copytree(sound.home, tmp_path / "copy")
    return sound.model_copy(update={"home": tmp_path / "copy"})


def change(settings, sql, *values):
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute(sql, values)


def check(name):
    return next(check for check in CHECKS if check.name == name)


def failing(settings, name, scope=Scope.ALL):
    """Run a check that must fail; its summary."""
    result = run_check(check(name), settings, scope)
    assert not result.passed
    return result.summary


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("check", ORDINARY, ids=lambda check: check.name)
def test_a_sound_library_passes(sound, check, scope):
    result = run_check(check, sound, scope)
    assert result.passed, result.summary
    assert result.summary


def test_every_check_says_what_it_looks_at_and_only_the_target_merely_warns():
    assert all(check.description for check in CHECKS)
    assert [check.name for check in CHECKS if not check.blocking] == ["coverage_target_is_met"]
    assert len({check.name for check in CHECKS}) == len(CHECKS) == 13


@pytest.fixture
def victim(home):
    """id and path of a tile of the newest merge, the same in every run."""
    sql = "SELECT id, filepath FROM tiles JOIN provenance USING (id) WHERE round = 2 ORDER BY id LIMIT 1"
    tile_id, filepath = ask(home, sql)[0]
    return tile_id, home.home / filepath, filepath


def test_a_deleted_picture_is_named(home, victim):
    victim[1].unlink()
    assert f"no file for row {victim[2]}" in failing(home, "rows_and_files_agree")


def test_a_picture_without_a_row_is_named(home, victim):
    orphan = victim[1].with_name("orphan.png")
    shutil.copyfile(victim[1], orphan)
    assert f"no row for file {orphan.relative_to(home.home)}" in failing(home, "rows_and_files_agree")


def test_a_deleted_row_is_named_by_its_file(home, victim):
    change(home, "DELETE FROM tiles WHERE id = ?", victim[0])
    assert f"no row for file {victim[2]}" in failing(home, "rows_and_files_agree")


def test_a_file_left_in_temp_is_named(home):
    (home.library / "temp" / "half.png").write_bytes(b"half")
    assert "left in temp: half.png" in failing(home, "rows_and_files_agree")


def cut(path):
    path.write_bytes(path.read_bytes()[:2000])


def shrink(path):
    Image.new("RGB", (128, 128)).save(path)


def transparent(path):
    Image.open(path).convert("RGBA").save(path)


def grey(path):
    Image.open(path).convert("L").save(path)


def jpeg(path):
    Image.open(path).save(path, "JPEG")


def text(path):
    path.write_text("not a picture")


def enormous(path):
    """A header that promises 60,000 x 60,000 pixels: to be refused, not decoded."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = bytearray(path.read_bytes())
    content[12:33] = header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["pictures_are_tiles", "stored_values_are_recomputable"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "does not decode"),
        (text, "does not decode"),
        (enormous, "does not decode"),
        (shrink, "is PNG RGB 128 x 128"),
        (transparent, "is PNG RGBA 256 x 256"),
        (grey, "is PNG L 256 x 256"),
        (jpeg, "is JPEG RGB 256 x 256"),
    ],
)
@pytest.mark.parametrize("scope", list(Scope))
def test_a_damaged_picture_is_named(home, victim, damage, message, name, scope):
    damage(victim[1])
    summary = failing(home, name, scope)
    assert summary.startswith("1 problem(s)") and f"{victim[2]} {message}" in summary


def test_a_picture_of_an_older_merge_is_left_to_the_check_of_all(home):
    (path,) = ask(home, "SELECT filepath FROM tiles JOIN provenance USING (id) WHERE round = 1 ORDER BY id LIMIT 1")[0]
    cut(home.home / path)
    assert run_check(check("pictures_are_tiles"), home, Scope.NEWEST).passed
    assert path in failing(home, "pictures_are_tiles", Scope.ALL)


@pytest.mark.parametrize("column", ["mean_l", "mean_a", "mean_b"])
def test_a_changed_colour_is_named(home, victim, column):
    change(home, f"UPDATE tiles SET {column} = {column} + 1e-6 WHERE id = ?", victim[0])
    assert f"{victim[2]}: stored LAB" in failing(home, "stored_values_are_recomputable")


@pytest.mark.parametrize("column", ["mean_l", "mean_a", "mean_b", "phash", "bucket_id"])
def test_a_value_that_is_gone_is_named(home, victim, column):
    change(home, f"UPDATE tiles SET {column} = NULL WHERE id = ?", victim[0])
    assert victim[2] in failing(home, "stored_values_are_recomputable")


def test_a_wrong_bucket_is_named(home, victim):
    change(home, "UPDATE tiles SET bucket_id = (bucket_id + 1) % 5000 WHERE id = ?", victim[0])
    assert f"{victim[2]}: stored bucket" in failing(home, "stored_values_are_recomputable")
    assert "its count says" in failing(home, "ledger_adds_up")


@pytest.mark.parametrize("bucket", [5000, 7000, -1])
def test_a_bucket_that_does_not_exist_is_named(home, victim, bucket):
    change(home, "UPDATE tiles SET bucket_id = ? WHERE id = ?", bucket, victim[0])
    assert f"bucket {bucket} does not exist" in failing(home, "ledger_adds_up")


def test_a_wrong_hash_is_named(home, victim):
    change(home, "UPDATE tiles SET phash = '00000000000000ff' WHERE id = ?", victim[0])
    assert f"{victim[2]}: stored hash 00000000000000ff" in failing(home, "stored_values_are_recomputable")


def test_another_picture_under_a_tiles_name_is_found(home, victim):
    Image.fromarray(np.full((256, 256, 3), 17, np.uint8)).save(victim[1])
    assert victim[2] in failing(home, "stored_values_are_recomputable")


def test_a_bucket_above_the_cap_is_named(home):
    bucket, count = ask(home, "SELECT bucket_id, count(*) FROM tiles GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")[0]
    assert count == home.bucket_cap == 3
    (old,) = ask(home, "SELECT id FROM tiles WHERE bucket_id != ? ORDER BY id LIMIT 1", bucket)[0]
    change(home, "UPDATE tiles SET bucket_id = ? WHERE id = ?", bucket, old)
    assert f"bucket {bucket} holds 4" in failing(home, "no_bucket_exceeds_the_cap")


def test_two_tiles_of_a_bucket_with_one_hash_are_named(home):
    bucket = ask(home, "SELECT bucket_id FROM tiles GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1")[0][0]
    change(home, "UPDATE tiles SET phash = 'abcdefabcdefabcd' WHERE bucket_id = ?", bucket)
    assert f"bucket {bucket}: " in failing(home, "no_exact_duplicate_in_a_bucket")
    assert "tiles with hash abcdefabcdefabcd" in failing(home, "no_exact_duplicate_in_a_bucket")


@pytest.mark.parametrize(
    "column", ["licence", "attribution", "source", "sha256", "fetched_at", "csquare", "biome", "release"]
)
def test_a_tile_that_does_not_say_where_it_comes_from_is_named(home, victim, column):
    change(home, f"UPDATE provenance SET {column} = '' WHERE id = ?", victim[0])
    assert f"tile {victim[0]}" in failing(home, "provenance_is_complete")


def test_a_tile_without_provenance_is_named(home, victim):
    change(home, "DELETE FROM provenance WHERE id = ?", victim[0])
    assert f"tile {victim[0]}" in failing(home, "provenance_is_complete")


def test_a_tile_outside_its_biome_is_named(home, victim):
    change(home, "UPDATE provenance SET west = west + 90, east = east + 90 WHERE id = ?", victim[0])
    assert f"tile {victim[0]} lies outside" in failing(home, "tiles_lie_in_their_biome")


def test_tiles_of_an_earlier_geometry_are_left_out_and_named(home):
    elsewhere = {name: {"box": [100, 10, 101, 11]} for name in home.biomes}
    result = run_check(check("tiles_lie_in_their_biome"), home.model_copy(update={"biomes": elsewhere}), Scope.ALL)
    assert result.passed and result.summary == "0 tiles"
    assert result.details["rounds of an earlier geometry"] == {"east": [1, 2], "west": [1, 2]}


def test_a_tile_that_only_touches_its_biome_is_outside(home, victim):
    biome = ask(home, "SELECT biome FROM provenance WHERE id = ?", victim[0])[0][0]
    east = home.biomes[biome]["box"][2]
    change(home, "UPDATE provenance SET west = ?, east = ? + 1 WHERE id = ?", east, east, victim[0])
    assert f"tile {victim[0]} lies outside {biome}" in failing(home, "tiles_lie_in_their_biome")


def test_tiles_of_a_biome_that_the_settings_no_longer_have_are_no_fault_but_mentioned(home):
    alone = home.model_copy(update={"biomes": {"west": home.biomes["west"]}})
    result = run_check(check("tiles_lie_in_their_biome"), alone, Scope.ALL)
    assert result.passed and result.details["biomes no longer in the settings"] == ["east"]


def test_an_altered_ledger_is_named(home):
    text = ask(home, "SELECT outcomes FROM rounds WHERE biome = 'west' AND round = 2")[0][0]
    counts = json.loads(text)
    counts["missing"] = 1
    change(home, "UPDATE rounds SET outcomes = ? WHERE biome = 'west' AND round = 2", json.dumps(counts))
    assert "round 2 of west: 13 outcomes for 12 planned tiles" in failing(home, "ledger_adds_up")


def test_outcomes_exchanged_in_the_ledger_are_found(home):
    counts = json.loads(ask(home, "SELECT outcomes FROM rounds WHERE biome = 'west' AND round = 1")[0][0])
    counts["kept"], counts["missing"] = counts["kept"] - 1, 1
    change(home, "UPDATE rounds SET outcomes = ? WHERE biome = 'west' AND round = 1", json.dumps(counts))
    assert "tiles were kept, there are" in failing(home, "ledger_adds_up")


def test_a_row_deleted_with_its_file_is_found_by_the_ledger(home, victim):
    change(home, "DELETE FROM provenance WHERE id = ?", victim[0])
    change(home, "DELETE FROM tiles WHERE id = ?", victim[0])
    victim[1].unlink()
    assert run_check(check("rows_and_files_agree"), home, Scope.ALL).passed
    assert "its count says" in failing(home, "ledger_adds_up")


def test_a_library_that_forgot_its_centroids_is_found(home):
    change(home, "DELETE FROM meta WHERE key = 'centroids_sha256'")
    assert "does not say which centroids" in failing(home, "ledger_adds_up")


def test_an_index_that_does_not_fit_its_table_is_found_by_the_integrity_check(home):
    with closing(sqlite3.connect(home.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(bucket_id)', '(mean_l)') WHERE name = 'idx_bucket'"
        )
    assert "missing from index idx_bucket" in failing(home, "ledger_adds_up")


def test_centroids_that_changed_are_found(home):
    (home.library / "centroids.npy").write_bytes((home.library / "centroids.npy").read_bytes() + b"\0")
    assert "its record says" in failing(home, "centroids_are_the_published_ones")


def test_a_biome_that_is_no_place_is_found(home):
    wrong = home.model_copy(update={"biomes": {"west": {"box": [170, 0, -170, 10]}}})
    assert "biome west" in failing(wrong, "biomes_are_places")


# Round files


@pytest.fixture
def round_file(home):
    return home.harvest / "west" / "round-00002.parquet"


def rewrite(path, table):
    key = b"mosaic_assets.round"
    pq.write_table(table.replace_schema_metadata({key: pq.read_metadata(path).metadata[key]}), path)


def replaced(table, column, values):
    import pyarrow as pa

    index = table.schema.get_field_index(column)
    return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))


def with_changed(table, column, position, value):
    values = table[column].to_pylist()
    values[position] = value
    return replaced(table, column, values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.slice(0, 11), "11 rows for 12 planned tiles"),
        (lambda table: table.slice(1), "row 0 has position 1"),
        (lambda table: with_changed(table, "outcome", 4, "vanished"), "position 4: unknown outcome 'vanished'"),
        (lambda table: with_changed(table, "body", 0, None), "position 0: a candidate without bytes"),
        (
            lambda table: with_changed(table, "body", 0, b"other"),
            "position 0: the bytes do not have their recorded SHA-256",
        ),
    ],
    ids=["lost row", "lost first row", "unknown outcome", "bytes gone", "other bytes"],
)
def test_a_round_file_that_changed_is_named(home, round_file, damage, message):
    table = pq.read_table(round_file)
    # Position 0 is a candidate, whatever the second round's early discards were.
    table = with_changed(table, "outcome", 0, "candidate")
    body = table["body"].to_pylist()[0] or b"some bytes"
    table = with_changed(table, "body", 0, body)
    rewrite(round_file, with_changed(table, "sha256", 0, hashlib.sha256(body).hexdigest()))
    assert run_check(check("rounds_are_complete"), home, Scope.ALL).passed
    rewrite(round_file, damage(pq.read_table(round_file)))
    summary = failing(home, "rounds_are_complete")
    assert f"round-00002.parquet of west: {message}" in summary


def test_an_unreadable_round_file_is_named_and_the_others_are_still_looked_at(home, round_file):
    round_file.write_bytes(b"?")
    other = home.harvest / "east" / "round-00001.parquet"
    rewrite(other, pq.read_table(other).slice(0, 5))
    summary = failing(home, "rounds_are_complete")
    assert "2 problem(s) in 4 round file(s)" in summary
    assert str(round_file) in summary and "round-00001.parquet of east: 5 rows for 12" in summary


def test_a_round_whose_bytes_were_dropped_is_complete(home):
    dropping = home.model_copy(update={"keep_shard_bytes": False})
    harvest(dropping, "west", paint=colourful)
    merge_rounds(dropping)
    assert run_check(check("rounds_are_complete"), dropping, Scope.ALL).passed


# The target, and the frame


def test_the_target_check_tells_how_far_the_library_is(sound):
    met = sound.model_copy(update={"target": Target(floor=1, buckets=5)})
    result = run_check(check("coverage_target_is_met"), met, Scope.ALL)
    filled = ask(sound, "SELECT count(DISTINCT bucket_id) FROM tiles")[0][0]
    assert result.passed and result.details["filled"] == filled
    assert result.summary == f"{filled} buckets hold 1 or more tiles; the target is 5 buckets"
    unmet = sound.model_copy(update={"target": Target(floor=1, buckets=4999)})
    assert not run_check(check("coverage_target_is_met"), unmet, Scope.ALL).passed


def test_the_target_as_a_share_is_told_in_percent(sound):
    settings = sound.model_copy(update={"target": Target(floor=1, share=0.25)})
    summary = run_check(check("coverage_target_is_met"), settings, Scope.ALL).summary
    assert "the target is 25% of about" in summary


def test_without_a_library_the_checks_fail_with_what_to_do(make_settings):
    empty = make_settings("empty")
    for name in ("rows_and_files_agree", "pictures_are_tiles", "ledger_adds_up", "provenance_is_complete"):
        assert "build the library first" in failing(empty, name)


def test_an_error_of_ours_is_a_failure_and_any_other_is_not_hidden(sound):
    def broken(settings, scope):
        raise StoreError("the disk sulks")

    def wrong(settings, scope):
        raise ZeroDivisionError

    assert run_check(Check("a", "b", True, broken), sound, Scope.ALL) == CheckResult(False, "the disk sulks")
    with pytest.raises(ZeroDivisionError):
        run_check(Check("a", "b", True, wrong), sound, Scope.ALL)


def test_a_failed_check_names_five_offenders_and_counts_all(home):
    for (path,) in ask(home, "SELECT filepath FROM tiles ORDER BY id LIMIT 7"):
        (home.home / path).unlink()
    result = run_check(check("rows_and_files_agree"), home, Scope.ALL)
    assert result.summary.startswith("7 problem(s)") and result.summary.count("no file for row") == 5
    assert len(result.details["problems"]) == 7


def test_the_recomputing_check_draws_a_sample_by_the_seed(home):
    for (path,) in ask(home, "SELECT filepath FROM tiles"):
        cut(home.home / path)
    few = home.model_copy(update={"check_sample": 2})
    first, again = (run_check(check("stored_values_are_recomputable"), few, Scope.ALL) for _ in range(2))
    assert first.summary.startswith("2 problem(s)") and first == again
    assert run_check(check("stored_values_are_recomputable"), few.model_copy(update={"seed": 1}), Scope.ALL) != first
