from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from mosaic_assets.csquares import Scene, cover_many, update_index, write_pairs
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.explorer.running import ARGUMENTS, CHROMIUM, DESKTOP, exploring

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST = datetime(2003, 6, 20, 3, 0, tzinfo=UTC)
PLATFORMS = ("NOAA-12", "NOAA-14", "NOAA-16")


@pytest.fixture(scope="session")
def archive_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose index has 90 made-up satellite scenes around Australia and 30 tiles; nothing else is there."""
    home = tmp_path_factory.mktemp("archive") / "home"
    settings = load_settings(home=home)
    random = np.random.default_rng(3)
    scenes, outlines = [], []
    for number in range(90):
        west, south = random.uniform(100, 160), random.uniform(-60, -20)
        scenes.append(
            Scene(
                f"h1a{number:02d}",
                platform=PLATFORMS[number % 3],
                instrument="AVHRR",
                time=FIRST + timedelta(hours=number),
                image_location=f"tape/{number}",
                source="made up for tests (synthetic)",
                licence="CC0-1.0",
            )
        )
        outlines.append(shapely.box(west, south, west + random.uniform(2, 15), south + random.uniform(2, 15)))
    write_pairs(settings.csquares, "scenes-1", scenes, cover_many(outlines, 0.5), published_at=FIRST)
    tiles = [Scene(f"tile-{n:02d}", platform="tiles", image_location=f"no/{n}.png") for n in range(30)]
    places = [shapely.box(147 + n / 100, -43, 147.01 + n / 100, -42.99) for n in range(30)]
    write_pairs(settings.csquares, "tiles-1", tiles, cover_many(places, 0.5), published_at=FIRST)
    update_index(settings.csquares)
    return settings


@pytest.fixture(scope="session")
def archive_url(archive_home: Settings) -> Iterator[str]:
    """Address of an explorer over `archive_home`."""
    with exploring(archive_home) as url:
        yield url


@pytest.fixture(scope="session")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer over a home in which nothing is."""
    with exploring(load_settings(home=tmp_path_factory.mktemp("empty") / "home")) as url:
        yield url


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium; closed before other packages' tests, since Playwright keeps an event loop running and Dagster wants none."""
    if not CHROMIUM.exists():
        pytest.skip(f"the browser tests need Chromium at {CHROMIUM}; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield opened
        opened.close()


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an address: ``open_page(url, viewport=PHONE)``. What the page or the browser complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(url: str, *, viewport: Any = DESKTOP, **more: Any) -> Page:
        context = browser.new_context(viewport=viewport, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said) else None)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _is_complaint(said: Any) -> bool:
    """Errors and violations of the policy; an answer of 400 or 404 is what some tests are about."""
    return said.type in ("error", "warning") and "Failed to load resource" not in said.text


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where a test may leave screenshots."""
    return tmp_path
