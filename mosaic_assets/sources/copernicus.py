"""The Copernicus Data Space: search of its OData catalogue, and the files of its products.

The catalogue and the list of a product's files are open; files need an account. An answer to a search ends after
10,000 products whatever the paging, so a search is cut by time until every piece stays below that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.settings import Settings
from mosaic_assets.sources.copernicus_token import CopernicusTokens, account_from_environment
from mosaic_assets.sources.http_files import HttpFiles

PRODUCT_TYPE = "OL_1_EFR___"
PAGE = 1_000
"""Products asked for in one page: the most that the catalogue gives."""
MOST = 9_000
"""Products of one slice of time above which it is halved."""
MAX_PAGE_BYTES = 64_000_000
SHORTEST_SLICE = timedelta(seconds=1)
MAX_RING = 100
"""Vertices of a polygon in a search, so that its address stays short enough for servers."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product as the catalogue lists it; its name is not yet looked at."""

    id: str
    """UUID."""
    name: str
    size_bytes: int
    footprint: Mapping[str, Any] | None
    """GeoJSON, if the catalogue has it."""


def open_catalogue(settings: Settings) -> HttpFiles:
    """Return a client for the catalogue, which asks for no account."""
    scenes = settings.scenes
    return HttpFiles(settings.network, connections=scenes.connections, retries=scenes.retries)


def open_files(settings: Settings) -> HttpFiles:
    """Return a client for files, with the account from the environment. Raises `SettingsError` without one."""
    account = account_from_environment(settings.scenes)
    http = open_catalogue(settings)
    return http.with_tokens(CopernicusTokens(http, settings.scenes.token_url, account))


def search_url(base: str, ring: str, begin: datetime, end: datetime) -> str:
    """Return the address of the first page of a search.

    Parameters
    ----------
    base : of the OData service, without a slash at its end.
    ring : WKT of a polygon, longitude latitude.
    begin, end : when sensing started, UTC: from ``begin`` up to but not including ``end``.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = datetime(2024, 6, 1, tzinfo=UTC)
    >>> url = search_url("https://c.example/odata/v1", "POLYGON ((0 0, 1 0, 1 1, 0 0))", day, day + timedelta(days=1))
    >>> url[:42], "2024-06-02T00%3A00%3A00.000Z" in url
    ('https://c.example/odata/v1/Products?$filte', True)
    """
    attribute = "OData.CSC.StringAttribute"
    conditions = [
        "Collection/Name eq 'SENTINEL-3'",
        f"Attributes/{attribute}/any(att:att/Name eq 'productType' and att/{attribute}/Value eq '{PRODUCT_TYPE}')",
        f"ContentDate/Start ge {_moment(begin)}",
        f"ContentDate/Start lt {_moment(end)}",
        f"OData.CSC.Intersects(area=geography'SRID=4326;{ring}')",
    ]
    options = {"$filter": " and ".join(conditions), "$orderby": "ContentDate/Start asc", "$top": PAGE, "$count": "True"}
    return f"{base}/Products?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in options.items())


def file_url(base: str, product_id: str, folder: str, file: str) -> str:
    """Return the address of a file of a product; ``base`` is that of the download service.

    >>> file_url("https://d.example/odata/v1", "0-1", "S3A.SEN3", "Oa08_radiance.nc")
    'https://d.example/odata/v1/Products(0-1)/Nodes(S3A.SEN3)/Nodes(Oa08_radiance.nc)/$value'
    """
    return f"{base}/Products({quote(product_id)})/Nodes({quote(folder)})/Nodes({quote(file)})/$value"


def search(http: HttpFiles, base: str, ring: str, begin: datetime, end: datetime) -> Iterator[FoundProduct]:
    """Yield the products that meet a polygon and whose sensing started from ``begin`` up to ``end``.

    Raises
    ------
    SourceUnavailableError
        The catalogue does not answer, or gave fewer products than it counted.
    SourceError
        Its answer is not one of OData, or its next page lies on another host.
    """
    page = _page(http, search_url(base, ring, begin, end))
    count = page.get("@odata.count")
    if isinstance(count, int) and count > MOST and end - begin > SHORTEST_SLICE:
        middle = begin + (end - begin) / 2
        yield from search(http, base, ring, begin, middle)
        yield from search(http, base, ring, middle, end)
        return
    received = 0
    for product in _all_pages(http, base, page):
        received += 1
        yield product
    if isinstance(count, int) and received < count:
        raise SourceUnavailableError(
            f"searching the catalogue from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} failed: it counted {count} products "
            f"and gave {received}. Run again later"
        )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _all_pages(http: HttpFiles, base: str, page: dict[str, Any]) -> Iterator[FoundProduct]:
    followed: set[str] = set()
    while True:
        yield from map(_product, page["value"])
        following = page.get("@odata.nextLink")
        if following is None:
            return
        if not isinstance(following, str) or following in followed:
            raise SourceError(f"searching the catalogue failed: its next page is {following!r:.100}, again")
        if urlsplit(following)[:2] != urlsplit(base)[:2]:
            raise SourceError(
                f"searching the catalogue failed: its next page lies on {urlsplit(following).netloc!r}, another host; is "
                f"scenes.catalogue_url = {base} right?"
            )
        followed.add(following)
        page = _page(http, following)


def _page(http: HttpFiles, url: str) -> dict[str, Any]:
    import json

    body = http.body(url, MAX_PAGE_BYTES, attempt="searching the catalogue")
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        page = None
    if not isinstance(page, dict) or not isinstance(page.get("value"), list):
        raise SourceError(
            "searching the catalogue failed: the answer is no OData page; expected JSON with a list `value`. "
            "Is scenes.catalogue_url right?"
        )
    return page


def _product(item: Any) -> FoundProduct:
    """Read an entry; an id that is none must not become part of an address."""
    item = item if isinstance(item, dict) else {}
    found, name, size = item.get("Id"), item.get("Name"), item.get("ContentLength")
    if not (isinstance(found, str) and _UUID.fullmatch(found) and isinstance(name, str)):
        raise SourceError(f"searching the catalogue failed: an entry has Id {found!r:.60} and Name {name!r:.60}")
    footprint = item.get("GeoFootprint")
    size_bytes = size if isinstance(size, int) and size >= 0 else 0
    return FoundProduct(found, name, size_bytes, footprint if isinstance(footprint, dict) else None)
