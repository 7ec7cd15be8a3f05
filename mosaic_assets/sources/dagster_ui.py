"""The Dagster UI, asked whether it runs and when each asset was last materialized; nothing is launched and nothing changed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 1.5
"""For a connection, and for each part of an answer to whether it runs, seconds."""
QUESTION_S = 2.0
"""For the answer to a question about assets, seconds."""
KEPT_S = 5.0
"""How long an answer is good, seconds."""
LARGEST = 4_000_000
"""Bytes of an answer; a longer one counts as none."""

_LATEST = """query Latest($keys: [AssetKeyInput!]!) { assetsLatestInfo(assetKeys: $keys) {
  assetKey { path } latestMaterialization { timestamp runId } latestRun { status } } }"""


@dataclass(frozen=True, slots=True)
class Materialized:
    """The latest materialization of an asset."""

    time: str
    """ISO 8601, UTC."""
    run: str
    """Id of the run that made it."""
    status: str
    """Of the asset's latest run, which may be a later one: ``SUCCESS``, ``FAILURE``, ``STARTED`` ..."""


def runs(url: str, *, timeout_s: float = TIMEOUT_S) -> bool:
    """Return whether a Dagster UI answers at an address.

    Parameters
    ----------
    url : as in ``http://127.0.0.1:3000``, perhaps with a path; anything but http and https is no.
    timeout_s : of the connection, and of each part of the answer.

    Examples
    --------
    >>> runs(""), runs("file:///etc/passwd")
    (False, False)
    """
    content = _asked("GET", url, "server_info", None, timeout_s)
    return isinstance(content, dict) and "dagster_webserver_version" in content


def latest_materializations(
    url: str, assets: Sequence[str], *, timeout_s: float = QUESTION_S
) -> dict[str, Materialized]:
    """Return the latest materialization of each asset that has one; nothing when the UI does not say."""
    question = {"query": _LATEST, "variables": {"keys": [{"path": [name]} for name in assets]}}
    content = _asked("POST", url, "graphql", question, timeout_s)
    try:
        rows = content["data"]["assetsLatestInfo"]
        found = ((row["assetKey"]["path"][-1], _materialized(row)) for row in rows)
        return {name: one for name, one in found if one is not None}
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return {}


class DagsterUi:
    """A Dagster UI that is asked at most every five seconds; for many threads.

    Parameters
    ----------
    url : its address; empty for none.
    clock : monotonic seconds; replaced in tests.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url if _is_web(url) else ""
        self._clock, self._lock = clock, threading.Lock()
        self._running: tuple[float, bool] | None = None
        self._latest: tuple[float, dict[str, Materialized]] | None = None

    def is_running(self) -> bool:
        """Whether it answers, or answered within the last five seconds."""
        with self._lock:
            if self._running is None or self._clock() - self._running[0] > KEPT_S:
                answer = bool(self.url) and runs(self.url)
                self._running = self._clock(), answer
            return self._running[1]

    def latest(self, assets: Sequence[str]) -> dict[str, Materialized]:
        """The latest materialization of each asset, as `latest_materializations`."""
        with self._lock:
            if self._latest is None or self._clock() - self._latest[0] > KEPT_S:
                self._latest = self._clock(), latest_materializations(self.url, assets)
            return self._latest[1]


def _materialized(row: Any) -> Materialized | None:
    made, run = row["latestMaterialization"], row["latestRun"]
    if made is None:
        return None
    moment = datetime.fromtimestamp(int(float(made["timestamp"])) // 1_000, UTC)
    return Materialized(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), str(made["runId"]), str(run["status"]) if run else "")


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:  # an address cut short
        return False


def _asked(method: str, url: str, path: str, question: Any, timeout_s: float) -> Any:
    """Return the JSON that an address answers with; None for whatever else may happen."""
    import requests

    if not _is_web(url):
        return None
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy for the world is none for this machine; no passwords from ~/.netrc
            with session.request(
                method,
                f"{url.rstrip('/')}/{path}",
                json=question,
                timeout=timeout_s,
                stream=True,
                allow_redirects=False,
            ) as answer:
                if answer.status_code != 200:
                    return None
                return json.loads(_body(answer, timeout_s))
    except (requests.RequestException, ValueError, RecursionError):  # the last: JSON of very many brackets
        return None


def _body(answer: Any, timeout_s: float) -> bytes:
    """Return the body; nothing of one that is too long, or comes too slowly."""
    body, began = b"", time.monotonic()
    for part in answer.iter_content(65_536):
        body += part
        if len(body) > LARGEST or time.monotonic() - began > 4 * timeout_s:
            return b""
    return body
