"""What a method is: a function, what it is called and what it is for."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from mosaic_assets.scenes.challenges.records import CloudScene, Degraded, Mask, Rgb

KINDS = ("gaussian", "impulse", "stripes", "missing")
"""What can be wrong with a picture."""
BANDS = tuple(f"Oa{number:02d}" for number in range(1, 22))

Masker = Callable[[CloudScene], Mask]
Cleaner = Callable[[Degraded], Rgb]
Encoder = Callable[[Rgb, float], bytes]
Decoder = Callable[[bytes], Rgb]


@dataclass(frozen=True)
class CloudMethod:
    """A function from a scene to its clouds, bool (rows, columns)."""

    name: str
    run: Masker
    needs: tuple[str, ...]
    """Bands (``Oa03``) and ``land``; a scene without them is passed over."""
    fingerprint: str
    """Changes with the function's text and its version; what was measured with another one is measured again."""


@dataclass(frozen=True)
class Denoiser:
    """A function from a degraded picture to a better one, uint8 of the same shape."""

    name: str
    run: Cleaner
    kinds: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Codec:
    """Two functions: picture and level to bytes, and back."""

    name: str
    encode: Encoder
    decode: Decoder
    levels: tuple[float, ...]
    """What is passed to ``encode``, one point of the rate-distortion curve each."""
    lossless: bool
    fingerprint: str


def decode_with_pillow(data: bytes) -> Rgb:
    """Decode any format that Pillow knows to uint8 (rows, columns, 3)."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def fingerprint_of(version: str, *functions: Callable[..., object]) -> str:
    """Return the version and eight digits that follow the functions' text; a function without text has its name."""
    found = hashlib.sha256()
    for function in functions:
        try:
            text = inspect.getsource(function)
        except (OSError, TypeError):  # typed at a prompt, or compiled
            text = getattr(function, "__qualname__", repr(type(function)))
        found.update(text.encode())
    return f"{version}-{found.hexdigest()[:8]}"
