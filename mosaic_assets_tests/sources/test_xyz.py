from __future__ import annotations

import hashlib
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mosaic_assets import __version__
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import GeometryError, SettingsError, SourceError, SourceUnavailableError
from mosaic_assets.settings import Network, load_settings
from mosaic_assets.sources.answers import host, origin, retry_after_s
from mosaic_assets.sources.client import HttpClient
from mosaic_assets.sources.transfers import _headers
from mosaic_assets.sources.xyz import FAILED_IN_A_ROW, UNREACHABLE_AT_ONCE, XyzSource
from mosaic_assets_tests.sources.faulty_server import (
    PICTURE,
    answer,
    dripping_body,
    dripping_header,
    endless,
    redirect,
    reset,
    silent,
    stalled,
    truncated,
    truncated_header,
)

TILE = Tile(x=3, y=5, z=4)
PATH = "/4/3/5"
HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


def fetch_one(source, tile=TILE):
    (fetched,) = source.fetch([tile])
    return fetched


def row(count, z=10):
    return [Tile(x=x, y=0, z=z) for x in range(count)]


def test_a_picture_arrives_with_its_etag_and_type(server, record_at, open_xyz):
    server.on(PATH, answer(ETag='"abc"'))
    fetched = fetch_one(open_xyz(record_at(server.url)))
    assert (fetched.tile, fetched.outcome, fetched.body) == (TILE, None, PICTURE)
    assert (fetched.etag, fetched.content_type) == ('"abc"', "image/jpeg")
    assert datetime.now(UTC) - fetched.fetched_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("act", "outcome", "detail"),
    [
        (answer(404, b"no"), Outcome.MISSING, "status 404"),
        (answer(204, b""), Outcome.MISSING, "status 204"),
        (answer(401), Outcome.REFUSED, "status 401"),
        (answer(403), Outcome.REFUSED, "status 403"),
        (answer(405), Outcome.REFUSED, "status 405"),
        (answer(410), Outcome.REFUSED, "status 410"),
        (answer(422), Outcome.REFUSED, "status 422"),
        (answer(501), Outcome.REFUSED, "status 501"),
        (answer(body=bytes(100_001)), Outcome.REFUSED, "an answer larger than 100000 bytes"),
        (endless, Outcome.REFUSED, "an answer larger than 100000 bytes"),
        (answer(body=HTML, content_type="text/html"), Outcome.NOT_AN_IMAGE, "an HTML page"),
        (answer(body=HTML, content_type="image/jpeg"), Outcome.NOT_AN_IMAGE, "an HTML page"),
        (
            answer(body=b'{"error": 498}', content_type="application/json"),
            Outcome.NOT_AN_IMAGE,
            "a JSON document",
        ),
        (
            answer(body=b"<?xml version='1.0'?>", content_type="text/xml"),
            Outcome.NOT_AN_IMAGE,
            "an XML document",
        ),
        (answer(body=b""), Outcome.NOT_AN_IMAGE, "an empty answer"),
        (redirect(PATH), Outcome.REFUSED, "a redirect loop, or more than 3 redirects"),
        (redirect("http://localhost:1/4/3/5"), Outcome.REFUSED, "status 302, a redirect away from its host"),
        (redirect("http://[bad/"), Outcome.REFUSED, "status 302, a redirect away from its host"),
        (answer(302, b""), Outcome.REFUSED, "status 302, a redirect away from its host"),
    ],
)
def test_a_permanent_answer_is_final(server, record_at, open_xyz, waits, act, outcome, detail):
    server.on(PATH, act)
    fetched = fetch_one(open_xyz(record_at(server.url)))
    assert (fetched.outcome, fetched.detail, fetched.body) == (outcome, detail, None)
    redirects = 4 if "loop" in detail else 1
    assert (len(server.seen), waits) == (redirects, [])


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (answer(408), "status 408"),
        (answer(425), "status 425"),
        (answer(429), "status 429"),
        (answer(500), "status 500"),
        (answer(502), "status 502"),
        (answer(503), "status 503"),
        (answer(504), "status 504"),
        (truncated, "a truncated answer"),
        (truncated_header, "a truncated answer"),
        (reset, "connection lost"),
    ],
)
def test_a_passing_failure_is_tried_again_until_it_passes(server, record_at, open_xyz, waits, act, detail):
    server.on(PATH, act, act, answer())
    server.on("/4/0/0", act)
    source = open_xyz(record_at(server.url))
    assert fetch_one(source).body == PICTURE
    assert len(waits) == 2
    lasting = fetch_one(source, Tile(0, 0, 4))
    assert (lasting.outcome, lasting.detail) == (Outcome.FETCH_FAILED, detail)
    assert server.paths().count("/4/0/0") == 3


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (stalled, "no answer in time"),
        (dripping_body, "the answer took longer than 0.8 s"),
        (dripping_header, "no answer in time"),
    ],
)
def test_a_slow_server_holds_nobody_for_long(server, record_at, open_xyz, act, detail):
    server.on(PATH, act)
    source = open_xyz(record_at(server.url), timeout_s=0.2, retries=0)
    began = time.monotonic()
    fetched = fetch_one(source)
    assert (fetched.outcome, fetched.detail) == (Outcome.FETCH_FAILED, detail)
    assert time.monotonic() - began < 3


def test_pauses_double_and_differ_between_tiles(server, record_at, open_xyz, waits):
    for path in ("/4/0/0", "/4/1/0"):
        server.on(path, answer(500))
    source = open_xyz(record_at(server.url), retries=3, backoff_s=1.0)
    first, second = [], []
    for x, into in ((0, first), (1, second)):
        fetch_one(source, Tile(x, 0, 4))
        into += waits
        waits.clear()
    for pauses in (first, second):
        assert all(0.5 * 2**n <= pause < 1.5 * 2**n for n, pause in enumerate(pauses))
    assert first != second


def test_pauses_are_the_same_in_every_run(server, record_at, open_xyz, waits):
    server.on(PATH, answer(500))
    source = open_xyz(record_at(server.url))
    fetch_one(source)
    once = list(waits)
    fetch_one(source)
    assert waits == once * 2


@pytest.mark.parametrize(
    ("header", "waited_s"),
    [
        ("5", 5),
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 60),  # the longest we wait
        ("86400", 60),
    ],
    ids=["seconds", "a date", "a day"],  # the date's own text would differ between the processes that collect it
)
def test_retry_after_is_heeded_up_to_its_limit(server, record_at, open_xyz, waits, header, waited_s):
    server.on(PATH, answer(429, Retry_After=header), answer())
    assert fetch_one(open_xyz(record_at(server.url), backoff_s=0.01)).body == PICTURE
    assert waits == [pytest.approx(waited_s, abs=1)]


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "nan", "٣"])
def test_an_unreadable_retry_after_is_as_good_as_none(value):
    assert retry_after_s(value, datetime.now(UTC)) is None


def test_a_retry_after_in_the_past_is_no_wait():
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT", datetime.now(UTC)) == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "text/html", ""])
def test_a_true_picture_is_taken_whatever_its_label(server, record_at, open_xyz, content_type):
    server.on(PATH, answer(content_type=content_type))
    assert fetch_one(open_xyz(record_at(server.url))).body == PICTURE


def test_redirects_within_the_host_are_followed(server, record_at, open_xyz):
    server.on(PATH, redirect("/moved/1"))
    server.on("/moved/1", redirect("/moved/2"))
    assert fetch_one(open_xyz(record_at(server.url))).body == PICTURE


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (answer(body=b"\xff\xd8 no data yet"), "a known placeholder picture"),
        (answer(blank_tile="true"), "header blank-tile"),
        (answer(X_VE_Tile_Info="no-tile"), "header X-VE-Tile-Info"),
    ],
)
def test_a_placeholder_is_known_by_its_hash_or_its_header(server, record_at, open_xyz, act, detail):
    known = hashlib.sha256(b"\xff\xd8 no data yet").hexdigest()
    server.on(PATH, act)
    fetched = fetch_one(open_xyz(record_at(server.url, placeholder_sha256=(known,))))
    assert (fetched.outcome, fetched.detail, fetched.body) == (Outcome.PLACEHOLDER, detail, None)


def test_a_picture_of_the_placeholders_size_is_no_placeholder(server, record_at, open_xyz):
    known = hashlib.sha256(b"\xff\xd8 no data yet").hexdigest()
    server.on(PATH, answer(body=b"\xff\xd8 no data yeT", blank_tile="false"))
    assert fetch_one(open_xyz(record_at(server.url, placeholder_sha256=(known,)))).outcome is None


@pytest.mark.parametrize(
    ("template", "fields", "path"),
    [
        ("/{z}/{x}/{y}", {}, "/4/3/5"),
        ("/MapServer/tile/{z}/{y}/{x}", {}, "/MapServer/tile/4/5/3"),
        ("/{z}/{x}/{y}.png", {"y_from_south": True}, "/4/3/10.png"),  # 2**4 - 1 - 5
        ("/{release}/{z}/{y}/{x}", {"release": "56102"}, "/56102/4/5/3"),
        ("/wmts?TILEMATRIX={z}&TILEROW={y}&TILECOL={x}", {}, "/wmts?TILEMATRIX=4&TILEROW=5&TILECOL=3"),
    ],
)
def test_templates_order_and_count_as_their_server_does(server, record_at, open_xyz, template, fields, path):
    fetch_one(open_xyz(record_at(server.url, url=server.url + template, **fields)))
    assert server.paths() == [path]


def test_the_server_learns_who_asks(server, record_at, open_xyz):
    fetch_one(open_xyz(record_at(server.url), contact="mailto:me@example.org"))
    assert server.seen[0][1]["User-Agent"] == f"mosaic_assets/{__version__} (+mailto:me@example.org)"


def test_the_environments_proxy_is_used_except_for_loopback(server, record_at, open_xyz, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    fetch_one(open_xyz(record_at("http://tiles.invalid")))
    fetch_one(open_xyz(record_at(server.url)))
    assert server.paths() == [f"http://tiles.invalid{PATH}", PATH]


def test_the_key_reaches_the_server_and_no_message(server, record_at, open_xyz, caplog):
    caplog.set_level(logging.DEBUG)
    record = record_at(server.url, url=server.url + "/{z}/{x}/{y}?token={key}", key_variable="TILE_KEY")
    server.on("/10/0/0", answer())
    server.on("/10/1/0", answer(403))
    server.on("/10/2/0", stalled)
    server.on("/10/3/0", redirect("http://localhost:1/?token=s3cret/key"))
    source = open_xyz(record, environ={"TILE_KEY": "s3cret/key"}, timeout_s=0.2, retries=0)
    details = " ".join(fetched.detail for fetched in source.fetch(row(4)))
    assert {path.partition("?")[2] for path in server.paths()} == {"token=s3cret%2Fkey"}
    assert "status 403" in details
    assert "s3cret" not in details + caplog.text


def test_a_missing_key_names_the_variable_to_set(record_at, open_xyz):
    record = record_at("http://127.0.0.1:1", url="http://127.0.0.1:1/{z}/{x}/{y}?k={key}", key_variable="TILE_KEY")
    with pytest.raises(SettingsError, match="TILE_KEY"):
        open_xyz(record)


def test_answers_keep_the_order_of_the_tiles(server, record_at, open_xyz):
    tiles = row(40)
    for tile in tiles[::3]:
        server.on(f"/10/{tile.x}/0", answer(404))
    fetched = list(open_xyz(record_at(server.url, max_connections=4)).fetch(tiles))
    assert [one.tile for one in fetched] == tiles
    assert [one.tile.x for one in fetched if one.outcome is Outcome.MISSING] == list(range(0, 40, 3))


def test_closing_early_asks_for_little_more(server, record_at, open_xyz):
    answers = open_xyz(record_at(server.url, max_connections=2)).fetch(row(1000))
    next(answers)
    answers.close()
    assert len(server.seen) <= 1 + 4 * 2 + 2


def test_connections_are_kept_open_and_bounded(server, record_at, open_xyz):
    ports = set()
    original = server.process_request
    server.process_request = lambda request, client: (ports.add(client[1]), original(request, client))
    list(open_xyz(record_at(server.url, max_connections=3)).fetch(row(60)))
    assert 1 <= len(ports) <= 3


def test_the_rate_limit_spaces_the_requests(server, record_at, open_xyz, waits):
    list(open_xyz(record_at(server.url, requests_per_s=0.01, max_connections=1)).fetch(row(3)))
    # Nobody really sleeps, so the second and third are booked 100 s and 200 s after the first.
    assert waits == [pytest.approx(100, abs=2), pytest.approx(200, abs=2)]


def test_a_tile_that_does_not_exist_is_never_asked_for(server, record_at, open_xyz):
    with pytest.raises(GeometryError):
        list(open_xyz(record_at(server.url)).fetch([Tile(x=16, y=0, z=4)]))
    assert server.seen == []


def test_a_server_that_is_down_is_given_up_at_once(record_at, open_xyz, closed_port):
    source = open_xyz(record_at(f"http://127.0.0.1:{closed_port}"), retries=1)
    answered = []
    with pytest.raises(SourceUnavailableError, match=f"127.0.0.1 port {closed_port} .*connection refused") as caught:
        answered += source.fetch(row(1000))
    assert caught.value.passing


def test_a_server_that_refuses_every_tile_is_given_up_for_good_and_a_few_refusals_are_only_tiles(
    server, record_at, open_xyz
):
    for x in range(100):
        server.on(f"/10/{x}/0", answer(403))
    with pytest.raises(SourceError, match=r"refused the first 20 tiles .* status 403.*access key") as caught:
        list(open_xyz(record_at(server.url)).fetch(row(100)))
    assert not caught.value.passing
    server.on("/10/0/0", answer())
    fetched = list(open_xyz(record_at(server.url)).fetch(row(100)))
    assert [one.outcome for one in fetched] == [None] + [Outcome.REFUSED] * 99


def test_a_few_refused_connections_are_only_failed_tiles(record_at, open_xyz, closed_port):
    source = open_xyz(record_at(f"http://127.0.0.1:{closed_port}"))
    outcomes = [fetched.outcome for fetched in source.fetch(row(UNREACHABLE_AT_ONCE - 1))]
    assert outcomes == [Outcome.FETCH_FAILED] * (UNREACHABLE_AT_ONCE - 1)


def test_a_server_that_breaks_down_later_is_given_up_after_a_row_of_failures(server, record_at, open_xyz):
    for x in range(5, 500):
        server.on(f"/10/{x}/0", answer(503))
    source = open_xyz(record_at(server.url), retries=0)
    outcomes = []
    with pytest.raises(SourceUnavailableError, match="status 503"):
        outcomes.extend(fetched.outcome for fetched in source.fetch(row(500)))
    assert outcomes == [None] * 5 + [Outcome.FETCH_FAILED] * (FAILED_IN_A_ROW - 1)


def test_failures_that_do_not_come_in_a_row_are_no_breakdown(server, record_at, open_xyz):
    tiles = row(60)
    for tile in tiles:
        if tile.x % 10:
            server.on(f"/10/{tile.x}/0", answer(503))
    assert len(list(open_xyz(record_at(server.url), retries=0).fetch(tiles))) == 60


@pytest.mark.parametrize("act", [answer(500), silent])
def test_closing_a_source_ends_its_pauses_and_its_waiting(server, record_at, act):
    server.on(PATH, act)
    settings = load_settings(network={"backoff_s": 3600.0, "timeout_s": 3600.0})
    began = time.monotonic()
    with ThreadPoolExecutor(1) as other:
        with XyzSource(record_at(server.url), settings, environ={}) as source:
            asked = other.submit(fetch_one, source)
            while not server.seen:
                time.sleep(0.01)
        assert asked.result(5).outcome is Outcome.FETCH_FAILED
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("asked_at_once", [1, 3])
def test_no_more_is_asked_ahead_than_four_times_the_connections(server, record_at, open_xyz, asked_at_once):
    answers = open_xyz(record_at(server.url, max_connections=asked_at_once)).fetch(row(200))
    for taken in range(3):
        next(answers)
        time.sleep(0.2)  # as much as it may comes in
        assert taken < len(server.seen) <= 4 * asked_at_once + taken
    assert [one.tile.x for one in answers] == list(range(3, 200))


def test_what_was_taken_is_not_kept(server):
    client = HttpClient(Network(), requests_per_s=None, max_connections=8)
    for number in range(100):
        server.on(f"/{number}", answer(body=b"\xff\xd8" + bytes([number]) * 10_000))
    with closing(client.get_all(f"{server.url}/{number}" for number in range(100))) as answers:
        for taken in answers:
            references = sys.getrefcount(taken)
            assert references == 2  # the variable here, and the call itself


def test_a_connection_brings_only_its_own_answers_bytes(server, record_at, open_xyz):
    long, short = b"\xff\xd8" + b"long" * 9_000, b"\xff\xd8short"
    server.on("/10/0/0", answer(body=long, ETag='"first"'))
    server.on("/10/1/0", truncated, answer(body=short))
    server.on("/10/2/0", answer(body=short))
    server.on("/10/3/0", answer(body=long))
    fetched = list(open_xyz(record_at(server.url, max_connections=1)).fetch(row(4)))
    assert [(one.body, one.etag) for one in fetched] == [(long, '"first"'), (short, ""), (short, ""), (long, "")]


def test_an_error_of_the_addresses_reaches_the_taker_behind_the_answers(server):
    def addresses():
        yield f"{server.url}/0"
        raise LookupError("no more")

    client = HttpClient(Network(), requests_per_s=None, max_connections=1)
    taken = []
    with pytest.raises(LookupError, match="no more"):
        taken += client.get_all(addresses())
    assert [one.body for one in taken] == [PICTURE]


def test_a_header_is_read_without_regard_to_case_and_the_last_line_of_a_name_counts():
    continued = b"HTTP/1.1 100 Continue\r\nETag: early\r\n\r\n"
    last = b'HTTP/1.1 200 OK\r\nETAG: "1"\r\nServer: x\r\netag:"2" \r\nContent-type:image/png\r\n\r\n'
    assert _headers(continued + last) == {"etag": '"2"', "content-type": "image/png"}
    assert _headers(b"") == {}


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://127.0.0.1:8000/15/1/2", "http://127.0.0.1:8000"),
        ("https://me:secret@tiles.example/a/b", "https://me:secret@tiles.example"),
        ("http://[::1]:80/x", "http://[::1]:80"),
        ("http://a/b", "http://a"),
        ("http://tiles.example", "http://tiles.example"),
        ("http://tiles.example?x=1", "http://tiles.example?x=1"),
    ],
)
def test_an_origin_tells_the_host_as_the_whole_address_does(url, start):
    assert origin(url) == start
    assert host(start) == host(url)
    assert "secret" not in host(url)


def test_the_environment_is_asked_for_a_proxy_once_a_host(server, record_at, open_xyz, monkeypatch):
    asked = []
    monkeypatch.setattr("mosaic_assets.sources.transfers.getproxies", lambda: asked.append(1) or {"http": server.url})
    monkeypatch.setattr("mosaic_assets.sources.transfers.proxy_bypass", lambda _: False)
    fetched = list(open_xyz(record_at("http://tiles.invalid")).fetch(row(30)))
    assert [one.outcome for one in fetched] == [None] * 30
    assert len(asked) == 1
