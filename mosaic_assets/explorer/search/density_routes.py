"""Routes of the density: async, so that they can wait for their own turn and leave the other threads to the searches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from starlette.responses import Response

from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf
from mosaic_assets.explorer.search import records
from mosaic_assets.explorer.search.densities import Chosen, density_of, kept_picture, summary
from mosaic_assets.explorer.search.questions import DensityOf

router = APIRouter(prefix="/api", tags=["search"], responses=PROBLEMS)

T = TypeVar("T")


@router.get("/density", summary="Scenes of each square, in numbers", responses={200: {"model": records.Density}})
async def density(asked: Annotated[DensityOf, Query()], shelf: ShelfOf) -> Response:
    """How many scenes include all or part of each square: the most, and the densest squares.

    Counted when it is asked for first and after the index has changed; that takes about 2 s for 60,000 satellite scenes.
    """
    return json_answer(await _in_turn(shelf, asked, summary))


@router.get(
    "/density.png",
    summary="Scenes of each square, as a picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def density_png(asked: Annotated[DensityOf, Query()], shelf: ShelfOf) -> Response:
    """The world in EPSG:4326, one pixel a square, north up; transparent where nothing is, colours on a logarithmic scale."""
    content = await _in_turn(shelf, asked, partial(kept_picture, shelf))
    return Response(content, media_type="image/png", headers={"cache-control": "no-cache"})


async def _in_turn(shelf: Shelf, asked: DensityOf, shown: Callable[[Chosen], T]) -> T:
    """Answer in a thread that does one density after another, so that none is counted twice."""
    limiter = shelf.kept.setdefault("density turns", CapacityLimiter(1))
    assert isinstance(limiter, CapacityLimiter)  # noqa: S101 - nobody else uses the name
    return await run_sync(lambda: shown(density_of(shelf, float(asked.resolution), asked.dataset)), limiter=limiter)
