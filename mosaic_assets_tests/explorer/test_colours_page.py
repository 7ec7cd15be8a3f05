from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests
from PIL import Image

from mosaic_assets.settings import Settings
from mosaic_assets_tests.explorer.colour_home import HOSTILE, colour_home
from mosaic_assets_tests.explorer.running import PHONE, exploring

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
OpenPage = Callable[..., "Page"]

# Layout shifts that no act of the user caused, from the beginning; https://web.dev/articles/cls calls up to 0.1 good.
SHIFTS = """() => new Promise((told) => {
  let sum = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => told(sum), 200);
})"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return colour_home(tmp_path_factory)


@pytest.fixture(scope="module")
def url(home: Settings) -> Iterator[str]:
    with exploring(home) as address:
        yield f"{address}/colours"


def asked(page: Page) -> dict[str, str]:
    """The question in the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def settled(page: Page) -> Page:
    """Wait until the plane, the nearest buckets, the tiles and the coverage are there."""
    page.wait_for_selector("#biomes table")
    page.wait_for_selector("#nearest .bucket")
    page.wait_for_selector("#tiles:not([aria-busy]) .tile")
    return page


def tiles_of(page: Page) -> list[str]:
    page.wait_for_selector("#tiles:not([aria-busy])")
    return page.eval_on_selector_all("#tiles .tile", "all => all.map((one) => one.dataset.id)")  # type: ignore[no-any-return]


def api(url: str, path: str, **parameters: Any) -> Any:
    return requests.get(f"{url.removesuffix('/colours')}/api/{path}", params=parameters, timeout=20).json()


def enter(page: Page, *values: float) -> None:
    """Type three numbers."""
    for name, value in zip(("first", "second", "third"), values, strict=True):
        page.fill(f"#{name}", str(value))
    page.press("#third", "Enter")


def draw(path: Path) -> Path:
    """A picture of 80 x 40 pixels, dark left, bright right."""
    pixels = np.full((40, 80, 3), (40, 60, 80), np.uint8)
    pixels[:, 40:] = (143, 160, 180)
    Image.fromarray(pixels).save(path)
    return path


def test_a_typed_colour_brings_its_nearest_buckets_and_tiles(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url))
    with page.expect_response(re.compile("colours/tiles.*5aaf4b")):
        enter(page, 90, 175, 75)
    page.wait_for_selector("#nearest-said:has-text('#5aaf4b')")
    nearest = api(url, "colours/nearest", rgb="#5aaf4b")["buckets"]
    shown = page.eval_on_selector_all("#nearest .bucket", "all => all.map((one) => Number(one.dataset.bucket))")
    assert shown == [one["bucket"] for one in nearest]
    assert f"ΔE {nearest[0]['distance']:.1f}" in page.inner_text("#nearest li:first-child")
    assert tiles_of(page) == [tile["id"] for tile in api(url, "colours/tiles", rgb="#5aaf4b")["tiles"]]
    assert (asked(page), page.input_value("#well")) == ({"rgb": "#5aaf4b"}, "#5aaf4b")


def test_a_colour_can_be_typed_as_lab(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url))
    page.check("input[name=kind][value=lab]")
    lightness = api(url, "colours/nearest", rgb="#6b7a4c")["colour"]["lab"][0]
    assert float(page.input_value("#first")) == pytest.approx(lightness, abs=0.051)
    enter(page, 50, 120, -120)
    page.wait_for_selector("#nearest-said:has-text('Outside sRGB')")
    assert asked(page) == {"lab": "50,120,-120"}


def test_arrows_in_a_number_are_one_step_back(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url))
    page.focus("#first")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.wait_for_selector("#nearest-said:has-text('#6e7a4c')")  # 107 + 3
    page.focus("#show input:checked")
    assert asked(page) == {"rgb": "#6e7a4c"}
    page.go_back()
    page.wait_for_selector("#nearest-said:has-text('#6b7a4c')")
    assert asked(page) == {}


def test_a_bucket_clicked_in_the_plane_shows_its_tiles(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(f"{url}?show=filled"))
    place = page.locator("#plane").bounding_box()
    assert place is not None
    for step in range(40 * 30):  # look for a bucket as a hand would, until its name appears
        x, y = place["x"] + 60 + step % 40 * 12, place["y"] + 20 + step // 40 * 12
        page.mouse.move(x, y)
        if page.is_visible("#tip"):
            break
    number = int(page.inner_text("#tip").split()[1].rstrip(":"))
    page.mouse.click(x, y)
    page.wait_for_selector(f"#tiles-heading:has-text('Tiles of bucket {number}')")
    page.wait_for_selector("#tiles-said:has-text('judged tiles fell in it')")
    found = api(url, f"colours/buckets/{number}")
    assert tiles_of(page) == [tile["id"] for tile in found["tiles"]] != []
    assert asked(page) == {"show": "filled", "bucket": str(number)}


def test_the_plane_can_be_used_by_keyboard(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(f"{url}?show=filled"))
    page.focus("input[name=show]:checked")
    page.keyboard.press("Tab")
    first = page.inner_text("#tip")
    for key in ("ArrowRight", "ArrowUp", "PageUp", "ArrowLeft"):
        page.keyboard.press(key)
    told = page.inner_text("#announce")
    assert re.fullmatch(r"Bucket \d+: (filled|full), \d tiles; L [\d.]+, a −?[\d.]+, b −?[\d.]+", told)
    assert told != first
    page.keyboard.press("Enter")
    number = told.split()[1].rstrip(":")
    page.wait_for_selector(f"#tiles-heading:has-text('bucket {number}')")
    assert page.evaluate("document.activeElement.id") == "tiles-heading"
    page.click("#back-to-nearest")
    page.wait_for_selector("#tiles-heading:has-text('Nearest tiles')")
    assert asked(page) == {"show": "filled"}


def test_a_colour_is_picked_from_a_chosen_picture_which_stays_here(
    url: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = settled(open_page(url))
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(f"{request.method} {urlsplit(request.url).path} {request.post_data}")
    )
    page.set_input_files("#file", draw(tmp_path / "picture.png"))
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.wait_for_selector("#nearest-said:has-text('#8fa0b4')")  # 143, 160, 180
    assert asked(page) == {"rgb": "#8fa0b4"}
    tiles_of(page)
    assert {line.split()[0] for line in sent} == {"GET"}
    paths = {line.split()[1] for line in sent}
    assert paths <= {"/api/colours/nearest", "/api/colours/tiles", "/api/thumbnail", "/static/icon.svg"}


def test_a_dropped_picture_is_picked_from_by_keyboard(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = settled(open_page(url))
    content = list(draw(tmp_path / "picture.png").read_bytes())
    dropped = page.evaluate_handle(
        "bytes => { const all = new DataTransfer(); all.items.add(new File([new Uint8Array(bytes)], 'd.png', { type: 'image/png' }));"
        " return all; }",
        content,
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    page.focus("#picture")
    page.wait_for_selector("#picture-said:has-text('40, 20')")  # the middle
    page.keyboard.press("Shift+ArrowLeft")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#announce").endswith("39, 20")
    page.keyboard.press("Enter")
    page.wait_for_selector("#nearest-said:has-text('#516478')")
    assert asked(page) == {
        "rgb": "81.2,100,120"
    }  # columns 37 to 41, three dark, two bright: 40 + 103 * 2/5, 60 + 100 * 2/5


def test_a_file_that_is_no_picture_is_explained(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    page = settled(open_page(url))
    page.set_input_files("#file", tmp_path / "notes.txt")
    page.wait_for_selector("#picture-trouble:has-text('notes.txt cannot be shown')")
    assert page.is_hidden("#stage")


def test_the_slider_shows_a_slice_of_lightness(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url))
    labs = api(url, "colours")["lab"]
    page.focus("#lightness")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert asked(page) == {"lightness": "1"}
    page.select_option("#width", "20")
    assert (asked(page), page.inner_text("#slice-said")) == ({"lightness": "1", "width": "20"}, "L 0 to 21")
    page.focus("#lightness")
    page.keyboard.press("ArrowRight")
    inside = sum(abs(lab[0] - 2) <= 20 for lab in labs)
    page.wait_for_selector(f"#announce:has-text('{inside} buckets')")
    assert not page.is_checked("#every")
    page.check("#every")
    assert asked(page) == {}


def test_a_shared_address_shows_the_same(url: str, open_page: OpenPage) -> None:
    first = settled(open_page(url))
    enter(first, 120, 150, 90)
    first.check("input[name=show][value=filled]")
    first.select_option("#width", "10")
    first.wait_for_selector("#nearest-said:has-text('#78965a')")
    first.locator("#nearest .bucket").nth(1).click()
    first.wait_for_selector("#tiles-said:has-text('judged')")
    second = open_page(first.url)
    second.wait_for_selector("#tiles-said:has-text('judged')")
    second.wait_for_selector("#nearest .bucket[aria-pressed=true]")
    for page in (first, second):
        assert page.is_checked("input[name=show][value=filled]")
        assert (page.input_value("#width"), page.input_value("#first")) == ("10", "120")
    for what in ("#tiles-heading", "#tiles-said", "#nearest", "#slice-said"):
        assert first.inner_text(what) == second.inner_text(what)
    assert tiles_of(first) == tiles_of(second)


def test_back_undoes_one_act_at_a_time(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url))
    enter(page, 120, 150, 90)
    page.check("input[name=show][value=unseen]")
    page.focus("#lightness")
    page.keyboard.press("ArrowRight")
    for expected in ({"rgb": "#78965a", "show": "unseen"}, {"rgb": "#78965a"}):
        page.go_back()
        page.wait_for_function("() => document.getElementById('every').checked")
        assert asked(page) == expected
    assert page.is_checked("input[name=show][value=all]")
    page.go_back()
    page.wait_for_selector("#nearest-said:has-text('#6b7a4c')")  # the colour of an address without one
    assert page.input_value("#first") == "107"


def test_tiles_say_where_they_are_and_what_they_are(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(f"{url}?rgb=%23786e69"))
    found = {tile["id"]: tile for tile in api(url, "colours/tiles", rgb="#786e69")["tiles"]}
    assert {tile["synthetic"] for tile in found.values()} == {True, False}
    for card in page.query_selector_all("#tiles .tile"):
        tile = found[str(card.get_attribute("data-id"))]
        assert (card.query_selector(".synthetic") is not None) == tile["synthetic"]
        link = urlsplit(str(card.eval_on_selector(".place", "one => one.getAttribute('href')")))
        question = parse_qs(link.query)
        west, south, east, north = tile["bounds"]
        lng, lat = map(float, question["point"][0].split(","))
        assert west < lng < east
        assert south < lat < north
        assert (link.path, question["dataset"], question["resolution"]) == ("/", ["tiles"], ["0.5"])
    rights = page.inner_text("#rights")
    assert HOSTILE in rights  # as text: a page that runs it fails in open_page
    assert "nobody. Licence: CC0." in rights


def test_a_library_without_centroids_is_explained(empty_url: str, open_page: OpenPage) -> None:
    page = open_page(f"{empty_url}/colours")
    page.wait_for_selector("#intro .problem:has-text('mosaic run')")
    page.wait_for_selector("#biomes table")
    page.wait_for_selector("#tiles .problem")


def test_an_address_that_makes_no_sense_is_answered_by_the_api(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}?rgb=zzz&bucket=99999&lightness=-3&width=7&show=%3Cb%3E&page=0")
    page.wait_for_selector("#nearest .problem:has-text('#rrggbb')")
    page.wait_for_selector("#biomes table")
    assert page.is_checked("input[name=show][value=all]")


def test_the_page_fits_a_phone_and_nothing_shifts(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url, viewport=PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(SHIFTS) < 0.1
    low = page.eval_on_selector_all(
        "main button, main input:not([type=radio]):not([type=checkbox]), main select, main label:has(input[type=radio])",
        "all => all.filter((one) => one.offsetParent && one.offsetHeight < 38 && !one.closest('legend')).map((one) => one.outerHTML)",
    )
    assert low == []
    page.locator("#nearest .bucket").first.click()
    page.wait_for_selector("#tiles-said:has-text('judged')")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_nothing_shifts_on_a_desk(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(f"{url}?show=filled&lightness=50"))
    assert page.evaluate(SHIFTS) < 0.05


def test_canvases_are_as_sharp_as_the_screen(url: str, open_page: OpenPage) -> None:
    page = settled(open_page(url, device_scale_factor=2.5))
    for canvas in ("#plane", "#strip"):
        drawn, shown = page.eval_on_selector(canvas, "one => [one.width, one.clientWidth]")
        assert drawn == pytest.approx(2.5 * shown, abs=1)


def test_a_buckets_tiles_come_in_pages(url: str, open_page: OpenPage) -> None:
    page = open_page(f"{url}?bucket=7&page=3")  # beyond the last: nothing, and no mistake
    page.wait_for_selector("#tiles-said:has-text('judged')")
    assert tiles_of(page) == []
    assert page.inner_text("#tiles-heading") == "Tiles of bucket 7"
