"""Crops: the list with its filters, and one of them, over HTTP and in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from mosaic_assets.scenes.crop_manifest import manifest_path, write_manifest
from mosaic_assets.scenes.names import EXAMPLE
from mosaic_assets_tests.explorer.running import PHONE, exploring
from mosaic_assets_tests.explorer.small_home import (  # noqa: F401
    CLOUDY,
    KEPT,
    add_crops,
    settings_at,
    small_home,
    small_url,
)


def crops(url: str, **question: Any) -> Any:
    return requests.get(f"{url}/api/crops", params=question, timeout=20).json()


def test_scenes_come_with_what_screening_went_by(small_url: str) -> None:  # noqa: F811
    answer = crops(small_url)
    assert (answer["count"], answer["outcomes"]) == (2, {"kept": 1, "screened_cloud": 1})
    assert answer["days"] == [{"day": "2021-10-21", "scenes": 2, "kept": 1}]
    kept = answer["crops"][0]
    assert {name: kept[name] for name in ("id", "cloud", "water", "texture", "recipe", "synthetic", "bounds")} == {
        "id": EXAMPLE, "cloud": 0.25, "water": 0.5, "texture": 0.03, "recipe": "reflectance", "synthetic": True,
        "bounds": [10.0, 50.0, 13.0, 52.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({"outcome": "kept"}, [KEPT]),
        ({"outcome": "flat"}, []),
        ({"day": "2021-10-21", "outcome": "screened_cloud"}, [CLOUDY]),
        ({"day": "2001-01-01"}, []),
        ({"limit": 1, "page": 2}, [CLOUDY]),
        ({"page": 9}, []),
        ({"id": CLOUDY.name.text}, [CLOUDY]),
    ],
)
def test_filters_and_pages(small_url: str, question: dict[str, Any], found: list[Any]) -> None:  # noqa: F811
    assert [row["id"] for row in crops(small_url, **question)["crops"]] == [record.name.text for record in found]


@pytest.mark.parametrize(
    ("question", "status"),
    [({"day": "2021-13-01"}, 400), ({"outcome": "good"}, 400), ({"limit": 10_000}, 400), ({"page": 0}, 400), ({"q": 1}, 400),
     ({"id": "none"}, 404), ({"id": EXAMPLE.replace("20211021T073827", "20191021T073827")}, 404)],
)  # fmt: skip
def test_mistakes_are_told(small_url: str, question: dict[str, Any], status: int) -> None:  # noqa: F811
    assert requests.get(f"{small_url}/api/crops", params=question, timeout=20).status_code == status


def test_without_crops_the_answer_says_what_makes_them(empty_url: str) -> None:
    answer = requests.get(f"{empty_url}/api/crops", timeout=20)
    assert (answer.status_code, "mosaic scenes fetch" in answer.json()["detail"]) == (404, True)


def test_a_day_that_is_done_anew_is_read_anew(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "home")
    add_crops(settings)
    with exploring(settings) as url:
        assert crops(url)["count"] == 2
        write_manifest(settings, KEPT.name.day, [CLOUDY])
        assert crops(url)["count"] == 1
        manifest_path(settings, KEPT.name.day).write_bytes(b"damaged")
        assert requests.get(f"{url}/api/crops", timeout=20).status_code == 503


@pytest.mark.browser
def test_a_crop_is_found_by_its_outcome_and_looked_at(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/datasets")
    page.locator(".card").nth(1).wait_for()
    page.get_by_label("Outcome").select_option("kept")
    page.wait_for_url("**/datasets?outcome=kept")
    page.locator("#count", has_text="1 to 1 of 1").wait_for()
    page.locator(".card").click()
    page.locator("dd", has_text="reflectance").wait_for()
    assert page.evaluate("document.activeElement.id") == "item-title"
    assert page.locator("#item img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 128
    assert page.locator("#item .synthetic").count() == 1
    assert page.locator("#item figcaption").inner_text().endswith("Licence: CC0-1.0.")
    assert page.get_by_role("link", name="All that shares squares").get_attribute("href") == f"/?scene={EXAMPLE}"
    page.go_back()
    page.locator(".card").wait_for()
    assert page.get_by_label("Outcome").input_value() == "kept"


@pytest.mark.browser
@pytest.mark.parametrize(
    "path", ["/datasets?dataset=crops", "/datasets?dataset=tiles", f"/datasets?dataset=crops&id={EXAMPLE}"]
)
def test_nothing_is_wider_than_a_phone(small_url: str, open_page: Any, path: str) -> None:  # noqa: F811
    page = open_page(small_url + path, viewport=PHONE)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.browser
def test_an_empty_home_says_what_to_do_on_every_tab(empty_url: str, open_page: Any) -> None:
    page = open_page(f"{empty_url}/datasets?dataset=chips")
    for name, said in {
        "Crops": "mosaic scenes fetch",
        "Gallery": "mosaic gallery build",
        "Queries": "mosaic gallery queries",
        "Chips": "mosaic chips cut",
    }.items():
        page.get_by_role("navigation", name="Data sets").get_by_role("link", name=name).click()
        page.locator("[role=alert]", has_text=said).wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/datasets", "/datasets?dataset=gallery", "/benchmarks", "/assets"])
def test_nothing_shifts_when_data_comes(small_url: str, open_page: Any, path: str) -> None:  # noqa: F811
    page = open_page(small_url + path)
    page.wait_for_load_state("networkidle")
    shift = page.evaluate(
        """() => new Promise((done) => {
          let sum = 0;
          new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; })
            .observe({ type: "layout-shift", buffered: true });
          setTimeout(() => done(sum), 200);
        })"""
    )
    assert shift < 0.05
