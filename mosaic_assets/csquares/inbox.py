"""The inbox of the archive: scene files dropped in a folder become batches of footprints.

::

    inbox/scenes/     drop files here
    inbox/taken/      000007/files/  what was taken, as it came: yours to delete
                      000007/report.json  what became of it
    inbox/queue/      batches that wait for their turn
    inbox/rejected/   files with records that could not be used, each beside its report

A file is **settled** when nothing about it has changed for ``archive.settle_s`` seconds. Names that begin with a dot or
end like an unfinished transfer are left alone, so a writer that renames its file when it is done is always safe.

All settled files are **taken** together: a plan is written, the files are moved, read in the order of their age, and their
good records cut into batches; small files share a batch. Every step can be repeated: killed anywhere, the next take
finishes the same plan and leaves the same files.
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.csquares.footprints import (
    FootprintBatch,
    batch_path,
    batches_in,
    published_footprints,
    queue_path,
    write_footprints,
)
from mosaic_assets.csquares.rejections import read_usable, report_rejections
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.csquare_db import time_text
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sync, write_bytes

if TYPE_CHECKING:
    from mosaic_assets.csquares.readers import ReadFile, SceneFootprint

BATCH_PREFIX = "scenes-"
"""What names of batches from the inbox begin with; those of other data sets begin otherwise."""

_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")
_BATCH_NAME = re.compile(r"scenes-(\d{6,})-\d{5,}")
_PLAN, _REPORT = "plan.json", "report.json"

Reader = Callable[[Path], "ReadFile"]


@dataclass(frozen=True, slots=True)
class TakenFile:
    """What became of one file."""

    name: str
    format: str
    """As the reader found it; empty when the file had gone or changed before it could be moved."""
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class TakeReport:
    """What became of the files of one take."""

    take: int
    taken_at: str
    """ISO 8601, UTC."""
    files: tuple[TakenFile, ...]
    batches: dict[str, int]
    """Scenes in each batch."""
    superseded: int
    """Records whose scene came again later in the same batch."""


@dataclass(frozen=True, slots=True)
class _Planned:
    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a take is about to do; written before it does anything."""

    take: int
    taken_at: str
    batch_size: int
    files: tuple[_Planned, ...]


def waiting_files(settings: Settings) -> list[Path]:
    """Return the files in the inbox that are there to be taken, settled or not, sorted by name."""
    if not settings.inbox.is_dir():
        return []
    return sorted(path for path in settings.inbox.iterdir() if _is_scene_file(path))


def _is_scene_file(path: Path) -> bool:
    name = path.name.lower()
    if name.startswith(".") or name.endswith(_UNFINISHED):
        return False
    return path.is_file() or (name.endswith(".sen3") and path.is_dir())


def settled_files(settings: Settings, now: datetime) -> list[Path]:
    """Return the files that can be taken, the oldest first.

    Parameters
    ----------
    now : datetime
        Aware.

    Examples
    --------
    >>> import tempfile; from datetime import UTC, timedelta; from mosaic_assets.settings import load_settings
    >>> settings = load_settings(home=tempfile.mkdtemp())
    >>> settings.inbox.mkdir(parents=True)
    >>> for name in ("a.csv", ".b.csv", "c.csv.part"):
    ...     _ = (settings.inbox / name).write_text("id,wkt")
    >>> now = datetime.now(UTC)
    >>> len(settled_files(settings, now)), len(settled_files(settings, now + timedelta(minutes=1)))
    (0, 1)
    """
    now_s, settle_s = now.timestamp(), settings.archive.settle_s
    found = []
    for path in waiting_files(settings):
        with contextlib.suppress(OSError):  # gone, or not ours to look at; there is another look later
            planned, changed_s = _look_at(path)
            if abs(now_s - changed_s) >= settle_s:  # a time yet to come is of before the clock was set back
                found.append((planned.modified_ns, path.name, path))
    return [path for _, _, path in sorted(found)]


def _look_at(path: Path) -> tuple[_Planned, float]:
    """Return what identifies a file as it is, and when the system last saw it change.

    That is the change time: unlike the time of modification nobody can set it, so a copy that keeps its original's
    times does not pass for settled.
    """
    parts = [path, *path.rglob("*")] if path.is_dir() else [path]
    seen = [part.stat() for part in parts]
    size = sum(one.st_size for one in seen)
    return _Planned(path.name, size, max(one.st_mtime_ns for one in seen)), max(one.st_ctime for one in seen)


def unfinished_take(settings: Settings) -> _Plan | None:
    """Return the plan of a take that was begun and not finished. Raises `StoreError` when it is damaged."""
    takes = _takes(settings)
    if not takes or (takes[-1] / _REPORT).exists():
        return None
    with _explaining_damage(takes[-1] / _PLAN):
        content = json.loads((takes[-1] / _PLAN).read_text())
        return _Plan(**{**content, "files": tuple(_Planned(**file) for file in content["files"])})


def take_reports(settings: Settings) -> Iterator[TakeReport]:
    """Yield the reports of finished takes, the earliest first, as far as they were not deleted."""
    for take in _takes(settings):
        if (take / _REPORT).exists():
            with _explaining_damage(take / _REPORT):
                content = json.loads((take / _REPORT).read_text())
                report = TakeReport(**{**content, "files": tuple(TakenFile(**file) for file in content["files"])})
            yield report


@contextlib.contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"reading {path}, the record of a take, failed: {error!r}. Restore it from a copy; or move its folder away and drop "
            "the files in it in the inbox again: scenes that are there already are updated, never doubled"
        ) from error


def _takes(settings: Settings) -> list[Path]:
    """Return the folders of takes that have a plan, the earliest first."""
    found = [path.parent for path in (settings.inbox.parent / "taken").glob(f"*/{_PLAN}")]
    return sorted((path for path in found if path.name.isdigit()), key=lambda path: int(path.name))


def take_inbox(settings: Settings, now: datetime, read: Reader | None = None) -> TakeReport | None:
    """Take all settled files, or finish a take that was interrupted.

    Parameters
    ----------
    now : datetime
        Aware.
    read : callable, optional
        Reads a file; by default `mosaic_assets.csquares.readers.read_scene_file`.

    Returns
    -------
    TakeReport or None
        None when there was nothing to take.

    Raises
    ------
    BusyError
        Another process is taking.
    HomeNotWritableError
        Files cannot be moved or written.
    """
    from mosaic_assets.csquares.readers import read_scene_file

    with holding(settings.inbox.parent / ".taking.lock", "taking scene files from the inbox"):
        plan = unfinished_take(settings) or _make_plan(settings, now)
        if plan is None:
            return None
        _move_files(settings, plan)
        return _cut(settings, plan, read or read_scene_file)


def _make_plan(settings: Settings, now: datetime) -> _Plan | None:
    files = [_look_at(path)[0] for path in settled_files(settings, now)]
    if not files:
        return None
    plan = _Plan(_next_take(settings), time_text(now), settings.archive.batch_size, tuple(files))
    _publish(_folder_of(settings, plan.take) / _PLAN, plan)
    return plan


def _next_take(settings: Settings) -> int:
    """Return a number that no take has had, though somebody may have deleted what it took."""
    names = [*batches_in(settings.inbox.parent / "queue"), *published_footprints(settings.csquares)]
    used = [int(match[1]) for name in names if (match := _BATCH_NAME.fullmatch(name))]
    return 1 + max([0, *used, *(int(path.name) for path in _takes(settings))])


def _folder_of(settings: Settings, take: int) -> Path:
    return settings.inbox.parent / "taken" / f"{take:06d}"


def _move_files(settings: Settings, plan: _Plan) -> None:
    """Move what was planned; what somebody took away or changed since stays for a later take."""
    folder = make_folder(_folder_of(settings, plan.take) / "files")
    for file in plan.files:
        source, target = settings.inbox / file.name, folder / file.name
        if not target.exists() and source.exists() and _look_at(source)[0] == file:
            move(source, target)


def move(source: Path, target: Path) -> None:
    """Rename a file, durably. Raises `HomeNotWritableError`, or `StoreError` from one disk to another."""
    with explaining_refusals(f"moving {source.name} to {target.parent}", target):
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            raise StoreError(
                f"moving {source} to {target.parent} failed: they are on different disks, so it could not happen in one step; "
                "keep the whole data home on one disk"
            ) from error
        sync(target.parent)


@dataclass
class _Cutter:
    """Collects footprints and publishes a batch whenever there are enough."""

    settings: Settings
    plan: _Plan

    def __post_init__(self) -> None:
        self.batches: dict[str, int] = {}
        self.superseded = 0
        self._held: dict[str, SceneFootprint] = {}

    def add(self, footprint: SceneFootprint) -> None:
        """Add a footprint; a scene that comes again counts as it came last."""
        self.superseded += self._held.pop(footprint.scene.id, None) is not None
        self._held[footprint.scene.id] = footprint
        if len(self._held) == self.plan.batch_size:
            self.flush()

    def flush(self) -> None:
        """Publish what is held, unless a take that was interrupted did so."""
        if not self._held:
            return
        name = f"{BATCH_PREFIX}{self.plan.take:06d}-{len(self.batches) + 1:05d}"
        if not batch_path(self.settings, name).exists():
            batch = FootprintBatch(name, datetime.fromisoformat(self.plan.taken_at), list(self._held.values()))
            write_footprints(queue_path(self.settings, name), batch)
        self.batches[name] = len(self._held)
        self._held = {}


def _cut(settings: Settings, plan: _Plan, read: Reader) -> TakeReport:
    """Read the files, publish batches and rejections, and finish the take with its report."""
    cutter, files = _Cutter(settings, plan), []
    for file in plan.files:
        path = _folder_of(settings, plan.take) / "files" / file.name
        if not path.exists():
            files.append(TakenFile(file.name, "", 0, 0))
            continue
        found = read_usable(path, read)
        for footprint in found.footprints:
            cutter.add(footprint)
        if found.rejected:
            report_rejections(settings, path, found, take=plan.take, taken_at=plan.taken_at)
        files.append(TakenFile(file.name, found.format, len(found.footprints), len(found.rejected)))
    cutter.flush()
    report = TakeReport(plan.take, plan.taken_at, tuple(files), cutter.batches, cutter.superseded)
    _publish(_folder_of(settings, plan.take) / _REPORT, report)
    return report


def _publish(path: Path, content: _Plan | TakeReport) -> None:
    write_bytes(path, json.dumps(asdict(content), indent=1).encode(), f"writing {path.name} of a take")
