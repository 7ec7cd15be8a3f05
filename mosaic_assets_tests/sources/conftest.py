from __future__ import annotations

import socket

import pytest

from mosaic_assets.settings import Network, load_settings
from mosaic_assets.sources.client import HttpClient
from mosaic_assets.sources.records import BulkUse, SourceRecord
from mosaic_assets.sources.xyz import XyzSource
from mosaic_assets_tests.sources.faulty_server import faulty_server


@pytest.fixture
def server():
    with faulty_server() as running:
        yield running


@pytest.fixture
def record_at():
    """Make the record of a server on loopback."""

    def make(base_url, **fields):
        given = {
            "name": "loopback",
            "kind": "xyz",
            "url": f"{base_url}/{{z}}/{{x}}/{{y}}",
            "licence": "test",
            "attribution": "test",
            "bulk_use": BulkUse.ALLOWED,
        }
        return SourceRecord(**(given | fields))

    return make


@pytest.fixture
def waits():
    """The pauses that a client of `open_xyz` would have made, seconds."""
    return []


@pytest.fixture
def open_xyz(waits):
    """Open an XyzSource whose pauses are recorded instead of made."""
    opened = []

    def make(record, environ=None, **network):
        given = Network(**({"timeout_s": 5.0, "retries": 2, "max_body_bytes": 100_000} | network))
        client = HttpClient(
            given,
            requests_per_s=record.requests_per_s,
            max_connections=record.max_connections,
            pause=lambda seconds: waits.append(seconds) or 0.0,
        )
        source = XyzSource(record, load_settings(), client=client, environ=environ or {})
        opened.append(source)
        return source

    yield make
    for source in opened:
        source.__exit__(None, None, None)


@pytest.fixture
def closed_port():
    """A port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]
