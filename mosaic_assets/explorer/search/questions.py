"""What a search asks for: parameters of a request, as the index wants them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mosaic_assets.csquares import SceneIndex, Where
from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.links import dataset_of
from mosaic_assets.explorer.search.places import LONGEST, MOST_CODES, bounded_codes

MOST_SCENES = 1_000
"""Scenes a page."""
MOST_OUTLINES = 250
"""Scenes a page of GeoJSON: an outline takes about 3 ms."""

FROM_INDEX: dict[str, JsonValue] = {"x-example-from": "scene"}
"""The API's page takes the first scene of the index for an example."""
Dataset = Literal["scenes", "tiles", "crops", "chips", "queries", "gallery"]


class Question(BaseModel):
    """The parameters of a search."""

    model_config = ConfigDict(extra="forbid")

    code: list[str] = Field(
        [], max_length=MOST_CODES, description="C-squares of 10, 5, 1 or 0.5 degrees; again, or with | between them.",
        examples=[["3414:227:4"]],
    )  # fmt: skip
    box: str | None = Field(
        None, max_length=100, description="west,south,east,north in degrees; west above east goes over the date line.",
        examples=["150,-30,155,-25"],
    )  # fmt: skip
    point: str | None = Field(None, max_length=60, description="lng,lat in degrees.", examples=["147.3,-42.8"])
    scene: str | None = Field(
        None, max_length=300, description="Id of a scene: all others that share squares with it.",
        json_schema_extra=FROM_INDEX,
    )  # fmt: skip
    resolution: Literal["10", "5", "1", "0.5"] | None = Field(
        None,
        description="Size of the squares that stand for the place, degrees; 0.5 unless given, and codes as they are.",
    )
    dataset: list[Dataset] = Field(
        [], max_length=6, description="Data sets to look in; again for several; all unless given."
    )
    platform: list[str] = Field(
        [], max_length=50, description="Satellites, as the scenes have them; again for several."
    )
    start: str | None = Field(
        None,
        max_length=40,
        description="First moment, included; ISO 8601, UTC unless it says.",
        examples=["2003-06-20"],
    )
    end: str | None = Field(None, max_length=40, description="Moment behind the last, not included.")
    limit: int = Field(50, ge=0, le=MOST_SCENES, description="Scenes a page; 0 counts only.")
    page: int = Field(1, ge=1, le=1_000_000, description="From 1; beyond the last it is empty.")
    format: Literal["json", "geojson", "ids"] = Field(
        "json",
        description="json; geojson, with the outline of the squares, 250 a page at most; ids, every id of all pages, one a line.",
    )


def where_of(question: Question, index: SceneIndex) -> Where:
    """Return what the index is asked.

    Raises
    ------
    SettingsError
        Numbers that cannot be read.
    """
    where: Where = {}
    if codes := [code for text in question.code for code in text.split("|") if code]:
        where["codes"] = bounded_codes(codes)
    if question.box:
        where["box"] = numbers_of(question.box, "box", "west,south,east,north")
    if question.point:
        where["point"] = numbers_of(question.point, "point", "lng,lat")
    if question.scene:
        where["scene"] = question.scene
    if question.resolution is not None:
        where["resolution"] = float(question.resolution)
    if question.start:
        where["start"] = question.start
    if question.end:
        where["end"] = question.end
    if wanted := [name for name in question.platform if name]:
        where["platform"] = of_datasets(wanted, question.dataset)
    elif question.dataset:
        where["platform"] = of_datasets([span.platform for span in index.spans()], question.dataset)
    return where


def numbers_of(text: str, name: str, form: str) -> list[float]:
    """Return the numbers of a text with commas between them.

    Raises
    ------
    SettingsError
        Too many or too few, or not numbers.

    Examples
    --------
    >>> numbers_of("147.3,-42.8", "point", "lng,lat")
    [147.3, -42.8]
    """
    parts = text.split(",")
    found = [float(part) for part in parts] if all(map(_NUMBER.fullmatch, parts)) else []
    if len(found) != form.count(",") + 1:
        raise SettingsError(
            f"reading {name}={text!r}: expected {form} in degrees, for example {name}={_EXAMPLES[name]}"
        )
    return found


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_EXAMPLES = {"box": "150,-30,155,-25", "bbox": "150,-30,155,-25", "point": "147.3,-42.8"}


def of_datasets(platforms: Sequence[str], datasets: Sequence[str]) -> list[str]:
    """Return those platforms that belong to some data sets, all of them for no data sets.

    A platform that the index does not have is left in, so that the index says so.

    Examples
    --------
    >>> of_datasets(["NOAA-12", "crops"], ["scenes", "chips"]), of_datasets(["Aqua"], [])
    (['NOAA-12'], ['Aqua'])
    """
    return [name for name in platforms if not datasets or dataset_of(name) in datasets]


class SceneName(BaseModel):
    """Which scene."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        min_length=1, max_length=300, description="Id of a scene of any data set.", json_schema_extra=FROM_INDEX
    )


class SquaresOf(BaseModel):
    """Which scene's squares, and how."""

    model_config = ConfigDict(extra="forbid")

    scene: str = Field(min_length=1, max_length=300, description="Id of a scene.", json_schema_extra=FROM_INDEX)
    resolution: Literal["10", "5", "1", "0.5"] = Field("0.5", description="Size of the squares, degrees.")
    compressed: bool = Field(False, description="Write * where whole squares are full.")


class PlaceText(BaseModel):
    """A place as people type it."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(
        min_length=1, max_length=LONGEST, description="A c-square, latitude and longitude, or west south east north.",
        examples=["3414:227:4", "42.8 S, 147.3 E", "150 -30 155 -25"],
    )  # fmt: skip


class DensityOf(BaseModel):
    """Which scenes to count in which squares."""

    model_config = ConfigDict(extra="forbid")

    resolution: Literal["10", "5", "1", "0.5"] = Field("1", description="Size of the squares, degrees.")
    dataset: list[Dataset] = Field(
        [], max_length=6, description="Data sets to count; again for several; all unless given."
    )
