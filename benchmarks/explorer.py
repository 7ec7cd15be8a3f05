"""How fast the explorer answers over HTTP: ``python -m benchmarks.explorer``.

The archive is **synthetic** (``benchmarks/support/passes.py``), 60,000 scenes unless ``--scenes`` says otherwise. ``mosaic explore``
runs as a process of its own; this process asks it over loopback with kept-alive connections and as little work as it can:
sockets, requests written beforehand, answers read and counted but not parsed. Every answer must have the status 200.
Requests/s with several connections are those of both processes on the machine's cores; the processor time of each is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.csquares_index import build, questions
from benchmarks.support.passes import MINUTES, START
from mosaic_assets.csquares.index import index_path

TICKS = os.sysconf("SC_CLK_TCK")
P50_MS, PER_S = 5.0, 500
"""What issue 8 asks for: a half-degree square's first page."""


def asked(path: str, **parameters: object) -> bytes:
    """Return a request as it goes over the wire."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"GET {path}{query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def kinds(count: int) -> dict[str, list[bytes]]:
    """Return requests by what they ask."""
    squares = questions(1_000)
    rng = np.random.default_rng(2)
    days = [START + timedelta(days=day) for day in rng.uniform(0, count * MINUTES / 1440, 1_000).tolist()]
    spans = [{"start": f"{day:%Y-%m-%dT%H:%M}", "end": f"{day + timedelta(days=2):%Y-%m-%dT%H:%M}"} for day in days]
    boxes = [(int(c[2:4]) * 10 + 2.2, -int(c[1]) * 10 - 7.7) for c in squares[:100]]
    return {
        "half-degree square, page of 50": [asked("/api/search", code=c, limit=50) for c in squares],
        "  within two days": [asked("/api/search", code=c, limit=50, **s) for c, s in zip(squares, spans, strict=True)],
        "  within two days, ids": [
            asked("/api/search", code=c, format="ids", **s) for c, s in zip(squares, spans, strict=True)
        ],
        "  all ids": [asked("/api/search", code=c, format="ids") for c in squares[:300]],
        "10-degree square, page of 50": [asked("/api/search", code=c) for c in sorted({c[:4] for c in squares})],
        "box of 5 x 5 off the grid": [asked("/api/search", box=f"{w},{s},{w + 5},{s + 5}", limit=50) for w, s in boxes],
        "page of 10 as GeoJSON": [asked("/api/search", code=c, limit=10, format="geojson") for c in squares[:50]],
        "density of 1 degree, numbers": [asked("/api/density", resolution=1)] * 200,
        "density of half a degree, picture": [asked("/api/density.png", resolution=0.5)] * 50,
        "the page /": [asked("/")] * 300,
    }


class Connection:
    """A kept-alive connection that reads one answer at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read, self._left = b"", -1

    def send(self, request: bytes) -> None:
        """Ask."""
        self._read, self._left = b"", -1
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what there is; return whether the answer is whole."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server has closed the connection")
        if self._left >= 0:
            self._left -= len(part)
            return self._left == 0
        self._read += part
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{head[:60]!r}: {body[:300]!r}")
        self._left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) - len(body)
        return self._left == 0


def sequential(port: int, requests: Sequence[bytes]) -> np.ndarray:
    """Return the time of each request, ms, asked one after another."""
    connection, times = Connection(port), []
    for request in requests:
        began = time.perf_counter()
        connection.send(request)
        while not connection.receive():
            pass
        times.append(time.perf_counter() - began)
    connection.socket.close()
    return np.array(times) * 1000


def at_once(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> tuple[float, np.ndarray]:
    """Return requests/s and the time of each, ms, over some connections that each ask again as soon as they are answered."""
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for number in range(connections):
            connection = Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, [connection, time.perf_counter()])
            connection.send(requests[number % len(requests)])
        sent = connections
        while (now := time.perf_counter()) < began + seconds:
            for key, _ in selector.select(1):
                connection, since = key.data
                if connection.receive():
                    times.append(time.perf_counter() - since)
                    key.data[1] = time.perf_counter()
                    connection.send(requests[sent % len(requests)])
                    sent += 1
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return len(times) / (now - began), np.array(times) * 1000


@contextlib.contextmanager
def exploring(home: Path) -> Iterator[tuple[int, int, float]]:
    """Run ``mosaic explore``; yields port, process id and seconds until it answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mosaic_assets.cli", "explore", "--home", str(home), "--port", str(port)]
    began = time.perf_counter()
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    sequential(port, [asked("/")])
                    break
                if process.poll() is not None or time.perf_counter() > began + 60:
                    raise SystemExit("the explorer did not start")
                time.sleep(0.02)
            yield port, process.pid, time.perf_counter() - began
        finally:
            process.terminate()


def memory_mib(pid: int) -> str:
    """Return a process's memory now and at its highest."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:,.0f} MiB, at most {most:,.0f}"


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, s."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / TICKS


def measure(port: int, pid: int, count: int, connections: int, seconds: float) -> None:
    """Print how fast each kind of request is answered."""
    print(f"\n  {'one after another':<36} {'p50, ms':>9} {'p95, ms':>9} {'first, ms':>10}")
    asks = kinds(count)
    for name, requests in asks.items():
        times = sequential(port, requests)
        p50, p95 = np.percentile(times, [50, 95])
        verdict = "" if "page of 50" not in name or "half" not in name else f"   target {P50_MS:g}: "
        verdict += ("reached" if p50 <= P50_MS else "MISSED") if verdict else ""
        print(f"  {name:<36} {p50:9.2f} {p95:9.2f} {times[0]:10.2f}{verdict}")
    print(
        f"\n  {f'{connections} connections':<36} {'per s':>9} {'p50, ms':>9} {'p95, ms':>9} {'server, cores':>14} {'client':>7}"
    )
    for name, requests in list(asks.items())[:3]:
        before, own = cpu_s(pid), time.process_time()
        rate, times = at_once(port, requests, connections, seconds)
        p50, p95 = np.percentile(times, [50, 95])
        used = (cpu_s(pid) - before) / seconds, (time.process_time() - own) / seconds
        verdict = f"   target {PER_S}: {'reached' if rate >= PER_S else 'MISSED'}" if "page of 50" in name else ""
        print(f"  {name:<36} {rate:9,.0f} {p50:9.2f} {p95:9.2f} {used[0]:14.2f} {used[1]:7.2f}{verdict}")


def main() -> int:
    """Make the archive unless it is there, serve it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--cache", type=Path, help="keep the archive here, and use it if it is there")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="of asking with several connections")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        archive = (given.cache or Path(temporary) / "archive").resolve()
        if not index_path(archive).is_file():
            build(archive, given.scenes)
        home = Path(temporary) / "home"
        home.mkdir()
        (home / "csquares").symlink_to(archive)
        with exploring(home) as (port, pid, started):
            print(f"{given.scenes:,} synthetic scenes; started in {started:.2f} s; memory {memory_mib(pid)}")
            first = statistics.median(sequential(port, [asked("/")])[0] for _ in range(20))
            print(f"  first byte of / on a new connection: {first:.2f} ms")
            measure(port, pid, given.scenes, given.connections, given.seconds)
            print(f"\n  memory afterwards: {memory_mib(pid)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
