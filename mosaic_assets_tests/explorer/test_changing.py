"""The data home changes, is damaged or is closed while the explorer runs: right answers, or problems that say what is wrong."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import shapely

from mosaic_assets.csquares import Scene, cover_many, update_index, write_pairs
from mosaic_assets.csquares.index import index_path
from mosaic_assets.errors import BusyError, UnknownNameError
from mosaic_assets.explorer.reading import TRIES, from_one_state
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.explorer.running import exploring

HERE = shapely.box(147, -43, 148, -42)
START = datetime(2003, 6, 20, tzinfo=UTC)


def publish(settings: Settings, batch: str, first: int, count: int, said: str = "") -> None:
    """Put a batch of scenes an hour apart in the index; scene ``n`` is of hour ``n``."""
    found = [
        Scene(f"{batch}-{n:03d}", platform="NOAA-12", time=START + timedelta(hours=n), image_location=said)
        for n in range(first, first + count)
    ]
    write_pairs(settings.csquares, batch, found, cover_many([HERE] * count, 0.5), published_at=datetime.now(UTC))
    update_index(settings.csquares)


@pytest.fixture
def growing(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    publish(settings, "b", 100, 20, "v0")
    return settings


def following(url: str, page: dict[str, Any]) -> dict[str, Any] | None:
    links = [link for link in page["links"] if link["rel"] == "next"]
    return requests.post(f"{url}/stac/search", json=links[0]["body"], timeout=20).json() if links else None


def test_pages_of_stac_neither_skip_nor_repeat_while_earlier_scenes_come_and_go(growing: Settings) -> None:
    with exploring(growing) as url:
        page: dict[str, Any] | None = requests.post(f"{url}/stac/search", json={"limit": 6}, timeout=20).json()
        found = []
        for number in range(10):
            if page is None:
                break
            found += [item["id"] for item in page["features"]]
            publish(growing, "early", number, 3)  # before all others, another three each time
            page = following(url, page)
    assert found == [f"b-{n:03d}" for n in range(100, 120)]


def test_stac_says_when_the_item_to_go_on_behind_is_gone(growing: Settings) -> None:
    with exploring(growing) as url:
        answer = requests.get(f"{url}/stac/search?after=nobody", timeout=20)
    assert (answer.status_code, "Begin with the first page" in answer.json()["detail"]) == (404, True)


PATHS = (
    "/api/search?format=geojson&limit=20",
    "/stac/search?limit=20",
    "/stac/search?ids=b-100,b-101",
    "/api/search?dataset=scenes&limit=20",
)


def test_no_answer_mixes_two_states_of_the_index(growing: Settings) -> None:
    def ask(path: str) -> tuple[int, set[str]]:
        answer = requests.get(url + path, timeout=30)
        if not answer.ok:
            return answer.status_code, set()
        one = answer.json()
        rows = one["scenes"] if "scenes" in one else [feature["properties"] for feature in one["features"]]
        return 200, {row.get("image_location", row.get("mosaic:image_location")) for row in rows}

    with exploring(growing) as url, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, path) for _ in range(15) for path in PATHS]
        for version in range(1, 6):
            publish(growing, "b", 100, 20, f"v{version}")
        found = [one.result() for one in asking]
    # Told to ask again is right, too, when the index changes faster than it is read.
    assert {status for status, _ in found} <= {200, 503}
    assert all(len(said) == 1 for status, said in found if status == 200)


def test_what_changes_for_ever_is_given_up() -> None:
    states = iter(range(1_000))
    with pytest.raises(BusyError, match=f"{TRIES} times"):
        from_one_state(lambda: next(states), lambda: None)


def test_what_is_not_there_in_a_state_that_stays_is_not_asked_again() -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise UnknownNameError("scene", "x", [], "")

    with pytest.raises(UnknownNameError):
        from_one_state(lambda: 1, ask)
    assert len(asked) == 1


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("UPDATE footprints SET keys = x'00'", "/stac/search"),
        ("UPDATE arrays SET content = x'0102'", "/api/search"),
        ("UPDATE meta SET value = 'many' WHERE key = 'generation'", "/api/search"),
        ("UPDATE meta SET value = '[' WHERE key = 'platforms'", "/api/datasets"),
        ("DELETE FROM scenes WHERE slot = 3", "/api/search"),
        ("DELETE FROM footprints WHERE slot = 3", "/stac/search?limit=20"),
        ("UPDATE footprints SET keys = x'00'", "/api/density"),
    ],
)
def test_spoilt_bytes_in_the_index_are_the_homes_fault(growing: Settings, statement: str, asked: str) -> None:
    spoil(index_path(growing.csquares), statement)
    with exploring(growing) as url:
        answer = requests.get(url + asked, timeout=20)
    assert answer.status_code == 503, answer.text
    assert "materialize csquare_index" in answer.json()["detail"]


def test_bytes_anywhere_in_the_index_may_be_spoilt(growing: Settings) -> None:
    path = index_path(growing.csquares)
    whole, random = path.read_bytes(), np.random.default_rng(5)
    with exploring(growing) as url:
        for _ in range(12):
            spoilt = bytearray(whole)
            for at in random.integers(0, len(whole), 40):
                spoilt[at] = random.integers(256)
            path.with_name("new").write_bytes(spoilt)
            for name in ("index.db-wal", "index.db-shm"):
                path.with_name(name).unlink(missing_ok=True)
            path.with_name("new").replace(path)
            for asked in (*PATHS[:2], "/api/datasets", "/api/density?resolution=10"):
                assert requests.get(url + asked, timeout=20).status_code in (200, 404, 503), asked


def test_a_folder_that_may_not_be_read_is_said(growing: Settings) -> None:
    growing.csquares.chmod(0)
    with exploring(growing) as url:
        own = os.geteuid()
        if own == 0:
            os.seteuid(65_534)  # root may read everything
        try:
            answers = [requests.get(url + path, timeout=20) for path in ("/api/search", "/api/density", "/stac")]
        finally:
            os.seteuid(own)
            growing.csquares.chmod(0o755)
    assert {answer.status_code for answer in answers} == {503}
    assert all("give permission" in answer.json()["detail"] for answer in answers)
