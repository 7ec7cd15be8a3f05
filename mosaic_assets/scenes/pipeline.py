"""The day's pipeline: every scene of a day's catalogue is screened, cropped, published, and ends with an outcome.

Nothing is fetched that is not needed: the manifest first, then the quality flags, then the chunks of three bands. A
scene's outcome is written down as soon as it is known, so a run that is killed repeats at most the scenes that it was
working on; the manifest of the day appears when all have one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

from mosaic_assets.errors import MosaicError, ProductError, SourceError, SourceUnavailableError, StoreError
from mosaic_assets.scenes.access import Opener, discard_fetched, opening_products
from mosaic_assets.scenes.catalog import CatalogueRow, read_catalogue
from mosaic_assets.scenes.crop import crop_scene
from mosaic_assets.scenes.crop_manifest import read_manifest, write_manifest
from mosaic_assets.scenes.local import ChecksumError, MissingFileError
from mosaic_assets.scenes.publish import publish_crop, remove_strays
from mosaic_assets.scenes.records import (
    Limits,
    Product,
    ProductManifest,
    SceneNumbers,
    SceneOutcome,
    SceneRecord,
)
from mosaic_assets.scenes.remote import RemoteProduct
from mosaic_assets.scenes.screen import screen_flags
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import holding

ASKED_AGAIN = frozenset({SceneOutcome.UNAVAILABLE, SceneOutcome.REFUSED, SceneOutcome.CHECKSUM})
"""Outcomes that another run of the day tries again: they are about the source, not about the scene."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class DayReport:
    """What became of a day."""

    day: date
    records: tuple[SceneRecord, ...]
    worked_on: int
    """Scenes that this run worked on; the others had their outcome."""
    bytes_fetched: int
    """By this run."""
    seconds: float
    source: str

    @property
    def outcomes(self) -> Counter[str]:
        """Number of scenes by outcome."""
        return Counter(record.outcome.value for record in self.records)

    @property
    def kept(self) -> int:
        """Scenes that became crops."""
        return self.outcomes[SceneOutcome.KEPT.value]


def limits_of(settings: Settings) -> Limits:
    """Return when a crop is discarded, by the settings."""
    scenes = settings.scenes
    return Limits(scenes.max_fill, scenes.max_cloud, scenes.max_water, scenes.min_texture, scenes.min_entropy)


def screen_manifest(manifest: ProductManifest, settings: Settings) -> tuple[SceneOutcome | None, str]:
    """Judge a scene by its manifest alone; None: nothing speaks against looking further.

    Its percentages are of the whole scene, and its crop is a twentieth of it, so only extremes count.
    """
    scenes = settings.scenes
    for name, limit, outcome in (
        ("invalid", scenes.max_scene_invalid, SceneOutcome.SCREENED_INVALID),
        ("bright", scenes.max_scene_bright, SceneOutcome.SCREENED_CLOUD),
    ):
        share = manifest.percentages.get(name, 0.0) / 100
        if share > limit:
            return outcome, f"{share:.0%} of the scene are {name}, more than {limit:.0%} (by the manifest)"
    return None, ""


def unfinished(rows: Sequence[CatalogueRow], records: Sequence[SceneRecord], recipe: str) -> list[CatalogueRow]:
    """Return the scenes that have no final outcome yet, or were made by another recipe."""
    done = {
        record.name.text for record in records if record.outcome not in ASKED_AGAIN and record.recipe in ("", recipe)
    }
    return [row for row in rows if row.name.text not in done]


def process_day(settings: Settings, day: date, progress: Progress | None = None, *, again: bool = False) -> DayReport:
    """Bring every scene of a day's catalogue to its outcome; those that have one are left alone.

    Parameters
    ----------
    settings : source, recipe and limits; folders.
    day : of the start of sensing, UTC; its catalogue must be published.
    progress : told of each scene finished.
    again : work on scenes that have their outcome, too: after a change of limits.

    Raises
    ------
    SourceUnavailableError
        Some scenes could not be had now; what could is published, and the next run takes up the others.
    SourceError
        The source refuses the account, or every scene.
    StoreError
        There is no catalogue of the day, or of another source, or the data home cannot be written.
    BusyError
        Another process works on the day.
    """
    # Two processes would overwrite each other's outcomes; a second one is told so at once.
    with holding(settings.smcefr_folder / "catalog" / f".{day}.lock", f"working on the scenes of {day}"):
        return _process_day(settings, day, progress or (lambda _: None), again=again)


def _process_day(settings: Settings, day: date, progress: Progress, *, again: bool) -> DayReport:
    began = time.perf_counter()
    rows = rows_of_source(settings, day)
    known = read_manifest(settings, day)
    todo = rows if again else unfinished(rows, known, settings.scenes.recipe)
    ledger = _Ledger(settings, day, rows, known)
    if todo:
        with opening_products(settings) as opener:
            _work(settings, todo, opener, ledger, progress)
    records = ledger.close()
    worked_on = [record for record in records if record.name.text in {row.name.text for row in todo}]
    report = DayReport(
        day=day,
        records=records,
        worked_on=len(worked_on),
        bytes_fetched=sum(record.bytes_fetched for record in worked_on),
        seconds=time.perf_counter() - began,
        source=settings.scenes.source,
    )
    _refuse_incomplete(report, worked_on)
    discard_fetched(settings, day)
    return report


def rows_of_source(settings: Settings, day: date) -> list[CatalogueRow]:
    """Read the catalogue of a day. Raises `StoreError` when there is none, or one of another source."""
    rows = read_catalogue(settings, day)
    others = sorted({row.source for row in rows} - {settings.scenes.source})
    if others:
        raise StoreError(
            f"fetching the scenes of {day} failed: its catalogue is of the source {others[0]}, and scenes.source is "
            f"{settings.scenes.source}; run `mosaic scenes catalog --day {day} --source {settings.scenes.source}` first"
        )
    return rows


class _Ledger:
    """The outcomes of a day, written down one by one."""

    def __init__(
        self, settings: Settings, day: date, rows: Sequence[CatalogueRow], known: Sequence[SceneRecord]
    ) -> None:
        self._settings = settings
        self._day = day
        self._order = [row.name.text for row in rows]
        self._records = {record.name.text: record for record in known if record.name.text in set(self._order)}
        self._lock = threading.Lock()

    def add(self, record: SceneRecord) -> None:
        """Take an outcome in and write all of them."""
        with self._lock:
            self._records[record.name.text] = record
            write_manifest(self._settings, self._day, self._in_order())

    def close(self) -> tuple[SceneRecord, ...]:
        """Write the manifest, also that of a day without scenes, and remove crops that no longer belong to the day."""
        with self._lock:
            records = self._in_order()
            write_manifest(self._settings, self._day, records)
            remove_strays(self._settings, self._day, records)
            return records

    def _in_order(self) -> tuple[SceneRecord, ...]:
        return tuple(self._records[name] for name in self._order if name in self._records)


def _work(
    settings: Settings, rows: Sequence[CatalogueRow], opener: Opener, ledger: _Ledger, progress: Progress
) -> None:
    """Work on scenes side by side; an error that concerns all of them ends the day after those under way."""
    stop = threading.Event()

    def one(row: CatalogueRow) -> None:
        if stop.is_set():
            return
        try:
            ledger.add(process_scene(settings, row, opener))
        except BaseException:
            stop.set()
            raise
        progress(1)

    with ThreadPoolExecutor(max(1, min(settings.workers, settings.scenes.connections))) as pool:
        futures = [pool.submit(one, row) for row in rows]
        try:
            for future in futures:
                future.result()
        except BaseException:  # also a person's interruption
            stop.set()
            raise


def process_scene(settings: Settings, row: CatalogueRow, opener: Opener) -> SceneRecord:
    """Bring one scene to its outcome; publish its crop if it is kept.

    Raises
    ------
    MosaicError
        Only what concerns all scenes: the account, a server that asks to come back later, a full disk.
    """
    record = SceneRecord(row.name, SceneOutcome.UNAVAILABLE, source=row.source, scene_footprint=row.footprint)
    product = opener(row)
    record = replace(record, synthetic=product.synthetic)
    try:
        with product:
            found = _judged(settings, product, record)
    except MosaicError as error:
        cause = _cause(product, error)
        outcome = outcome_of(cause)
        if outcome is None:
            raise cause from error
        found = replace(record, outcome=outcome, detail=str(cause))
    if isinstance(product, RemoteProduct) and found.outcome not in ASKED_AGAIN:
        product.discard()
    return replace(found, bytes_fetched=product.bytes_fetched)


def outcome_of(error: MosaicError) -> SceneOutcome | None:
    """Return what an error means for the one scene that it met; None: it concerns all of them."""
    from mosaic_assets.sources.http_errors import ComeBackLaterError, FileRefusedError
    from mosaic_assets.sources.http_ranges import WrongFileError

    kinds: tuple[tuple[type[MosaicError], SceneOutcome | None], ...] = (
        (ComeBackLaterError, None),
        (SourceUnavailableError, SceneOutcome.UNAVAILABLE),
        (FileRefusedError, SceneOutcome.REFUSED),
        (WrongFileError, SceneOutcome.CHECKSUM),
        (ChecksumError, SceneOutcome.CHECKSUM),
        (MissingFileError, SceneOutcome.MISSING_BAND),
        (ProductError, SceneOutcome.CORRUPT),
    )
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), None)


def _cause(product: Product, error: MosaicError) -> MosaicError:
    """Return the failure of the source that a reading library has turned into damage, if that is what happened."""
    failure = product.failure if isinstance(product, RemoteProduct) else None
    return failure if failure is not None and isinstance(error, ProductError) else error


def _judged(settings: Settings, product: Product, record: SceneRecord) -> SceneRecord:
    """Screen by the manifest, then by the flags, then by the crop; each step fetches only when the one before passed."""
    manifest = product.manifest()
    record = replace(record, scene_footprint=manifest.footprint, rows=manifest.rows, columns=manifest.columns)
    outcome, detail = screen_manifest(manifest, settings)
    if outcome is not None:
        share = {
            name: manifest.percentages[name] / 100 for name in ("bright", "invalid") if name in manifest.percentages
        }
        return replace(record, outcome=outcome, detail=detail, numbers=SceneNumbers(cloud=share.get("bright")))
    limits = limits_of(settings)
    screening = screen_flags(product, limits)
    if screening.outcome is not None:
        return replace(record, outcome=screening.outcome, detail=screening.detail, numbers=screening.numbers)
    crop = crop_scene(product, settings.scenes.recipe, limits, screening)
    return publish_crop(settings, record, crop)


def _refuse_incomplete(report: DayReport, worked_on: Sequence[SceneRecord]) -> None:
    """Raise when a day did not end as it should; all that could be done is published."""
    refused = [record for record in worked_on if record.outcome is SceneOutcome.REFUSED]
    if refused and len(refused) == len(worked_on):
        raise SourceError(
            f"fetching the scenes of {report.day} failed: all {len(refused)} were refused, the first with: {refused[0].detail}. "
            f"Check that the account may fetch OLCI level 1, then run the day again"
        )
    waiting = [record for record in report.records if record.outcome is SceneOutcome.UNAVAILABLE]
    if waiting:
        raise SourceUnavailableError(
            f"the day {report.day} is incomplete: {len(waiting)} of {len(report.records)} scenes could not be had, the first "
            f"because {waiting[0].detail} The others are done; run the day again for the rest"
        )
