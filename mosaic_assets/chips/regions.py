"""Regions: labels near each other are cut together. Clusters of centroids, and every place belongs to the nearest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Clustering = Literal["equal_area", "planar_degrees"]


@dataclass(frozen=True, slots=True)
class Regions:
    """The plane divided among cluster centres: whatever place is asked about has exactly one region."""

    centres: Floats
    """(k, 2) in `plane`."""
    plane: str
    """CRS in which distances count, as PROJ text."""
    crs: str
    """CRS of the places asked about."""

    def of(self, x: Floats, y: Floats) -> Ints:
        """Return the region, 0..k-1, of places in `crs`; of two as near, the first."""
        places = _into(self.plane, self.crs, x, y)
        # In slices: a million places by a hundred centres would be 1.6 GB at once.
        parts = np.array_split(places, max(1, len(places) * len(self.centres) // 4_000_000))
        found = [((part[:, None] - self.centres[None]) ** 2).sum(axis=2).argmin(axis=1) for part in parts]
        return np.concatenate(found).astype(np.int64)


def region_name(number: int) -> str:
    """Return the partition key of a region; keys sort as numbers do.

    Examples
    --------
    >>> region_name(3)
    'region-003'
    """
    return f"region-{number:03d}"


def make_regions(shapes: Any, crs: str, count: int, clustering: Clustering, seed: int) -> Regions:
    """Cluster labels by k-means on their centroids; the same seed gives the same regions.

    Parameters
    ----------
    shapes
        Polygons in `crs`.
    count
        Regions, >= 1.
    clustering
        ``equal_area``: on a Lambert azimuthal plane about the labels' middle. ``planar_degrees``: on degrees, as if they were as
        long east-west as north-south; what reference 3 did.

    Raises
    ------
    LabelError
        Fewer labels, or fewer different centroids, than regions.
    """
    import shapely

    centroids = shapely.centroid(np.asarray(shapes, dtype=object))
    x, y = shapely.get_x(centroids), shapely.get_y(centroids)
    plane = "OGC:CRS84" if clustering == "planar_degrees" else _equal_area(_into("OGC:CRS84", crs, x, y))
    places = _into(plane, crs, x, y)
    different = len(np.unique(places, axis=0))
    if different < count:
        raise LabelError(
            f"dividing labels into {count} regions failed: there are {len(places)} labels with {different} different centroids; "
            f"set chips.regions to {different} or fewer"
        )
    return Regions(_centres(places, count, seed), plane, crs)


def _centres(places: Floats, count: int, seed: int) -> Floats:
    """Return cluster centres, from west to east, so that their numbers mean something on a map."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    scale = places.std() or 1.0  # k-means stops at a tolerance; degrees and metres shall stop alike
    # One thread: sums in another order end in other bits, and a label on the border in another region.
    with threadpool_limits(1):
        fitted = KMeans(count, n_init=4, random_state=seed % 2**32).fit(places / scale)
    centres = np.asarray(fitted.cluster_centers_, np.float64) * scale
    return centres[np.lexsort((centres[:, 1], centres[:, 0]))]


def _equal_area(degrees: Floats) -> str:
    """Return an equal-area plane about the middle of places, also of places on both sides of the date line."""
    lng, lat = np.radians(degrees).T
    middle = np.array([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)]).mean(axis=1)
    lng_0, lat_0 = (
        np.degrees(np.arctan2(middle[1], middle[0])),
        np.degrees(np.arctan2(middle[2], np.hypot(*middle[:2]))),
    )
    return f"+proj=laea +lat_0={lat_0:.6f} +lon_0={lng_0:.6f} +datum=WGS84 +units=m +no_defs"


def _into(target: str, source: str, x: Floats, y: Floats) -> Floats:
    from pyproj import Transformer

    return np.column_stack(Transformer.from_crs(source, target, always_xy=True).transform(x, y))
