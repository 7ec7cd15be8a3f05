"""Batches of pairs to test with, published an edition later each time, and ways of asking them and the index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from shapely import Geometry, box

from mosaic_assets.csquares import cover, cover_many
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.search import open_index
from mosaic_assets.store.csquare_records import Scene, Stamp, sort_key

START = datetime(2003, 6, 21, 6, 23, tzinfo=UTC)

REFERENCE_SQL = """
select distinct A.scene_id, B.satellite, B.scene_date_time, B.image_location
from satdata_csq_all A, scene_info B
where (A.csquare = $search_csq
    or A.csquare = substr($search_csq, 1, 8) || ':*'
    or A.csquare = substr($search_csq, 1, 6) || '**:*'
    or A.csquare = substr($search_csq, 1, 4) || ':***:*')
  and ($startdate is null or B.scene_date_time > $startdate)
  and ($enddate is null or B.scene_date_time < $enddate)
  and ($sat = 'any' or B.satellite = $sat)
  and A.scene_id = B.scene_id
order by B.scene_date_time, B.satellite
"""
"""The SQL of reference 5, slide 17, with the signs that its text lost put back."""


def publish(
    folder: Path, batch: str, scenes: Sequence[Scene], geometries: Sequence[Geometry], *, edition: int = 0
) -> Stamp:
    """Publish a batch; later editions are later ones."""
    published_at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=edition)
    return write_pairs(folder, batch, scenes, cover_many(geometries, 0.5), published_at=published_at)


def scenes(count: int, *, platforms: Sequence[str] = ("NOAA-12", "NOAA-14"), start: datetime = START) -> list[Scene]:
    """Return scenes an hour apart."""
    return [
        Scene(
            id=f"h{number:04d}",
            platform=platforms[number % len(platforms)],
            instrument="AVHRR",
            time=start + timedelta(hours=number),
            image_location=f"tape/{number}",
            thumbnail=f"gif/{number}.gif",
            source="CSIRO",
            licence="CC-BY-4.0",
        )
        for number in range(count)
    ]


def ask_reference_sql(folder: Path, square: str, **asked: Any) -> list[tuple[Any, ...]]:
    """Run reference 5's SQL on the files of pairs."""
    files = (folder / "pairs" / "*.parquet").as_posix()
    given = {"search_csq": square, "startdate": None, "enddate": None, "sat": "any", **asked}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create view satdata_csq_all as select scene_id, csquare from '{files}'")
        connection.execute(
            "create view scene_info as select distinct scene_id, platform as satellite, time as scene_date_time, "
            f"image_location from '{files}'"
        )
        return connection.execute(REFERENCE_SQL, given).fetchall()


AREAS = [
    box(140, -50, 150, -40),  # one code of 10 degrees
    box(140, -45, 145, -40),  # one of 5
    box(140, -41, 141, -40),  # one of 1
    box(140, -40.5, 140.5, -40),  # one of 0.5
    box(138.2, -47.3, 146.9, -38.1),  # some of each
    box(-3.3, -2.2, 4.4, 7.7),
]
SQUARES = ["3414", "3414:1", "3414:100", "3414:100:1", "3414:227:4", "3313:4", "1000", "7000:1", "3414:205", "1817"]


def answers(folder: Path) -> dict[str, Any]:
    """Return all that the index says."""
    with open_index(folder) as index:
        found: dict[str, Any] = {code: index.ids(codes=code).tolist() for code in SQUARES}
        found["scenes"] = index.search(limit=1000).scenes
        found["squares"] = {scene.id: index.squares_of(scene.id) for scene in found["scenes"]}
        found["span"] = index.ids(start=START + timedelta(hours=2), end=START + timedelta(hours=5)).tolist()
        found["platforms"] = {name: index.count(codes="3414", platform=name) for name in index.platforms()}
    return found


def model_answers(held: dict[str, tuple[Scene, Geometry]]) -> dict[str, Any]:
    """Return what the index should say, from lists of plain codes."""
    ordered = sorted((scene for scene, _ in held.values()), key=sort_key)
    squares = {scene.id: cover(held[scene.id][1], 0.5) for scene in ordered}

    def includes(scene: Scene, code: str) -> bool:
        return any(square.startswith(code) for square in squares[scene.id])

    names = sorted({scene.platform for scene in ordered})
    span = (START + timedelta(hours=2), START + timedelta(hours=5))
    return {
        **{code: [scene.id for scene in ordered if includes(scene, code)] for code in SQUARES},
        "scenes": ordered,
        "squares": squares,
        "span": [scene.id for scene in ordered if scene.time and span[0] <= scene.time < span[1]],
        "platforms": {name: sum(includes(s, "3414") for s in ordered if s.platform == name) for name in names},
    }
