"""Writing a synthetic product: each file, then the manifest with their sizes and MD5, then the folder gets its name."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.records import MANIFEST_FILE
from mosaic_assets.scenes.synthetic import ROW_S, SyntheticSpec, truth_path
from mosaic_assets.scenes.synthetic_files import NOTE, chunk_shape, writing_netcdf
from mosaic_assets.scenes.synthetic_ground import TIE_STEP, ground_colours, sun_cosines
from mosaic_assets.scenes.synthetic_manifest import manifest_xml
from mosaic_assets.scenes.synthetic_sky import WAVELENGTHS, Sky, Surface, draw_sky, surface_of, top_of_atmosphere
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sync, write_bytes

FILL = 65_535
DETECTORS = 3_700
FULL_COLUMNS = 4_865
NOISE = 0.0001
"""Standard deviation of the noise, as a share of the radiance: it makes files as large as real ones, 24 to 27 MB a band."""
SATURATED_FROM = 0.95
"""Reflectance of cloud from which the drawn instrument is saturated at 665, 560 and 490 nm."""

FINE_BANDS = (3, 4, 6, 8, 17)
"""Bands with all their pixels; of the others every fourth row and column is computed and repeated, to save time."""

SCALES = {
    "002": (
        0.013946459628641605, 0.013387260027229786, 0.012148120440542698, 0.011519820429384708, 0.010095260106027126,
        0.012353800237178802, 0.008791609667241573, 0.008765390142798424, 0.009510300122201443, 0.007733779959380627,
        0.006755230017006397, 0.007199599873274565, 0.007496839854866266, 0.008651199750602245, 0.005267790053039789,
        0.005302669946104288, 0.004930039867758751, 0.0054996199905872345, 0.005028469953685999, 0.003263779915869236,
        0.0032411799766123295,
    ),
    "004": (
        0.013634907081723213, 0.011490973643958569, 0.012588496319949627, 0.011396283283829689, 0.012233924120664597,
        0.010038239881396294, 0.01056649163365364, 0.008974685333669186, 0.009690877981483936, 0.008986380882561207,
        0.008361034095287323, 0.007491027936339378, 0.007861301302909851, 0.007529641035944223, 0.00788309145718813,
        0.007152478210628033, 0.006055756937712431, 0.0060341269709169865, 0.0055409627966582775, 0.005095385946333408,
        0.004291551187634468,
    ),
}  # fmt: skip
"""Radiance of a step, mW m-2 sr-1 nm-1, of each band, as seen in real files of two collections."""

SOLAR_FLUX = (
    1530, 1727, 1912, 1960, 1943, 1819, 1669, 1549, 1513, 1487, 1420,
    1282, 1263, 1254, 1244, 1188, 971, 942, 907, 836, 708,
)  # fmt: skip
"""Of the bands in March, mW m-2 nm-1."""

FLAG_NAMES = (
    "land", "coastline", "fresh_inland_water", "tidal_region", "bright", "straylight_risk", "invalid", "cosmetic",
    "duplicated", "sun-glint_risk", "dubious",
)  # fmt: skip
"""From bit 31 downwards."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scene as it was drawn."""

    spec: SyntheticSpec
    surface: Surface
    sky: Sky
    land: NDArray[np.bool_]
    invalid: NDArray[np.bool_]
    """Beyond the swath's edge."""
    detector: NDArray[np.int16]
    """int16 (rows, columns), -1 where invalid."""
    sun: NDArray[np.float32]
    """Cosine of the sun's zenith angle, (rows, columns)."""


def publish_product(spec: SyntheticSpec, path: Path) -> None:
    """Write a product to a folder of another name, make it durable, rename it; one process at a time."""
    with holding(make_folder(path.parent) / f".{spec.name.text}.lock", f"writing {spec.name.text}", wait_s=300.0):
        if path.is_dir():
            return
        building = path.with_name(f".{path.name}.part")
        shutil.rmtree(building, ignore_errors=True)
        make_folder(building)
        with explaining_refusals(f"writing the synthetic product {spec.name.text}", path):
            _write(spec, building, path)
            building.rename(path)
            sync(path.parent)


def _write(spec: SyntheticSpec, building: Path, path: Path) -> None:
    from mosaic_assets.core.imaging import encode_png

    drawn = draw(spec)
    truth = np.repeat((drawn.sky.truth & ~drawn.invalid)[..., None], 3, axis=2)
    write_bytes(truth_path(path), encode_png(truth.astype(np.uint8) * np.uint8(255)), "writing the drawn clouds")
    flags = _flags(drawn)
    _write_small(drawn, flags, building)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda band: _write_band(drawn, band, building), spec.bands))
    files = {file.name: (file.stat().st_size, _md5(file)) for file in sorted(building.iterdir())}
    masks = {name: float((flags & mask != 0).mean()) for name, mask in flag_masks(spec).items()}
    (building / MANIFEST_FILE).write_text(manifest_xml(spec, files, masks), encoding="utf-8")
    for file in sorted(building.iterdir()):
        sync(file)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def draw(spec: SyntheticSpec) -> Drawn:
    """Draw ground, clouds and swath of a product."""
    frame, rng = spec.frame, np.random.default_rng([spec.seed, 1])
    colours, land = ground_colours(frame)
    invalid = _beyond_swath(spec)
    sky = draw_sky(frame.rows, frame.columns, spec.cloud, rng)
    first = (FULL_COLUMNS - frame.columns) // 2
    detector = ((np.arange(frame.columns) + first) * DETECTORS // FULL_COLUMNS).astype(np.int16)
    detectors = np.where(invalid, np.int16(-1), detector[None, :])
    ties = sun_cosines(*frame.tie_places(), frame.lng, spec.name.start)
    columns = np.arange(frame.columns) / TIE_STEP
    before = np.minimum(columns.astype(int), frame.tie_columns - 2)
    share = (columns - before).astype(np.float32)
    sun = ties[:, before].astype(np.float32) * (1 - share) + ties[:, before + 1].astype(np.float32) * share
    return Drawn(spec, surface_of(colours, land), sky, land, invalid, detectors, sun)


def _beyond_swath(spec: SyntheticSpec) -> NDArray[np.bool_]:
    """Return what the swath does not reach: a ragged edge on the left, and in the kind ``edge`` half of the scene."""
    rows, columns = np.arange(spec.frame.rows)[:, None], np.arange(spec.frame.columns)[None, :]
    reach = 6 + 4 * np.sin(rows / 40)
    if spec.kind == "edge":
        reach = reach + 0.35 * spec.frame.columns + 0.15 * rows
    return np.asarray(columns < reach)


def flag_masks(spec: SyntheticSpec) -> dict[str, int]:
    """Return the flags of the product's collection by name."""
    late = ("saturated", "partially_saturated")
    saturated = late if spec.name.collection == "004" else tuple(f"saturated@Oa{band:02d}" for band in range(1, 22))
    return {name: 1 << (31 - number) for number, name in enumerate((*FLAG_NAMES, *saturated))}


def saturated(drawn: Drawn) -> NDArray[np.bool_]:
    """Return where the three bands of the picture are saturated: the brightest cloud."""
    bright = (drawn.sky.opacity * drawn.sky.brightness) > SATURATED_FROM
    return np.asarray(bright & ~drawn.invalid)


def _flags(drawn: Drawn) -> NDArray[np.uint32]:
    masks = flag_masks(drawn.spec)
    flags = np.zeros(drawn.land.shape, np.uint32)
    names = [name for name in masks if name in ("saturated", "saturated@Oa04", "saturated@Oa06", "saturated@Oa08")]
    # The flag for bright pixels goes by brightness, as the real one does: thin cloud lacks it, bright sand has it.
    bright = (top_of_atmosphere(8, drawn.surface, drawn.sky) > 0.27) & ~drawn.invalid
    columns = np.arange(drawn.land.shape[1])
    duplicated = np.broadcast_to((columns % 16 == 3) | (columns % 16 == 9), drawn.land.shape) & ~drawn.invalid
    for name, where in (
        ("land", drawn.land & ~drawn.invalid),
        ("bright", bright),
        ("invalid", drawn.invalid),
        ("duplicated", duplicated),
        *((name, saturated(drawn)) for name in names),
    ):
        flags[where] |= np.uint32(masks[name])
    return flags


def _write_band(drawn: Drawn, band: int, folder: Path) -> None:
    spec = drawn.spec
    scale = np.float32(SCALES[spec.name.collection][band - 1])
    steps = _steps(drawn, band, float(scale))
    if spec.name.collection == "004" and band in (4, 6, 8):
        steps[saturated(drawn)] = FILL
    steps[drawn.invalid] = FILL
    name = f"Oa{band:02d}_radiance"
    with _file(spec, folder / f"{name}.nc", f"Radiance Oa{band:02d} Data Set") as file:
        file.variable(
            name,
            ("rows", "columns"),
            steps,
            chunks=chunk_shape(*steps.shape),
            level=1,
            _FillValue=np.uint16(FILL),
            ancillary_variables=f"{name}_err",
            scale_factor=scale,
            add_offset=np.float32(0),
            long_name=f"TOA radiance for OLCI acquisition band Oa{band:02d}",
            standard_name="toa_upwelling_spectral_radiance",
            units="mW.m-2.sr-1.nm-1",
            valid_min=np.uint16(0),
            valid_max=np.uint16(FILL - 1),
        )


def _steps(drawn: Drawn, band: int, scale: float) -> NDArray[np.uint16]:
    """Return the radiances of a band in steps of its scale, uint16 (rows, columns)."""
    coarse = 1 if band in FINE_BANDS else 4
    surface = Surface(*(plane[::coarse, ::coarse] for plane in drawn.surface))
    sky = Sky(*(plane[::coarse, ::coarse] for plane in drawn.sky))
    rho = top_of_atmosphere(band, surface, sky)
    rho *= drawn.sun[::coarse, ::coarse] * np.float32(SOLAR_FLUX[band - 1] / np.pi / scale)
    rho *= _noise(rho.shape, drawn.spec.seed, band)
    steps = np.rint(rho, out=rho).clip(0, FILL - 1, out=rho).astype(np.uint16)
    if coarse > 1:
        steps = steps.repeat(coarse, 0).repeat(coarse, 1)
    return steps[: drawn.sun.shape[0], : drawn.sun.shape[1]].copy()


def _noise(shape: tuple[int, ...], seed: int, band: int) -> NDArray[np.float32]:
    """Return factors near 1; a patch of noise laid side by side, for noise costs more time than all the rest."""
    patch = np.random.default_rng([seed, 2]).standard_normal((251, 257)).astype(np.float32)
    patch = 1 + np.float32(NOISE) * np.roll(patch, (17 * band, 31 * band), (0, 1))
    return np.tile(patch, (shape[0] // 251 + 1, shape[1] // 257 + 1))[: shape[0], : shape[1]]


def _file(spec: SyntheticSpec, path: Path, title: str, **dimensions: int) -> Any:
    frame, name = spec.frame, spec.name
    stop = name.start + timedelta(seconds=frame.rows * ROW_S)
    attributes: dict[str, Any] = {
        "absolute_orbit_number": np.uint32(name.cycle * 385 + name.relative_orbit),
        "ac_subsampling_factor": np.uint16(TIE_STEP),
        "al_subsampling_factor": np.uint16(1),
        "comment": NOTE,
        "creation_time": f"{name.created:%Y-%m-%dT%H:%M:%SZ}",
        "institution": name.centre,
        "netCDF_version": "4.2",
        "product_name": name.folder,
        "resolution": "[ 270 294 ]",
        "source": "mosaic_assets synthetic",
        "start_time": f"{name.start:%Y-%m-%dT%H:%M:%S.%fZ}",
        "stop_time": f"{stop:%Y-%m-%dT%H:%M:%S.%fZ}",
        "title": f"OLCI Level 1b Product, {title}",
    }
    return writing_netcdf(path, dimensions or {"rows": frame.rows, "columns": frame.columns}, attributes)


def _write_small(drawn: Drawn, flags: NDArray[np.uint32], folder: Path) -> None:
    """Write all files but the bands."""
    writers: dict[str, Callable[[Drawn, Path], None]] = {
        "geo_coordinates.nc": _write_places,
        "instrument_data.nc": _write_instrument,
        "tie_geo_coordinates.nc": _write_tie_places,
        "tie_geometries.nc": _write_angles,
        "tie_meteo.nc": _write_weather,
        "time_coordinates.nc": _write_times,
    }
    for name, write in writers.items():
        write(drawn, folder / name)
    masks = flag_masks(drawn.spec)
    with _file(drawn.spec, folder / "qualityFlags.nc", "Classification and Quality Flags Data Set") as file:
        file.variable(
            "quality_flags",
            ("rows", "columns"),
            flags,
            chunks=chunk_shape(*flags.shape),
            flag_masks=np.array(list(masks.values()), np.uint32),
            flag_meanings=" ".join(masks),
            long_name="Classification and quality flags",
        )


def _degrees(values: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(values * 1e6).astype(np.int32)


_DEGREES: dict[str, Any] = {"_FillValue": np.int32(-(2**31)), "scale_factor": np.float64(1e-6)}


def _write_places(drawn: Drawn, path: Path) -> None:
    frame = drawn.spec.frame
    lng, lat = (np.empty((frame.rows, frame.columns), np.int32) for _ in range(2))
    columns = np.arange(frame.columns)[None, :]
    for start in range(0, frame.rows, 256):
        rows = np.arange(start, min(start + 256, frame.rows))[:, None]
        for out, values in zip((lng, lat), frame.places(rows, columns), strict=True):
            out[start : start + 256] = _degrees(values)
    chunks = chunk_shape(frame.rows, frame.columns)
    with _file(drawn.spec, path, "Geo Coordinates Data Set") as file:
        for name, steps, units in (("latitude", lat, "degrees_north"), ("longitude", lng, "degrees_east")):
            file.variable(
                name,
                ("rows", "columns"),
                steps,
                chunks=chunks,
                shuffle=True,
                standard_name=name,
                units=units,
                **_DEGREES,
            )
        height = np.zeros(lat.shape, np.int16)
        file.variable("altitude", ("rows", "columns"), height, chunks=chunks, units="m", _FillValue=np.int16(-32768))


def _write_instrument(drawn: Drawn, path: Path) -> None:
    frame = drawn.spec.frame
    dimensions = {"rows": frame.rows, "columns": frame.columns, "bands": 21, "detectors": DETECTORS}
    bend = 1 + 0.002 * np.sin(np.arange(DETECTORS) / 300)
    flux = (np.array(SOLAR_FLUX)[:, None] * bend).astype(np.float32)
    centre = np.repeat(np.array(WAVELENGTHS, np.float32)[:, None], DETECTORS, axis=1)
    width = np.full((21, DETECTORS), 10, np.float32)
    with _file(drawn.spec, path, "Instrument Data Set", **dimensions) as file:
        file.variable(
            "detector_index",
            ("rows", "columns"),
            drawn.detector,
            chunks=chunk_shape(frame.rows, frame.columns),
            _FillValue=np.int16(-1),
            long_name="Detector index",
            valid_min=np.int16(0),
            valid_max=np.int16(DETECTORS - 1),
        )
        for name, values, units in (
            ("solar_flux", flux, "mW.m-2.nm-1"),
            ("lambda0", centre, "nm"),
            ("FWHM", width, "nm"),
        ):
            file.variable(name, ("bands", "detectors"), values, units=units, _FillValue=np.float32(-1))


def _tie_file(drawn: Drawn, path: Path, title: str, **further: int) -> Any:
    frame = drawn.spec.frame
    return _file(drawn.spec, path, title, tie_rows=frame.rows, tie_columns=frame.tie_columns, **further)


def _tie_chunks(drawn: Drawn) -> tuple[int, int]:
    return drawn.spec.frame.rows, drawn.spec.frame.tie_columns


def _write_tie_places(drawn: Drawn, path: Path) -> None:
    lng, lat = drawn.spec.frame.tie_places()
    with _tie_file(drawn, path, "Tie-Point Geo Coordinates Data Set") as file:
        for name, values, units in (("latitude", lat, "degrees_north"), ("longitude", lng, "degrees_east")):
            chunks = _tie_chunks(drawn)
            file.variable(
                name,
                ("tie_rows", "tie_columns"),
                _degrees(values),
                chunks=chunks,
                shuffle=True,
                units=units,
                **_DEGREES,
            )


def _write_angles(drawn: Drawn, path: Path) -> None:
    frame = drawn.spec.frame
    lng, lat = frame.tie_places()
    sun = np.degrees(np.arccos(sun_cosines(lng, lat, frame.lng, drawn.spec.name.start)))
    offset = (np.arange(frame.tie_columns) * TIE_STEP - (frame.columns - 1) / 2)[None, :]
    seen = np.broadcast_to(np.abs(offset) * (55 / FULL_COLUMNS), sun.shape)
    angles = {
        "OAA": np.broadcast_to(np.where(offset < 0, 103.0, -77.0), sun.shape),
        "OZA": seen,
        "SAA": np.full(sun.shape, 125.0),
        "SZA": sun,
    }
    with _tie_file(drawn, path, "Tie-Point Geometries Data Set") as file:
        for name, values in angles.items():
            chunks = _tie_chunks(drawn)
            file.variable(
                name, ("tie_rows", "tie_columns"), _degrees(values), chunks=chunks, units="degrees", **_DEGREES
            )


def _write_weather(drawn: Drawn, path: Path) -> None:
    shape = drawn.spec.frame.rows, drawn.spec.frame.tie_columns
    with _tie_file(drawn, path, "Tie-Point Meteo Data Set", wind_vectors=2) as file:
        for name, value, units in (
            ("sea_level_pressure", 1013.25, "hPa"),
            ("total_ozone", 0.006, "kg.m-2"),
            ("humidity", 60.0, "%"),
            ("total_columnar_water_vapour", 20.0, "kg.m-2"),
        ):
            values = np.full(shape, value, np.float32)
            file.variable(name, ("tie_rows", "tie_columns"), values, chunks=shape, units=units)


def _write_times(drawn: Drawn, path: Path) -> None:
    rows = drawn.spec.frame.rows
    since = int((drawn.spec.name.start - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())
    stamps = since * 1_000_000 + (np.arange(rows) * round(ROW_S * 1e6)).astype(np.int64)
    with _file(drawn.spec, path, "Time Coordinates Data Set", rows=rows) as file:
        file.variable("time_stamp", ("rows",), stamps, units="microseconds since 2000-01-01 00:00:00")
