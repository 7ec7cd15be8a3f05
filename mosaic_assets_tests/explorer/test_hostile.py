"""What strangers try: every answer is one of the API's own, and the data home is as it was."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic_assets.explorer.guard import HEADERS, LARGEST_BODY
from mosaic_assets.settings import Settings

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def unchanged(archive_home: Settings) -> Iterator[None]:
    """Nothing that these tests send changes a file of the data home; SQLite's own log beside the index may come and go."""
    before = state(archive_home.home)
    yield
    assert state(archive_home.home) == before


def state(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def raw(url: str, path: str) -> tuple[int, bytes]:
    """Ask for a path as it stands; HTTP libraries would tidy it up."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode("latin-1"))
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return int(answer[9:12]), answer


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/..%5c..%5capp.py",
        "/static/....//....//app.py",
        "/static//etc/passwd",
        "/static/leaflet/../../../../../etc/passwd",
        "/static/leaflet/%2e%2e/__init__.py",
        "/static/pages/%00",
        "/static/",
        "/static/js/",
        "/static/js",
        "/static/leaflet/",
        "/.git/config",
        "/csquares/index.db",
        "/mosaic.toml",
        "/docs",
        "/redoc",
        "/api/",
        "/api/scene/..%2f..%2fetc",
    ],
)
def test_no_path_leads_to_files_or_lists_folders(archive_url: str, path: str) -> None:
    status, answer = raw(archive_url, path)
    assert status in (307, 400, 404)
    assert b"root:" not in answer
    assert b"import" not in answer
    assert b"content-security-policy" in answer


# Every parameter of the search, and what might be tried with each.
NASTY = [
    "", " ", "'", "';--", "' OR 1=1 --", '"; DROP TABLE scenes; --', "UNION SELECT * FROM meta", "%00", "\x00",
    "\r\nset-cookie: a=b",
    "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}", "<script>alert(1)</script>", "𝟛𝟜𝟙𝟜", "٣٤١٤", "3414\u202e", "\ud7ff", "🌍",
    "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e-400", "0x10", "1_000", "９",
    "1" * 400, "-0", "+5", "1.5", "null", "[]", "{}",
    "****", "****:***:*", "%%%%:%%%:%", "1***:***:***:***:***:***", "1000:***:***:***:***",
    "*" * 1000, "|" * 1000, "1000|" * 400, ",,,",
    "1,2", "1,2,3,4", "1,2,3,4,5", "nan,nan,nan,nan", "1e400,0,0,0", "-180,-90,180,90", "180,-90,-180,90", "0,90,0,90", "181,0,182,1",
    "0001-01-01", "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2003-02-30", "2003-06-21T25:00",
    "2003-W25-6", "20030621", "now", "1e9", "2003-06-21T06:23:00Z[UTC]", "h1a07", "h1a07\x00", "H1A07", "h1a0%", "h1a0_",
]  # fmt: skip
NAMES = (
    "code",
    "box",
    "point",
    "scene",
    "resolution",
    "dataset",
    "platform",
    "start",
    "end",
    "limit",
    "page",
    "format",
)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_parameter_is_the_search_answers_or_says_why_not(archive_url: str, name: str) -> None:
    with requests.Session() as session:
        for value in NASTY:
            answer = session.get(f"{archive_url}/api/search", params={"limit": "3", name: value}, timeout=20)
            sound(answer)
            assert "set-cookie" not in answer.headers
            if name == "scene" and answer.status_code == 200 and value:
                assert value == "h1a07"  # no pattern, no other case, no trimmed byte finds it


def sound(answer: requests.Response) -> None:
    assert answer.status_code in (200, 400, 404, 414), (answer.url, answer.text)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) <= 500


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("scene", "id"), ("squares", "scene"), ("squares", "resolution"), ("squares", "compressed"), ("place", "q"),
        ("density", "resolution"), ("density", "dataset"), ("density.png", "dataset"),
    ],
)  # fmt: skip
def test_the_other_questions_answer_or_say_why_not(archive_url: str, path: str, name: str) -> None:
    others = {"scene": "h1a07"} if path == "squares" and name != "scene" else {}
    with requests.Session() as session:
        for value in NASTY:
            sound(session.get(f"{archive_url}/api/{path}", params={**others, name: value}, timeout=20))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=8),
        st.lists(st.sampled_from(NASTY) | st.text(max_size=12), max_size=3),
        max_size=5,
    )
)
def test_no_mixture_of_parameters_breaks_the_search(archive_url: str, asked: dict[str, list[str]]) -> None:
    sound(requests.get(f"{archive_url}/api/search", params=asked, timeout=20))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=1&limit=2", 200),
        ("limit=2&limit=x", 400),
        ("box=0,0,1,1&box=100,-60,175,-5", 200),
        ("limit=99999999999999999999999", 400),
        ("page=1000001", 400),
        ("page=1000000&limit=1000", 200),
        ("page=-1", 400),
        ("limit=%2B1", 200),
        ("&&&;;;=", 400),
        ("a" * 1000, 400),
        ("&".join(f"p{n}=1" for n in range(500)), 400),
        ("&".join(["platform=NOAA-12"] * 51), 400),
        ("&".join(["code=3414"] * 450), 200),
        ("&".join(["code=3414"] * 501), 400),
        ("code=" + "|".join(["3414"] * 1_500), 200),
        ("scene=" + "x" * 301, 400),
        ("q=%zz", 400),
    ],
)
def test_doubles_and_limits(archive_url: str, query: str, status: int) -> None:
    found, answer = raw(archive_url, f"/api/search?{query}")
    assert found == status, answer[:600]


def test_a_hundred_thousand_codes_are_refused_at_once(archive_url: str) -> None:
    began = time.perf_counter()
    codes = "|".join(f"{1000 + number}" for number in range(100_000))
    assert requests.get(f"{archive_url}/api/search", params={"code": codes}, timeout=20).status_code in (400, 414, 431)
    assert requests.post(f"{archive_url}/stac/search", json={"ids": codes.split("|")}, timeout=20).status_code == 413
    few = {"ids": [str(n) for n in range(5_000)]}
    assert len(str(few)) < LARGEST_BODY
    assert requests.post(f"{archive_url}/stac/search", json=few, timeout=20).status_code == 400
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "codes",
    [
        "|".join(f"{q}*{t:02d}:*" for q in "1357" for t in range(5)),
        "|".join(["1000:*"] * 400),
        "1***:***:*|3***:***:*|5***:***:*|7***:***:*",
    ],
)  # fmt: skip
def test_codes_for_half_the_world_take_no_longer_than_they_should(archive_url: str, codes: str) -> None:
    began = time.perf_counter()
    assert requests.get(f"{archive_url}/api/search", params={"code": codes, "limit": "0"}, timeout=20).status_code in (
        200,
        400,
    )
    assert time.perf_counter() - began < 8


def test_patterns_beyond_what_is_bearable_are_refused(archive_url: str) -> None:
    codes = "|".join(f"1{number:03d}:{quarter}**:1" for number in range(8) for quarter in range(1, 5))
    answer = requests.get(f"{archive_url}/api/search", params={"code": codes}, timeout=20)
    assert (answer.status_code, "20 at most" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_other_origins_get_no_permission(archive_url: str, origin: str) -> None:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }
    asked = requests.options(f"{archive_url}/stac/search", headers=headers, timeout=10)
    got = requests.get(f"{archive_url}/api/search", headers=headers, timeout=10)
    assert asked.status_code == 405
    for answer in (asked, got):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json;q"]
)
def test_bodies_that_a_form_of_another_page_could_send_are_refused(archive_url: str, kind: str) -> None:
    answer = requests.post(f"{archive_url}/stac/search", b'{"limit": 1}', headers={"content-type": kind}, timeout=10)
    assert answer.status_code in (400, 415)


@pytest.mark.parametrize("depth", [500, 20_000])
def test_deep_bodies_are_refused(archive_url: str, depth: int) -> None:
    body = '{"intersects": {"type": "GeometryCollection", "geometries": ' + "[" * depth + "]" * depth + "}}"
    answer = requests.post(f"{archive_url}/stac/search", body, headers={"content-type": "application/json"}, timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        '{"limit": 1, "intersects": {"type": "Point", "coordinates": [147.3, -42.99], "more": ' + more + "}}"
        for more in ("1" + "0" * 30, "-1" + "0" * 30, '"\\ud800"', "[" * 300 + "]" * 300, "[" * 900 + "]" * 900)
    ]
    + ['{"ids": ["\\ud800"], "page": 2}', '{"ids": ["\\udfff"]}', '{"collections": ["\\ud800"]}'],
)  # fmt: skip
def test_what_json_cannot_say_again_is_refused(archive_url: str, body: str) -> None:
    """The links of an answer repeat the search; all of these were errors of the server's once."""
    answer = requests.post(f"{archive_url}/stac/search", body, headers={"content-type": "application/json"}, timeout=10)
    assert answer.status_code == 400, answer.text


WORLD = [[[-170, -80], [0, -80], [170, -80], [170, 80], [0, 80], [-170, 80], [-170, -80]]]


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "MultiPolygon", "coordinates": [WORLD] * 600},
        {"type": "MultiLineString", "coordinates": [[[-80, n % 170 - 85], [80, 85 - n % 170]] for n in range(2_000)]},
        {"type": "Polygon", "coordinates": [
            [[-179, -89], *([(n * 7919) % 359 - 179, (n * 104_729) % 179 - 89] for n in range(3_000)), [-179, -89]]
        ]},
    ],
    ids=["worlds", "zigzag", "crossing"],
)  # fmt: skip
def test_geometries_that_go_round_the_world_many_times_are_refused_at_once(archive_url: str, geometry: Json) -> None:
    """Each of these took 6 s or more of a processor."""
    started = time.monotonic()
    answer = requests.post(f"{archive_url}/stac/search", json={"intersects": geometry}, timeout=60)
    assert (answer.status_code, "ask in parts" in answer.json()["detail"]) == (400, True)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1e308, 0], [0, 1e308], [0, 0]]]},
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": [None, None]},
        {"type": "Point", "coordinates": [0, 91]},
        {"type": "MultiPoint", "coordinates": [[n / 10, 0] for n in range(1_000)]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "GeometryCollection", "geometries": [
            {"type": "Point", "coordinates": [0, 0]}, {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
        ]},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}, "properties": {}},
        {"type": "FeatureCollection", "features": []},
        {},
    ],
)  # fmt: skip
def test_odd_geometries_are_answered_or_refused(archive_url: str, geometry: Json) -> None:
    answer = requests.post(f"{archive_url}/stac/search", json={"intersects": geometry}, timeout=20)
    assert answer.status_code in (200, 400), answer.text
