"""``/api/gallery``: the localization gallery by zoom, its tiles, and a picture of each zoom."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.core.grids import nominal_resolution
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import GeometryError, NotBuiltError, UnknownNameError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.keeping import Drawn, drawn_pictures, one_at_a_time, reading_home
from mosaic_assets.explorer.datasets.paging import Paged, PageQuestion, page_of
from mosaic_assets.explorer.datasets.tagging import PICTURES_ANSWERED, tagged
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf, kept
from mosaic_assets.gallery.stitch import overview_png
from mosaic_assets.store.gallery_db import GalleryDatabase, has_gallery, open_gallery
from mosaic_assets.store.gallery_pages import missing_count, tile_count, tile_page

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)

NOT_BUILT = "there is no gallery yet; materialize gallery_tiles, or run `mosaic gallery build`"


class GalleryQuestion(PageQuestion):
    """Which tiles."""

    id: str | None = Field(None, max_length=300, description="Id of a tile, for this one alone.")
    zoom: int | None = Field(None, ge=0, le=24, description="Zoom level; the lowest unless given.", examples=[13])


class ZoomFacts(BaseModel):
    """A zoom level of the gallery at one time."""

    zoom: int
    time: str = Field(description="ISO date of the imagery; empty where nobody says.")
    tiles: int
    missing: int = Field(description="Tiles of the zoom that were asked for in vain.")
    bounds: tuple[float, float, float, float] | None = Field(description="To be covered: west, south, east, north.")
    resolution: float = Field(description="Of a pixel at the equator, metres.")
    source: str
    licence: str
    attribution: str
    resampling: str
    synthetic: bool | None = Field(description="null: nobody says.")


class GalleryTile(BaseModel):
    """A tile."""

    id: str = Field(description="grid/zoom/column/row; rows from the north.")
    time: str
    bounds: tuple[float, float, float, float]
    thumbnail: str
    picture: str
    licence: str
    attribution: str
    synthetic: bool | None


class Gallery(Paged):
    """A page of tiles."""

    grid: str
    zoom: int | None
    zooms: list[ZoomFacts]
    overview: str | None = Field(description="Address of a picture of the whole zoom.")
    tiles: list[GalleryTile]


class OverviewQuestion(BaseModel):
    """Which zoom to draw."""

    model_config = ConfigDict(extra="forbid")

    zoom: int = Field(ge=0, le=24, description="Zoom level.", examples=[13])


@router.get("/gallery", summary="The localization gallery", responses={200: {"model": Gallery}})
def gallery(question: Annotated[GalleryQuestion, Query()], shelf: ShelfOf) -> Response:
    """Zoom levels with their coverage, and the tiles of one, column by column from the west."""
    _refuse_none(shelf)
    with reading_home(), open_gallery(shelf.settings.gallery_folder) as database, database.reading():
        zooms = kept(shelf, "gallery", database.state(), lambda: _zooms(database))
        levels = sorted({row["zoom"] for row in zooms if row["tiles"]})
        zoom = question.zoom if question.zoom is not None else (levels[0] if levels else None)
        if question.id is not None:
            tiles, count = [_wanted(database, question.id)], 1
            zoom = tiles[0][0].z
        elif zoom is None:
            tiles, count = [], 0
        else:
            tiles, count = tile_page(database, zoom, question.start, question.limit), tile_count(database, zoom)
        rows = [_tile(database, tile, when, zooms) for tile, when in tiles]
        grid = database.grid.name
    overview = f"/api/gallery/overview?zoom={zoom}" if zoom in levels else None
    return json_answer(
        {**page_of(question, rows, "tiles", count), "grid": grid, "zoom": zoom, "zooms": zooms, "overview": overview}
    )


@router.get("/gallery/overview", summary="A zoom level in small", response_class=Response, responses=PICTURES_ANSWERED)
def overview(request: Request, question: Annotated[OverviewQuestion, Query()], shelf: ShelfOf) -> Response:
    """PNG, north up, white where no tile is."""
    _refuse_none(shelf)
    with reading_home(), open_gallery(shelf.settings.gallery_folder) as database:
        if question.zoom not in database.zooms():
            raise UnknownNameError(
                "zoom", str(question.zoom), database.zooms(), "Build it with `mosaic gallery build`."
            )
        identity = ("overview", database.state(), question.zoom)

        def draw() -> Drawn:
            with one_at_a_time(shelf, "decoding"):
                return Drawn(overview_png(database, question.zoom), "image/png")

        return tagged(request, identity, lambda: drawn_pictures(shelf).get(identity, draw))


def _refuse_none(shelf: Shelf) -> None:
    if not has_gallery(shelf.settings.gallery_folder):
        raise NotBuiltError(NOT_BUILT)


def _zooms(database: GalleryDatabase) -> list[dict[str, Any]]:
    """Return a row a zoom and time: those with tiles, and those that are to be covered."""
    counts = database.counts()
    coverages = {(one.zoom, one.time): one for one in database.coverages()}
    imported = json.loads(database.notes().get("imported", "{}"))
    rows = []
    for zoom, time in sorted({*counts, *coverages}):
        coverage = coverages.get((zoom, time))
        said = coverage.provenance if coverage else {"source": imported.get("file", ""), **imported}
        rows.append(
            {
                "zoom": zoom,
                "time": time,
                "tiles": counts.get((zoom, time), 0),
                "missing": missing_count(database, zoom),
                "bounds": list(coverage.bounds) if coverage else None,
                "resolution": nominal_resolution(zoom),
                "synthetic": said.get("synthetic"),
                **{name: str(said.get(name, "")) for name in ("source", "licence", "attribution", "resampling")},
            }
        )
    return rows


def _wanted(database: GalleryDatabase, number: str) -> tuple[Tile, str]:
    """Return a tile by its id, with its newest time."""
    tile = tile_of(database, number)
    times = database.query(
        "SELECT max(time_) FROM tile_facts WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
        (tile.z, tile.x, tile.y),
    )
    if times[0][0] is None:
        raise unknown_tile(number)
    return tile, str(times[0][0])


def tile_of(database: GalleryDatabase, number: str) -> Tile:
    """Return the tile of an id, ``grid/zoom/column/row``.

    Raises
    ------
    UnknownNameError
        It is no such id, of another grid, or the grid has no such tile.
    """
    parts = number.split("/")
    if (
        len(parts) != 4
        or parts[0] != database.grid.name
        or not all(part.isascii() and part.isdecimal() and len(part) < 12 for part in parts[1:])
    ):
        raise unknown_tile(number)
    tile = Tile(int(parts[2]), int(parts[3]), int(parts[1]))
    try:
        database.grid.check(tile)
    except GeometryError as error:
        raise unknown_tile(number) from error
    return tile


def unknown_tile(number: str) -> UnknownNameError:
    """Return what to raise for a tile that is not there."""
    return UnknownNameError("gallery tile", number[:100], "grid/zoom/column/row of those there", "See /api/gallery.")


def _tile(database: GalleryDatabase, tile: Tile, when: str, zooms: list[dict[str, Any]]) -> dict[str, Any]:
    said = next((row for row in zooms if (row["zoom"], row["time"]) == (tile.z, when)), {})
    number = f"{database.grid.name}/{tile.z}/{tile.x}/{tile.y}"
    return {
        "id": number,
        "time": when,
        "bounds": list(database.grid.bounds(tile)),
        "thumbnail": thumbnail_link("gallery", number, 256),
        "picture": picture_link("gallery", number),
        **{name: said.get(name) for name in ("source", "licence", "attribution", "synthetic", "resampling")},
    }
