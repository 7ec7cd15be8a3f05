"""STAC's view of the index: data sets are collections, scenes are items."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from mosaic_assets.core.csquare_arrays import Ints
from mosaic_assets.csquares.features import bounds_of, outline_of
from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.search import scenes
from mosaic_assets.store.csquare_pages import SceneRow

VERSION = "1.1.0"
CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
)
GEOJSON = "application/geo+json"
ANY_TIME = {"start_datetime": "0001-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59Z"}
"""What STAC asks for where nobody says when an image was acquired."""


def link(base: str, rel: str, path: str, kind: str = "application/json", **more: object) -> dict[str, Any]:
    """Return a link of STAC."""
    return {"rel": rel, "type": kind, "href": f"{base}{path}", **more}


def landing(base: str, datasets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the landing page: a catalogue that says what can be asked."""
    children = [
        link(base, "child", f"/stac/collections/{one['name']}", title=one["title"]) for one in datasets if one["scenes"]
    ]
    return {
        "type": "Catalog",
        "id": "mosaic_assets",
        "title": "mosaic_assets",
        "description": "All scenes and pictures of a data home that have a place on the Earth.",
        "stac_version": VERSION,
        "conformsTo": CONFORMANCE,
        "links": [
            link(base, "self", "/stac"),
            link(base, "root", "/stac"),
            link(base, "conformance", "/stac/conformance"),
            link(base, "data", "/stac/collections"),
            link(base, "search", "/stac/search", GEOJSON, method="GET"),
            link(base, "search", "/stac/search", GEOJSON, method="POST"),
            link(base, "service-desc", "/openapi.json", "application/vnd.oai.openapi+json;version=3.1"),
            link(base, "service-doc", "/api", "text/html"),
            *children,
        ],
    }


def collection(base: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data set as a collection."""
    path = f"/stac/collections/{dataset['name']}"
    return {
        "type": "Collection",
        "id": dataset["name"],
        "title": dataset["title"],
        "description": f"{dataset['title']}: {dataset['scenes']:,} in the index. Each item names its source and licence.",
        "stac_version": VERSION,
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[dataset["first"], dataset["last"]]]},
        },
        "summaries": {"platform": dataset["platforms"]} if dataset["platforms"] else {},
        "links": [
            link(base, "self", path),
            link(base, "root", "/stac"),
            link(base, "parent", "/stac"),
            link(base, "items", f"{path}/items", GEOJSON),
        ],
    }


def item(base: str, row: SceneRow, keys: Ints) -> dict[str, Any]:
    """Return a scene as an item; its geometry is the outline of its squares."""
    from shapely.geometry import mapping

    said = scenes.plain(row)
    parent = f"/stac/collections/{said['dataset']}"
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": row.id,
        "collection": said["dataset"],
        "geometry": mapping(outline_of(keys)),
        "bbox": bounds_of(keys),
        "properties": _properties(said),
        "assets": _assets(base, said),
        "links": [
            link(base, "self", f"{parent}/items/{quote(row.id, safe='')}", GEOJSON),
            link(base, "parent", parent),
            link(base, "collection", parent),
            link(base, "root", "/stac"),
        ],
    }


def _properties(said: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "datetime": said["time"],
        **({} if said["time"] else ANY_TIME),
        "license": "other",
        "mosaic:licence": said["licence"],
        "mosaic:source": said["source"],
        "mosaic:synthetic": said["synthetic"],
        "mosaic:image_location": said["image_location"],
    }
    if said["platform"]:
        found["platform"] = said["platform"]
    if said["instrument"]:
        found["instruments"] = [said["instrument"]]
    return found


def _assets(base: str, said: Mapping[str, Any]) -> dict[str, Any]:
    names = {"thumbnail": "thumbnail", "picture": "overview"}
    return {
        name: {"href": f"{base}{said[name]}", "roles": [role], "title": name}
        for name, role in names.items()
        if said[name]
    }


def span_of(text: str | None) -> tuple[str | None, str | None]:
    """Return start and end of a search from STAC's ``datetime``: a moment, or a closed interval with ``..`` for open ends.

    An interval's end is included there and is not here, so it comes out a microsecond later.

    Raises
    ------
    SettingsError
        Neither.

    Examples
    --------
    >>> span_of("2003-06-21T00:00:00Z/.."), span_of(None)
    (('2003-06-21T00:00:00+00:00', None), (None, None))
    >>> span_of("2003-06-21T06:23:00Z")
    ('2003-06-21T06:23:00+00:00', '2003-06-21T06:23:00.000001+00:00')
    """
    if not text:
        return None, None
    parts = text.split("/")
    if len(parts) > 2 or all(part in ("", "..") for part in parts):
        raise _unreadable(text)
    ends = [None if part in ("", "..") else _moment(part, text) for part in parts]
    start, end = ends[0], ends[-1]
    if start and end and start > end:
        raise _unreadable(text)
    return start.isoformat() if start else None, _after(end) if end else None


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(part: str, text: str) -> datetime:
    try:
        if not _MOMENT.fullmatch(part):
            raise ValueError
        return datetime.fromisoformat(part.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(text) from error


def _after(moment: datetime) -> str | None:
    try:
        return (moment + timedelta(microseconds=1)).isoformat()
    except OverflowError:  # the last moment there is: no end at all
        return None


def _unreadable(text: str) -> SettingsError:
    return SettingsError(
        f"reading datetime={text[:80]!r}: expected an RFC 3339 moment such as 2003-06-21T06:23:00Z, or two of them with / "
        "between, the earlier first, one of which may be ..; write it so"
    )
