from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests
import shapely
from playwright.sync_api import expect

from mosaic_assets.csquares import Scene, cover_many, update_index, write_pairs
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.explorer.map_page import ids_of, ids_on, query_of, squares_drawn, view_in
from mosaic_assets_tests.explorer.running import PHONE, exploring

pytestmark = pytest.mark.browser

MOMENT = datetime(2003, 6, 20, 3, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=document.title='owned'>"
SWATH = shapely.Polygon([(175, -20), (-175, -20), (-172, -10), (178, -10)])
"""Over the date line."""


@pytest.fixture(scope="module")
def crowded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer over 10,000 scenes in four squares, one over the date line, and one that means harm."""
    settings = load_settings(home=tmp_path_factory.mktemp("crowded") / "home")
    scenes = [Scene(f"s{n:05d}", platform="NOAA-12", time=MOMENT, source="made up (synthetic)") for n in range(10_000)]
    places = [shapely.box(20 + n % 2, 10 + n % 4 // 2, 20.4 + n % 2, 10.4 + n % 4 // 2) for n in range(10_000)]
    scenes.append(Scene("over", platform="NOAA-14", time=MOMENT, source="made up (synthetic)"))
    harm = Scene(HOSTILE, platform=f"'\">{HOSTILE}", instrument=HOSTILE, source=f"{HOSTILE * 4}", licence="</script>")
    write_pairs(
        settings.csquares,
        "made-up",
        [*scenes, harm],
        cover_many([*places, SWATH, shapely.box(-60, 10, -59, 11)], 0.5),
        published_at=MOMENT,
    )
    update_index(settings.csquares)
    with exploring(settings) as url:
        yield url


def test_at_first_the_page_says_what_can_be_asked(archive_url: str, open_page) -> None:
    page = open_page(archive_url)
    expect(page.locator("#state")).to_contain_text("Click a square of the map, drag a box, or type a place")
    expect(page.locator("[data-count=scenes]")).to_have_text("90")
    page.click("text=Show everything")
    expect(page.locator("#count")).to_have_text("120 scenes")
    page.click("#clear")
    assert page.url == f"{archive_url}/"


def test_without_an_index_the_page_says_what_makes_one(empty_url: str, open_page) -> None:
    page = open_page(f"{empty_url}/?density=1")
    expect(page.locator("#state .problem")).to_contain_text("materialize csquare_index")
    page.locator("#map").click()
    expect(page.locator("#count")).to_have_text("No results")
    expect(page.locator("#state .problem")).to_contain_text("materialize csquare_index")


def test_when_nothing_is_found_the_page_offers_wider_questions(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?code=1017&resolution=0.5&dataset=tiles&end=2003-06-01")
    page.wait_for_selector(".ways")
    assert page.locator(".ways button").all_inner_texts() == [
        "At any time", "In all data sets", "In squares of 1°", "Everywhere",
    ]  # fmt: skip
    page.click("text=Everywhere")
    expect(page.locator("#asked")).to_contain_text("everywhere · Tiles")
    assert query_of(page) == {"resolution": ["0.5"], "dataset": ["tiles"], "end": ["2003-06-01"]}


def test_a_server_that_is_gone_can_be_asked_again(archive_url: str, open_page) -> None:
    page = open_page(archive_url)
    page.wait_for_selector("[data-count=scenes]:text('90')")
    page.route("**/api/search**", lambda route: route.abort())
    page.fill("#place", "3414")
    page.keyboard.press("Enter")
    expect(page.locator("#state .problem")).to_contain_text("mosaic explore")
    page.unroute("**/api/search**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#asked")).to_have_text("square 3414")


def test_an_address_that_makes_no_sense_is_explained(archive_url: str, open_page) -> None:
    page = open_page("about:blank")
    for query, said in [
        ("code=9999", "9999"),
        ("platform=Sputnik&resolution=7&view=NaN,9,9", "Sputnik"),
        ("point=200,100", "200"),
        ("box=1,2,3", "expected"),
        ("dataset=<b>", "<b>"),
        ("code=3414&page=-3", "page"),
        ("code=3414&start=<u>soon</u>", "<u>soon</u>"),
        ("scene=nobody", "nobody"),
        ("code=3414&page=99", "There is no page 99; the last is 1."),
    ]:
        page.goto(f"{archive_url}/?{query}")
        expect(page.locator("#state p").first).to_contain_text(said)


def test_ten_thousand_scenes_come_in_pages(crowded_url: str, open_page) -> None:
    page = open_page(f"{crowded_url}/?code=1102&resolution=10")
    expect(page.locator("#count")).to_have_text("10,000 scenes")
    page.click("#next")
    expect(page.locator("#page-of")).to_have_text("Page 2 of 200")
    assert ids_on(page) == ids_of(crowded_url, code="1102", page=2)
    assert page.evaluate("document.activeElement.id") == "results"
    page.goto(f"{crowded_url}/?code=1102&resolution=10&page=200")
    expect(page.locator("#page-of")).to_have_text("Page 200 of 200")
    assert (ids_on(page)[-1], page.locator("#next").is_disabled()) == ("s09999", True)
    expect(page.locator("#exports")).to_contain_text("JSON (first 1,000)")


def test_density_has_a_picture_a_legend_and_a_list(crowded_url: str, open_page) -> None:
    page = open_page(f"{crowded_url}/?resolution=1")
    page.get_by_label("Density").check()
    expect(page.locator("#legend")).to_contain_text("Scenes in squares of 1°")
    assert page.locator("#legend li").all_inner_texts() == ["1", "10", "100", "1,000", "2,500"]
    pictures = page.locator("img.density")
    assert (pictures.count(), query_of(page)) == (3, {"resolution": ["1"], "density": ["1"]})
    assert pictures.first.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [
        360,
        180,
    ]
    page.click("text=Densest squares")
    page.locator("#densest button").first.click()
    expect(page.locator("#count")).to_have_text("2,500 scenes")
    assert squares_drawn(page) == 1
    page.get_by_label("Density").uncheck()
    expect(page.locator("#legend")).to_be_hidden()
    assert pictures.count() == 0


def test_a_scene_over_the_date_line_lies_in_one_piece(crowded_url: str, open_page) -> None:
    page = open_page(f"{crowded_url}/?code=3117&resolution=10")
    page.get_by_role("button", name="Show squares of over").click()
    page.wait_for_selector("path[data-layer=shown]")
    page.click("#zoom-out")  # so that the view goes into the address
    page.wait_for_url("**view=**")
    _, lng, zoom = view_in(page.url) or (0, 0, 0)
    assert abs(lng) > 175
    assert zoom > 3


def test_what_scenes_say_of_themselves_is_text(crowded_url: str, open_page) -> None:
    page = open_page(f"{crowded_url}/?point=-59.5,10.5&resolution=1")
    page.wait_for_selector(".scene")
    assert ids_on(page) == [HOSTILE]
    page.locator(".scene button").first.click()
    page.wait_for_selector("path[data-layer=shown]")
    page.locator(".scene button").nth(1).click()
    expect(page.locator("#asked")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert "owned" not in page.title().split(" · ")[0] or page.title().startswith("others in")
    assert page.locator("#platform option").all_inner_texts() == ["Any", f"'\">{HOSTILE}", "NOAA-12", "NOAA-14"]


def test_on_a_phone_the_list_is_reached_and_nothing_scrolls_sideways(archive_url: str, open_page) -> None:
    page = open_page(f"{archive_url}/?view=-45,145,2&resolution=10", viewport=PHONE, has_touch=True)
    page.locator("#map").tap()
    expect(page.locator("#asked")).to_contain_text("square 3414")
    expect(page.locator("#to-results")).to_contain_text("scenes")
    page.click("#to-results")
    expect(page.locator("#count")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, .tick, summary")]
        .filter((one) => one.checkVisibility()).map((one) => [one.id || one.textContent, one.getBoundingClientRect().height])
        .filter(([, height]) => height < 38)"""
    )
    assert small == []


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_nothing_moves_while_the_page_loads(archive_url: str, open_page, viewport) -> None:
    page = open_page(
        f"{archive_url}/?code=3414&resolution=10&density=1", **({"viewport": viewport} if viewport else {})
    )
    page.wait_for_selector(".scene")
    expect(page.locator("[data-count=scenes]")).to_have_text("90")
    shift = page.evaluate(
        """() => new Promise((done) => {
          const seen = new PerformanceObserver((list) => done(list.getEntries().reduce((sum, one) => sum + one.value, 0)));
          seen.observe({ type: "layout-shift", buffered: true });
          setTimeout(() => done(0), 300);
        })"""
    )
    assert shift < 0.01


def test_pictures_are_fetched_from_here_only(archive_url: str, open_page) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{archive_url}/?code=3414&density=1")
    page.wait_for_selector(".scene")
    assert {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in asked} == {archive_url}
    assert requests.get(f"{archive_url}/static/leaflet/leaflet.js", timeout=10).ok
