from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.sources.limits import RateLimiter, map_in_order


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@given(rate=st.floats(0.1, 1000), requests=st.integers(2, 40))
def test_requests_to_one_host_are_spaced_as_the_rate_says(rate, requests):
    limiter = RateLimiter(rate, clock=Clock())
    waits = [limiter.reserve("a") for _ in range(requests)]
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert min(gaps) == pytest.approx(1 / rate, rel=1e-6)
    assert max(gaps) == pytest.approx(1 / rate, rel=1e-6)


def test_the_first_request_goes_out_at_once():
    assert RateLimiter(0.5, clock=Clock()).reserve("a") == 0


def test_hosts_do_not_wait_for_each_other():
    limiter = RateLimiter(1.0, clock=Clock())
    assert [limiter.reserve(host) for host in ("a", "b", "a")] == [0, 0, 1]


def test_an_idle_minute_earns_no_burst():
    clock = Clock()
    limiter = RateLimiter(2.0, clock=clock)
    limiter.reserve("a")
    clock.now += 60
    assert [limiter.reserve("a") for _ in range(2)] == [0, 0.5]


def test_without_a_rate_nobody_waits():
    limiter = RateLimiter(None, clock=Clock())
    assert {limiter.reserve("a") for _ in range(100)} == {0}


def test_a_pause_holds_even_without_a_rate_and_a_shorter_one_does_not_end_it():
    limiter = RateLimiter(None, clock=Clock())
    limiter.pause("a", 30)
    limiter.pause("a", 5)
    assert [limiter.reserve(host) for host in ("b", "a")] == [0, 30]


def test_threads_share_one_rate():
    limiter = RateLimiter(10.0, clock=Clock())
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: limiter.reserve("a"), range(50)))
    assert sorted(waits) == pytest.approx([0.1 * place for place in range(50)])


@given(items=st.lists(st.integers(), max_size=50), ahead=st.integers(1, 12))
def test_answers_come_in_the_order_asked(items, ahead):
    with ThreadPoolExecutor(4) as threads:
        assert list(map_in_order(lambda item: item * 2, items, threads, ahead)) == [item * 2 for item in items]


def test_work_ahead_is_bounded_and_closing_early_drops_the_rest():
    begun = []
    with ThreadPoolExecutor(1) as threads:
        answers = map_in_order(lambda item: begun.append(item) or item, range(1000), threads, 6)
        assert next(answers) == 0
        answers.close()
    assert len(begun) <= 7


def test_an_error_is_raised_in_its_place():
    def work(item):
        return 1 // item

    with ThreadPoolExecutor(2) as threads:
        answers = map_in_order(work, [1, 0, 1], threads, 2)
        assert next(answers) == 1
        with pytest.raises(ZeroDivisionError):
            next(answers)


def test_a_slow_first_item_does_not_let_a_later_one_overtake():
    second_done = threading.Event()

    def work(item):
        if item == 1:
            return second_done.wait(5)
        second_done.set()
        return item

    with ThreadPoolExecutor(2) as threads:
        assert list(map_in_order(work, [1, 2], threads, 2)) == [True, 2]
