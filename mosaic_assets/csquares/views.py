"""Where on Earth each pixel of a picture lies: flat maps centred on what is shown, and views from above a pole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare_codes import Squares

Floats = arrays.Floats

WIDTH = 900
"""Pixels across a flat map; a polar view is half as wide."""
_MARGIN = 0.15
"""Space left round what is shown, as a share of its width and height."""
_LEAST = 6
"""A map shows at least so many times the largest square, so that something is seen around it."""


@dataclass(frozen=True)
class View:
    """A picture's pixels as places."""

    lng: Floats
    """(h, w) degrees, -180..180; NaN outside the Earth."""
    lat: Floats
    """(h, w) degrees; NaN outside the Earth."""
    extent: tuple[float, float, float, float]
    """Left, right, bottom and top of the picture: degrees, longitudes running on past 180; around a pole, degrees from it."""
    pole: int
    """1 or -1 seen from above that pole, 0 for a flat map."""

    @property
    def pixel(self) -> float:
        """Height of a pixel, degrees."""
        return (self.extent[3] - self.extent[2]) / len(self.lat)


def views_of(squares: Squares) -> list[View]:
    """Return the views that show squares well: a flat map, and one of each pole that they reach.

    Parameters
    ----------
    squares : Squares
        Limits in degrees, (n,) each; n may be 0, then the map is of the world.

    Examples
    --------
    >>> from mosaic_assets.csquares import decode
    >>> [view.pole for view in views_of(decode(["1817:499:4", "1800:1"]))]
    [0, 1]
    """
    if len(squares.west) == 0:
        return [flat_view(-180, 180, -90, 90)]
    found = [_map_of(squares)]
    for pole in (1, -1):
        inner = squares.north if pole == 1 else -squares.south
        outer = squares.south if pole == 1 else -squares.north
        if (inner == 90).any():
            # Down to the lowest square that lies on this half of the Earth as a whole.
            low = outer[outer >= 0].min(initial=80.0)
            found.append(polar_view(pole, min(90.0, (90 - low) * 1.1)))
    return found


def _map_of(squares: Squares) -> View:
    west, east = occupied_span(squares.west, squares.east)
    south, north = float(squares.south.min()), float(squares.north.max())
    least = _LEAST * float(squares.resolution.max())
    across = min(360.0, max((east - west) * (1 + 2 * _MARGIN), least))
    down = min(180.0, max((north - south) * (1 + 2 * _MARGIN), least, across / 3))
    across = max(across, min(360.0, down))
    if across > 180:
        middle = (west + east) / 2 if east - west < 300 else 0.0
        return flat_view(middle - 180, middle + 180, -90, 90)
    middle, level = (west + east) / 2, float(np.clip((south + north) / 2, -90 + down / 2, 90 - down / 2))
    return flat_view(middle - across / 2, middle + across / 2, level - down / 2, level + down / 2)


def occupied_span(west: Floats, east: Floats) -> tuple[float, float]:
    """Return the shortest span of longitude that holds squares, whether or not it goes over the date line.

    Parameters
    ----------
    west, east : (n,) float64
        Degrees, -180..180, west < east; n > 0.

    Returns
    -------
    west, east : float
        Degrees; ``east`` may exceed 180.

    Examples
    --------
    >>> occupied_span(np.array([178.0, -180]), np.array([179.0, -179]))
    (178.0, 181.0)
    """
    order = np.argsort(west)
    start, reach = west[order], np.maximum.accumulate(east[order])
    gaps = np.append(start[1:], start[0] + 360) - reach
    widest = int(np.argmax(gaps))
    if gaps[widest] <= 0:
        return -180.0, 180.0
    first = start[(widest + 1) % len(start)]
    return float(first), float(reach[widest] + (360 if reach[widest] <= first else 0))


def flat_view(west: float, east: float, south: float, north: float) -> View:
    """Return a map, straight in longitude and latitude; nearer to a pole it is drawn higher, as the land is narrower."""
    middle = np.cos(np.radians((south + north) / 2))
    stretch = 1.0 if north - south > 90 else 1 / max(0.3, float(middle))
    height = int(np.clip(WIDTH * (north - south) / (east - west) * stretch, WIDTH / 4, WIDTH))
    lng = west + (np.arange(WIDTH) + 0.5) * (east - west) / WIDTH
    lat = north - (np.arange(height) + 0.5) * (north - south) / height
    x, y = np.meshgrid((lng + 180) % 360 - 180, lat)
    return View(x, y, (west, east, south, north), 0)


def polar_view(pole: int, reach: float) -> View:
    """Return the view from above a pole: distances from it are true, Greenwich points down (north) or up (south).

    Parameters
    ----------
    pole : int
        1 for the north, -1 for the south.
    reach : float
        Degrees from the pole to the edge.
    """
    side = WIDTH // 2
    at = ((np.arange(side) + 0.5) / side * 2 - 1) * reach
    x, y = np.meshgrid(at, -at)
    away = np.hypot(x, y)
    away[away > reach] = np.nan
    lng = np.degrees(np.arctan2(x, -pole * y))
    return View(np.where(np.isnan(away), np.nan, lng), pole * (90 - away), (-reach, reach, -reach, reach), pole)
