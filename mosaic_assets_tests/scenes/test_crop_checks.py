"""Checks of crops: each fails where it should, and only it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosaic_assets.core.checks import CheckResult, Scope, run_check
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.scenes.crop_checks import CROP_CHECKS
from mosaic_assets.scenes.crop_manifest import manifest_path, write_manifest
from mosaic_assets.scenes.publish import crop_path
from mosaic_assets.scenes.records import SceneRecord
from mosaic_assets.scenes.release import publish_release
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.scenes.worked_day import DAY, Day


def results(settings: Settings) -> dict[str, CheckResult]:
    return {check.name: run_check(check, settings, Scope.ALL) for check in CROP_CHECKS}


def failing(settings: Settings) -> set[str]:
    return {name for name, result in results(settings).items() if not result.passed}


def test_all_checks_pass_on_a_day_and_on_an_empty_home(home: Settings, tmp_path: Path) -> None:
    publish_release(home, "mini")
    assert failing(home) == set()
    assert failing(load_settings(home=tmp_path / "empty")) == set()


def republish(settings: Settings, record: SceneRecord, pixels: np.ndarray) -> SceneRecord:
    content = encode_png(pixels)
    crop_path(settings, record).write_bytes(content)
    return replace(record, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def changed(settings: Settings, day: Day, record: SceneRecord) -> None:
    write_manifest(settings, DAY, [*(one for kind, one in day.records.items() if kind != "land"), record])


BLANK = np.full((1024, 1024, 3), 255, np.uint8)

SPOIL: dict[str, Callable[[Settings, Day], object]] = {
    "crops_are_whole": lambda s, d: crop_path(s, d.records["land"]).write_bytes(
        crop_path(s, d.records["coast"]).read_bytes()
    ),
    "crops_are_pictures": lambda s, d: changed(s, d, republish(s, d.records["land"], BLANK)),
    "crop_manifests_are_complete": lambda s, d: changed(s, d, replace(d.records["land"], attribution="")),
    "crop_footprints_lie_in_their_scenes": lambda s, d: changed(
        s, d, replace(d.records["land"], crop_footprint=d.records["coast"].crop_footprint)
    ),
    "releases_match_their_checksums": lambda s, _: publish_release(s, "full").path.write_bytes(b"another"),
}


@pytest.mark.parametrize("check", SPOIL)
def test_each_check_fails_where_it_should_and_only_it(home: Settings, day: Day, check: str) -> None:
    SPOIL[check](home, day)
    assert failing(home) == {check}


def test_a_picture_without_a_row_a_small_picture_and_a_scene_of_another_day_are_found(home: Settings, day: Day) -> None:
    stray = home.smcefr_folder / "2024" / f"{day.records['sea'].name.text}.png"
    stray.write_bytes(b"x")
    assert failing(home) == {"crop_manifests_are_complete"}
    stray.unlink()
    changed(home, day, republish(home, day.records["land"], BLANK[:512]))
    assert "512" in results(home)["crops_are_pictures"].summary
    moved = manifest_path(home, DAY).with_name("2024-06-03.parquet")
    manifest_path(home, DAY).rename(moved)
    assert "crops_belong_to_their_day" in failing(home)
