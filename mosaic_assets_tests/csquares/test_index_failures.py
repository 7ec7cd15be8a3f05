"""The index when something fails: the old one or the new one, and a message that says what to do."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest

from mosaic_assets.csquares.index import index_path, rebuild_index, update_index
from mosaic_assets.csquares.pairs import pairs_path
from mosaic_assets.csquares.search import open_index
from mosaic_assets.errors import DatabaseError, StoreError, UnknownNameError
from mosaic_assets.store.csquare_db import CsquareDatabase
from mosaic_assets_tests.csquares.published import AREAS, answers, publish, scenes


def _die_while_updating(folder: Path, step: str) -> None:
    def die(*_: object) -> None:
        os._exit(9)

    setattr(CsquareDatabase, step, die)
    (rebuild_index if step == "sorted_catalogue" else update_index)(folder)


@pytest.mark.parametrize("step", ["put_footprints", "put_catalogue", "sorted_catalogue"])
def test_a_process_killed_while_writing_leaves_the_old_index(tmp_path: Path, step: str) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    before = answers(tmp_path)
    publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
    process = multiprocessing.get_context("spawn").Process(target=_die_while_updating, args=(tmp_path, step))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert answers(tmp_path) == before
    assert update_index(tmp_path).scenes == 6
    appended = answers(tmp_path)
    rebuild_index(tmp_path)
    assert answers(tmp_path) == appended


def test_a_batch_that_cannot_be_read_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    before = answers(tmp_path)
    publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
    path = pairs_path(tmp_path, "two")
    path.write_bytes(path.read_bytes()[:-50])
    for attempt in (update_index, rebuild_index):
        with pytest.raises(StoreError, match=r"two\.parquet"):
            attempt(tmp_path)
        assert answers(tmp_path) == before


def test_a_batch_nobody_published_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'nowhere'"):
        update_index(tmp_path, ["nowhere"])


def test_no_index_a_foreign_one_and_a_damaged_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="there is none yet"), open_index(tmp_path):
        pass
    with sqlite3.connect(index_path(tmp_path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(DatabaseError, match="another program"):
        rebuild_index(tmp_path)
    index_path(tmp_path).write_bytes(b"nothing of the kind" * 500)
    with pytest.raises(DatabaseError, match="move it away"):
        rebuild_index(tmp_path)
    index_path(tmp_path).unlink()
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    assert rebuild_index(tmp_path).scenes == 3
