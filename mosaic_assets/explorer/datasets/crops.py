"""``/api/crops``: the scenes of every day with their screening numbers, kept or not."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.crop_rows import Row, crop_days, crop_row, rows_of_day
from mosaic_assets.explorer.datasets.paging import Paged, PageQuestion, page_of
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import ShelfOf
from mosaic_assets.scenes.records import SceneOutcome

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)


class CropQuestion(PageQuestion):
    """Which crops."""

    id: str | None = Field(None, max_length=300, description="Name of a product, for this one alone.")
    day: date | None = Field(None, description="Day of sensing, UTC.", examples=["2024-06-01"])
    outcome: SceneOutcome | None = Field(None, description="What became of the scene.")


class Crop(BaseModel):
    """A scene and what became of it; shares are 0..1, null where nothing was measured."""

    id: str = Field(description="Name of the product.")
    day: date
    outcome: str = Field(description="kept, or why not.")
    why: str
    fill: float | None = Field(description="Share of pixels without data.")
    cloud: float | None = Field(description="Share of cloud.")
    water: float | None = Field(description="Share of open water.")
    texture: float | None = Field(description="Standard deviation of the Laplacian of luma, 0..1.")
    entropy: float | None = Field(description="Of luma, bits.")
    recipe: str
    sha256: str
    bounds: tuple[float, float, float, float] | None = Field(
        description="west, south, east, north, degrees; of the crop, else of the scene. West above east: over the date line."
    )
    licence: str
    attribution: str
    synthetic: bool
    thumbnail: str | None
    picture: str | None


class Crops(Paged):
    """A page of scenes."""

    days: list[dict[str, Any]] = Field(description="Every day with its scenes and how many were kept, newest first.")
    outcomes: dict[str, int] = Field(description="Scenes by outcome: of the day asked for, or of all.")
    crops: list[Crop]


@router.get("/crops", summary="Crops of Sentinel-3 scenes", responses={200: {"model": Crops}})
def crops(question: Annotated[CropQuestion, Query()], shelf: ShelfOf) -> Response:
    """Scenes by day, newest day first, with the numbers that screening went by."""
    if question.id is not None:
        rows = [crop_row(shelf, question.id)]
        return json_answer({**page_of(question, rows, "crops"), "days": [], "outcomes": {}})
    by_day = {day: rows_of_day(shelf, day) for day in crop_days(shelf)}
    rows = by_day.get(question.day, []) if question.day else [row for day in by_day.values() for row in day]
    outcomes = Counter(row["outcome"] for row in rows)
    if question.outcome:
        rows = [row for row in rows if row["outcome"] == question.outcome]
    days = [{"day": day, "scenes": len(own), "kept": _kept(own)} for day, own in by_day.items()]
    return json_answer({**page_of(question, rows, "crops"), "days": days, "outcomes": dict(outcomes.most_common())})


def _kept(rows: list[Row]) -> int:
    return sum(row["outcome"] == SceneOutcome.KEPT for row in rows)
