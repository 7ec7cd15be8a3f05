"""Requests to Earth Engine that fail: what is waited out, what is not retried, and what is said of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import ee
import numpy as np
import pytest

from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.settings import Network
from mosaic_assets.sources.earthengine_calls import Caller, Transport, read_failure
from mosaic_assets_tests.sources.earthengine.basemap import METHODS, error_body, median_of


@pytest.mark.parametrize("method", METHODS)
def test_429_is_waited_out_and_the_chip_comes(imagery, world, waits, method):
    backend = imagery(method=method)
    world.faults = [(429, {}, error_body(429, "Too Many Requests"))] * 2
    pixels = backend.read(0, 0, 4, 4)
    assert world.attempts == 3
    assert [wait for wait in waits if wait >= 0.1] == [0.5, 1.0]  # doubling from backoff_s, jitter taken out
    np.testing.assert_array_equal(pixels[0], median_of("R", (2, 3, 4), slice(0, 4), slice(0, 4)))


def test_429_with_retry_after_waits_as_long_as_asked(imagery, world, waits):
    world.faults = [(429, {"Retry-After": "17"}, error_body(429, "Too Many Requests"))]
    imagery().read(0, 0, 4, 4)
    assert max(waits) == 17


def test_429_slows_the_other_requests_down_too():
    waits = []
    caller = Caller(Network(retries=1), clock=lambda: 0.0, sleep=waits.append, spread=lambda: 1.0)
    refusals = [ee.EEException("Too Many Requests: Request was rejected because the request rate is too high.")]

    def call():
        if refusals:
            raise refusals.pop()
        return "pixels"

    assert caller("fetching", call) == "pixels"
    waits.clear()
    caller("fetching another", call)
    assert waits[0] >= 0.5  # it was not refused itself


def test_pauses_differ_between_requests():
    waits = []
    caller = Caller(Network(retries=20, backoff_s=0.5), sleep=waits.append)
    with pytest.raises(SourceUnavailableError):
        caller("fetching", failing(ConnectionError("connection lost")))
    pauses = [wait for wait in waits if wait >= 0.2]
    assert len(set(pauses)) == len(pauses) == 20
    assert 0.25 <= pauses[0] <= 0.75
    assert 16 <= pauses[-1] <= 48  # MAX_BACKOFF_S, times 0.5..1.5


def failing(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Image.select: Band pattern 'R' did not match any bands."),
        (400, "Total request size (60000000 bytes) must be less than or equal to 50331648 bytes."),
        (403, "Caller does not have permission."),
        (404, "ImageCollection.load: asset 'planet/basemap' not found."),
    ],
)
def test_permanent_error_is_not_retried_and_is_told_in_the_service_s_words(imagery, world, status, message):
    backend = imagery()
    world.faults = [(status, {}, error_body(status, message))] * 9
    with pytest.raises(SourceError, match="was refused by Earth Engine") as caught:
        backend.read(0, 0, 4, 4)
    assert world.attempts == 1
    assert message in str(caught.value)
    assert not caught.value.passing


@pytest.mark.parametrize(("status", "reason"), [(429, ""), (500, ""), (503, ""), (408, ""), (403, "rateLimitExceeded")])
def test_passing_error_that_stays_is_told_as_passing(imagery, world, status, reason):
    backend = imagery(retries=2)
    world.faults = [(status, {}, error_body(status, "not now", reason))] * 9
    with pytest.raises(SourceUnavailableError, match=f"failed 3 times, last with: status {status}") as caught:
        backend.read(0, 0, 4, 4)
    assert world.attempts == 3
    assert caught.value.passing


def test_service_that_cannot_be_reached_is_told_as_passing_after_our_retries(imagery, closed_port, waits):
    backend = imagery(endpoint=f"http://127.0.0.1:{closed_port}")
    with pytest.raises(
        SourceUnavailableError, match="starting a session with Earth Engine for project 'p' failed 4 times"
    ):
        backend.read(0, 0, 4, 4)
    assert [wait for wait in waits if wait >= 0.1] == [0.5, 1.0, 2.0]


def test_refused_credentials_are_told_with_the_command_to_run(imagery, world):
    backend = imagery()
    backend.read(0, 0, 1, 1)
    world.faults = [(401, {}, error_body(401, "Request had invalid authentication credentials."))] * 9
    with pytest.raises(SourceError, match=r"signing in failed .*; run `earthengine authenticate`"):
        backend.read(0, 0, 4, 4)
    assert world.attempts == 2


def test_slow_answer_ends_in_time(imagery, world):
    backend = imagery(retries=1, transport=Transport(5.0, answer_s=0.5))
    backend.read(0, 0, 1, 1)
    world.latency_s = 1.5
    with pytest.raises(SourceUnavailableError, match=r"no answer within 0\.5 s"):
        backend.read(0, 0, 4, 4)


def test_no_more_requests_are_under_way_than_allowed(imagery, world):
    backend = imagery(in_flight=3)
    backend.read(0, 0, 1, 1)
    world.latency_s = 0.03
    with ThreadPoolExecutor(12) as pool:
        chips = list(pool.map(lambda column: backend.read(0, column, 2, 2), range(12)))
    assert world.busiest == 3
    for column, chip in enumerate(chips):  # and every thread has its own answer
        np.testing.assert_array_equal(chip[0], median_of("R", (2, 3, 4), slice(0, 2), slice(column, column + 2)))


def test_bug_in_the_caller_is_neither_retried_nor_hidden():
    calls = []

    def call():
        calls.append(1)
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        Caller(Network(), sleep=lambda _: None)("fetching", call)
    assert len(calls) == 1
    assert read_failure(KeyError("a bug")) is None


def test_no_message_contains_the_address(imagery, world):
    backend = imagery(retries=0)
    for fault in [(404, {}, error_body(404, "gone")), (503, {}, b"")]:
        world.faults = [fault]
        with pytest.raises(SourceError) as caught:
            backend.read(0, 0, 4, 4)
        assert "127.0.0.1" not in str(caught.value)
        assert "http" not in str(caught.value)
