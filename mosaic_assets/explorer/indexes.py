"""The c-square index for many threads at a time."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from mosaic_assets.csquares import SceneIndex, open_index
from mosaic_assets.csquares.index import index_path
from mosaic_assets.errors import CodeError, GeometryError, SettingsError, UnknownNameError
from mosaic_assets.explorer.damage import suspecting_damage

MOST_OPEN = min(8, max(2, os.cpu_count() or 1))
"""Open indexes, and threads that answer: one a core, for more only wait for Python's lock (four on two cores answer a fifth fewer
questions a second than two); two at least, so that a slow question does not hold up all others."""


class IndexPool:
    """Open indexes to borrow, for one is for one thread at a time.

    The one given back last is lent first: while requests come one by one, one index does all the work and keeps what it has read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free: list[tuple[SceneIndex, contextlib.ExitStack, tuple[int, int, int]]] = []
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST_OPEN)

    @contextlib.contextmanager
    def borrow(self) -> Iterator[SceneIndex]:
        """Lend an open index.

        Raises
        ------
        NotBuiltError
            There is no index yet.
        DatabaseError
            It is damaged, or not ours.
        """
        with self._room, self.suspecting_damage():
            index, stack, opened = self._take()
            sound = False
            try:
                yield index
                sound = True
            except (CodeError, GeometryError, SettingsError, UnknownNameError):
                sound = True  # whoever asked was mistaken, the index was not
                raise
            finally:
                if sound:
                    with self._lock:
                        self._free.append((index, stack, opened))
                else:
                    stack.close()

    def suspecting_damage(self) -> contextlib.AbstractContextManager[None]:
        """Around whatever reads the index; see `damage`."""
        return suspecting_damage(
            index_path(self._folder), "delete it and materialize csquare_index, which makes it anew from the pairs"
        )

    def close(self) -> None:
        """Close the indexes that nobody has borrowed."""
        with self._lock:
            free, self._free = self._free, []
        for _, stack, _ in free:
            stack.close()

    def _take(self) -> tuple[SceneIndex, contextlib.ExitStack, tuple[int, int, int]]:
        now = self._identity()
        while True:
            with self._lock:
                found = self._free.pop() if self._free else None
            if found is None:
                break
            if found[2] == now:
                return found
            found[1].close()  # the file was replaced or removed since
        stack = contextlib.ExitStack()
        return stack.enter_context(open_index(self._folder)), stack, now

    def _identity(self) -> tuple[int, int, int]:
        path = index_path(self._folder)
        try:
            found = path.stat()
            # Without a log it may be open as it is (`store.sqlite`), and then knows of no change.
            logged = path.with_name(f"{path.name}-wal").exists()
        except OSError:
            return 0, 0, 0
        return found.st_dev, found.st_ino, 0 if logged else found.st_mtime_ns
