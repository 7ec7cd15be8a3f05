"""The grammar of c-square codes, one code at a time.

A code names a square of a latitude-longitude grid; longer codes name smaller squares inside it::

    3414:227:4     3   quadrant: 1 north-east, 3 south-east, 5 south-west, 7 north-west
                   4   tens of degrees of latitude, 0..8, without its sign
                  14   tens of degrees of longitude, 00..17, without its sign
                 227   2: which quarter; 2, 7: next digit of latitude and of longitude
                   4   which quarter

Level ``n`` counts the steps below the 10-degree grid: 10, 5, 1, 0.5, 0.1, 0.05, ... degrees are levels
0, 1, 2, 3, 4, 5, ... and a code of level ``n`` has ``4 + 2 * n`` characters.

Who owns a line: digits are those of absolute values, so a square holds its edges nearest to the equator
and to Greenwich and not the other two. Zero counts as north and as east. The poles and the two ends of the date line
belong to the last square, and +180 and -180 to different ones.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from mosaic_assets.errors import CodeError, GeometryError

FINEST_LEVEL = 16
"""Level of the smallest squares that are handled, 1e-7 degrees or about 1 cm: their ids fit 63 bits."""

_SHAPE = re.compile(r"[1357][0-8](?:0\d|1[0-7])(?::[1-4]\d\d)*(?::[1-4])?", re.ASCII)
_QUADRANTS = "1357"


class Square(NamedTuple):
    """The limits of a square and its size, all in degrees; ``west < east`` and ``south < north``."""

    west: float
    south: float
    east: float
    north: float
    resolution: float


def side_of(level: int) -> int:
    """Return how many squares of a level fit along one side of a 10-degree square: 1, 2, 10, 20, 100, ..."""
    return int(10 ** (level // 2)) * (1 + level % 2)


def resolution_of(level: int) -> float:
    """Return the size of the squares of a level, degrees: 10.0, 5.0, 1.0, 0.5, 0.1, ..."""
    return 10 / side_of(level)


def level_of(resolution: float) -> int:
    """Return the level of a resolution.

    Parameters
    ----------
    resolution : float
        Size of a square, degrees: 10, 5, 1, 0.5, 0.1, 0.05, ... down to 1e-7. Compared with a relative
        tolerance of 1e-9, so that ``0.1 / 2`` and sums of decimals are found.

    Raises
    ------
    CodeError
        Another size.

    Examples
    --------
    >>> level_of(0.5)
    3
    """
    try:
        size = float(resolution)
    except (TypeError, ValueError):
        size = math.nan
    for level in range(FINEST_LEVEL + 1):
        if math.isclose(size, resolution_of(level), rel_tol=1e-9):
            return level
    raise CodeError(
        f"choosing a c-square grid: there is none of {resolution!r} degrees; "
        "use 10, 5, 1, 0.5, 0.1, 0.05, ... down to 1e-7"
    )


def encode_point(lng: float, lat: float, level: int) -> str:
    """Return the code of the square that owns a point.

    Parameters
    ----------
    lng, lat : float
        Degrees, -180..180 and -90..90; see the module for points on lines, at the poles and on the date line.
        They are read as the decimals that they print as: 42.8 is on the line between two 0.1-degree squares,
        although the nearest binary number is a little less.
    level : int
        0..16.

    Raises
    ------
    GeometryError
        A coordinate is out of range or not a number.

    Examples
    --------
    >>> encode_point(147.3, -42.8, 4)
    '3414:227:383'
    """
    if not (-90 <= lat <= 90 and -180 <= lng <= 180):
        raise GeometryError(
            f"encoding the point lng={lng!r}, lat={lat!r}: expected lng in -180..180 and lat in -90..90 "
            "degrees; check the order of the two, or pass wrap=True if longitudes run past 180 on purpose"
        )
    side = side_of(level)
    a, b = _line_below(abs(lat), side, 9), _line_below(abs(lng), side, 18)
    return _text(lat < 0, lng < 0, a, b, level)


def _line_below(value: float, side: int, tens: int) -> int:
    """Return the number of the last grid line at or below ``value`` >= 0, the outermost line excepted."""
    line = int(value * side / 10)
    # Comparing with the float nearest to the line makes decimals exact: (line * 10) / side rounds correctly.
    while (line + 1) * 10 / side <= value:
        line += 1
    while line * 10 / side > value:
        line -= 1
    return min(line, tens * side - 1)


def _text(south: bool, west: bool, a: int, b: int, level: int) -> str:
    """Write the code of square ``a``, ``b`` of a quadrant, counted away from latitude and longitude zero."""
    side = side_of(level)
    quadrant = _QUADRANTS[int(south) + 3 * int(west) - 2 * int(south and west)]
    parts = [f"{quadrant}{a // side}{b // side:02d}"]
    while side > 1:
        a, b = a % side, b % side
        half = 1 + 2 * (a >= side // 2) + (b >= side // 2)
        side //= 10  # 0 when only the quarter is left
        parts.append(f"{half}{a // side}{b // side}" if side else f"{half}")
    return ":".join(parts)


def decode_code(code: str) -> Square:
    """Return the limits of the square that a code names.

    Parameters
    ----------
    code : str
        A full code, colons included, without wildcards.

    Raises
    ------
    CodeError
        Not a code; the message says why.

    Examples
    --------
    >>> decode_code("3414:100:1")
    Square(west=140.0, south=-40.5, east=140.5, north=-40.0, resolution=0.5)
    """
    south, west, a, b, level = split_code(code)
    side = side_of(level)
    a0, a1, b0, b1 = (line * 10 / side for line in (a, a + 1, b, b + 1))
    if south:
        a0, a1 = -a1, 0.0 - a0  # 0.0 - 0.0 is 0.0 where -0.0 would print oddly
    if west:
        b0, b1 = -b1, 0.0 - b0
    return Square(b0, a0, b1, a1, resolution_of(level))


def split_code(code: str) -> tuple[bool, bool, int, int, int]:
    """Return (south, west, row, column, level) of a code; row and column count away from zero.

    Raises
    ------
    CodeError
        Not a code; the message says why.
    """
    reason = why_invalid(code)
    if reason:
        raise CodeError(f"reading the c-square code {code!r}: {reason}; expected one like 3414:227:4")
    quadrant = _QUADRANTS.index(code[0])
    a, b = int(code[1]), int(code[2:4])
    for block in code[5:].split(":") if len(code) > 4 else ():
        if len(block) == 3:
            a, b = 10 * a + int(block[1]), 10 * b + int(block[2])
        else:
            a, b = 2 * a + (block in "34"), 2 * b + (block in "24")
    return quadrant in (1, 2), quadrant in (2, 3), a, b, (len(code) - 4) // 2


def is_valid_code(code: object) -> bool:
    """Return whether a value is a code of a square; wildcards and blank-map sentinels are not.

    Examples
    --------
    >>> is_valid_code("3414:227:4"), is_valid_code("3414:127:4"), is_valid_code("0000")
    (True, False, False)
    """
    return not why_invalid(code)


def why_invalid(code: object) -> str:
    """Return what is wrong with a code, or an empty text."""
    if not isinstance(code, str):
        return f"it is a {type(code).__name__}, not a text"
    if code.startswith("0000"):
        return "it asks a mapper for a blank map and is no place"
    if not _SHAPE.fullmatch(code):
        return _why_misshapen(code)
    if len(code) > 4 + 2 * FINEST_LEVEL:
        return f"it is longer than {4 + 2 * FINEST_LEVEL} characters, squares smaller than 1e-7 degrees"
    for block in code[5:].split(":"):
        if len(block) == 3 and int(block[0]) != 1 + 2 * (block[1] >= "5") + (block[2] >= "5"):
            return f"{block!r} contradicts itself: its first digit is not the quarter of the two that follow"
    return ""


def _why_misshapen(code: str) -> str:
    if "*" in code or "%" in code:
        return "it has wildcards; expand it first"
    if code[:1] not in tuple(_QUADRANTS):
        return "the first character must be 1, 3, 5 or 7"
    if not re.match(r"[0-8]", code[1:2]):
        return "the second character must be 0..8, the tens of degrees of latitude"
    if not re.match(r"0\d|1[0-7]", code[2:4], re.ASCII):
        return "characters three and four must be 00..17, the tens of degrees of longitude"
    return "after four characters come blocks of ':' and three digits, in the last perhaps just one of 1..4"
