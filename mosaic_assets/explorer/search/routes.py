"""Routes of the search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import PlainTextResponse, Response

from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.links import dataset_of, has_picture, thumbnail_link
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, shelf_of
from mosaic_assets.explorer.search.questions import Question, where_of
from mosaic_assets.store.csquare_records import Scene

router = APIRouter(prefix="/api", tags=["search"], responses=PROBLEMS)


@router.get("/search", summary="Scenes of all data sets by place, time and platform")
def search(question: Annotated[Question, Query()], shelf: Annotated[Shelf, Depends(shelf_of)]) -> Response:
    """Scenes that include all or part of a place, ordered by time, platform and id."""
    with shelf.indexes.borrow() as index:
        where = where_of(question, index)
        if question.format == "ids":
            return PlainTextResponse("".join(f"{one}\n" for one in index.ids(**where).tolist()))
        found = index.search(limit=question.limit, page=question.page, **where)
    pages = -(-found.count // found.limit) if found.limit else 0
    scenes = [plain(scene) for scene in found.scenes]
    return json_answer(
        {"count": found.count, "page": found.page, "limit": found.limit, "pages": pages, "scenes": scenes}
    )


def plain(scene: Scene) -> dict[str, Any]:
    """Return a scene as plain values."""
    dataset = dataset_of(scene.platform)
    return {
        "id": scene.id,
        "dataset": dataset,
        "platform": scene.platform,
        "instrument": scene.instrument,
        "time": scene.time,
        "image_location": scene.image_location,
        "source": scene.source,
        "licence": scene.licence,
        "thumbnail": thumbnail_link(dataset, scene.id) if has_picture(scene) else None,
    }
