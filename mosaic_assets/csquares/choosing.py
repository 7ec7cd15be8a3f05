"""Which scenes of a catalogue are of the time and of the platforms that a question names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.places import Where, moment_of
from mosaic_assets.errors import UnknownNameError
from mosaic_assets.store.csquare_records import NO_TIME, Catalogue

Bools = arrays.Bools


def span_of(where: Where, catalogue: Catalogue) -> tuple[int, int]:
    """Return the first number in a question's span of time and the one behind the last; those of all where it has none.

    Raises
    ------
    SettingsError
        An unreadable time.
    """
    start, end = moment_of(where.get("start"), "start"), moment_of(where.get("end"), "end")
    if start is None and end is None:
        return 0, len(catalogue.order)
    # A scene without a time is in no span.
    limits = -NO_TIME if start is None else start, NO_TIME if end is None else end
    low, high = catalogue.times.searchsorted(np.array(limits)).tolist()
    return low, max(low, high)


def of_platforms(platforms: Sequence[str], catalogue: Catalogue, low: int, high: int) -> Bools:
    """Return which of the scenes numbered low..high-1 are of one of some platforms, (high - low,) bool.

    Raises
    ------
    UnknownNameError
        No scene of the catalogue has such a platform.
    """
    names = catalogue.names
    for platform in platforms:
        if platform not in names:
            raise UnknownNameError("platform", platform, names, "Leave it out to search all.")
    chosen = np.isin(names, platforms) if names else np.zeros(1, bool)
    return chosen[catalogue.platforms[low:high]]
