"""``/api/tiles``: one tile of the colour library with where it came from; lists of them are had by colour or by place."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.errors import NotBuiltError, UnknownNameError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf
from mosaic_assets.store.library_db import has_library, open_library
from mosaic_assets.store.library_records import LibraryRow

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)

NOT_BUILT = "there is no library yet; materialize bucketed_library, or run `mosaic run`"
FIELDS = (
    "id", "bucket_id", "filepath", "phash", "source", "imagery", "release", "z", "x", "y", "biome", "round", "fetched_at",
    "sha256", "licence", "attribution", "csquare",
)  # fmt: skip


class TileQuestion(BaseModel):
    """Which tile."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        min_length=1, max_length=100, description="Id of a tile.", examples=["00000000-0000-4000-8000-000000000001"]
    )


class TileFacts(BaseModel):
    """A tile with its provenance; columns are those of ``tiles.db``."""

    id: str
    bucket_id: int
    lab: tuple[float, float, float] = Field(description="Mean colour, CIE L*a*b*, D65.")
    bounds: tuple[float, float, float, float] = Field(description="west, south, east, north, degrees.")
    source: str
    biome: str
    csquare: str
    licence: str
    attribution: str
    synthetic: bool
    thumbnail: str
    picture: str


class Tiles(BaseModel):
    """The tile asked for."""

    tiles: list[TileFacts]


@router.get("/tiles", summary="A tile of the colour library", responses={200: {"model": Tiles}})
def tiles(question: Annotated[TileQuestion, Query()], shelf: ShelfOf) -> Response:
    """One tile by its id: place, colour, bucket, provenance."""
    row = tile_row(shelf, question.id)
    facts: dict[str, Any] = {name: getattr(row, name) for name in FIELDS}
    return json_answer(
        {
            "tiles": [
                {
                    **facts,
                    "lab": [row.mean_l, row.mean_a, row.mean_b],
                    "bounds": [row.west, row.south, row.east, row.north],
                    "synthetic": bool(row.synthetic),
                    "thumbnail": thumbnail_link("tiles", row.id, 256),
                    "picture": picture_link("tiles", row.id),
                }
            ]
        }
    )


def tile_row(shelf: Shelf, number: str) -> LibraryRow:
    """Return a tile of the library; `NotBuiltError` and `UnknownNameError` when it is not there."""
    if not has_library(shelf.settings.library):
        raise NotBuiltError(NOT_BUILT)
    with open_library(shelf.settings.library) as database:
        rows = database.rows("id = ?", (number,))
    if not rows:
        raise UnknownNameError("tile", number[:80], "those of the library", "Find tiles by colour or by place.")
    return rows[0]
