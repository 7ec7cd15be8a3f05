"""Files below the data home, opened so that nothing in a manifest or a database can name another file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mosaic_assets.errors import NotBuiltError

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of a picture's file; a larger one is refused before anything of it is read."""
PICTURE_TYPES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".npy", ".zip")

Identity = tuple[int, int, int]
"""Time of change in nanoseconds, bytes, inode: what a file that was made anew has not in common with the one before."""


class PictureError(NotBuiltError):
    """A picture that is not there, not below the data home, damaged or too large to show."""


@dataclass(frozen=True, slots=True)
class HomeFile:
    """A file below the data home that may be read."""

    path: Path
    """Resolved."""
    identity: Identity


def find_picture(home: Path, named: str) -> HomeFile:
    """Return the file that a manifest names, if it may be shown.

    Parameters
    ----------
    home : Path
        The data home.
    named : str
        Relative to it, with ``/`` between the parts.

    Raises
    ------
    PictureError
        An absolute path, a URL, ``..``, a link that leads out of the home, no regular file, none of `PICTURE_TYPES`, more than
        64 MB, or not there.
    """
    parts = PurePosixPath(named).parts
    if not parts or "\0" in named or "://" in named or "\\" in named or named.startswith("/") or ".." in parts:
        raise _refusal(named, "expected a path below the data home; mend the row that names it")
    if PurePosixPath(named).suffix.lower() not in PICTURE_TYPES:
        raise _refusal(named, f"expected a picture, one of {', '.join(PICTURE_TYPES)}; mend the row that names it")
    root = home.resolve()
    try:
        path = (root / named).resolve(strict=True)
        found = path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise _refusal(named, "it is not there; make the data set anew") from error
    if not path.is_relative_to(root) or path.suffix.lower() not in PICTURE_TYPES:
        raise _refusal(named, "it is a link to a file elsewhere; put the file itself there")
    if not stat.S_ISREG(found.st_mode):
        raise _refusal(named, "it is no regular file; make the data set anew")
    if found.st_size > LARGEST_FILE:
        raise _refusal(named, f"it has {found.st_size:,} bytes, more than the {LARGEST_FILE:,} that are shown")
    return HomeFile(path, identity_of(found))


def read_picture(file: HomeFile) -> bytes:
    """Return the bytes of a file that was found; `PictureError` when it was exchanged or taken away meanwhile."""
    try:
        with _opened(file.path) as descriptor:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
                raise _refusal(file.path.name, "it was exchanged meanwhile; ask again")
            with os.fdopen(os.dup(descriptor), "rb") as opened:
                return opened.read(LARGEST_FILE)
    except OSError as error:
        raise _refusal(
            file.path.name, f"it cannot be read ({error.strerror}); ask again, or give permission"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Neither follows a link that took the file's place, nor waits for the other end of a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def identity_of(found: os.stat_result) -> Identity:
    """Return what tells a file from the one that takes its place."""
    return found.st_mtime_ns, found.st_size, found.st_ino


def identity_at(path: Path) -> Identity | None:
    """Return the identity of whatever is at a path; None for nothing."""
    try:
        return identity_of(path.stat())
    except OSError:
        return None


def _refusal(named: str, why: str) -> PictureError:
    return PictureError(f"showing the picture {named[:120]!r}: {why}")
