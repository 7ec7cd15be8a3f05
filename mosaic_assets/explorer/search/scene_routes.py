"""Routes of the search: scenes, their squares, places, data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.responses import PlainTextResponse, Response

from mosaic_assets.core.csquare_arrays import Ints
from mosaic_assets.csquares import SceneIndex, Where
from mosaic_assets.csquares.answers import Found
from mosaic_assets.csquares.features import bounds_of, boxes_of, collection, feature
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.csquares.places import ids_at, place_of
from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import ShelfOf, from_one_state
from mosaic_assets.explorer.search import records, scenes
from mosaic_assets.explorer.search.asking import asked_of, documented
from mosaic_assets.explorer.search.datasets import datasets_of
from mosaic_assets.explorer.search.places import read_place
from mosaic_assets.explorer.search.questions import MOST_OUTLINES, PlaceText, Question, SceneName, SquaresOf, where_of

router = APIRouter(prefix="/api", tags=["search"], responses=PROBLEMS)

GEOJSON = "application/geo+json"
_SEARCHED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": records.SearchAnswer,
        "description": "The scenes; as JSON, as GeoJSON, or only their ids.",
        "content": {
            GEOJSON: {"schema": records.FeatureCollection.model_json_schema()},
            "text/plain": {"schema": {"type": "string"}, "example": "h1awj\nh1awl\n"},
        },
    }
}


@router.get(
    "/search",
    summary="Scenes of all data sets by place, time and platform",
    responses=_SEARCHED,
    openapi_extra=documented(Question),
)
def search(question: Annotated[Question, Depends(asked_of(Question))], shelf: ShelfOf) -> Response:
    """Scenes that include all or part of a place, ordered by time, platform and id.

    Give one of code, box, point and scene, or none for everywhere.
    """
    with shelf.indexes.borrow() as index:
        return FORMS[question.format](question, index)


def _as_ids(question: Question, index: SceneIndex) -> Response:
    found = from_one_state(index.generation, lambda: index.ids(**where_of(question, index)))
    return PlainTextResponse("".join(f"{one}\n" for one in found.tolist()))


def _as_json(question: Question, index: SceneIndex) -> Response:
    where, found = from_one_state(index.generation, lambda: _found(question, index))
    kind = place_of(where)
    return json_answer(
        {
            "count": found.count,
            "page": question.page,
            "limit": question.limit,
            "pages": _pages(question, found),
            "place": scenes.place_of("code" if kind == "codes" else kind, found.place),
            "scenes": [scenes.plain(row) for row in found.rows],
            "links": _links(question, found),
        }
    )


def _found(question: Question, index: SceneIndex) -> tuple[Where, Found]:
    where = where_of(question, index)
    return where, index.find(limit=question.limit, page=question.page, **where)


def _as_geojson(question: Question, index: SceneIndex) -> Response:
    if question.limit > MOST_OUTLINES:
        raise SettingsError(
            f"searching with format=geojson and limit={question.limit}: expected {MOST_OUTLINES} at most, for each outline "
            "is made anew; ask for more pages"
        )

    def ask() -> tuple[Found, list[Ints]]:
        _, found = _found(question, index)
        return found, [index.keys_of(row.id) for row in found.rows]

    found, keys = from_one_state(index.generation, ask)
    features = []
    for row, held in zip(found.rows, keys, strict=True):
        said = scenes.plain(row)
        features.append(feature(said.pop("id"), held, said))
    links = [{"rel": rel, "href": href} for rel, href in _links(question, found).items() if href]
    return json_answer({**collection(found.count, features), "links": links}, media_type=GEOJSON)


FORMS: dict[str, Callable[[Question, SceneIndex], Response]] = {
    "json": _as_json,
    "geojson": _as_geojson,
    "ids": _as_ids,
}


def _pages(question: Question, found: Found) -> int:
    return -(-found.count // question.limit) if question.limit else 0


def _links(question: Question, found: Found) -> dict[str, str | None]:
    """Return the addresses of the pages beside this one."""
    last = _pages(question, found)
    return {
        "next": _address(question, question.page + 1) if question.page < last else None,
        "previous": _address(question, min(question.page - 1, last)) if question.page > 1 and last else None,
    }


def _address(question: Question, page: int) -> str:
    asked = question.model_dump(exclude_unset=True, exclude={"page"})
    return f"/api/search?{urlencode({**asked, 'page': page}, doseq=True)}"


@router.get("/scene", summary="One scene", responses={200: {"model": records.SceneDetail}})
def scene(asked: Annotated[SceneName, Query()], shelf: ShelfOf) -> Response:
    """A scene of any data set by its id, with its extent."""
    with shelf.indexes.borrow() as index:
        row, keys = index.row(asked.id)
    return json_answer({**scenes.plain(row), "squares": len(ids_at(keys, KEY_LEVEL)), "bounds": bounds_of(keys)})


@router.get("/squares", summary="The squares of a scene", responses={200: {"model": records.Squares}})
def squares(asked: Annotated[SquaresOf, Query()], shelf: ShelfOf) -> Response:
    """The c-squares that a scene includes all or part of, as codes and as boxes."""
    with shelf.indexes.borrow() as index:
        codes = index.squares_of(asked.scene, float(asked.resolution), compressed=asked.compressed)
    return json_answer(
        {
            "scene": asked.scene,
            "resolution": float(asked.resolution),
            "compressed": asked.compressed,
            "count": len(codes),
            "codes": codes,
            "boxes": boxes_of(codes),
        }
    )


@router.get("/place", summary="A place as people type it", responses={200: {"model": records.ReadPlace}})
def place(asked: Annotated[PlaceText, Query()]) -> Response:
    """What a typed place means: a c-square, a latitude and a longitude, or the four limits of a box."""
    return json_answer(read_place(asked.q))


@router.get("/datasets", summary="The data sets of the index", responses={200: {"model": list[records.DatasetRecord]}})
def datasets(shelf: ShelfOf) -> Response:
    """How many scenes of each data set the index has, of which platforms, from when to when."""
    with shelf.indexes.borrow() as index:
        return json_answer(datasets_of(index.spans()))
