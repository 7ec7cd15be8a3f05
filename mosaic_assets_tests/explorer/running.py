"""The explorer as its users meet it: a server on loopback, asked over HTTP, and Chromium in front of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import uvicorn

from mosaic_assets.explorer.app import make_app
from mosaic_assets.explorer.serving import configured
from mosaic_assets.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none",
)  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@contextlib.contextmanager
def exploring(settings: Settings, **given: Any) -> Iterator[str]:
    """Serve the explorer over a home in a thread of this process; yields its address, as in ``http://127.0.0.1:40001``."""
    config = configured(make_app(settings, **given), "127.0.0.1", 0)
    listening = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        _await(url)
        yield url
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def _await(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{url}/static/icon.svg", timeout=5)
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"the explorer at {url} did not answer")
