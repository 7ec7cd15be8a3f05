"""Any source, or a folder of tiles, as a tile server in ArcGIS's path order ``/tile/{z}/{y}/{x}``."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mosaic_assets import __version__
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.sources.base import TileSource
from mosaic_assets.sources.records import SourceRecord

TILE_PATH = re.compile(r"/tile/([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})")
IDLE_S = 60.0
"""An open connection on which nothing is asked for so long is closed, seconds."""
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", "")
SIGNATURES = (
    (b"\xff\xd8", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"RIFF", "image/webp"),
    (b"GIF8", "image/gif"),
)
STATUS = {
    Outcome.MISSING: HTTPStatus.NOT_FOUND,
    Outcome.PLACEHOLDER: HTTPStatus.NOT_FOUND,
    Outcome.REFUSED: HTTPStatus.FORBIDDEN,
    Outcome.FETCH_FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
}


class FolderTiles:
    """A folder of files ``z/x/y``, with or without an extension, as a source; y counts from the north.

    Parameters
    ----------
    path
        The folder that holds one folder a zoom.
    record
        What is known of its imagery; by default its name, its zooms, and that its licence is not stated.

    Raises
    ------
    SourceError
        The folder does not exist or holds no zooms.
    """

    def __init__(self, path: Path, record: SourceRecord | None = None) -> None:
        self.path = Path(path).expanduser().absolute()
        self.record = record or _folder_record(self.path)

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        """Yield one answer for each tile, in order."""
        yield from map(self._read, tiles)

    def _read(self, tile: Tile) -> Fetched:
        now = datetime.now(UTC)
        for extension in EXTENSIONS:
            try:
                body = (self.path / str(tile.z) / str(tile.x) / f"{tile.y}{extension}").read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                return Fetched(tile, None, Outcome.REFUSED, now, detail=f"not readable: {error.strerror}")
            return Fetched(tile, body, None, now, content_type=image_type(body))
        return Fetched(tile, None, Outcome.MISSING, now, detail="no such file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""


def serve(
    source: TileSource | str | Path,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve tiles until interrupted (Ctrl-C).

    Parameters
    ----------
    source
        An opened source, which is left open, or a folder as in `FolderTiles`.
    host, port
        Where to listen; port 0 takes a free one.
    on_ready
        Called with the server's address once it answers.

    Raises
    ------
    SourceError
        The port is taken or not allowed, or the folder is of no use.
    """
    with running_server(source, host, port) as url:
        on_ready(url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


@contextmanager
def running_server(source: TileSource | str | Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    r"""Serve tiles from a thread; yields the server's address, and stops at the end of the ``with`` block.

    Raises
    ------
    SourceError
        As in `serve`.

    Examples
    --------
    >>> import tempfile, urllib.request
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "0/0").mkdir(parents=True)
    ...     _ = (Path(folder) / "0/0/0.png").write_bytes(b"\x89PNG...")
    ...     with running_server(folder) as url, urllib.request.urlopen(f"{url}/tile/0/0/0") as answer:
    ...         answer.headers["Content-Type"]
    'image/png'
    """
    opened = FolderTiles(Path(source)) if isinstance(source, (str, Path)) else source
    try:
        server = _TileServer((host, port), opened)
    except (OSError, OverflowError) as error:
        raise SourceError(
            f"serving tiles on {host} port {port} failed: {error}; choose another host or port"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="tile-server", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def image_type(body: bytes) -> str:
    r"""Return the media type that the first bytes of a picture tell.

    Examples
    --------
    >>> image_type(b"\xff\xd8\xff\xe0")
    'image/jpeg'
    """
    return next((name for start, name in SIGNATURES if body.startswith(start)), "application/octet-stream")


def describe(record: SourceRecord, url: str) -> dict[str, Any]:
    """Return what a server says of itself at ``/``, ready for JSON."""
    imagery, release = record.identity
    return {
        "name": record.name,
        "title": record.title,
        "imagery": imagery,
        "release": release,
        "licence": record.licence,
        "licence_url": record.licence_url,
        "attribution": record.attribution,
        "synthetic": record.synthetic,
        "min_zoom": record.min_zoom,
        "max_zoom": record.max_zoom,
        "template": f"{url}/tile/{{z}}/{{y}}/{{x}}",
    }


def _folder_record(path: Path) -> SourceRecord:
    zooms = [int(entry.name) for entry in _entries(path) if re.fullmatch("[0-9]|1[0-9]|2[0-4]", entry.name)]
    if not zooms:
        raise SourceError(f"serving the folder {path} failed: expected folders 0 to 24 in it, with x/y.jpg in them")
    return SourceRecord.model_validate(
        {
            "name": path.name or "folder",
            "kind": "xyz",
            "title": f"the folder {path.name}",
            "min_zoom": min(zooms),
            "max_zoom": max(zooms),
            "default_zoom": max(zooms),
            "licence": "not stated",
            "attribution": "not stated",
        }
    )


def _entries(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir()]
    except OSError as error:
        raise SourceError(f"serving the folder {path} failed: {error.strerror}; name a folder of tiles") from error


class _TileServer(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end: no thread outlives its source
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], source: TileSource) -> None:
        self.source = source
        self._connections: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        self.index = json.dumps(describe(source.record, self.url), ensure_ascii=False, indent=2).encode()

    def server_bind(self) -> None:
        # The standard one looks up the host's name, which can take seconds without a network.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report errors, except that a client went away, which is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        # Idle keep-alive connections would hold their threads for a minute.
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"mosaic_assets/{__version__}"
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: header and body leave in one write
    server: _TileServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(HTTPStatus.OK, self.server.index, "application/json; charset=utf-8")
            return
        found = TILE_PATH.fullmatch(path)
        if found:
            z, y, x = map(int, found.groups())
            self._tile(Tile(x=x, y=y, z=z))
        elif path.startswith("/tile/"):
            self._say(HTTPStatus.BAD_REQUEST, "expected /tile/{z}/{y}/{x} with whole numbers")
        else:
            self._say(HTTPStatus.NOT_FOUND, "expected / or /tile/{z}/{y}/{x}")

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def _tile(self, tile: Tile) -> None:
        record = self.server.source.record
        if not record.min_zoom <= tile.z <= record.max_zoom or max(tile.x, tile.y) >= 2**tile.z:
            self._say(HTTPStatus.NOT_FOUND, f"no such tile; zooms are {record.min_zoom} to {record.max_zoom}")
            return
        try:
            fetched = next(iter(self.server.source.fetch([tile])))
        except SourceUnavailableError:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "the source does not answer")
            return
        if fetched.body is None:
            status = STATUS.get(fetched.outcome or Outcome.MISSING, HTTPStatus.BAD_GATEWAY)
            self._say(status, f"{fetched.outcome}: {fetched.detail}")
            return
        self._picture(fetched.body, fetched.content_type or image_type(fetched.body))

    def _picture(self, body: bytes, content_type: str) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        known = self.headers.get("If-None-Match", "")
        if known == "*" or etag in (item.strip().removeprefix("W/") for item in known.split(",")):
            self._answer(HTTPStatus.NOT_MODIFIED, b"", content_type, etag)
        else:
            self._answer(HTTPStatus.OK, body, content_type, etag)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str, etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Access-Control-Allow-Origin", "*")
        if etag:
            self.send_header("ETag", etag)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing: a harvest asks thousands of times."""
