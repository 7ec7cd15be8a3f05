"""A library that is sound, and a copy of it to damage."""

from __future__ import annotations

import pytest

from mosaic_assets_tests.library.painted import PLACES, grow
from mosaic_assets_tests.library.repair.looks import copied


@pytest.fixture(scope="module", params=["bytes kept", "bytes dropped"])
def sound(request, lasting_home):
    """A home whose library was grown by two merges, its rounds with or without their source bytes."""
    biomes = {name: PLACES[name] for name in ("west", "east")}
    kept = request.param == "bytes kept"
    home = lasting_home("sound", biomes=biomes, round_tiles=15, bucket_cap=4, keep_shard_bytes=kept)
    grow(home, waves=2)
    return home


@pytest.fixture
def home(sound, tmp_path):
    return copied(sound, tmp_path / "copy")
