"""Checks of the archive: silent over a sound one, and each damage is found by the check that is there for it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.csquares import cover_many
from mosaic_assets.csquares.archive_checks import ARCHIVE_CHECKS
from mosaic_assets.csquares.contributions import Contribution, publish_contributions
from mosaic_assets.csquares.footprints import (
    FootprintBatch,
    footprints_path,
    queue_path,
    read_footprints,
    write_footprints,
)
from mosaic_assets.csquares.index import index_path, update_index
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.pairs import pairs_path, read_batch
from mosaic_assets.csquares.readers import SceneFootprint
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_db import pack_keys
from mosaic_assets_tests.csquares.archived import archive, drop, footprint, later, take, upload

HEADER = b"mosaic_assets.csquare_pairs"
FIRST, SECOND = "scenes-000001-00001", "scenes-000002-00001"


def failed(settings: Settings, scope: Scope = Scope.ALL) -> dict[str, str]:
    """Summaries of the checks that fail."""
    results = {check.name: run_check(check, settings, scope) for check in ARCHIVE_CHECKS}
    return {name: result.summary for name, result in results.items() if not result.passed}


@pytest.fixture
def sound(tmp_path: Path) -> Settings:
    """Two batches, the second with a later edition of a scene of the first, and one of another data set."""
    settings = archive(tmp_path)
    drop(settings, "one", ("a", 10, 10), ("b", 178, 20), "c")
    take(settings)
    drop(settings, "two", ("a", 50.25, 50.25), ("d", -10, -20), "bad")
    take(settings, minutes=1)
    chips = [Contribution("chips", "1", [footprint("x")])]
    publish_contributions(settings.csquares, "chips", chips, later(2))
    upload(settings)
    return settings


@pytest.mark.parametrize("scope", list(Scope))
def test_a_sound_archive_passes_every_check(sound: Settings, scope: Scope) -> None:
    assert failed(sound, scope) == {}


@pytest.mark.parametrize("scope", list(Scope))
def test_there_is_nothing_to_find_fault_with_before_the_first_scene(tmp_path: Path, scope: Scope) -> None:
    assert failed(archive(tmp_path), scope) == {}
    update_index(archive(tmp_path).csquares)
    assert failed(archive(tmp_path), scope) == {}


def test_a_batch_that_waits_is_no_fault(sound: Settings) -> None:
    drop(sound, "three", "e")
    take(sound, minutes=3)
    assert failed(sound) == {}


def cut_footprints(settings: Settings) -> None:
    path = footprints_path(settings.csquares, FIRST)
    path.write_bytes(path.read_bytes()[:-50])


def rename_footprints(settings: Settings) -> None:
    shutil.copy(footprints_path(settings.csquares, SECOND), footprints_path(settings.csquares, FIRST))


def double_a_footprint(settings: Settings) -> None:
    path = footprints_path(settings.csquares, FIRST)
    batch = read_footprints(path)
    write_footprints(path, FootprintBatch(FIRST, batch.taken_at, [*batch.footprints, batch.footprints[0]]))


def lose_a_footprint(settings: Settings) -> None:
    path = footprints_path(settings.csquares, FIRST)
    batch = read_footprints(path)
    write_footprints(path, FootprintBatch(FIRST, batch.taken_at, batch.footprints[1:]))


def lose_all_footprints(settings: Settings) -> None:
    footprints_path(settings.csquares, FIRST).unlink()


def alter_pairs(settings: Settings, change: Callable[[pa.Table], pa.Table]) -> None:
    path = pairs_path(settings.csquares, FIRST)
    header = {HEADER: pq.read_metadata(path).metadata[HEADER]}
    pq.write_table(change(pq.read_table(path, partitioning=None)).replace_schema_metadata(header), path)


def with_codes(table: pa.Table, old: str, new: str) -> pa.Table:
    codes = [code.replace(old, new) for code in table["csquare"].to_pylist()]
    return table.set_column(1, "csquare", pa.array(codes).dictionary_encode())


def write_no_code(settings: Settings) -> None:
    # 127 is no degree: the quarter of digits 2 and 7 is 2 (the specification's own rule).
    alter_pairs(settings, lambda table: with_codes(table, "1101:100", "1101:127"))


def write_another_code(settings: Settings) -> None:
    alter_pairs(settings, lambda table: with_codes(table, "1101:100", "1101:101"))


def publish_pairs_as(settings: Settings, shift: float) -> None:
    batch = read_footprints(footprints_path(settings.csquares, FIRST))
    moved = [shapely.transform(one.geometry, lambda xy: np.add(xy, [0, shift])) for one in batch.footprints]
    scenes = [one.scene for one in batch.footprints]
    write_pairs(settings.csquares, FIRST, scenes, cover_many(moved, 0.5), published_at=batch.taken_at)


def cover_wrongly(settings: Settings) -> None:
    publish_pairs_as(settings, 0.5)
    update_index(settings.csquares)


def forget_the_index(settings: Settings) -> None:
    publish_pairs_as(settings, 1e-3)


def not_merged(settings: Settings) -> None:
    """Four half-degree squares instead of the degree that they fill."""
    path = pairs_path(settings.csquares, FIRST)
    batch, table = read_batch(settings.csquares, FIRST), pq.read_table(path, partitioning=None)
    row = int(np.flatnonzero(batch.keys & 3 == 2)[0])
    key = int(batch.keys[row])
    four = [key - 2 + 4 * leaf + 3 for leaf in range(4)]
    base = table["csquare"][row].as_py()[:-1]
    keys = pa.array(table["key"].to_pylist()[:row] + four + table["key"].to_pylist()[row + 1 :], pa.int32())
    codes = table["csquare"].to_pylist()
    codes[row : row + 1] = [f"{base}{quarter}" for quarter in (1, 2, 3, 4)]
    again = table.take([*range(row), row, row, row, row, *range(row + 1, len(table))])
    again = again.set_column(2, "key", keys).set_column(1, "csquare", pa.array(codes).dictionary_encode())
    header = pq.read_metadata(path).metadata[HEADER].replace(b'"pairs": %d' % len(table), b'"pairs": %d' % len(again))
    pq.write_table(again.replace_schema_metadata({HEADER: header}), path)
    assert len(read_batch(settings.csquares, FIRST).keys) == len(table) + 3


def in_the_index(settings: Settings, sql: str, *values: object) -> None:
    with sqlite3.connect(index_path(settings.csquares)) as connection:
        assert connection.execute(sql, values).rowcount
    connection.close()


def lose_lists(settings: Settings) -> None:
    in_the_index(settings, "DELETE FROM lists WHERE 1")


def alter_a_footprint_in_the_index(settings: Settings) -> None:
    in_the_index(settings, "UPDATE footprints SET keys = ?", pack_keys(np.array([0, 1601])))


def alter_a_record_in_the_index(settings: Settings) -> None:
    in_the_index(settings, "UPDATE scenes SET platform = 'NOAA-99' WHERE id = 'd'")


def lose_a_scene_of_the_index(settings: Settings) -> None:
    in_the_index(settings, "DELETE FROM scenes WHERE id = 'd'")


def lose_pairs(settings: Settings) -> None:
    pairs_path(settings.csquares, FIRST).unlink()


def lose_a_waiting_batch(settings: Settings) -> None:
    drop(settings, "three", "e")
    take(settings, minutes=3)
    queue_path(settings, "scenes-000003-00001").unlink()


def let_the_earlier_edition_win(settings: Settings) -> None:
    batch = read_footprints(footprints_path(settings.csquares, FIRST))
    covers = cover_many([one.geometry for one in batch.footprints], 0.5)
    scenes = [one.scene for one in batch.footprints]
    write_pairs(settings.csquares, FIRST, scenes, covers, published_at=later(99))
    update_index(settings.csquares)


def lose_contributed_pairs(settings: Settings) -> None:
    pairs_path(settings.csquares, "chips-1").unlink()
    update_index(settings.csquares)


@pytest.mark.parametrize(
    ("damage", "check", "said"),
    [
        (cut_footprints, "footprints_are_complete", "Restore the file"),
        (rename_footprints, "footprints_are_complete", f"{FIRST}: holds the footprints of batch {SECOND}"),
        (double_a_footprint, "footprints_are_complete", "4 scenes have 3 ids"),
        (double_a_footprint, "scene_counts_agree", "4 footprints, 3 scenes with pairs, 3 in the index"),
        (lose_a_footprint, "scene_counts_agree", "2 footprints, 3 scenes with pairs"),
        (lose_a_footprint, "no_scene_is_lost_or_doubled", "made scenes-000001-00001 of 3 scenes"),
        (lose_all_footprints, "no_scene_is_lost_or_doubled", "whose footprints are gone"),
        (write_no_code, "codes_are_valid", "'1101:127:*' is no c-square"),
        (write_another_code, "codes_are_valid", "'1101:101:*' has the key"),
        (not_merged, "codes_are_valid", "pairs where"),
        (cover_wrongly, "covers_equal_geos", "squares, such as"),
        (forget_the_index, "pairs_and_index_agree", f"{FIRST} is not in the index as it is published"),
        (lose_pairs, "pairs_and_index_agree", "its pairs are gone"),
        (lose_lists, "pairs_and_index_agree", "does not find"),
        (alter_a_footprint_in_the_index, "pairs_and_index_agree", "other squares"),
        (alter_a_record_in_the_index, "pairs_and_index_agree", "d of scenes-000002-00001 stands in the index"),
        (lose_a_scene_of_the_index, "no_scene_is_lost_or_doubled", "d of scenes-000002-00001 is not in the index"),
        (lose_a_scene_of_the_index, "scene_counts_agree", "2 scenes with pairs, 1 in the index"),
        (lose_a_waiting_batch, "no_scene_is_lost_or_doubled", "scenes-000003-00001 of 1 scenes, which is not there"),
        (let_the_earlier_edition_win, "no_scene_is_lost_or_doubled", f"as {FIRST} has it, {SECOND} is later"),
        (lose_contributed_pairs, "contributions_are_published", "chips-1 of chips"),
    ],
)
def test_a_damage_is_found_by_the_check_that_is_there_for_it(
    sound: Settings, damage: Callable[[Settings], None], check: str, said: str
) -> None:
    damage(sound)
    assert said in failed(sound)[check]


def test_the_newest_batch_is_the_one_that_was_written_last(sound: Settings) -> None:
    cover_wrongly(sound)
    path = footprints_path(sound.csquares, FIRST)
    path.write_bytes(path.read_bytes())
    assert "covers_equal_geos" in failed(sound, Scope.NEWEST)
    path = footprints_path(sound.csquares, SECOND)
    path.write_bytes(path.read_bytes())
    assert "covers_equal_geos" not in failed(sound, Scope.NEWEST)


def test_checks_say_what_they_left_out(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    line = SceneFootprint(footprint("line").scene, shapely.LineString([(0, 0), (9, 9)]))
    write_footprints(queue_path(settings, FIRST), FootprintBatch(FIRST, later(0), [line, footprint("a")]))
    upload(settings)
    check = next(check for check in ARCHIVE_CHECKS if check.name == "covers_equal_geos")
    result = run_check(check, settings, Scope.ALL)
    assert (result.passed, result.summary) == (True, "1 scenes recomputed (all)")
    assert result.details == {"left out (points, lines, invalid rings, poles)": 1}


def test_checks_change_nothing(sound: Settings) -> None:
    before = {path: path.stat().st_mtime_ns for path in sound.home.rglob("*") if path.is_file()}
    failed(sound)
    after = {path: path.stat().st_mtime_ns for path in sound.home.rglob("*") if path.is_file()}
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {
        path for path in after if path.name.endswith(("-shm", "-wal"))
    }
