"""Ground plans of 256 x 256 pixels that fit together in any order, because a road runs round each of them.

A plan gives every pixel a number: 0 road, 1 hedge or kerb, 2..63 a parcel. Colours come later, from a hash of
the place and the number, so that one plan never looks the same twice. A plan covers one tile of zoom 15.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.sources.embedded.noise import hash_cells

SIDE = 256
"""Pixels along a side of a plan."""
NUMBERS = 64
"""Numbers a plan may use."""
PLANS = 12
"""Plans of each kind."""
SQUARE, PATCHED, STREETS = 0, 1, 2
"""Kinds: surveyed squares with pivots, grown patches and strips, streets with roofs."""

Plan = NDArray[np.uint8]
_Box = tuple[int, int, int, int]


@cache
def plans() -> Plan:
    """All plans, flattened one after another: uint8 (3 * 12 * 65536,), kind by kind; 2.4 MB."""
    made = [_square(n) for n in range(PLANS)] + [_patched(n) for n in range(PLANS)]
    made += [_streets(n) for n in range(PLANS)]
    return np.concatenate([_with_road(plan, 1 if n < 2 * PLANS else 2).ravel() for n, plan in enumerate(made)])


class _Draw:
    """A stream of numbers in 0..1 from a seed; the same on every machine and with every numpy."""

    def __init__(self, seed: int) -> None:
        self._values = iter(
            ((hash_cells(np.arange(6000), np.full(6000, seed), 71) >> np.uint64(11)) / 2.0**53).tolist()
        )

    def __call__(self) -> float:
        return float(next(self._values))


def _with_road(plan: Plan, width: int) -> Plan:
    plan[:width] = plan[-width:] = 0
    plan[:, :width] = plan[:, -width:] = 0
    return plan


def _split(box: _Box, draw: _Draw, smallest: int, stop: float) -> list[_Box]:
    """Cut a box in two, again and again, never below ``smallest``; each piece may stop early."""
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    wide = width > height * (0.7 + 0.6 * draw())
    length = width if wide else height
    if length < 2 * smallest or (length < 4 * smallest and draw() < stop):
        return [box]
    cut = smallest + int((length - 2 * smallest + 1) * (0.25 + 0.5 * draw()))
    if wide:
        first, second = (top, left, bottom, left + cut), (top, left + cut, bottom, right)
    else:
        first, second = (top, left, top + cut, right), (top + cut, left, bottom, right)
    return _split(first, draw, smallest, stop) + _split(second, draw, smallest, stop)


def _halves(box: _Box, draw: _Draw, depth: int) -> list[_Box]:
    """Quarter a surveyed square by its middle lines."""
    top, left, bottom, right = box
    if depth == 0 or draw() < 0.28:
        return [box]
    row, column = (top + bottom) // 2, (left + right) // 2
    parts = [
        (top, left, row, column),
        (top, column, row, right),
        (row, left, bottom, column),
        (row, column, bottom, right),
    ]
    if draw() < 0.35:  # two long halves
        parts = [(top, left, bottom, column), (top, column, bottom, right)]
        if draw() < 0.5:
            parts = [(top, left, row, right), (row, left, bottom, right)]
    return [piece for part in parts for piece in _halves(part, draw, depth - 1)]


def _square(seed: int) -> Plan:
    draw, plan = _Draw(100 + seed), np.ones((SIDE, SIDE), dtype=np.uint8)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    number = 2
    for top, left, bottom, right in _halves((0, 0, SIDE, SIDE), draw, 3):
        plan[top : bottom - 1, left : right - 1] = 2 + (number - 2) % 60
        number += 1
        side = min(bottom - top, right - left)
        if side >= 60 and bottom - top == right - left and draw() < 0.45:
            down, across = rows - (top + bottom - 1) / 2, columns - (left + right - 1) / 2
            disc = down * down + across * across < (0.47 * side) ** 2
            plan[disc] = 2 + (number - 2) % 60
            if draw() < 0.35:  # half of the pivot lies fallow
                plan[disc & (across + down * (draw() - 0.5) > 0)] = 2 + (number - 1) % 60
                number += 1
            number += 1
    return plan


def _patched(seed: int) -> Plan:
    """Patches round scattered points, each cut into strips of its own direction."""
    draw, plan = _Draw(200 + seed), np.ones((SIDE, SIDE), dtype=np.uint8)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.int32)
    count = 9 + int(draw() * 14)
    best = np.full((SIDE, SIDE), 1 << 29, dtype=np.int32)
    second, owner = best.copy(), np.zeros((SIDE, SIDE), dtype=np.int32)
    strips = np.zeros((SIDE, SIDE), dtype=np.int32)
    for n in range(count):
        down, across = rows - int(draw() * SIDE), columns - int(draw() * SIDE)
        tilt = int(draw() * 5) - 2
        distance = np.abs(4 * down + tilt * across) * 2 + np.abs(4 * across - tilt * down) * 2
        distance += np.maximum(np.abs(down), np.abs(across)) * 2
        closer = distance < best
        second = np.minimum(second, np.maximum(best, distance))
        best, owner = np.where(closer, distance, best), np.where(closer, n, owner)
        width = 14 + int(draw() * 50)
        along = (across * 4 + down * tilt) if draw() < 0.5 else (down * 4 - across * tilt)
        strips = np.where(closer, (along + 4096) // (4 * width), strips)
    plan = (2 + (owner * 7 + strips) % 60).astype(np.uint8)
    edge = (plan != np.roll(plan, 1, 0)) | (plan != np.roll(plan, 1, 1))
    plan[edge & (second - best < 14)] = 1
    return plan


def _streets(seed: int) -> Plan:
    """Blocks between streets; roofs with gaps and trees between them; here and there a park or a hall."""
    draw, plan = _Draw(300 + seed), np.zeros((SIDE, SIDE), dtype=np.uint8)
    number = 0
    for top, left, bottom, right in _split((0, 0, SIDE, SIDE), draw, 18 + int(draw() * 10), 0.35):
        kind = draw()
        smallest = 5 if kind < 0.78 else 11
        if kind < 0.08:  # a park in one piece
            plan[top + 1 : bottom, left + 1 : right] = 2 + number % 8
            number += 1
            continue
        for a, b, c, d in _split((top + 1, left + 1, bottom, right), draw, smallest, 0.5):
            plan[a:c, b:d] = 1 if draw() < 0.25 else 2 + number % 8
            plan[a : c - 1, b : d - 1] = 10 + number % 54
            number += 1
            if draw() < 0.22:
                plan[a:c, b:d] = 2 + number % 8  # a garden
    return plan
