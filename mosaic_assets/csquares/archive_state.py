"""What the files of the archive say of each other: the questions that `mosaic_assets.csquares.archive_checks` asks."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare_codes import is_valid
from mosaic_assets.csquares.footprints import batch_path, footprints_path, read_header, read_scenes
from mosaic_assets.csquares.inbox import take_reports
from mosaic_assets.csquares.index import index_path
from mosaic_assets.csquares.pairs import KEYS, Batch, codes_of_keys, pairs_path, read_batch
from mosaic_assets.csquares.search import open_index
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_db import CsquareDatabase, open_csquare_db
from mosaic_assets.store.sqlite import has_database

_LEAVES = np.array([400, 100, 4, 1])
"""Half-degree squares in a square of each level."""


def newest(paths: Sequence[Path]) -> list[Path]:
    """Return the file that was published last, in a list; an empty one when there is none.

    By the change time: a batch may have been written long before it was moved out of the queue.
    """
    return sorted(paths, key=lambda path: (path.stat().st_ctime_ns, path.name))[-1:]


def has_pairs(settings: Settings, batch: str) -> bool:
    """Whether the pairs of a batch are published."""
    return pairs_path(settings.csquares, batch).exists()


@contextlib.contextmanager
def index_if_any(settings: Settings) -> Iterator[CsquareDatabase | None]:
    """Open the index's database; None where there is no index yet."""
    path = index_path(settings.csquares)
    if not has_database(path):
        yield None
        return
    with open_csquare_db(path) as db:
        yield db


def code_problems(folder: Path, batch: str, known: set[tuple[str, int]]) -> Iterator[str]:
    """Yield codes of a batch that are none or name another square than their key.

    Parameters
    ----------
    known : set of (str, int)
        Codes and keys that were looked at before; an archive uses the same ones again and again.
    """
    distinct = _codes_and_keys(folder, batch) - known
    known |= distinct
    codes, keys = [code for code, _ in distinct], np.array([key for _, key in distinct], np.int64)
    valid = is_valid(np.array([code.replace("*", "").rstrip(":") for code in codes], str))
    in_range = (keys >= 0) & (keys < KEYS)
    named = codes_of_keys(np.where(in_range, keys, 0))
    for code, key, sound, fits, own in zip(codes, keys.tolist(), valid, in_range, named, strict=True):
        if len(code) != 10 or not sound:
            yield f"{batch}: {code!r} is no c-square of half-degree length"
        elif not fits or code != own:
            yield f"{batch}: {code!r} has the key {key}"


def _codes_and_keys(folder: Path, batch: str) -> set[tuple[str, int]]:
    """Return the distinct codes of a batch, each with the key that stands beside it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = pairs_path(folder, batch)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=["csquare", "key"])
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"reading the codes in {path} failed: {error!r}; restore the file from a copy, or publish the batch again"
        ) from error
    column = table["csquare"].combine_chunks().dictionary_encode()
    codes, places = column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)
    joined = np.unique(places << 32 | table["key"].to_numpy().astype(np.int64) & 0xFFFFFFFF)
    return {(codes[one >> 32], one & 0xFFFFFFFF) for one in joined.tolist()}


def leaves_of(batch: Batch) -> arrays.Ints:
    """Return the half-degree squares of all scenes of a batch, those of different scenes a whole world apart."""
    owner = np.repeat(np.arange(len(batch.scenes)), np.diff(batch.offsets))
    counts = _LEAVES[batch.keys & 3]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    leaves: arrays.Ints = np.repeat(owner * arrays.total_of(3) + (batch.keys >> 2), counts) + within
    return leaves


def sampled_scenes(settings: Settings, batches: Collection[str], count: int) -> dict[str, set[str]]:
    """Draw scenes by the seed: ids by batch. Few batches are opened, however many there are."""
    draw = random.Random(settings.seed)  # noqa: S311
    chosen = draw.sample(sorted(batches), min(8, len(batches)))
    found: dict[str, set[str]] = {}
    for name in chosen:
        ids = [scene.id for scene in read_scenes(footprints_path(settings.csquares, name))]
        found[name] = set(draw.sample(ids, min(-(-count // len(chosen)), len(ids))))
    return found


def index_differences(settings: Settings, db: CsquareDatabase, batches: Sequence[str], squares: int) -> Iterator[str]:
    """Yield where the index says otherwise than the pairs of some batches: records, squares, and what a search finds."""
    draw = random.Random(settings.seed)  # noqa: S311
    asked: list[int] = []
    expected: dict[int, set[str]] = {}
    for name in draw.sample(sorted(batches), len(batches)):
        batch = read_batch(settings.csquares, name)
        stored = {scene: one for scene, one in db.stored(s.id for s in batch.scenes).items() if one.batch == name}
        for scene, one in stored.items():
            number = batch.number_of[scene]
            if one.scene != batch.scenes[number] or not np.array_equal(db.footprint(one.slot), batch.keys_of(number)):
                yield f"{scene} of {name} stands in the index with another record or other squares"
        if len(asked) < squares and len(batch.keys):
            asked.append(int(draw.choice(batch.keys.tolist())) >> 2)
        for leaf in asked:
            expected.setdefault(leaf, set()).update(_scenes_with(batch, leaf) & stored.keys())
    with open_index(settings.csquares) as index:
        for leaf in asked:
            code = str(codes_of_keys(np.array([4 * leaf + 3]))[0])
            missing = expected[leaf] - set(index.ids(codes=code).tolist())
            if missing:
                yield f"a search for {code} does not find {min(missing)}, which has it"


def _scenes_with(batch: Batch, leaf: int) -> set[str]:
    """Return the ids of the scenes that have a half-degree square, by looking at every pair."""
    first = batch.keys >> 2
    rows = np.flatnonzero((first <= leaf) & (leaf < first + _LEAVES[batch.keys & 3]))
    numbers = np.searchsorted(batch.offsets, rows, side="right") - 1
    return {batch.scenes[number].id for number in numbers.tolist()}


def lost_batches(settings: Settings) -> Iterator[str]:
    """Yield what takes say they made and is not there."""
    for report in take_reports(settings):
        place = f"take {report.take}, of {report.taken_at}"
        accepted = sum(file.accepted for file in report.files)
        if accepted != sum(report.batches.values()) + report.superseded:
            yield f"{place}, accepted {accepted} records and put {sum(report.batches.values())} into batches"
        for name, scenes in report.batches.items():
            path = batch_path(settings, name)
            if not path.exists() or read_header(path).scenes != scenes:
                yield (
                    f"{place}, made {name} of {scenes} scenes, which is not there; restore it, or delete the take's folder in "
                    "inbox/taken if it was withdrawn on purpose"
                )


Rank = tuple[datetime, str]


def rank_of(settings: Settings, batch: str) -> Rank:
    """Return what decides which batch has a scene that is in several: the highest."""
    return read_header(footprints_path(settings.csquares, batch)).taken_at, batch


def latest_batches(settings: Settings, batches: Sequence[str]) -> dict[str, str]:
    """Return, for every scene in some batches, which of them has its latest edition."""
    found: dict[str, str] = {}
    for name in sorted(batches, key=lambda name: rank_of(settings, name)):
        for scene in read_scenes(footprints_path(settings.csquares, name)):
            found[scene.id] = name
    return found


def misplaced_scenes(settings: Settings, latest: Mapping[str, str], stored: Mapping[str, str]) -> Iterator[str]:
    """Yield scenes that the index lacks or has as an earlier batch had them.

    Parameters
    ----------
    latest, stored : mapping of str to str
        Batch by scene: where the latest edition is, and which one the index has.
    """
    ours = {name for name in stored.values() if footprints_path(settings.csquares, name).exists()}
    ranks = {name: rank_of(settings, name) for name in {*latest.values(), *ours}}
    for scene, name in latest.items():
        if scene not in stored:
            yield f"{scene} of {name} is not in the index"
        elif stored[scene] in ranks and ranks[stored[scene]] < ranks[name]:
            yield f"{scene} stands in the index as {stored[scene]} has it, {name} is later"
