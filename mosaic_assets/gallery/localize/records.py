"""What goes into a method of localization and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile

if TYPE_CHECKING:
    from shapely import Polygon

Image = NDArray[np.uint8]
"""(h, w, 3), red, green, blue."""

LngLat = tuple[float, float]
"""Longitude and latitude, degrees, WGS 84."""

Corners = tuple[LngLat, LngLat, LngLat, LngLat]
"""Upper left, upper right, lower right and lower left corner of a picture, wherever it lies and however it is turned."""


@dataclass(frozen=True, slots=True)
class Query:
    """A picture to be placed, and where it is when that is known."""

    name: str
    image: Image
    truth: LngLat | None = None
    """Of the centre; None when nobody knows or when the place is not in the gallery."""
    footprint: Corners | None = None
    kind: str = ""
    """What was done to it, for the tables of the evaluation."""
    scene: str = ""
    """Class of the scene, e.g. ``urban``; empty where nobody says."""
    nowhere: bool = False
    """True: the place is not in the gallery, and every accepted answer is wrong."""


@dataclass(frozen=True, slots=True)
class Match:
    """A place in the query that matches a place of the gallery: pixels of the query, pixels of the world picture."""

    column: float
    row: float
    world_column: float
    world_row: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer of a method; a method returns them with the best first."""

    lng: float
    lat: float
    footprint: Corners
    """Of the query; of the cell when nothing was verified."""
    score: float
    """Falls along the list; only compared within one list."""
    confidence: float
    """0..1; an answer is accepted from 0.5 on, unless the caller wants another threshold."""
    inliers: int = 0
    """Matches that agree on one place: key points, or patches of the clique (1: the query as a whole). 0: nothing was verified."""
    cell: Tile | None = None
    """Cell of the gallery that led to the answer."""
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a picture is, with how sure that is and a picture that shows it."""

    query: str
    method: str
    accepted: bool
    """Whether ``confidence`` reaches the threshold; otherwise the rest is the best guess, or None and 0."""
    lng: float | None
    lat: float | None
    footprint: Corners | None
    confidence: float
    inliers: int
    seconds: float
    picture: bytes
    """PNG: the query beside the gallery with its outline and the matches."""
    candidates: tuple[Candidate, ...] = ()
    error_m: float | None = None
    """Distance from the true centre, metres, when the query says where it is."""
    synthetic: bool = False
    """Whether the gallery shows made-up imagery: then the place is one in it, not on the Earth."""


ACCEPTED_FROM = 0.5
"""Confidence from which an answer counts as found."""


def confidence_of(value: float, limit: float, steepness: float = 2.0) -> float:
    """Map what a method measured to 0..1, so that its own limit becomes `ACCEPTED_FROM`.

    Examples
    --------
    >>> confidence_of(8, 8), confidence_of(0, 8), round(confidence_of(24, 8), 2)
    (0.5, 0.0, 0.9)
    """
    if value <= 0:
        return 0.0
    return float(1.0 / (1.0 + (limit / value) ** steepness))


def polygon_of(corners: Corners) -> Polygon:
    """Make a shapely polygon of four corners."""
    import shapely

    return shapely.Polygon(corners)
