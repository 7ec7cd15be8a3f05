"""What time, weather and another camera do to a picture, made with a seed so that methods can be compared.

All of it is synthetic; what is real of another source and another year comes as queries of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.gallery.localize.records import Image

FIELDS_SHARE = 0.45
"""Share of the picture that `fields` paints anew."""

_Float = NDArray[np.float32]


def brightness(image: Image, random: np.random.Generator) -> Image:
    """Brighten or darken by up to 40 of 255, with a contrast of 0.7 to 1.3."""
    gain, offset = random.uniform(0.7, 1.3), random.uniform(-40, 40)
    return _to_image((image.astype(np.float32) - 128) * gain + 128 + offset)


def noise(image: Image, random: np.random.Generator) -> Image:
    """Add Gaussian noise with a standard deviation of 8 to 16 of 255."""
    return _to_image(image + random.normal(0, random.uniform(8, 16), image.shape).astype(np.float32))


def jpeg(image: Image, random: np.random.Generator) -> Image:
    """Compress as JPEG at quality 20 to 40."""
    import cv2

    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(20, 41))]
    _, body = cv2.imencode(".jpg", image[:, :, ::-1], quality)
    decoded: Any = cv2.imdecode(body, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(decoded[:, :, ::-1])


def colour(image: Image, random: np.random.Generator) -> Image:
    """Turn the hue by up to 25 degrees, scale saturation by 0.4 to 1.6, and bend each channel by a gamma of 0.6 to 1.6."""
    import cv2

    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + random.uniform(-12.5, 12.5)) % 180  # OpenCV's hue is in half degrees
    hsv[..., 1] = np.clip(hsv[..., 1] * random.uniform(0.4, 1.6), 0, 255)
    turned = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32) / 255
    return _to_image(turned ** random.uniform(0.6, 1.6, 3).astype(np.float32) * 255)


def blur(image: Image, random: np.random.Generator) -> Image:
    """Blur with a Gaussian of 1.2 to 2.5 pixels."""
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(1.2, 2.5)), np.uint8)


def fields(image: Image, random: np.random.Generator) -> Image:
    """Paint `FIELDS_SHARE` of the picture anew, field by field: a colour of the picture, furrows, noise."""
    import cv2

    height, width = image.shape[:2]
    count = max(8, height * width // 4_000)
    seeds = np.ones((height, width), np.uint8)
    seeds[random.integers(0, height, count), random.integers(0, width, count)] = 0
    labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5)[1]
    out = image.astype(np.float32)
    painted = 0
    for label in random.permutation(np.unique(labels)):
        if painted >= FIELDS_SHARE * height * width:
            break
        mine = labels == label
        out[mine] = _field(image, random)[mine]
        painted += int(mine.sum())
    return _to_image(out)


def _field(image: Image, random: np.random.Generator) -> _Float:
    """Draw a picture full of one field."""
    height, width = image.shape[:2]
    tone = image[random.integers(height), random.integers(width)].astype(np.float32)
    turn, wavelength = random.uniform(0, math.pi), random.uniform(4, 12)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    furrows = np.sin((columns * math.cos(turn) + rows * math.sin(turn)) * (2 * math.pi / wavelength))
    grain = random.standard_normal((height, width), np.float32)
    return np.asarray(tone + (furrows * random.uniform(2, 10) + grain * 4)[..., None], np.float32)


APPEARANCES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "none": lambda image, _random: image,
    "brightness": brightness,
    "noise": noise,
    "jpeg": jpeg,
    "colour": colour,
    "blur": blur,
    "fields": fields,
}
"""Every change of appearance by name."""

POSES = ("north_up", "rotation", "scale", "free")
"""How the camera was held: north up at the gallery's scale; any turn; scale 0.7 to 1.4; both."""


def pose(name: str, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw a matrix (2, 2) from pixels of the query to pixels of the gallery, for one of `POSES`.

    Examples
    --------
    >>> pose("north_up", np.random.default_rng(1)).tolist()
    [[1.0, -0.0], [0.0, 1.0]]
    """
    turn = random.uniform(0, 2 * math.pi) if name in ("rotation", "free") else 0.0
    scale = random.uniform(0.7, 1.4) if name in ("scale", "free") else 1.0
    cosine, sine = math.cos(turn) * scale, math.sin(turn) * scale
    return np.array([[cosine, -sine], [sine, cosine]])


def _to_image(values: NDArray[Any]) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
