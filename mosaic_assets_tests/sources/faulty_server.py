"""A tile server that misbehaves on demand, on loopback, inside the test process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PICTURE = b"\xff\xd8\xff\xe0 stand-in for a JPEG; nobody decodes it here \xff\xd9"

Act = Callable[["Handler"], None]


def answer(status=200, body=PICTURE, content_type="image/jpeg", **headers) -> Act:
    """A well-formed answer; header names are written with _ for -."""

    def act(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def redirect(location) -> Act:
    return answer(302, b"", Location=location)


def truncated(handler) -> None:
    """Promise 1,000 bytes, send 10, hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(PICTURE[:10])
    handler.close_connection = True


def truncated_header(handler) -> None:
    """Hang up in the middle of a header line."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Cut-Off: 12")
    handler.close_connection = True


def reset(handler) -> None:
    """Hang up before a single byte of the answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def stalled(handler) -> None:
    """Send half of the body and then nothing for as long as the server lives."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PICTURE)))
    handler.end_headers()
    handler.wfile.write(PICTURE[:10])
    handler.wfile.flush()
    handler.server.stopping.wait(10)
    handler.close_connection = True


def silent(handler) -> None:
    """Say nothing for as long as the server lives."""
    handler.server.stopping.wait(10)
    handler.close_connection = True


def dripping_body(handler) -> None:
    """Send a byte every now and then, always in time for the timeout between two reads."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    drip(handler, b"x" * 1000)


def dripping_header(handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)


def drip(handler, data) -> None:
    handler.close_connection = True
    for byte in data:
        if handler.server.stopping.wait(0.05):
            return
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def endless(handler) -> None:
    """A body without a length that never ends."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.stopping.is_set():
        handler.wfile.write(bytes(65_536))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    wbufsize = -1  # one write an answer, or the two sides wait for each other 40 ms

    def do_GET(self):
        server = self.server
        with server.lock:
            server.seen.append((self.path, dict(self.headers)))
            acts = server.scripts.get(self.path.partition("?")[0], [answer()])
            act = acts.pop(0) if len(acts) > 1 else acts[0]
        act(self)

    def log_message(self, *args):
        pass


class FaultyServer(ThreadingHTTPServer):
    """Answers with a picture, unless told otherwise for a path."""

    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = False
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.scripts: dict[str, list[Act]] = {}
        self.seen: list[tuple[str, dict]] = []
        self.open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def on(self, path, *acts):
        """At each request for the path take the next act; the last one repeats."""
        self.scripts[path] = list(acts)

    def paths(self):
        return [path for path, _ in self.seen]

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is what many of these tests are about


@contextmanager
def faulty_server():
    server = FaultyServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        for connection in list(server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        server.server_close()
        thread.join()
