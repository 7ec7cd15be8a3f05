"""Mending pictures with classical methods, and doing nothing as the floor to rise above.

Lengths and weights that follow the noise's sigma were chosen on the three real pictures of the project's samples; see
docs/challenges.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.challenges.records import Degraded, Mask, Rgb
from mosaic_assets.scenes.challenges.registry import denoiser

STRIPE_WINDOW = 15
"""Columns over which a picture without stripes is taken to be smooth; odd."""
INPAINT_RADIUS = 5
"""Pixels round a gap that OpenCV's inpainting looks at."""
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 1))
"""Rows and columns a picture is moved by before each wavelet transform; the results are averaged."""

Image = NDArray[np.float32]
"""float32 (rows, columns, 3), 0..1."""


@denoiser("nothing")
def nothing(degraded: Degraded) -> Rgb:
    """Return the picture as it is: what the noise costs."""
    return degraded.picture


@denoiser("gaussian_filter", for_kinds=["gaussian", "impulse", "stripes"])
def gaussian_filter(degraded: Degraded) -> Rgb:
    """Blur: the baseline. Its width grows with the root of the noise."""
    import cv2

    width = (degraded.sigma / 25) ** 0.5 if degraded.sigma else 1.0
    return _rgb(cv2.GaussianBlur(degraded.picture, (0, 0), width))


@denoiser("median", for_kinds=["gaussian", "impulse", "stripes"])
def median(degraded: Degraded) -> Rgb:
    """Median of 3 x 3 pixels, of 5 x 5 against strong noise."""
    import cv2

    return _rgb(cv2.medianBlur(degraded.picture, 5 if degraded.sigma > 30 else 3))


@denoiser("wavelet", for_kinds=["gaussian"])
def wavelet(degraded: Degraded) -> Rgb:
    """Wavelet shrinkage (BayesShrink) of luma and chroma; it estimates the noise itself."""
    return _to_bytes(_shrunk(_unit(degraded.picture)))


@denoiser("wavelet_shifted", for_kinds=["gaussian"], version=f"{SHIFTS}")
def wavelet_shifted(degraded: Degraded) -> Rgb:
    """Wavelet shrinkage of moved copies, averaged: without the blocks that a single transform leaves."""
    noisy = _unit(degraded.picture)
    copies = [np.roll(_shrunk(np.roll(noisy, (-r, -c), (0, 1))), (r, c), (0, 1)) for r, c in SHIFTS]
    return _to_bytes(np.mean(copies, axis=0))


@denoiser("total_variation", for_kinds=["gaussian"])
def total_variation(degraded: Degraded) -> Rgb:
    """Total-variation minimisation (Chambolle): smooth areas, sharp edges."""
    from skimage.restoration import denoise_tv_chambolle

    smooth: Any = denoise_tv_chambolle  # without types
    weight = 0.8 * degraded.sigma / 255
    return _to_bytes(smooth(_unit(degraded.picture), weight=weight, channel_axis=2))


@denoiser("nlm", for_kinds=["gaussian"])
def nlm(degraded: Degraded) -> Rgb:
    """Non-local means in RGB: every pixel the mean of those whose 5 x 5 neighbourhoods look like its own."""
    from skimage.restoration import denoise_nl_means

    sigma = degraded.sigma / 255
    found = denoise_nl_means(
        _unit(degraded.picture), patch_size=5, patch_distance=6, h=0.6 * sigma, sigma=sigma, channel_axis=2
    )
    return _to_bytes(found)


@denoiser("nlm_lab", for_kinds=["gaussian"])
def nlm_lab(degraded: Degraded) -> Rgb:
    """Non-local means of lightness and colour apart (OpenCV), 5 x 5 patches within 13 x 13 pixels."""
    import cv2

    strength = 0.8 * degraded.sigma
    return _rgb(cv2.fastNlMeansDenoisingColored(degraded.picture, None, strength, strength, 5, 13))


@denoiser("selective_median", for_kinds=["impulse"])
def selective_median(degraded: Degraded) -> Rgb:
    """Median of the pixels that are all white or all black; the others stay as they are."""
    import cv2

    hit = _extreme(degraded.picture)
    mended = degraded.picture.copy()
    mended[hit] = cv2.medianBlur(degraded.picture, 5)[hit]
    return mended


@denoiser("impulse_inpainting", for_kinds=["impulse"])
def impulse_inpainting(degraded: Degraded) -> Rgb:
    """Take the pixels that are all white or all black for missing, and fill them from round about (Telea)."""
    import cv2

    hit = _extreme(degraded.picture).astype(np.uint8)
    return _rgb(cv2.inpaint(degraded.picture, hit, 3, cv2.INPAINT_TELEA))


@denoiser("column_statistics", for_kinds=["stripes"], version=f"{STRIPE_WINDOW}")
def column_statistics(degraded: Degraded) -> Rgb:
    """Take from every column the median of its difference to the picture smoothed along rows, band by band."""
    from scipy.ndimage import median_filter

    picture = degraded.picture.astype(np.float32)
    smooth = np.stack([median_filter(picture[..., band], (1, STRIPE_WINDOW)) for band in range(3)], axis=2)
    offsets = np.median(picture - smooth, axis=0, keepdims=True)
    return _to_bytes((picture - offsets) / 255)


@denoiser("moment_matching", for_kinds=["stripes"], version=f"{STRIPE_WINDOW}")
def moment_matching(degraded: Degraded) -> Rgb:
    """Give every column the mean and spread of the columns round it, band by band."""
    from scipy.ndimage import uniform_filter1d

    picture = degraded.picture.astype(np.float32)
    mean, spread = picture.mean(axis=0, keepdims=True), picture.std(axis=0, keepdims=True)
    want_mean, want_spread = (uniform_filter1d(moment, STRIPE_WINDOW, axis=1) for moment in (mean, spread))
    gain = want_spread / np.maximum(spread, 1e-3)
    return _to_bytes(((picture - mean) * gain + want_mean) / 255)


@denoiser("linear_columns", for_kinds=["missing"])
def linear_columns(degraded: Degraded) -> Rgb:
    """Interpolate along every column over its gap; the baseline for missing lines."""
    missing = _missing(degraded)
    mended = degraded.picture.copy()
    rows = np.arange(len(mended))
    for column in np.flatnonzero(missing.any(axis=0)):
        gap = missing[:, column]
        if gap.all():
            continue
        for band in range(3):
            mended[gap, column, band] = np.rint(np.interp(rows[gap], rows[~gap], mended[~gap, column, band]))
    return mended


@denoiser("inpaint_telea", for_kinds=["missing"], version=f"{INPAINT_RADIUS}")
def inpaint_telea(degraded: Degraded) -> Rgb:
    """Fill gaps from their edge inwards by weighted means (Telea's fast marching, OpenCV)."""
    import cv2

    return _rgb(cv2.inpaint(degraded.picture, _missing(degraded).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_TELEA))


@denoiser("inpaint_navier_stokes", for_kinds=["missing"], version=f"{INPAINT_RADIUS}")
def inpaint_navier_stokes(degraded: Degraded) -> Rgb:
    """Fill gaps by continuing the lines of equal brightness (Navier-Stokes, OpenCV)."""
    import cv2

    return _rgb(cv2.inpaint(degraded.picture, _missing(degraded).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_NS))


@denoiser("inpaint_biharmonic", for_kinds=["missing"])
def inpaint_biharmonic(degraded: Degraded) -> Rgb:
    """Fill gaps with the smoothest surface that fits their edge (biharmonic equation, scikit-image)."""
    from skimage.restoration import inpaint_biharmonic as fill

    found = fill(_unit(degraded.picture), _missing(degraded), channel_axis=2, split_into_regions=True)
    return _to_bytes(found)


def _missing(degraded: Degraded) -> Mask:
    return np.zeros(degraded.picture.shape[:2], np.bool_) if degraded.missing is None else degraded.missing


def _extreme(picture: Rgb) -> Mask:
    return np.asarray((picture == 0).all(axis=2) | (picture == 255).all(axis=2))


def _shrunk(noisy: Image) -> Image:
    from skimage.restoration import denoise_wavelet

    # The whole name of the estimate: sigma=None, rescaled with the colours.
    return np.asarray(denoise_wavelet(noisy, channel_axis=2, convert2ycbcr=True, rescale_sigma=True), np.float32)


def _unit(picture: Rgb) -> Image:
    return picture.astype(np.float32) / np.float32(255)


def _to_bytes(image: Any) -> Rgb:
    return np.asarray(np.clip(np.rint(np.asarray(image) * 255), 0, 255), np.uint8)


def _rgb(image: Any) -> Rgb:
    return np.asarray(image, np.uint8)
