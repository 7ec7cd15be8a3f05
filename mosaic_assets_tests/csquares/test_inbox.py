"""The inbox: what is taken and when, and what becomes of it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mosaic_assets.csquares.footprints import queue_path, read_footprints
from mosaic_assets.csquares.inbox import settled_files, take_inbox, take_reports
from mosaic_assets.csquares.search import open_index
from mosaic_assets.csquares.uploading import Uploading, uploading, waiting_batches
from mosaic_assets.errors import BusyError
from mosaic_assets.store.files import holding
from mosaic_assets_tests.csquares.archived import archive, drop, ids_of, later, read_lines, take, upload


@pytest.mark.parametrize(
    "name", [".a.csv", ".hidden", "a.csv.part", "a.CSV.TMP", "a.partial", "a.filepart", "a.crdownload", "a.csv~"]
)
def test_hidden_files_and_unfinished_transfers_are_left_alone(tmp_path: Path, name: str) -> None:
    settings = archive(tmp_path)
    drop(settings, name, "a")
    assert settled_files(settings, later(0)) == []
    assert take_inbox(settings, later(0), read_lines) is None
    assert (settings.inbox / name).exists()


def test_a_folder_is_taken_only_if_it_is_a_sentinel_product(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    for name in ("more", "S3A_OL_1_EFR____20170313T110342.SEN3"):
        (settings.inbox / name).mkdir()
        (settings.inbox / name / "xfdumanifest.xml").write_text("<xml/>")
    assert [path.name for path in settled_files(settings, later(0))] == ["S3A_OL_1_EFR____20170313T110342.SEN3"]


def test_a_file_is_settled_once_it_has_not_changed_for_a_while(tmp_path: Path) -> None:
    settings = archive(tmp_path, settle_s=5)
    path = drop(settings, "a", "a")
    changed = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert settled_files(settings, changed + timedelta(seconds=4.9)) == []
    assert settled_files(settings, changed + timedelta(seconds=5.1)) == [path]


@pytest.mark.parametrize("modified", [1_000_000_000, 9_000_000_000])
def test_a_copy_that_keeps_its_originals_times_is_judged_by_the_systems_clock(tmp_path: Path, modified: int) -> None:
    settings = archive(tmp_path, settle_s=5)
    path = drop(settings, "a", "a")
    os.utime(path, (modified, modified))
    now = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert settled_files(settings, now) == []
    assert settled_files(settings, now + timedelta(seconds=6)) == [path]


def test_five_hundred_files_of_one_scene_become_three_batches(tmp_path: Path) -> None:
    settings = archive(tmp_path, batch_size=200)
    for number in range(500):
        drop(settings, f"item-{number:03d}.json", f"s{number:03d}")
    report = take(settings)
    assert list(report.batches.values()) == [200, 200, 100]
    assert len({name for batch in report.batches for name in ids_of(settings, batch)}) == 500
    assert uploading(settings) == Uploading(files=0, batches=3, scenes=500)


def test_a_large_file_becomes_batches_in_its_order(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "many", *"abcdefg")
    report = take(settings)
    assert [ids_of(settings, batch) for batch in report.batches] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(report.batches) == ["scenes-000001-00001", "scenes-000001-00002", "scenes-000001-00003"]


def test_files_are_read_in_the_order_of_their_age(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    for name, age in (("b", 30), ("a", 20), ("c", 40)):
        path = drop(settings, name, name)
        os.utime(path, (time.time() - age,) * 2)
    report = take(settings)
    assert ids_of(settings, next(iter(report.batches))) == ["c", "b", "a"]


def test_a_scene_that_comes_twice_in_a_batch_counts_as_it_came_last(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", ("a", 10, 10), "b", ("a", 50, 50))
    report = take(settings)
    assert (report.superseded, report.batches) == (1, {"scenes-000001-00001": 2})
    (b, a) = read_footprints(queue_path(settings, "scenes-000001-00001")).footprints
    assert (b.scene.id, a.scene.id, a.geometry.bounds) == ("b", "a", (50, 50, 52, 53))


def test_a_scene_that_comes_again_is_updated_and_never_doubled(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", ("a", 10, 10), *"bcd")
    take(settings)
    upload(settings)
    drop(settings, "one", ("a", 50, 50))
    take(settings, minutes=1)
    upload(settings)
    with open_index(settings.csquares) as index:
        assert index.ids().tolist() == ["a", "b", "c", "d"]
        assert index.count(point=(11, 11)) == 0
        assert index.ids(point=(51, 51)).tolist() == ["a"]


def test_a_scene_twice_in_one_file_but_in_different_batches_counts_as_it_came_last(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", ("a", 10, 10), *"bcd", ("a", 50, 50))
    take(settings)
    upload(settings)
    with open_index(settings.csquares) as index:
        assert (index.count(), index.ids(point=(51, 51)).tolist(), index.count(point=(11, 11))) == (4, ["a"], 0)


def test_what_was_taken_is_kept_as_it_came_also_under_the_same_name(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    for take_number, scene in enumerate("ab", 1):
        content = drop(settings, "latest.csv", scene).read_bytes()
        take(settings)
        assert (tmp_path / f"inbox/taken/{take_number:06d}/files/latest.csv").read_bytes() == content
    assert list(settings.inbox.iterdir()) == []
    assert [report.take for report in take_reports(settings)] == [1, 2]


def test_numbers_of_takes_do_not_come_again_when_what_was_taken_is_deleted(tmp_path: Path) -> None:
    import shutil

    settings = archive(tmp_path)
    drop(settings, "one", "a")
    take(settings)
    shutil.rmtree(tmp_path / "inbox" / "taken")
    drop(settings, "two", "b")
    assert list(take(settings).batches) == ["scenes-000002-00001"]
    assert waiting_batches(settings) == ["scenes-000001-00001", "scenes-000002-00001"]


@pytest.mark.parametrize(
    "name", ["ünïcode wïth späces.geojson", "new\nline", "report.json", "plan.json", "-rf", "a" * 200]
)
def test_a_file_may_be_called_as_it_likes(tmp_path: Path, name: str) -> None:
    settings = archive(tmp_path)
    drop(settings, name, "a", "bad")
    report = take(settings)
    assert report.batches == {"scenes-000001-00001": 1}
    assert (tmp_path / "inbox" / "rejected" / f"{name}.report.json").exists()


def test_a_name_that_is_no_text_is_taken_like_any_other(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    raw = os.fsencode(settings.inbox) + b"/\xff\xfe.csv"
    Path(os.fsdecode(raw)).write_text('"a"\n"bad"')
    assert take(settings).batches == {"scenes-000001-00001": 1}
    assert next(take_reports(settings)).files[0].name == "\udcff\udcfe.csv"


def test_an_empty_inbox_and_one_that_is_not_there_yet_are_nothing_to_do(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    assert take_inbox(settings, later(0), read_lines) is None
    settings.inbox.rmdir()
    assert take_inbox(settings, later(0), read_lines) is None
    assert uploading(settings) == Uploading(0, 0, 0)


def test_only_one_process_takes_at_a_time(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    with holding(tmp_path / "inbox" / ".taking.lock", "testing"), pytest.raises(BusyError):
        take(settings)
    assert take(settings).batches == {"scenes-000001-00001": 1}
