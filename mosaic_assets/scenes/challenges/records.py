"""What the methods of the challenges are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import DataError

Rgb = NDArray[np.uint8]
"""uint8 (rows, columns, 3), RGB."""
Mask = NDArray[np.bool_]
"""bool (rows, columns)."""
Plane = NDArray[np.floating[Any]]
"""float (rows, columns)."""

TRUTH = "truth (synthetic)"
"""Reference of a synthetic scene: the clouds that were drawn into it."""
GIVEN = "mask given beside the picture"
"""Reference that somebody put beside the picture; how good it is, is theirs to say."""
BRIGHT = "bright flag, not truth"
"""Reference of a real scene: the product's own flag for bright pixels; snow, ice and sand have it too, thin cloud has not."""
NO_REFERENCE = "none"
"""No reference: the share of cloud is measured, nothing is scored."""


@dataclass(frozen=True)
class CloudScene:
    """A scene to find the clouds of.

    Raises
    ------
    DataError
        An array has another shape or type than the picture asks for.
    """

    name: str
    rgb: Rgb
    """uint8 (rows, columns, 3): the picture."""
    reflectance: Mapping[str, Plane] = field(default_factory=dict)
    """Top-of-atmosphere reflectance by band name (``Oa04``), float (rows, columns), about 0..1.2; empty when unknown."""
    land: Mask | None = None
    """True over land, by the product's flag."""
    bright: Mask | None = None
    """The product's flag for bright pixels."""
    truth: Mask | None = None
    """Where cloud is, for certain."""
    truth_is: str = TRUTH
    """Where ``truth`` comes from."""
    valid: Mask | None = None
    """True where the picture holds data; None: everywhere. Nothing is scored elsewhere."""

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise DataError(
                f"the picture of {self.name} is {self.rgb.dtype} {self.rgb.shape}; expected uint8 (rows, columns, 3)"
            )
        planes = {"land": self.land, "bright": self.bright, "truth": self.truth, "valid": self.valid}
        for name, plane in {**self.reflectance, **planes}.items():
            if plane is not None and plane.shape != self.rgb.shape[:2]:
                raise DataError(
                    f"{name} of {self.name} is {plane.shape}; expected {self.rgb.shape[:2]}, as the picture is"
                )

    @property
    def reference(self) -> tuple[Mask | None, str]:
        """The mask to score against, and what it is."""
        if self.truth is not None:
            return self.truth, self.truth_is
        return (self.bright, BRIGHT) if self.bright is not None else (None, NO_REFERENCE)

    def has(self, name: str) -> bool:
        """Whether the scene has a band (``Oa03``) or ``land``."""
        return self.land is not None if name == "land" else name in self.reflectance

    def corner(self, side: int) -> CloudScene:
        """Return the upper left corner, at most ``side`` pixels wide and high."""
        cut = (slice(side), slice(side))
        land, bright, truth, valid = (
            None if plane is None else plane[cut] for plane in (self.land, self.bright, self.truth, self.valid)
        )
        bands = {name: band[cut] for name, band in self.reflectance.items()}
        return replace(self, rgb=self.rgb[cut], reflectance=bands, land=land, bright=bright, truth=truth, valid=valid)


@dataclass(frozen=True)
class Degraded:
    """A picture with something wrong, and what a method may know about it."""

    picture: Rgb
    """uint8 (rows, columns, 3); missing pixels are 0."""
    kind: str
    """``gaussian``, ``impulse``, ``stripes`` or ``missing``."""
    sigma: float = 0.0
    """Standard deviation of Gaussian noise, grey levels 0..255; 0 for other kinds. Told, as most papers do."""
    missing: Mask | None = None
    """True where pixels are missing; None when none is."""


@dataclass(frozen=True)
class Subject:
    """A picture to measure: what it is called, what it is, and how to get its pixels."""

    name: str
    sha256: str
    """Of everything that measuring depends on."""
    synthetic: bool | None
    """None: nobody says."""
    load: Callable[[], CloudScene]
