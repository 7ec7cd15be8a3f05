"""A real `mosaic up` (web server and daemon as processes) over a temporary home, spoken to through GraphQL."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "mosaic_assets"}


class DagsterDev:
    """Questions to, and orders for, a running web server."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = json.load(answer)
        if content.get("errors"):
            raise AssertionError(json.dumps(content["errors"], indent=1)[:3000])
        return content["data"]

    def wait(self, what: str, happened: Callable[[], Any], timeout_s: float = 240.0) -> Any:
        """Wait until ``happened`` returns something true; a limit against hanging, not a measurement."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if result := happened():
                    return result
            time.sleep(0.5)
        raise AssertionError(
            f"{what} did not happen in {timeout_s:.0f} s; the log ends: {self._log.read_text()[-3000:]}"
        )

    def start_sensor(self, name: str) -> None:
        answer = self.ask(
            """mutation Start($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
                 __typename ... on Sensor { sensorState { status } } ... on PythonError { message } } }""",
            selector={**REPOSITORY, "sensorName": name},
        )["startSensor"]
        assert answer["__typename"] == "Sensor", answer

    def ticks(self, sensor: str, limit: int = 500) -> list[dict[str, Any]]:
        """The sensor's ticks, newest first."""
        return self.ask(
            """query Ticks($selector: SensorSelector!, $limit: Int!) { sensorOrError(sensorSelector: $selector) {
                 ... on Sensor { sensorState { ticks(limit: $limit) {
                   status skipReason runIds error { message } } } } } }""",
            selector={**REPOSITORY, "sensorName": sensor},
            limit=limit,
        )["sensorOrError"]["sensorState"]["ticks"]

    def runs(self, job: str | None = None) -> list[dict[str, Any]]:
        return self.ask(
            """query Runs($filter: RunsFilter) { runsOrError(filter: $filter, limit: 1000) {
                 ... on Runs { results { id status pipelineName tags { key value } } } } }""",
            filter={"pipelineName": job} if job else {},
        )["runsOrError"]["results"]

    def backfill(self, asset: str, partitions: list[str]) -> str:
        answer = self.ask(
            """mutation Fill($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={"assetSelection": [{"path": [asset]}], "partitionNames": partitions},
        )["launchPartitionBackfill"]
        return answer["backfillId"]

    def checks(self, asset: str) -> dict[str, dict[str, Any]]:
        """The latest result of each of an asset's checks."""
        answer = self.ask(
            """query Checks($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
                 assetChecksOrError { ... on AssetChecks { checks { name blocking
                   executionForLatestMaterialization { status evaluation { success severity description } } } } } } } }""",
            key={"path": [asset]},
        )["assetNodeOrError"]["assetChecksOrError"]["checks"]
        return {check["name"]: check for check in answer}


@contextlib.contextmanager
def mosaic_up(home: Path, environment: dict[str, str]) -> Iterator[DagsterDev]:
    """Start `mosaic up` as a script's background job is started, wait for its first answer, stop it with SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = home / "mosaic-up.log"
    up = [sys.executable, "-m", "mosaic_assets.cli", "up", "--no-sensors", "--home", str(home), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *up],
            env={**os.environ, **environment},
            cwd=home,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        server = DagsterDev(port, log)
        server.wait("the first answer", lambda: server.ask("{ version }"), 90)
        server.wait("the code location", lambda: server.ticks("coverage_sensor") is not None, 90)
        yield server
        process.terminate()
        process.wait(60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
