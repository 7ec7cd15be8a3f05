"""One harvest round of one biome: plan, fetch, judge, publish.

Nothing here touches the library: a round only adds its own file, so rounds of different biomes run side by side, on
any machine, and one that is killed leaves no trace. Running it again plans the same tiles.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets import __version__
from mosaic_assets.core.imaging import new_canvas
from mosaic_assets.core.records import Fetched
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.centroids import BUCKETS, Centroids, load_centroids
from mosaic_assets.library.judge import Judgement, Keep, hash_of, judge
from mosaic_assets.library.plan import Plan, plan_round
from mosaic_assets.library.rows import RoundRows
from mosaic_assets.library.staging import Stager, staging
from mosaic_assets.settings import Settings
from mosaic_assets.sources.limits import map_in_order
from mosaic_assets.sources.records import BulkUse, SourceRecord
from mosaic_assets.sources.registry import open_source, source_record
from mosaic_assets.store.files import holding
from mosaic_assets.store.library_db import has_library, open_library
from mosaic_assets.store.rounds import RoundHeader, RoundWriter, round_path, utc, writing_round

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

    from mosaic_assets.sources.base import TileSource

BATCH = 32
"""Tiles judged together, at most; a batch of decoded pictures takes 6 MiB."""

BATCH_BYTES = 4 << 20
"""Source bytes after which a batch is full, however few its tiles: a server may send pictures of the largest size."""

PROVIDER_WAIT_S = 3 * 3600.0
"""How long a round waits for another that talks to the same rate-limited provider, seconds."""

Progress = Callable[[int], None]
"""Called with the number of tiles just finished."""


@dataclass(frozen=True, slots=True)
class HarvestReport:
    """What a round did; ``path`` is None when the biome was exhausted before and nothing was published."""

    biome: str
    round: int
    path: Path | None
    planned: int
    exhausted: bool
    outcomes: dict[str, int]
    buckets: int
    """Distinct buckets that the round's tiles fall in."""
    bytes_fetched: int
    seconds: float
    source: str

    @property
    def tiles_per_second(self) -> float:
        """Tiles asked for, a second of wall time."""
        return self.planned / self.seconds if self.seconds else 0.0


def harvest_round(
    name: str,
    settings: Settings,
    *,
    progress: Progress | None = None,
    source: TileSource | None = None,
) -> HarvestReport:
    """Harvest the next round of a biome and publish it.

    Parameters
    ----------
    name : the biome.
    progress : told of finished tiles, for a progress bar.
    source : an opened source to use instead of the one the settings name; the caller closes it.

    Raises
    ------
    UnknownNameError, SettingsError, GeometryError, TermsError, ZoomError, CentroidsError
        The request cannot be carried out as it stands; nothing was fetched.
    SourceUnavailableError
        The source stopped answering; nothing was published, the same round can be run again.
    HomeNotWritableError, RoundExistsError
        The round could not be published.
    """
    biome = find_biome(name, settings)
    record = source.record if source else source_record(settings.source, settings)
    plan = plan_round(biome, settings, record)
    centroids = load_centroids(settings.library)
    if not plan.tiles:
        return HarvestReport(name, plan.round - 1, None, 0, True, {}, 0, 0, 0.0, record.name)
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        if record.requests_per_s is not None:
            # The limit is the provider's, not the process's: one round at a time talks to it.
            lock = settings.home / "locks" / f"{record.name}.lock"
            stack.enter_context(holding(lock, f"harvesting from {record.name}", wait_s=PROVIDER_WAIT_S))
        opened = source or stack.enter_context(open_source(settings.source, settings))
        answers = stack.enter_context(contextlib.closing(opened.fetch(plan.tiles)))
        room = _room(settings)
        full = frozenset((room <= 0).nonzero()[0].tolist())
        # Published first, staged pictures second: without their round they are nothing.
        stager = stack.enter_context(staging(settings, name, plan.round, plan.tiles, room))
        writer = stack.enter_context(writing_round(settings.harvest, name, plan.round))
        judged = judge_in_order(answers, centroids, full, settings.workers, stager.offer if stager else None)
        with contextlib.closing(judged):
            counts = _write(writer, plan, judged, stager, progress)
        seconds = time.perf_counter() - began
        writer.finish(_header(plan, record, settings, centroids, counts, seconds))
    return HarvestReport(
        biome=name,
        round=plan.round,
        path=round_path(settings.harvest, name, plan.round),
        planned=len(plan.tiles),
        exhausted=plan.exhausted,
        outcomes=dict(sorted(counts.outcomes.items())),
        buckets=len(counts.buckets),
        bytes_fetched=counts.bytes,
        seconds=time.perf_counter() - began,
        source=record.name,
    )


class _Counts:
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.buckets: set[int | None] = set()
        self.bytes = 0


def judge_in_order(
    answers: Iterable[Fetched], centroids: Centroids, full: frozenset[int], workers: int, keep: Keep | None = None
) -> Generator[list[Judgement]]:
    """Judge answers in batches on all workers while further ones are fetched; yield the batches in their order.

    At most ``workers + 2`` batches are judged or waiting at a time, whatever the number of answers: that many times
    `BATCH_BYTES` and a body, and ``workers`` canvases of 6 MiB, are what this keeps in memory. ``keep`` is told of
    candidates in the workers' threads.
    """
    tree = centroids.tree()
    own = threading.local()

    def work(batch: list[Fetched]) -> list[Judgement]:
        if not hasattr(own, "canvas"):
            own.canvas = new_canvas(BATCH)
        return judge(batch, tree, full, own.canvas, keep)

    # Matrix products on threads of their own would get in the way of the workers.
    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
        yield from map_in_order(work, _batches(answers), pool, workers + 2)


@functools.cache
def _blas() -> ThreadpoolController:
    """The libraries that multiply matrices, looked for once: going through all that a process has loaded takes 10 ms."""
    import numpy.linalg  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _batches(answers: Iterable[Fetched]) -> Generator[list[Fetched]]:
    batch: list[Fetched] = []
    size = 0
    for answer in answers:
        batch.append(answer)
        size += len(answer.body or b"")
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _with_hashes_of_repeats(batch: list[Judgement], seen: set[str]) -> list[Judgement]:
    """Hash the tiles of full buckets whose bytes came before in this round.

    The merge takes repeated bytes for a placeholder unless they are flat, which their hash tells; one of them having
    it is enough.
    """
    hashed = []
    for item in batch:
        repeats = item.sha256 in seen and item.phash is None and item.fetched.body is not None
        hashed.append(item._replace(phash=hash_of(item.fetched.body or b"")) if repeats else item)
        if item.sha256:
            seen.add(item.sha256)
    return hashed


def _write(
    writer: RoundWriter,
    plan: Plan,
    batches: Iterable[list[Judgement]],
    stager: Stager | None,
    progress: Progress | None,
) -> _Counts:
    counts, rows = _Counts(), RoundRows(plan.tiles, stager)
    seen: set[str] = set()
    for judged in batches:
        batch = _with_hashes_of_repeats(judged, seen)
        columns = rows.of(batch)
        writer.append(columns)
        counts.outcomes.update(columns["outcome"])
        counts.buckets.update(columns["bucket_id"])
        counts.bytes += sum(columns["bytes"])
        if progress:
            progress(len(batch))
    counts.buckets.discard(None)
    if rows.made != len(plan.tiles):
        raise RuntimeError(f"the source gave {rows.made} answers for {len(plan.tiles)} tiles")  # a bug of the source
    return counts


def _header(
    plan: Plan,
    record: SourceRecord,
    settings: Settings,
    centroids: Centroids,
    counts: _Counts,
    seconds: float,
) -> RoundHeader:
    return RoundHeader(
        biome=plan.biome.name,
        round=plan.round,
        plan_key=plan.key,
        start=plan.start,
        planned=len(plan.tiles),
        exhausted=plan.exhausted,
        source=record.name,
        imagery=record.identity[0],
        release=record.identity[1],
        zoom=plan.tiles[0].z,
        licence=record.licence,
        attribution=record.attribution,
        synthetic=record.synthetic,
        repeats_are_placeholders=record.repeats_are_placeholders,
        terms_acknowledged=_acknowledgement(record, settings),
        centroids_sha256=centroids.record.sha256,
        colour_method=centroids.record.colour_method,
        code_version=__version__,
        seconds=round(seconds, 3),
        bytes_fetched=counts.bytes,
        published_at=utc(datetime.now(UTC)),
        outcomes=dict(counts.outcomes),
        place=plan.biome.fingerprint(),
    )


def _acknowledgement(record: SourceRecord, settings: Settings) -> str:
    if record.bulk_use is BulkUse.ALLOWED or record.name not in settings.acknowledged_terms:
        return ""
    return f"the user acknowledged {record.terms_url or 'the terms of ' + record.name}; bulk use: {record.bulk_use}"


def _room(settings: Settings) -> NDArray[np.int64]:
    """How many more tiles each bucket may hold, int64 (5000,); below 0 where the cap was lowered."""
    kept = np.zeros(BUCKETS, np.int64)
    if has_library(settings.library):
        with open_library(settings.library) as database:
            kept = database.bucket_counts(BUCKETS)
    return settings.bucket_cap - kept
