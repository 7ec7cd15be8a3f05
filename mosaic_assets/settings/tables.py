"""The tables of settings that all data sets share, and those of the library and the archive."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A table of settings: unknown names are refused, so that a typing error does not pass unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(Table):
    """When a colour library counts as complete."""

    floor: int = Field(3, ge=1, description="Tiles a bucket must hold to count as filled.")
    share: float = Field(
        0.55, gt=0, le=1, description="Share of the estimated reachable buckets that must be filled, 0..1."
    )
    buckets: int | None = Field(
        None, ge=1, le=5000, description="Absolute number of filled buckets to reach instead of the share."
    )


class Limits(Table):
    """Where steering stops, whatever the target says."""

    max_rounds: int = Field(12, ge=1, description="Rounds a biome may take.")
    max_tiles: int = Field(200_000, ge=1, description="Tiles that may be planned in all biomes together.")
    max_runs_in_flight: int = Field(6, ge=1, description="Harvest runs asked for at a time; a wave is no larger.")
    min_useful_per_1000: float = Field(
        5.0,
        ge=0,
        description="A biome is saturated when 1,000 more tiles promise fewer useful ones than this.",
    )
    quarantine_after: int = Field(3, ge=1, description="Failures in a row after which a biome is left alone.")
    backoff_s: float = Field(60.0, ge=0, description="Pause after a failed run, doubled by each further one, seconds.")


class Network(Table):
    """How servers are talked to."""

    contact: str = Field("", description="Address put into the User-Agent so that a provider can reach you.")
    timeout_s: float = Field(
        20.0, gt=0, description="Seconds to wait for a connection, and for each part of an answer."
    )
    retries: int = Field(8, ge=0, description="Further tries after a passing failure (timeout, 429, 5xx).")
    backoff_s: float = Field(
        0.5, ge=0, description="Pause before the first further try, doubled each time up to 8 s, seconds."
    )
    max_retry_after_s: float = Field(60.0, ge=0, description="Longest Retry-After that is waited for, seconds.")
    max_body_bytes: int = Field(4_000_000, ge=1, description="An answer larger than this is refused, bytes.")


class Archive(Table):
    """How scene files become batches of the archive."""

    batch_size: int = Field(200, ge=1, le=300, description="Scenes of a batch; the last of a lot holds fewer.")
    settle_s: float = Field(
        5.0, ge=0, description="A file in the inbox is taken once it has not changed for so long, seconds."
    )
