"""Pictures that are kept between requests, within limits; and what reading the data sets has in common."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from mosaic_assets.errors import DataError, StoreError
from mosaic_assets.explorer.reading import Shelf

MOST_BYTES = 32 * 1024 * 1024
"""Thumbnails and drawn pictures that are kept, bytes."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An encoded picture."""

    body: bytes
    media_type: str
    said: str = ""
    """How it was made of the file's pixels, where that is not as they are."""


class DrawnPictures:
    """Pictures by what they were made of; those asked for longest ago go first.

    Examples
    --------
    >>> kept = DrawnPictures(most_bytes=10)
    >>> for name in "abc":
    ...     _ = kept.get(name, lambda: Drawn(b"12345", "image/png"))
    >>> kept.names(), kept.size
    (['b', 'c'], 10)
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self.size = most_bytes, 0
        self._pictures: OrderedDict[Hashable, Drawn] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, draw: Callable[[], Drawn]) -> Drawn:
        """Return the picture of a name, drawn now if it is not kept."""
        with self._lock:
            found = self._pictures.get(name)
            if found is not None:
                self._pictures.move_to_end(name)
                return found
        drawn = draw()
        with self._lock:
            if name not in self._pictures and len(drawn.body) <= self._most:
                self._pictures[name] = drawn
                self.size += len(drawn.body)
                while self.size > self._most:
                    self.size -= len(self._pictures.popitem(last=False)[1].body)
        return drawn

    def names(self) -> list[Hashable]:
        """What is kept, the first to go first."""
        return list(self._pictures)


def drawn_pictures(shelf: Shelf) -> DrawnPictures:
    """Return the pictures that are kept."""
    return cast(DrawnPictures, shelf.kept.setdefault("datasets.pictures", DrawnPictures()))


@contextmanager
def one_at_a_time(shelf: Shelf, name: str) -> Iterator[None]:
    """Let one thread do a thing that takes much memory or a library that is not for threads."""
    lock = cast(threading.Lock, shelf.kept.setdefault(f"datasets.lock.{name}", threading.Lock()))
    with lock:
        yield


@contextmanager
def reading_home() -> Iterator[None]:
    """Turn what is wrong with a file of the data home into an error of the store: whoever asked made no mistake."""
    try:
        yield
    except DataError as error:
        raise StoreError(str(error)) from error
