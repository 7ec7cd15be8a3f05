"""Quality flags by the names that the file itself gives its bits: the bits have changed their meaning before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import ProductError

NEEDED = ("land", "fresh_inland_water", "bright", "invalid")
"""Flags that screening cannot do without."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Quality flags of a window with the table of their names."""

    values: NDArray[np.uint32]
    """uint32 (rows, columns)."""
    masks: Mapping[str, int]
    """Name of a flag to its bit, as a number with that bit set."""

    def named(self, *names: str) -> NDArray[np.bool_]:
        """Return where any of these flags is set, bool (rows, columns). Raises `ProductError` for an unknown name."""
        missing = [name for name in names if name not in self.masks]
        if missing:
            raise ProductError(
                f"reading quality flags: the file has no flag {missing[0]!r}; its flag_meanings are {' '.join(self.masks)}"
            )
        mask = np.uint32(sum({self.masks[name] for name in names}))
        return np.asarray((self.values & mask) != 0)

    def saturated(self, *bands: str) -> NDArray[np.bool_]:
        """Return where any of these bands is saturated, bool (rows, columns).

        Until April 2023 each band has its flag (``saturated@Oa08``); since then one stands for all (``saturated``,
        ``partially_saturated``). A table without either has nothing saturated.
        """
        names = saturation_names(self.masks, bands)
        return self.named(*names) if names else np.zeros(self.values.shape, bool)

    def strip(self, rows: slice) -> Flags:
        """Return some rows, as views."""
        return Flags(self.values[rows], self.masks)

    @property
    def land(self) -> NDArray[np.bool_]:
        """Where the land flag is set."""
        return self.named("land")

    @property
    def bright(self) -> NDArray[np.bool_]:
        """Where the bright flag is set: cloud, and snow, ice and bright sand as well."""
        return self.named("bright")

    @property
    def open_water(self) -> NDArray[np.bool_]:
        """Neither land nor inland water, and no pixel without data."""
        return ~self.named("land", "fresh_inland_water", "invalid")


def flag_table(meanings: Any, masks: Any, label: str) -> dict[str, int]:
    """Read the attributes ``flag_meanings`` and ``flag_masks``.

    Parameters
    ----------
    meanings : text or bytes, names separated by spaces.
    masks : numbers of 32 bits, signed or not, each with one bit set, as many as there are names.
    label : the file, for messages.

    Raises
    ------
    ProductError
        The two do not fit each other, or a flag is missing that screening needs.

    Examples
    --------
    >>> flag_table("land fresh_inland_water bright invalid", np.array([-2**31, 2, 4, 8], np.int32), "a file")["land"]
    2147483648
    """
    names = (meanings.decode("ascii", "replace") if isinstance(meanings, bytes) else str(meanings)).split()
    try:
        bits = [int(mask) & 0xFFFFFFFF for mask in np.ravel(masks)]
    except (TypeError, ValueError, OverflowError) as error:
        raise ProductError(f"reading the flags of {label}: flag_masks is {masks!r}; expected numbers") from error
    if len(names) != len(bits) or len(set(names)) != len(names) or any(bit.bit_count() != 1 for bit in bits):
        raise ProductError(
            f"reading the flags of {label}: {len(names)} flag_meanings and {len(bits)} flag_masks; expected as many different "
            "names as masks, and one bit a mask"
        )
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise ProductError(f"reading the flags of {label}: no flag is named {' or '.join(missing)}; expected them all")
    return dict(zip(names, bits, strict=True))


def saturation_names(masks: Mapping[str, int], bands: tuple[str, ...]) -> list[str]:
    """Return the flags that tell of saturation in these bands.

    >>> saturation_names({"saturated@Oa07": 1, "saturated@Oa08": 2}, ("Oa08",))
    ['saturated@Oa08']
    >>> saturation_names({"saturated": 1, "partially_saturated": 2}, ("Oa08",))
    ['saturated', 'partially_saturated']
    """
    single = [name for name in masks if name.startswith("saturated") and name.endswith(bands)]
    return single or [name for name in masks if name in ("saturated", "partially_saturated")]
