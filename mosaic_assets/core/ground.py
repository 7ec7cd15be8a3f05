"""Sizes on the ground: metres on the WGS 84 ellipsoid."""

from __future__ import annotations

import math
from typing import NamedTuple

from mosaic_assets.core.tiles import EARTH_RADIUS_M

FLATTENING = 1 / 298.257223563
"""Of the WGS 84 ellipsoid, whose equatorial radius is `EARTH_RADIUS_M`."""


class GroundPixel(NamedTuple):
    """Size of a pixel on the ground, metres on the WGS 84 ellipsoid."""

    east_west_m: float
    north_south_m: float


def metres_a_radian(lat: float) -> tuple[float, float]:
    """Return how many metres a radian of longitude and one of latitude measure at a latitude in degrees.

    Examples
    --------
    >>> [round(metres * math.pi / 180) for metres in metres_a_radian(0.0)]
    [111319, 110574]
    """
    sine, cosine = math.sin(math.radians(lat)), math.cos(math.radians(lat))
    eccentricity = FLATTENING * (2 - FLATTENING)
    across = EARTH_RADIUS_M / math.sqrt(1 - eccentricity * sine**2)
    along = across * (1 - eccentricity) / (1 - eccentricity * sine**2)
    return across * cosine, along
