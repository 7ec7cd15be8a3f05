"""Made-up parcels for the embedded imagery, so that chips can be cut without a file and without a network. Synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import geopandas as gpd

PLACE = (39.02, -10.52)
"""West and south of the parcels, degrees: farmland in the south of Tanzania, where reference 3 has labels."""
SPREAD = 0.06
"""Width and height of where they lie, degrees: about 5 by 5 tiles at zoom 15."""
LATTICE = 18
"""Parcels would fill a lattice of so many by so many."""
SHARE = 0.35
"""Of the lattice that holds a parcel."""
KINDS = ("cashew", "maize")
SEED = 7


def made_up_parcels() -> gpd.GeoDataFrame:
    """Return the parcels: four-cornered fields on a bent lattice, always the same; ``kind``, ``split``, ``synthetic``.

    They follow no field in the picture below them: they are made to try the machinery, not to learn from.
    ``split`` goes by thirds of the area from west to east, for those who set `chips.split` to column.

    Examples
    --------
    >>> parcels = made_up_parcels()
    >>> len(parcels), bool(parcels.geometry.is_valid.all()), bool(parcels["synthetic"].all())
    (137, True, True)
    """
    import geopandas as gpd
    import shapely

    draws = np.random.Generator(np.random.PCG64(SEED))
    corners = _bent_lattice(draws)
    held = np.argwhere(draws.random((LATTICE, LATTICE)) < SHARE)
    shapes = [shapely.Polygon(_field(corners, row, column)) for row, column in held.tolist()]
    split = np.array(["train", "train", "validation", "test"], dtype=object)[held[:, 1] * 4 // LATTICE]
    content = {
        "kind": [KINDS[draw] for draw in draws.integers(0, len(KINDS), len(shapes)).tolist()],
        "split": split,
        "synthetic": True,
    }
    return gpd.GeoDataFrame(content, geometry=shapes, crs="OGC:CRS84")


def _bent_lattice(draws: np.random.Generator) -> Any:
    """Return (LATTICE + 1, LATTICE + 1, 2) corners, degrees; none is moved so far that a field could fold."""
    steps = np.arange(LATTICE + 1) / LATTICE * SPREAD
    lattice = np.stack(np.meshgrid(PLACE[0] + steps, PLACE[1] + steps), axis=-1)
    return lattice + draws.uniform(-0.25, 0.25, lattice.shape) * SPREAD / LATTICE


def _field(corners: Any, row: int, column: int) -> Any:
    """Return the corners of one field, drawn in a little from its neighbours."""
    ring = np.array([corners[row + i, column + j] for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))])
    return ring.mean(axis=0) + 0.86 * (ring - ring.mean(axis=0))
