"""Crops that the pipeline published, with what their products know of clouds: reflectance, flags, and drawn clouds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from mosaic_assets.errors import DataError, ProductError
from mosaic_assets.scenes.access import embedded_folder
from mosaic_assets.scenes.challenges.pictures import load_picture, picture_subject
from mosaic_assets.scenes.challenges.records import TRUTH, CloudScene, Mask, Subject
from mosaic_assets.scenes.crop import read_pixels
from mosaic_assets.scenes.efr import CROP_SIDE, centre_window
from mosaic_assets.scenes.local import LocalProduct
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import MANIFEST_FILE, SAFE_SUFFIX, Product
from mosaic_assets.scenes.synthetic import CENTRE, read_truth, truth_path
from mosaic_assets.settings import Settings

BANDS = ("Oa03", "Oa04", "Oa06", "Oa08", "Oa17")
"""Bands that the methods here ask for; those that a product has are read."""
SATURATED = 1.5
"""Reflectance put where a detector was saturated: brighter than any it can tell."""


def cloud_subject(settings: Settings, path: Path) -> Subject:
    """Return a published crop as a scene to find clouds in; a crop whose product is not on this machine is a picture.

    Raises
    ------
    DataError
        The picture cannot be read.
    """
    folder = product_folder(settings, path.stem)
    plain = picture_subject(path, synthetic=is_synthetic(path.stem))
    if folder is None:
        return plain
    digest = hashlib.sha256(plain.sha256.encode())
    for file in (folder / MANIFEST_FILE, truth_path(folder)):  # the manifest has the checksums of all bands
        digest.update(file.read_bytes() if file.is_file() else b"")
    return replace(plain, sha256=digest.hexdigest(), load=lambda: load_scene(path, folder))


def load_scene(path: Path, folder: Path) -> CloudScene:
    """Read a crop with the product that it was cut from.

    Raises
    ------
    DataError
        The picture or the product is damaged, or they are not of one size.
    """
    plain = load_picture(path)
    drawn = read_truth(folder) if truth_path(folder).is_file() else None
    with LocalProduct(folder, verify=False) as product:
        return scene_of_product(product, plain, drawn)


def scene_of_product(product: Product, crop: CloudScene, drawn: Mask | None = None) -> CloudScene:
    """Add to a crop what its product knows: reflectance of `BANDS`, land, bright and valid pixels.

    Parameters
    ----------
    product : that the crop is the middle of.
    crop : its picture.
    drawn : clouds that were drawn into the whole scene, bool (rows, columns).

    Raises
    ------
    ProductError
        The product is damaged.
    DataError
        The crop is not of the size of the product's middle.
    """
    manifest = product.manifest()
    window = centre_window(manifest.rows, manifest.columns)
    if window is None or (window.rows, window.columns) != crop.rgb.shape[:2]:
        raise DataError(
            f"reading the scene of {crop.name} failed: the crop is {crop.rgb.shape[:2]} and the middle of "
            f"{manifest.rows} x {manifest.columns} pixels; expected {CROP_SIDE} x {CROP_SIDE}. Fetch its day again"
        )
    bands = [band for band in BANDS if f"{band}_radiance.nc" in manifest.files]
    pixels = read_pixels(product, window, bands)
    if drawn is not None:
        crop = replace(crop, truth=drawn[window.slices], truth_is=TRUTH)
    return replace(
        crop,
        reflectance={
            band: np.where(pixels.saturated, SATURATED, rho) for band, rho in pixels.reflectances(bands).items()
        },
        land=pixels.flags.land,
        bright=pixels.flags.bright,
        valid=~pixels.fill & ~pixels.flags.named("invalid"),
    )


def product_folder(settings: Settings, name: str) -> Path | None:
    """Return the folder of a product by its name, if it is on this machine."""
    places = [embedded_folder(settings), settings.scenes.folder]
    found = [place / f"{name}{SAFE_SUFFIX}" for place in places if place is not None]
    return next((folder for folder in found if (folder / MANIFEST_FILE).is_file()), None)


def is_synthetic(name: str) -> bool | None:
    """Return whether a crop is of a product that was made here; None: it is not named as a product is."""
    try:
        return parse_name(name).centre == CENTRE
    except ProductError:
        return None
