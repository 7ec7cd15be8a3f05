"""What tests share: a settled environment, no network beyond loopback, centroids made once."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from mosaic_assets.library.centroids import BUCKETS, publish_centroids
from mosaic_assets.settings import Settings, load_settings

# The same examples on every run in CI: a failure there must be a failure here.
hypothesis_settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile("local", deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "local"))

# Tests that run in the background of a script ignore SIGINT, and so would every process that they start and stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real imagery in ../shared/data is not on this machine"
)


@pytest.fixture(autouse=True)
def _only_loopback(socket_enabled: None) -> None:
    """Let sockets reach loopback and nothing else."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's environment nor a mosaic.toml in the working directory reaches a test."""
    for name in [name for name in os.environ if name.startswith(("MOSAIC_", "DAGSTER_HOME"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def published_centroids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with centroids.npy and centroids.json: random colours, because clustering them takes half a minute."""
    from skimage.color import rgb2lab

    folder = tmp_path_factory.mktemp("centroids")
    publish_centroids(folder, rgb2lab(np.random.default_rng(7).random((1, BUCKETS, 3)))[0], 7)
    return folder


MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path, published_centroids: Path) -> MakeSettings:
    """Build settings over a temporary home that has centroids; keyword arguments are settings."""

    def make(home: str = "home", **given: Any) -> Settings:
        values: dict[str, Any] = {"round_tiles": 40, "workers": 2, **given}
        settings = load_settings(home=tmp_path / home, **values)
        settings.library.mkdir(parents=True, exist_ok=True)
        for name in ("centroids.npy", "centroids.json"):
            shutil.copyfile(published_centroids / name, settings.library / name)
        return settings

    return make
