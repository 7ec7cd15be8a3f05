"""What a scene file is read into, and how large it may be.

========================  =========  ==================================================================================
limit                     value      what it bounds
========================  =========  ==================================================================================
`MAX_BYTES`               1 GiB      a file, and what a packed file unpacks to; an argument of `read_scene_file`
`MAX_RECORD_CHARACTERS`   16 Mi      one feature, line, row or manifest: the most that is held in memory as text
`MAX_VERTICES`            100,000    vertices of a ring or line
`MAX_ID_CHARACTERS`       255        the id of a scene
`MAX_TEXT_CHARACTERS`     4,096      any other text of a scene
`MAX_REJECTIONS`          100,000    records that a report names; further ones are counted
========================  =========  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mosaic_assets.store.csquare_db import Scene

if TYPE_CHECKING:
    from shapely import Geometry

MAX_BYTES = 1 << 30
"""Size of a file, and of what a packed file unpacks to, bytes."""
MAX_RECORD_CHARACTERS = 1 << 24
"""Length of one record as text."""
MAX_VERTICES = 100_000
"""Vertices of a ring or line."""
MAX_ID_CHARACTERS = 255
"""Length of a scene's id."""
MAX_TEXT_CHARACTERS = 4_096
"""Length of any other text of a scene; locations with signatures in them are long."""
MAX_REJECTIONS = 100_000
"""Records that a report names."""


@dataclass(frozen=True, slots=True)
class SceneFootprint:
    """A scene with its outline."""

    scene: Scene
    geometry: Geometry
    """Longitude and latitude in degrees, WGS 84, without a third coordinate; half-degree squares can be made of it."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that cannot be used."""

    record: str
    """Where it is in the file, and the scene's id if that is known: ``feature 17 (scene h1awj)``, ``line 4``."""
    reason: str
    """What was found, what was expected, what to do."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What was read from one file.

    Examples
    --------
    >>> ReadFile("CSV", [], [Rejection("line 4", "it has no geometry")]).rejected[0].record
    'line 4'
    """

    format: str
    """As it was recognised, such as ``GeoJSON``; ``unknown`` where it was not."""
    footprints: list[SceneFootprint]
    rejected: list[Rejection]


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as it stands in the file: nothing of it has been looked at yet."""

    where: str
    """As in `Rejection.record`, without the id."""
    names: Mapping[str, Any]
    """Values by name, as `fields.gather` makes them."""
    shape: Any
    """GeoJSON object, WKT text, WKB bytes, or None."""
    crs: str | None = None
    """Coordinate system, anything that PROJ reads; None: longitude and latitude, WGS 84."""
    spherical: bool = False
    """True when edges are great circles."""
    stac: bool = False
    """True for a STAC item."""


class Lost(Exception):  # noqa: N818  (caught in this package; nobody else meets it)
    """A record, or what is left of a file, cannot be used; the text says why.

    ``record`` says where, if that is not the record at hand.
    """

    def __init__(self, reason: str, record: str = "") -> None:
        super().__init__(reason)
        self.record = record


def excerpt(value: object, most: int = 60) -> str:
    """Return a value as a short text of characters that can be printed.

    Examples
    --------
    >>> excerpt("h1awj"), excerpt("x" * 100, 8)
    ("'h1awj'", "'xxxx...")
    """
    try:
        text = repr(value[: most + 1] if isinstance(value, str) else value)
    except RecursionError:
        text = f"a nested {type(value).__name__}"
    return text if len(text) <= most + 2 else f"{text[: most - 3]}..."


def shortened(name: str) -> str:
    """Return an id as it can be printed, without quotes.

    Examples
    --------
    >>> shortened("Köln"), shortened("x" * 1000) == "x" * 119 + "..."
    ('Köln', True)
    """
    return excerpt(name, 123)[1:].removesuffix(repr(name)[0])
