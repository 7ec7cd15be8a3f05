"""What is known of an imagery source, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BulkUse(StrEnum):
    """What a provider's terms say about fetching many tiles and keeping them."""

    ALLOWED = "allowed"
    ASK = "ask"
    """Not clearly allowed: the user must have read the terms and say so."""
    FORBIDDEN = "forbidden"
    """Forbidden to the general public: only with an agreement of the user's own, acknowledged and recorded."""


class SourceRecord(BaseModel):
    """One imagery source: where it is, what it may be asked for, and what must travel with its tiles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The name users give to `--source`.")
    kind: Literal["embedded", "xyz", "raster"]
    title: str = ""
    imagery: str = Field(
        "", description="What the pictures are, whatever they come through; tile ids derive from it. Default: the name."
    )
    release: str = Field("1", description="Edition of the imagery; tile ids derive from it.")
    url: str = Field("", description="xyz: template with {z}, {x}, {y} and, if needed, {release} and {key}.")
    key_variable: str = Field("", description="xyz: environment variable that holds the access key for {key}.")
    y_from_south: bool = Field(False, description="xyz: True for the TMS scheme, whose y counts from the south.")
    paths: tuple[str, ...] = Field(
        (), description="raster: files or glob patterns; the first that covers a pixel wins."
    )
    min_zoom: int = Field(0, ge=0, le=24)
    max_zoom: int = Field(19, ge=0, le=24)
    default_zoom: int = Field(15, ge=0, le=24)
    licence: str = Field(description="Name of the licence, as the provider writes it.")
    licence_url: str = ""
    attribution: str = Field(description="The line a provider wants to see beside its imagery.")
    terms_url: str = ""
    bulk_use: BulkUse = BulkUse.ASK
    synthetic: bool = Field(False, description="True when any part of the picture is made up.")
    requests_per_s: float | None = Field(
        None, gt=0, description="xyz: limit a host, requests a second; None: no limit."
    )
    max_connections: int = Field(4, ge=1, le=64, description="xyz: requests in flight at a time.")
    placeholder_sha256: tuple[str, ...] = Field((), description="SHA-256 of pictures that mean 'no imagery here'.")
    repeats_are_placeholders: bool = Field(
        False, description="True: identical bytes at distant places are a placeholder, unless the tile is flat."
    )

    @property
    def identity(self) -> tuple[str, str]:
        """(imagery, release): what tile ids derive from."""
        return self.imagery or self.name, self.release
