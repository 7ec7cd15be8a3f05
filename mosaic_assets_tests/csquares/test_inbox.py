"""The inbox: what is taken and when, what becomes of it, and that no crash loses or doubles anything."""

from __future__ import annotations

import json
import os
import signal
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely

from mosaic_assets.csquares import inbox, rejections
from mosaic_assets.csquares.footprints import queue_path, read_footprints
from mosaic_assets.csquares.inbox import settled_files, take_inbox, take_reports, unfinished_take
from mosaic_assets.csquares.readers import ReadFile, SceneFootprint
from mosaic_assets.csquares.search import open_index
from mosaic_assets.csquares.uploading import Uploading, uploading, waiting_batches
from mosaic_assets.errors import BusyError, HomeNotWritableError, StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store import files
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets.store.files import holding
from mosaic_assets_tests.csquares.archived import archive, drop, everything, later, read_lines, take, upload


def ids_of(settings: Settings, batch: str) -> list[str]:
    return [one.scene.id for one in read_footprints(queue_path(settings, batch)).footprints]


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


def test_a_file_with_bad_records_gives_its_good_ones_and_a_report_on_the_others(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    original = drop(settings, "mixed.csv", "a", "bad-1", "b", "bad-2").read_bytes()
    report = take(settings)
    assert ids_of(settings, next(iter(report.batches))) == ["a", "b"]
    folder = tmp_path / "inbox" / "rejected"
    assert (folder / "mixed.csv").read_bytes() == original
    told = json.loads((folder / "mixed.csv.report.json").read_text())
    assert told["rejected"] == [
        {"record": "line 2", "reason": "bad-1 is bad"},
        {"record": "line 4", "reason": "bad-2 is bad"},
    ]
    assert (told["file"], told["format"], told["accepted"], told["take"]) == ("mixed.csv", "lines", 2, 1)
    assert (tmp_path / told["original"]).read_bytes() == original
    assert "line 4: bad-2 is bad\n" in (folder / "mixed.csv.report.txt").read_text()


def test_a_file_without_bad_records_is_not_among_the_rejected(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "good", "a")
    take(settings)
    assert not (tmp_path / "inbox" / "rejected").exists()


def test_a_reader_that_breaks_over_a_file_does_not_keep_the_others(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    (settings.inbox / "poison").write_text("{")
    drop(settings, "good", "a")
    report = take(settings)
    assert {file.name: (file.accepted, file.rejected) for file in report.files} == {"poison": (0, 1), "good": (1, 0)}
    assert "JSONDecodeError" in (tmp_path / "inbox/rejected/poison.report.txt").read_text()


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (shapely.Polygon(), "covers no square"),
        (shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), "Self-intersection"),
    ],
)
def test_a_footprint_without_squares_is_rejected_and_does_not_stop_its_batch(
    tmp_path: Path, outline: Any, reason: str
) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "x")
    bad = SceneFootprint(Scene("h1awj"), outline)
    report = take_inbox(settings, later(0), lambda _: ReadFile("lines", [bad, *read_lines_of("a")], []))
    assert report and report.batches == {"scenes-000001-00001": 1}
    (told,) = json.loads((tmp_path / "inbox/rejected/one.report.json").read_text())["rejected"]
    assert told["record"] == "scene h1awj" and reason in told["reason"]


def read_lines_of(*names: str) -> list[SceneFootprint]:
    from mosaic_assets_tests.csquares.archived import footprint

    return [footprint(name) for name in names]


def test_a_product_folder_is_moved_whole_and_not_copied_to_the_rejected(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    folder = settings.inbox / "S3A.SEN3"
    folder.mkdir()
    (folder / "xfdumanifest.xml").write_text('"bad"')
    take_inbox(settings, later(0), lambda path: read_lines(path / "xfdumanifest.xml"))
    assert (tmp_path / "inbox/taken/000001/files/S3A.SEN3/xfdumanifest.xml").exists()
    assert sorted(path.name for path in (tmp_path / "inbox" / "rejected").iterdir()) == [
        "S3A.SEN3.report.json",
        "S3A.SEN3.report.txt",
    ]


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


def test_an_inbox_that_cannot_be_moved_from_says_so_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = archive(tmp_path)
    path = drop(settings, "one", "a")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(HomeNotWritableError, match="permission is denied"):
        take(settings)
    monkeypatch.undo()
    assert path.exists() and unfinished_take(settings)
    assert take(settings).batches == {"scenes-000001-00001": 1}


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"take": 1, "files": 3}'])
def test_a_damaged_record_of_a_take_is_named_with_a_remedy(tmp_path: Path, content: str) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    take(settings)
    (tmp_path / "inbox/taken/000001/report.json").write_text(content)
    with pytest.raises(StoreError, match=r"report\.json.*drop the files"):
        list(take_reports(settings))
    (tmp_path / "inbox/taken/000001/report.json").unlink()
    (tmp_path / "inbox/taken/000001/plan.json").write_text(content)
    with pytest.raises(StoreError, match=r"plan\.json.*drop the files"):
        uploading(settings)


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours may catch it."""


DROPPED: dict[str, tuple[Any, ...]] = {
    "1-mixed": ("a", "bad-1", ("b", 10, 10), "c", "d"),
    "2-bad": ("bad-2",),
    "3-again": (("b", 50, 50), "e", "f", "g"),
}
MOMENT = later(0)


def dropped(home: Path) -> Settings:
    settings = archive(home)
    for age, (name, records) in enumerate(DROPPED.items()):
        path = drop(settings, name, *records)
        os.utime(path, (1_700_000_000 + age,) * 2)
    return settings


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed take makes of it."""
    settings = dropped(tmp_path_factory.mktemp("undisturbed"))
    assert take_inbox(settings, MOMENT, read_lines)
    found = everything(settings)
    assert [name for name in found if "queue" in name] == [
        f"inbox/queue/scenes-000001-0000{number}.parquet" for number in (1, 2, 3)
    ]
    assert len([name for name in found if "rejected" in name]) == 6
    assert list(settings.inbox.iterdir()) == []
    return found


def agrees(settings: Settings, expected: dict[str, bytes]) -> None:
    take_inbox(settings, MOMENT, read_lines)
    assert everything(settings) == expected
    assert take_inbox(settings, MOMENT, read_lines) is None


SEAMS = [(inbox, "move"), (inbox, "write_footprints"), (inbox, "write_bytes"), (inbox, "read_usable"),
         (inbox, "report_rejections"), (rejections, "write_bytes"), (rejections, "_put"), (files, "sync")]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize(("module", "step"), SEAMS)
def test_a_take_that_ends_at_any_step_is_made_up_for(
    tmp_path: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
    module: Any, step: str, call: int, when: str,
) -> None:  # fmt: skip
    settings = dropped(tmp_path)
    monkeypatch.setattr(module, step, ending(getattr(module, step), call, when))
    try:
        take_inbox(settings, MOMENT, read_lines)
    except Killed:
        pass
    else:
        assert call > 2  # some steps come only twice
    monkeypatch.undo()
    agrees(settings, expected)


def ending(whole: Callable[..., Any], call: int, when: str) -> Callable[..., Any]:
    calls = 0

    def step(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            raise Killed
        result = whole(*arguments, **more)
        if calls == call:
            raise Killed
        return result

    return step


@pytest.mark.parametrize("call", range(1, 26, 3))
def test_a_take_whose_process_is_killed_is_made_up_for(tmp_path: Path, expected: dict[str, bytes], call: int) -> None:
    """No cleaning up happens in a process that is killed; it leaves its temporary files."""
    settings = dropped(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads, of which the child needs none
        child = os.fork()
    if child == 0:
        files.sync = killing(files.sync, call)  # type: ignore[assignment]
        inbox.sync = files.sync  # type: ignore[attr-defined]
        take_inbox(settings, MOMENT, read_lines)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    agrees(settings, expected)


def killing(whole: Callable[[Path], None], call: int) -> Callable[[Path], None]:
    calls = 0

    def sync(path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        whole(path)

    return sync


def test_a_batch_size_that_changes_meanwhile_does_not_cut_a_begun_take_anew(
    tmp_path: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dropped(tmp_path)
    monkeypatch.setattr(inbox, "write_footprints", ending(inbox.write_footprints, 2, "after"))
    with pytest.raises(Killed):
        take_inbox(settings, MOMENT, read_lines)
    monkeypatch.undo()
    agrees(archive(tmp_path, batch_size=100), expected)


def test_batches_that_had_their_turn_before_a_take_was_finished_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dropped(tmp_path)
    monkeypatch.setattr(inbox, "write_footprints", ending(inbox.write_footprints, 2, "after"))
    with pytest.raises(Killed):
        take_inbox(settings, MOMENT, read_lines)
    monkeypatch.undo()
    upload(settings)
    take_inbox(settings, MOMENT, read_lines)
    assert waiting_batches(settings) == ["scenes-000001-00003"]
    upload(settings)
    with open_index(settings.csquares) as index:
        assert sorted(index.ids().tolist()) == list("abcdefg")
        assert index.ids(point=(51, 51)).tolist() == ["b"]


def test_a_file_that_changed_since_the_plan_waits_for_the_next_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    drop(settings, "two", "b")
    monkeypatch.setattr(inbox, "move", ending(inbox.move, 1, "after"))
    with pytest.raises(Killed):
        take(settings)
    monkeypatch.undo()
    (left,) = settings.inbox.iterdir()
    drop(settings, left.name, "b", "c")
    assert uploading(settings).files == 2
    first, second = take(settings), take(settings)
    assert [file.accepted for file in first.files] == [1, 0]
    assert [file.accepted for file in second.files] == [2]
