"""A take that ends at any step is made up for by the next: no crash loses or doubles anything."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.csquares import inbox, rejections
from mosaic_assets.csquares.inbox import take_inbox
from mosaic_assets.csquares.search import open_index
from mosaic_assets.csquares.uploading import uploading, waiting_batches
from mosaic_assets.settings import Settings
from mosaic_assets.store import files
from mosaic_assets_tests.csquares.archived import archive, drop, everything, later, read_lines, take, upload
from mosaic_assets_tests.killed import Killed

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
