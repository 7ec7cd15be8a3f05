"""Every fault by its name: what the server puts on the wire instead of a tile's picture."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from mosaic_assets.core.records import Tile
from mosaic_assets_tests.faults import pictures
from mosaic_assets_tests.library.painted import colourful

if TYPE_CHECKING:
    from mosaic_assets_tests.faults.server import Faulty

BLOCK = bytes(1 << 16)
GIB = 1 << 30
AWAY_S = 0.2
"""How long nobody listens after the fault ``refused``, seconds."""


@dataclass(frozen=True)
class Wire:
    """One request, and the connection that waits for its answer."""

    server: Faulty
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    path: str
    tile: Tile

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self) -> None:
        """Say nothing for as long as the client holds on."""
        await self.reader.read()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Act = Callable[[Wire], Awaitable[bool]]
"""Sends an answer; True: the connection may serve another request."""


def head(status: int, **fields: object) -> bytes:
    """A status line and header fields, whose names are written with _ for -."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(status: int, body: bytes, kind: object = "image/jpeg", **fields: object) -> bytes:
    return head(status, Content_Type=kind, Content_Length=len(body), **fields) + body


@cache
def true_picture(tile: Tile) -> bytes:
    """What a server without faults sends: a picture that no other tile has."""
    body = colourful(tile)
    assert isinstance(body, bytes)
    return body


@cache
def made(name: str) -> bytes:
    """One of the hostile pictures."""
    return pictures.PICTURES[name]()


async def picture(wire: Wire, **fields: object) -> bool:
    await wire.send(whole(200, true_picture(wire.tile), **fields))
    return True


async def wrong_type(wire: Wire) -> bool:
    await wire.send(whole(200, true_picture(wire.tile), "text/html"))
    return True


async def status(code: int, wire: Wire, **fields: object) -> bool:
    body = b"" if code == 204 else b"no\n"
    await wire.send(whole(code, body, "text/plain", **fields))
    return True


async def retry_at(wire: Wire) -> bool:
    """429 with a date that lies in the past or in the next second, as a slow clock would write it."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=0.5), usegmt=True)
    return await status(429, wire, Retry_After=moment)


async def body_of(body: bytes | Callable[[], bytes], kind: str, wire: Wire, **fields: object) -> bool:
    await wire.send(whole(200, body if isinstance(body, bytes) else body(), kind, **fields))
    return True


async def redirect(location: str, wire: Wire) -> bool:
    target = location.format(path=wire.path, port=wire.server.port)
    await wire.send(whole(302, b"", Location=target))
    return True


async def refused(wire: Wire) -> bool:
    wire.server.be_away(AWAY_S)
    wire.reset()
    return False


async def reset(wire: Wire) -> bool:
    wire.reset()
    return False


async def reset_within(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(whole(200, body)[: -len(body) // 2])
    wire.reset()
    return False


async def hung_up(wire: Wire) -> bool:
    return False


async def truncated(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(whole(200, body)[: -len(body) // 2])
    return False


async def truncated_header(wire: Wire) -> bool:
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: ima")
    return False


async def stalled(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(whole(200, body)[: -len(body) // 2])
    await wire.until_gone()
    return False


async def silent(wire: Wire) -> bool:
    await wire.until_gone()
    return False


async def dripping(wire: Wire) -> bool:
    await wire.send(head(200, Content_Type="image/jpeg", Content_Length=100_000))
    while True:
        await wire.send(b"x")
        await asyncio.sleep(0.01)


async def length_too_large(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(head(200, Content_Length=len(body) + 100) + body)
    return False


async def length_too_small(wire: Wire) -> bool:
    """A whole picture announced as half of it: the rest must not be taken for the next answer."""
    body = true_picture(wire.tile)
    await wire.send(head(200, Content_Length=len(body) // 2) + body)
    return True


async def chunks_broken(wire: Wire) -> bool:
    await wire.send(head(200, Transfer_Encoding="chunked") + b"400\r\n" + bytes(0x400) + b"\r\nno number\r\n")
    return False


async def chunks_unfinished(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(head(200, Transfer_Encoding="chunked") + f"{len(body):x}\r\n".encode() + body + b"\r\n")
    return False


async def chunked(wire: Wire) -> bool:
    body = true_picture(wire.tile)
    await wire.send(head(200, Transfer_Encoding="chunked") + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    return True


async def until_closed(wire: Wire) -> bool:
    """A picture without a length: its end is the end of the connection."""
    await wire.send(head(200, Content_Type="image/jpeg") + true_picture(wire.tile))
    return False


async def closed_after(wire: Wire) -> bool:
    """A good answer on a connection that is then closed, although the header did not say so."""
    await picture(wire)
    return False


async def flood(wire: Wire, size: int, **fields: object) -> bool:
    await wire.send(head(200, Content_Type="image/jpeg", **fields))
    for _ in range(size // len(BLOCK)):
        await wire.send(BLOCK)
    return False


async def flood_in_chunks(wire: Wire) -> bool:
    await wire.send(head(200, Transfer_Encoding="chunked"))
    for _ in range(GIB // len(BLOCK)):
        await wire.send(b"10000\r\n" + BLOCK + b"\r\n")
    return False


async def header_flood(wire: Wire) -> bool:
    await wire.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        await wire.send(f"X-{number}: {'x' * 1000}\r\n".encode())
    return False


async def no_http(wire: Wire) -> bool:
    """Bytes without a status line, as HTTP/0.9 had it."""
    await wire.send(true_picture(wire.tile))
    return False


HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"

ACTS: dict[str, Act] = {
    "picture": picture,
    **{f"status_{code}": partial(status, code)
       for code in (204, 400, 401, 403, 404, 405, 408, 410, 425, 429, 451, 500, 501, 502, 503, 504)},
    "retry_after_seconds": partial(status, 429, Retry_After=1),
    "retry_after_date": retry_at,
    "retry_after_for_ever": partial(status, 503, Retry_After=10**9),
    "refused": refused,
    "reset": reset,
    "reset_within": reset_within,
    "hung_up": hung_up,
    "truncated": truncated,
    "truncated_header": truncated_header,
    "stalled": stalled,
    "silent": silent,
    "dripping": dripping,
    "length_too_large": length_too_large,
    "length_too_small": length_too_small,
    "chunks_broken": chunks_broken,
    "chunks_unfinished": chunks_unfinished,
    "chunked": chunked,
    "until_closed": until_closed,
    "closed_after": closed_after,
    "wrong_type": wrong_type,
    "html": partial(body_of, HTML, "text/html"),
    "html_as_picture": partial(body_of, HTML, "image/jpeg"),
    "json": partial(body_of, b'{"error": {"code": 498}}', "application/json"),
    "empty": partial(body_of, b"", "image/jpeg"),
    "redirect_loop": partial(redirect, "{path}"),
    "redirect_elsewhere": partial(redirect, "http://localhost:{port}{path}"),
    "redirect_in_the_clear": partial(redirect, "http://127.0.0.1:{port}{path}"),
    "redirect_to_file": partial(redirect, "file:///etc/hostname"),
    "redirect_nowhere": partial(redirect, "http://[bad/"),
    "gigabyte": partial(flood, size=GIB, Content_Length=GIB),
    "gigabyte_undeclared": partial(flood, size=GIB),
    "gigabyte_in_chunks": flood_in_chunks,
    "gzip_bomb": partial(body_of, pictures.gzip_bomb, "image/jpeg", Content_Encoding="gzip"),
    "header_flood": header_flood,
    "no_http": no_http,
    "blank_tile": partial(picture, blank_tile="true"),
    **{name: partial(body_of, partial(made, name), "image/png") for name in pictures.PICTURES},
}  # fmt: skip
