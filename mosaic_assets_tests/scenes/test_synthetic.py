"""Synthetic products: in the format of real ones, said to be synthetic, the same every time."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.crop import read_pixels
from mosaic_assets.scenes.efr import Window, open_netcdf
from mosaic_assets.scenes.local import LocalProduct
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.synthetic import (
    SyntheticSpec,
    product_name,
    products_of_day,
    read_truth,
    truth_path,
    write_product,
)
from mosaic_assets.scenes.synthetic_ground import Frame, sun_cosines
from mosaic_assets.scenes.ties import MIN_SUN, Sun, read_sun, scene_places

ROWS, COLUMNS = (
    96,
    257,
)  # whole steps of 64 columns and one, as 4,865 is: else satpy cannot lay the angles on the pixels


def small_spec(year: int = 2024, **changes: object) -> SyntheticSpec:
    frame = Frame(ROWS, COLUMNS, -60.0, -20.0)
    name = product_name(datetime(year, 3, 10, 14, 0, 0, tzinfo=UTC), ROWS)
    return replace(SyntheticSpec(name, "land", frame, 0.4, 11), **changes)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(small_spec(), tmp_path_factory.mktemp("synthetic"))


def test_a_product_opens_in_satpys_reader(product: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from satpy.scene import Scene

        scene = Scene(filenames=[str(path) for path in product.glob("*.nc")], reader="olci_l1b")
        names = ("Oa04", "Oa08", "quality_flags", "latitude", "longitude", "solar_zenith_angle", "true_color_raw")
        scene.load(names)
        found = {name: scene[name].values for name in names}
        platform, units = scene["Oa08"].attrs["platform_name"], scene["Oa08"].attrs["units"]
    assert (platform, units) == ("Sentinel-3A", "%")
    lng, lat = small_spec().frame.places(np.arange(ROWS)[:, None], np.arange(COLUMNS)[None, :])
    assert np.abs(found["latitude"] - lat).max() < 1e-6
    assert np.abs(found["longitude"] - lng).max() < 1e-6
    with LocalProduct(product) as ours:
        pixels = read_pixels(ours, Window(0, 0, ROWS, COLUMNS))
    assert (found["quality_flags"] == pixels.flags.values).all()
    assert np.abs(np.cos(np.radians(found["solar_zenith_angle"])) - pixels.sun_cosine).max() < 1e-5
    for band in ("Oa04", "Oa08"):
        expected = (
            pixels.reflectances([band])[band] * pixels.sun_cosine * 100
        )  # satpy's is in percent and not corrected for the sun
        assert np.abs(found[band] - expected)[pixels.valid].max() < 1e-3
    red = pixels.reflectances(["Oa08"])["Oa08"] * 100
    # satpy divides by another function of the sun's height than its cosine; at 33 degrees they differ by a thousandth.
    assert np.abs(found["true_color_raw"][0] / red - 1)[pixels.valid & (red > 1)].max() < 0.005


def test_the_netcdf_library_sees_names_dimensions_types_and_attributes_of_the_format(product: Path) -> None:
    with netCDF4.Dataset(product / "Oa08_radiance.nc") as file:
        band = file["Oa08_radiance"]
        assert band.dimensions == ("rows", "columns")
        assert (band.dtype, band.shape) == (np.uint16, (ROWS, COLUMNS))
        assert band._FillValue == 65535
        assert band.scale_factor == np.float32(0.008974685333669186)
        assert (band.units, band.valid_max) == ("mW.m-2.sr-1.nm-1", 65534)
        assert "SYNTHETIC" in file.comment
        assert set(file.dimensions) == {"rows", "columns"}
        assert set(file.variables) == {"Oa08_radiance"}
    with netCDF4.Dataset(product / "tie_geometries.nc") as file:
        assert file["SZA"].dimensions == ("tie_rows", "tie_columns")
        assert file.ac_subsampling_factor == 64
        assert 0 < file["SZA"][:].min() < file["SZA"][:].max() < 90
    with netCDF4.Dataset(product / "instrument_data.nc") as file:
        assert file["solar_flux"].dimensions == ("bands", "detectors")
        assert file["solar_flux"].shape == (21, 3700)


def test_a_product_has_all_bands_a_manifest_that_fits_and_says_that_it_is_synthetic(product: Path) -> None:
    with LocalProduct(product) as ours:
        manifest = ours.manifest()
        assert {f"Oa{band:02d}_radiance.nc" for band in range(1, 22)} < set(manifest.files)
        for file in manifest.files:
            ours.open(file).close()  # which compares size and MD5
        assert (manifest.rows, manifest.columns) == (ROWS, COLUMNS)
        assert manifest.footprint.equals(small_spec().footprint)
        with open_netcdf(ours.open("qualityFlags.nc"), "flags") as flags:
            stored = flags.plane("quality_flags", Window(0, 0, ROWS, COLUMNS), (ROWS, COLUMNS)).raw
        assert manifest.percentages["bright"] == pytest.approx(100 * (stored & (1 << 27) != 0).mean(), abs=1e-3)
    assert manifest.name.centre == "SYN"
    assert "SYNTHETIC" in (product / "xfdumanifest.xml").read_text()


def test_places_and_sun_by_tie_points_are_those_of_each_pixel(product: Path) -> None:
    spec, window = small_spec(), Window(10, 30, 60, 140)
    rows, columns = np.arange(10, 70)[:, None], np.arange(30, 170)[None, :]
    lng, lat = spec.frame.places(rows, columns)
    with LocalProduct(product) as ours:
        places, sun = scene_places(ours, window), read_sun(ours, window).cosine
    found = places.at(np.repeat(np.arange(10, 70), 140), np.tile(np.arange(30, 170), 60))
    metres = (
        np.hypot((found[:, 0] - lng.ravel()) * np.cos(np.radians(lat.ravel())), found[:, 1] - lat.ravel()) * 111_200
    )
    assert metres.max() < 1
    assert np.abs(sun - sun_cosines(lng, lat, spec.frame.lng, spec.name.start)).max() < 1e-5


@given(st.integers(1, 70), st.integers(0, 69), st.integers(1, 200))
def test_the_sun_between_tie_points_is_what_numpy_interpolates_and_never_below_its_limit(
    across: int, first: int, columns: int
) -> None:
    first %= across
    count = -(-(first + columns - 1) // across) + 1  # no more than are around the window
    ties = np.random.default_rng(across * columns).random((3, count)).astype(np.float32)
    sun = Sun(ties, across, first, columns)
    at = (first + np.arange(columns)) / across
    expected = np.stack([np.interp(at, np.arange(ties.shape[1]), row) for row in ties]).clip(MIN_SUN, 1)
    assert np.abs(sun.cosine - expected).max() < 2e-7
    assert (sun.strip(slice(1, 3)).cosine == sun.cosine[1:]).all()


def test_the_same_specification_gives_the_same_bytes(product: Path, tmp_path: Path) -> None:
    again = write_product(small_spec(), tmp_path)
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for folder in (product, again)
    ]
    assert digests[0] == digests[1]
    assert truth_path(product).read_bytes() == truth_path(again).read_bytes()


def test_a_product_that_is_there_is_left_alone_and_a_half_written_one_replaced(tmp_path: Path) -> None:
    spec = small_spec(bands=(8,))
    left = tmp_path / f".{spec.name.folder}.part"
    left.mkdir()
    (left / "Oa01_radiance.nc").write_bytes(b"half")
    path = write_product(spec, tmp_path)
    stamp = (path / "xfdumanifest.xml").stat().st_mtime_ns
    assert write_product(spec, tmp_path) == path
    assert (path / "xfdumanifest.xml").stat().st_mtime_ns == stamp
    assert not left.exists()
    assert not (path / "Oa01_radiance.nc").exists()


def test_later_products_have_fill_and_one_flag_where_earlier_ones_have_data_and_a_flag_each(tmp_path: Path) -> None:
    window, found = Window(0, 0, ROWS, COLUMNS), {}
    for year in (2022, 2024):
        spec = small_spec(year, cloud=1.0, bands=(4, 6, 8))
        with LocalProduct(write_product(spec, tmp_path)) as ours:
            pixels = read_pixels(ours, window)
            found[year] = pixels, pixels.flags.saturated("Oa08"), ours.name.collection
    early, late = found[2022], found[2024]
    assert (early[2], late[2]) == ("002", "004")
    assert early[1].sum() == late[1].sum() > 0
    assert early[0].saturated.sum() == 0
    assert (late[0].saturated == late[1]).all()
    assert (early[0].fill == late[0].fill).all()  # the swath's edge only


def test_the_drawn_clouds_are_kept_beside_the_product_and_are_bright(product: Path) -> None:
    truth = read_truth(product)
    assert truth.shape == (ROWS, COLUMNS)
    assert truth.mean() == pytest.approx(0.4, abs=0.06)
    with LocalProduct(product) as ours:
        pixels = read_pixels(ours, Window(0, 0, ROWS, COLUMNS), ("Oa04", "Oa17"))
    blue = pixels.reflectances(["Oa04"])["Oa04"]
    assert blue[truth & pixels.valid].mean() > 2 * blue[~truth & pixels.valid].mean()


def test_a_missing_mask_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="delete the product"):
        read_truth(tmp_path / "S3A.SEN3")


@given(st.dates(date(2016, 4, 25), date(2035, 12, 31)), st.integers(0, 2**31))
def test_every_day_has_six_products_that_are_its_own(day: date, seed: int) -> None:
    specs = products_of_day(day, seed)
    assert len({spec.name.text for spec in specs}) == 6
    assert {spec.name.day for spec in specs} == {day}
    assert {"land", "coast", "cloud", "sea", "small"} <= {spec.kind for spec in specs}
    assert all(parse_name(spec.name.folder) == spec.name for spec in specs)
    assert specs == products_of_day(day, seed)
    assert [spec.name.start for spec in specs] == sorted(spec.name.start for spec in specs)


def test_footprints_are_valid_and_have_the_size_of_the_frame() -> None:
    import pyproj

    for spec in products_of_day(date(2024, 6, 1), 1):
        area = abs(pyproj.Geod(ellps="sphere").geometry_area_perimeter(spec.footprint)[0])
        assert spec.footprint.is_valid
        assert area == pytest.approx(spec.frame.rows * 294 * spec.frame.columns * 270, rel=0.01)
