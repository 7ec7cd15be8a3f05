"""Routes of the colour page."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from mosaic_assets.core.colour import COLOUR_METHOD
from mosaic_assets.errors import StoreError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.colours import nearest, tiles
from mosaic_assets.explorer.colours.answered import BucketTiles, Colours, CoverageSummary, NearestBuckets, NearestTiles
from mosaic_assets.explorer.colours.palette import coverage_of, palette_of
from mosaic_assets.explorer.colours.questions import BucketQuestion, BucketsQuestion, TilesQuestion, colour_of
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import ShelfOf
from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.store.library_db import open_library

router = APIRouter(prefix="/api", tags=["colours"], responses=PROBLEMS)

Bucket = Annotated[int, Path(ge=0, lt=BUCKETS, description="Number of the bucket.", examples=[13])]


@router.get("/colours", summary="All buckets: colour, tiles, state", responses={200: {"model": Colours}})
def colours(shelf: ShelfOf) -> Response:
    """The colour library at a glance; lists have one entry a bucket."""
    palette, summary = palette_of(shelf), None
    with contextlib.suppress(StoreError):  # the buckets can be seen whatever steering lacks
        summary = coverage_of(shelf)
    return json_answer(
        {
            "buckets": BUCKETS,
            "cap": palette.cap,
            "floor": palette.floor,
            "method": COLOUR_METHOD,
            "note": palette.note,
            "lab": palette.lab.round(3),
            "rgb": palette.rgb,
            "kept": palette.kept,
            "hits": palette.hits,
            "states": palette.states,
            "summary": summary,
        }
    )


@router.get("/colours/nearest", summary="Buckets nearest to a colour", responses={200: {"model": NearestBuckets}})
def nearest_buckets(question: Annotated[BucketsQuestion, Query()], shelf: ShelfOf) -> Response:
    """The buckets nearest to a colour by CIE76, the distance by which tiles are put in buckets; the first is its own."""
    lab = colour_of(question)
    palette = palette_of(shelf)
    return json_answer({"colour": nearest.plain(lab), "buckets": nearest.buckets(palette, lab, question.k)})


@router.get("/colours/tiles", summary="Tiles nearest to a colour", responses={200: {"model": NearestTiles}})
def nearest_tiles(question: Annotated[TilesQuestion, Query()], shelf: ShelfOf) -> Response:
    """The tiles of the whole library whose mean colour is nearest by CIE76, whatever their buckets."""
    lab = colour_of(question)
    palette = palette_of(shelf)
    with open_library(shelf.settings.library) as database, database.reading():
        found = nearest.tiles(palette, database, lab, question.k)
    return json_answer({"colour": nearest.plain(lab), "tiles": found})


@router.get("/colours/buckets/{bucket}", summary="Tiles of a bucket", responses={200: {"model": BucketTiles}})
def bucket_tiles(bucket: Bucket, question: Annotated[BucketQuestion, Query()], shelf: ShelfOf) -> Response:
    """A bucket and a page of its tiles, those nearest to the bucket's own colour first."""
    palette = palette_of(shelf)
    with open_library(shelf.settings.library) as database, database.reading():
        count, found = tiles.of_bucket(database, bucket, palette.lab[bucket], limit=question.limit, page=question.page)
    return json_answer(
        {
            **palette.bucket(bucket, count),  # counted with the tiles: a merge may have come between
            "count": count,
            "page": question.page,
            "limit": question.limit,
            "pages": -(-count // question.limit),
            "tiles": found,
        }
    )


@router.get("/coverage", summary="What the library covers", responses={200: {"model": CoverageSummary}})
def coverage(shelf: ShelfOf) -> Response:
    """What ``mosaic coverage --json`` prints: overall, and each biome with steering's verdict on it.

    Runs under way and failed runs are left aside; only the orchestration knows of them.
    """
    return json_answer(coverage_of(shelf))
