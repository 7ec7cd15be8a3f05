"""Steering as a pure function: what is asked for, what ends, and why."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.library.coverage import LibraryState, coverage
from mosaic_assets.library.steering import Failures, Status, decide
from mosaic_assets.settings import Limits, Target
from mosaic_assets.store.library_records import MergedRound

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TARGET = Target(floor=3, share=0.8)
POOR = {1: 50, 2: 1, 3: 1, 4: 1, 5: 1}  # one common bucket, four met once: much left to find
RICH = {1: 50, 2: 40, 3: 30, 4: 20}  # everything met often


def merged(biome, number=1, *, exhausted=False, planned=100):
    return MergedRound(
        biome,
        number,
        "embedded",
        "embedded",
        "1",
        15,
        planned,
        exhausted,
        {"kept": planned},
        1,
        0,
        1.0,
        number,
        NOW,
        NOW,
    )


def state(hits, rounds=None, kept=None):
    filled = np.zeros(BUCKETS, np.int64)
    for counts in hits.values():
        for bucket, count in counts.items():
            filled[bucket] = min(100, filled[bucket] + count)
    for bucket, count in (kept or {}).items():
        filled[bucket] = count
    return LibraryState(filled, hits, rounds or [merged(biome) for biome in hits])


def ask(weights, known, target=TARGET, limits=None, **more):
    return decide(dict.fromkeys(weights, 1.0), known, target, limits or Limits(), now=NOW, **more)


def status_of(decision, biome):
    return next(verdict for verdict in decision.verdicts if verdict.biome == biome)


EMPTY = LibraryState(np.zeros(BUCKETS, np.int64), {}, [])


def test_an_empty_library_asks_for_every_biome_the_heavier_first():
    decision = decide({"a": 1.0, "b": 5.0, "c": 3.0}, EMPTY, TARGET, Limits(), now=NOW)
    assert decision.requests == ["b", "c", "a"]


def test_a_wave_is_no_larger_than_the_runs_allowed_in_flight():
    decision = ask("abcdef", EMPTY, limits=Limits(max_runs_in_flight=2))
    assert decision.requests == ["a", "b"]


def test_nothing_is_asked_for_while_a_run_is_under_way():
    decision = ask("ab", EMPTY, in_flight=frozenset({"a"}))
    assert decision.requests == []
    assert status_of(decision, "a").status is Status.HARVESTING
    assert not decision.done


def test_nothing_is_asked_for_while_rounds_wait_for_their_merge():
    decision = ask("ab", EMPTY, unmerged=1)
    assert decision.requests == [] and not decision.done
    assert "wait for their merge" in decision.summary


def test_the_biome_that_promises_more_goes_first():
    decision = ask("ab", state({"a": {1: 90, 2: 1, 3: 1}, "b": {4: 1, 5: 1, 6: 1, 7: 1}}))
    assert decision.requests == ["b", "a"]


def test_an_unharvested_biome_goes_before_a_promising_one():
    decision = ask("ab", state({"b": {4: 1, 5: 1, 6: 1}}))
    assert decision.requests == ["a", "b"]


def test_a_biome_whose_own_reachable_buckets_are_filled_is_met():
    decision = ask("ab", state({"a": RICH, "b": dict.fromkeys(range(10, 40), 1)}))
    assert status_of(decision, "a").status is Status.MET
    assert decision.requests == ["b"]


def test_biomes_that_met_their_own_target_take_the_places_left_in_a_wave():
    # a and c filled four of their five buckets, and both may still bring the fifth.
    nearly = {1: 50, 2: 50, 3: 50, 4: 50, 5: 1}
    known = state({"a": nearly, "b": dict.fromkeys(range(10, 40), 1), "c": {n + 100: k for n, k in nearly.items()}})
    assert ask("abc", known, limits=Limits(max_runs_in_flight=1)).requests == ["b"]
    assert ask("abc", known, limits=Limits(max_runs_in_flight=2)).requests == ["b", "a"]
    decision = ask("abc", known, limits=Limits(max_runs_in_flight=2))
    assert [verdict.status for verdict in decision.verdicts] == [Status.WANTED, Status.WANTED, Status.MET]


def test_when_the_library_meets_its_target_every_biome_is_met_and_nothing_is_asked():
    decision = ask("ab", state({"a": RICH}))
    assert decision.target_met and decision.done and decision.requests == []
    assert {verdict.status for verdict in decision.verdicts} == {Status.MET}


def test_a_target_in_buckets_counts_filled_buckets():
    known = state({"a": RICH})
    assert not ask("a", known, Target(floor=3, buckets=5)).target_met
    assert ask("a", known, Target(floor=3, buckets=4)).target_met


def test_a_biome_out_of_tiles_is_exhausted():
    known = state({"a": POOR}, [merged("a", exhausted=True)])
    verdict = status_of(ask("a", known), "a")
    assert verdict.status is Status.EXHAUSTED and "100 tiles" in verdict.reason


def test_a_biome_at_its_limit_of_rounds_is_exhausted():
    known = state({"a": POOR}, [merged("a", 1), merged("a", 2)])
    verdict = status_of(ask("a", known, limits=Limits(max_rounds=2)), "a")
    assert verdict.status is Status.EXHAUSTED and "limit of 2 rounds" in verdict.reason


def test_the_limit_of_tiles_ends_all_biomes():
    decision = ask("ab", state({"a": POOR, "b": POOR}), limits=Limits(max_tiles=200))
    assert {verdict.status for verdict in decision.verdicts} == {Status.EXHAUSTED}
    assert decision.done and not decision.target_met


def test_a_biome_that_promises_too_little_is_saturated():
    # One bucket in reach stays under the floor, but a tile falls into it once in 5,001.
    known = state({"a": {1: 5000, 2: 2}}, kept={1: 100, 2: 2})
    decision = ask("a", known, Target(floor=3, share=1.0), Limits(min_useful_per_1000=5))
    assert status_of(decision, "a").status is Status.SATURATED


def test_a_biome_that_met_its_own_target_goes_on_when_the_library_lacks_and_nobody_else_can():
    # b is out of tiles; a alone can still bring something.
    known = state(
        {"a": {1: 50, 2: 50, 3: 50, 4: 50, 5: 1}, "b": dict.fromkeys(range(10, 30), 1)},
        [merged("a"), merged("b", exhausted=True)],
    )
    decision = ask("ab", known)
    assert status_of(decision, "b").status is Status.EXHAUSTED
    assert decision.requests == ["a"]


@pytest.mark.parametrize(("seconds", "status"), [(59, Status.WAITING), (61, Status.WANTED)])
def test_a_failed_biome_waits_for_its_back_off(seconds, status):
    failed = {"a": Failures(1, NOW - timedelta(seconds=seconds), "timeout")}
    decision = ask("ab", EMPTY, limits=Limits(backoff_s=60), failures=failed)
    assert status_of(decision, "a").status is status


def test_back_off_doubles_with_every_failure():
    failed = {"a": Failures(2, NOW - timedelta(seconds=100), "timeout")}
    assert status_of(ask("a", EMPTY, limits=Limits(backoff_s=60), failures=failed), "a").status is Status.WAITING


def test_a_failure_of_the_future_holds_nobody_back():
    """The clock was set back since: waiting for that time to come could take a year."""
    failed = {"a": Failures(1, NOW + timedelta(days=365), "timeout")}
    assert status_of(ask("a", EMPTY, limits=Limits(backoff_s=60), failures=failed), "a").status is Status.WANTED


def test_repeated_failures_quarantine_a_biome_and_the_others_go_on():
    failed = {"a": Failures(3, NOW - timedelta(days=1), "the server is down")}
    decision = ask("ab", EMPTY, failures=failed)
    assert status_of(decision, "a").status is Status.QUARANTINED
    assert "the server is down" in status_of(decision, "a").reason
    assert decision.requests == ["b"]


def test_a_permanent_failure_quarantines_at_once():
    failed = {"a": Failures(1, NOW, "terms not acknowledged", permanent=True)}
    assert status_of(ask("a", EMPTY, failures=failed), "a").status is Status.QUARANTINED


def test_a_biome_without_a_single_picture_is_not_asked_for_for_ever():
    known = LibraryState(np.zeros(BUCKETS, np.int64), {}, [merged("a")])
    verdict = status_of(ask("a", known), "a")
    assert verdict.status is Status.EXHAUSTED and "could be judged" in verdict.reason


def test_every_biome_gets_its_turn_before_any_gets_its_second():
    limits, known, asked = Limits(max_runs_in_flight=2), EMPTY, []
    names = list("abcdef")
    while len(asked) < len(names):
        wave = ask(names, known, limits=limits).requests
        asked += wave
        hits = {**known.hits, **{name: dict.fromkeys(range(ord(name) * 10, ord(name) * 10 + 8), 1) for name in wave}}
        known = state(hits)
    assert asked == names


# How long a wave is

COMMON = dict.fromkeys(range(20), 20)


def lacking(buckets, planned=1000):
    """Three biomes of 410 tiles, each with five buckets that lack one tile; and a target that lacks some buckets.

    One of those gets its tile among 1,000 more with probability 1 - (410 / 1410)^2 = 0.92, so a biome promises 4.6.
    """
    own = {"a": range(200, 205), "b": range(300, 305), "c": range(400, 405)}
    hits = {name: {**COMMON, **dict.fromkeys(buckets, 2)} for name, buckets in own.items()}
    known = state(hits, [merged(name, planned=planned) for name in hits])
    return known, Target(floor=3, buckets=len(COMMON) + buckets)


@pytest.mark.parametrize(("buckets", "wave"), [(1, ["a"]), (4, ["a"]), (5, ["a", "b"]), (10, ["a", "b", "c"])])
def test_a_wave_asks_for_no_more_rounds_than_are_expected_to_fill_what_is_lacking(buckets, wave):
    assert ask("abc", *lacking(buckets)).requests == wave


def test_small_rounds_promise_less_and_make_longer_waves():
    assert ask("abc", *lacking(4, planned=1000)).requests == ["a"]
    assert ask("abc", *lacking(4, planned=500)).requests == ["a", "b"]


def test_biomes_that_nobody_knows_are_asked_for_however_little_is_lacking():
    assert ask("abcdef", *lacking(1)).requests == ["d", "e", "f", "a"]


def test_a_biome_left_out_of_a_short_wave_stays_wanted():
    decision = ask("abc", *lacking(1))
    assert status_of(decision, "b").status is Status.WANTED and not decision.done


def test_waves_of_a_simulated_library_reach_its_target_without_a_tile_too_many_in_the_last():
    # Whatever is trimmed, the loop ends at the target and not before.
    random = np.random.default_rng(2)
    hits, rounds, target = {}, [], Target(floor=3, buckets=60)
    for number in range(1, 40):
        known = state(hits, list(rounds))
        decision = ask("abcd", known, target)
        if not decision.requests:
            break
        for name in decision.requests:
            drawn = (random.zipf(1.5, 100) + "abcd".index(name) * 40) % 200
            for bucket in drawn.tolist():
                counts = hits.setdefault(name, {})
                counts[bucket] = counts.get(bucket, 0) + 1
            rounds.append(merged(name, number))
    assert decision.target_met and decision.overall.filled >= 60
    assert number > 2


# A place that changed


def test_a_replanned_biome_is_exhausted_no_more():
    known = state({"a": POOR}, [merged("a", exhausted=True)])
    assert status_of(ask("a", known), "a").status is Status.EXHAUSTED
    again = ask("a", known, replanned=frozenset("a"))
    assert status_of(again, "a").status is Status.WANTED and again.requests == ["a"]


def test_a_replanned_biome_keeps_its_limits():
    known = state({"a": POOR}, [merged("a", 1), merged("a", 2, exhausted=True)])
    verdict = status_of(ask("a", known, limits=Limits(max_rounds=2), replanned=frozenset("a")), "a")
    assert verdict.status is Status.EXHAUSTED and "limit of 2 rounds" in verdict.reason


def test_a_verdict_tells_the_biomes_statistics_and_none_before_its_first_round():
    # 5 seen; f1 = 4, f2 = 0: Chao1 = 5 + 4 * 3 / 2 = 11; one in 13.5 tiles is new: 4 / 54.
    decision = ask("ab", state({"a": POOR}))
    told = status_of(decision, "a").statistics
    assert told.startswith("5 buckets seen of about 11, 1 filled; 7.4% of tiles find a new one")
    assert status_of(decision, "b").statistics == ""


def test_the_same_knowledge_gives_the_same_decision():
    known = state({"a": POOR, "b": POOR, "c": POOR})
    assert ask("abc", known).requests == ask("cba", known).requests


def test_coverage_counts_a_bucket_filled_by_another_biome():
    known = state({"a": {1: 1, 2: 1}, "b": {1: 9}})
    _, each = coverage(known, TARGET)
    assert each["a"].filled == 1
