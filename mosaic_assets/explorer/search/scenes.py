"""Scenes and places as the answers have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mosaic_assets.csquares.features import boxes_of, code_of_key
from mosaic_assets.explorer.links import CONTRIBUTED, PICTURES, dataset_of, picture_link, thumbnail_link
from mosaic_assets.store.csquare_pages import SceneRow

MOST_DRAWN = 500
"""Squares of a place that an answer lists."""


def plain(row: SceneRow) -> dict[str, Any]:
    """Return a scene as plain values."""
    number, platform, instrument, time, image_location, _, source, licence = row
    dataset = dataset_of(platform)
    pictured = has_picture(row)
    return {
        "id": number,
        "dataset": dataset,
        "platform": platform,
        "instrument": instrument,
        "time": moment(time),
        "image_location": image_location,
        "source": source,
        "licence": licence,
        "synthetic": is_synthetic(instrument, source, licence),
        "thumbnail": thumbnail_link(dataset, number) if pictured else None,
        "picture": picture_link(dataset, number) if pictured else None,
    }


def moment(time: str | None) -> str | None:
    """Return a time of the index as answers have it: microseconds only where there are any.

    Examples
    --------
    >>> moment("2003-06-21T06:23:00.000000Z"), moment(None)
    ('2003-06-21T06:23:00Z', None)
    """
    return f"{time[:19]}Z" if time and time[19:26] == ".000000" else time


def is_synthetic(*said: str) -> bool:
    """Return whether instrument, source or licence say that a picture is made up: all that is made up here says so.

    Examples
    --------
    >>> is_synthetic("OLCI Sentinel-3A (synthetic)", ""), is_synthetic("AVHRR", "CSIRO")
    (True, False)
    """
    return any("synthetic" in text.lower() for text in said)


def has_picture(row: SceneRow) -> bool:
    """Return whether a scene names a picture below the data home; whether it is there, asking for it tells."""
    if row.platform in CONTRIBUTED:
        return True
    return any(name.lower().endswith(PICTURES) and "://" not in name for name in (row.thumbnail, row.image_location))


def place_of(kind: str | None, keys: Sequence[int] | None) -> dict[str, Any]:
    """Return the squares that stood for a place, as many as are drawn.

    Examples
    --------
    >>> place_of("code", [19])["squares"]
    ['1000:101:1']
    """
    squares = [code_of_key(key) for key in keys[:MOST_DRAWN]] if keys else []
    return {"kind": kind, "count": len(keys or ()), "squares": squares, "boxes": boxes_of(squares)}
