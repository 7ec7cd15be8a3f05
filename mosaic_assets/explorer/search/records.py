"""What the search answers with, for its documentation; the answers themselves are plain values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from mosaic_assets.explorer.search.questions import Dataset

Box = tuple[float, float, float, float]
Resolution = Annotated[float, Field(json_schema_extra={"enum": [10, 5, 1, 0.5]}, description="Degrees.")]


class SceneRecord(BaseModel):
    """A scene of the index."""

    id: str = Field(description="For ever the same.", examples=["h1awj"])
    dataset: Dataset
    platform: str = Field(description="The satellite; of other data sets their name.", examples=["NOAA-12"])
    instrument: str = Field(examples=["AVHRR"])
    time: str | None = Field(
        description="Start of the acquisition, UTC; null where nobody says.", examples=["2003-06-21T06:23:00Z"]
    )
    image_location: str = Field(description="Where the image is, as its archive says it; empty where nobody says.")
    source: str = Field(description="Attribution.")
    licence: str
    synthetic: bool = Field(description="Any part of the picture is made up.")
    thumbnail: str | None = Field(description="Address of a small picture; null without one.")
    picture: str | None = Field(description="Address of the picture; null without one.")


class SceneDetail(SceneRecord):
    """A scene with its extent."""

    squares: int = Field(description="Half-degree squares that it includes all or part of.")
    bounds: Box = Field(description="west, south, east, north, degrees; west above east goes over the date line.")


class Place(BaseModel):
    """The squares that stood for the place of a search."""

    kind: Literal["code", "box", "point", "scene"] | None = Field(description="null for everywhere.")
    count: int = Field(
        description="Squares; the fewest that cover the place, so of several sizes; codes as they were given."
    )
    squares: list[str] = Field(description="Their codes, the first 500.")
    boxes: list[Box] = Field(description="west, south, east, north of each, degrees.")


class Links(BaseModel):
    """Addresses of other pages of the same answer."""

    next: str | None
    previous: str | None


class SearchAnswer(BaseModel):
    """A page of scenes, ordered by time, platform and id."""

    count: int = Field(description="Scenes on all pages.")
    page: int
    limit: int
    pages: int
    place: Place
    scenes: list[SceneRecord]
    links: Links


class Squares(BaseModel):
    """The squares that a scene includes all or part of."""

    scene: str
    resolution: Resolution
    compressed: bool
    count: int
    codes: list[str] = Field(description="Sorted; compressed ones have * for what is full.", examples=[["3414:1**:*"]])
    boxes: list[Box] = Field(description="Of each; of a compressed code the whole square that it stands for.")


class PlaceParameters(BaseModel):
    """What to ask /api/search with; one of the three."""

    code: list[str] | None = None
    point: str | None = None
    box: str | None = None


class ReadPlace(BaseModel):
    """A place that was typed, as it was understood."""

    kind: Literal["code", "point", "box"]
    parameters: PlaceParameters
    boxes: list[Box] = Field(description="Of each code; of the half-degree square around a point; the box itself.")
    said: str = Field(description="How it was understood.", examples=["latitude 42.8° S, longitude 147.3° E"])


class DatasetRecord(BaseModel):
    """What the index has of a data set."""

    name: Dataset
    title: str
    scenes: int
    platforms: list[str]
    first: str | None = Field(description="Time of the first scene that has one.")
    last: str | None = Field(description="Time of the last scene that has one.")


class LegendStep(BaseModel):
    """A colour of the density's picture."""

    scenes: int
    colour: str = Field(examples=["#f89540"])


class Density(BaseModel):
    """How many scenes include all or part of each square."""

    resolution: Resolution
    dataset: list[Dataset] = Field(description="Those counted.")
    scenes: int = Field(description="Of these data sets, wherever they are.")
    most: int = Field(description="Scenes of the densest square.")
    squares: int = Field(description="Squares with any.")
    densest: list[tuple[str, int]] = Field(description="The 20 densest: code and scenes.")
    legend: list[LegendStep] = Field(description="What the colours of /api/density.png mean.")


class FeatureCollection(BaseModel):
    """A page of scenes as GeoJSON."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815 - as others call it
    numberReturned: int  # noqa: N815
    features: list[dict[str, object]] = Field(
        description="Id, properties of the scene, and as geometry the outline of its squares."
    )
    links: list[dict[str, object]]
