"""The assets with the numbers of their files, and links into the Dagster UI when it runs."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from mosaic_assets_tests.explorer.running import DESKTOP, PHONE, exploring
from mosaic_assets_tests.explorer.small_home import small_home, small_url  # noqa: F401
from mosaic_assets_tests.explorer.test_dagster_ui import RUN, webserver


def assets(url: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/api/assets", timeout=20).json()
    return {one["name"]: one for one in answer["assets"]}


def test_numbers_are_those_of_the_files(small_url: str, small_home: Any) -> None:  # noqa: F811
    found = assets(small_url)
    rows = {
        name: found[name]["rows"]
        for name in ("smcefr_crops", "bucketed_library", "gallery_tiles", "query_set", "denoise_benchmark", "biomes")
    }
    assert rows == {
        "smcefr_crops": 2,
        "bucketed_library": 1,
        "gallery_tiles": 4,
        "query_set": 3,
        "denoise_benchmark": 6,
        "biomes": 18,
    }
    manifest = small_home.chips_folder / "manifest.parquet"
    assert (found["chip_dataset"]["bytes"], found["chip_dataset"]["files"]) == (manifest.stat().st_size, 1)
    assert (
        found["chips"]["rows"]
        == found["chip_dataset"]["rows"]
        == found["chips"]["files"] - len(list((small_home.chips_folder / "ledger").glob("*.jsonl")))
    )
    assert not found["csquare_index"]["built"]
    assert {one["dagster"] for one in found.values()} == {None}


def test_an_empty_home_has_assets_without_numbers(empty_url: str) -> None:
    found = assets(empty_url)
    assert [name for name, one in found.items() if one["built"]] == ["biomes", "gallery_plan"]


@pytest.mark.browser
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_assets_link_into_dagster_when_it_runs(small_home: Any, open_page: Any, viewport: Any) -> None:  # noqa: F811
    with webserver() as (dagster, _), exploring(small_home, dagster_url=dagster) as url:
        assert assets(url)["biomes"]["latest"] == {"time": "2026-11-21T16:58:10Z", "run": RUN, "status": "SUCCESS"}
        page = open_page(f"{url}/assets", viewport=viewport)
        row = page.locator("tr#biomes")
        row.wait_for()
        assert row.get_by_role("link", name="Open in Dagster").get_attribute("href") == f"{dagster}/assets/biomes"
        assert "success, 2026-11-21 16:58 UTC" in row.inner_text()
        assert "4 tiles" in page.locator("tr#gallery_tiles").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
