"""What is nearest to a colour: buckets, and tiles of whatever bucket.

Distances are CIE76, Euclidean in LAB: a tile goes into the bucket whose centroid is nearest by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.explorer.colours.palette import Palette, hex_of
from mosaic_assets.explorer.colours.tiles import plain_tiles
from mosaic_assets.store.library_db import LibraryDatabase

AT_ONCE = 16
"""Buckets read at a time."""


def plain(lab: NDArray[np.float64]) -> dict[str, Any]:
    """Return a colour as plain values; ``in_srgb`` tells whether a screen can show it."""
    from mosaic_assets.core.colour import rgb_to_lab

    rgb = hex_of(lab[None])[0]
    shown = rgb_to_lab(np.array([list(bytes.fromhex(rgb[1:]))], np.float64) / 255.0)[0]
    # Half a step in each channel moves a colour by less than this.
    return {"rgb": rgb, "lab": lab.round(3).tolist(), "in_srgb": bool(np.linalg.norm(shown - lab) < 1.5)}


def buckets(palette: Palette, lab: NDArray[np.float64], count: int) -> list[dict[str, Any]]:
    """Return the ``count`` buckets nearest to a LAB colour, with their distance, nearest first."""
    distances, numbers = palette.tree.query(lab, k=np.arange(1, count + 1))
    return [
        {**palette.bucket(int(number)), "distance": round(float(distance), 3)}
        for number, distance in zip(numbers, distances, strict=True)
    ]


def tiles(palette: Palette, database: LibraryDatabase, lab: NDArray[np.float64], count: int) -> list[dict[str, Any]]:
    """Return the ``count`` tiles nearest to a LAB colour, with their distance, nearest first.

    Buckets are read in the order of how near a tile of theirs could be, until none could be nearer than those found.
    """
    # Of the library that is read below; a merge may have come after the palette. Centroids never change.
    holding = np.flatnonzero(database.bucket_counts(len(palette.lab)))
    bounds = least_distances(palette, lab, holding)
    order = np.argsort(bounds, kind="stable")
    found: list[tuple[float, str]] = []
    for start in range(0, len(order), AT_ONCE):
        if len(found) == count and bounds[order[start]] > found[-1][0]:
            break
        found += _distances(database, holding[order[start : start + AT_ONCE]], lab)
        found = sorted(found)[:count]
    distances = {number: distance for distance, number in found}
    rows = database.rows(f"id IN ({','.join('?' * len(distances))})", list(distances))
    rows.sort(key=lambda row: (distances[row.id], row.id))
    return [{**tile, "distance": round(distances[tile["id"]], 3)} for tile in plain_tiles(rows)]


def least_distances(palette: Palette, lab: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how near to a colour a tile of each bucket can be at least, float64 (n,).

    A tile lies on its own centroid's side of the plane halfway to any other centroid, so the distance to that plane is a
    bound. The planes towards a centroid's neighbours and towards the centroid nearest to the colour give a close one.
    """
    own = palette.lab[numbers]
    nearest = np.full((len(numbers), 1), palette.tree.query(lab)[1])
    others = palette.lab[np.hstack([palette.neighbours[numbers], nearest])]
    to_own = ((own - lab) ** 2).sum(axis=-1)[:, None]
    to_others = ((others - lab) ** 2).sum(axis=-1)
    apart = np.linalg.norm(others - own[:, None], axis=-1)
    planes = np.divide(to_own - to_others, 2 * apart, out=np.zeros_like(apart), where=apart > 0)
    return np.asarray(planes.max(axis=1, initial=0.0) - 1e-9, np.float64)


def _distances(
    database: LibraryDatabase, numbers: NDArray[np.int64], lab: NDArray[np.float64]
) -> list[tuple[float, str]]:
    """Return distance and id of every tile of some buckets."""
    marks = ",".join("?" * len(numbers))
    sql = f"SELECT id, mean_l, mean_a, mean_b FROM tiles WHERE bucket_id IN ({marks})"  # noqa: S608 - question marks
    rows = database.query(sql, numbers.tolist())
    means = np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)
    distances = np.linalg.norm(means - lab, axis=1).tolist()
    return [(distance, str(row[0])) for distance, row in zip(distances, rows, strict=True)]
