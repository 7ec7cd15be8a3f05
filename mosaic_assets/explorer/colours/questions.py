"""What is asked of the colour library: parameters of a request, and the colour that they name."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mosaic_assets.core.colour import rgb_to_lab
from mosaic_assets.errors import SettingsError

_HEX = re.compile(r"#?([0-9a-f]{6})", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{0,20})?(e-[0-9]{1,2})?", re.ASCII)
_RGB_RANGE = ((0.0, 255.0),) * 3
_LAB_RANGE = ((0.0, 100.0), (-128.0, 128.0), (-128.0, 128.0))


class ColourQuestion(BaseModel):
    """A colour, one way or the other."""

    model_config = ConfigDict(extra="forbid")

    rgb: str | None = Field(
        None, max_length=90, description="An sRGB colour: #rrggbb, or three numbers 0..255 that need not be whole.",
        examples=["#6b7a4c"],
    )  # fmt: skip
    lab: str | None = Field(
        None, max_length=90, description="A CIELAB colour (D65, 2 degrees) instead: L,a,b; L 0..100, a and b -128..128."
    )


class BucketsQuestion(ColourQuestion):
    """The parameters of a question for the nearest buckets."""

    k: int = Field(12, ge=1, le=100, description="Buckets to return.")


class TilesQuestion(ColourQuestion):
    """The parameters of a question for the nearest tiles."""

    k: int = Field(24, ge=1, le=100, description="Tiles to return.")


class BucketQuestion(BaseModel):
    """The parameters of a question for a bucket's tiles."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(24, ge=1, le=200, description="Tiles a page.")
    page: int = Field(1, ge=1, le=1_000_000, description="From 1; beyond the last it is empty.")


def colour_of(question: ColourQuestion) -> NDArray[np.float64]:
    """Return the LAB colour that a question names, float64 (3,), as the library would have it of a tile of that colour.

    Raises
    ------
    SettingsError
        No colour, two of them, or one that cannot be read.

    Examples
    --------
    >>> colour_of(ColourQuestion(lab="53.2,80.1,67.2"))
    array([53.2, 80.1, 67.2])
    >>> colour_of(ColourQuestion(rgb="#ff0000")).round(2)
    array([53.24, 80.09, 67.2 ])
    """
    if (question.rgb is None) == (question.lab is None):
        raise SettingsError(
            "asking for what is near a colour: expected either rgb or lab, for example rgb=%236b7a4c "
            "(%23 is # in an address) or lab=49,-13.9,23.4"
        )
    if question.lab is not None:
        return _numbers(question.lab, "lab", _LAB_RANGE, "L,a,b with L 0..100, a and b -128..128, as in 49,-13.9,23.4")
    text = str(question.rgb)
    if found := _HEX.fullmatch(text):
        rgb = np.array(list(bytes.fromhex(found[1])), np.float64)
    else:
        rgb = _numbers(text, "rgb", _RGB_RANGE, "#rrggbb, or three numbers 0..255 as in 107,122.5,76")
    return rgb_to_lab(rgb[None] / 255.0).reshape(3)


def _numbers(text: str, name: str, ranges: tuple[tuple[float, float], ...], expected: str) -> NDArray[np.float64]:
    """Return three numbers with commas between them."""
    parts = [part.strip() for part in text.split(",")]
    # float() would take nan, inf, 1e400, underscores and the digits of every script.
    if len(parts) == 3 and all(_NUMBER.fullmatch(part) for part in parts):
        values = [float(part) for part in parts]
        if all(low <= value <= high for value, (low, high) in zip(values, ranges, strict=True)):
            return np.array(values, np.float64)
    raise SettingsError(f"reading the colour {name}={text!r}: expected {expected}")
