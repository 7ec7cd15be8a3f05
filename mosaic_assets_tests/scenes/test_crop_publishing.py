"""Published crops: pictures under their names, the manifest of a day, the sheet, footprints for the index."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.crop_manifest import manifest_folder, manifest_path, read_manifest, write_manifest
from mosaic_assets.scenes.footprints import footprints, footprints_state
from mosaic_assets.scenes.names import EXAMPLE, parse_name
from mosaic_assets.scenes.publish import attribution_of, crop_path, remove_strays
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.scenes.sheet import crop_sheet
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.scenes.worked_day import DAY, Day


def test_pictures_lie_under_their_year_with_the_products_name(day: Day) -> None:
    for kind in ("land", "coast"):
        record = day.records[kind]
        path = day.settings.smcefr_folder / "2024" / f"{record.name.text}.png"
        content = path.read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (record.sha256, record.size_bytes)
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((1024, 1024), "RGB")
            assert (np.asarray(picture) == day.crops[kind].rgb).all()
    assert len(list((day.settings.smcefr_folder / "2024").iterdir())) == 2


def test_a_manifest_reads_back_as_it_was_written(day: Day) -> None:
    assert read_manifest(day.settings, DAY) == tuple(day.records.values())
    assert read_manifest(day.settings, date(2024, 6, 2)) == ()


def test_all_manifests_together_are_one_geodataframe(home: Settings, day: Day) -> None:
    import geopandas

    write_manifest(home, date(2024, 6, 2), [])
    other = replace(day.records["small"], name=parse_name(EXAMPLE), source="copernicus", synthetic=False)
    write_manifest(home, date(2021, 10, 21), [other])
    frame = geopandas.read_parquet(manifest_folder(home))
    assert len(frame) == 7
    assert frame.crs.to_epsg() == 4326 or frame.crs == "OGC:CRS84"
    assert frame.geometry.notna().sum() == 2
    assert set(frame["synthetic"]) == {True, False}
    kept = frame[frame["outcome"] == "kept"].iloc[0]
    assert (kept["processing_centre"], kept["collection"], kept["recipe"]) == ("SYN", "004", "reflectance")
    assert kept.geometry.contains(kept.geometry.centroid)


def test_the_same_records_give_the_same_manifest(day: Day, home: Settings) -> None:
    before = manifest_path(home, DAY).read_bytes()
    assert write_manifest(home, DAY, day.records.values()).read_bytes() == before


def test_a_damaged_manifest_says_what_to_do(home: Settings) -> None:
    path = manifest_path(home, DAY)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match="run the day again"):
        read_manifest(home, DAY)


def test_licence_and_attribution_of_real_scenes_are_those_of_copernicus() -> None:
    record = SceneRecord(parse_name(EXAMPLE), SceneOutcome.KEPT)
    assert attribution_of(record) == "contains modified Copernicus Sentinel data 2021"
    assert "SYNTHETIC" in attribution_of(replace(record, synthetic=True))


def test_strays_are_removed_and_nothing_else(home: Settings, day: Day) -> None:
    stray = home.smcefr_folder / "2024" / f"{day.records['sea'].name.text}.png"
    other = stray.with_name(day.records["sea"].name.text.replace("20240601T", "20240602T") + ".png")
    for path in (stray, other):
        path.write_bytes(b"x")
    assert remove_strays(home, DAY, day.records.values()) == [stray]
    assert other.exists()
    assert crop_path(home, day.records["land"]).exists()


def test_the_sheet_says_synthetic_and_shows_the_crops(day: Day) -> None:
    with Image.open(io.BytesIO(crop_sheet(day.settings, [DAY]) or b"")) as picture:
        assert picture.size == (512, 272)
        sheet = np.asarray(picture.convert("RGB"))
    first = min((day.records[kind].name.text, kind) for kind in ("land", "coast"))[1]
    expected = np.asarray(Image.fromarray(day.crops[first].rgb).reduce(4))
    assert (sheet[:256, :256] == expected).all()
    assert crop_sheet(day.settings, [date(2024, 6, 2)]) is None


def test_footprints_for_the_index_come_by_month(day: Day) -> None:
    (part, scenes), *more = footprints(day.settings)
    assert (part, len(scenes), more) == ("2024-06", 2, [])
    scene, outline = scenes[0]
    assert (scene.platform, scene.time) == ("crops", parse_name(scene.id).start)
    assert "synthetic" in scene.instrument
    assert outline.area > 5


def test_the_state_of_the_footprints_changes_with_the_manifests_and_is_empty_without(
    home: Settings, tmp_path: Path
) -> None:
    before = footprints_state(home)
    assert before == footprints_state(home) != ""
    write_manifest(home, date(2024, 6, 2), [])
    assert footprints_state(home) != before
    assert footprints_state(load_settings(home=tmp_path / "empty")) == ""
