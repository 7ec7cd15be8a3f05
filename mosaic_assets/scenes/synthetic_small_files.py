"""The files of a synthetic product that are no bands: places, detectors, angles, weather, times, flags."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.synthetic import ROW_S, SyntheticSpec
from mosaic_assets.scenes.synthetic_files import NOTE, chunk_shape, writing_netcdf
from mosaic_assets.scenes.synthetic_ground import TIE_STEP, sun_cosines
from mosaic_assets.scenes.synthetic_scene import DETECTORS, FULL_COLUMNS, Drawn, flag_masks
from mosaic_assets.scenes.synthetic_sky import WAVELENGTHS

SOLAR_FLUX = (
    1530, 1727, 1912, 1960, 1943, 1819, 1669, 1549, 1513, 1487, 1420,
    1282, 1263, 1254, 1244, 1188, 971, 942, 907, 836, 708,
)  # fmt: skip
"""Of the bands in March, mW m-2 nm-1."""


def product_file(spec: SyntheticSpec, path: Path, title: str, **dimensions: int) -> Any:
    """Open a file of the product for writing; its attributes are those of real ones. Rows and columns unless said."""
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


def write_small_files(drawn: Drawn, flags: NDArray[np.uint32], folder: Path) -> None:
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
    with product_file(drawn.spec, folder / "qualityFlags.nc", "Classification and Quality Flags Data Set") as file:
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
    with product_file(drawn.spec, path, "Geo Coordinates Data Set") as file:
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
    with product_file(drawn.spec, path, "Instrument Data Set", **dimensions) as file:
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
    return product_file(drawn.spec, path, title, tie_rows=frame.rows, tie_columns=frame.tie_columns, **further)


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
    with product_file(drawn.spec, path, "Time Coordinates Data Set", rows=rows) as file:
        file.variable("time_stamp", ("rows",), stamps, units="microseconds since 2000-01-01 00:00:00")
