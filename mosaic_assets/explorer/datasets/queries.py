"""``/api/queries``: the query set with where each picture is and where the methods of localization say that it is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.errors import UnknownNameError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.decoding import decode, plain_type
from mosaic_assets.explorer.datasets.keeping import Drawn
from mosaic_assets.explorer.datasets.paging import Paged, PageQuestion, page_of
from mosaic_assets.explorer.datasets.query_rows import (
    answers,
    answers_by_query,
    match_pictures,
    queries,
    query_id,
    query_row,
)
from mosaic_assets.explorer.datasets.safe_files import find_picture, read_picture
from mosaic_assets.explorer.datasets.tagging import PICTURES_ANSWERED, tagged
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf
from mosaic_assets.gallery.localize.metrics import Asked
from mosaic_assets.gallery.manifest import Query as GivenQuery

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)

Outline = list[list[float]]


class QueryQuestion(PageQuestion):
    """Which queries."""

    id: str | None = Field(None, max_length=300, description="Id of a query, for this one alone.")
    split: str | None = Field(None, max_length=100, description="Split.", examples=["test"])
    found: str | None = Field(
        None, pattern="^(right|wrong|unasked)$",
        description="right: a method accepted the right place; wrong: one accepted another; unasked: no answers are kept.",
    )  # fmt: skip


class Answer(BaseModel):
    """What a method made of a query."""

    method: str
    accepted: bool = Field(description="Whether the method stands by its answer (confidence of 0.5 and more).")
    right: bool = Field(description="Within 100 m of the true centre.")
    distance_m: float | None = Field(description="From the true centre, metres; null without an answer.")
    confidence: float = Field(description="0..1.")
    rank: int | None = Field(description="Of the first candidate that overlaps the query; null for none.")
    inliers: int
    seconds: float
    outline: list[tuple[float, float]] | None = Field(
        description="Corners of the answer, lng and lat; null if not kept."
    )
    picture: str | None = Field(description="The query beside the gallery, where it was kept.")


class QueryFacts(BaseModel):
    """A query."""

    id: str
    split: str
    scene_class: str
    bounds: tuple[float, float, float, float] = Field(description="Where it is: west, south, east, north, degrees.")
    centre: tuple[float, float] = Field(description="lng, lat.")
    level: int
    width: int
    height: int
    resolution: float = Field(description="Width of a pixel, EPSG:3857 metres.")
    source: str
    licence: str
    attribution: str
    synthetic: bool
    sha256: str
    thumbnail: str
    picture: str
    answers: list[Answer]
    located_picture: str | None = Field(description="What `mosaic gallery locate` left.")


class Queries(Paged):
    """A page of queries."""

    splits: dict[str, int]
    methods: list[str] = Field(description="Methods whose answers are kept.")
    queries: list[QueryFacts]


class MatchQuestion(BaseModel):
    """Which picture of a query beside the gallery."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=300, description="Id of a query.")
    made_by: str = Field("mosaic gallery locate", max_length=100, description="A method of the evaluation, or locate.")


@router.get("/queries", summary="Queries and where they were located", responses={200: {"model": Queries}})
def list_queries(question: Annotated[QueryQuestion, Query()], shelf: ShelfOf) -> Response:
    """Queries by split and name; answers are those that `mosaic gallery evaluate` kept."""
    everything, answered = queries(shelf), answers_by_query(shelf)
    chosen = [query_row(shelf, question.id)] if question.id is not None else everything
    if question.split is not None:
        chosen = [query for query in chosen if query.split == question.split]
    if question.found is not None:
        chosen = [query for query in chosen if _is_found(answered.get(query.row.imgname, []), question.found)]
    shown = chosen[question.start : question.start + question.limit]
    rows = [_row(shelf, query, answered.get(query.row.imgname, [])) for query in shown]
    names = [query.split for query in everything]
    return json_answer(
        {
            **page_of(question, rows, "queries", len(chosen)),
            "splits": {name: names.count(name) for name in sorted(set(names))},
            "methods": list(dict.fromkeys(asked.method for asked, _ in answers(shelf))),
        }
    )


@router.get(
    "/queries/match", summary="A query beside the gallery", response_class=Response, responses=PICTURES_ANSWERED
)
def match(request: Request, question: Annotated[MatchQuestion, Query()], shelf: ShelfOf) -> Response:
    """PNG with the query's outline in the gallery and the matches, where one was kept."""
    query = query_row(shelf, question.id)
    there = match_pictures(shelf, query.row.imgname, [question.made_by])
    if question.made_by not in there:
        remedy = "`mosaic gallery locate` draws one of any query; `mosaic gallery evaluate` draws some of each method."
        raise UnknownNameError("picture of a match", question.made_by, list(there) or "none of this query", remedy)
    file = find_picture(shelf.settings.home, there[question.made_by])

    def drawn() -> Drawn:
        body = read_picture(file)
        decode(body, file.path.name)
        return Drawn(body, plain_type(body, file.path.name) or "image/png")

    return tagged(request, (str(file.path), *file.identity), drawn)


def _is_found(answered: list[tuple[Asked, Outline | None]], found: str) -> bool:
    if found == "unasked":
        return not answered
    return any(asked.accepted and asked.right == (found == "right") for asked, _ in answered)


def _row(shelf: Shelf, query: GivenQuery, answered: list[tuple[Asked, Outline | None]]) -> dict[str, Any]:
    number, row = query_id(query), query.row
    pictures = match_pictures(shelf, row.imgname, [asked.method for asked, _ in answered])
    return {
        "id": number,
        "split": query.split,
        "scene_class": query.scene_class,
        "time": query.time,
        "bounds": list(row.bounds),
        "centre": [row.lon, row.lat],
        "level": row.level,
        "width": row.width,
        "height": row.height,
        "resolution": row.resolution,
        "resolution_y": query.resolution_y,
        "type": row.type,
        "source": query.source,
        "licence": query.licence,
        "attribution": query.attribution,
        "synthetic": query.synthetic,
        "sha256": query.sha256,
        "thumbnail": thumbnail_link("queries", number, 256),
        "picture": picture_link("queries", number),
        "answers": [_answer(number, asked, outline, pictures) for asked, outline in answered],
        "located_picture": _match_link(number) if "mosaic gallery locate" in pictures else None,
    }


def _answer(number: str, asked: Asked, outline: Outline | None, pictures: dict[str, str]) -> dict[str, Any]:
    return {
        "method": asked.method,
        "accepted": asked.accepted,
        "right": asked.right,
        "distance_m": asked.error_m,
        "confidence": asked.confidence,
        "rank": asked.rank,
        "inliers": asked.inliers,
        "seconds": asked.seconds,
        "outline": outline,
        "picture": _match_link(number, asked.method) if asked.method in pictures else None,
    }


def _match_link(number: str, made_by: str | None = None) -> str:
    from urllib.parse import urlencode

    return f"/api/queries/match?{urlencode({'id': number, **({'made_by': made_by} if made_by else {})})}"
