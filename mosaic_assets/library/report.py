"""Tables and figures of the library, the same for the UI, the command line and files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mosaic_assets.core.records import Outcome
from mosaic_assets.library import pictures
from mosaic_assets.library.biomes import load_biomes
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets.library.coverage import LibraryState, read_state
from mosaic_assets.library.plan import replanned_biomes
from mosaic_assets.library.steering import Decision, Verdict, decide
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import make_folder, write_bytes
from mosaic_assets.store.library_db import has_library, open_library


def biome_table(state: LibraryState, decision: Decision) -> list[dict[str, Any]]:
    """One row a biome: rounds, outcomes, coverage, and the verdict with its reason.

    ``buckets`` are those seen, ``filled`` those at the floor, ``reachable`` is Chao1's estimate, ``discovery rate`` the
    probability that the next tile finds a new bucket (Good-Turing; 1.0 before the first), ``new per 1,000`` the new
    buckets expected among 1,000 more tiles (Good-Toulmin). `mosaic_assets.core.species` has formulas and sources.
    """
    return [_biome_row(state, verdict) for verdict in decision.verdicts]


def _biome_row(state: LibraryState, verdict: Verdict) -> dict[str, Any]:
    rounds, cover = state.rounds_of(verdict.biome), verdict.coverage
    outcomes: Counter[str] = Counter()
    for merged in rounds:
        outcomes.update(merged.outcomes)
    return {
        "biome": verdict.biome,
        "rounds": len(rounds),
        "asked": sum(merged.planned for merged in rounds),
        "kept": outcomes[Outcome.KEPT],
        "full": outcomes[Outcome.BUCKET_FULL],
        "duplicate": outcomes[Outcome.DUPLICATE] + outcomes[Outcome.FLAT],
        "no picture": sum(
            outcomes[o]
            for o in (
                Outcome.MISSING,
                Outcome.PLACEHOLDER,
                Outcome.NOT_AN_IMAGE,
                Outcome.WRONG_SIZE,
                Outcome.REFUSED,
            )
        ),
        "failed": outcomes[Outcome.FETCH_FAILED],
        "buckets": cover.seen if cover else 0,
        "filled": cover.filled if cover else 0,
        "reachable": round(cover.reachable) if cover else 0,
        "discovery rate": round(cover.discovery_rate, 4) if cover else 1.0,
        "new per 1,000": round(cover.new_per_1000, 1) if cover else 1000.0,
        "status": str(verdict.status),
        "why": verdict.reason,
    }


def outcome_totals(state: LibraryState) -> dict[str, int]:
    """Planned tiles by outcome, over all merged rounds."""
    totals: Counter[str] = Counter()
    for merged in state.rounds:
        totals.update(merged.outcomes)
    return dict(sorted(totals.items()))


def summary(settings: Settings, decision: Decision, state: LibraryState) -> dict[str, Any]:
    """Everything a program wants to know of the coverage, as plain values."""
    return {
        "target_met": decision.target_met,
        "summary": decision.summary,
        "statistics": decision.overall.statistics,
        "tiles": int(state.kept.sum()),
        "buckets_with_tiles": int((state.kept > 0).sum()),
        "asked": state.planned,
        "outcomes": outcome_totals(state),
        "overall": {**asdict(decision.overall), "share": decision.overall.share},
        "biomes": biome_table(state, decision),
        "sources": sorted({merged.source for merged in state.rounds}),
        "synthetic": _is_synthetic(settings),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def current_decision(settings: Settings, state: LibraryState | None = None) -> Decision:
    """What steering would do now, leaving aside runs under way and failures, which only the orchestration knows."""
    state = state or read_state(settings)
    weights = {name: biome.weight for name, biome in load_biomes(settings).items()}
    replanned = replanned_biomes(settings)
    return decide(weights, state, settings.target, settings.limits, now=datetime.now(UTC), replanned=replanned)


def draw_all(settings: Settings, state: LibraryState) -> dict[str, bytes]:
    """Every picture of the report by its file name."""
    floor, cap = settings.target.floor, settings.bucket_cap
    drawn = {
        "ab_plane.png": pictures.ab_plane(state, load_centroids(settings.library).lab, floor, cap),
        "fill.png": pictures.fill_histogram(state, floor, cap),
        "discovery.png": pictures.discovery_curve(state),
    }
    sheet = pictures.newest_tiles(settings)
    return {**drawn, "newest_tiles.png": sheet} if sheet else drawn


def write_report(settings: Settings) -> tuple[dict[str, Any], dict[str, bytes], Path]:
    """Write ``reports/coverage.json`` and its pictures below the data home; return them and the folder."""
    state = read_state(settings)
    decision = current_decision(settings, state)
    folder = make_folder(settings.home / "reports")
    content, drawn = summary(settings, decision, state), draw_all(settings, state)
    for name, png in drawn.items():
        write_bytes(folder / name, png, f"writing {name}")
    write_bytes(folder / "coverage.json", json.dumps(content, indent=1).encode(), "writing the coverage report")
    return content, drawn, folder


def _is_synthetic(settings: Settings) -> bool:
    if not has_library(settings.library):
        return False
    with open_library(settings.library) as database:
        return bool(database.query("SELECT max(synthetic) FROM provenance")[0][0])
