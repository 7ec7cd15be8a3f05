"""Which tiles a biome's next round asks for: the same until that round is published."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.sampling import plan_places
from mosaic_assets.errors import GeometryError, StoreError
from mosaic_assets.library.allocation import STRETCH, focus
from mosaic_assets.library.biomes import Biome, load_biomes
from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.settings import Settings
from mosaic_assets.sources.records import SourceRecord
from mosaic_assets.sources.registry import check_zoom, source_record
from mosaic_assets.store.library_db import has_library, open_library
from mosaic_assets.store.round_reading import read_header, read_places
from mosaic_assets.store.rounds import published_rounds, round_path


@dataclass(frozen=True, slots=True)
class Plan:
    """The tiles of a biome's next round; the same until that round is published."""

    biome: Biome
    round: int
    tiles: list[Tile]
    start: int
    key: str
    exhausted: bool
    """True when the biome has no tile beyond these."""


def plan_round(biome: Biome, settings: Settings, record: SourceRecord) -> Plan:
    """Plan a biome's next round: ``round_tiles`` tiles of its seeded sequence that no round has asked for, at first fewer.

    The sequence depends on the seed, the zoom and the place alone. Of its next tiles those are taken that lie near
    tiles in buckets under the floor (`focus`); without any, the very next ones. So the same published rounds and the
    same library give the same tiles.
    """
    zoom = check_zoom(record, settings.zoom)
    key = _plan_key(biome, settings.seed, zoom, record)
    paths = [
        round_path(settings.harvest, biome.name, number)
        for number in published_rounds(settings.harvest).get(biome.name, [])
    ]
    headers = [read_header(path) for path in paths]
    same = [path for path, header in zip(paths, headers, strict=True) if header.plan_key == key]
    asked, buckets = _asked(same)
    count = settings.round_tiles if same else min(settings.first_round_tiles, settings.round_tiles)
    merged, kept = _library_state(biome.name, settings)
    number = max([merged, *(header.round for header in headers)]) + 1
    # One tile more than are looked at tells whether this round takes the last: a round of none is never published.
    reach = len(asked) + STRETCH * count + 1
    sequence = plan_places(biome.geometry(), zoom, seed=biome_seed(settings.seed, biome.name), start=0, count=reach)
    if not len(sequence) and not same:
        raise GeometryError(f"biome {biome.name} holds no tile at zoom {zoom}; give a larger place or a higher zoom")
    left = np.flatnonzero(~np.isin(_keys(sequence, zoom), _keys(asked, zoom)))
    places = left[
        focus(sequence[left[: STRETCH * count]], asked, _lacking(buckets, kept, settings.target.floor), count)
    ]
    tiles = [Tile(x, y, zoom) for x, y in sequence[places].tolist()]
    start = int(places[0]) if len(places) else len(sequence)
    return Plan(biome, number, tiles, start, key, exhausted=len(left) <= count)


def _keys(places: NDArray[np.int64], zoom: int) -> NDArray[np.int64]:
    """Return one number a tile: (n, 2) -> (n,)."""
    return (places[:, 1] << zoom) + places[:, 0]


def replanned_biomes(settings: Settings) -> frozenset[str]:
    """Biomes whose place, seed, zoom or imagery changed since their last round, as its file says: their plan begins anew."""
    record = source_record(settings.source, settings)
    zoom = check_zoom(record, settings.zoom)
    changed = set()
    published = published_rounds(settings.harvest)
    for name, biome in load_biomes(settings).items():
        if not (numbers := published.get(name)):
            continue
        with contextlib.suppress(StoreError):  # a damaged file is told of by the check and the merge
            header = read_header(round_path(settings.harvest, name, numbers[-1]))
            if header.plan_key != _plan_key(biome, settings.seed, zoom, record):
                changed.add(name)
    return frozenset(changed)


def _asked(paths: Iterable[Path]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tiles that rounds asked for: x and y, int64 (n, 2), and bucket, int64 (n,), -1 where there was no picture."""
    parts = [read_places(path) for path in paths]
    if not parts:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    return np.concatenate([part[:, :2] for part in parts]), np.concatenate([part[:, 2] for part in parts])


def _lacking(buckets: NDArray[np.int64], kept: NDArray[np.int64], floor: int) -> NDArray[np.bool_]:
    """Whether each tile's bucket is under the floor now."""
    lacking: NDArray[np.bool_] = (buckets >= 0) & (kept[buckets] < floor)
    return lacking


def _library_state(name: str, settings: Settings) -> tuple[int, NDArray[np.int64]]:
    """Highest number of the biome's rounds in the ledger, and the tiles in each bucket.

    The merge would pass over a new round of a number that is in the ledger, its file gone or not.
    """
    if not has_library(settings.library):
        return 0, np.zeros(BUCKETS, np.int64)
    with open_library(settings.library) as database:
        return database.last_round(name), database.bucket_counts(BUCKETS)


def biome_seed(seed: int, name: str) -> int:
    """Seed of a biome's own sequence, from that of the settings."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")


def _plan_key(biome: Biome, seed: int, zoom: int, record: SourceRecord) -> str:
    text = "/".join(map(str, (seed, zoom, biome.name, biome.fingerprint(), *record.identity)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
