"""The rows of a round's file: where each planned tile lies, and what became of it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from mosaic_assets.core.csquare_codes import encode
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.core.tiles import bounds_of
from mosaic_assets.library.judge import Judgement
from mosaic_assets.library.staging import Stager
from mosaic_assets.store.rounds import utc

PLACES_AT_ONCE = 2048
"""Tiles whose bounds and c-squares are worked out together."""

CSQUARE_RESOLUTION = 0.1
"""Resolution of the c-square kept with each tile, degrees: the next larger than a zoom-15 tile."""


def places_of(tiles: Sequence[Tile]) -> Generator[dict[str, Any]]:
    """Yield position, tile, bounds and c-square of each tile, the first columns of a round; worked out for many at once."""
    for first in range(0, len(tiles), PLACES_AT_ONCE):
        yield from _places(tiles[first : first + PLACES_AT_ONCE], first)


def _places(tiles: Sequence[Tile], first: int) -> list[dict[str, Any]]:
    west, south, east, north = bounds_of([t.x for t in tiles], [t.y for t in tiles], tiles[0].z)
    squares = encode((west + east) / 2, (south + north) / 2, CSQUARE_RESOLUTION)
    columns = (values.tolist() for values in (west, south, east, north, squares))
    names = ("z", "x", "y", "west", "south", "east", "north", "csquare")
    return [
        {"position": position, **dict(zip(names, (tile.z, tile.x, tile.y, *place), strict=True))}
        for position, (tile, *place) in enumerate(zip(tiles, *columns, strict=True), first)
    ]


def rows_of(
    places: Sequence[dict[str, Any]], batch: Sequence[Judgement], stager: Stager | None = None
) -> list[dict[str, Any]]:
    """Rows of the round's file, of as many tiles as were judged together."""
    rows = []
    for place, item in zip(places, batch, strict=True):
        answer, lab = item.fetched, item.lab or (None, None, None)
        tile = Tile(place["x"], place["y"], place["z"])
        if answer.tile != tile:
            raise RuntimeError(f"the source answered {answer.tile} where {tile} was asked")  # a bug of the source
        staged = stager.staged(tile) if stager else None
        rows.append(
            {
                **place,
                "outcome": str(item.outcome),
                "detail": item.detail,
                "bucket_id": item.bucket_id,
                "phash": item.phash,
                "mean_l": lab[0],
                "mean_a": lab[1],
                "mean_b": lab[2],
                "fetched_at": utc(answer.fetched_at),
                "etag": answer.etag,
                "content_type": answer.content_type,
                "sha256": item.sha256,
                "bytes": len(answer.body or b""),
                "staged_bytes": staged.bytes if staged else None,
                "staged_crc32": staged.crc32 if staged else None,
                "body": answer.body if item.outcome is Outcome.CANDIDATE else None,
            }
        )
    return rows
