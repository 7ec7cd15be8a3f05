"""Routes in the shape of a STAC API: enough for STAC clients to find, page and look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from mosaic_assets.core.csquare_arrays import Ints
from mosaic_assets.csquares import SceneIndex, Where
from mosaic_assets.errors import UnknownNameError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.links import DATASETS, dataset_of
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import ShelfOf, from_one_state
from mosaic_assets.explorer.search import stac_records as stac
from mosaic_assets.explorer.search.datasets import datasets_of
from mosaic_assets.explorer.search.questions import FROM_INDEX, Dataset
from mosaic_assets.explorer.search.stac_questions import MOST_ITEMS, ItemsAsked, ItemSearch, ItemsOf, stac_where
from mosaic_assets.store.csquare_pages import SceneRow

router = APIRouter(prefix="/stac", tags=["STAC"], responses=PROBLEMS)

Name = Annotated[Dataset, Path(description="A data set.")]


class Items(BaseModel):
    """A page of items."""

    type: str
    numberMatched: int  # noqa: N815 - as STAC calls it
    numberReturned: int  # noqa: N815
    features: list[dict[str, Any]]
    links: list[dict[str, Any]]


_ITEMS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page of items.", "content": {stac.GEOJSON: {"schema": Items.model_json_schema()}}}
}
_ITEM: dict[int | str, dict[str, Any]] = {
    200: {"description": "An item.", "content": {stac.GEOJSON: {"schema": {"type": "object", "required": ["id"]}}}}
}


@router.get("", summary="Landing page", responses={200: {"model": dict[str, Any]}})
def landing(request: Request, shelf: ShelfOf) -> Response:
    """What can be asked here, in STAC's words."""
    with shelf.indexes.borrow() as index:
        return json_answer(stac.landing(_base(request), datasets_of(index.spans())))


@router.get("/conformance", summary="What is conformed to", responses={200: {"model": dict[str, list[str]]}})
async def conformance() -> Response:
    """The conformance classes."""
    return json_answer({"conformsTo": stac.CONFORMANCE})


@router.get("/collections", summary="The data sets", responses={200: {"model": dict[str, Any]}})
def collections(request: Request, shelf: ShelfOf) -> Response:
    """The data sets that the index has scenes of, as collections."""
    base = _base(request)
    with shelf.indexes.borrow() as index:
        found = [stac.collection(base, one) for one in datasets_of(index.spans()) if one["scenes"]]
    links = [stac.link(base, "self", "/stac/collections"), stac.link(base, "root", "/stac")]
    return json_answer({"collections": found, "links": links})


@router.get("/collections/{name}", summary="A data set", responses={200: {"model": dict[str, Any]}})
def collection(name: Name, request: Request, shelf: ShelfOf) -> Response:
    """A data set as a collection."""
    with shelf.indexes.borrow() as index:
        return json_answer(stac.collection(_base(request), datasets_of(index.spans())[DATASETS.index(name)]))


@router.get("/collections/{name}/items", summary="Items of a data set", responses=_ITEMS)
def items(name: Name, asked: Annotated[ItemsOf, Query()], request: Request, shelf: ShelfOf) -> Response:
    """Scenes of a data set, a page at a time."""
    given = asked.model_dump(exclude_none=True)
    search = ItemsAsked(**given).as_search(collections=[name])
    path = f"/stac/collections/{name}/items"
    with shelf.indexes.borrow() as index:
        return _page(index, search, _base(request), lambda **place: _by_get(path, {**given, **place}))


@router.get("/collections/{name}/items/{item:path}", summary="One scene", responses=_ITEM)
def item(
    name: Name,
    item: Annotated[str, Path(max_length=300, description="Id of a scene.", json_schema_extra=dict(FROM_INDEX))],
    request: Request,
    shelf: ShelfOf,
) -> Response:
    """One scene as an item."""
    with shelf.indexes.borrow() as index:
        row, keys = index.row(item)
    if dataset_of(row.platform) != name:
        raise UnknownNameError(
            "item", item[:80], f"others; this one is in {dataset_of(row.platform)}", "Ask for it there."
        )
    return json_answer(stac.item(_base(request), row, keys), media_type=stac.GEOJSON)


@router.get("/search", summary="Search by GET", responses=_ITEMS)
def search(asked: Annotated[ItemsAsked, Query()], request: Request, shelf: ShelfOf) -> Response:
    """Scenes of all data sets by box, time, collection and id."""
    given = asked.model_dump(exclude_none=True)
    with shelf.indexes.borrow() as index:
        return _page(
            index,
            asked.as_search(),
            _base(request),
            lambda **place: _by_get("/stac/search", {**given, **place}),
        )


@router.post("/search", summary="Search by POST", responses=_ITEMS)
def search_by_post(asked: Annotated[ItemSearch, Body()], request: Request, shelf: ShelfOf) -> Response:
    """The same with a body of JSON, and by geometry."""
    given = asked.model_dump(exclude_none=True)
    with shelf.indexes.borrow() as index:
        return _page(
            index,
            asked,
            _base(request),
            lambda **place: {"path": "/stac/search", "method": "POST", "body": {**given, **place}},
        )


def _page(index: SceneIndex, asked: ItemSearch, base: str, address: Callable[..., dict[str, Any]]) -> Response:
    count, left, rows = from_one_state(index.generation, lambda: _found(index, asked))
    features = [stac.item(base, row, keys) for row, keys in rows]
    links = [stac.link(base, "root", "/stac"), stac.link(base, "self", **_self(address()))]
    if left:
        # By the last item and not by number: the index may grow between two pages, and nothing is missed or given twice.
        links.append(stac.link(base, "next", kind=stac.GEOJSON, **address(page=1, after=features[-1]["id"])))
    return json_answer(
        {
            "type": "FeatureCollection",
            "numberMatched": count,
            "numberReturned": len(features),
            "features": features,
            "links": links,
        },
        media_type=stac.GEOJSON,
    )


def _self(address: dict[str, Any]) -> dict[str, Any]:
    return {"path": address["path"], "kind": stac.GEOJSON}


def _by_get(path: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"path": f"{path}?{urlencode(asked)}", "method": "GET"}


Rows = list[tuple[SceneRow, Ints]]


def _found(index: SceneIndex, asked: ItemSearch) -> tuple[int, int, Rows]:
    """Return how many scenes a search finds, how many are behind the page, and the page."""
    find = _by_ids if asked.ids or asked.after else _by_page
    return find(index, stac_where(asked, index), asked, min(asked.limit, MOST_ITEMS))


def _by_page(index: SceneIndex, where: Where, asked: ItemSearch, limit: int) -> tuple[int, int, Rows]:
    """Return the same of a search that goes by the number of the page."""
    found = index.find(limit=limit, page=asked.page, **where)
    return found.count, max(0, found.count - asked.page * limit), [(row, index.keys_of(row.id)) for row in found.rows]


def _by_ids(index: SceneIndex, where: Where, asked: ItemSearch, limit: int) -> tuple[int, int, Rows]:
    """Return the same of a search that names its scenes, or the one to go on behind."""
    found = index.ids(**where)
    if asked.ids:
        found = found[np.isin(found, asked.ids)]
    start = 0
    if asked.after:
        places = np.flatnonzero(found == asked.after)
        if not len(places):
            raise UnknownNameError(
                "item", asked.after[:80], "those that the search finds", "Begin with the first page."
            )
        start = int(places[0]) + 1
    start += (asked.page - 1) * limit
    chosen = found[start : start + limit].tolist()
    return len(found), max(0, len(found) - start - limit), [index.row(one) for one in chosen]


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")
