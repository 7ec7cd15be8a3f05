"""From a product to a crop: three bands, sun angles and places of the middle of a scene, rendered, measured, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import luma
from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import Inflaters
from mosaic_assets.scenes.efr import STRIP, Plane, Window, open_netcdf
from mosaic_assets.scenes.flags import Flags
from mosaic_assets.scenes.metrics import Masks, Tally, cloudy, judge, sum_tallies, tally
from mosaic_assets.scenes.recipes import RGB_BANDS, Band, paint_gaps, recipe_named
from mosaic_assets.scenes.records import Limits, Product, SceneNumbers, SceneOutcome
from mosaic_assets.scenes.screen import Screening, read_flags, screen_flags
from mosaic_assets.scenes.ties import Sun, centre_of, corners_of, footprint_of, read_sun, scene_places

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

INSTRUMENT_FILE = "instrument_data.nc"
BANDS = 21


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


class Gain(NamedTuple):
    """What turns the steps of a band into reflectance under a sun in the zenith, by detector; NaN where there is no light."""

    step: NDArray[np.float32]
    """Reflectance a step."""
    base: NDArray[np.float32] | None
    """Reflectance at step 0; None: none."""
    dark: NDArray[np.bool_] | None
    """Where there is no light; None: nowhere."""

    @classmethod
    def of(cls, plane: Plane, flux: NDArray[np.float32]) -> Gain:
        """Build it from the solar flux of each detector, mW m-2 nm-1."""
        dark = flux <= 0
        gain = np.asarray(np.float32(np.pi) / np.where(dark, np.float32(np.nan), flux), np.float32)
        base = gain * np.float32(plane.offset) if plane.offset else None
        return cls(gain * np.float32(plane.scale), base, dark if dark.any() else None)


@dataclass(frozen=True, slots=True)
class Pixels:
    """Bands of a window in physical terms: what cloud masks and other methods work on."""

    planes: dict[str, Plane]
    """Radiances as stored."""
    gains: dict[str, Gain]
    detector: NDArray[np.int16]
    """Detector of each pixel, -1 where there is none."""
    sun: Sun
    flags: Flags

    @property
    def gaps(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Where a band has no data: without, and with saturation flagged to explain it."""
        missing = self.detector < 0
        for gain in self.gains.values():  # no light, no reflectance
            if gain.dark is not None:
                missing |= gain.dark[self.detector]
        fill, saturated = missing.copy(), np.zeros(missing.shape, bool)
        for band, plane in self.planes.items():
            gap = plane.missing
            if gap.any():
                explained = gap & self.flags.saturated(band) & ~missing
                saturated |= explained
                fill |= gap & ~explained
        return fill, saturated & ~fill

    @property
    def fill(self) -> NDArray[np.bool_]:
        """No data in one of the bands, and no saturation to explain it."""
        return self.gaps[0]

    @property
    def saturated(self) -> NDArray[np.bool_]:
        """No data in one of the bands, and flagged as saturated."""
        return self.gaps[1]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where every band holds data."""
        fill, saturated = self.gaps
        return ~(fill | saturated)

    @property
    def sun_cosine(self) -> NDArray[np.float32]:
        """Cosine of the sun's zenith angle at each pixel."""
        return self.sun.cosine

    @property
    def stored(self) -> dict[str, Band]:
        """The bands without solar flux (NaN): for who has reflectances, it would be looked up for nothing."""
        unknown = np.full((), np.nan, np.float32)
        return {name: Band(one.raw, one.scale, one.offset, unknown) for name, one in self.planes.items()}

    def reflectances(self, names: Sequence[str] = RGB_BANDS) -> dict[str, NDArray[np.float32]]:
        """Return top-of-atmosphere reflectance of bands; of pixels in `gaps` it means nothing.

        As `recipes.reflectance`, but what hangs on the detector alone is worked out once a detector, not once a pixel.
        """
        index, inverse = self.detector.astype(np.intp), np.float32(1) / self.sun.cosine
        found: dict[str, NDArray[np.float32]] = {}
        for name in names:
            gain = self.gains[name]
            rho = gain.step.take(index, mode="wrap")  # detector -1 may take any
            rho *= self.planes[name].raw
            if gain.base is not None:
                rho += gain.base.take(index, mode="wrap")
            rho *= inverse
            found[name] = rho
        return found

    def strip(self, rows: slice) -> Pixels:
        """Return some rows, as views."""
        return Pixels(
            {name: replace(plane, raw=plane.raw[rows]) for name, plane in self.planes.items()},
            self.gains,
            self.detector[rows],
            self.sun.strip(rows),
            self.flags.strip(rows),
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
    with Inflaters() as pool:
        screening = screening or screen_flags(product, limits, pool)
        if screening.outcome is not None or screening.window is None:
            return CropResult(screening.outcome or SceneOutcome.TOO_SMALL, screening.detail, screening.numbers, recipe)
        window = screening.window
        pixels = begin_pixels(product, window, pool, flags=screening.flags)
        places = scene_places(product, window, pool)
        outline = footprint_of(places, window)
        rgb, numbers = render_pixels(recipe, pixels(), pool)
    outcome, detail = judge(numbers, limits)
    return CropResult(
        outcome=outcome,
        detail=detail,
        numbers=numbers,
        recipe=recipe,
        rgb=rgb,
        window=window,
        footprint=outline,
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
    with Inflaters() as pool:
        return begin_pixels(product, window, pool, bands, flags=flags)()


def begin_pixels(
    product: Product,
    window: Window,
    pool: Inflaters,
    bands: Sequence[str] = RGB_BANDS,
    *,
    flags: Flags | None = None,
) -> Callable[[], Pixels]:
    """Begin to read what `read_pixels` reads; return what waits for it. Both raise `ProductError`."""
    found = flags or read_flags(product, window, pool)
    begun = {band: begin_band(product, band, window, pool) for band in bands}
    detector, fluxes = read_detectors(product, window, bands, pool)
    sun = read_sun(product, window, pool)

    def finish() -> Pixels:
        planes = {band: plane() for band, plane in begun.items()}
        gains = {band: Gain.of(planes[band], fluxes[band]) for band in bands}
        return Pixels(planes, gains, detector, sun, found)

    return finish


def begin_band(product: Product, band: str, window: Window, pool: Inflaters) -> Callable[[], Plane]:
    """Begin to read a window of a band's radiance; return what waits for it, as stored. Both raise `ProductError`."""
    manifest, name = product.manifest(), f"{band}_radiance"
    with open_netcdf(product.open(f"{name}.nc"), f"{name}.nc of {product.name.text}", pool) as file:
        begun = file.begin_plane(name, window, (manifest.rows, manifest.columns))

    def finish() -> Plane:
        plane = begun()
        if plane.raw.dtype != np.uint16:
            raise ProductError(f"reading {name} of {product.name.text}: it is {plane.raw.dtype}; expected uint16")
        return plane

    return finish


def read_detectors(
    product: Product, window: Window, bands: Sequence[str], pool: Inflaters
) -> tuple[NDArray[np.int16], dict[str, NDArray[np.float32]]]:
    """Return the detector of each pixel (-1: none) and, by band, the solar flux of each detector, mW m-2 nm-1."""
    manifest, label = product.manifest(), f"{INSTRUMENT_FILE} of {product.name.text}"
    with open_netcdf(product.open(INSTRUMENT_FILE), label, pool) as file:
        plane = file.plane("detector_index", window, (manifest.rows, manifest.columns))
        flux = file.whole("solar_flux")
    detector = plane.raw.astype(np.int16, copy=False)
    if plane.fill != -1 and plane.missing.any():
        detector = np.where(plane.missing, np.int16(-1), detector)
    if flux.raw.ndim != 2 or len(flux.raw) != BANDS or int(detector.max(initial=-1)) >= flux.raw.shape[1]:
        raise ProductError(
            f"reading solar_flux of {label}: it is {flux.raw.shape}, and detectors up to {detector.max(initial=-1)} are in "
            f"use; expected {BANDS} bands and as many detectors"
        )
    physical = flux.physical()
    return detector, {band: physical[int(band[2:]) - 1] for band in bands}


def render_pixels(recipe: str, pixels: Pixels, pool: Inflaters) -> tuple[NDArray[np.uint8], SceneNumbers]:
    """Render a recipe, paint the gaps and measure: uint8 (rows, columns, 3), and the numbers of the crop."""
    draw, shape = recipe_named(recipe), pixels.detector.shape
    rgb = np.empty((*shape, 3), np.uint8)

    def one(first: int) -> Tally:
        last = min(first + STRIP, shape[0])
        around = slice(max(0, first - 1), last + 1)  # a Laplacian needs the rows above and below
        inside = slice(first - around.start, last - around.start)
        part = pixels.strip(around)
        rho, (fill, saturated) = part.reflectances(), part.gaps
        drawn = draw(part.stored, rho)
        paint_gaps(drawn, fill, saturated)
        rgb[first:last] = drawn[inside]
        masks = Masks(fill, saturated, cloudy(rho, saturated) & ~fill, part.flags.open_water)
        return tally(luma(drawn), masks, inside)

    return rgb, sum_tallies(pool.map(one, range(0, shape[0], STRIP))).numbers
