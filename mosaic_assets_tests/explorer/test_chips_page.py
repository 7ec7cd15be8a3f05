"""Chips with their labels: the list, the overlay, and the switch that draws it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from mosaic_assets.chips.dataset import manifest_path
from mosaic_assets.chips.formats import read_chip
from mosaic_assets_tests.explorer.running import PHONE, exploring
from mosaic_assets_tests.explorer.small_home import settings_at, small_home, small_url  # noqa: F401


def chips(url: str, **question: Any) -> Any:
    return requests.get(f"{url}/api/chips", params=question, timeout=20).json()


def test_chips_come_with_the_shares_of_their_classes(small_url: str, small_home: Any) -> None:  # noqa: F811
    answer = chips(small_url, limit=200)
    assert [one["name"] for one in answer["classes"]] == ["field", "hut"]
    assert [one["number"] for one in answer["classes"]] == [1, 2]
    for chip in answer["chips"]:
        labels = read_chip(small_home.chips_folder, chip["path"], chip["mask_path"]).label
        counted = [float(np.mean(labels == value)) for value in (0, 255, 1, 2)]
        assert list(chip["shares"].values()) == pytest.approx(counted)
    assert sum(answer["regions"].values()) == sum(answer["splits"].values()) == answer["count"] == len(answer["chips"])


def test_regions_and_splits_filter(small_url: str) -> None:  # noqa: F811
    everything = chips(small_url)
    region, split = next(iter(everything["regions"])), "train"
    found = chips(small_url, region=region, split=split, limit=200)
    assert {(chip["region"], chip["split"]) for chip in found["chips"]} == {(region, split)}
    assert chips(small_url, region=region)["count"] == everything["regions"][region]
    assert chips(small_url, labelled="no")["count"] + chips(small_url, labelled="yes")["count"] == everything["count"]
    assert chips(small_url, split="none")["chips"] == []


def test_an_overlay_differs_from_the_imagery_only_where_labels_are(small_url: str) -> None:  # noqa: F811
    number = chips(small_url)["chips"][0]["id"]
    answer = requests.get(f"{small_url}/api/chips/overlay", params={"id": number, "size": "256"}, timeout=20)
    plain = requests.get(f"{small_url}/api/picture", params={"dataset": "chips", "id": number}, timeout=20)
    with Image.open(io.BytesIO(answer.content)) as drawn, Image.open(io.BytesIO(plain.content)) as imagery:
        assert drawn.size == (256, 256)
        large = np.asarray(imagery.resize((256, 256), Image.Resampling.NEAREST), int)
        share = np.mean((np.asarray(drawn, int) != large).any(axis=2))
    assert 0 < share < 1
    again = requests.get(answer.url, headers={"if-none-match": answer.headers["etag"]}, timeout=20)
    assert again.status_code == 304


@pytest.mark.parametrize("question", [{"id": "none"}, {"id": "../../raster"}])
def test_no_chip_no_overlay(small_url: str, question: dict[str, str]) -> None:  # noqa: F811
    assert requests.get(f"{small_url}/api/chips/overlay", params=question, timeout=20).status_code == 404


def test_a_damaged_manifest_is_no_bug(tmp_path: Any) -> None:
    settings = settings_at(tmp_path / "home")
    manifest_path(settings).parent.mkdir(parents=True)
    manifest_path(settings).write_bytes(b"PAR1 no manifest PAR1")
    with exploring(settings) as url:
        for path in ("chips", "chips/overlay?id=a", "picture?dataset=chips&id=a"):
            assert requests.get(f"{url}/api/{path}", timeout=20).status_code == 503


@pytest.mark.browser
@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_labels_are_switched_off_and_on(small_url: str, open_page: Any, viewport: Any) -> None:  # noqa: F811
    number = chips(small_url)["chips"][0]["id"]
    page = open_page(f"{small_url}/datasets?dataset=chips&id={number}", **({"viewport": viewport} if viewport else {}))
    switch, picture = page.get_by_label("Draw the labels"), page.locator("#item img")
    assert "/api/chips/overlay" in picture.get_attribute("src")
    switch.uncheck()
    page.wait_for_url("**labels=off")
    assert "/api/picture" in picture.get_attribute("src")
    page.reload()
    assert not page.get_by_label("Draw the labels").is_checked()
    page.get_by_label("Draw the labels").check()
    assert "/api/chips/overlay" in picture.get_attribute("src")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 512
    page.go_back()
    page.wait_for_url("**labels=off")
    page.locator("input:not(:checked)").wait_for()
    legend = page.get_by_role("list", name="Classes and their share").inner_text()
    assert all(name in legend for name in ("field", "hut", "ignored", "background"))
    assert page.evaluate("document.documentElement.scrollWidth") == (viewport or {"width": 1280})["width"]
