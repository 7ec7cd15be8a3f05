"""A repair that ends at any step, or before any change of the disk, is made up for by the next."""

from __future__ import annotations

import os
import sys

import pytest

from mosaic_assets.library import repair
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.repair import repair_library
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets_tests.killed import Killed
from mosaic_assets_tests.library.painted import harvest
from mosaic_assets_tests.library.repair.damages import (
    damage_everything,
    lose_file,
    move_file_alone,
    move_to_another_bucket,
    truncate,
)
from mosaic_assets_tests.library.repair.looks import copied, failing_checks, state, victims


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
