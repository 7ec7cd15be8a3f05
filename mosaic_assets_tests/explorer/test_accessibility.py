"""Names, headings, contrast, focus, and what a page does when answers are missing, late or not whole."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from mosaic_assets.explorer.pages import FOLDER, PAGES
from mosaic_assets_tests.explorer.running import PHONE

browser = pytest.mark.browser

PATHS = [one.path for one in PAGES]

# WCAG 2.2: 1.4.3 for text, 1.4.11 for what marks a control.
TEXT, MARK = 4.5, 3.0
PAIRS = [
    ("ink", "paper", TEXT), ("ink", "panel", TEXT), ("faint", "paper", TEXT), ("faint", "panel", TEXT),
    ("accent", "paper", TEXT), ("accent", "panel", TEXT), ("accent-ink", "accent", TEXT), ("warn", "paper", TEXT),
    ("warn", "panel", TEXT), ("good", "paper", TEXT), ("good", "panel", TEXT), ("ink", "line", TEXT),
    ("accent", "line", MARK), ("faint", "paper", MARK),
]  # fmt: skip

UNNAMED = """() => [...document.querySelectorAll("a[href], button, input, select, summary, canvas[tabindex], img, svg[role=img]")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.labels && one.labels.length) && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")
    && !one.textContent.trim() && !one.getAttribute("alt") && !(one.tagName === "IMG" && one.alt === "" && one.hasAttribute("alt"))
    && !one.querySelector("img[alt]"))
  .map((one) => one.outerHTML.slice(0, 120))"""

HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")].filter((one) => one.checkVisibility())
  .map((one) => Number(one.tagName[1]))"""

SMALL = """() => [...document.querySelectorAll("header a, header button")].filter((one) => one.checkVisibility())
  .map((one) => [one.textContent.trim(), one.getBoundingClientRect()])
  .filter(([, box]) => box.height < 24 || box.right > innerWidth).map(([text]) => text)"""

LATE = """
window.late = {};
const real = window.fetch;
window.fetch = async (address, options) => {
  const part = Object.keys(window.late).find((one) => String(address).includes(one));
  if (!part) return real(address, options);
  const wait = window.late[part];
  delete window.late[part];
  const answer = await real(address);
  await new Promise((done) => setTimeout(done, wait));
  return answer;
};
"""
"""Holds back the next answer of each address that contains a key of ``late``, so many milliseconds."""


def _colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    """The colours of explorer.css, for light or for dark."""
    blocks = re.findall(r":root \{(.*?)\}", (FOLDER / "explorer.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6})", blocks[("light", "dark").index(scheme)])
    return {name: tuple(int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)) for name, code in found}  # type: ignore[misc]


def _luminance(rgb: tuple[float, float, float]) -> float:
    """Relative luminance as WCAG defines it."""
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("above", "below", "least"), PAIRS)
def test_colours_stand_out_from_what_is_below_them(scheme: str, above: str, below: str, least: float) -> None:
    colours = _colours(scheme)
    low, high = sorted((_luminance(colours[above]), _luminance(colours[below])))
    assert (high + 0.05) / (low + 0.05) >= least


def test_scripts_and_styles_are_of_a_size_to_be_read() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FOLDER.rglob("*.js")}
    assert {name: length for name, length in lengths.items() if length > 275} == {}


@browser
@pytest.mark.parametrize("path", PATHS)
def test_every_control_has_a_name_and_headings_come_in_order(archive_url: str, open_page: Any, path: str) -> None:
    page = open_page(f"{archive_url}{path}", viewport=PHONE)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(UNNAMED) == []
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.evaluate(SMALL) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@browser
def test_who_acts_by_keyboard_keeps_the_focus(archive_url: str, open_page: Any) -> None:
    page = open_page(archive_url)

    def focused() -> str:
        return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))

    page.get_by_role("button", name="Show everything").press("Enter")
    expect(page.locator("#count")).to_have_text("120 scenes")
    assert focused() == "results"
    page.locator(".scene button").first.press("Enter")
    page.wait_for_selector("path[data-layer=shown]")
    assert focused() == "BUTTON"
    page.route("**/api/search**", lambda route: route.abort())
    page.locator("#next").press("Enter")
    page.get_by_role("button", name="Try again").wait_for()
    page.unroute("**/api/search**")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("#page-of")).to_have_text("Page 2 of 3")
    assert focused() == "results"


@browser
@pytest.mark.parametrize(
    "path", ["/", "/colours", "/datasets", "/datasets?dataset=chips&id=x", "/benchmarks", "/assets", "/api"]
)
def test_each_page_says_that_nobody_answers_and_asks_again(archive_url: str, open_page: Any, path: str) -> None:
    page = open_page("about:blank")
    gone = re.compile("/api/|openapi.json")
    page.route(gone, lambda route: route.abort())
    page.goto(f"{archive_url}{path}")
    expect(page.locator(".problem").first).to_contain_text("start it again with mosaic explore")
    page.unroute(gone)
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_text("start it again with mosaic explore")).to_have_count(0)


@browser
@pytest.mark.parametrize("path", ["/?code=3414", "/colours", "/datasets?dataset=chips", "/benchmarks", "/assets"])
def test_an_answer_that_lacks_something_is_said_to(archive_url: str, open_page: Any, path: str) -> None:
    page = open_page("about:blank")
    page.route("**/api/**", lambda route: route.fulfill(json={}))
    page.goto(f"{archive_url}{path}")
    expect(page.locator(".problem").first).to_contain_text("The answer could not be shown")
    page.route("**/api/**", lambda route: route.fulfill(body="<p>not JSON", content_type="text/html"))
    page.goto(f"{archive_url}{path}")
    expect(page.locator(".problem").first).to_contain_text("is not JSON")


@browser
def test_a_late_answer_never_takes_the_place_of_a_newer_one(archive_url: str, open_page: Any) -> None:
    page = open_page("about:blank", bypass_csp=True)
    page.add_init_script(LATE)
    page.goto(f"{archive_url}/?view=-45,145,3&resolution=10")
    page.evaluate("late['/api/place'] = 400")
    page.fill("#place", "3011")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("Looking it up …")
    page.locator("#map").click()
    expect(page.locator("#asked")).to_have_text("square 3414")
    page.wait_for_timeout(500)
    expect(page.locator("#asked")).to_have_text("square 3414")
    page.evaluate("late['/api/search'] = 400")
    page.fill("#place", "3011")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("Searching …")
    page.locator("#clear").click()
    page.wait_for_timeout(500)
    expect(page.locator("#count")).to_have_text("Results")


@browser
def test_a_name_of_a_place_is_answered_with_what_can_be_typed(archive_url: str, open_page: Any) -> None:
    page = open_page(archive_url)
    page.fill("#place", "Hobart")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("Names of places are not known here. Type latitude and longitude")


@browser
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("start=2003-06-20&end=2003-06-22", "2003-06-20 to 2003-06-21 UTC"),
        ("start=2003-06-20&end=2003-06-21", "2003-06-20 UTC"),
        ("start=2003-06-20", "from 2003-06-20 UTC"),
        ("end=2003-06-22", "until 2003-06-21 UTC"),
        ("start=2003-06-20&end=2003-06-20T06:00:00Z", "from 2003-06-20 before 2003-06-20T06:00:00Z UTC"),
    ],
)
def test_days_are_said_as_they_are_meant(archive_url: str, open_page: Any, query: str, said: str) -> None:
    page = open_page(f"{archive_url}/?{query}")
    expect(page.locator("#asked")).to_have_text(f"everywhere · {said}")


@browser
def test_a_tile_leads_from_the_map_to_its_details(archive_url: str, open_page: Any) -> None:
    page = open_page(f"{archive_url}/?dataset=tiles")
    page.get_by_role("link", name="Details of tile-00").click()
    expect(page.locator("#item-title")).to_have_text("tile-00")
    assert page.title() == "tile-00 · Tiles · Datasets · mosaic_assets"


@browser
def test_a_link_to_what_is_shown_is_copied(archive_url: str, open_page: Any) -> None:
    page = open_page(f"{archive_url}/?code=3414&resolution=10", permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("#asked")).to_have_text("square 3414")
    assert page.title() == "square 3414 · Map · mosaic_assets"
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#copy-link")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
