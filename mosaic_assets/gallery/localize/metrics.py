"""How good the answers to many queries are: recall by overlap, distance on the ground, precision against coverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mosaic_assets.gallery.localize.records import ACCEPTED_FROM, Candidate, Query, polygon_of

RECALL_AT = (1, 5, 10, 20, 100)
"""A query counts at k when the footprint of one of the first k candidates overlaps its own."""

WITHIN_M = (25, 50, 100, 1000)
"""Distances between the true centre and that of the first candidate, metres on the WGS 84 ellipsoid."""

RIGHT_WITHIN_M = 100.0
"""An accepted answer is right up to this distance. It is the place that counts here; `WITHIN_M` says how exactly it was found."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a method made of a query."""

    query: str
    method: str
    kind: str
    scene: str
    nowhere: bool
    rank: int | None
    """Place of the first candidate that overlaps the query, from 1; None when none does."""
    error_m: float | None
    """Of the first candidate; None without a candidate or without a true place."""
    confidence: float
    """Of the first candidate; 0 without one."""
    inliers: int
    seconds: float
    processor_s: float
    """Of all threads."""
    query_bytes: int
    answer: tuple[tuple[float, float], ...] | None = None
    """Corners of the first candidate, (lng, lat); None without one, and in answers that were kept before this was."""

    @property
    def accepted(self) -> bool:
        """Whether the method stands by its answer."""
        return self.confidence >= ACCEPTED_FROM

    @property
    def right(self) -> bool:
        """Whether the first candidate is the place; never for a query that is nowhere."""
        return self.error_m is not None and self.error_m <= RIGHT_WITHIN_M


def judged(query: Query, method: str, candidates: Sequence[Candidate], seconds: float, processor_s: float) -> Asked:
    """Compare the candidates of a method with what is known of a query."""
    first = candidates[0] if candidates else None
    error = None
    if first is not None and query.truth is not None:
        error = ground_distance(query.truth, (first.lng, first.lat))
    return Asked(
        query.name, method, query.kind, query.scene, query.nowhere, _rank(query, candidates), error,
        first.confidence if first else 0.0, first.inliers if first else 0, round(seconds, 5), round(processor_s, 5),
        query.image.nbytes, first.footprint if first else None,
    )  # fmt: skip


def ground_distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Length of the shortest line between two places (lng, lat) on the WGS 84 ellipsoid, metres.

    Examples
    --------
    >>> round(ground_distance((0.0, 0.0), (1.0, 0.0))), round(ground_distance((0.0, 60.0), (1.0, 60.0)))
    (111319, 55799)
    """
    from pyproj import Geod

    return float(Geod(ellps="WGS84").inv(*one, *other)[2])


def _rank(query: Query, candidates: Sequence[Candidate]) -> int | None:
    if query.footprint is None or query.nowhere:
        return None
    true = polygon_of(query.footprint)
    hits = (at for at, one in enumerate(candidates, 1) if polygon_of(one.footprint).intersection(true).area > 0)
    return next(hits, None)


def summary(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the metrics of some queries as one row of a table; shares are 0..1, None where nothing could be measured."""
    placed = [one for one in asked if not one.nowhere]
    accepted = [one for one in asked if one.accepted]
    near = sorted(one.error_m for one in placed if one.error_m is not None)
    return {
        "queries": len(asked),
        **{f"recall@{k}": _share(placed, _ranked_within(k)) for k in RECALL_AT},
        **{f"within_{metres}_m": _share(placed, _near(metres)) for metres in WITHIN_M},
        "median_m": round(median(near), 2) if near else None,
        "median_right_m": _median([one.error_m for one in placed if one.right and one.error_m is not None]),
        "accepted": _share(asked, lambda one: one.accepted),
        "accepted_within_25_m": _share([one for one in accepted if one.right], _near(25)),
        "false_accepts": sum(not one.right for one in accepted),
        "seconds": round(median(one.seconds for one in asked), 4) if asked else None,
        "processor_s": round(median(one.processor_s for one in asked), 4) if asked else None,
        "query_bytes": round(sum(one.query_bytes for one in asked) / len(asked)) if asked else None,
    }


def grouped(asked: Sequence[Asked], key: Callable[[Asked], str]) -> list[dict[str, Any]]:
    """Return a row for each method and each value of a key, in the order in which they were met, "" left out."""
    groups: dict[tuple[str, str], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.method, key(one)), []).append(one)
    return [{"method": method, "group": name, **summary(some)} for (method, name), some in groups.items() if name]


def precision_by_coverage(asked: Sequence[Asked]) -> list[tuple[float, float, float]]:
    """Return (threshold, coverage, precision) for every threshold of confidence, from strict to none.

    Coverage is the share of all queries whose answer is accepted, precision the share of right answers among those.

    Examples
    --------
    >>> def of(confidence, error_m):
    ...     return Asked("", "", "", "", False, None, error_m, confidence, 0, 0.0, 0.0, 0)
    >>> precision_by_coverage([of(0.9, 3.0), of(0.5, 5000.0)])
    [(0.9, 0.5, 1.0), (0.5, 1.0, 0.5)]
    """
    points = []
    for threshold in sorted({one.confidence for one in asked if one.confidence > 0}, reverse=True):
        accepted = [one for one in asked if one.confidence >= threshold]
        points.append((threshold, len(accepted) / len(asked), sum(one.right for one in accepted) / len(accepted)))
    return points


def _share(asked: Sequence[Asked], holds: Callable[[Asked], bool]) -> float | None:
    return round(sum(map(holds, asked)) / len(asked), 4) if asked else None


def _ranked_within(count: int) -> Callable[[Asked], bool]:
    return lambda one: one.rank is not None and one.rank <= count


def _near(metres: float) -> Callable[[Asked], bool]:
    return lambda one: (math.inf if one.error_m is None else one.error_m) <= metres


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(median(found), 2) if found else None
