"""What a search of scenes answers with: pages of scenes, ids, and what there is of each platform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.store.csquare_db import CsquareDatabase
from mosaic_assets.store.csquare_pages import SceneRow
from mosaic_assets.store.csquare_records import NO_TIME, Catalogue, Scene

_WIDE = 64_000_000
"""Bytes up to which all ids are held as text of one length, which is some 30 times as fast to choose from."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search's answer."""

    count: int
    """Scenes found, on all pages together."""
    page: int
    limit: int
    scenes: list[Scene]
    """Those on this page, by time, platform and id."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search's answer with the place that was asked for; see `SceneIndex.find`."""

    count: int
    """Scenes found, on all pages together."""
    rows: list[SceneRow]
    """Those on this page, by time, platform and id."""
    place: list[int] | None
    """Keys of the fewest squares that stand for the place, ascending; None for everywhere."""


@dataclass(frozen=True, slots=True)
class Span:
    """What the index has of a platform."""

    platform: str
    scenes: int
    first: int
    last: int
    """Times of the first and the last scene that has one, microseconds since 1970 UTC; `NO_TIME` where none has."""


def spans_of(catalogue: Catalogue) -> tuple[Span, ...]:
    """Return what a catalogue has of each platform, sorted by platform."""
    return tuple(sorted(_spans(catalogue), key=lambda span: span.platform))


def _spans(catalogue: Catalogue) -> Iterator[Span]:
    times, platforms = catalogue.times, catalogue.platforms
    for number in np.unique(platforms).tolist():
        own = times[platforms == number]
        timed = own[: own.searchsorted(NO_TIME)]  # times ascend
        ends = (int(timed[0]), int(timed[-1])) if len(timed) else (NO_TIME, NO_TIME)
        yield Span(catalogue.names[number], len(own), *ends)


def all_ids(db: CsquareDatabase, catalogue: Catalogue) -> NDArray[Any]:
    """Return the ids of all scenes by number, (n,) text; inside `CsquareDatabase.reading`."""
    slots, ids = zip(*db.ids(), strict=True) if len(catalogue.order) else ((), ())
    longest = max(map(len, ids), default=1)
    kind = f"<U{longest}" if 4 * longest * len(ids) <= _WIDE else np.dtypes.StringDType()
    by_slot = np.empty(catalogue.slots, kind)
    by_slot[list(slots)] = ids
    return by_slot[catalogue.order]
