"""Names of values in scene files, and the scene they make.

Names are compared without case and punctuation: ``Scene_ID``, ``sceneId`` and ``scene-id`` are one. Properties of a
Feature and the members beside them count alike, as do columns. The first name that has a value wins:

==================  ====================================================================================================
of the scene        looked for, in this order
==================  ====================================================================================================
``id``              scene_id, the Feature's ``id`` unless it is a bare number, id, identifier, product_identifier, the
                    Feature's ``id``, title, name
``time``            start_datetime, start_time, start_date, begin_position, beginning_date_time, sensing_start,
                    ContentDate, ContentDate/Start, start_time_from_ascending_node, datetime, scene_date_time, acquired,
                    acquisition_datetime, acquisition_time, acquisition_date, sensing_time, timestamp, time, date
``platform``        platform, satellite, platform_serial_identifier, platform_name, spacecraft, spacecraft_name, mission
``instrument``      instrument, instruments, instrument_short_name, instrument_name, sensor, sensors
``image_location``  image_location, location, href, download_url, download_link, url, file_path, path, file_name, file;
                    then of a STAC item the asset with the role ``visual``, the one with the role ``data`` if there is only
                    one, the link ``enclosure``, the link ``self``, the first asset with the role ``data``
``thumbnail``       thumbnail, thumbnail_url, quicklook, quicklook_url, preview, preview_url, browse, browse_url; then the
                    asset with the role ``thumbnail`` or ``overview``, the link ``thumbnail`` or ``preview``
``source``          source, collection, dataset, data_set, provider, providers
``licence``         licence, license, rights; then the link ``license``
==================  ====================================================================================================

Programs number features when nobody names them, so a Feature's ``id`` that is a bare number gives way to a property that
is an id. `values` says how texts and times are read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

from mosaic_assets.csquares.readers.records import MAX_ID_CHARACTERS, MAX_TEXT_CHARACTERS, Lost, excerpt
from mosaic_assets.csquares.readers.stac import addresses_of, is_address
from mosaic_assets.csquares.readers.values import moment_of, text_of
from mosaic_assets.store.csquare_db import Scene

MEMBER_ID = "#id"
"""Stands for the ``id`` beside a Feature's properties; no name of a property can be this."""

_OWN_IDS = ("id", "identifier", "product_identifier")
_WEAK_IDS = ("title", "name")
"""Names that need not be unique; they come last."""

NAMES: dict[str, tuple[str, ...]] = {
    "id": ("scene_id", *_OWN_IDS, *_WEAK_IDS),
    "time": (
        *("start_datetime", "start_time", "start_date", "begin_position", "beginning_date_time", "sensing_start"),
        *("ContentDate", "ContentDate/Start", "start_time_from_ascending_node", "datetime", "scene_date_time"),
        *("acquired", "acquisition_datetime", "acquisition_time", "acquisition_date", "sensing_time", "timestamp"),
        *("time", "date"),
    ),
    "platform": (
        *("platform", "satellite", "platform_serial_identifier", "platform_name", "spacecraft", "spacecraft_name"),
        *("mission",),
    ),
    "instrument": ("instrument", "instruments", "instrument_short_name", "instrument_name", "sensor", "sensors"),
    "image_location": (
        *("image_location", "location", "href", "download_url", "download_link", "url", "file_path", "path"),
        *("file_name", "file"),
    ),
    "thumbnail": (
        *("thumbnail", "thumbnail_url", "quicklook", "quicklook_url", "preview", "preview_url", "browse"),
        *("browse_url",),
    ),
    "source": ("source", "collection", "dataset", "data_set", "provider", "providers"),
    "licence": ("licence", "license", "rights"),
}
"""Names looked for, by the scene's own."""

_NOT_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffd]")
"""Control characters, and what bytes in another encoding are read as."""


@functools.lru_cache(4096)
def squash(name: Hashable) -> str:
    """Return a name without case and punctuation.

    Examples
    --------
    >>> squash("Scene_ID"), squash("ContentDate/Start")
    ('sceneid', 'contentdatestart')
    """
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())


_KNOWN = frozenset(squash(name) for names in NAMES.values() for name in names) | {"assets", "links"}


def is_known(name: Hashable) -> bool:
    """Whether a column or property of that name is looked at."""
    return squash(name) in _KNOWN


def gather(*mappings: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the known values of some mappings by their squashed names; the first that has a value wins.

    Examples
    --------
    >>> gather({"Platform": None, "SATELLITE": "NOAA-12"}, {"platform": "NOAA", "colour": "red"})
    {'satellite': 'NOAA-12', 'platform': 'NOAA'}
    """
    found: dict[str, Any] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            key = squash(name)
            if key in _KNOWN and key not in found and value is not None and value != "":
                found[key] = value
    return found


def scene_id(names: Mapping[str, Any]) -> str:
    """Return the id among a record's values, unchecked; empty when there is none.

    Examples
    --------
    >>> scene_id({"#id": 3, "identifier": "h1awj"}), scene_id({"#id": 3, "name": "Hobart"})
    ('h1awj', '3')
    """
    member = text_of(names.get(MEMBER_ID))
    own, weak = ([text_of(names.get(squash(name))) for name in kind] for kind in (_OWN_IDS, _WEAK_IDS))
    named = "" if member.isdigit() else member
    return next(filter(None, [text_of(names.get("sceneid")), named, *own, member, *weak]), "")


def scene_of(names: Mapping[str, Any]) -> Scene:
    """Return the scene that a record's values make.

    Parameters
    ----------
    names : Mapping
        As `gather` makes it, perhaps with `MEMBER_ID`.

    Raises
    ------
    Lost
        No id, a time that cannot be read, a text that is too long or not text.

    Examples
    --------
    >>> scene_of(gather({"sceneId": "h1awj", "satellite": "NOAA-12", "date": "2003-06-21"})).platform
    'NOAA-12'
    """
    name = scene_id(names)
    if not name:
        raise Lost(f"it has no id; expected a Feature's id, or a property or column named {', '.join(NAMES['id'])}")
    _check("id", name, MAX_ID_CHARACTERS)
    addresses = addresses_of(names)
    texts = {kind: _first(names, kind) for kind in ("platform", "instrument", "source", "licence")}
    texts["image_location"] = _first(names, "image_location") or addresses.image()
    texts["thumbnail"] = _first(names, "thumbnail") or addresses.thumbnail()
    texts["licence"] = texts["licence"] or addresses.licence()
    for kind, text in texts.items():
        _check(kind, text, MAX_TEXT_CHARACTERS)
    return Scene(name, time=_time(names), **texts)


def _first(names: Mapping[str, Any], kind: str) -> str:
    texts = (text_of(names[key]) for name in NAMES[kind] if (key := squash(name)) in names)
    return next((" ".join(text.split()) for text in texts if is_address(text)), "")


def _time(names: Mapping[str, Any]) -> datetime | None:
    moments = (moment_of(name, names[key]) for name in NAMES["time"] if (key := squash(name)) in names)
    return next((moment for moment in moments if moment is not None), None)


def _check(kind: str, text: str, most: int) -> None:
    if len(text) > most:
        raise Lost(f"its {kind} has {len(text):,} characters ({excerpt(text, 30)}); expected {most:,} at most")
    if match := _NOT_TEXT.search(text):
        raise Lost(
            f"its {kind} {excerpt(text)} has at position {match.start() + 1} what is not text in UTF-8; "
            "save the file in that encoding, without control characters"
        )
