from __future__ import annotations

import pytest
import requests

from mosaic_assets.explorer.guard import HEADERS


@pytest.mark.parametrize(
    "path", ["/", "/api/search?code=3414", "/static/explorer.css", "/nowhere", "/api/search?limit=x"]
)
def test_every_answer_has_the_headers(archive_url: str, path: str) -> None:
    headers = requests.get(archive_url + path, timeout=10).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost.",
        "evil:80",
        "[::2]:80",
        "127.0.0.1:80@evil.example",
        "127.0.0.1:80/x",
        "[::1]evil",
    ],
)
def test_other_hosts_are_turned_away(archive_url: str, host: str) -> None:
    assert requests.get(archive_url, headers={"host": host}, timeout=10).status_code == 421


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_methods_that_could_change_something_are_refused(archive_url: str, method: str) -> None:
    answer = requests.request(method, f"{archive_url}/api/search", timeout=10)
    assert (answer.status_code, answer.json()["title"]) == (405, "Method not allowed")


@pytest.mark.browser
def test_a_page_opens_without_complaints(archive_url: str, open_page) -> None:
    page = open_page(archive_url)
    assert page.title() == "Map · mosaic_assets"
