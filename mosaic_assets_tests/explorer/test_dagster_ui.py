"""Asking the Dagster UI: quick, careful, and never an error; answers as Dagster 1.13.27 gave them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mosaic_assets.sources.dagster_ui import DagsterUi, Materialized, latest_materializations, runs

INFO = {"dagster_webserver_version": "1.13.27", "dagster_version": "1.13.27", "dagster_graphql_version": "1.13.27"}
RUN = "75119161-1a20-4e1c-b26d-a93215b51890"
LATEST = {
    "data": {
        "assetsLatestInfo": [
            {"assetKey": {"path": ["biomes"]}, "latestMaterialization": {"timestamp": "1795280290210", "runId": RUN},
             "latestRun": {"status": "SUCCESS"}},
            {"assetKey": {"path": ["chips"]}, "latestMaterialization": None, "latestRun": None},
        ]
    }
}  # fmt: skip
"""What `dagster-webserver` answered, with the time as it was."""


@contextlib.contextmanager
def webserver(
    info: Any = INFO, latest: Any = LATEST, *, status: int = 200, pause_s: float = 0.0
) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that answers as a Dagster UI would; yields its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(info)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(latest)

        def _answer(self, content: Any) -> None:
            asked.append(self.path)
            time.sleep(pause_s)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.send_header("location", "http://127.0.0.1:9/server_info")
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def test_a_running_ui_is_known_by_its_version() -> None:
    with webserver() as (url, asked):
        assert runs(url, timeout_s=5)
        assert asked == ["/server_info"]


@pytest.mark.parametrize("info", [{}, [], "text", b"<html>", b"\xff", {"version": 1}, None, b"[" * 100_000])
def test_another_server_is_none(info: Any) -> None:
    with webserver(info) as (url, _):
        assert not runs(url, timeout_s=5)


@pytest.mark.parametrize("status", [301, 404, 500])
def test_only_a_plain_answer_counts(status: int) -> None:
    with webserver(status=status) as (url, asked):
        assert not runs(url, timeout_s=5)
        assert len(asked) == 1


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1", "file:///etc/passwd", "http://", "http://[", "http://127.0.0.1:1", "javascript:1"]
)
def test_what_is_no_address_of_a_ui_is_none(url: str) -> None:
    assert not DagsterUi(url).is_running()


def test_a_ui_that_does_not_answer_is_not_waited_for() -> None:
    with webserver(pause_s=1.0) as (url, _):
        began = time.monotonic()
        assert not runs(url, timeout_s=0.1)
        assert time.monotonic() - began < 0.9


def test_the_latest_materialization_of_each_asset() -> None:
    with webserver() as (url, asked):
        assert latest_materializations(url, ["biomes", "chips"]) == {
            "biomes": Materialized("2026-11-21T16:58:10Z", RUN, "SUCCESS")
        }
        assert asked == ["/graphql"]


@pytest.mark.parametrize(
    "latest",
    [{}, {"errors": ["no"]}, {"data": None}, {"data": {"assetsLatestInfo": [{}]}}, [], b"no",
     {"data": {"assetsLatestInfo": [{"assetKey": {"path": []}, "latestMaterialization": None, "latestRun": None}]}},
     {"data": {"assetsLatestInfo": [{"assetKey": {"path": ["a"]}, "latestMaterialization": {"timestamp": "1e99", "runId": ""},
                                     "latestRun": None}]}}],
)  # fmt: skip
def test_an_answer_of_another_shape_is_none(latest: Any) -> None:
    with webserver(latest=latest) as (url, _):
        assert latest_materializations(url, ["a"]) == {}


def test_an_answer_is_good_for_five_seconds() -> None:
    now = [0.0]
    with webserver() as (url, asked):
        ui = DagsterUi(url, clock=lambda: now[0])
        for moment in (0.0, 1.0, 5.0, 5.5, 6.0):
            now[0] = moment
            ui.latest(["biomes"])
        assert len(asked) == 2
