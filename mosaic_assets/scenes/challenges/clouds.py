"""Cloud masks by simple rules: thresholds, brightness and whiteness, Otsu, k-means.

Of a plain picture only ``rgb`` is known, 0..255 after somebody's stretch; rules that ask for reflectance pass it over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mosaic_assets.scenes.challenges.records import CloudScene, Mask, Plane
from mosaic_assets.scenes.challenges.registry import cloud_method

LAND_SURE = 0.30
"""IdePix for OLCI: reflectance of Oa03 (442.5 nm) above which land is under cloud for sure."""
WATER_SURE = 0.20
"""IdePix for OLCI: reflectance of Oa17 (865 nm) above which water is."""
LAND_AMBIGUOUS = 0.25
WATER_AMBIGUOUS = 0.08
BRIGHT = 0.30
"""Mean reflectance of cloud."""
BRIGHT_SHARE = 0.5
"""Mean of a picture's cloud, as a share of the brightness that only a hundredth of its pixels exceed."""
BRIGHT_FLOOR = 0.25
"""What is darker than this is no cloud, whatever else is in the picture, 0..1."""
WHITE = 0.30
"""Sum over the bands of the distance to their mean, divided by it."""
HAZE = 0.16
"""Of the haze-optimised transform: 0.08 as for corrected reflectance, and 0.08 that clear air adds to it at the top."""
CLUSTERS = 5
COLOUR_WEIGHT = 0.3
"""Of colourfulness beside brightness when clusters are sought."""
SAMPLE = 20_000
"""Pixels that clusters are sought among."""

RGB_BANDS = ("Oa08", "Oa06", "Oa04")


@cloud_method("idepix_thresholds", needs=["Oa03", "Oa17", "land"], version=f"{LAND_SURE}/{WATER_SURE}")
def idepix_thresholds(scene: CloudScene) -> Mask:
    """Bright in the blue over land, bright in the near infrared over water: IdePix's sure thresholds, without its network."""
    return _thresholds(scene, LAND_SURE, WATER_SURE)


@cloud_method("idepix_ambiguous", needs=["Oa03", "Oa17", "land"], version=f"{LAND_AMBIGUOUS}/{WATER_AMBIGUOUS}")
def idepix_ambiguous(scene: CloudScene) -> Mask:
    """IdePix's thresholds for what may be cloud."""
    return _thresholds(scene, LAND_AMBIGUOUS, WATER_AMBIGUOUS)


def _thresholds(scene: CloudScene, land: float, water: float) -> Mask:
    over_land = np.asarray(scene.land, np.bool_)
    blue, infrared = scene.reflectance["Oa03"] > land, scene.reflectance["Oa17"] > water
    return np.asarray(np.where(over_land, blue, infrared), np.bool_)


@cloud_method("haze_transform", needs=["Oa04", "Oa08"], version=f"{HAZE}")
def haze_transform(scene: CloudScene) -> Mask:
    """Bluer than clear ground of that red: haze-optimised transform, blue less half of red."""
    return np.asarray(scene.reflectance["Oa04"] - 0.5 * scene.reflectance["Oa08"] > HAZE)


@cloud_method("bright_white_reflectance", needs=RGB_BANDS, version=f"{BRIGHT}/{WHITE}")
def bright_white_reflectance(scene: CloudScene) -> Mask:
    """Bright and white in reflectance."""
    bands = np.stack([scene.reflectance[name] for name in RGB_BANDS], axis=2)
    return np.asarray((bands.mean(axis=2) > BRIGHT) & (_colourfulness(bands) < WHITE))


@cloud_method("bright_white", version=f"{BRIGHT_SHARE}/{BRIGHT_FLOOR}/{WHITE}")
def bright_white(scene: CloudScene) -> Mask:
    """Bright and white in the picture, whatever its stretch: at least half as bright as its brightest hundredth."""
    picture = scene.rgb / np.float32(255)
    brightness = picture.mean(axis=2)
    brightest = float(np.percentile(_valid(scene, brightness), 99))
    limit = BRIGHT_SHARE * brightest if brightest > BRIGHT_FLOOR else 1.0
    return np.asarray((brightness > limit) & (_colourfulness(picture) < WHITE))


@cloud_method("otsu", version=f"{BRIGHT_FLOOR}")
def otsu(scene: CloudScene) -> Mask:
    """Otsu's threshold on the darkest band: where even that is bright. It parts land from sea where there is no cloud."""
    from skimage.filters import threshold_otsu

    threshold: Any = threshold_otsu  # without types
    darkest = scene.rgb.min(axis=2)
    return np.asarray(darkest > max(threshold(_valid(scene, darkest)), 255 * BRIGHT_FLOOR))


@cloud_method("kmeans", version=f"{CLUSTERS}/{SAMPLE}")
def kmeans(scene: CloudScene) -> Mask:
    """Five clusters of brightness, colourfulness and roughness; cloud are the white ones half as bright as the brightest."""
    from sklearn.cluster import KMeans

    features = _features(scene)
    valid = _valid(scene, features)
    sample = valid[np.random.default_rng(0).integers(0, len(valid), min(SAMPLE, len(valid)))]
    distinct = len(np.unique(sample, axis=0))  # of a black picture there is one
    clusters = KMeans(min(CLUSTERS, distinct), n_init=2, random_state=0).fit(sample)
    brightness, colour = clusters.cluster_centers_[:, 0], clusters.cluster_centers_[:, 1]
    limit = BRIGHT_SHARE * brightness.max() if brightness.max() > BRIGHT_FLOOR else 1.0
    cloudy = (brightness > limit) & (colour < COLOUR_WEIGHT * WHITE)
    return np.asarray(cloudy[clusters.predict(features.reshape(-1, 3))]).reshape(features.shape[:2])


def _features(scene: CloudScene) -> Plane:
    import cv2

    picture = scene.rgb / np.float32(255)
    brightness = picture.mean(axis=2)
    mean, square = (cv2.blur(values, (5, 5)) for values in (brightness, brightness**2))
    rough = np.sqrt(np.maximum(square - mean**2, 0))
    return np.stack([brightness, COLOUR_WEIGHT * np.minimum(_colourfulness(picture), 1), rough], axis=2).astype(
        np.float32
    )


def _colourfulness(bands: Plane) -> Plane:
    mean = bands.mean(axis=2)
    return np.asarray(np.abs(bands - mean[..., None]).sum(axis=2) / np.maximum(mean, 1e-6))


def _valid(scene: CloudScene, values: Plane) -> Plane:
    """Return the values where there is data; all of them where there is none at all."""
    if scene.valid is None or not scene.valid.any():
        return values.reshape(-1, *values.shape[2:])
    return np.asarray(values[scene.valid])
