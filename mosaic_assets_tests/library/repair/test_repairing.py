"""A library damaged in all ways at once, and one that is not: what a repair tells, refuses and leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mosaic_assets.errors import BusyError, CentroidsError, DatabaseError
from mosaic_assets.library import repair
from mosaic_assets.library.centroids import load_centroids, publish_centroids
from mosaic_assets.library.faults import Fault
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.repair import repair_library
from mosaic_assets.store.files import holding
from mosaic_assets_tests.library.painted import everything, grow, harvest, tile_rows
from mosaic_assets_tests.library.repair.damages import (
    damage_everything,
    forget_centroids,
    lose_file,
    move_to_another_bucket,
    paint_over,
    truncate,
)
from mosaic_assets_tests.library.repair.looks import failing_checks, files, victim, victims


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
