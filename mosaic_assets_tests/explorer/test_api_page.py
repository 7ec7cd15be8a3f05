from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import requests

from mosaic_assets_tests.explorer.running import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
OpenPage = Callable[..., "Page"]


def test_every_request_is_on_the_page(archive_url: str, open_page: OpenPage) -> None:
    described = requests.get(f"{archive_url}/openapi.json", timeout=10).json()["paths"]
    page = open_page(f"{archive_url}/api")
    page.wait_for_selector("details.operation")
    shown = page.locator("details.operation > summary code").all_inner_texts()
    assert sorted(shown) == sorted(path for path, methods in described.items() for _ in methods)
    assert page.locator("nav#contents a").count() == len(shown)
    headings = page.locator("h1, h2:not(nav h2)").all_inner_texts()
    assert headings[:2] == ["HTTP API", "search"]


def test_an_example_is_shown_where_it_is_asked_for(archive_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{archive_url}/api#get-api-search")
    page.wait_for_selector("details[open]")
    assert page.locator("details[open] summary code").all_inner_texts() == ["/api/search"]
    page.get_by_role("button", name="Show the answer of /api/search?box=150,-30,155,-25").press("Enter")
    assert '"kind": "box"' in page.locator(".answer pre").inner_text()
    assert page.locator("#announce").inner_text() == "/api/search?box=150,-30,155,-25 answered with 200"


def test_the_scene_of_an_example_is_one_that_there_is(archive_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{archive_url}/api#get-api-squares")
    page.get_by_role("button", name="Show the answer of /api/squares?scene=h1a00").click()
    assert '"codes"' in page.locator(".answer pre").inner_text()


def test_a_picture_is_shown_as_one(archive_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{archive_url}/api#get-api-density-png")
    page.get_by_role("button", name="Show the answer of /api/density.png", exact=True).click()
    page.wait_for_selector(".answer img")
    page.wait_for_function("document.querySelector('.answer img').naturalWidth === 360")


def test_a_refusal_is_shown_as_it_came(empty_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{empty_url}/api#get-api-datasets")
    page.get_by_role("button", name="Show the answer of /api/datasets").click()
    assert "materialize csquare_index" in page.locator(".answer pre").inner_text()
    assert page.locator(".answer .note").inner_text().startswith("404, application/problem+json")


def test_following_a_link_of_the_contents_opens_the_request(archive_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{archive_url}/api")
    page.locator("nav#contents a", has_text="/api/place").click()
    page.wait_for_selector("details[open]")
    assert page.url.endswith("/api#get-api-place")
    page.go_back()
    assert page.url.endswith("/api")


def test_on_a_phone_nothing_is_wider_than_the_screen(archive_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{archive_url}/api#get-satdata-search-get-scenes", viewport=PHONE)
    page.wait_for_selector("details[open]")
    page.locator("details[open] button").first.click()
    page.wait_for_selector(".answer pre")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert all(
        box["height"] >= 36
        for box in (one.bounding_box() for one in page.locator("summary:visible, button:visible").all()[:10])
    )
