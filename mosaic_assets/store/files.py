"""Writing files so that a reader or a crash meets the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from mosaic_assets.errors import BusyError, HomeNotWritableError, RoundExistsError

_REFUSALS = {
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file system allows no file of that size",
    errno.EIO: "the disk reports an error",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder of that name",
    errno.EEXIST: "there is a file of that name where a folder is needed",
}

ABANDONED_AFTER_S = 24 * 3600.0
"""Age at which a temporary file that nobody has written to since is taken for a killed process's, seconds."""

_WRITER = re.compile(r"\.(?P<host>\w+)-(?P<pid>\d+)-[0-9a-f]{8}\.tmp$")


@contextlib.contextmanager
def explaining_refusals(attempt: str, path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into a `HomeNotWritableError` that says what to do.

    Parameters
    ----------
    attempt : what was being done, to complete "... failed", e.g. ``"publishing round 3 of dallol"``.
    path : the file or folder it was done to.
    """
    try:
        yield
    except OSError as error:
        reason = _REFUSALS.get(error.errno or 0)
        if reason is None:
            raise
        raise HomeNotWritableError(
            f"{attempt} failed: {error.filename or path} cannot be written because {reason}. Nothing that was there is "
            f"lost. Make room or give permission, or choose another folder with --home or MOSAIC_HOME; then run again"
        ) from error


def make_folder(path: Path) -> Path:
    """Create a folder with its parents; return it. Raises `HomeNotWritableError`."""
    with explaining_refusals("creating a folder", path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # some file systems, such as /proc, answer so where nothing can be made
            raise PermissionError(errno.EACCES, str(error), str(path)) from error
    return path


def temporary_beside(path: Path) -> Path:
    """Name of a temporary file in the folder of ``path``, so that a rename to ``path`` stays on one disk."""
    return path.with_name(f".{path.name}.{_this_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")


def sweep(path: Path) -> int:
    """Remove the temporary files and folders for ``path`` whose writer was killed; return how many bytes they held.

    Those of a living process of this machine stay, and so do those of another machine until they are a day old. The
    name may be a pattern, ``round-*.staged`` say.
    """
    freed = 0
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if _is_abandoned(leftover):
                freed += remove(leftover)
    return freed


def remove(path: Path) -> int:
    """Remove a file, or a folder with the files in it; return how many bytes they held. Nothing there is no matter."""
    files = [path] if path.is_file() else [*path.iterdir()] if path.is_dir() else []
    held = sum(file.stat().st_size for file in files)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return held


def _is_abandoned(temporary: Path) -> bool:
    if time.time() - temporary.stat().st_mtime > ABANDONED_AFTER_S:
        return True
    match = _WRITER.search(temporary.name)
    if match is None or match["host"] != _this_host():
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    return False


def _this_host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", os.uname().nodename)


def sync(path: Path) -> None:
    """Ask the disk to hold a file or a folder's entries before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and ask the disk to hold it; killed meanwhile, it is there in part."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def publishing(path: Path, attempt: str, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write; on leaving, make it durable and rename it to ``path``.

    When the body raises, the temporary file goes and ``path`` stays as it was; that of a killed process goes with the
    next attempt.

    Parameters
    ----------
    path : where the file is to appear; its folder is created.
    attempt : what is being done, for the error message.
    replace : False refuses with `RoundExistsError` when ``path`` exists, also when another process creates it meanwhile.
    """
    make_folder(path.parent)
    sweep(path)
    temporary = temporary_beside(path)
    try:
        with explaining_refusals(attempt, path):
            yield temporary
            sync(temporary)
            if replace:
                temporary.replace(path)
            else:
                _link_new(temporary, path)
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _link_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # fails if path exists, atomically; a rename would replace it
    except FileExistsError as error:
        raise RoundExistsError(
            f"{path} was published by another run meanwhile; published rounds are immutable. Run again for the next round"
        ) from error


def write_bytes(path: Path, content: bytes, attempt: str) -> None:
    """Publish ``content`` at ``path`` atomically and durably."""
    with publishing(path, attempt) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def holding(lock_file: Path, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock between processes of one machine; the system frees it when the holder dies.

    Parameters
    ----------
    lock_file : an empty file, created if needed and left in place.
    purpose : what the lock is for, for the message.
    wait_s : how long to wait for another holder, seconds.

    Raises
    ------
    BusyError
        Another process holds it and did not let go in time.
    """
    import fcntl

    make_folder(lock_file.parent)
    with explaining_refusals(f"locking for {purpose}", lock_file):
        handle = lock_file.open("w")
    deadline = time.monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"{purpose} cannot start: another process holds {lock_file}. Wait until it has ended, then run again"
                    ) from error
                time.sleep(0.05)
        yield
    finally:
        handle.close()
