"""Earth Engine's stand-in on loopback, and a back end that asks it."""

from __future__ import annotations

import ee
import pytest
from google.auth.credentials import AnonymousCredentials

from mosaic_assets.settings import Network
from mosaic_assets.sources.earthengine import EarthEngineImagery
from mosaic_assets.sources.earthengine_calls import Caller
from mosaic_assets_tests.sources.earthengine.basemap import BASEMAP, COLLECTIONS, GRID
from mosaic_assets_tests.sources.earthengine_server import World, earth_engine


@pytest.fixture
def world():
    return World(dict(COLLECTIONS))


@pytest.fixture
def imagery(world, waits):
    """Open a back end on the stand-in; pauses are recorded, not made, and clocks stand still."""
    opened = []
    with earth_engine(world) as address:

        def make(composite=BASEMAP, grid=GRID, *, retries=3, in_flight=40, **options):
            network = Network(retries=retries, timeout_s=5.0)
            caller = Caller(
                network, in_flight=in_flight, clock=lambda: sum(waits), sleep=waits.append, spread=lambda: 1.0
            )
            given = {"project": "p", "licence": "test", "attribution": "test", "endpoint": address, "caller": caller}
            given |= {"credentials": AnonymousCredentials()} | options
            opened.append(EarthEngineImagery(composite, grid, network, **given))
            return opened[-1]

        yield make
        for backend in opened:
            backend.close()
    ee.Reset()
