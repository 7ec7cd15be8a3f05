"""Scenes of the c-square index as the columns that the file has: for answers that need no `Scene`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from typing import NamedTuple

from mosaic_assets.store.csquare_db import CsquareDatabase
from mosaic_assets.store.csquare_records import Scene

_NAMES = ", ".join(field.name for field in fields(Scene))
_MARKS = 64
"""So many slots are bound one by one, which is faster than as JSON."""


class SceneRow(NamedTuple):
    """A scene as it stands in ``index.db``: the fields of `Scene`, the time as text."""

    id: str
    platform: str
    instrument: str
    time: str | None
    """``2003-06-21T06:23:00.000000Z``, always of 27 characters."""
    image_location: str
    thumbnail: str
    source: str
    licence: str


def scene_rows(db: CsquareDatabase, slots: Sequence[int]) -> list[SceneRow]:
    """Return the scenes in some slots, in the order of the slots asked for."""
    few = len(slots) <= _MARKS
    rows = db.query(_sql(len(slots) if few else None), slots if few else (json.dumps(slots),))
    found = {row[0]: row for row in rows}
    return [SceneRow(*found[slot][1:]) for slot in slots]


@cache
def _sql(marks: int | None) -> str:
    wanted = "SELECT value FROM json_each(?)" if marks is None else ",".join("?" * marks)
    return f"SELECT slot, {_NAMES} FROM scenes WHERE slot IN ({wanted})"


def footprint_pages(db: CsquareDatabase, size: int = 2_000) -> Iterator[list[tuple[int, bytes]]]:
    """Yield (slot, packed keys) of all scenes, some at a time; read them inside `CsquareDatabase.reading`."""
    last = -1
    while rows := db.query("SELECT slot, keys FROM footprints WHERE slot > ? ORDER BY slot LIMIT ?", (last, size)):
        yield [(int(slot), bytes(keys)) for slot, keys in rows]
        last = int(rows[-1][0])
