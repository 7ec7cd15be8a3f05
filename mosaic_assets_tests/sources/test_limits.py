from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.sources.limits import RateLimiter, map_in_order


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@given(rate=st.floats(0.1, 1000), requests=st.integers(2, 40))
def test_requests_to_one_host_are_never_closer_than_the_rate_allows(rate, requests):
    clock = Clock()
    limiter = RateLimiter(rate, clock=clock, sleep=clock.sleep)
    times = []
    for _ in range(requests):
        limiter.wait("a")
        times.append(clock.now)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) == pytest.approx(1 / rate, rel=1e-6)
    assert max(gaps) == pytest.approx(1 / rate, rel=1e-6)


def test_the_first_request_goes_out_at_once():
    clock = Clock()
    RateLimiter(0.5, clock=clock, sleep=clock.sleep).wait("a")
    assert clock.slept == []


def test_hosts_do_not_wait_for_each_other():
    clock = Clock()
    limiter = RateLimiter(1.0, clock=clock, sleep=clock.sleep)
    limiter.wait("a")
    limiter.wait("b")
    assert clock.slept == []


def test_an_idle_minute_earns_no_burst():
    clock = Clock()
    limiter = RateLimiter(2.0, clock=clock, sleep=clock.sleep)
    limiter.wait("a")
    clock.now += 60
    limiter.wait("a")
    limiter.wait("a")
    assert clock.slept == [0.5]


def test_without_a_rate_nobody_waits():
    clock = Clock()
    limiter = RateLimiter(None, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        limiter.wait("a")
    assert clock.slept == []


def test_a_pause_holds_even_without_a_rate_and_a_shorter_one_does_not_end_it():
    clock = Clock()
    limiter = RateLimiter(None, clock=clock, sleep=clock.sleep)
    limiter.pause("a", 30)
    limiter.pause("a", 5)
    limiter.wait("b")
    assert clock.slept == []
    limiter.wait("a")
    assert clock.slept == [30]


def test_threads_share_one_rate():
    slept = []
    limiter = RateLimiter(10.0, clock=lambda: 0.0, sleep=slept.append)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: limiter.wait("a"), range(50)))
    # Time stands still, so the 50 requests are booked at 0, 0.1, 0.2, ... 4.9 s; the first does not sleep.
    assert sorted(slept) == pytest.approx([0.1 * place for place in range(1, 50)])


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
