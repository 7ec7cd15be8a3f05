"""Judging a scene before a band is fetched: by the quality flags of the window that would be cropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import Inflaters
from mosaic_assets.scenes.efr import CROP_SIDE, STRIP, Window, centre_window, open_netcdf
from mosaic_assets.scenes.flags import Flags, flag_table
from mosaic_assets.scenes.metrics import judge
from mosaic_assets.scenes.recipes import RGB_BANDS
from mosaic_assets.scenes.records import Limits, Product, SceneNumbers, SceneOutcome

FLAGS_FILE = "qualityFlags.nc"


@dataclass(frozen=True, slots=True)
class Screening:
    """What the flags say of a scene."""

    outcome: SceneOutcome | None
    """None: nothing speaks against cropping it."""
    detail: str
    numbers: SceneNumbers
    """Of the window, by the flags: fill (pixels flagged as invalid and not as saturated), saturated, cloud (flagged as
    bright, of all pixels), water."""
    window: Window | None
    """None: the scene is too small."""
    flags: Flags | None


def screen_flags(product: Product, limits: Limits | None = None, pool: Inflaters | None = None) -> Screening:
    """Look at a scene's quality flags, in the window of its crop only.

    Parameters
    ----------
    product : any; of a product on a server, its manifest and the chunks of `FLAGS_FILE` that the window meets are fetched.
    limits : when to discard; default those of `Limits`.
    pool : inflates.

    Raises
    ------
    ProductError
        The flags cannot be read.
    """
    limits = limits or Limits()
    manifest = product.manifest()
    window = centre_window(manifest.rows, manifest.columns)
    if window is None:
        why = f"{manifest.rows} x {manifest.columns} pixels; a crop needs {CROP_SIDE} x {CROP_SIDE}"
        return Screening(SceneOutcome.TOO_SMALL, why, SceneNumbers(), None, None)
    flags = read_flags(product, window, pool)
    numbers = flag_numbers(flags)
    outcome, detail = judge(numbers, limits)
    if outcome is SceneOutcome.KEPT:
        return Screening(None, "", numbers, window, flags)
    if outcome is SceneOutcome.SCREENED_FILL:
        outcome = SceneOutcome.SCREENED_INVALID
    return Screening(outcome, f"{detail} (by the quality flags)", numbers, window, flags)


def read_flags(product: Product, window: Window, pool: Inflaters | None = None) -> Flags:
    """Read the quality flags of a window with the names of their bits. Raises `ProductError`."""
    manifest, label = product.manifest(), f"{FLAGS_FILE} of {product.name.text}"
    with open_netcdf(product.open(FLAGS_FILE), label, pool) as file:
        plane = file.begin_plane("quality_flags", window, (manifest.rows, manifest.columns))()
        meanings, masks = (file.attribute(name, of="quality_flags") for name in ("flag_meanings", "flag_masks"))
    if plane.raw.dtype.kind not in "iu" or plane.raw.dtype.itemsize != 4:
        raise ProductError(f"reading {label} failed: quality_flags is {plane.raw.dtype}; expected 32 bits")
    if meanings is None or masks is None:
        raise ProductError(f"reading {label} failed: quality_flags has no flag_meanings and flag_masks; expected both")
    return Flags(plane.raw.view(np.uint32), flag_table(meanings, masks, label))


def flag_numbers(flags: Flags) -> SceneNumbers:
    """Return the shares that flags tell of; by strips, which stay in the processor's cache."""
    counts = np.zeros(4, int)
    for first in range(0, len(flags.values), STRIP):
        part = flags.strip(slice(first, first + STRIP))
        saturated = part.saturated(*RGB_BANDS)
        masks = (part.named("invalid") & ~saturated, saturated, part.bright, part.open_water)
        counts += [np.count_nonzero(mask) for mask in masks]
    fill, saturated_, cloud, water = (counts / flags.values.size).tolist()
    return SceneNumbers(fill=fill, saturated=saturated_, cloud=cloud, water=water)
