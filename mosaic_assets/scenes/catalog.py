"""The catalogue of a day: which scenes there are, one edition of each, published as GeoParquet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.errors import DataError, ProductError, SettingsError, StoreError
from mosaic_assets.scenes.names import newest_editions, parse_name
from mosaic_assets.scenes.records import SAFE_SUFFIX, ProductName
from mosaic_assets.scenes.region import load_region, rings_to_search
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

FIRST_DAY = date(2016, 4, 25)
"""The first OLCI scenes of the archive."""


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A scene of a day: its best edition."""

    name: ProductName
    source: str
    """``embedded``, ``folder`` or ``copernicus``."""
    id: str = ""
    """UUID in the Copernicus catalogue; '' elsewhere."""
    size_bytes: int = 0
    footprint: BaseGeometry | None = None
    """None when a folder's manifest cannot be read; the scene then ends as corrupt."""

    @property
    def synthetic(self) -> bool:
        """True for a scene that was made here."""
        return self.source == "embedded"


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """What a search of a day found."""

    day: date
    rows: tuple[CatalogueRow, ...]
    found: int
    """Products, all editions, before anything was left out."""
    superseded: int
    """Editions that a better one of the same scene replaces."""
    outside: int
    """Scenes that the search gave but that do not meet the region."""
    unreadable: tuple[str, ...]
    """Names that are no product's."""
    path: Path | None = None


def catalogue_path(settings: Settings, day: date) -> Path:
    """Return where the catalogue of a day lies, whether or not it is there."""
    return settings.smcefr_folder / "catalog" / f"{day.isoformat()}.parquet"


def search_day(settings: Settings, day: date) -> CatalogueReport:
    """Find the scenes of a day (UTC, by start of sensing) in the source and region of the settings.

    Raises
    ------
    SettingsError
        ``scenes.folder`` or ``scenes.region`` is unusable.
    SourceError
        The catalogue does not answer as it should.
    """
    found, unreadable = _found(settings, day)
    by_name = {row.name.text: row for row in found}
    editions = [by_name[name.text] for name in newest_editions(row.name for row in found)]
    region = load_region(settings)
    inside = [row for row in editions if row.synthetic or row.footprint is None or row.footprint.intersects(region)]
    return CatalogueReport(
        day=day,
        rows=tuple(inside),
        found=len(by_name) + len(unreadable),
        superseded=len(by_name) - len(editions),
        outside=len(editions) - len(inside),
        unreadable=tuple(sorted(unreadable)),
    )


def publish_catalogue(settings: Settings, day: date) -> CatalogueReport:
    """Search a day and publish what was found; an earlier catalogue of the day is replaced."""
    report = search_day(settings, day)
    path = catalogue_path(settings, day)
    with publishing(path, f"publishing the catalogue of {day}") as temporary:
        _frame(report.rows).to_parquet(temporary, compression="zstd")
    return replace(report, path=path)


def read_catalogue(settings: Settings, day: date) -> list[CatalogueRow]:
    """Read the published catalogue of a day.

    Raises
    ------
    StoreError
        There is none, or it is damaged.
    """
    import geopandas
    import pyarrow

    path = catalogue_path(settings, day)
    if not path.is_file():
        raise StoreError(
            f"reading the catalogue of {day} failed: {path} is not there; run `mosaic scenes catalog --day {day}` first"
        )
    try:
        frame = geopandas.read_parquet(path)
        return [_row(item) for item in frame.to_dict("records")]
    except (pyarrow.ArrowException, ValueError, KeyError, OSError, ProductError) as error:
        raise StoreError(
            f"reading the catalogue of {day} failed: {path} is damaged ({str(error)[:100]}); run "
            f"`mosaic scenes catalog --day {day}` again"
        ) from error


def catalogued_days(settings: Settings) -> list[date]:
    """Return the days that have a catalogue, in order."""
    folder = settings.smcefr_folder / "catalog"
    return sorted(date.fromisoformat(path.stem) for path in folder.glob("????-??-??.parquet"))


def bounds_of_day(day: date) -> tuple[datetime, datetime]:
    """Return the first moment of a day and that of the next, UTC.

    >>> [f"{moment:%d %H:%M}" for moment in bounds_of_day(date(2024, 2, 29))]
    ['29 00:00', '01 00:00']
    """
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return begin, begin + timedelta(days=1)


def _found(settings: Settings, day: date) -> tuple[list[CatalogueRow], list[str]]:
    """Return all editions that the source has, and the names that are no product's."""
    find = {"embedded": _embedded, "folder": _in_folder, "copernicus": _at_copernicus}[settings.scenes.source]
    return find(settings, day)


def _embedded(settings: Settings, day: date) -> tuple[list[CatalogueRow], list[str]]:
    from mosaic_assets.scenes.synthetic import products_of_day

    rows = [
        CatalogueRow(parse_name(spec.name.text), "embedded", footprint=spec.footprint)
        for spec in products_of_day(day, settings.seed)
    ]
    return rows, []


def _in_folder(settings: Settings, day: date) -> tuple[list[CatalogueRow], list[str]]:
    """List the products of a folder; one that is no OLCI product at full resolution is named."""
    folder = products_folder(settings)
    rows, unreadable = [], []
    for path in sorted(folder.glob(f"*{SAFE_SUFFIX}")):
        try:
            name = parse_name(path.name)
        except ProductError:
            unreadable.append(path.name)
            continue
        if name.day == day:
            rows.append(_row_of_folder(path, name))
    return rows, unreadable


def products_folder(settings: Settings) -> Path:
    """Return the folder of the source ``folder``. Raises `SettingsError` when it is not set or not there."""
    folder = settings.scenes.folder
    if folder is None or not folder.is_dir():
        raise SettingsError(
            f"the source `folder` of scenes needs a folder of .SEN3 products; scenes.folder is {str(folder or '')!r}, which "
            f"is {'not set' if folder is None else 'no folder'}. Set it in mosaic.toml or with MOSAIC_SCENES__FOLDER"
        )
    return folder


def _row_of_folder(path: Path, name: ProductName) -> CatalogueRow:
    from mosaic_assets.scenes.local import LocalProduct

    try:
        with LocalProduct(path) as product:
            manifest = product.manifest()
    except DataError:
        return CatalogueRow(name, "folder")
    size_bytes = sum(file.size_bytes for file in manifest.files.values())
    return CatalogueRow(name, "folder", size_bytes=size_bytes, footprint=manifest.footprint)


def _at_copernicus(settings: Settings, day: date) -> tuple[list[CatalogueRow], list[str]]:
    """Search polygon by polygon; a product that meets several of them counts once."""
    from mosaic_assets.sources.copernicus import MAX_RING, open_catalogue, search

    http, base = open_catalogue(settings), settings.scenes.catalogue_url
    rows: dict[str, CatalogueRow] = {}
    unreadable: set[str] = set()
    try:
        for ring in rings_to_search(load_region(settings), MAX_RING):
            for found in search(http, base, ring, *bounds_of_day(day)):
                try:
                    name = parse_name(found.name)
                except ProductError:
                    unreadable.add(found.name)
                    continue
                footprint = _geometry(found.footprint)
                rows[found.id] = CatalogueRow(name, "copernicus", found.id, found.size_bytes, footprint)
    finally:
        http.close()
    return list(rows.values()), sorted(unreadable)


def _geometry(geojson: Any) -> BaseGeometry | None:
    """Return a GeoJSON object as a geometry, or None when it is none: the manifest will tell."""
    import json

    import shapely

    if geojson is None:
        return None
    try:
        shape = shapely.make_valid(shapely.from_geojson(json.dumps(geojson)))
    except (shapely.errors.GEOSException, TypeError, ValueError):
        return None
    return None if shape.is_empty else shape


def _frame(rows: Iterable[CatalogueRow]) -> Any:
    """Return the rows as a GeoDataFrame, also without any."""
    import geopandas

    rows = list(rows)
    columns = {
        "product": [row.name.text for row in rows],
        "mission": [row.name.mission for row in rows],
        "start": [row.name.start for row in rows],
        "stop": [row.name.stop for row in rows],
        "relative_orbit": [row.name.relative_orbit for row in rows],
        "frame": [row.name.frame for row in rows],
        "timeliness": [row.name.timeliness for row in rows],
        "collection": [row.name.collection for row in rows],
        "id": [row.id for row in rows],
        "size_bytes": [row.size_bytes for row in rows],
        "source": [row.source for row in rows],
        "synthetic": [row.synthetic for row in rows],
    }
    frame = geopandas.GeoDataFrame(columns, geometry=[row.footprint for row in rows], crs="EPSG:4326")
    for name in ("start", "stop"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    for name in ("relative_orbit", "frame", "size_bytes"):
        frame[name] = frame[name].astype("int64")
    return frame


def _row(item: dict[str, Any]) -> CatalogueRow:
    return CatalogueRow(
        parse_name(item["product"]), item["source"], item["id"], int(item["size_bytes"]), item["geometry"]
    )
