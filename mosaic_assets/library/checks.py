"""What must hold of a library, each as a function that looks and tells; nothing here changes anything."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.core.phash import to_hex
from mosaic_assets.core.records import Outcome
from mosaic_assets.errors import MosaicError
from mosaic_assets.library.biomes import Biome, load_biomes
from mosaic_assets.library.centroids import BUCKETS, CENTROIDS_META, load_centroids
from mosaic_assets.library.coverage import coverage, read_state
from mosaic_assets.library.picture_checks import pictures_are_tiles, stored_values_are_recomputable
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import open_library
from mosaic_assets.store.round_reading import read_header, read_rows
from mosaic_assets.store.rounds import published_rounds, round_path

PROVENANCE_TEXTS = (
    "source",
    "imagery",
    "release",
    "biome",
    "fetched_at",
    "sha256",
    "licence",
    "attribution",
    "csquare",
)
"""Columns of the provenance that no tile leaves empty."""


def centroids_are_the_published_ones(settings: Settings, scope: Scope) -> CheckResult:
    """Centroids are 5,000 finite LAB colours with the recorded SHA-256 and colour method, and the library's own."""
    del scope
    centroids = load_centroids(settings.library)
    return CheckResult(
        True,
        f"{len(centroids.lab):,} centroids, SHA-256 {centroids.record.sha256[:16]}...",
        {"sha256": centroids.record.sha256, "colour method": centroids.record.colour_method},
    )


def biomes_are_places(settings: Settings, scope: Scope) -> CheckResult:
    """Every biome has a geometry on Earth and a weight."""
    del scope
    biomes = load_biomes(settings)
    areas = {name: biome.geometry().area for name, biome in biomes.items()}
    return CheckResult(all(area > 0 for area in areas.values()), f"{len(areas)} biomes", {"square degrees": areas})


def rounds_are_complete(settings: Settings, scope: Scope) -> CheckResult:
    """Every round file has one row for each planned tile, each with a known outcome, and the bytes it promises."""
    problems, seen = [], 0
    for biome, numbers in published_rounds(settings.harvest).items():
        for number in numbers if scope is Scope.ALL else numbers[-1:]:
            path = round_path(settings.harvest, biome, number)
            try:
                problems += [f"{path.name} of {biome}: {problem}" for problem in _round_problems(path)]
            except MosaicError as error:  # the others are looked at all the same
                problems.append(str(error))
            seen += 1
    return result_of(problems, f"{seen} round file(s)")


def rows_and_files_agree(settings: Settings, scope: Scope) -> CheckResult:
    """Every row has its file, every file its row, and `temp/` is empty."""
    del scope
    with open_library(settings.library) as database:
        rows = {str(row[0]) for row in database.query("SELECT filepath FROM tiles")}
    root = settings.library.parent
    files = {path.relative_to(root).as_posix() for path in settings.library.glob("bucket_*/*")}
    leftovers = [path.name for path in (settings.library / "temp").glob("*")]
    problems = [f"no file for row {path}" for path in sorted(rows - files)]
    problems += [f"no row for file {path}" for path in sorted(files - rows)]
    problems += [f"left in temp: {name}" for name in sorted(leftovers)]
    return result_of(problems, f"{len(rows):,} rows, {len(files):,} files")


def no_bucket_exceeds_the_cap(settings: Settings, scope: Scope) -> CheckResult:
    """No bucket holds more tiles than the cap."""
    del scope
    with open_library(settings.library) as database:
        rows = database.query("SELECT bucket_id, count(*) FROM tiles GROUP BY bucket_id ORDER BY 2 DESC")
    problems = [f"bucket {bucket} holds {count}" for bucket, count in rows if count > settings.bucket_cap]
    fullest = rows[0][1] if rows else 0
    return result_of(problems, f"{len(rows):,} buckets, the fullest holds {fullest} of {settings.bucket_cap}")


def no_exact_duplicate_in_a_bucket(settings: Settings, scope: Scope) -> CheckResult:
    """No two tiles of a bucket share a perceptual hash."""
    del scope
    with open_library(settings.library) as database:
        rows = database.query(
            "SELECT bucket_id, phash, count(*) FROM tiles GROUP BY bucket_id, phash HAVING count(*) > 1"
        )
        total = database.count()
    return result_of([f"bucket {b}: {n} tiles with hash {h}" for b, h, n in rows], f"{total:,} tiles")


def packed_hashes_agree(settings: Settings, scope: Scope) -> CheckResult:
    """The packed hashes, by which near-duplicates are found, are those of the tiles' rows."""
    del scope
    with open_library(settings.library) as database, database.reading():
        rows = Counter(str(row[0]) for row in database.query("SELECT phash FROM tiles"))
        packed = Counter(to_hex(database.hashes()))
    problems = [f"{code} is packed {packed[code]} times, {rows[code]} tiles have it" for code in packed - rows]
    problems += [f"{code} of a tile is not packed" for code in rows - packed]
    return result_of(problems, f"{rows.total():,} hashes")


def provenance_is_complete(settings: Settings, scope: Scope) -> CheckResult:
    """Every tile says where it lies, where it came from, when, and under which licence and attribution."""
    del scope
    empty = " OR ".join(f"p.{name} = ''" for name in PROVENANCE_TEXTS)
    with open_library(settings.library) as database:
        rows = database.query(
            f"SELECT t.id FROM tiles t LEFT JOIN provenance p USING (id) WHERE p.id IS NULL OR {empty}"
        )
        total = database.count()
    return result_of([f"tile {row[0]}" for row in rows], f"{total:,} tiles")


def tiles_lie_in_their_biome(settings: Settings, scope: Scope) -> CheckResult:
    """Every tile meets the geometry of the biome it was harvested for (rounds of an earlier geometry are left out)."""
    del scope
    biomes, problems, seen, strangers = load_biomes(settings), [], 0, set()
    moved: dict[str, list[int]] = {}
    with open_library(settings.library) as database:
        names = [str(row[0]) for row in database.query("SELECT DISTINCT biome FROM provenance")]
        for name in names:
            if name not in biomes:
                strangers.add(name)
                continue
            earlier = _rounds_of_an_earlier_place(settings, biomes[name])
            if earlier:
                moved[name] = earlier
            marks = ", ".join("?" * len(earlier))
            rows = database.query(
                f"SELECT id, west, south, east, north FROM provenance WHERE biome = ? AND round NOT IN ({marks})",
                (name, *earlier),
            )
            problems += [f"tile {row} lies outside {name}" for row in _outside(rows, biomes[name].geometry())]
            seen += len(rows)
    left_out = {"biomes no longer in the settings": sorted(strangers), "rounds of an earlier geometry": moved}
    return result_of(problems, f"{seen:,} tiles", left_out)


def _rounds_of_an_earlier_place(settings: Settings, biome: Biome) -> list[int]:
    """Rounds that were planned before somebody changed the biome's geometry; their tiles were right then."""
    numbers = published_rounds(settings.harvest).get(biome.name, [])
    headers = [read_header(round_path(settings.harvest, biome.name, number)) for number in numbers]
    place = biome.fingerprint()
    return [header.round for header in headers if header.place not in ("", place)]


def ledger_adds_up(settings: Settings, scope: Scope) -> CheckResult:
    """Outcomes add up to the planned tiles, kept ones and bucket counts to the rows, and the database is intact."""
    del scope
    with open_library(settings.library) as database, database.reading():
        problems = [
            f"round {r.round} of {r.biome}: {sum(r.outcomes.values())} outcomes for {r.planned} planned tiles"
            for r in database.rounds()
            if sum(r.outcomes.values()) != r.planned
        ]
        rows = dict(database.query("SELECT bucket_id, count(*) FROM tiles GROUP BY bucket_id"))
        counts = dict(database.query("SELECT bucket_id, kept FROM buckets"))
        problems += [
            f"bucket {bucket} holds {rows.get(bucket, 0)} rows, its count says {counts.get(bucket, 0)}"
            for bucket in sorted({*rows, *counts})
            if rows.get(bucket, 0) != counts.get(bucket, 0)
        ]
        problems += [f"bucket {bucket} does not exist" for bucket in sorted(rows) if bucket not in range(BUCKETS)]
        kept = sum(merged.outcomes.get(Outcome.KEPT, 0) for merged in database.rounds())
        if kept != sum(rows.values()):
            problems.append(f"the ledger says that {kept} tiles were kept, there are {sum(rows.values())} rows")
        problems += [str(row[0]) for row in database.query("PRAGMA integrity_check") if row[0] != "ok"]
        if database.meta(CENTROIDS_META) is None:
            problems.append("the library does not say which centroids it was built with")
        rounds = len(database.rounds())
    return result_of(problems, f"{rounds} merged rounds")


def coverage_target_is_met(settings: Settings, scope: Scope) -> CheckResult:
    """The coverage target is reached (a warning only: the library is sound, but not finished)."""
    del scope
    overall, _ = coverage(read_state(settings), settings.target)
    goal = (
        f"{settings.target.buckets} buckets"
        if settings.target.buckets
        else f"{settings.target.share:.0%} of about {overall.reachable:.0f} reachable ones"
    )
    return CheckResult(
        overall.meets(settings.target),
        f"{overall.filled} buckets hold {settings.target.floor} or more tiles; the target is {goal}",
        {"share": overall.share, "reachable": overall.reachable, "filled": overall.filled},
    )


CHECKS: tuple[Check, ...] = tuple(
    Check(run.__name__, asset, blocking, run)
    for asset, blocking, run in (
        ("lab_centroids", True, centroids_are_the_published_ones),
        ("biomes", True, biomes_are_places),
        ("harvested_tiles", True, rounds_are_complete),
        ("bucketed_library", True, rows_and_files_agree),
        ("bucketed_library", True, pictures_are_tiles),
        ("bucketed_library", True, stored_values_are_recomputable),
        ("bucketed_library", True, no_bucket_exceeds_the_cap),
        ("bucketed_library", True, no_exact_duplicate_in_a_bucket),
        ("bucketed_library", True, packed_hashes_agree),
        ("bucketed_library", True, provenance_is_complete),
        ("bucketed_library", True, tiles_lie_in_their_biome),
        ("bucketed_library", True, ledger_adds_up),
        ("coverage_report", False, coverage_target_is_met),
    )
)
"""Every check, in the order of the lineage. Those that do not block only warn."""


def _round_problems(path: Path) -> Iterator[str]:
    header, position, merged = read_header(path), 0, False
    for batch in read_rows(path, bodies=True):
        for row in batch:
            if row["position"] != position:
                yield f"row {position} has position {row['position']}"
            if row["outcome"] not in set(Outcome):
                yield f"position {position}: unknown outcome {row['outcome']!r}"
            merged = "body" not in row
            body = row.get("body")
            if not merged and row["outcome"] == Outcome.CANDIDATE and body is None:
                yield f"position {position}: a candidate without bytes"
            if body is not None and hashlib.sha256(body).hexdigest() != row["sha256"]:
                yield f"position {position}: the bytes do not have their recorded SHA-256"
            position += 1
    if position != header.planned:
        yield f"{position} rows for {header.planned} planned tiles"


def _outside(rows: list[tuple[Any, ...]], geometry: Any) -> list[str]:
    import shapely

    if not rows:
        return []
    shapely.prepare(geometry)
    boxes = shapely.box(*np.array([row[1:] for row in rows], float).T)
    meets = shapely.intersects(geometry, boxes) & ~shapely.touches(geometry, boxes)
    return [str(row[0]) for row, inside in zip(rows, meets, strict=True) if not inside]
