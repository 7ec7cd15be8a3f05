"""What commands on c-squares read: codes, points and geometries, from arguments, files and standard input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.errors import CodeError, GeometryError, MosaicError

if TYPE_CHECKING:
    from shapely import Geometry

_LNG, _LAT = ("lng", "lon", "long", "longitude", "x"), ("lat", "latitude", "y")


def read_text(name: str) -> str:
    """Return the content of a file, of standard input for ``-``."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"reading {name!r} failed: {error}") from error


def or_stdin(given: Sequence[str]) -> Sequence[str]:
    """Return the arguments, or standard input for none; a person at a terminal is told rather than waited for."""
    if not given and sys.stdin.isatty():
        raise click.UsageError("nothing to read: give arguments, a file, or a pipe; --help has examples")
    return given or ("-",)


def read_codes(given: Sequence[str], *, wildcards: bool = False) -> list[str]:
    """Return the codes in arguments: lists of codes, names of files of them, ``-`` for standard input.

    Raises
    ------
    CodeError
        A list with something else in it, or neither a list nor a file.
    """
    from mosaic_assets.csquares import parse

    codes: list[str] = []
    for argument in or_stdin(given):
        try:
            codes += parse("" if argument == "-" else argument, lenient=True, wildcards=wildcards)
        except CodeError as error:
            if not Path(argument).is_file():
                raise CodeError(f"{argument!r} is no file, and no list of c-squares: {error}") from error
            codes += parse(read_text(argument), lenient=True, wildcards=wildcards)
        if argument == "-":
            codes += parse(read_text("-"), lenient=True, wildcards=wildcards)
    return codes


def read_points(given: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return longitudes and latitudes: of one point given as two numbers, or of a file's lines.

    A line holds two numbers with blanks, a comma, a semicolon or a tab between them, longitude first. A first line of
    words names the columns instead.

    Raises
    ------
    GeometryError
        A line without two numbers.
    """
    if len(given) == 2:
        return _columns([list(given)], "arguments", (0, 1))
    if len(given) > 2:
        raise click.UsageError(f"expected LNG LAT, a FILE, or nothing for standard input; got {' '.join(given)}")
    (name,) = or_stdin(given)
    lines = [re.split(r"[,;\s]+", line.strip()) for line in read_text(name).splitlines() if line.strip()]
    words = [word.lower() for word in lines[0]] if lines else []
    at = [next((n for n, word in enumerate(words) if word in names), None) for names in (_LNG, _LAT)]
    if at[0] is None or at[1] is None:
        return _columns(lines, name, (0, 1))
    return _columns(lines[1:], name, (at[0], at[1]), first=2)


def _columns(lines: list[list[str]], name: str, at: tuple[int, int], first: int = 1) -> tuple[list[float], list[float]]:
    lng, lat = [], []
    for number, line in enumerate(lines, first):
        try:
            lng.append(float(line[at[0]]))
            lat.append(float(line[at[1]]))
        except (ValueError, IndexError) as error:
            raise GeometryError(
                f"reading line {number} of {name}, {' '.join(line)!r}: expected longitude and latitude, two numbers in "
                "degrees; mend the line, or name the columns lng and lat in a first line"
            ) from error
    return lng, lat


def read_geometries(name: str) -> Iterator[tuple[str, Geometry]]:
    """Yield (id, geometry) of GeoJSON text: one value, or one a line; features without a geometry are left out.

    Raises
    ------
    GeometryError
        It is no GeoJSON.
    """
    import shapely
    from shapely.geometry import shape

    text = read_text(name)
    try:
        number = 0
        for content in _values(text):
            for feature in _features(content):
                number += 1
                geometry = feature["geometry"] if feature["type"] == "Feature" else feature
                if geometry is not None:
                    yield _id_of(feature) or str(number), shape(geometry)
    except MosaicError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, shapely.errors.ShapelyError) as error:
        raise GeometryError(
            f"reading GeoJSON from {name} failed: {error!r}; expected a geometry, a Feature or a FeatureCollection "
            "in longitude and latitude, or one of these a line"
        ) from error


def _values(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def _features(content: Any) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = content["features"] if content["type"] == "FeatureCollection" else [content]
    return features


def _id_of(feature: dict[str, Any]) -> str:
    found = feature.get("id", (feature.get("properties") or {}).get("id"))
    return "" if found is None else str(found)
