from __future__ import annotations

from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from mosaic_assets_tests.explorer.map_page import drag, ids_of, ids_on, query_of, spot, squares_drawn, view_in

pytestmark = pytest.mark.browser

TASMANIA = "view=-42,147,4"


def test_a_click_on_a_square_lists_its_scenes(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?resolution=5&{TASMANIA}")
    page.mouse.click(*spot(page, 147.3, -42.8))
    expect(page.locator("#asked")).to_have_text("square 3414:2")
    assert ids_on(page) == ids_of(archive_url, code="3414:2") != []
    assert (squares_drawn(page), list(query_of(page))) == (1, ["point", "resolution"])
    expect(page.locator(".scene .synthetic").first).to_be_visible()
    expect(page.locator(".scene .credit").first).to_have_text("made up for tests (synthetic) · CC0-1.0")


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("34142274", {"code": "3414:227:4", "resolution": "0.5"}),
        ("3414:2", {"code": "3414:2", "resolution": "5"}),
        ("42.8 S, 147.3 E", {"point": "147.3,-42.8", "resolution": "10"}),
        ("150 -30 155 -25", {"box": "150,-30,155,-25", "resolution": "10"}),
    ],
)
def test_a_typed_place_is_asked_for(archive_url: str, open_page, typed: str, asked: dict[str, str]) -> None:
    page = open_page(archive_url)
    page.fill("#place", typed)
    page.keyboard.press("Enter")
    page.wait_for_selector(".scene")
    assert query_of(page) == {name: [value] for name, value in asked.items()}
    assert ids_on(page) == ids_of(archive_url, **asked)
    assert page.locator("path[data-layer=place]").count() == 1


def test_a_text_that_is_no_place_is_explained_and_changes_nothing(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?code=3414")
    page.wait_for_selector(".scene")
    before = ids_on(page)
    page.fill("#place", "9 somewhere nice")
    page.click("button.main")
    expect(page.locator("#said")).to_contain_text("expected a c-square")
    assert page.locator("#place").get_attribute("aria-invalid") == "true"
    assert (ids_on(page), page.url) == (before, f"{archive_url}/?code=3414")


@pytest.mark.parametrize("how", ["tool", "shift"])
def test_a_box_is_dragged(archive_url: str, open_page, how: str) -> None:
    page = open_page(f"{archive_url}/?resolution=0.5&{TASMANIA}")
    corners = spot(page, 144, -44), spot(page, 149, -40)
    if how == "tool":
        page.click("#draw-box")
        drag(page, *corners)
    else:
        page.keyboard.down("Shift")
        drag(page, *corners)
        page.keyboard.up("Shift")
    page.wait_for_selector(".scene")
    west, south, east, north = map(float, query_of(page)["box"][0].split(","))
    assert (west, south, east, north) == pytest.approx((144, -44, 149, -40), abs=0.06)  # a pixel is 0.044 degrees
    assert ids_on(page) == ids_of(archive_url, box=f"{west},{south},{east},{north}")
    assert page.locator("#draw-box").get_attribute("aria-pressed") == "false"


def test_a_box_over_the_date_line_has_west_above_east(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?view=0,180,4")
    page.click("#draw-box")
    drag(page, spot(page, 175, -5), spot(page, 190, 5))
    page.wait_for_url("**box=**")
    west, _, east, _ = map(float, query_of(page)["box"][0].split(","))
    assert (west, east) == pytest.approx((175, -170), abs=0.06)


def test_arrow_keys_and_enter_do_what_a_click_does(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?view=-45,145,3")
    page.focus("#map")
    for key, code in [("ArrowLeft", "3414"), ("ArrowUp", "3314"), ("ArrowLeft", "3313"), ("ArrowDown", "3413")]:
        page.keyboard.press(key)
        expect(page.locator("#announce")).to_have_text(code)
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_have_text("square 3413")
    assert ids_on(page) == ids_of(archive_url, code="3413") != []


def test_keys_go_over_the_date_line(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?view=5,175,3")
    page.focus("#map")
    for code in ["1017", "7017", "7016"]:
        page.keyboard.press("ArrowRight")
        expect(page.locator("#announce")).to_have_text(code)


def test_filters_narrow_the_list(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?code=3414&resolution=10")
    page.wait_for_selector(".scene")
    page.get_by_label("Platform").select_option("NOAA-14")
    expect(page.locator("#asked")).to_contain_text("NOAA-14")
    page.get_by_label("Last day").fill("2003-06-21")
    expect(page.locator("#asked")).to_contain_text("until 2003-06-21 UTC")
    assert ids_on(page) == ids_of(archive_url, code="3414", platform="NOAA-14", end="2003-06-22") != []
    assert query_of(page)["end"] == ["2003-06-22"]
    page.get_by_label("Tiles").check()
    expect(page.locator("#count")).to_have_text("0 scenes")
    page.click("text=On any platform")
    page.click("text=At any time")
    expect(page.locator("#count")).to_have_text("30 scenes")


def test_an_address_shared_shows_the_same(archive_url: str, open_page) -> None:
    first = open_page(f"{archive_url}/?resolution=1&{TASMANIA}")
    first.mouse.click(*spot(first, 147.3, -42.8))
    first.wait_for_selector(".scene")
    first.get_by_role("button", name="Show squares").first.click()
    first.wait_for_selector("path[data-layer=shown]")
    first.wait_for_url(lambda url: view_in(url) not in (None, (-42, 147, 4)))  # it was zoomed to the squares
    zoomed = view_in(first.url)
    first.click("#zoom-in")
    first.wait_for_url(lambda url: view_in(url) != zoomed)
    second = open_page(first.url)
    second.wait_for_selector("path[data-layer=shown]")
    second.wait_for_selector(".scene")
    assert _look(second) == _look(first)
    assert second.url == first.url


def _look(page: Any) -> Any:
    """List, form, squares, and where on the screen the world lies."""
    squares = squares_drawn(page), squares_drawn(page, "shown")
    world = page.locator("img.leaflet-image-layer").first.bounding_box()
    return ids_on(page), page.locator("input[name=resolution]:checked").get_attribute("value"), squares, world


def test_back_and_forward_restore_every_question(archive_url: str, open_page) -> None:
    page = open_page(archive_url)
    seen = []
    for typed in ["3414", "3313"]:
        page.fill("#place", typed)
        page.keyboard.press("Enter")
        expect(page.locator("#asked")).to_have_text(f"square {typed}")
        seen.append((page.url, ids_on(page)))
    page.go_back()
    expect(page.locator("#asked")).to_have_text("square 3414")
    assert (page.url, ids_on(page), page.input_value("#place")) == (*seen[0], "3414")
    page.go_back()
    expect(page.locator("#state")).to_contain_text("Click a square")
    assert (page.locator(".scene").count(), page.locator("path[data-layer=place]").count()) == (0, 0)
    page.go_forward()
    expect(page.locator("#asked")).to_have_text("square 3414")


def test_squares_of_a_scene_and_others_there(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?code=3414&resolution=0.5")
    page.get_by_role("button", name="Show squares of h1a02").click()
    page.wait_for_selector("path[data-layer=shown]")
    squares = requests.get(
        f"{archive_url}/api/squares", params={"scene": "h1a02", "compressed": "true"}, timeout=10
    ).json()
    assert squares_drawn(page, "shown") == squares["count"]
    page.get_by_role("button", name="Others here of h1a02").click()
    expect(page.locator("#asked")).to_contain_text("others in the squares of h1a02")
    assert ids_on(page) == ids_of(archive_url, scene="h1a02") != []
    assert query_of(page) == {"scene": ["h1a02"], "resolution": ["0.5"]}


def test_the_list_can_be_taken_along(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?code=3414&resolution=10&platform=NOAA-12")
    page.wait_for_selector(".scene")
    links = {link.inner_text(): link.get_attribute("href") for link in page.locator("#exports a").all()}
    ids = requests.get(archive_url + links["ids"], timeout=10).text.split()
    features = requests.get(archive_url + links["GeoJSON"], timeout=10).json()["features"]
    assert ids == ids_on(page) == [one["id"] for one in features] != []
    assert len(requests.get(archive_url + links["JSON"], timeout=10).json()["scenes"]) == len(ids)
