"""The process that people start, asked with raw sockets: what HTTP libraries would never send."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import requests
import uvicorn

from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.app import make_app
from mosaic_assets.explorer.bounded import LARGEST_HEAD, MOST_HEADERS, BoundedProtocol
from mosaic_assets.explorer.guard import HEADERS, LARGEST_BODY, LONGEST_ADDRESS
from mosaic_assets.explorer.serving import configured, serve
from mosaic_assets.settings import Settings

POST = b"POST /stac/search HTTP/1.1\r\nhost: 127.0.0.1\r\n"
SECOND = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HOST = b"host: 127.0.0.1\r\n"
SEARCH = b"/api/search?limit=1"


@pytest.fixture(scope="module")
def process(archive_home: Settings) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`mosaic explore` as people run it, and its port."""
    command = [sys.executable, "-m", "mosaic_assets.cli", "explore", "--home", str(archive_home.home), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", said)):
            assert running.poll() is None, said
            said += running.stderr.readline()
        yield running, int(found[1])
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) in (0, -signal.SIGTERM)  # uvicorn ends what is running, then by the signal itself


@pytest.fixture
def port(process: tuple[subprocess.Popen[str], int]) -> Iterator[int]:
    """The port; whatever a test sends, the process must answer afterwards."""
    running, number = process
    yield number
    assert running.poll() is None
    assert sent(number, b"GET " + SEARCH + b" HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def sent(port: int, request: bytes, wait: float = 5) -> bytes:
    """Send bytes and return what comes back until the other side hangs up, or has been silent for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        with contextlib.suppress(ConnectionError):  # refused in the middle
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while part := connection.recv(1 << 16):
                answer += part
    return answer


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def test_it_starts_and_ends_quietly(process: tuple[subprocess.Popen[str], int]) -> None:
    assert process[0].poll() is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET http://evil.example/api/search HTTP/1.1\r\n" + HOST, 400),
        (b"GET http://127.0.0.1/api/search HTTP/1.1\r\n" + HOST, 400),
        (b"GET //evil.example/ HTTP/1.1\r\n" + HOST, 404),
        (b"GET * HTTP/1.1\r\n" + HOST, 400),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST, 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST, 400),
        (b"GET /\xff\xfe HTTP/1.1\r\n" + HOST, 400),
        (b"GET /api/search?q=\x00 HTTP/1.1\r\n" + HOST, 400),
        (b"GET /a b HTTP/1.1\r\n" + HOST, 400),
        (b"GET / HTTP/9.9\r\n" + HOST, 400),
        (b"BREW / HTTP/1.1\r\n" + HOST, 400),
        (b"GET / HTTP/1.1\r\n", 421),
        (b"GET / HTTP/1.1\r\nhost: evil.example\r\n", 421),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST, 421),
        (b"GET / HTTP/1.1\r\n" + HOST + b"host: evil.example\r\n", 421),
        (b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"upgrade: websocket\r\nconnection: upgrade\r\n", 200),
        (b"GET / HTTP/1.1\r\n" + HOST + b"x-forwarded-host: evil.example\r\nx-forwarded-for: 1.2.3.4\r\n", 200),
        (b"GET /" + b"a" * LONGEST_ADDRESS + b" HTTP/1.1\r\n" + HOST, 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"a" * LARGEST_HEAD + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"x: 1\r\n" * MOST_HEADERS, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"accept-encoding: " + b"gzip," * 2_000 + b"\r\n", 200),
    ],
)  # fmt: skip
def test_heads_that_no_browser_sends(port: int, head: bytes, expected: int) -> None:
    proper = expected in (200, 404, 421)
    answer = sent(port, head + (b"connection: close\r\n\r\n" if proper else b"\r\n"))
    assert status(answer) == expected
    assert b"content-security-policy: default-src 'none'" in answer


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        POST + b"content-length: 0\r\ncontent-length: 30\r\n\r\n" + SECOND,
        POST + b"content-length: +4\r\n\r\n{}  ",
        POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)  # fmt: skip
def test_smuggling_is_refused_and_the_connection_closed(port: int, request_: bytes) -> None:
    answer = sent(port, request_)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status(answer) == 400
    assert b"connection: close" in answer


@pytest.mark.parametrize("length", [str(LARGEST_BODY + 1), "9" * 18, "000000000000999999"])
def test_bodies_that_announce_too_much_are_refused_unread(port: int, length: str) -> None:
    head = POST + b"content-type: application/json\r\nconnection: close\r\n"
    assert status(sent(port, head + f"content-length: {length}\r\n\r\n".encode())) == 413


def test_chunks_without_end_are_refused(port: int) -> None:
    head = (
        b"POST /stac/search HTTP/1.1\r\n"
        + HOST
        + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    answer = sent(port, head + chunk * 8, wait=0.7)
    assert status(answer) == 400


def test_a_head_without_end_is_refused(port: int) -> None:
    answer = sent(port, b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"a" * (2 * LARGEST_HEAD))
    assert status(answer) == 431


@pytest.mark.parametrize("path", ["/", "/api/search?limit=1", "/static/explorer.css", "/api/density.png", "/nowhere"])
def test_head_answers_as_get_without_the_body(port: int, path: str) -> None:
    request = path.encode() + b" HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n"
    got, headed = sent(port, b"GET " + request), sent(port, b"HEAD " + request)
    assert status(headed) == status(got)
    assert headed.endswith(b"\r\n\r\n")
    assert lengths(headed) == lengths(got) == [len(got.partition(b"\r\n\r\n")[2])]


def lengths(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"content-length: (\d+)", answer)]


def test_pipelined_requests_are_answered_in_turn(port: int) -> None:
    one = b"GET /api/search?limit=0&page=%d HTTP/1.1\r\n" + HOST + b"%s\r\n"
    answer = sent(port, b"".join(one % (n, b"connection: close\r\n" if n == 9 else b"") for n in range(1, 10)))
    assert [int(page) for page in re.findall(rb'"page":(\d+)', answer)] == list(range(1, 10))


def test_many_idle_connections_leave_room(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert status(sent(port, b"GET / HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n")) == 200


def test_it_says_nothing_about_itself(port: int) -> None:
    answer = sent(port, b"GET / HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n").lower()
    assert b"\r\nserver:" not in answer
    assert all(answer.count(b"\r\n" + name.encode() + b":") == 1 for name in HEADERS)


@pytest.fixture
def hasty(archive_home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that waits 0.3 s for a request and for an answer to be taken."""
    monkeypatch.setattr(BoundedProtocol, "request_s", 0.3)
    monkeypatch.setattr(BoundedProtocol, "answer_s", 0.3)
    with running(configured(make_app(archive_home), "127.0.0.1", 0)) as port:
        yield port


@contextlib.contextmanager
def running(config: uvicorn.Config) -> Iterator[int]:
    """Run a server in a thread; yields its port."""
    server, listening = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\n" + HOST + b"x: y\r\n",
        POST + b"content-type: application/json\r\ncontent-length: 20\r\n\r\n{",
    ],
)
def test_whoever_is_slow_is_told_and_cut_off(hasty: int, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hasty), timeout=5) as connection:
        connection.sendall(beginning)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        assert connection.recv(4096) == b""


def test_a_drip_of_bytes_does_not_hold_a_connection(hasty: int) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", hasty), timeout=5) as connection, contextlib.suppress(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 1_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - began < 5


def test_whoever_does_not_take_answers_is_cut_off(hasty: int) -> None:
    one = b"GET /static/world.jpg HTTP/1.1\r\n" + HOST + b"\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", hasty))
        connection.sendall(one * 20)
        time.sleep(1.5)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 20):
                taken += len(part)
    whole = len(sent(hasty, one.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")))
    assert taken < 20 * whole


def test_a_slow_question_is_no_slow_request(hasty: int) -> None:
    # The first density is counted for longer than the 0.3 s of this server on any machine that is busy.
    answer = sent(hasty, b"GET /api/density?resolution=0.5 HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n", wait=20)
    assert status(answer) == 200


def test_a_refusal_is_not_taken_for_the_answer_to_the_request_before(port: int) -> None:
    slow = b"GET /stac/search?limit=120 HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = sent(port, slow + b"GET /" + b"x" * LONGEST_ADDRESS + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert status(answer) in (0, 200)


def test_whoever_comes_when_too_many_are_there_is_told_so(archive_home: Settings) -> None:
    config = configured(make_app(archive_home), "127.0.0.1", 0)
    config.limit_concurrency = 3
    with running(config) as port, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        time.sleep(0.1)
        answer = sent(port, SECOND)
    assert status(answer) == 503
    assert b"ask again in a moment" in answer
    assert all(answer.count(b"\r\n" + name.encode() + b":") == 1 for name in HEADERS)


@pytest.mark.parametrize("host", ["", " "])
def test_no_host_is_not_every_host(archive_home: Settings, host: str) -> None:
    with pytest.raises(SettingsError, match="empty --host"):
        serve(archive_home, host, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # uvicorn leaves the socket open
def test_an_address_in_use_is_said(archive_home: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="another --port"):
        serve(archive_home, "127.0.0.1", taken.getsockname()[1])


def test_scripts_are_asked_about_each_time(archive_url: str) -> None:
    first = requests.get(f"{archive_url}/static/js/common.js", timeout=10)
    assert first.headers["cache-control"] == "no-cache"
    again = requests.get(
        f"{archive_url}/static/js/common.js", headers={"if-none-match": first.headers["etag"]}, timeout=10
    )
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
