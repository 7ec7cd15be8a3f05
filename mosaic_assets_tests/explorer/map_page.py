"""What the tests of the map page do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import requests

if TYPE_CHECKING:
    from playwright.sync_api import Page

Query = dict[str, list[str]]


def query_of(page: Page) -> Query:
    """The question in the page's address, without where the map looks."""
    return {name: values for name, values in parse_qs(urlsplit(page.url).query).items() if name != "view"}


def view_in(url: str) -> tuple[float, float, float] | None:
    """Where the map looks by an address: latitude and longitude of its middle, and zoom."""
    text = parse_qs(urlsplit(url).query).get("view")
    if text is None:
        return None
    lat, lng, zoom = map(float, text[0].split(","))
    return lat, lng, zoom


def ids_on(page: Page) -> list[str]:
    """Ids of the list, as they are read."""
    return page.locator(".scene h3").all_inner_texts()


def ids_of(url: str, **parameters: object) -> list[str]:
    """Ids of the first page of 50 that the API gives."""
    answer = requests.get(f"{url}/api/search", params={"limit": 50, **parameters}, timeout=10)  # type: ignore[arg-type]
    answer.raise_for_status()
    return [scene["id"] for scene in answer.json()["scenes"]]


def spot(page: Page, lng: float, lat: float) -> tuple[float, float]:
    """Where on the screen a place is, for a page opened with ``view=lat,lng,zoom``: 360 degrees are 512 pixels at zoom 0."""
    view, box = view_in(page.url), page.locator("#map").bounding_box()
    assert view is not None
    middle_lat, middle_lng, zoom = view
    assert box is not None
    scale = 512 * 2**zoom / 360
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return x + (lng - middle_lng) * scale, y - (lat - middle_lat) * scale


def drag(page: Page, first: tuple[float, float], last: tuple[float, float]) -> None:
    """Drag the mouse from one place on the screen to another."""
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
    page.mouse.move(*last)
    page.mouse.up()


def squares_drawn(page: Page, layer: str = "place") -> int:
    """How many squares a layer of the map has."""
    return int(page.locator(f"path[data-layer={layer}]").get_attribute("data-squares") or 0)
