"""Sources by name: those known here, those a user adds, and the conditions under which one may be opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from mosaic_assets.errors import SettingsError, TermsError, UnknownNameError, ZoomError
from mosaic_assets.settings import Settings
from mosaic_assets.sources.base import TileSource
from mosaic_assets.sources.providers import FORBIDDEN_HOSTS, PRESETS
from mosaic_assets.sources.records import BulkUse, SourceRecord

STRICTNESS = (BulkUse.ALLOWED, BulkUse.ASK, BulkUse.FORBIDDEN)
URL_FIELDS = frozenset({"z", "x", "y", "release", "key"})


def source_record(name: str, settings: Settings) -> SourceRecord:
    """Return what is known of a source: a preset, ``embedded``, or a table ``[sources.<name>]``.

    A table under a preset's name changes the fields it gives; under a new name it defines a source.

    Raises
    ------
    UnknownNameError
        Nobody knows the name.
    SettingsError
        The table has an unknown field, a value out of range, or contradicts itself.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> own = {"usgs": {"max_connections": 2}}
    >>> source_record("usgs", load_settings(sources=own)).max_connections
    2
    """
    known = _presets()
    table = settings.sources.get(name)
    if table is None and name not in known:
        raise UnknownNameError(
            "source",
            name,
            {*known, *settings.sources},
            f"Choose one of them, or describe it under [sources.{name}].",
        )
    return known[name] if table is None else _from_table(name, table, known.get(name))


def all_records(settings: Settings) -> dict[str, SourceRecord]:
    """Return every source by name, in alphabetical order.

    Raises
    ------
    SettingsError
        As in `source_record`, for any of the tables.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> sorted({"embedded", "usgs"} & set(all_records(load_settings())))
    ['embedded', 'usgs']
    """
    return {name: source_record(name, settings) for name in sorted({*_presets(), *settings.sources})}


def open_source(name: str, settings: Settings) -> TileSource:
    """Open a source to fetch tiles from it; use the result as a context manager.

    Raises
    ------
    UnknownNameError, SettingsError
        As in `source_record`; also when an access key is needed and absent.
    TermsError
        Its terms must be acknowledged first.
    ZoomError
        ``settings.zoom`` lies outside its range.
    SourceError
        A raster that is absent, unreadable, or not 8-bit.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> with open_source("usgs", load_settings()) as source:
    ...     source.record.licence
    'US public domain'
    """
    record = source_record(name, settings)
    check_terms(record, settings)
    check_zoom(record, settings.zoom)
    if record.kind == "embedded":
        from mosaic_assets.sources.embedded import EmbeddedSource

        return EmbeddedSource(record, workers=settings.workers)
    if record.kind == "xyz":
        from mosaic_assets.sources.xyz import XyzSource

        return XyzSource(record, settings)
    from mosaic_assets.sources.raster import RasterSource

    return RasterSource(record, settings)


def check_terms(record: SourceRecord, settings: Settings) -> None:
    """Refuse a source whose terms want an acknowledgement that the settings do not hold.

    Raises
    ------
    TermsError
        ``bulk_use`` is not ``allowed`` and the name is not in ``settings.acknowledged_terms``.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> settings = load_settings(acknowledged_terms=["esri_wayback"])
    >>> check_terms(PRESETS["esri_wayback"], settings)
    """
    if record.bulk_use is BulkUse.ALLOWED or record.name in settings.acknowledged_terms:
        return
    forbidden = record.bulk_use is BulkUse.FORBIDDEN
    verdict = "forbid fetching and keeping many tiles" if forbidden else "do not clearly allow keeping many tiles"
    condition = "you hold an agreement that permits it" if forbidden else "you have read them and they allow your use"
    names = [*settings.acknowledged_terms, record.name]
    listed = ", ".join(f'"{name}"' for name in names)
    raise TermsError(
        f"opening source {record.name!r} ({record.title or 'no title'}) was refused: the terms of its provider "
        f"({record.terms_url or 'no address given'}) {verdict}. If {condition}, say so with "
        f"acknowledged_terms = [{listed}] in mosaic.toml, MOSAIC_ACKNOWLEDGED_TERMS='[{listed}]' in the "
        f"environment, or --acknowledge {record.name} on the command line; otherwise choose another source, "
        "such as embedded or usgs"
    )


def check_zoom(record: SourceRecord, zoom: int | None) -> int:
    """Return the zoom to use: the one given, or the source's own when it is None.

    Raises
    ------
    ZoomError
        The source has no tiles at that zoom.

    Examples
    --------
    >>> check_zoom(PRESETS["usgs"], None), check_zoom(PRESETS["usgs"], 16)
    (15, 16)
    """
    chosen = record.default_zoom if zoom is None else zoom
    if not record.min_zoom <= chosen <= record.max_zoom:
        raise ZoomError(
            f"source {record.name!r} was asked for zoom {chosen}, but has zooms {record.min_zoom} to "
            f"{record.max_zoom} only; choose one of these, or none for its own, {record.default_zoom}"
        )
    return chosen


def _presets() -> dict[str, SourceRecord]:
    from mosaic_assets.sources.embedded import EMBEDDED

    return {EMBEDDED.name: EMBEDDED, **PRESETS}


def _from_table(name: str, table: Mapping[str, Any], preset: SourceRecord | None) -> SourceRecord:
    """Build the record of a settings table, on top of the preset of that name if there is one."""
    if table.get("name", name) != name:
        raise _wrong(name, "name", f"{table['name']!r} differs from the table's own name; leave it out")
    base = preset.model_dump() if preset else _defaults(table)
    if preset:
        _check_override(preset, table)
    try:
        record = SourceRecord.model_validate({**base, **table, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "table"
        # The value is shown, except that of an address, which may have a key written into it.
        value = "" if where == "url" else f"{first['input']!r}: "
        raise _wrong(name, where, value + first["msg"].lower()) from None
    record = _fitted_zoom(record, table)
    _check_consistency(record)
    return _as_strict_as_its_host(record)


def _defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new source need not say: files burden no server, so nobody must be asked."""
    return {"bulk_use": BulkUse.ALLOWED} if table.get("kind") == "raster" else {}


def _check_override(preset: SourceRecord, table: Mapping[str, Any]) -> None:
    """Refuse changes that would make a preset say something untrue of its provider."""
    fixed = {"kind", "synthetic"} | ({*SourceRecord.model_fields} if preset.kind == "embedded" else set())
    for field in sorted(fixed & set(table)):
        raise _wrong(preset.name, field, "cannot be changed; define a source under a new name instead")
    given = table.get("bulk_use", preset.bulk_use)
    if given in list(BulkUse) and STRICTNESS.index(BulkUse(given)) < STRICTNESS.index(preset.bulk_use):
        raise _wrong(preset.name, "bulk_use", f"{given!r} is laxer than the provider; use acknowledged_terms instead")


def _fitted_zoom(record: SourceRecord, table: Mapping[str, Any]) -> SourceRecord:
    """Move a default zoom that nobody chose into the range that somebody did."""
    if "default_zoom" in table or record.min_zoom > record.max_zoom:
        return record
    fitted = min(max(record.default_zoom, record.min_zoom), record.max_zoom)
    return record.model_copy(update={"default_zoom": fitted})


def _check_consistency(record: SourceRecord) -> None:
    if record.min_zoom > record.max_zoom:
        raise _wrong(record.name, "min_zoom", f"{record.min_zoom} is above max_zoom = {record.max_zoom}")
    if not record.min_zoom <= record.default_zoom <= record.max_zoom:
        wanted = f"expected {record.min_zoom} to {record.max_zoom}"
        raise _wrong(record.name, "default_zoom", f"{record.default_zoom} is out of range; {wanted}")
    if record.kind == "embedded":
        raise _wrong(record.name, "kind", "'embedded' is built in; expected 'xyz' or 'raster'")
    if record.kind == "raster" and not record.paths:
        raise _wrong(record.name, "paths", "is empty; name at least one file or glob pattern")
    if record.kind == "xyz":
        _check_url(record)


def _check_url(record: SourceRecord) -> None:
    """Check a template without ever quoting it."""
    fields = set(re.findall(r"\{([^{}]*)\}", record.url))
    missing = {"z", "x", "y"} - fields
    if missing:
        raise _wrong(record.name, "url", f"lacks {', '.join(f'{{{name}}}' for name in sorted(missing))}")
    if fields - URL_FIELDS:
        unknown = ", ".join(f"{{{name}}}" for name in sorted(fields - URL_FIELDS))
        raise _wrong(record.name, "url", f"has {unknown}; known are {{z}}, {{x}}, {{y}}, {{release}}, {{key}}")
    if not re.match("https?://", record.url) or not _host(record) or not _port_is_right(record.url):
        raise _wrong(record.name, "url", "is no address of a server; expected http://... or https://...")
    if "key" in fields and not record.key_variable:
        raise _wrong(record.name, "key_variable", "is empty, but url has {key}; name an environment variable")


def _port_is_right(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # no number, or above 65535
        return False


def _as_strict_as_its_host(record: SourceRecord) -> SourceRecord:
    host = _host(record)
    if any(host == forbidden or host.endswith(f".{forbidden}") for forbidden in FORBIDDEN_HOSTS):
        return record.model_copy(update={"bulk_use": BulkUse.FORBIDDEN})
    return record


def _host(record: SourceRecord) -> str:
    try:
        return (urlsplit(record.url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _wrong(name: str, field: str, problem: str) -> SettingsError:
    return SettingsError(f"reading sources.{name}.{field} failed: {problem}. Mend [sources.{name}] in mosaic.toml")
