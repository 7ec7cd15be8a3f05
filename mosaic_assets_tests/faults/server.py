"""A tile server that does everything a server can do wrong, as a process of its own on loopback.

::

    python -m mosaic_assets_tests.faults.server --port 0 --seed 1 --share 0.3 --faults status_503,reset

prints ``{"port": ..., "pid": ...}`` and serves until SIGTERM, or until the pipe that is its standard input closes:

``/clean/{z}/{x}/{y}``   always the tile's picture
``/mixed/{z}/{x}/{y}``   a fault for that share of the requests, drawn from seed, place and number of the attempt
``/told/{z}/{x}/{y}``    what ``PUT /faults`` said: for each place the faults of its attempts, the last one repeated
``/seen``                how often each place was asked for
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import sys
from collections import Counter
from collections.abc import Iterable
from random import Random

from mosaic_assets.core.records import Tile
from mosaic_assets_tests.faults.acts import ACTS, Wire, made, whole
from mosaic_assets_tests.faults.pictures import PICTURES

PATH = re.compile(r"/(clean|mixed|told)/(\d+)/(\d+)/(\d+)")


class Faulty:
    """The server: what it was told, and what it has seen."""

    def __init__(self, port: int, seed: int, share: float, faults: list[str], context: ssl.SSLContext | None) -> None:
        self._anchor = _bound(port)  # never listens; keeps the port ours while nobody listens
        self.port: int = self._anchor.getsockname()[1]
        self.seed, self.share, self.faults, self.context = seed, share, faults, context
        self.told: dict[str, list[str]] = {}
        self.seen: Counter[str] = Counter()
        self.made = 0
        self._listening: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        self._listening = await asyncio.start_server(self._serve, sock=_bound(self.port), ssl=self.context, backlog=128)

    def be_away(self, seconds: float) -> None:
        """Refuse connections for a while; those that stand are served on."""
        if self._listening:
            self._listening.close()
            self._listening = None
            task = asyncio.ensure_future(self._come_back(seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection; a client that goes away is what many faults provoke."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError):
            self.made += 1
            while await self._answer(reader, writer):
                continue
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        if not first.isalpha():  # no method begins so: perhaps a greeting of TLS
            writer.write(whole(400, b"this is HTTP\n", "text/plain"))
            return False
        request = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = request.split("\r\n", 1)[0].split(" ")
        tile_path = PATH.fullmatch(path)
        if not tile_path:
            writer.write(await self._manage(method, path, request, reader))
            return True
        mode, z, x, y = tile_path.groups()
        place = f"{z}/{x}/{y}"
        self.seen[f"{mode}/{place}"] += 1
        fault = self._fault(mode, place, self.seen[f"{mode}/{place}"])
        return await ACTS[fault](Wire(self, reader, writer, path, Tile(int(x), int(y), int(z))))

    def _fault(self, mode: str, place: str, attempt: int) -> str:
        if mode == "told":
            faults = self.told.get(place, ["picture"])
            return faults[min(attempt, len(faults)) - 1]
        if mode == "clean":
            return "picture"
        draw = Random(f"{self.seed} {place} {attempt}")
        return draw.choice(self.faults) if draw.random() < self.share else "picture"

    async def _manage(self, method: str, path: str, request: str, reader: asyncio.StreamReader) -> bytes:
        if (method, path) == ("GET", "/seen"):
            return _json({"requests": self.seen, "connections": self.made})
        if (method, path) == ("PUT", "/faults"):
            length = re.search(r"(?i)content-length: *(\d+)", request)
            self.told = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            make_ready({name for faults in self.told.values() for name in faults})
            self.seen.clear()
            return _json({})
        return whole(400, b"expected /clean, /mixed or /told and /{z}/{x}/{y}, /seen or /faults\n", "text/plain")


def make_ready(faults: Iterable[str]) -> None:
    """Make the pictures among the faults before they are asked for, so that none comes late."""
    for name in PICTURES.keys() & set(faults):
        made(name)


def _json(value: object) -> bytes:
    return whole(200, json.dumps(value).encode(), "application/json")


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


async def _until_told_to_end() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):  # whoever started us holds the other end
        loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


async def _run(options: argparse.Namespace) -> None:
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    faults = [name for name in options.faults.split(",") if name]
    unknown = sorted(set(faults) - set(ACTS))
    if unknown:
        raise SystemExit(f"unknown faults {unknown}; known are {sorted(ACTS)}")
    make_ready(faults)
    server = Faulty(options.port, options.seed, options.share, faults, context)
    await server.listen()
    sys.stdout.write(json.dumps({"port": server.port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    await _until_told_to_end()


def main() -> None:
    parser = argparse.ArgumentParser(description="A tile server that misbehaves.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--seed", type=int, default=0, help="of the faults under /mixed")
    parser.add_argument("--share", type=float, default=0.3, help="of the requests under /mixed that meet a fault, 0..1")
    parser.add_argument("--faults", default="status_503", help="names, with commas; those under /mixed")
    parser.add_argument("--certificate", help="PEM file; serves HTTPS")
    parser.add_argument("--key", help="PEM file of its private key")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
