"""What goes into the c-square index and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).max
"""Stands in ``Catalogue.times`` for a scene without a time; such scenes come last."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of an archive: all that a search answers with. Texts may be empty, except the id."""

    id: str
    platform: str = ""
    """The satellite, as in ``NOAA-12``."""
    instrument: str = ""
    time: datetime | None = None
    """Start of the acquisition, aware; None where a data set has no times."""
    image_location: str = ""
    thumbnail: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which edition of a batch of pairs this is."""

    published_at: str
    """ISO 8601, UTC, microseconds: later editions sort behind earlier ones."""
    fingerprint: str
    """SHA-256 of scenes and squares."""
    scenes: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A scene as it stands in the index."""

    slot: int
    scene: Scene
    batch: str
    keys: bytes


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns over all scenes, sorted by time (none last), platform and id; a scene's number is its position."""

    order: Ints
    """(n,) slots."""
    times: Ints
    """(n,) microseconds since 1970 UTC, or `NO_TIME`; ascending."""
    platforms: NDArray[np.uint16]
    """(n,) positions in ``names``."""
    names: tuple[str, ...]
    slots: int
    """Slots given out so far, those of removed scenes included."""

    @property
    def in_place(self) -> bool:
        """True when a scene's number is its slot."""
        return len(self.order) == self.slots and bool((self.order == np.arange(self.slots)).all())


def microseconds(moment: datetime | None) -> int:
    """Return an aware moment as microseconds since 1970 UTC; `NO_TIME` for None."""
    if moment is None:
        return NO_TIME
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def sort_key(scene: Scene) -> tuple[int, str, str]:
    """Return what scenes are ordered by: time, platform, id."""
    return microseconds(scene.time), scene.platform, scene.id


def time_text(moment: datetime) -> str:
    """Return an aware moment as ISO 8601 text in UTC, always of 27 characters, so that texts sort as moments do.

    >>> time_text(datetime(2003, 6, 21, 6, 23, tzinfo=UTC))
    '2003-06-21T06:23:00.000000Z'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
