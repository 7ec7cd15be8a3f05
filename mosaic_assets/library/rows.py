"""The rows of a round's file: where each planned tile lies, and what became of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.csquare_codes import encode
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.core.tiles import bounds_of
from mosaic_assets.library.judge import Judgement
from mosaic_assets.library.staging import Stager
from mosaic_assets.store.rounds import Columns, utc

CSQUARE_RESOLUTION = 0.1
"""Resolution of the c-square kept with each tile, degrees: the next larger than a zoom-15 tile."""

_NO_COLOUR = (None, None, None)


class RoundRows:
    """Makes a round's rows, batch by batch.

    Parameters
    ----------
    tiles : of the round, in the order of the plan, all of one zoom.
    stager : of their pictures; None where none are made ahead.
    """

    def __init__(self, tiles: Sequence[Tile], stager: Stager | None = None) -> None:
        self._tiles, self._stager = tiles, stager
        self._places = _places(tiles) if tiles else {}
        self.made = 0
        """Rows made so far."""

    def of(self, batch: Sequence[Judgement]) -> Columns:
        """Rows of the next tiles of the plan, as many as were judged together."""
        here = slice(self.made, self.made + len(batch))
        asked, answers = self._tiles[here], [item.fetched for item in batch]
        if asked != (given := [answer.tile for answer in answers]):
            raise RuntimeError(f"the source answered {given} where {asked} was asked")  # a bug of the source
        colours = [item.lab or _NO_COLOUR for item in batch]
        staged = [self._stager.staged(tile) if self._stager else None for tile in asked]
        rows: Columns = {
            "position": [*range(self.made, self.made + len(batch))],
            **{name: values[here].tolist() for name, values in self._places.items()},
            "outcome": [str(item.outcome) for item in batch],
            "detail": [item.detail for item in batch],
            "bucket_id": [item.bucket_id for item in batch],
            "phash": [item.phash for item in batch],
            "mean_l": [colour[0] for colour in colours],
            "mean_a": [colour[1] for colour in colours],
            "mean_b": [colour[2] for colour in colours],
            "fetched_at": [_second(int(answer.fetched_at.timestamp())) for answer in answers],
            "etag": [answer.etag for answer in answers],
            "content_type": [answer.content_type for answer in answers],
            "sha256": [item.sha256 for item in batch],
            "bytes": [len(answer.body or b"") for answer in answers],
            "staged_bytes": [picture and picture.bytes for picture in staged],
            "staged_crc32": [picture and picture.crc32 for picture in staged],
            "body": [item.fetched.body if item.outcome is Outcome.CANDIDATE else None for item in batch],
        }
        self.made += len(batch)
        return rows


def _places(tiles: Sequence[Tile]) -> dict[str, NDArray[Any]]:
    """Return tile, bounds and c-square of each tile, by the names of their columns."""
    x, y, z = np.array(tiles, np.int64).T
    west, south, east, north = bounds_of(x, y, tiles[0].z)
    squares = encode((west + east) / 2, (south + north) / 2, CSQUARE_RESOLUTION)
    return {
        "z": z, "x": x, "y": y, "west": west, "south": south, "east": east, "north": north, "csquare": squares,
    }  # fmt: skip


@functools.lru_cache(64)
def _second(timestamp: int) -> str:
    """Return what `utc` says of a second, of which a round has few and each has many tiles."""
    return utc(datetime.fromtimestamp(timestamp, UTC))
