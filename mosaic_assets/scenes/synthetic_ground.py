"""Where the pixels of a synthetic scene lie, and what colour the ground has there: Blue Marble and made-up detail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACROSS_M = 270.0
"""Pixels are so far apart across the track ..."""
ALONG_M = 294.0
"""... and along it, metres."""
EARTH_M = 6_371_008.8
"""Mean radius, metres."""
TIE_STEP = 64
"""Columns between tie points; there is one in every row."""
GROUND_ZOOM = 8
"""Zoom of the tiles that colour a scene: 400 to 600 m a pixel, interpolated."""
LOCAL_HOUR_DEG = -30.0
"""The satellite comes at ten in the morning: hour angle of the sun, degrees."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The grid of a scene: rows go along the flight, columns to its left."""

    rows: int
    columns: int
    lng: float
    """Of the middle, degrees."""
    lat: float
    heading: float = 193.0
    """Direction of flight, degrees clockwise from north."""

    def places(self, rows: Numbers, columns: Numbers) -> tuple[Floats, Floats]:
        """Return longitude and latitude at rows and columns that broadcast against each other, degrees."""
        lng, lat, turn = np.radians((self.lng, self.lat, self.heading))
        east = np.array([-np.sin(lng), np.cos(lng), 0.0])
        north = np.array([-np.sin(lat) * np.cos(lng), -np.sin(lat) * np.sin(lng), np.cos(lat)])
        up = np.array([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)])
        ahead, left = np.cos(turn) * north + np.sin(turn) * east, np.sin(turn) * north - np.cos(turn) * east
        along = (rows - (self.rows - 1) / 2) * (ALONG_M / EARTH_M)
        across = (columns - (self.columns - 1) / 2) * (ACROSS_M / EARTH_M)
        x, y, z = (up[axis] + along * ahead[axis] + across * left[axis] for axis in range(3))
        return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))

    @property
    def tie_columns(self) -> int:
        """Tie points in a row: the last lies on the last column or beyond it."""
        return -(-(self.columns - 1) // TIE_STEP) + 1

    def tie_places(self) -> tuple[Floats, Floats]:
        """Return longitude and latitude of the tie points, (rows, tie_columns) each, degrees."""
        return self.places(np.arange(self.rows)[:, None], np.arange(self.tie_columns)[None, :] * float(TIE_STEP))

    def outline(self, vertices: int = 10) -> list[tuple[float, float]]:
        """Return the closed ring round the centres of the outer pixels: longitude, latitude, degrees."""
        down, across = np.linspace(0, self.rows - 1, vertices + 1), np.linspace(0, self.columns - 1, vertices + 1)
        top, right = np.zeros(vertices), np.full(vertices, self.columns - 1.0)
        rows = np.concatenate([top, down[:-1], top + self.rows - 1, down[:0:-1]])
        columns = np.concatenate([across[:-1], right, across[:0:-1], top])
        lng, lat = self.places(rows, columns)
        ring = [(round(float(a), 6), round(float(b), 6)) for a, b in zip(lng, lat, strict=True)]
        return [*ring, ring[0]]


def sun_cosines(lng: Floats, lat: Floats, centre_lng: float, moment: datetime) -> Floats:
    """Return the cosine of the sun's zenith angle, when it is ten in the morning at the middle of the scene."""
    day = moment.timetuple().tm_yday
    tilt = np.radians(-23.44 * np.cos(2 * np.pi * (day + 10) / 365.25))
    hour = np.radians(LOCAL_HOUR_DEG + lng - centre_lng)
    return np.asarray(
        (np.sin(np.radians(lat)) * np.sin(tilt) + np.cos(np.radians(lat)) * np.cos(tilt) * np.cos(hour)).clip(0.05, 1)
    )


def ground_colours(frame: Frame, *, zoom: int = GROUND_ZOOM) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the ground's colours, uint8 (rows, columns, 3), sRGB, and where it is land, bool (rows, columns)."""
    import cv2

    canvas, left, top = _canvas(frame, zoom)
    colours = np.empty((frame.rows, frame.columns, 3), np.uint8)
    columns = np.arange(frame.columns, dtype=float)[None, :]
    for start in range(0, frame.rows, 256):  # by strips, for a whole scene has twenty million pixels
        rows = np.arange(start, min(start + 256, frame.rows), dtype=float)[:, None]
        across, down = _mercator(*frame.places(rows, columns), zoom)
        maps = (across - left - 0.5).astype(np.float32), (down - top - 0.5).astype(np.float32)
        colours[start : start + 256] = cv2.remap(canvas, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return colours, _land(frame)


def _canvas(frame: Frame, zoom: int) -> tuple[NDArray[np.uint8], int, int]:
    """Return the tiles that hold the frame as one picture, and the world pixel of its upper left corner."""
    from mosaic_assets.core.records import Tile
    from mosaic_assets.sources.embedded import render

    lng, lat = np.array(frame.outline(20)).T
    across, down = _mercator(lng, lat, zoom)
    x0, x1, y0, y1 = (int(edge // 256) for edge in (across.min() - 1, across.max() + 1, down.min() - 1, down.max() + 1))
    rows = [np.concatenate([render(Tile(x, y, zoom)) for x in range(x0, x1 + 1)], axis=1) for y in range(y0, y1 + 1)]
    return np.concatenate(rows), x0 * 256, y0 * 256


def _mercator(lng: Floats, lat: Floats, zoom: int) -> tuple[Floats, Floats]:
    """Return world pixels, x from the west and y from the north."""
    size = 256 * 2.0**zoom
    down = 0.5 - np.arctanh(np.sin(np.radians(lat))) / (2 * np.pi)
    return (lng + 180) / 360 * size, down * size


def _land(frame: Frame) -> NDArray[np.bool_]:
    """Return where it is land, from the share of land every sixteen pixels."""
    import cv2

    from mosaic_assets.sources.embedded.world import colours_near

    rows, columns = (np.linspace(0, side - 1, side // 16 + 1) for side in (frame.rows, frame.columns))
    share = colours_near(*frame.places(rows[:, None], columns[None, :]))[3].astype(np.float32)
    smooth = cv2.GaussianBlur(share, (0, 0), 1.5)
    return np.asarray(cv2.resize(smooth, (frame.columns, frame.rows), interpolation=cv2.INTER_CUBIC) > 127)
