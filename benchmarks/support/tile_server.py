"""A tile server that answers from memory as fast as one Python process can; run as a process of its own.

``python -m benchmarks.support.tile_server`` prints its port. The n-th different path that is asked for gets the n-th
tile, for good. ``--delay`` seconds pass before each answer, to stand for a distant server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.support.real_tiles import real_tiles


class Answerer(asyncio.Protocol):
    """One connection: requests in, pictures out, kept alive."""

    def __init__(self, answers: list[bytes], given: dict[bytes, bytes], delay: float) -> None:
        self._answers, self._given, self._delay = answers, given, delay
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head, self._pending = self._pending[:end], self._pending[end + 4 :]
            path = head[: head.find(b" HTTP/")]
            answer = self._given.setdefault(path, self._answers[len(self._given) % len(self._answers)])
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._write, answer)
            else:
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)  # type: ignore[attr-defined]


async def serve(delay: float, skip: int) -> None:
    """Answer until the process is stopped."""
    head = b'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nETag: "%d"\r\nContent-Length: %d\r\n\r\n'
    answers = [head % (number, len(tile)) + tile for number, tile in enumerate(real_tiles())]
    given: dict[bytes, bytes] = {}
    answers = answers[skip:] + answers[:skip]
    server = await asyncio.get_running_loop().create_server(
        lambda: Answerer(answers, given, delay), "127.0.0.1", 0, backlog=256
    )
    print(server.sockets[0].getsockname()[1], len(answers), flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running_tile_server(delay: float = 0.0, skip: int = 0) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run the server; yield its process, its port, and how many different tiles it has."""
    command = [sys.executable, "-m", "benchmarks.support.tile_server", "--delay", str(delay), "--skip", str(skip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        port, tiles = map(int, process.stdout.readline().split())
        try:
            yield process, port, tiles
        finally:
            process.terminate()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--skip", type=int, default=0, help="tiles to begin behind")
    given = parser.parse_args()
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.run(serve(given.delay, given.skip))
        return
    asyncio.run(serve(given.delay, given.skip))


if __name__ == "__main__":
    main()
