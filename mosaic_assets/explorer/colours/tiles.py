"""The library's tiles as answers have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.explorer.colours.palette import hex_of
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_records import LibraryRow

COLUMNS = ", ".join(LibraryRow.__slots__)
NEAREST_FIRST = (
    f"SELECT {COLUMNS} FROM tiles JOIN provenance USING (id) WHERE bucket_id = ? ORDER BY "  # noqa: S608 - names of ours
    "(mean_l - ?) * (mean_l - ?) + (mean_a - ?) * (mean_a - ?) + (mean_b - ?) * (mean_b - ?), id LIMIT ? OFFSET ?"
)


def of_bucket(
    database: LibraryDatabase, bucket: int, lab: NDArray[np.float64], *, limit: int, page: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many tiles a bucket holds and a page of them, those nearest to ``lab`` first."""
    count = int(database.query("SELECT count(*) FROM tiles WHERE bucket_id = ?", (bucket,))[0][0])
    place = (limit, (page - 1) * limit)
    rows = database.query(NEAREST_FIRST, (bucket, *np.repeat(lab, 2).tolist(), *place))
    return count, plain_tiles([LibraryRow(*row) for row in rows])


def plain_tiles(rows: Sequence[LibraryRow]) -> list[dict[str, Any]]:
    """Return tiles as plain values."""
    lab = np.array([(row.mean_l, row.mean_a, row.mean_b) for row in rows], np.float64).reshape(-1, 3)
    return [
        {
            "id": row.id,
            "bucket": row.bucket_id,
            "lab": mean.round(3).tolist(),
            "rgb": rgb,
            "thumbnail": thumbnail_link("tiles", row.id),
            "picture": picture_link("tiles", row.id),
            "bounds": [row.west, row.south, row.east, row.north],
            "csquare": row.csquare,
            "biome": row.biome,
            "source": row.source,
            "release": row.release,
            "fetched_at": row.fetched_at,
            "licence": row.licence,
            "attribution": row.attribution,
            "synthetic": bool(row.synthetic),
        }
        for row, mean, rgb in zip(rows, lab, hex_of(lab), strict=True)
    ]
