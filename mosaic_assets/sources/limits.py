"""Restraint towards servers and memory: a rate limit a host, and a bounded look-ahead over tiles."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class RateLimiter:
    """Spaces requests evenly, one clock hand a host; safe to share between threads.

    Requests are spaced rather than saved up: a pause earns no burst, because servers count bursts.

    Parameters
    ----------
    per_second
        Requests a second and host, > 0; ``None`` for no limit (pauses asked for by a host still hold).
    clock
        Monotonic seconds; replaced in tests.

    Examples
    --------
    >>> limiter = RateLimiter(4.0, clock=lambda: 100.0)
    >>> [limiter.reserve("tiles.example") for _ in range(3)]
    [0.0, 0.25, 0.5]
    """

    def __init__(self, per_second: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._spacing_s = 1.0 / per_second if per_second else 0.0
        self._clock = clock
        self._free_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def reserve(self, host: str) -> float:
        """Take the next place in line for `host`; return the seconds until the request may be sent, >= 0."""
        if not self._spacing_s and host not in self._free_at:
            return 0.0
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at.get(host, now))
            self._free_at[host] = start + self._spacing_s
            return start - now

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask `host` for `seconds`; a shorter pause never ends a longer one."""
        with self._lock:
            until = self._clock() + seconds
            self._free_at[host] = max(until, self._free_at.get(host, until))


def map_in_order(
    function: Callable[[Item], Answer], items: Iterable[Item], executor: Executor, ahead: int
) -> Generator[Answer]:
    """Apply `function` in the threads of `executor`; yield answers in the order of `items`.

    At most `ahead` items are under way or waiting to be taken, so a slow consumer bounds memory. Closing the
    iterator early drops what has not begun.

    Parameters
    ----------
    function
        Called once for each item; what it raises is raised at that item's place.
    items
        Taken one by one, as room comes; none yields nothing.
    executor
        Not shut down here.
    ahead
        Items under way at a time, >= 1.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(map_in_order(abs, [-3, 2, -1], pool, 2))
    [3, 2, 1]
    """
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
            waiting.append(executor.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
