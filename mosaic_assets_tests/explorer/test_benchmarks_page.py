"""Benchmarks: tables from the kept measurements, plots beside them, sorted as the address says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from mosaic_assets.scenes.challenges.results import results_path
from mosaic_assets_tests.explorer.running import PHONE, exploring
from mosaic_assets_tests.explorer.small_home import add_benchmarks, settings_at, small_home, small_url  # noqa: F401


def benchmarks(url: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/api/benchmarks", timeout=20).json()
    return {one["name"]: one for one in answer["benchmarks"]}


def test_each_benchmark_says_what_was_measured_or_what_measures_it(small_url: str) -> None:  # noqa: F811
    found = benchmarks(small_url)
    assert [name for name, one in found.items() if one["built"]] == ["noise", "localization"]
    assert found["clouds"]["missing"] == (
        "clouds: nothing is measured yet; materialize cloud_benchmark, or run `mosaic challenges clouds`"
    )
    noise = found["noise"]
    assert (noise["measured_on"], noise["synthetic"], noise["asset"]) == (
        "1 picture, synthetic",
        True,
        "denoise_benchmark",
    )
    rows = [(row["case"], row["method"], row["psnr"]) for row in noise["tables"][0]["rows"]]
    assert rows[:3] == [
        ("gaussian_15", "wavelet", 31.0),
        ("gaussian_15", "median", 29.0),
        ("gaussian_15", "nothing", 20.0),
    ]


def test_localization_is_summed_up_by_kind(small_url: str) -> None:  # noqa: F811
    (table,) = benchmarks(small_url)["localization"]["tables"]
    by_group = {row["group"]: (row["queries"], row["within_25_m"], row["false_accepts"]) for row in table["rows"]}
    assert by_group == {"all": (2, 0.5, 1), "query set": (1, 1.0, 0), "none free": (1, 0.0, 1)}


def test_plots_are_pictures_with_words(small_url: str) -> None:  # noqa: F811
    plots = [plot for one in benchmarks(small_url).values() for plot in one["plots"]]
    assert {plot["title"] for plot in plots} >= {"gain over doing nothing", "examples", "precision against coverage"}
    assert all(len(plot["alt"]) > 20 for plot in plots)
    for plot in plots:
        answer = requests.get(small_url + plot["address"], timeout=30)
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("question", "status"),
    [("benchmark=noise&title=none", 404), ("benchmark=clouds&title=scores", 404), ("benchmark=none&title=scores", 400),
     ("benchmark=noise&title=..%2F..%2Fexamples", 404), ("benchmark=noise", 400)],
)  # fmt: skip
def test_no_such_plot(small_url: str, question: str, status: int) -> None:  # noqa: F811
    assert requests.get(f"{small_url}/api/benchmarks/plot?{question}", timeout=20).status_code == status


def test_measurements_that_are_made_anew_are_read_anew(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "home")
    with exploring(settings) as url:
        assert not benchmarks(url)["noise"]["built"]
        add_benchmarks(settings)
        assert benchmarks(url)["noise"]["built"]
        results_path(settings, "noise").write_bytes(b"damaged")
        assert requests.get(f"{url}/api/benchmarks", timeout=20).status_code == 503


@pytest.mark.browser
def test_a_table_is_sorted_by_its_headings(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/benchmarks?sort=noise.method.ascending")
    methods = page.locator("#noise tbody tr td:nth-child(2)")
    methods.first.wait_for()
    assert methods.all_inner_texts() == sorted(methods.all_inner_texts())
    heading = page.locator("#noise").get_by_role("columnheader", name="PSNR")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=noise.psnr.descending**")
    assert heading.get_attribute("aria-sort") == "descending"
    scores = page.locator("#noise tbody tr td:nth-child(3)")
    assert scores.all_inner_texts() == ["31", "29", "27", "25", "20", "15"]
    heading.get_by_role("button").click()
    assert scores.all_inner_texts()[0] == "15"
    page.go_back()
    page.locator("#noise th[aria-sort=descending]").wait_for()
    assert scores.all_inner_texts()[0] == "31"
    assert "sorted by PSNR" in page.locator("#announce").inner_text()


@pytest.mark.browser
def test_benchmarks_on_a_phone(small_url: str, open_page: Any) -> None:  # noqa: F811
    page = open_page(f"{small_url}/benchmarks", viewport=PHONE)
    page.locator("#noise img").first.wait_for()
    assert page.locator("#clouds [class=problem]").inner_text().endswith("run mosaic challenges clouds")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
