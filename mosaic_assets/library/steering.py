"""Which biomes to harvest next, and why: a pure function of what is known.

A biome ends as **met** (the target is reached), **saturated** (more of it promises too little), **exhausted** (no tiles,
rounds or budget left) or **quarantined** (its runs keep failing). Until then it is **wanted**, **harvesting** or
**waiting**. Nothing is asked for while runs are under way or rounds wait for their merge, so that every choice rests
on all that is known and the library does not depend on which run ended first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mosaic_assets.library.coverage import Coverage, LibraryState, coverage
from mosaic_assets.settings import Limits, Target


class Status(StrEnum):
    """Where a biome stands."""

    WANTED = "wanted"
    HARVESTING = "harvesting"
    WAITING = "waiting"
    MET = "met"
    SATURATED = "saturated"
    EXHAUSTED = "exhausted"
    QUARANTINED = "quarantined"


ENDED = frozenset({Status.MET, Status.SATURATED, Status.EXHAUSTED, Status.QUARANTINED})
"""Statuses in which a biome is asked for no more."""


@dataclass(frozen=True, slots=True)
class Failures:
    """A biome's failed runs since its last success."""

    count: int
    last_at: datetime
    reason: str = ""
    permanent: bool = False
    """True when trying again cannot help until somebody changes something."""

    def given_up(self, limits: Limits) -> bool:
        """Whether it is asked for no more until somebody mends it."""
        return self.permanent or self.count >= limits.quarantine_after

    def waits_until(self, limits: Limits, now: datetime) -> datetime | None:
        """When the next try is due: the pause doubles with every failure. None when it is due now."""
        ready = self.last_at + timedelta(seconds=limits.backoff_s * 2 ** (self.count - 1))
        return (
            ready if self.last_at <= now < ready else None
        )  # a failure yet to come is of before the clock was set back


@dataclass(frozen=True, slots=True)
class Verdict:
    """What steering makes of a biome."""

    biome: str
    status: Status
    reason: str
    rounds: int
    coverage: Coverage | None
    """None before the biome's first round."""
    score: float = 0.0
    """Useful tiles expected among the next 1,000; the higher, the sooner the biome's turn."""

    @property
    def statistics(self) -> str:
        """Seen, reachable, filled, discovery rate and predicted new buckets as half a sentence; empty before a round."""
        return self.coverage.statistics if self.coverage else ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next wave, and the verdict on every biome."""

    requests: list[str]
    verdicts: list[Verdict]
    overall: Coverage
    target_met: bool
    summary: str
    done: bool = False
    """True when no biome will be asked for again as things stand."""


def decide(
    weights: Mapping[str, float],
    state: LibraryState,
    target: Target,
    limits: Limits,
    *,
    in_flight: frozenset[str] = frozenset(),
    unmerged: int = 0,
    failures: Mapping[str, Failures] | None = None,
    replanned: frozenset[str] = frozenset(),
    now: datetime,
) -> Decision:
    """Choose the next wave of harvest rounds.

    Biomes never harvested come first, then those that promise most useful tiles. The wave ends early where its rounds
    are expected to fill what the library still lacks, since every round asked for is paid for in full.

    Parameters
    ----------
    weights : the biomes in force, with the weight each has before anything is known of it.
    state : the library's ledger.
    in_flight : biomes whose harvest is queued or running.
    unmerged : published rounds that the library lacks.
    failures : failed runs since the last success, for the biomes that have any.
    replanned : biomes whose place, seed, zoom or imagery changed since their last round: what was exhausted then is not.
    now : aware time, for back-off.

    Returns
    -------
    Requests are ordered by expected use; there are at most ``limits.max_runs_in_flight`` of them.
    """
    overall, each = coverage(state, target)
    met = overall.meets(target)

    def verdict_on(name: str, own_target_counts: bool) -> Verdict:
        failed = (failures or {}).get(name)
        case = _Case(name, each.get(name), state, met, own_target_counts, name in in_flight, failed, name in replanned)
        return _verdict(case, target, limits, now)

    def turn(verdict: Verdict) -> tuple[bool, float, str]:
        # Unknown biomes first, the heavier the sooner; then by what they promise. The name breaks ties.
        return verdict.rounds > 0, -(verdict.score if verdict.rounds else weights[verdict.biome]), verdict.biome

    verdicts = {name: verdict_on(name, own_target_counts=True) for name in weights}
    wanted = sorted((v for v in verdicts.values() if v.status is Status.WANTED), key=turn)
    if not met:
        # The library still lacks: biomes that filled their own buckets and promise more take the places left in the wave.
        reopened = [verdict_on(v.biome, own_target_counts=False) for v in verdicts.values() if v.status is Status.MET]
        promising = sorted((v for v in reopened if v.status is Status.WANTED), key=turn)
        wanted += promising[: max(0, limits.max_runs_in_flight - len(wanted))]
        verdicts.update((verdict.biome, verdict) for verdict in wanted)
    blocked = bool(in_flight) or unmerged > 0
    requests = [] if blocked else _wave(wanted[: limits.max_runs_in_flight], state, overall.lacking(target))
    done = not blocked and all(verdict.status in ENDED for verdict in verdicts.values())
    return Decision(
        requests,
        list(verdicts.values()),
        overall,
        met,
        _summary(overall, target, met, requests, in_flight, unmerged, done),
        done,
    )


def _wave(wanted: list[Verdict], state: LibraryState, lacking: float) -> list[str]:
    """Take biomes until their rounds are expected to fill the buckets that the library lacks."""
    wave: list[str] = []
    promised = 0.0
    for verdict in wanted:
        if verdict.coverage and wave and promised >= lacking:
            break
        wave.append(verdict.biome)
        if verdict.coverage:  # what a biome not harvested yet would fill is unknown
            promised += verdict.coverage.fills_per_1000 * state.rounds_of(verdict.biome)[-1].planned / 1000
    return wave


@dataclass(frozen=True, slots=True)
class _Case:
    """What there is to know of one biome."""

    biome: str
    cover: Coverage | None
    state: LibraryState
    library_met: bool
    own_target_counts: bool
    in_flight: bool
    failed: Failures | None
    replanned: bool


def _verdict(case: _Case, target: Target, limits: Limits, now: datetime) -> Verdict:
    cover, failed, state = case.cover, case.failed, case.state
    rounds = state.rounds_of(case.biome)
    score = cover.useful_per_1000 if cover else 1000.0

    def say(status: Status, reason: str) -> Verdict:
        return Verdict(case.biome, status, reason, len(rounds), cover, score)

    if case.in_flight:
        return say(Status.HARVESTING, "a run is queued or under way")
    if case.library_met:
        return say(Status.MET, "the library's target is reached")
    if failed and failed.given_up(limits):
        return say(
            Status.QUARANTINED,
            f"{failed.count} failed run(s) in a row: {failed.reason}; run it by hand once it is mended",
        )
    if rounds and rounds[-1].exhausted and not case.replanned:
        return say(Status.EXHAUSTED, f"all {sum(r.planned for r in rounds):,} tiles of the place were asked for")
    if case.own_target_counts and target.buckets is None and cover and cover.meets(target):
        return say(
            Status.MET,
            f"{cover.filled} of about {cover.reachable:.0f} reachable buckets are filled ({cover.share:.0%})",
        )
    if len(rounds) >= limits.max_rounds:
        return say(Status.EXHAUSTED, f"the limit of {limits.max_rounds} rounds is reached")
    if state.planned >= limits.max_tiles:
        return say(Status.EXHAUSTED, f"the limit of {limits.max_tiles:,} tiles is reached")
    if cover and score < limits.min_useful_per_1000:
        return say(
            Status.SATURATED,
            f"1,000 more tiles promise {score:.1f} useful ones, the limit is {limits.min_useful_per_1000:g}",
        )
    if failed and (ready := failed.waits_until(limits, now)):
        return say(
            Status.WAITING, f"{failed.count} failed run(s): {failed.reason}; next try after {ready:%H:%M:%S} UTC"
        )
    if not rounds:
        return say(Status.WANTED, "not harvested yet")
    if cover is None:
        return say(Status.EXHAUSTED, f"none of its {sum(r.planned for r in rounds):,} tiles could be judged")
    return say(Status.WANTED, f"1,000 more tiles promise {score:.0f} useful ones")


def _summary(
    overall: Coverage,
    target: Target,
    met: bool,
    requests: list[str],
    in_flight: frozenset[str],
    unmerged: int,
    done: bool,
) -> str:
    goal = f"{target.buckets} buckets" if target.buckets else f"{target.share:.0%} of about {overall.reachable:.0f}"
    where = f"{overall.filled} buckets hold {target.floor} or more tiles; target {goal}"
    if in_flight:
        return f"{where}; {len(in_flight)} harvest run(s) under way"
    if unmerged:
        return f"{where}; {unmerged} round(s) wait for their merge"
    if met:
        return f"{where}: met"
    if done:
        return f"{where}: not met, and no biome can bring more (see the verdicts)"
    return f"{where}; asking for {', '.join(requests)}" if requests else f"{where}; waiting"
