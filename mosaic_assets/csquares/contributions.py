"""Footprints of other data sets in the index: a data set hands over its scenes in parts, and says what is gone.

::

    publish_contributions(folder, "tiles", [Contribution("tiles", "dallol-00001", footprints), ...], now)

Each part becomes the batch of pairs ``<dataset>-<part>``. A part that is as it was costs a comparison of digests; one that
is no longer handed over is withdrawn. Scenes of a data set carry its name as their ``platform``, which is what searches filter
by.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.csquares.cover import cover_many
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.pairs import pairs_path, published_batches, read_stamp
from mosaic_assets.errors import StoreError
from mosaic_assets.store.csquare_db import time_text
from mosaic_assets.store.files import explaining_refusals, holding, sync, write_bytes

if TYPE_CHECKING:
    from mosaic_assets.csquares.readers import SceneFootprint

_RESERVED = "scenes"
"""Batches from the inbox are named so."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One part of a data set: what is likely to change together, some hundred to some thousand scenes."""

    dataset: str
    """Lower-case letters, as in ``tiles``, ``crops``."""
    part: str
    """As in ``dallol-00001``; with ``dataset`` it names the batch."""
    scenes: Sequence[SceneFootprint]

    @property
    def batch(self) -> str:
        """Name of the batch of pairs."""
        return f"{self.dataset}-{self.part}"


@dataclass(frozen=True, slots=True)
class ContributionReport:
    """What publishing the parts of a data set did."""

    scenes: int
    """In all parts together."""
    unchanged: int
    """Parts that were as before."""
    written: tuple[str, ...]
    """Batches published."""
    withdrawn: tuple[str, ...]
    """Batches removed, because their part was not handed over or is empty."""
    pairs: int
    """In the batches written."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the ledger knows of a batch."""

    digest: str
    """SHA-256 of the scenes and outlines handed over."""
    fingerprint: str
    """Of the pairs made of them."""


def publish_contributions(
    folder: Path, dataset: str, parts: Iterable[Contribution], now: datetime, *, state: str = ""
) -> ContributionReport:
    """Publish the pairs of a data set, all of whose parts are given; update the index afterwards.

    Killed at any point, the next call does what is left.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    dataset : str
        The name that all parts have.
    parts : iterable of Contribution
        Looked at one after another, so a generator needs the memory of one part.
    now : datetime
        Aware.
    state : str
        Whatever tells the data set's state; `contributed_state` returns it.

    Raises
    ------
    StoreError
        A part of another data set, a part twice, a name that cannot be that of a batch; another process publishes the
        same data set.
    GeometryError
        A footprint covers no square.

    Examples
    --------
    >>> import shapely, tempfile; from datetime import UTC
    >>> from mosaic_assets.csquares.readers import SceneFootprint; from mosaic_assets.store.csquare_db import Scene
    >>> folder, now = Path(tempfile.mkdtemp()), datetime(2024, 1, 1, tzinfo=UTC)
    >>> crop = SceneFootprint(Scene("s3-0001", platform="smcefr"), shapely.box(140, -41, 141, -40))
    >>> publish_contributions(folder, "crops", [Contribution("crops", "2017", [crop])], now).written
    ('crops-2017',)
    >>> publish_contributions(folder, "crops", [Contribution("crops", "2017", [crop])], now).unchanged
    1
    """
    if dataset == _RESERVED or not dataset.isidentifier():
        raise StoreError(
            f"indexing the data set {dataset!r}: expected a name of letters, and not {_RESERVED!r}; rename it"
        )
    with holding(_ledger_path(folder, dataset).with_suffix(".lock"), f"indexing the data set {dataset}"):
        return _publish(folder, dataset, parts, now, state)


def _publish(
    folder: Path, dataset: str, parts: Iterable[Contribution], now: datetime, state: str
) -> ContributionReport:
    before, after = _ledger(folder, dataset), dict[str, _Entry]()
    written, scenes, pairs = [], 0, 0
    for part in parts:
        if part.dataset != dataset or part.batch in after:
            raise StoreError(
                f"indexing the data set {dataset}: the part {part.part!r} of {part.dataset!r} does not belong or came twice; "
                "hand over every part of one data set once"
            )
        if not part.scenes:
            continue
        scenes += len(part.scenes)
        digest = _digest(part.scenes)
        if (known := before.get(part.batch)) and known.digest == digest and _is_published(folder, part.batch, known):
            after[part.batch] = known
            continue
        outlines = [footprint.geometry for footprint in part.scenes]
        records = [footprint.scene for footprint in part.scenes]
        stamp = write_pairs(folder, part.batch, records, cover_many(outlines, 0.5), published_at=now)
        after[part.batch] = _Entry(digest, stamp.fingerprint)
        written.append(part.batch)
        pairs += stamp.pairs
    # A killed call may have left pairs that no ledger knows of.
    ours = {batch for batch in published_batches(folder) if batch.startswith(f"{dataset}-")}
    gone = sorted((ours | before.keys()) - after.keys())
    for batch in gone:
        withdraw(folder, batch)
    content = {"state": state, "batches": {name: asdict(entry) for name, entry in sorted(after.items())}}
    # Last of all: whatever comes before is done again when it is missing here.
    write_bytes(_ledger_path(folder, dataset), json.dumps(content, indent=1).encode(), f"indexing {dataset}")
    return ContributionReport(scenes, len(after) - len(written), tuple(written), tuple(gone), pairs)


def withdraw(folder: Path, batch: str) -> None:
    """Remove the pairs of a batch, if there are any; the next update of the index forgets its scenes."""
    path = pairs_path(folder, batch)
    with explaining_refusals(f"withdrawing batch {batch}", path):
        path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            sync(path.parent)


def contributed_batches(folder: Path) -> dict[str, str]:
    """Return the batches of all contributed data sets, with the data set of each."""
    ledgers = (folder / "contributions").glob("*.json")
    return {batch: path.stem for path in sorted(ledgers) for batch in _ledger(folder, path.stem)}


def contributed_state(folder: Path, dataset: str) -> str | None:
    """Return the state of a data set that is published, as it was given; None when there is none.

    Raises
    ------
    StoreError
        The ledger is damaged.
    """
    if not _ledger_path(folder, dataset).exists():
        return None
    return str(_content(folder, dataset)["state"])


def _ledger_path(folder: Path, dataset: str) -> Path:
    return folder / "contributions" / f"{dataset}.json"


def _ledger(folder: Path, dataset: str) -> dict[str, _Entry]:
    batches = _content(folder, dataset)["batches"]
    return {name: _Entry(**entry) for name, entry in batches.items()}


def _content(folder: Path, dataset: str) -> dict[str, Any]:
    path = _ledger_path(folder, dataset)
    if not path.exists():
        return {"state": "", "batches": {}}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        _ = content["state"], {name: _Entry(**entry) for name, entry in content["batches"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"reading {path}, the ledger of a contributed data set, failed: {error!r}. Restore it from a copy; or delete it and "
            f"the files pairs/{dataset}-*.parquet beside it, and materialize the data set's footprints again"
        ) from error
    return content


def _is_published(folder: Path, batch: str, known: _Entry) -> bool:
    stamp = read_stamp(folder, batch)
    return stamp is not None and stamp.fingerprint == known.fingerprint


def _digest(scenes: Sequence[SceneFootprint]) -> str:
    """Return the SHA-256 of scenes and outlines, whatever their order."""
    import shapely

    outlines = shapely.to_wkb([footprint.geometry for footprint in scenes])
    rows = sorted(
        (footprint.scene.id, json.dumps(asdict(footprint.scene), default=time_text), outline)
        for footprint, outline in zip(scenes, outlines, strict=True)
    )
    found = hashlib.sha256()
    for _, record, outline in rows:
        found.update(record.encode() + outline)
    return found.hexdigest()
