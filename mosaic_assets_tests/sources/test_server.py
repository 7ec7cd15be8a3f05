from __future__ import annotations

import hashlib
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.sources.records import SourceRecord
from mosaic_assets.sources.server import FolderTiles, running_server
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data

JPEG = b"\xff\xd8\xff\xe0 stand-in"
RECORD = SourceRecord(
    name="memory",
    kind="xyz",
    title="Tiles in memory",
    imagery="thought",
    release="7",
    min_zoom=1,
    max_zoom=15,
    licence="CC0",
    attribution="nobody",
    synthetic=True,
)


class Memory:
    """A source of the outcomes it is given; everything else is missing."""

    def __init__(self, answers=None):
        self.record = RECORD
        self.answers = answers or {}

    def fetch(self, tiles):
        for tile in tiles:
            found = self.answers.get(tile, (None, Outcome.MISSING, "nothing there"))
            if isinstance(found, Exception):
                raise found
            body, outcome, detail = found
            yield Fetched(tile, body, outcome, datetime.now(UTC), detail=detail)


@contextmanager
def asking(source):
    """A function that asks a running server and returns status, headers and body; one connection for all."""
    with running_server(source) as url:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)

        def ask(path, method="GET", **headers):
            connection.request(method, path, headers={name.replace("_", "-"): headers[name] for name in headers})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

        try:
            yield ask
        finally:
            connection.close()


def test_y_comes_before_x():
    with asking(Memory({Tile(x=3, y=5, z=4): (JPEG, None, "")})) as ask:
        assert ask("/tile/4/5/3")[2] == JPEG
        assert ask("/tile/4/3/5")[0] == 404


def test_a_tile_has_type_length_and_an_etag_of_its_bytes():
    with asking(Memory({Tile(0, 0, 1): (JPEG, None, "")})) as ask:
        status, headers, body = ask("/tile/1/0/0")
    assert (status, body) == (200, JPEG)
    assert (headers["Content-Type"], headers["Content-Length"]) == ("image/jpeg", str(len(JPEG)))
    assert headers["ETag"].strip('"') == hashlib.sha256(JPEG).hexdigest()[:32]


@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"other", {0}', "*"])
def test_what_the_client_has_already_is_not_sent_again(form):
    with asking(Memory({Tile(0, 0, 1): (JPEG, None, "")})) as ask:
        etag = ask("/tile/1/0/0")[1]["ETag"]
        assert ask("/tile/1/0/0", If_None_Match=form.format(etag))[::2] == (304, b"")
        assert ask("/tile/1/0/0", If_None_Match='"other"')[::2] == (200, JPEG)


def test_head_tells_the_same_without_the_body():
    with asking(Memory({Tile(0, 0, 1): (JPEG, None, "")})) as ask:
        status, headers, body = ask("/tile/1/0/0", method="HEAD")
        assert (status, headers["Content-Length"], body) == (200, str(len(JPEG)), b"")
        assert ask("/tile/1/0/0")[2] == JPEG  # the connection is still in step


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/1/0", 400),
        ("/tile/1/0/x", 400),
        ("/tile/1/0/-1", 400),
        ("/tile/1/0/1.5", 400),
        ("/tile/1/0/0/0", 400),
        ("/tile/1/0/" + "9" * 40, 400),
        ("/tile/../../etc/passwd", 400),
        ("/tile/1/0/%D9%A3", 400),
        ("/tile/1/2/0", 404),  # zoom 1 has rows 0 and 1
        ("/tile/0/0/0", 404),  # below the source's zooms
        ("/tile/16/0/0", 404),  # above them
        ("/favicon.ico", 404),
    ],
)
def test_a_bad_path_is_refused_in_words(path, status):
    with asking(Memory()) as ask:
        got, headers, body = ask(path)
    assert got == status
    assert headers["Content-Type"].startswith("text/plain")
    assert 0 < len(body) < 200


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ((None, Outcome.MISSING, "outside"), 404),
        ((None, Outcome.PLACEHOLDER, "header"), 404),
        ((None, Outcome.REFUSED, "status 403"), 403),
        ((None, Outcome.FETCH_FAILED, "status 500"), 503),
        ((None, Outcome.NOT_AN_IMAGE, "an HTML page"), 502),
        (SourceUnavailableError("gone"), 503),
    ],
)
def test_every_outcome_has_its_status(found, status):
    with asking(Memory({Tile(0, 0, 1): found})) as ask:
        assert ask("/tile/1/0/0")[0] == status
        assert ask("/")[0] == 200


def test_the_front_page_says_what_is_served():
    with running_server(Memory()) as url:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        connection.request("GET", "/")
        page = json.loads(connection.getresponse().read())
        connection.close()
    assert page == {
        "name": "memory",
        "title": "Tiles in memory",
        "imagery": "thought",
        "release": "7",
        "licence": "CC0",
        "licence_url": "",
        "attribution": "nobody",
        "synthetic": True,
        "min_zoom": 1,
        "max_zoom": 15,
        "template": f"{url}/tile/{{z}}/{{y}}/{{x}}",
    }


def test_many_clients_are_served_at_a_time():
    tiles = {Tile(x, 0, 15): (b"\x89PNG%d" % x, None, "") for x in range(200)}
    with running_server(Memory(tiles)) as url, ThreadPoolExecutor(16) as threads:

        def ask(x):
            connection = http.client.HTTPConnection(urlsplit(url).netloc)
            connection.request("GET", f"/tile/15/0/{x}")
            body = connection.getresponse().read()
            connection.close()
            return body

        assert list(threads.map(ask, range(200))) == [tiles[Tile(x, 0, 15)][0] for x in range(200)]


def test_a_taken_port_is_an_error_of_ours():
    with running_server(Memory()) as url:
        port = urlsplit(url).port
        with pytest.raises(SourceError, match=f"port {port}"), running_server(Memory(), port=port):
            pass


def test_stopping_does_not_wait_for_idle_clients():
    with running_server(Memory()) as url:
        idle = http.client.HTTPConnection(urlsplit(url).netloc)
        idle.request("GET", "/")
        idle.getresponse().read()
        began = time.monotonic()
    idle.close()
    assert time.monotonic() - began < 5  # a server that waited would take IDLE_S, a minute


@pytest.mark.parametrize("name", ["0", "0.jpg", "0.jpeg", "0.png"])
def test_a_folder_may_name_its_tiles_in_four_ways(tmp_path, name):
    (tmp_path / "2" / "1").mkdir(parents=True)
    (tmp_path / "2" / "1" / name).write_bytes(JPEG)
    found, missing = FolderTiles(tmp_path).fetch([Tile(x=1, y=0, z=2), Tile(x=0, y=1, z=2)])
    assert (found.body, found.outcome, found.content_type) == (JPEG, None, "image/jpeg")
    assert (missing.body, missing.outcome) == (None, Outcome.MISSING)


def test_a_folder_knows_its_zooms(tmp_path):
    for name in ("3", "5", "styles", "99"):
        (tmp_path / name).mkdir()
    record = FolderTiles(tmp_path).record
    assert (record.min_zoom, record.max_zoom, record.licence) == (3, 5, "not stated")


@pytest.mark.parametrize("make", [lambda path: path / "absent", lambda path: path])
def test_a_folder_that_is_absent_or_empty_is_an_error(tmp_path, make):
    with pytest.raises(SourceError, match="serving the folder"):
        FolderTiles(make(tmp_path))


@needs_shared_data
def test_the_whole_world_is_served_from_a_folder():
    folder = SHARED_DATA / "bluemarble_xyz"
    with asking(folder) as ask:
        for z, x, y in [(0, 0, 0), (2, 1, 3), (4, 15, 9)]:
            (file,) = (folder / str(z) / str(x)).glob(f"{y}*")
            assert file.name.partition(".")[0] == str(y)
            assert ask(f"/tile/{z}/{y}/{x}")[2] == file.read_bytes()
