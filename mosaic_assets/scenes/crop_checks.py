"""What must hold of crops, their manifests and releases, each as a function that looks and tells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.core.colour import luma
from mosaic_assets.errors import MosaicError
from mosaic_assets.scenes.catalog import catalogue_path, read_catalogue
from mosaic_assets.scenes.crop_manifest import manifest_days, manifest_path, read_manifest
from mosaic_assets.scenes.efr import CROP_SIDE
from mosaic_assets.scenes.metrics import entropy
from mosaic_assets.scenes.publish import crop_path, crops_of_day, read_crop_bytes
from mosaic_assets.scenes.recipes import RGB_BANDS, Band, render
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.scenes.release import KINDS, release_path
from mosaic_assets.settings import Settings

LEAST_BITS = 1.0
"""Entropy of luma below which a picture shows nothing, bits."""

OUTSIDE = 0.02
"""Share of a crop's outline that may lie outside the scene's: both are drawn with straight edges."""

GOLDEN: tuple[tuple[tuple[int, int, int], tuple[float, float, float], float, dict[str, tuple[int, int, int]]], ...] = (
    ((2091, 2526, 4626), (1548.6082, 1818.6041, 1961.3035), 42.292812, {"reflectance": (15, 17, 27), "smcefr_v1": (40, 98, 156)}),
    ((8322, 5360, 5754), (1549.1752, 1820.1832, 1958.3262), 39.46915, {"reflectance": (115, 73, 44), "smcefr_v1": (163, 208, 194)}),
    ((7389, 6560, 9523), (1549.1359, 1820.2429, 1955.6616), 42.357769, {"reflectance": (106, 101, 113), "smcefr_v1": (144, 255, 255)}),
    ((22144, 11519, 9181), (1548.3701, 1817.89, 1960.3023), 34.972237, {"reflectance": (223, 162, 93), "smcefr_v1": (255, 255, 255)}),
)  # fmt: skip
"""Pixels of a real scene (S3A, 13 March 2017, West Sahara and Atlantic; contains modified Copernicus Sentinel data 2017):
stored red, green and blue, solar flux, sun's zenith angle in degrees, and what the formulas of the recipes, worked out
pixel by pixel, make of them."""

GOLDEN_SCALES = (0.008765390142798424, 0.012353800237178802, 0.011519820429384708)
"""Scale factors of that scene: red, green, blue."""


def crops_are_whole(settings: Settings, scope: Scope) -> CheckResult:
    """Every kept scene has its picture, with the sha256 and the size that its manifest says."""
    problems, looked = [], 0
    for record in _kept(settings, scope):
        looked += 1
        try:
            content = read_crop_bytes(settings, record)
        except MosaicError as error:
            problems.append(str(error))
            continue
        if len(content) != record.size_bytes:
            problems.append(f"{record.name.text}: {len(content)} bytes, the manifest says {record.size_bytes}")
    return result_of(problems, f"{looked} crop(s) ({scope})")


def crops_are_pictures(settings: Settings, scope: Scope) -> CheckResult:
    """Sampled crops are 1024 x 1024 RGB PNG of 8 bits that show something."""
    from PIL import Image

    records = _sample(_kept(settings, scope), settings.check_sample)
    problems = []
    for record in records:
        try:
            with Image.open(crop_path(settings, record), formats=("PNG",)) as picture:
                found = picture.size, picture.mode
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            problems.append(f"{record.name.text}: {str(error)[:80]}")
            continue
        if found != ((CROP_SIDE, CROP_SIDE), "RGB"):
            problems.append(f"{record.name.text}: {found[0]} {found[1]}")
        elif (bits := entropy(luma(pixels))) < LEAST_BITS:
            problems.append(f"{record.name.text}: its luma has {bits:.2f} bits")
    return result_of(problems, f"{len(records)} crop(s) ({scope})")


def crop_manifests_are_complete(settings: Settings, scope: Scope) -> CheckResult:
    """Every scene of a day's catalogue has one outcome, every kept one all its fields, and no picture lacks a row."""
    problems, scenes = [], 0
    for day in _days(settings, scope):
        records = read_manifest(settings, day)  # which parses the names
        scenes += len(records)
        names = [record.name.text for record in records]
        if len(set(names)) < len(names):
            problems.append(f"{day}: {len(names)} rows for {len(set(names))} scenes")
        if catalogue_path(settings, day).is_file():
            missing = {row.name.text for row in read_catalogue(settings, day)} - set(names)
            problems += [f"{day}: {name} has no outcome" for name in sorted(missing)]
        kept = {crop_path(settings, record) for record in records if record.outcome is SceneOutcome.KEPT}
        problems += [f"{path.name} has no row" for path in crops_of_day(settings, day) if path not in kept]
        problems += [f"{record.name.text}: no {', '.join(gaps)}" for record in records if (gaps := _gaps(record))]
    return result_of(problems, f"{scenes} scene(s) of {len(_days(settings, scope))} day(s) ({scope})")


def crop_footprints_lie_in_their_scenes(settings: Settings, scope: Scope) -> CheckResult:
    """The outline of every crop is valid and lies inside that of its scene, and its centre inside the crop."""
    import shapely

    records, problems = _kept(settings, scope), []
    for record in records:
        crop, scene = record.crop_footprint, record.scene_footprint
        if crop is None or scene is None or not crop.is_valid or crop.area == 0:
            problems.append(f"{record.name.text}: no usable outline")
            continue
        outside = shapely.area(shapely.difference(crop, scene)) / crop.area
        if outside > OUTSIDE:
            problems.append(f"{record.name.text}: {outside:.1%} of the crop lie outside its scene")
        if record.centre is None or not shapely.contains_xy(crop, *record.centre):
            problems.append(f"{record.name.text}: its centre {record.centre} lies outside the crop")
    return result_of(problems, f"{len(records)} crop(s) ({scope})")


def crops_belong_to_their_day(settings: Settings, scope: Scope) -> CheckResult:
    """The sensing of every scene in a day's manifest began on that day (UTC)."""
    problems, scenes = [], 0
    for day in _days(settings, scope):
        records = read_manifest(settings, day)
        scenes += len(records)
        problems += [f"{record.name.text} in {day}" for record in records if record.name.day != day]
    return result_of(problems, f"{scenes} scene(s) ({scope})")


def recipes_give_golden_pixels(settings: Settings, scope: Scope) -> CheckResult:
    """Both recipes make of real pixels what they always made of them."""
    del settings
    problems = []
    for steps, fluxes, angle, expected in GOLDEN:
        for recipe, colour in expected.items():
            found = golden_pixel(recipe, steps, fluxes, angle)
            if found != colour:
                problems.append(f"{recipe} makes {found} of {steps}, expected {colour}")
    return result_of(problems, f"{len(GOLDEN)} pixels ({scope})")


def golden_pixel(
    recipe: str, steps: tuple[int, int, int], fluxes: tuple[float, float, float], angle: float
) -> tuple[int, ...]:
    """Return what a recipe makes of one pixel of the golden scene."""
    bands = {
        name: Band(np.array([[steps[n]]], np.uint16), GOLDEN_SCALES[n], 0.0, np.array([[fluxes[n]]], np.float32))
        for n, name in enumerate(RGB_BANDS)
    }
    sun = np.array([[np.cos(np.radians(angle))]], np.float32)
    return tuple(int(value) for value in render(recipe, bands, sun)[0, 0])


def releases_match_their_checksums(settings: Settings, scope: Scope) -> CheckResult:
    """Every release is the archive that its .sha256 tells of."""
    problems, found = [], []
    for kind in KINDS:
        path = release_path(settings, kind)
        if path.is_file():
            found.append(kind)
            problems += _checksum_problems(path)
    return result_of(problems, f"release(s): {', '.join(found) or 'none'} ({scope})")


CROP_CHECKS: tuple[Check, ...] = tuple(
    Check(run.__name__, asset, True, run)
    for asset, run in (
        ("smcefr_crops", crops_are_whole),
        ("smcefr_crops", crops_are_pictures),
        ("smcefr_crops", crop_manifests_are_complete),
        ("smcefr_crops", crop_footprints_lie_in_their_scenes),
        ("smcefr_crops", crops_belong_to_their_day),
        ("smcefr_crops", recipes_give_golden_pixels),
        ("smcefr_release", releases_match_their_checksums),
    )
)
"""Every check of the crops. All block."""


def _days(settings: Settings, scope: Scope) -> list[date]:
    """Return the days in scope: after a run, the one whose manifest was written last."""
    days = manifest_days(settings)
    if scope is Scope.ALL or not days:
        return days
    return [max(days, key=lambda day: (manifest_path(settings, day).stat().st_mtime_ns, day))]


def _kept(settings: Settings, scope: Scope) -> list[SceneRecord]:
    records = [record for day in _days(settings, scope) for record in read_manifest(settings, day)]
    return [record for record in records if record.outcome is SceneOutcome.KEPT]


def _sample(records: Sequence[SceneRecord], count: int) -> list[SceneRecord]:
    """Draw records by the hash of their names: the same crops, the same sample."""
    ranked = sorted(records, key=lambda record: hashlib.sha256(record.name.text.encode()).digest())
    return ranked[:count]


def _gaps(record: SceneRecord) -> list[str]:
    """Return the fields that a kept scene lacks."""
    if record.outcome is not SceneOutcome.KEPT:
        return []
    needed: dict[str, Any] = {
        name: getattr(record, name)
        for name in (
            "rows", "columns", "row_offset", "column_offset", "centre", "corners", "crop_footprint", "scene_footprint",
            "recipe", "sha256", "size_bytes", "source", "licence", "attribution",
        )
    }  # fmt: skip
    numbers = {
        name: getattr(record.numbers, name) for name in ("fill", "saturated", "cloud", "water", "texture", "entropy")
    }
    return [name for name, value in {**needed, **numbers}.items() if value is None or value in ("", ())]


def _checksum_problems(path: Path) -> list[str]:
    beside = path.with_name(path.name + ".sha256")
    try:
        expected = beside.read_text().split()[0]
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, IndexError, UnicodeDecodeError) as error:
        return [f"{path.name}: its checksum cannot be read ({error}); run `mosaic scenes release` again"]
    return [] if found == expected else [f"{path.name} has the sha256 {found[:16]}..., expected {expected[:16]}..."]
