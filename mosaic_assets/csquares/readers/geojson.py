"""GeoJSON and STAC: collections, bare lists, single features, one a line, text sequences.

A collection is read feature by feature, so its size does not matter. A feature that is not JSON is passed over up to the
bracket that closes it; the others are read.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mosaic_assets.csquares.readers.fields import MEMBER_ID, gather
from mosaic_assets.csquares.readers.json_text import RECORD_SEPARATOR, JsonText, decode
from mosaic_assets.csquares.readers.records import MAX_RECORD_CHARACTERS, Lost, Raw, Rejection, excerpt
from mosaic_assets.csquares.readers.text import lines, open_text

Found = Iterator[Raw | Rejection]

_BETWEEN = f", \t\r\n{RECORD_SEPARATOR}"
_GEOMETRIES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
_HERE = (None, "CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326")
"""Names of longitude and latitude that need no look-up."""


def read_collection(path: Path, max_bytes: int) -> Found:
    """Yield the features of a file of one or more JSON values."""
    late = _crs_behind(path, max_bytes)
    with open_text(path, max_bytes) as stream:
        text, number = JsonText(stream), 0
        while text.peek():
            for found in _value(text, number, late):
                number += 1
                yield found


def read_lines(path: Path, max_bytes: int) -> Found:
    """Yield the features of newline-delimited JSON."""
    with open_text(path, max_bytes) as stream:
        for number, line in lines(stream):
            yield from _text(line, f"line {number}")


def read_sequence(path: Path, max_bytes: int) -> Found:
    """Yield the features of a text sequence (RFC 8142): texts that begin with a record separator."""
    with open_text(path, max_bytes) as stream:
        for number, text in enumerate(_separated(stream), 1):
            yield from _text(text, f"record {number}")


def _separated(stream: IO[str]) -> Iterator[str | None]:
    held: str | None = ""
    for _, line in lines(stream):
        first, *others = (line or "").split(RECORD_SEPARATOR)
        held = None if line is None or held is None else held + first
        for text in others:
            if held is None or held.strip():
                yield held
            held = text
        if held is not None and len(held) > MAX_RECORD_CHARACTERS:
            held = None
    yield held


def _text(text: str | None, where: str) -> Found:
    """Yield the features of one line; usually it is one."""
    if text is None:
        yield Rejection(where, f"it has more than {MAX_RECORD_CHARACTERS:,} characters; expected fewer")
        return
    text = text.strip(_BETWEEN)
    while text:
        try:
            value, end = decode(text, 0)
        except Lost as lost:
            yield Rejection(where, str(lost))
            return
        yield from _several(value, where)
        text = text[end:].lstrip(_BETWEEN)


def _value(text: JsonText, number: int, crs: str | None) -> Found:
    """Yield the features of the next value: a list, a collection, or a feature."""
    if text.take("["):
        yield from _elements(text, number, crs)
        return
    if text.peek() != "{":
        try:
            yield from _several(text.value(), f"feature {number + 1}")
        except Lost as lost:
            raise Lost(str(lost), f"feature {number + 1} and what follows") from lost
        return
    members, listed = yield from _members(text, number, crs)
    if not listed:
        yield from _several(members, f"feature {number + 1}", crs)


def _members(
    text: JsonText, number: int, crs: str | None
) -> Generator[Raw | Rejection, None, tuple[dict[str, Any], bool]]:
    """Yield the features of an object; return its other members, and whether it had a list of features."""
    members: dict[str, Any] = {}
    listed = False
    try:
        text.take("{")
        while not text.take("}"):
            key = text.value()
            if not isinstance(key, str) or not text.take(":"):
                raise Lost(f"it is not JSON: a colon is missing behind {excerpt(key)}; mend it there")
            if key == "features" and text.take("["):
                listed = True
                number = yield from _elements(text, number, crs_name(members.get("crs")) or crs)
            else:
                members[key] = text.value()
            if not text.take(",") and text.peek() != "}":
                raise Lost(f"it is not JSON: a comma or brace is missing behind {excerpt(key)}; mend it there")
    except Lost as lost:
        raise Lost(str(lost), lost.record or f"feature {number + 1} and what follows") from lost
    return members, listed


def _elements(text: JsonText, number: int, crs: str | None) -> Generator[Raw | Rejection, None, int]:
    """Yield the features of a list whose bracket has been taken; return the number of the last."""
    while not text.take("]"):
        number += 1
        where, rest = f"feature {number}", f"feature {number} and what follows"
        if not text.peek():
            raise Lost("the file ends before its list of features does; it was cut short", rest)
        try:
            value = text.value()
        except Lost as lost:
            yield Rejection(where, str(lost))
            try:
                text.skip()
            except Lost as end:
                raise Lost(str(end), rest) from end
        else:
            yield from _several(value, where, crs)
        if not text.take(",") and text.peek() not in ("]", ""):
            raise Lost(f"it is not JSON: a comma is missing before {excerpt(text.peek())}; mend it there", rest)
    return number


def _several(value: Any, where: str, crs: str | None = None) -> list[Raw | Rejection]:
    try:
        return list(records_of(value, where, crs=crs))
    except RecursionError:
        return [Rejection(where, "it holds lists in lists without end; expected a GeoJSON Feature")]


def records_of(value: Any, where: str, *, crs: str | None = None) -> Found:
    """Yield the records that a JSON value is: a feature, or several.

    Parameters
    ----------
    value : Any
        Feature, collection, or list of them.
    where : str
        Where it is in the file.
    crs : str, optional
        Coordinate system of the collection around it; None: longitude and latitude.

    Examples
    --------
    >>> [raw] = records_of({"type": "Feature", "id": "h1awj", "geometry": None, "properties": {}}, "line 4")
    >>> raw.names
    {'#id': 'h1awj'}
    """
    if isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from records_of(one, f"{where}, feature {number}", crs=crs)
    elif not isinstance(value, dict):
        yield Rejection(where, f"it is {excerpt(value, 30)}; expected a GeoJSON Feature")
    elif isinstance(value.get("features"), list):
        yield from records_of(value["features"], where, crs=crs_name(value.get("crs")) or crs)
    else:
        yield _feature(value, where, crs)


def _feature(value: dict[str, Any], where: str, crs: str | None) -> Raw | Rejection:
    kind, properties = value.get("type"), value.get("properties")
    if kind != "Feature" and (kind is not None or "geometry" not in value):
        found = f"of the type {excerpt(kind)}" if kind is not None else f"with {excerpt(sorted(value))}"
        remedy = "put it in a Feature with an id" if kind in _GEOMETRIES else "hand in the features themselves"
        return Rejection(where, f"it is an object {found}; expected a GeoJSON Feature: {remedy}")
    if not isinstance(properties, Mapping | None):
        return Rejection(where, f"its properties are {excerpt(properties, 30)}; expected an object or null")
    beside = {name: member for name, member in value.items() if name not in ("type", "geometry", "properties", "id")}
    names = gather(properties or {}, beside)
    if value.get("id") is not None:
        names[MEMBER_ID] = value["id"]
    raw = Raw(where, names, value.get("geometry"), crs, stac="stac_version" in value)
    return replace(raw, crs=crs_name(value.get("crs")) or crs)


def crs_name(member: Any) -> str | None:
    """Return the coordinate system that a ``crs`` member names (GeoJSON of 2008); None for longitude and latitude.

    Examples
    --------
    >>> crs_name({"type": "name", "properties": {"name": "EPSG:32755"}}), crs_name(None)
    ('EPSG:32755', None)
    """
    if isinstance(member, Mapping):
        properties = member.get("properties")
        name = properties.get("name") if isinstance(properties, Mapping) else None
        member = name if isinstance(name, str) else json.dumps(member)  # which nobody knows, and the reason shows
    return None if member in _HERE else str(member)


def _crs_behind(path: Path, max_bytes: int) -> str | None:
    """Return the coordinate system that a collection names behind its features, for those are read as they come."""
    try:
        if not _mentions_crs_late(path, max_bytes):
            return None
        with open_text(path, max_bytes) as stream:
            text = JsonText(stream)
            return _skimmed(text) if text.peek() == "{" else None
    except Lost:  # told of when the features are read
        return None


def _mentions_crs_late(path: Path, max_bytes: int) -> bool:
    with open_text(path, max_bytes) as stream:
        held, piece = "", stream.read(1 << 16)
        if '"crs"' in piece.partition('"features"')[0]:
            return False
        while piece:
            if '"crs"' in held + piece:
                return True
            held, piece = piece[-8:], stream.read(1 << 20)
    return False


def _skimmed(text: JsonText) -> str | None:
    """Read a collection for its members alone."""
    walk = _members(text, 0, None)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return crs_name(end.value[0].get("crs"))
