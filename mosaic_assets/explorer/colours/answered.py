"""What the routes of the colour page answer with, for OpenAPI."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Lab = tuple[float, float, float]
State = Literal["empty", "seen", "filling", "filled", "full"]


class Colour(BaseModel):
    """A colour."""

    rgb: str = Field(description="As #rrggbb; the nearest that a screen shows.", examples=["#6b7a4c"])
    lab: Lab = Field(description="L 0..100, a, b; D65, 2 degree observer.", examples=[[49.2, -12.5, 22.4]])
    in_srgb: bool = Field(description="Whether a screen can show it.")


class Bucket(BaseModel):
    """A bucket."""

    bucket: int = Field(description="Its number.", examples=[13])
    lab: Lab = Field(description="Its centroid.")
    rgb: str = Field(description="Its centroid as #rrggbb.")
    kept: int = Field(description="Tiles in it.")
    hits: int = Field(description="Judged tiles that fell in it, before cap and duplicates.")
    state: State = Field(
        description="empty: never met; seen: met, nothing kept; filling: below the floor; filled: at the floor or above; "
        "full: at the cap."
    )


class NearBucket(Bucket):
    """A bucket near a colour."""

    distance: float = Field(description="From the colour to its centroid, CIE76.")


class Tile(BaseModel):
    """A tile of the library."""

    id: str = Field(description="Its id, as in tiles.db and in the c-square index.")
    bucket: int = Field(description="The bucket it is in.")
    lab: Lab = Field(description="Its mean colour.")
    rgb: str = Field(description="Its mean colour as #rrggbb.")
    thumbnail: str = Field(description="Address of a small picture.")
    picture: str = Field(description="Address of the picture, 256 x 256 PNG.")
    bounds: tuple[float, float, float, float] = Field(description="West, south, east, north in degrees.")
    csquare: str = Field(description="The c-square of its middle.")
    biome: str = Field(description="The biome whose harvest found it.")
    source: str = Field(description="Where the imagery is from.")
    release: str = Field(description="Its release.")
    fetched_at: str = Field(description="When it was fetched, UTC.")
    licence: str = Field(description="Under which licence.")
    attribution: str = Field(description="Whom to name.")
    synthetic: bool = Field(description="Whether its detail is made up.")


class NearTile(Tile):
    """A tile near a colour."""

    distance: float = Field(description="From the colour to its mean colour, CIE76.")


class NearestBuckets(BaseModel):
    """The buckets nearest to a colour."""

    colour: Colour = Field(description="The colour asked for.")
    buckets: list[NearBucket] = Field(description="Nearest first; a tile of the colour would go into the first.")


class NearestTiles(BaseModel):
    """The tiles nearest to a colour."""

    colour: Colour = Field(description="The colour asked for.")
    tiles: list[NearTile] = Field(description="Nearest first.")


class BucketTiles(Bucket):
    """A bucket and a page of its tiles."""

    count: int = Field(description="Tiles in it.")
    page: int = Field(description="This page.")
    limit: int = Field(description="Tiles a page.")
    pages: int = Field(description="Pages there are.")
    tiles: list[Tile] = Field(description="Those nearest to the bucket's colour first.")


class CoverageSummary(BaseModel):
    """What the library covers."""

    target_met: bool = Field(description="Whether the target is reached.")
    summary: str = Field(description="Where it stands, in a sentence.")
    statistics: str = Field(description="The overall figures, in half a sentence.")
    tiles: int = Field(description="Tiles in the library.")
    buckets_with_tiles: int = Field(description="Buckets that hold any.")
    asked: int = Field(description="Tiles asked for so far.")
    outcomes: dict[str, int] = Field(description="What became of them.")
    overall: dict[str, float] = Field(description="Coverage of all biomes together: `mosaic coverage --help`.")
    biomes: list[dict[str, Any]] = Field(description="Each biome's figures, with `status` and `why`.")
    sources: list[str] = Field(description="Where the imagery is from.")
    synthetic: bool = Field(description="Whether any tile's detail is made up.")
    made_at: str = Field(description="When this was put together.")


class Colours(BaseModel):
    """The colour library; lists have one entry a bucket."""

    buckets: int = Field(description="Number of buckets.", examples=[5000])
    cap: int = Field(description="Tiles that a full bucket holds.")
    floor: int = Field(description="Tiles that a filled bucket holds at least.")
    method: str = Field(description="How a tile's colour is defined.")
    note: str | None = Field(description="What to do when there are no tiles yet.")
    lab: list[Lab] = Field(description="Centroids.")
    rgb: list[str] = Field(description="Centroids as #rrggbb.")
    kept: list[int] = Field(description="Tiles in each bucket.")
    hits: list[int] = Field(description="Judged tiles that fell in each, before cap and duplicates.")
    states: list[State] = Field(description="State of each.")
    summary: CoverageSummary | None = Field(
        description="What `/api/coverage` answers; null when it answers with a problem."
    )
