"""The other end of the faulty server: start it, tell it what to do, ask what it saw."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaic_assets.core.records import Tile
from mosaic_assets.settings import Settings
from mosaic_assets.sources.records import BulkUse, SourceRecord
from mosaic_assets.sources.xyz import XyzSource

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Remote:
    """A running faulty server."""

    port: int
    scheme: str = "http"

    def record(self, mode: str, **fields: Any) -> SourceRecord:
        """Describe the server as a source."""
        given: dict[str, Any] = {
            "name": "faulty",
            "kind": "xyz",
            "url": f"{self.scheme}://127.0.0.1:{self.port}/{mode}/{{z}}/{{x}}/{{y}}",
            "licence": "test",
            "attribution": "test",
            "bulk_use": BulkUse.ALLOWED,
        }
        return SourceRecord(**(given | fields))

    def source(self, mode: str, settings: Settings, **fields: Any) -> XyzSource:
        return XyzSource(self.record(mode, **fields), settings, environ={})

    def tell(self, faults: Mapping[Tile, Sequence[str]]) -> None:
        """Say what each place under /told answers, attempt by attempt; forget what was seen."""
        body = {f"{tile.z}/{tile.x}/{tile.y}": list(names) for tile, names in faults.items()}
        self._ask("PUT", "/faults", json.dumps(body))

    def seen(self, mode: str) -> dict[Tile, int]:
        """How often each place was asked for."""
        found = {}
        for path, count in self._ask("GET", "/seen")["requests"].items():
            asked, z, x, y = path.split("/")
            if asked == mode:
                found[Tile(int(x), int(y), int(z))] = count
        return found

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        for _ in range(100):  # the fault ``refused`` may be under way
            with suppress(ConnectionRefusedError, ConnectionResetError):
                return self._ask_once(method, path, body)
            time.sleep(0.05)
        raise TimeoutError(f"the faulty server on port {self.port} does not come back")

    def _ask_once(self, method: str, path: str, body: str | None) -> Any:
        with closing(self._connection()) as connection:
            connection.request(method, path, body)
            return json.loads(connection.getresponse().read())

    def _connection(self) -> http.client.HTTPConnection:
        if self.scheme == "http":
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not what is tested here
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=unchecked)


@contextmanager
def running(*options: str) -> Generator[Remote]:
    """Run a server until the end of the block."""
    command = [sys.executable, "-m", "mosaic_assets_tests.faults.server", *options]
    process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        told = json.loads(process.stdout.readline())
        yield Remote(told["port"], "https" if "--certificate" in options else "http")
    finally:
        process.terminate()
        process.stdin.close()
        process.stdout.close()
        process.wait(30)
