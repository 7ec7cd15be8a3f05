"""Publishing files: the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from mosaic_assets.errors import BusyError, HomeNotWritableError, RoundExistsError
from mosaic_assets.store import files
from mosaic_assets.store.files import (
    explaining_refusals,
    holding,
    make_folder,
    publishing,
    remove,
    sweep,
    temporary_beside,
    write_bytes,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_with_its_folders(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "c.txt", b"whole", "writing")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"whole"
    assert names(tmp_path / "a" / "b") == ["c.txt"]


def test_nothing_is_at_the_path_before_the_body_has_ended(tmp_path):
    path = tmp_path / "new"
    with publishing(path, "writing") as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists() and temporary.parent == tmp_path
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_body_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), publishing(path, "writing") as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file"]


def test_a_file_is_replaced_unless_that_is_forbidden(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old", "writing")
    write_bytes(path, b"new", "writing")
    told = pytest.raises(RoundExistsError, match=r"file was published by another run.*Run again")
    with told, publishing(path, "writing", replace=False) as temporary:
        temporary.write_bytes(b"newer")
    assert path.read_bytes() == b"new" and names(tmp_path) == ["file"]


def test_of_many_that_publish_one_path_at_once_one_succeeds(tmp_path):
    path, ready, results = tmp_path / "round", threading.Barrier(8), []

    def publish(number):
        try:
            with publishing(path, "writing", replace=False) as temporary:
                temporary.write_bytes(bytes([number]))
                ready.wait(20)
            results.append(number)
        except RoundExistsError:
            results.append(None)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number in results if number is not None]
    assert path.read_bytes() == bytes([winner]) and names(tmp_path) == ["round"]


def test_the_content_is_durable_before_it_has_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    monkeypatch.setattr(files, "sync", lambda what: seen.append((what == path.parent, path.exists())))
    write_bytes(path, b"whole", "writing")
    assert seen == [(False, False), (True, True)]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EACCES, "permission is denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "the disk reports an error"),
    ],
)
def test_a_refusal_of_the_system_names_attempt_path_reason_and_remedy(tmp_path, code, reason):
    with (
        pytest.raises(
            HomeNotWritableError, match=rf"baking failed: .*cake cannot be written because .*{reason}.*--home"
        ),
        explaining_refusals("baking", tmp_path / "cake"),
    ):
        raise OSError(code, os.strerror(code))


def test_other_errors_are_not_explained_away(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OSError, match="not empty"), explaining_refusals("removing", tmp_path):
        (tmp_path / "full").rmdir()


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_where_a_folder_is_to_be_is_named(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeNotWritableError, match="file"):
        make_folder(tmp_path / path)


# What killed processes leave


def killed_writers_file(path):
    """A temporary file of a process that has ended."""
    script = (
        "import sys; from pathlib import Path; from mosaic_assets.store.files import temporary_beside\n"
        "print(temporary_beside(Path(sys.argv[1])))"
    )
    output = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    temporary = path.with_name(output.stdout.strip().rpartition("/")[2])
    temporary.write_bytes(b"half")
    return temporary


def test_a_killed_processs_temporary_file_goes_with_the_next_publication(tmp_path):
    path = tmp_path / "round-00001.parquet"
    killed_writers_file(path)
    write_bytes(path, b"whole", "writing")
    assert names(tmp_path) == [path.name]


def test_sweeping_leaves_alone_what_others_may_still_write(tmp_path):
    path = tmp_path / "file"
    mine, other_path = temporary_beside(path), killed_writers_file(tmp_path / "other")
    mine.write_bytes(b"being written")
    elsewhere = path.with_name(".file.elsewhere-4194305-00000000.tmp")  # above the largest number of a process
    elsewhere.write_bytes(b"being written on another machine")
    sweep(path)
    assert mine.exists() and elsewhere.exists() and other_path.exists()


def test_sweeping_removes_what_nobody_has_touched_for_a_day(tmp_path):
    elsewhere = tmp_path / ".file.elsewhere-1-00000000.tmp"
    elsewhere.write_bytes(b"")
    os.utime(elsewhere, (time.time() - 90_000,) * 2)
    sweep(tmp_path / "file")
    assert not elsewhere.exists()


def test_temporary_names_do_not_repeat_and_are_hidden(tmp_path):
    path = tmp_path / "file"
    made = {temporary_beside(path).name for _ in range(100)}
    assert len(made) == 100 and all(name.startswith(".file.") and name.endswith(".tmp") for name in made)


def test_sweeping_takes_folders_too_and_tells_the_bytes(tmp_path):
    """A name may be a pattern."""
    folder = killed_writers_file(tmp_path / "round-00003.staged")
    folder.unlink()
    folder.mkdir()
    (folder / "a").write_bytes(b"12345")
    (folder / "b").write_bytes(b"678")
    mine = temporary_beside(tmp_path / "round-00004.staged")
    mine.mkdir()
    assert sweep(tmp_path / "round-*.staged") == 8
    assert names(tmp_path) == [mine.name]


def test_removing_what_is_not_there_is_no_matter(tmp_path):
    assert remove(tmp_path / "nothing") == 0
    (tmp_path / "file").write_bytes(b"123")
    assert remove(tmp_path / "file") == 3 and names(tmp_path) == []


# Locks


def test_a_lock_is_held_by_one_and_free_afterwards(tmp_path):
    lock = tmp_path / "locks" / "a.lock"
    told = pytest.raises(BusyError, match=r"baking cannot start.*a\.lock.*run again")
    with holding(lock, "baking"), told, holding(lock, "baking"):
        pass
    with holding(lock, "baking"):
        pass


def test_a_lock_is_waited_for(tmp_path):
    lock, order = tmp_path / "a.lock", []
    held = threading.Event()

    def hold():
        with holding(lock, "baking"):
            held.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with holding(lock, "baking", wait_s=20):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_killed_holder_frees_its_lock(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from mosaic_assets.store.files import holding\n"
        "with holding(Path(sys.argv[1]), 'baking'):\n  print('held', flush=True); time.sleep(60)"
    )
    lock = tmp_path / "a.lock"
    holder = subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError), holding(lock, "baking"):
        pass
    holder.kill()
    holder.communicate()
    with holding(lock, "baking"):
        pass
