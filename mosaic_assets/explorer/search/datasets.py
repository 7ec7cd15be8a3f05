"""What the index has of each data set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mosaic_assets.csquares.answers import Span
from mosaic_assets.explorer.links import DATASETS, dataset_of
from mosaic_assets.explorer.search.scenes import moment
from mosaic_assets.store.csquare_records import NO_TIME, time_text

TITLES = {
    "scenes": "Satellite scenes",
    "tiles": "Tiles of the colour library",
    "crops": "Sentinel-3 crops",
    "chips": "Labelled chips",
    "queries": "Localization queries",
    "gallery": "Gallery tiles",
}


def datasets_of(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return a record of each data set, those that the index has nothing of included.

    Examples
    --------
    >>> found = datasets_of([Span("NOAA-12", 3, 0, 60_000_000)])
    >>> found[0]["scenes"], found[0]["first"], found[0]["last"], found[1]["scenes"]
    (3, '1970-01-01T00:00:00Z', '1970-01-01T00:01:00Z', 0)
    """
    return [_record(name, [span for span in spans if dataset_of(span.platform) == name]) for name in DATASETS]


def _record(name: str, spans: Sequence[Span]) -> dict[str, Any]:
    timed = [span for span in spans if span.first != NO_TIME]
    return {
        "name": name,
        "title": TITLES[name],
        "scenes": sum(span.scenes for span in spans),
        "platforms": [span.platform for span in spans],
        "first": _text(min(span.first for span in timed)) if timed else None,
        "last": _text(max(span.last for span in timed)) if timed else None,
    }


def _text(microseconds: int) -> str | None:
    return moment(time_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)))
