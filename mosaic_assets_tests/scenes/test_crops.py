"""From synthetic products to crops, manifest, release and checks: one day, worked through once."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
import pytest
from PIL import Image

from mosaic_assets.core.checks import CheckResult, Scope, run_check
from mosaic_assets.core.colour import luma
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.errors import ProductError, StoreError, UnknownNameError
from mosaic_assets.scenes.chunks import Inflaters
from mosaic_assets.scenes.crop import CropResult, begin_pixels, crop_scene, read_pixels, render_pixels
from mosaic_assets.scenes.crop_checks import CROP_CHECKS
from mosaic_assets.scenes.crop_manifest import manifest_folder, manifest_path, read_manifest, write_manifest
from mosaic_assets.scenes.efr import Window
from mosaic_assets.scenes.footprints import footprints, footprints_state
from mosaic_assets.scenes.local import LocalProduct, MissingFileError
from mosaic_assets.scenes.metrics import cloudy, entropy, share, texture
from mosaic_assets.scenes.names import EXAMPLE, parse_name
from mosaic_assets.scenes.publish import attribution_of, crop_path, publish_crop, remove_strays
from mosaic_assets.scenes.recipes import SATURATED_COLOUR, paint_gaps, render_reflectance
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.scenes.release import publish_release, release_path
from mosaic_assets.scenes.screen import screen_flags
from mosaic_assets.scenes.sheet import crop_sheet
from mosaic_assets.scenes.synthetic import products_of_day, read_truth, write_product
from mosaic_assets.settings import Settings, load_settings

DAY = date(2024, 6, 1)
SEED = 20_240_615


class Day:
    """Products of a day by kind, what became of them, and the home where they were published."""

    def __init__(self, home: Path) -> None:
        self.settings: Settings = load_settings(home=home)
        specs = products_of_day(DAY, SEED)
        self.folders = {
            spec.kind: write_product(replace(spec, bands=(4, 6, 8)), home / "products") for spec in specs
        }  # three bands, to save time
        self.crops: dict[str, CropResult] = {}
        self.records: dict[str, SceneRecord] = {}
        for kind, folder in self.folders.items():
            with LocalProduct(folder, synthetic=True) as product:
                crop, manifest = crop_scene(product, "reflectance"), product.manifest()
                found = SceneRecord(
                    product.name,
                    SceneOutcome.UNAVAILABLE,
                    scene_footprint=manifest.footprint,
                    rows=manifest.rows,
                    columns=manifest.columns,
                    source="embedded",
                    synthetic=True,
                    bytes_fetched=product.bytes_fetched,
                )
            self.crops[kind] = crop
            self.records[kind] = publish_crop(self.settings, found, crop)
        write_manifest(self.settings, DAY, self.records.values())


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(day: Day, tmp_path: Path) -> Settings:
    """A copy of the published day to spoil."""
    shutil.copytree(day.settings.smcefr_folder, tmp_path / "smcefr")
    return load_settings(home=tmp_path)


class Altered(LocalProduct):
    """A product some of whose files hold other bytes, or are gone (None)."""

    def __init__(self, folder: Path, **files: bytes | None) -> None:
        super().__init__(folder, synthetic=True, verify=False)
        self._altered = {f"{name}.nc": content for name, content in files.items()}

    def open(self, file: str) -> BinaryIO:
        if file in self._altered:
            content = self._altered[file]
            if content is None:
                raise MissingFileError(f"opening {file}: gone")
            return io.BytesIO(content)
        return super().open(file)


def edited(path: Path, change: Callable[[h5py.File], None]) -> bytes:
    buffer = io.BytesIO(path.read_bytes())
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def fill_all(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][...] = 65535

    return change


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("land", SceneOutcome.KEPT),
        ("coast", SceneOutcome.KEPT),
        ("cloud", SceneOutcome.SCREENED_CLOUD),
        ("sea", SceneOutcome.SCREENED_WATER),
        ("edge", SceneOutcome.SCREENED_INVALID),
        ("small", SceneOutcome.TOO_SMALL),
    ],
)
def test_every_kind_of_scene_meets_its_outcome(day: Day, kind: str, outcome: SceneOutcome) -> None:
    crop = day.crops[kind]
    assert crop.outcome is outcome
    assert (crop.detail == "") is (outcome is SceneOutcome.KEPT)
    if outcome is SceneOutcome.KEPT:
        assert crop.rgb is not None and crop.rgb.shape == (1024, 1024, 3)
        assert crop.window == (33, 96, 1024, 1024)


@pytest.mark.parametrize("kind", ["cloud", "edge", "small"])
def test_a_scene_is_rejected_by_its_flags_before_any_band_is_opened(day: Day, kind: str) -> None:
    with Altered(day.folders[kind], Oa04_radiance=None, Oa06_radiance=None, Oa08_radiance=None) as product:
        screening = screen_flags(product)
        assert screening.outcome is day.crops[kind].outcome
        assert product.bytes_fetched < 250_000


def test_the_crop_is_the_middle_of_the_scene_where_its_corners_say(day: Day) -> None:
    spec = next(one for one in products_of_day(DAY, SEED) if one.kind == "land")
    crop = day.crops["land"]
    rows, columns = np.array([33, 33, 1056, 1056]), np.array([96, 1119, 1119, 96])
    lng, lat = spec.frame.places(rows, columns)
    assert np.allclose(crop.corners, np.stack([lng, lat], axis=1), atol=1e-5)
    assert np.allclose(
        crop.centre, [place.item() for place in spec.frame.places(np.array([544.5]), np.array([607.5]))], atol=1e-5
    )
    assert crop.footprint.is_valid
    assert crop.footprint.within(spec.footprint)


def test_measured_cloud_is_near_what_was_drawn(day: Day) -> None:
    for kind in ("land", "coast"):
        drawn = read_truth(day.folders[kind])[33:1057, 96:1120].mean()
        assert day.crops[kind].numbers.cloud == pytest.approx(drawn, abs=0.06)


def test_saturated_cloud_is_painted_apart_and_counted(day: Day) -> None:
    from mosaic_assets.scenes.records import Limits

    with LocalProduct(day.folders["cloud"], synthetic=True) as product:
        crop = crop_scene(product, "reflectance", Limits(max_cloud=1.0, min_entropy=0.0))
    assert crop.outcome is SceneOutcome.KEPT
    painted = (crop.rgb == SATURATED_COLOUR).all(axis=-1)
    assert crop.numbers.fill == 0
    assert crop.numbers.saturated == painted.mean() > 0.001


def test_a_window_at_the_edge_of_the_swath_has_black_fill_only_there(day: Day) -> None:
    window = Window(0, 0, 64, 64)
    with LocalProduct(day.folders["land"], synthetic=True) as product:
        pixels = read_pixels(product, window)
    assert (pixels.fill == pixels.flags.named("invalid")).all()
    assert 0 < pixels.fill.mean() < 0.3
    assert not pixels.saturated.any()


def signed(file: h5py.File) -> None:
    """Store a band as older files do: signed, with a note that it is not."""
    raw, attributes = file["Oa08_radiance"][...], dict(file["Oa08_radiance"].attrs)
    del file["Oa08_radiance"]
    made = file.create_dataset("Oa08_radiance", data=raw.view(np.int16), chunks=(300, 400), compression="gzip")
    for name in ("scale_factor", "add_offset"):
        made.attrs[name] = attributes[name]
    made.attrs["_FillValue"], made.attrs["_Unsigned"] = np.int16([-1]), "true"


def test_a_band_that_is_stored_as_signed_gives_the_same_crop(day: Day) -> None:
    folder = day.folders["land"]
    with Altered(folder, Oa08_radiance=edited(folder / "Oa08_radiance.nc", signed)) as product:
        crop = crop_scene(product, "reflectance")
    assert (crop.rgb == day.crops["land"].rgb).all()
    assert crop.numbers == day.crops["land"].numbers


def test_a_band_of_another_type_is_refused(day: Day) -> None:
    def wide(file: h5py.File) -> None:
        raw = file["Oa06_radiance"][...]
        del file["Oa06_radiance"]
        file.create_dataset("Oa06_radiance", data=raw.astype(np.float32))

    folder = day.folders["land"]
    with (
        Altered(folder, Oa06_radiance=edited(folder / "Oa06_radiance.nc", wide)) as product,
        pytest.raises(ProductError, match="it is float32; expected uint16"),
    ):
        crop_scene(product, "reflectance")


def test_strips_make_the_picture_and_the_numbers_that_the_whole_makes(day: Day) -> None:
    """The window has gaps, saturation and a last strip of another height."""
    window = Window(590, 0, 200, 1000)
    with LocalProduct(day.folders["cloud"], synthetic=True) as product, Inflaters() as pool:
        pixels = begin_pixels(product, window, pool)()
        rgb, numbers = render_pixels("reflectance", pixels, pool)
    rho = pixels.reflectances()
    whole = render_reflectance(pixels.stored, rho)
    paint_gaps(whole, pixels.fill, pixels.saturated)
    assert (rgb == whole).all()
    assert min(numbers.fill, numbers.saturated) > 0
    assert numbers.fill == share(pixels.fill)
    assert numbers.saturated == share(pixels.saturated)
    assert numbers.cloud == share(cloudy(rho, pixels.saturated) & ~pixels.fill)
    assert numbers.water == share(pixels.flags.open_water)
    assert (numbers.texture, numbers.entropy) == (
        texture(luma(whole), pixels.valid),
        entropy(luma(whole), pixels.valid),
    )


def no_names(file: h5py.File) -> None:
    del file["quality_flags"].attrs["flag_meanings"]


def no_angles(file: h5py.File) -> None:
    del file["SZA"]


def no_day(file: h5py.File) -> None:
    file["SZA"][...] = 2**31 - 1


def spoilt(day: Day) -> dict[str, tuple[dict[str, bytes | None], type[Exception] | SceneOutcome]]:
    folder = day.folders["land"]
    red, green = ((folder / f"{name}_radiance.nc").read_bytes() for name in ("Oa08", "Oa06"))
    small = (day.folders["small"] / "qualityFlags.nc").read_bytes()
    nameless = edited(folder / "qualityFlags.nc", no_names)
    sunless, night = (edited(folder / "tie_geometries.nc", change) for change in (no_angles, no_day))
    blank = edited(folder / "Oa08_radiance.nc", fill_all("Oa08_radiance"))
    return {
        "cut short": ({"Oa08_radiance": red[: len(red) // 2]}, ProductError),
        "zeros in the middle": ({"Oa08_radiance": red[:400_000] + bytes(900_000) + red[1_300_000:]}, ProductError),
        "no netCDF": ({"Oa08_radiance": b"<html>" * 100}, ProductError),
        "another band's file": ({"Oa08_radiance": green}, MissingFileError),
        "band missing": ({"Oa06_radiance": None}, MissingFileError),
        "flags of another scene": ({"qualityFlags": small}, ProductError),
        "flags without names": ({"qualityFlags": nameless}, ProductError),
        "angles missing": ({"tie_geometries": sunless}, MissingFileError),
        "angles of the night": ({"tie_geometries": night}, ProductError),
        "fill everywhere": ({"Oa08_radiance": blank}, SceneOutcome.SCREENED_FILL),
    }


@pytest.mark.parametrize(
    "what",
    [
        "cut short", "zeros in the middle", "no netCDF", "another band's file", "band missing", "flags of another scene",
        "flags without names", "angles missing", "angles of the night", "fill everywhere",
    ],
)  # fmt: skip
def test_bad_files_end_in_an_outcome_or_a_clear_error(day: Day, what: str) -> None:
    files, expected = spoilt(day)[what]
    with Altered(day.folders["land"], **files) as product:
        if isinstance(expected, SceneOutcome):
            assert crop_scene(product, "reflectance").outcome is expected
        else:
            with pytest.raises(expected):
                crop_scene(product, "reflectance")


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


@pytest.fixture(scope="module")
def release(day: Day) -> Path:
    return publish_release(day.settings, "full").path


def test_a_release_holds_crops_manifest_card_and_checksums_that_hold(release: Path, day: Day, tmp_path: Path) -> None:
    subprocess.run(["tar", "xzf", release, "-C", tmp_path], check=True)
    folder = tmp_path / "smcefr-full"
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    crops = sorted(f"2024/{day.records[kind].name.text}.png" for kind in ("land", "coast"))
    assert names == sorted(["README.md", "SHA256SUMS", "manifest.parquet", *crops])
    card = (folder / "README.md").read_text()
    assert "2 of the crops are SYNTHETIC" in card


def test_the_same_crops_give_the_same_release(release: Path, day: Day, home: Settings) -> None:
    again = publish_release(home, "full")
    assert again.path.read_bytes() == release.read_bytes()
    assert again.sha256 == hashlib.sha256(release.read_bytes()).hexdigest()
    assert again.crops == again.synthetic == 2
    with tarfile.open(release) as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {(0, 0, "", 0o644)}
    assert publish_release(home, "mini").sha256 != again.sha256  # another folder name inside


def test_a_release_of_nothing_of_a_damaged_crop_or_of_an_unknown_kind_is_refused(
    home: Settings, day: Day, tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="full, mini"):
        publish_release(home, "huge")
    earlier = publish_release(home, "full").path.read_bytes()
    crop_path(home, day.records["land"]).write_bytes(b"damaged")
    with pytest.raises(StoreError, match="--again"):
        publish_release(home, "full")
    assert release_path(home, "full").read_bytes() == earlier
    with pytest.raises(StoreError, match="mosaic scenes fetch"):
        publish_release(load_settings(home=tmp_path / "empty"), "mini")


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
