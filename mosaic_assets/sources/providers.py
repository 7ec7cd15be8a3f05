"""The imagery providers known by name, as data.

A template was taken up only when its axis order is certain; providers whose order, licence or key handling
could not be established are absent, and users can add them under ``[sources.<name>]``. No provider here
publishes a request limit for tiles except where a comment says so: the limits below are our own restraint, and
whoever has agreed on more with a provider raises them in the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mosaic_assets.sources.records import BulkUse, SourceRecord

FORBIDDEN_HOSTS = ("arcgisonline.com", "maptiles.arcgis.com", "tiledbasemaps.arcgis.com")
"""Hosts, with all below them, whose terms forbid bulk use whatever a settings table says of them."""

ESRI_PLACEHOLDER = "9eafd300d61393184a4abc1d458564cfd1cd9b6f9c4e9c74687045c0a0e5b858"
"""SHA-256 of the 2,521-byte JPEG "Map data not yet available"; it comes with status 200, at any zoom."""

_CC_BY = {"licence": "CC BY 4.0", "licence_url": "https://creativecommons.org/licenses/by/4.0/"}

_ESRI: dict[str, Any] = {
    "licence": "Esri Master Agreement",
    "licence_url": "https://www.esri.com/en-us/legal/terms/master-agreement",
    "terms_url": "https://www.esri.com/en-us/legal/terms/master-agreement",
    "attribution": "Esri, Maxar, Earthstar Geographics, and the GIS User Community",
    # The data clause says one "may not otherwise scrape, download, or store Data".
    "bulk_use": BulkUse.FORBIDDEN,
    "placeholder_sha256": (ESRI_PLACEHOLDER,),
    "repeats_are_placeholders": True,
    # No figure is published.
    "requests_per_s": 5,
    "max_connections": 4,
}


def _xyz(name: str, title: str, url: str, **fields: Any) -> SourceRecord:
    return SourceRecord(name=name, kind="xyz", title=title, url=url, **fields)


_USGS = _xyz(
    "usgs",
    "USGS The National Map, orthoimagery of the United States",
    "https://basemap.nationalmap.gov/arcgis/rest/services/USGSImageryOnly/MapServer/tile/{z}/{y}/{x}",
    # Sources disagree between 16 and 20; 16 is what all of them have.
    max_zoom=16,
    default_zoom=15,
    licence="US public domain",
    licence_url="https://www.usgs.gov/information-policies-and-instructions/copyrights-and-credits",
    attribution="Tiles courtesy of the U.S. Geological Survey",
    terms_url="https://www.usgs.gov/information-policies-and-instructions/copyrights-and-credits",
    bulk_use=BulkUse.ALLOWED,
    # The same server software as Esri's, so outside the country a stock picture may come back.
    repeats_are_placeholders=True,
    # A public service without a published limit: modest.
    requests_per_s=10,
    max_connections=4,
)

_IGN = _xyz(
    "ign_france",
    "IGN BD ORTHO, orthophotos of France",
    "https://data.geopf.fr/wmts?SERVICE=WMTS&VERSION=1.0.0&REQUEST=GetTile&STYLE=normal&TILEMATRIXSET=PM"
    "&FORMAT=image/jpeg&LAYER=ORTHOIMAGERY.ORTHOPHOTOS&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}",
    licence="Licence Ouverte / Open Licence 2.0 (Etalab)",
    licence_url="https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
    attribution="IGN-F / Géoportail",
    terms_url="https://geoservices.ign.fr/cgu-licences",
    bulk_use=BulkUse.ALLOWED,
    # Its WMTS is exempt from the published limits (raster WMS: 40 requests/s an address); half of that.
    requests_per_s=20,
    max_connections=8,
)

_PDOK = _xyz(
    "pdok_netherlands",
    "PDOK Luchtfoto, orthophotos of the Netherlands (licence not verified)",
    "https://service.pdok.nl/hwh/luchtfotorgb/wmts/v1_0/Actueel_ortho25/EPSG:3857/{z}/{x}/{y}.jpeg",
    min_zoom=6,
    licence="CC BY 4.0 (not verified; read the provider's page)",
    licence_url="https://www.pdok.nl/introductie/-/article/luchtfoto-pdok",
    attribution="Kadaster / Beeldmateriaal.nl",
    terms_url="https://www.pdok.nl/introductie/-/article/luchtfoto-pdok",
    bulk_use=BulkUse.ASK,
    # A shared national service without a published limit for tiles.
    requests_per_s=10,
    max_connections=4,
)

_BASEMAP_AT = _xyz(
    "basemap_at",
    "basemap.at orthophoto, Austria",
    "https://mapsneu.wien.gv.at/basemap/bmaporthofoto30cm/normal/google3857/{z}/{y}/{x}.jpeg",
    max_zoom=20,
    **_CC_BY,
    attribution="Datenquelle: basemap.at",
    terms_url="https://basemap.at/#lizenz",
    # The licence is open; whether its server may be asked for many tiles is not said.
    bulk_use=BulkUse.ASK,
    requests_per_s=8,
    max_connections=4,
)

_EOX = "https://tiles.maps.eox.at/wmts/1.0.0/{layer}_3857/default/g/{{z}}/{{y}}/{{x}}.jpg"
_EOX_CREDIT = (
    "Sentinel-2 cloudless - https://s2maps.eu by EOX IT Services GmbH "
    "(Contains modified Copernicus Sentinel data {years})"
)

_EOX_2016 = _xyz(
    "eox_s2cloudless_2016",
    "Sentinel-2 cloudless 2016, the world at 10 m",
    # The first mosaic is the only one whose layer has no year in its name.
    _EOX.format(layer="s2cloudless"),
    imagery="eox_s2cloudless",
    release="2016",
    # 10 m a pixel is reached at zoom 14; higher zooms are enlargements.
    max_zoom=14,
    default_zoom=13,
    **_CC_BY,
    attribution=_EOX_CREDIT.format(years="2016 & 2017"),
    terms_url="https://cloudless.eox.at/documentation/license",
    # The data are CC BY 4.0, but whether the company's own server may be asked in bulk is for it to say.
    bulk_use=BulkUse.ASK,
    # A company's courtesy: half of what a public service is asked for.
    requests_per_s=5,
    max_connections=4,
)

_EOX_2020 = _xyz(
    "eox_s2cloudless_2020",
    "Sentinel-2 cloudless 2020, the world at 10 m (non-commercial)",
    _EOX.format(layer="s2cloudless-2020"),
    imagery="eox_s2cloudless",
    release="2020",
    max_zoom=14,
    default_zoom=13,
    licence="CC BY-NC-SA 4.0",
    licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
    attribution=_EOX_CREDIT.format(years="2020"),
    terms_url="https://cloudless.eox.at/documentation/license",
    # Mosaics from 2018 on are free for non-commercial use only; the user must say that theirs is.
    bulk_use=BulkUse.ASK,
    requests_per_s=5,
    max_connections=4,
)

_GIBS_CREDIT = (
    "Imagery provided by services from NASA's Global Imagery Browse Services (GIBS), "
    "part of NASA's Earth Science Data and Information System (ESDIS)"
)
_GIBS: dict[str, Any] = {
    "licence": "NASA open data policy",
    "licence_url": "https://www.earthdata.nasa.gov/engage/open-data-services-software-policies",
    "attribution": _GIBS_CREDIT,
    "terms_url": "https://nasa-gibs.github.io/gibs-api-docs/",
    "bulk_use": BulkUse.ALLOWED,
    # Keyless and made for map clients; no limit is published.
    "requests_per_s": 10,
    "max_connections": 4,
}

_BLUE_MARBLE = _xyz(
    "nasa_blue_marble",
    "NASA Blue Marble Next Generation, the world at 500 m",
    "https://gibs.earthdata.nasa.gov/wmts/epsg3857/best/BlueMarble_NextGeneration/default/"
    "GoogleMapsCompatible_Level8/{z}/{y}/{x}.jpeg",
    max_zoom=8,
    default_zoom=8,
    **_GIBS,
)

_MODIS = _xyz(
    "nasa_modis_terra",
    "NASA MODIS Terra corrected reflectance, one day of the world at 250 m, with clouds",
    "https://gibs.earthdata.nasa.gov/wmts/epsg3857/best/MODIS_Terra_CorrectedReflectance_TrueColor/default/"
    "{release}/GoogleMapsCompatible_Level9/{z}/{y}/{x}.jpg",
    # The release is the day; another day is another release, set under [sources.nasa_modis_terra].
    release="2024-06-15",
    max_zoom=9,
    default_zoom=9,
    **_GIBS,
)

_LINZ = _xyz(
    "linz_new_zealand",
    "LINZ aerial imagery of New Zealand (licence not verified; needs a key)",
    "https://basemaps.linz.govt.nz/v1/tiles/aerial/WebMercatorQuad/{z}/{x}/{y}.webp?api={key}",
    key_variable="LINZ_API_KEY",
    max_zoom=21,
    licence="CC BY 4.0 (not verified; read the provider's page)",
    attribution="Toitū Te Whenua Land Information New Zealand",
    terms_url="https://basemaps.linz.govt.nz",
    bulk_use=BulkUse.ASK,
    # A key ties every request to a person; stay far from anything it could be withdrawn for.
    requests_per_s=5,
    max_connections=4,
)

_WORLD_IMAGERY = _xyz(
    "esri_world_imagery",
    "Esri World Imagery (terms forbid bulk use)",
    "https://services.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}",
    **_ESRI,
)

_WAYBACK = _xyz(
    "esri_wayback",
    "Esri World Imagery Wayback, release 56102 of 2023-12-07 (terms forbid bulk use)",
    "https://wayback.maptiles.arcgis.com/arcgis/rest/services/World_Imagery/WMTS/1.0.0/default028mm/MapServer/tile/"
    "{release}/{z}/{y}/{x}",
    # Release numbers do not follow time; the provider's list pairs them with dates.
    release="56102",
    **_ESRI,
)

PRESETS: Mapping[str, SourceRecord] = MappingProxyType(
    {
        record.name: record
        for record in (
            _USGS,
            _IGN,
            _PDOK,
            _BASEMAP_AT,
            _EOX_2016,
            _EOX_2020,
            _BLUE_MARBLE,
            _MODIS,
            _LINZ,
            _WORLD_IMAGERY,
            _WAYBACK,
        )
    }
)
"""Records of the providers known by name; ``embedded`` is not among them, see `registry.all_records`."""
