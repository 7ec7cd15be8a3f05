"""An imagery source in memory, small places to harvest, and ways of looking at the library that comes out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mosaic_assets.core.imaging import encode_jpeg, encode_png
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.library.harvest import HarvestReport, harvest_round
from mosaic_assets.library.merge import MergeReport, merge_rounds
from mosaic_assets.settings import Settings
from mosaic_assets.sources.records import BulkUse, SourceRecord
from mosaic_assets.store.round_reading import read_rows

MOMENT = datetime(2024, 6, 15, 12, tzinfo=UTC)

RECORD = SourceRecord(
    name="painted",
    kind="embedded",
    licence="CC0",
    attribution="nobody",
    bulk_use=BulkUse.ALLOWED,
    repeats_are_placeholders=True,
)

ZOOM = 8
"""Tiles of 1.40625 degrees: a box of 20 x 20 degrees at the equator holds 15 x 15 of them."""

WEST, EAST, NORTH = [0.5, 0.5, 20, 20], [40.5, 0.5, 60, 20], [0.5, 40.5, 20, 60]
PLACES: dict[str, dict[str, Any]] = {"west": {"box": WEST}, "east": {"box": EAST}, "north": {"box": NORTH}}

Answer = bytes | Outcome | BaseException


def seed_of(tile: Tile, salt: int = 0) -> int:
    return int.from_bytes(hashlib.sha256(f"{tile}/{salt}".encode()).digest()[:8], "big")


def texture(seed: int, rgb: Sequence[float] | None = None, swing: int = 12) -> np.ndarray:
    """Coarse noise about a colour, whose mean is that colour: uint8 (256, 256, 3)."""
    random = np.random.default_rng(seed)
    colour = random.uniform(60, 200, 3) if rgb is None else np.asarray(rgb, float)
    noise = random.integers(-swing, swing + 1, (16, 32, 1))
    noise = np.concatenate([noise, -noise])[random.permutation(32)]
    return np.clip(np.rint(colour + np.kron(noise, np.ones((8, 8, 1)))), 0, 255).astype(np.uint8)


def colourful(tile: Tile) -> Answer:
    """A JPEG of one of ten colours, with a texture of its own."""
    number = seed_of(tile) % 10
    return encode_jpeg(texture(seed_of(tile), (70 + 13 * number, 190 - 9 * number, 60 + 5 * number)))


def one_colour(tile: Tile) -> Answer:
    return encode_png(texture(seed_of(tile), (120, 110, 90)))


@dataclass
class PaintedSource:
    """Answers each tile with what ``paint`` says: bytes, an outcome, or an exception to raise."""

    paint: Callable[[Tile], Answer] = colourful
    record: SourceRecord = RECORD
    asked: list[Tile] = field(default_factory=list)

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        for tile in tiles:
            self.asked.append(tile)
            answer = self.paint(tile)
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, Outcome):
                yield Fetched(tile, None, answer, MOMENT, detail="so painted")
            else:
                yield Fetched(tile, answer, None, MOMENT, etag="e", content_type="image/jpeg")

    def __enter__(self) -> PaintedSource:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def answering(*answers: Answer, then: Callable[[Tile], Answer] = colourful) -> Callable[[Tile], Answer]:
    """Paint the first tiles with the given answers, the others with ``then``."""
    left = list(answers)

    def paint(tile: Tile) -> Answer:
        return left.pop(0) if left else then(tile)

    return paint


def harvest(settings: Settings, *names: str, paint: Callable[[Tile], Answer] = colourful) -> list[HarvestReport]:
    return [harvest_round(name, settings, source=PaintedSource(paint)) for name in names]


def staged_pictures(settings: Settings) -> list[Path]:
    """Pictures made ahead that wait for the merge of their rounds."""
    return sorted(settings.harvest.glob("*/round-*.staged/*"))


def forget_staged(settings: Settings, every: int = 1) -> None:
    """Remove each picture that was made ahead, or each second: the merge then makes it of the source bytes."""
    for path in staged_pictures(settings)[::every]:
        path.unlink()


def grow(settings: Settings, waves: int = 1, paint: Callable[[Tile], Answer] = colourful) -> list[MergeReport]:
    """Harvest every biome once and merge, as often as told."""
    reports = []
    for _ in range(waves):
        harvest(settings, *settings.biomes, paint=paint)
        reports.append(merge_rounds(settings))
    return reports


def ask(settings: Settings, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        return connection.execute(sql, values).fetchall()


def tile_rows(settings: Settings) -> list[tuple[Any, ...]]:
    return ask(settings, "SELECT * FROM tiles ORDER BY id")


def pictures(settings: Settings) -> dict[str, bytes]:
    """Pixels of every picture below the buckets, by its path relative to the home."""
    return {
        path.relative_to(settings.home).as_posix(): np.asarray(Image.open(path)).tobytes()
        for path in settings.library.glob("bucket_*/*")
    }


def ledger(settings: Settings) -> list[tuple[Any, ...]]:
    """What is recorded of the rounds, without the numbers and times of the merges."""
    return ask(settings, "SELECT biome, round, planned, exhausted, outcomes, new_buckets FROM rounds ORDER BY 1, 2")


def everything(settings: Settings) -> dict[str, Any]:
    """All that must not depend on what happened on the way to the library."""
    provenance = "SELECT id, z, x, y, biome, round, position, sha256, licence, csquare FROM provenance ORDER BY id"
    return {
        "tiles": tile_rows(settings),
        "pictures": pictures(settings),
        "ledger": ledger(settings),
        "provenance": ask(settings, provenance),
        "hits": ask(settings, "SELECT * FROM hits ORDER BY 1, 2"),
        "buckets": ask(settings, "SELECT * FROM buckets ORDER BY 1"),
        "discards": ask(settings, "SELECT * FROM discards ORDER BY 1, 2, 3"),
        "pending": ask(settings, "SELECT * FROM pending"),
        "temp": [path.name for path in (settings.library / "temp").iterdir()],
    }


def outcomes(settings: Settings) -> dict[str, int]:
    """Outcomes of all merged tiles, from the ledger."""
    total: dict[str, int] = {}
    for (text,) in ask(settings, "SELECT outcomes FROM rounds"):
        for outcome, count in json.loads(text).items():
            total[outcome] = total.get(outcome, 0) + count
    return total


def round_rows(path: Path) -> list[dict[str, Any]]:
    return [row for batch in read_rows(path, bodies=True) for row in batch]


def final_outcomes(settings: Settings, path: Path) -> list[str]:
    """What became of each tile of a merged round, by position: its row in ``discards``, or in ``tiles``, or in the file."""
    biome, number = path.parent.name, int(path.stem.removeprefix("round-"))
    where = "WHERE biome = ? AND round = ?"
    discarded = dict(ask(settings, f"SELECT position, outcome FROM discards {where}", biome, number))
    kept = dict(ask(settings, f"SELECT position, 'kept' FROM provenance {where}", biome, number))
    assert not set(discarded) & set(kept)
    return [(discarded | kept).get(row["position"], row["outcome"]) for row in round_rows(path)]
