"""What a STAC search asks for, by GET and by POST."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mosaic_assets.csquares import SceneIndex, Where
from mosaic_assets.errors import GeometryError, SettingsError, UnknownNameError
from mosaic_assets.explorer.links import DATASETS
from mosaic_assets.explorer.search.questions import of_datasets
from mosaic_assets.explorer.search.stac_records import span_of

if TYPE_CHECKING:
    from shapely import Geometry

MOST_ITEMS = 250
"""Items a page, whatever is asked for: an outline takes about 3 ms."""
LARGEST_LIMIT = 10_000
MOST_IDS = 500
LONGEST_EDGES = 40_000
"""Degrees that all edges of a geometry have together, 100 times round the world: covering one takes up to 1.5 s then."""
_DATETIME = "A moment, or two with / between, one of which may be `..`; RFC 3339."


_PAGE = "From 1. Pages count anew when the index changes; the links `next` go by `after`."
_AFTER = "Id of the last item that is there already: go on behind it. The links `next` have it."


class ItemsOf(BaseModel):
    """Which items of a collection; parameters of a GET."""

    model_config = ConfigDict(extra="forbid")

    bbox: str | None = Field(
        None, max_length=200, description="west,south,east,north in degrees.", examples=["150,-30,155,-25"]
    )
    datetime: str | None = Field(None, max_length=80, description=_DATETIME, examples=["2003-06-20T00:00:00Z/.."])
    limit: int = Field(10, ge=1, le=LARGEST_LIMIT, description=f"Items a page; {MOST_ITEMS} at most are given.")
    page: int = Field(1, ge=1, le=1_000_000, description=_PAGE)
    after: str | None = Field(None, max_length=300, description=_AFTER)


class ItemsAsked(ItemsOf):
    """A search by GET."""

    collections: str | None = Field(None, max_length=200, description="Data sets, commas between.", examples=["scenes"])
    ids: str | None = Field(None, max_length=8_000, description="Ids of items, commas between.")
    intersects: str | None = Field(None, max_length=8_000, description="A GeoJSON geometry; not with bbox.")

    def as_search(self, **more: Any) -> ItemSearch:
        """Return the same search as a POST has it.

        Raises
        ------
        SettingsError
            Too many ids or collections, or not numbers.
        GeometryError
            Not GeoJSON.
        """
        found: dict[str, Any] = {name: getattr(self, name) for name in ("limit", "page", "after", "datetime")}
        if self.collections:
            found["collections"] = self.collections.split(",")
        found["ids"] = self.ids.split(",") if self.ids else None
        found["bbox"] = _numbers(self.bbox) if self.bbox else None
        if self.intersects:
            try:
                found["intersects"] = json.loads(self.intersects)
            except (ValueError, RecursionError) as error:
                raise _not_a_geometry(self.intersects) from error
        try:
            return ItemSearch(**found, **more)
        except ValidationError as error:
            said = "; ".join(
                f"{' '.join(map(str, one['loc'][:1]))}: {one['msg'].lower()}" for one in error.errors()[:3]
            )
            raise SettingsError(f"searching with {said}; ask in parts") from error


def _numbers(text: str) -> list[float]:
    from mosaic_assets.explorer.search.questions import numbers_of

    form = "west,south,bottom,east,north,top" if text.count(",") == 5 else "west,south,east,north"
    return numbers_of(text, "bbox", form)


class ItemSearch(BaseModel):
    """A search by POST."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _can_be_repeated(self) -> ItemSearch:
        """The links of an answer repeat the search, some levels down in it."""
        try:
            orjson.dumps([[[[self.model_dump()]]]])
        except TypeError as error:
            raise ValueError(
                f"expected JSON of less than 250 levels, numbers of 64 bits and Unicode ({error})"
            ) from error
        return self

    bbox: list[float] | None = Field(None, min_length=4, max_length=6, examples=[[150, -30, 155, -25]])
    datetime: str | None = Field(None, max_length=80, description=_DATETIME, examples=["2003-06-20T00:00:00Z/.."])
    collections: list[str] | None = Field(None, max_length=6, examples=[["scenes"]])
    ids: list[str] | None = Field(None, max_length=MOST_IDS, examples=[["h1awj"]])
    intersects: dict[str, Any] | None = Field(None, description="A GeoJSON geometry; not with bbox.")
    limit: int = Field(10, ge=1, le=LARGEST_LIMIT, description=f"Items a page; {MOST_ITEMS} at most are given.")
    page: int = Field(1, ge=1, le=1_000_000, description=_PAGE)
    after: str | None = Field(None, max_length=300, description=_AFTER)


def stac_where(asked: ItemSearch, index: SceneIndex) -> Where:
    """Return what the index is asked.

    Raises
    ------
    GeometryError
        Not a geometry, or not one of this world.
    SettingsError
        A span of time that cannot be read; a box of five numbers, or a box and a geometry.
    UnknownNameError
        No such collection.
    """
    where: Where = {}
    if asked.bbox is not None:
        if len(asked.bbox) == 5:
            raise SettingsError("reading bbox: expected four numbers, or six with heights; leave the fifth out")
        where["box"] = asked.bbox if len(asked.bbox) == 4 else [*asked.bbox[:2], *asked.bbox[3:5]]
    if asked.intersects is not None:
        where["geometry"] = geometry_of(asked.intersects)
    start, end = span_of(asked.datetime)
    if start:
        where["start"] = start
    if end:
        where["end"] = end
    for name in asked.collections or ():
        if name not in DATASETS:
            raise UnknownNameError("collection", name[:80], DATASETS, "/stac/collections lists them.")
    if asked.collections:
        where["platform"] = of_datasets([span.platform for span in index.spans()], asked.collections)
    return where


def geometry_of(said: dict[str, Any]) -> Geometry:
    """Return a GeoJSON geometry as shapely's.

    Raises
    ------
    GeometryError
        It is none.

    Examples
    --------
    >>> geometry_of({"type": "Point", "coordinates": [147.3, -42.8]}).wkt
    'POINT (147.3 -42.8)'
    """
    import shapely

    try:
        text = json.dumps(said, allow_nan=False)
        found: Geometry = shapely.from_geojson(text)
    except (ValueError, TypeError, RecursionError, shapely.errors.ShapelyError) as error:
        raise _not_a_geometry(str(said)) from error
    if found is None or found.is_empty:
        raise _not_a_geometry(str(said))
    if not found.length <= LONGEST_EDGES:
        raise GeometryError(
            f"reading intersects: its edges have {found.length:,.0f} degrees together; expected {LONGEST_EDGES:,} at most; "
            "ask in parts"
        )
    return found


def _not_a_geometry(text: str) -> GeometryError:
    return GeometryError(
        f"reading intersects={text[:80]!r}: expected a GeoJSON geometry such as "
        '{"type": "Point", "coordinates": [147.3, -42.8]}; write it so'
    )
