"""``/api/chips``: labelled chips with the shares of their classes, and each with its labels drawn over."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.chips.overlays import ChipPicture, with_labels
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.chip_rows import ChipTable, chip_row, chip_table
from mosaic_assets.explorer.datasets.decoding import decode
from mosaic_assets.explorer.datasets.keeping import Drawn, drawn_pictures, one_at_a_time
from mosaic_assets.explorer.datasets.paging import Paged, PageQuestion, page_of
from mosaic_assets.explorer.datasets.safe_files import HomeFile, PictureError, find_picture, read_picture
from mosaic_assets.explorer.datasets.tagging import PICTURES_ANSWERED, tagged
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)


class ChipQuestion(PageQuestion):
    """Which chips."""

    id: str | None = Field(None, max_length=300, description="Id of a chip, for this one alone.")
    region: str | None = Field(None, max_length=100, description="Region.", examples=["region-000"])
    split: str | None = Field(None, max_length=100, description="Split: train, validation or test.", examples=["train"])
    labelled: Literal["yes", "no"] | None = Field(None, description="With a pixel of a class, or without any.")


class LabelClass(BaseModel):
    """A class of the labels."""

    name: str
    number: int = Field(description="In the label bands; 0 is background, 255 ignored.")
    colour: str = Field(description="In overlays, #rrggbb.")
    share: float = Field(description="Of all pixels of the chips asked for, 0..1.")


class ChipFacts(BaseModel):
    """A chip; more of its manifest's columns may be there."""

    id: str
    split: str
    fold: int
    region: str
    size: int = Field(description="Side, pixels.")
    shares: dict[str, float] = Field(description="Share of background, of ignored pixels and of each class, 0..1.")
    bounds: tuple[float, float, float, float] = Field(description="west, south, east, north, degrees.")
    crs: str
    bytes: int
    sha256: str
    licence: str
    attribution: str
    synthetic: bool
    thumbnail: str
    picture: str


class Chips(Paged):
    """A page of chips."""

    regions: dict[str, int] = Field(description="Chips by region.")
    splits: dict[str, int] = Field(description="Chips by split.")
    classes: list[LabelClass]
    chips: list[ChipFacts]


class OverlayQuestion(BaseModel):
    """Which chip to draw."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=300, description="Id of a chip.", examples=["4326_819955_1359954_128"])
    size: Literal["256", "512", "1024"] = Field("512", description="Side of the picture, pixels.")


@router.get("/chips", summary="Labelled chips", responses={200: {"model": Chips}})
def chips(question: Annotated[ChipQuestion, Query()], shelf: ShelfOf) -> Response:
    """Chips in the manifest's order, with the share of each class."""
    table = chip_table(shelf)
    columns = table.columns
    chosen = _chosen(table, question)
    places = np.flatnonzero(chosen)
    if question.id is not None:
        rows = [chip_row(shelf, question.id)]
    else:
        rows = [table.row(int(at)) for at in places[question.start : question.start + question.limit]]
    return json_answer(
        {
            **page_of(question, rows, "chips", len(places)),
            "regions": dict(sorted(Counter(columns["region"].tolist()).items())),
            "splits": dict(sorted(Counter(columns["split"].tolist()).items())),
            "classes": _classes(table, chosen),
        }
    )


@router.get(
    "/chips/overlay", summary="A chip with its labels drawn over", response_class=Response, responses=PICTURES_ANSWERED
)
def overlay(request: Request, question: Annotated[OverlayQuestion, Query()], shelf: ShelfOf) -> Response:
    """PNG: the imagery with an outline and a veil over each class, stripes over pixels to be ignored."""
    row, side = chip_row(shelf, question.id), int(question.size)
    files = [find_picture(shelf.settings.home, f"chips/{name}") for name in (row["path"], row["mask_path"]) if name]
    identity = (*((str(file.path), *file.identity) for file in files), "overlay", side)
    return tagged(
        request, identity, lambda: drawn_pictures(shelf).get(identity, lambda: _draw(shelf, row, files, side))
    )


def _chosen(table: ChipTable, question: ChipQuestion) -> NDArray[np.bool_]:
    columns = table.columns
    chosen = np.ones(len(table.bounds), bool)
    for name, wanted in (("id", question.id), ("region", question.region), ("split", question.split)):
        if wanted is not None:
            chosen &= columns[name] == wanted
    if question.labelled is not None:
        chosen &= columns["positive"].astype(bool) == (question.labelled == "yes")
    return chosen


def _classes(table: ChipTable, chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    pixels = table.columns["size"][chosen] ** 2
    total = max(1.0, float(pixels.sum()))
    return [
        {
            "name": one.name,
            "number": one.number,
            "colour": one.colour,
            "share": float((table.columns[one.column][chosen] * pixels).sum()) / total,
        }
        for one in table.classes
    ]


def _draw(shelf: Shelf, row: dict[str, Any], files: list[HomeFile], side: int) -> Drawn:
    count = len(str(row["bands"]).split(","))
    imagery = tuple(range(min(3, count)))
    body, name = read_picture(files[0]), files[0].path.name
    with one_at_a_time(shelf, "decoding"):
        if len(files) > 1:
            pixels = decode(body, name, indexes=imagery).values
            labels = decode(read_picture(files[1]), files[1].path.name, indexes=(0,)).values[0]
        else:
            stack = decode(body, name, indexes=(*imagery, -1)).values
            pixels, labels = stack[:-1], stack[-1]
        if labels.shape != pixels.shape[1:]:
            raise PictureError(
                f"drawing the chip {row['id']}: its label is {labels.shape}, its imagery {pixels.shape[1:]}"
            )
        chip = with_labels(ChipPicture(str(row["id"]), str(row["split"]), pixels, labels), side)
    return Drawn(encode_png(np.asarray(chip)), "image/png")
