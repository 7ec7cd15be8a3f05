"""What a search asks for: parameters of a request, as the index wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mosaic_assets.csquares import SceneIndex, Where
from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.links import dataset_of

MOST_SCENES = 1_000
"""Scenes a page."""
MOST_CODES = 500


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
    scene: str | None = Field(None, max_length=300, description="Id of a scene: all others that share squares with it.")
    resolution: Literal["10", "5", "1", "0.5"] | None = Field(
        None,
        description="Size of the squares that stand for the place, degrees; 0.5 unless given, and codes as they are.",
    )
    dataset: list[Literal["scenes", "tiles", "crops", "chips", "queries", "gallery"]] = Field(
        [], max_length=6, description="Data sets to look in; again for several; all unless given."
    )
    platform: list[str] = Field(
        [], max_length=50, description="Satellites, as the scenes have them; again for several."
    )
    start: str | None = Field(None, max_length=40, description="First moment, included; ISO 8601, UTC unless it says.")
    end: str | None = Field(None, max_length=40, description="Moment behind the last, not included.")
    limit: int = Field(50, ge=0, le=MOST_SCENES, description="Scenes a page; 0 counts only.")
    page: int = Field(1, ge=1, le=1_000_000, description="From 1; beyond the last it is empty.")
    format: Literal["json", "geojson", "ids"] = Field(
        "json", description="json; geojson, with the outline of the squares; ids, every id of all pages, one a line."
    )


def where_of(question: Question, index: SceneIndex) -> Where:
    """Return what the index is asked.

    Raises
    ------
    SettingsError
        Numbers that cannot be read.
    """
    where: Where = {}
    if question.code:
        where["codes"] = codes = [code for text in question.code for code in text.split("|")]
        if len(codes) > MOST_CODES:
            raise SettingsError(f"searching by {len(codes)} codes: expected {MOST_CODES} at most; ask in parts")
    if question.box is not None:
        where["box"] = numbers_of(question.box, "box", "west,south,east,north")
    if question.point is not None:
        where["point"] = numbers_of(question.point, "point", "lng,lat")
    if question.scene is not None:
        where["scene"] = question.scene
    if question.resolution is not None:
        where["resolution"] = float(question.resolution)
    if question.start:
        where["start"] = question.start
    if question.end:
        where["end"] = question.end
    platforms = platforms_of(question.dataset, question.platform, index.platforms())
    if platforms is not None:
        where["platform"] = platforms
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
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != form.count(",") + 1:
        raise SettingsError(
            f"reading {name}={text!r}: expected {form} in degrees, for example {name}={_EXAMPLES[name]}"
        )
    return found


_EXAMPLES = {"box": "150,-30,155,-25", "point": "147.3,-42.8"}


def platforms_of(datasets: Sequence[str], platforms: Sequence[str], there: Sequence[str]) -> list[str] | None:
    """Return the platforms of the index that a search is for; None for all.

    A data set that the index does not have yet contributes nothing; a platform that it does not have is left in, so that the
    index says so.

    Examples
    --------
    >>> platforms_of(["scenes", "chips"], [], ["NOAA-12", "crops"]), platforms_of([], [], ["NOAA-12"])
    (['NOAA-12'], None)
    >>> platforms_of(["crops"], ["NOAA-12"], ["NOAA-12", "crops"]), platforms_of([], ["Aqua"], ["NOAA-12"])
    ([], ['Aqua'])
    """
    if not datasets and not platforms:
        return None
    wanted = list(dict.fromkeys(platforms)) if platforms else list(there)
    return [name for name in wanted if not datasets or dataset_of(name) in datasets]
