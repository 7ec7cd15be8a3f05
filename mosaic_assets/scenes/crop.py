"""From a product to a crop: three bands, sun angles and places of the middle of a scene, rendered, measured, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import luma
from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.efr import THREADS, Plane, Window, open_netcdf
from mosaic_assets.scenes.flags import Flags
from mosaic_assets.scenes.metrics import Tally, cloudy, judge, share, sum_tallies, tally
from mosaic_assets.scenes.recipes import RGB_BANDS, Band, paint_gaps, render
from mosaic_assets.scenes.records import Limits, Product, SceneNumbers, SceneOutcome
from mosaic_assets.scenes.screen import Screening, read_flags, screen_flags
from mosaic_assets.scenes.ties import centre_of, corners_of, footprint_of, scene_places, sun_cosine

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

INSTRUMENT_FILE = "instrument_data.nc"
BANDS = 21
STRIP = 64
"""Rows that are rendered and measured together."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CropResult:
    """What became of the middle of a scene."""

    outcome: SceneOutcome
    """``KEPT`` means: worth publishing; nothing is published yet."""
    detail: str
    numbers: SceneNumbers
    recipe: str
    rgb: NDArray[np.uint8] | None = None
    """uint8 (1024, 1024, 3); None where the flags alone decided."""
    window: Window | None = None
    footprint: BaseGeometry | None = None
    """Longitude, latitude, through the centres of the outer pixels."""
    corners: tuple[tuple[float, float], ...] = ()
    """Longitude, latitude: first row first and last column, last row last and first."""
    centre: tuple[float, float] | None = None

    @property
    def row_offset(self) -> int | None:
        """Row of the scene that is the crop's first."""
        return self.window.row if self.window else None

    @property
    def column_offset(self) -> int | None:
        """Column of the scene that is the crop's first."""
        return self.window.column if self.window else None


@dataclass(frozen=True, slots=True)
class Pixels:
    """Bands of a window in physical terms: what cloud masks and other methods work on."""

    planes: dict[str, Plane]
    """Radiances as stored."""
    fluxes: dict[str, NDArray[np.float32]]
    """By band, the solar flux of each detector, mW m-2 nm-1."""
    detector: NDArray[np.int16]
    """Detector of each pixel, -1 where there is none."""
    sun_cosine: NDArray[np.float32]
    flags: Flags
    fill: NDArray[np.bool_]
    """No data in one of the bands, and no saturation to explain it."""
    saturated: NDArray[np.bool_]
    """No data in one of the bands, and flagged as saturated."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where every band holds data."""
        return ~(self.fill | self.saturated)

    @property
    def stored(self) -> dict[str, Band]:
        """The bands without solar flux (NaN): for who has reflectances, it would be looked up for nothing."""
        unknown = np.full((), np.nan, np.float32)
        return {name: Band(one.raw, one.scale, one.offset, unknown) for name, one in self.planes.items()}

    def reflectances(self, names: Sequence[str] = RGB_BANDS) -> dict[str, NDArray[np.float32]]:
        """Return top-of-atmosphere reflectance of bands; of pixels that are not valid it means nothing.

        As `recipes.reflectance`, but what hangs on the detector alone is worked out once a detector, not once a pixel.
        """
        index, inverse = self.detector.astype(np.intp), np.float32(1) / self.sun_cosine
        found: dict[str, NDArray[np.float32]] = {}
        for name in names:
            plane, flux = self.planes[name], self.fluxes[name]
            gain = np.asarray(np.float32(np.pi) / np.where(flux > 0, flux, np.float32(np.nan)), np.float32)
            rho: NDArray[np.float32] = (gain * np.float32(plane.scale))[index]
            rho *= plane.raw
            if plane.offset:
                rho += (gain * np.float32(plane.offset))[index]
            rho *= inverse
            found[name] = rho
        return found

    def strip(self, first: int, last: int) -> Pixels:
        """Return the rows from ``first`` up to but without ``last``, as views."""
        rows = slice(first, last)
        return Pixels(
            {name: replace(plane, raw=plane.raw[rows]) for name, plane in self.planes.items()},
            self.fluxes,
            self.detector[rows],
            self.sun_cosine[rows],
            Flags(self.flags.values[rows], self.flags.masks),
            self.fill[rows],
            self.saturated[rows],
        )


def crop_scene(
    product: Product, recipe: str, limits: Limits | None = None, screening: Screening | None = None
) -> CropResult:
    """Crop the middle of a scene, or say why not.

    Parameters
    ----------
    product : any.
    recipe : one of `RECIPES`.
    limits : when to discard; default those of `Limits`.
    screening : what `screen_flags` found, if it was called before.

    Raises
    ------
    ProductError
        A file of the product is damaged or not of this product; of these, `MissingFileError` when a file or variable
        is not there.
    UnknownNameError
        No recipe of that name.
    """
    limits = limits or Limits()
    screening = screening or screen_flags(product, limits)
    if screening.outcome is not None or screening.window is None:
        return CropResult(screening.outcome or SceneOutcome.TOO_SMALL, screening.detail, screening.numbers, recipe)
    window = screening.window
    pixels = read_pixels(product, window, flags=screening.flags)
    with ThreadPoolExecutor(1) as beside:
        located = beside.submit(scene_places, product, window)
        rgb, cloud = render_pixels(recipe, pixels)
        numbers = measure(rgb, pixels, cloud)
        places = located.result()
    outcome, detail = judge(numbers, limits)
    return CropResult(
        outcome=outcome,
        detail=detail,
        numbers=numbers,
        recipe=recipe,
        rgb=rgb,
        window=window,
        footprint=footprint_of(places, window),
        corners=corners_of(places, window),
        centre=centre_of(places, window),
    )


def read_pixels(
    product: Product, window: Window, bands: Sequence[str] = RGB_BANDS, *, flags: Flags | None = None
) -> Pixels:
    """Read bands of a window with all it takes to turn them into reflectance. Raises `ProductError`.

    Parameters
    ----------
    product : any.
    window : inside the scene.
    bands : names such as ``Oa08``.
    flags : of the window, if they have been read before.
    """
    flags = flags or read_flags(product, window)
    planes = {band: read_band(product, band, window) for band in bands}
    detector, fluxes = read_detectors(product, window, bands)
    missing = detector < 0
    for dark in (fluxes[band] <= 0 for band in bands):  # no light, no reflectance
        if dark.any():
            missing |= dark[detector]
    fill, saturated = missing.copy(), np.zeros(missing.shape, bool)
    for band, plane in planes.items():
        gap = plane.missing
        if gap.any():
            explained = gap & flags.saturated(band) & ~missing
            saturated |= explained
            fill |= gap & ~explained
    return Pixels(planes, fluxes, detector, sun_cosine(product, window), flags, fill, saturated & ~fill)


def read_band(product: Product, band: str, window: Window) -> Plane:
    """Read a window of a band's radiance, as stored. Raises `ProductError`."""
    manifest, name = product.manifest(), f"{band}_radiance"
    with open_netcdf(product.open(f"{name}.nc"), f"{name}.nc of {product.name.text}") as file:
        plane = file.plane(name, window, (manifest.rows, manifest.columns))
    if plane.raw.dtype != np.uint16:
        raise ProductError(f"reading {name} of {product.name.text}: it is {plane.raw.dtype}; expected uint16")
    return plane


def read_detectors(
    product: Product, window: Window, bands: Sequence[str]
) -> tuple[NDArray[np.int16], dict[str, NDArray[np.float32]]]:
    """Return the detector of each pixel (-1: none) and, by band, the solar flux of each detector, mW m-2 nm-1."""
    manifest, label = product.manifest(), f"{INSTRUMENT_FILE} of {product.name.text}"
    with open_netcdf(product.open(INSTRUMENT_FILE), label) as file:
        plane = file.plane("detector_index", window, (manifest.rows, manifest.columns))
        flux = file.whole("solar_flux")
    detector = np.where(plane.missing, -1, plane.raw).astype(np.int16)
    if flux.raw.ndim != 2 or len(flux.raw) != BANDS or int(detector.max(initial=-1)) >= flux.raw.shape[1]:
        raise ProductError(
            f"reading solar_flux of {label}: it is {flux.raw.shape}, and detectors up to {detector.max(initial=-1)} are in "
            f"use; expected {BANDS} bands and as many detectors"
        )
    return detector, {band: flux.physical()[int(band[2:]) - 1] for band in bands}


def render_pixels(recipe: str, pixels: Pixels) -> tuple[NDArray[np.uint8], int]:
    """Render a recipe and paint the gaps, uint8 (rows, columns, 3); and count the cloudy pixels, saturated ones included."""
    rgb = np.empty((*pixels.fill.shape, 3), np.uint8)

    def one(first: int, last: int) -> int:
        part = pixels.strip(first, last)
        rho = part.reflectances()
        rgb[first:last] = render(recipe, part.stored, part.sun_cosine, rho)
        paint_gaps(rgb[first:last], part.fill, part.saturated)
        return int(np.count_nonzero((cloudy(rho, part.saturated) & part.valid) | part.saturated))

    counts = _in_strips(len(rgb), one)
    return rgb, sum(counts)


def measure(rgb: NDArray[np.uint8], pixels: Pixels, cloud: int) -> SceneNumbers:
    """Measure a rendered crop: shares of all pixels, texture and entropy of the valid ones; ``cloud`` pixels are cloudy."""
    valid = pixels.valid

    def one(first: int, last: int) -> Tally:
        around = slice(max(0, first - 1), last + 1)  # a Laplacian needs the rows above and below
        return tally(luma(rgb[around]), valid[around], first - around.start, last - first)

    total = sum_tallies(_in_strips(len(rgb), one))
    return SceneNumbers(
        fill=share(pixels.fill),
        saturated=share(pixels.saturated),
        cloud=cloud / pixels.fill.size,
        water=share(pixels.flags.open_water),
        texture=total.texture,
        entropy=total.entropy,
    )


def _in_strips(rows: int, one: Callable[[int, int], Result]) -> list[Result]:
    """Work through strips of rows, side by side: what a strip needs stays in the processor's cache."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda first: one(first, min(first + STRIP, rows)), range(0, rows, STRIP)))
