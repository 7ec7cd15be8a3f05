"""Places as people type them: a c-square, latitude and longitude, or the four limits of a box."""

from __future__ import annotations

import re
from typing import Any

from mosaic_assets.core.csquare_codes import encode
from mosaic_assets.csquares import parse
from mosaic_assets.csquares.features import boxes_of
from mosaic_assets.errors import CodeError, GeometryError

LONGEST = 500
"""Characters of a place."""

MOST_CODES = 500
MOST_PATTERNS = 20
"""Codes with wildcards in unusual places: each may stand for every square of the world."""

_CODES = re.compile(r"[1357][\d*%]{3}([-:._ |,;]*[\d*%])*[-:._ |,;]*", re.ASCII)
_WHOLE = re.compile(r"[1357][0-8]\d\d:([1-4]\d\d:\*|[1-4]?\*\*\*?(:\*)?|\*)", re.ASCII)
_SIZE = (
    r"(?P<degrees>[+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*°?"
    r"\s*(?:(?P<minutes>\d+(?:\.\d+)?)\s*')?\s*(?:(?P<seconds>\d+(?:\.\d+)?)\s*\")?"
)
_BEFORE = re.compile(rf"(?P<letter>[NSEW])?\s*{_SIZE}", re.ASCII | re.IGNORECASE)
_AFTER = re.compile(rf"{_SIZE}\s*(?P<letter>[NSEW])?", re.ASCII | re.IGNORECASE)
_LETTERS = {"N": ("lat", 1), "S": ("lat", -1), "E": ("lng", 1), "W": ("lng", -1)}
_SIGNS = str.maketrans({"−": "-", "–": "-", "º": "°", "˚": "°", "′": "'", "’": "'", "″": '"', "”": '"', "\u00a0": " "})
_EXPECTED = (
    "expected a c-square such as 3414:227:4, a latitude and a longitude such as 42.8 S, 147.3 E, or the west, south, east "
    "and north of a box such as 150 -30 155 -25; write it so"
)


def read_place(text: str) -> dict[str, Any]:
    """Return what a typed place means, as plain values: kind, parameters of a search, boxes, and how it was understood.

    Parameters
    ----------
    text : str
        A c-square or several, also without colons; latitude and longitude in degrees, or degrees, minutes and seconds, with or
        without N, S, E, W; or west, south, east, north. Two numbers without letters are latitude and longitude, unless
        only the other order is possible.

    Raises
    ------
    CodeError
        It looks like a code and is none, or one smaller than half a degree.
    GeometryError
        Nothing of the above, or outside the world.

    Examples
    --------
    >>> read_place("34142274")["parameters"], read_place("42°48'S 147.3 E")["parameters"]
    ({'code': ['3414:227:4']}, {'point': '147.3,-42.8'})
    >>> read_place("147.3, -42.8")["said"]
    'latitude 42.8° S, longitude 147.3° E (taken as longitude first)'
    """
    typed = " ".join(text.translate(_SIGNS).split())
    if _CODES.fullmatch(typed):
        return _codes(typed)
    numbers = _numbers(typed)
    if len(numbers) == 2:
        return _point(numbers, text)
    if len(numbers) == 4:
        return _box(numbers, text)
    raise GeometryError(f"reading the place {text[:80]!r}: {_EXPECTED}")


Numbers = list[tuple[float, str]]
"""Each with ``lat``, ``lng``, or nothing where no letter says."""


def bounded_codes(codes: list[str]) -> list[str]:
    """Return codes without repeats, if working on them takes no longer than it should.

    Raises
    ------
    CodeError
        Too many, one smaller than half a degree, or too many that may stand for half the world each.

    Examples
    --------
    >>> bounded_codes(["3414:227:4", "3414:2**", "3414:227:4"])
    ['3414:227:4', '3414:2**']
    """
    codes = list(dict.fromkeys(codes))
    if len(codes) > MOST_CODES:
        raise CodeError(f"searching by {len(codes)} codes: expected {MOST_CODES} at most; ask in parts")
    for code in codes:
        if len(code) > 10:
            raise CodeError(
                f"searching by {code[:40]!r}: scenes are indexed by squares of half a degree and no smaller, such as "
                "3414:227:4; use the square around it"
            )
    odd = [code for code in codes if ("*" in code or "%" in code) and not _WHOLE.fullmatch(code.replace("%", "*"))]
    if len(odd) > MOST_PATTERNS:
        raise CodeError(
            f"searching by {len(odd)} codes like {odd[0]!r}: expected {MOST_PATTERNS} at most with wildcards before the end; "
            "ask in parts"
        )
    return codes


def _codes(typed: str) -> dict[str, Any]:
    parts = [re.sub(r"[-:._ ]", "", part) for part in re.split(r"[|,;]", typed)]
    proper = [":".join(filter(None, (part[:4], part[4:7], part[7:]))) for part in parts if part]
    codes = parse("|".join(bounded_codes(proper)), wildcards=True)
    some = ", ".join(codes[:3]) + (", …" if len(codes) > 3 else "")
    return {
        "kind": "code",
        "parameters": {"code": codes},
        "boxes": _boxes_of(codes),
        "said": f"c-square{'s' if len(codes) > 1 else ''} {some}",
    }


def _boxes_of(codes: list[str]) -> list[list[float]]:
    whole = [code for code in codes if "*" not in code.rstrip(":*")]
    return boxes_of(whole)


def _numbers(typed: str) -> Numbers:
    """Return the numbers of a text, none if there is anything else in it."""
    found: Numbers = []
    at, form = 0, _BEFORE if typed[:1].isalpha() else _AFTER
    while at < len(typed):
        match = form.match(typed, at)
        if match is None:
            return []
        found.append(_number(match))
        at = match.end()
        while at < len(typed) and typed[at] in " ,;/":
            at += 1
    return found


def _number(match: re.Match[str]) -> tuple[float, str]:
    said = match.groupdict()
    size = abs(float(said["degrees"])) + float(said["minutes"] or 0) / 60 + float(said["seconds"] or 0) / 3600
    axis, sign = _LETTERS.get((said["letter"] or "").upper(), ("", 1))
    return round(-sign * size if said["degrees"].startswith("-") else sign * size, 9), axis


def _point(numbers: Numbers, text: str) -> dict[str, Any]:
    (first, axis), (second, other) = numbers
    turned, note = axis == "lng" or other == "lat", ""
    if not (axis or other) and abs(first) > 90 >= abs(second):
        turned, note = True, " (taken as longitude first)"
    lat, lng = (second, first) if turned else (first, second)
    if (axis, other) not in (("", ""), ("lat", "lng"), ("lng", "lat")) or not (abs(lat) <= 90 and abs(lng) <= 180):
        raise GeometryError(
            f"reading the place {text[:80]!r} as latitude {lat:g} and longitude {lng:g}: expected -90..90 and -180..180, "
            "both with letters or both without; write it so"
        )
    said = f"latitude {_degrees(lat, 'NS')}, longitude {_degrees(lng, 'EW')}{note}"
    boxes = boxes_of([encode(lng, lat, 0.5)])
    return {"kind": "point", "parameters": {"point": f"{_text(lng)},{_text(lat)}"}, "boxes": boxes, "said": said}


def _box(numbers: Numbers, text: str) -> dict[str, Any]:
    if "".join(axis for _, axis in numbers):
        lngs, lats = ([value for value, axis in numbers if axis == name] for name in ("lng", "lat"))
        lats.sort()
    else:
        lngs, lats = [numbers[0][0], numbers[2][0]], [numbers[1][0], numbers[3][0]]
    inside = len(lngs) == len(lats) == 2 and max(map(abs, lngs)) <= 180 and -90 <= lats[0] <= lats[1] <= 90
    if not inside:
        raise GeometryError(
            f"reading the place {text[:80]!r} as a box: expected west, south, east, north in degrees, longitudes in -180..180, "
            "latitudes in -90..90 and south not above north; write it so"
        )
    box = [lngs[0], lats[0], lngs[1], lats[1]]
    west, south, east, north = box
    over = ", over the date line" if west > east else ""
    said = f"from {_degrees(west, 'EW')} to {_degrees(east, 'EW')} and from {_degrees(south, 'NS')} to {_degrees(north, 'NS')}"
    return {"kind": "box", "parameters": {"box": ",".join(map(_text, box))}, "boxes": [box], "said": said + over}


def _degrees(value: float, letters: str) -> str:
    return f"{_text(abs(value))}° {letters[value < 0]}"


def _text(value: float) -> str:
    """Return a number of degrees as decimals, never with an exponent: these become parameters."""
    return f"{value:.9f}".rstrip("0").rstrip(".") if value else "0"
