"""From synthetic products to crops: outcomes, places, gaps, and files that are not as they should be."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest

from mosaic_assets.core.colour import luma
from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import Inflaters
from mosaic_assets.scenes.crop import begin_pixels, crop_scene, read_pixels, render_pixels
from mosaic_assets.scenes.efr import Window
from mosaic_assets.scenes.local import LocalProduct, MissingFileError
from mosaic_assets.scenes.metrics import cloudy, entropy, share, texture
from mosaic_assets.scenes.recipes import SATURATED_COLOUR, paint_gaps, render_reflectance
from mosaic_assets.scenes.records import SceneOutcome
from mosaic_assets.scenes.screen import screen_flags
from mosaic_assets.scenes.synthetic import products_of_day, read_truth
from mosaic_assets_tests.scenes.worked_day import DAY, SEED, Altered, Day, edited


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
