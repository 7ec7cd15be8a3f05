"""Finding what is wrong with a library, and mending it; what cannot be mended goes to ``mosaic_library/quarantine/``.

A repair is planned in full before anything changes, and carried out so that one that is killed is made up for by the
next, or by the next merge:

1. scratch files and announced pictures without rows go, as at the start of a merge;
2. the paths of pictures that have no row yet are announced, and the pictures written;
3. what is sent away is noted in ``quarantine/quarantine.jsonl``;
4. one transaction changes the rows, and announces the pictures that moved, to be removed;
5. those are removed, and what is sent away is moved to ``quarantine/``.

Killed before 4, the rows are as they were; after it, what is left to do is to remove and move files that have no row.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.storage import TileFormat, store_as
from mosaic_assets.core.tile_png import TilePng
from mosaic_assets.errors import CentroidsError, StoreError
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets.library.evidence import source_bytes
from mosaic_assets.library.faults import Fault
from mosaic_assets.library.inspection import Inspection, inspect
from mosaic_assets.library.measuring import look_at
from mosaic_assets.library.publish import remove_pictures, write_picture
from mosaic_assets.library.repair_ledger import plan_ledger
from mosaic_assets.library.repair_plan import MENDED, QUARANTINED, Exile, Finding, Plan, make_plan
from mosaic_assets.library.rescue import Rescue
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sync, write_bytes
from mosaic_assets.store.library_db import LibraryDatabase, open_library
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets.store.library_repair import apply, index_problems, rebuild_indexes

LOCK_WAIT_S = 600.0
"""How long a repair waits for a merge to end, seconds."""

FEW = 20
"""Misplaced tiles that are never too many, however small the library."""

QUARANTINE = "quarantine"
NOTES = "quarantine.jsonl"

_FORMATS = {".png": TileFormat.PNG, ".webp": TileFormat.WEBP}


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was wrong with a library, and what became of it."""

    findings: tuple[Finding, ...]
    tiles: int
    """Rows looked at."""
    dry_run: bool
    """True where nothing was changed: the findings say what a repair would do."""
    quarantine: Path
    seconds: float

    @property
    def mended(self) -> int:
        """Findings that were mended."""
        return sum(finding.done == MENDED for finding in self.findings)

    @property
    def quarantined(self) -> int:
        """Findings that ended in quarantine; a tile may have several."""
        return sum(finding.done == QUARANTINED for finding in self.findings)

    def table(self) -> list[dict[str, Any]]:
        """One row a kind of fault that was found: how often, how many of them mended and quarantined, an example."""
        rows = []
        for fault in Fault:
            some = [finding for finding in self.findings if finding.fault is fault]
            if some:
                mended = sum(finding.done == MENDED for finding in some)
                counts = {"found": len(some), MENDED: mended, QUARANTINED: len(some) - mended}
                rows.append({"fault": str(fault), **counts, "example": f"{some[0].what}: {some[0].detail}"})
        return rows


def repair_library(
    settings: Settings, *, dry_run: bool = False, progress: Callable[[int], None] | None = None
) -> RepairReport:
    """Look at every tile of the library, mend what can be mended and send away the rest.

    No merge runs meanwhile; readers see the library before or after. Where nothing is wrong, nothing is written.

    Parameters
    ----------
    dry_run : only tell what would be done.
    progress : told of the number of tiles just looked at.

    Raises
    ------
    DatabaseError
        There is no library, or its tables are damaged.
    CentroidsError
        The centroids are missing or damaged; or most tiles belong to other buckets by them, so they are not the
        library's.
    BusyError
        A merge did not end in time.
    HomeNotWritableError
        The disk refused; what is done stays done, the next repair goes on.
    """
    began = time.perf_counter()
    with (
        open_library(settings.library, write=not dry_run) as database,
        holding(settings.library / ".merge.lock", "repairing the library", wait_s=LOCK_WAIT_S),
    ):
        centroids = load_centroids(settings.library)
        problems = index_problems(database)
        if problems and not dry_run:
            rebuild_indexes(database)
        found = inspect(settings, database, centroids.tree(), progress)
        _refuse_other_centroids(settings, found)
        plan = make_plan(settings, database, centroids.tree(), found)
        plan_ledger(settings, database, centroids, plan)
        if plan.findings and not dry_run:
            _carry_out(settings, database, plan)
        for problem in problems:
            plan.note(Fault.INDEX, database.path.name, problem)
        quarantine = settings.library / QUARANTINE
        return RepairReport(tuple(plan.findings), found.tiles, dry_run, quarantine, time.perf_counter() - began)


def _refuse_other_centroids(settings: Settings, found: Inspection) -> None:
    if found.misplaced > max(FEW, found.measured // 2):
        raise CentroidsError(
            f"repairing {settings.library} is refused: by centroids.npy, {found.misplaced} of {found.measured} tiles belong "
            f"to other buckets than their rows say, so those are not the centroids it was built with. Restore "
            f"centroids.npy and centroids.json from a copy, then run again"
        )


def _carry_out(settings: Settings, database: LibraryDatabase, plan: Plan) -> None:
    make_folder(settings.library / "temp")
    _remove_scratch(plan.leftovers)
    remove_pictures(settings, plan.abandoned)
    _write_pictures(settings, database, [rescue for rescue in plan.rescues if rescue.copy or rescue.remake])
    named = _choose_names(settings, plan.exiles)
    _note_exiles(settings, named)
    apply(database, plan.changes)
    remove_pictures(settings, plan.changes.remove_files)
    _move_away(settings, named)
    if plan.changes.remove_files:
        with database.writing():
            database.clear_pending()


def _remove_scratch(leftovers: Iterable[Path]) -> None:
    for path in leftovers:
        with explaining_refusals("clearing up after an interrupted merge", path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _write_pictures(settings: Settings, database: LibraryDatabase, rescues: list[Rescue]) -> None:
    """Write what does not stand in its place yet; the announcement lets a crash's leftovers be told from tiles."""
    if not rescues:
        return
    database.announce(rescue.row.filepath for rescue in rescues)
    folders = {(settings.home / rescue.row.filepath).parent for rescue in rescues}
    for folder in folders:
        make_folder(folder)
    for rescue in rescues:
        if rescue.copy:
            write_picture(settings, rescue.row, _copied(settings.home / rescue.copy, rescue.row))
    remakes = {rescue.suspect.id: rescue for rescue in rescues if rescue.remake}
    for key, body in source_bytes(rescue.remake for rescue in remakes.values() if rescue.remake):
        write_picture(settings, remakes[key].row, _encoded(decode_tile(body)[0], body, remakes[key].row))
    with explaining_refusals("making pictures durable", settings.library):
        for folder in [*sorted(folders), settings.library]:
            sync(folder)


def _copied(path: Path, row: LibraryRow) -> bytes:
    """The file of a tile, of a file that shows it: its very bytes, unless these are what is wrong."""
    look = look_at(path, row.sha256)
    content = path.read_bytes()
    as_it_is = not look.problem and path.suffix == Path(row.filepath).suffix
    return content if as_it_is else _encoded(look.image, content, row)


def _encoded(image: NDArray[np.uint8] | None, body: bytes, row: LibraryRow) -> bytes:
    if image is None:
        raise StoreError(
            f"the picture of tile {row.id} could be read a moment ago and now cannot; look after the disk, then run again"
        )
    kind = _FORMATS.get(Path(row.filepath).suffix, TileFormat.SOURCE)
    return store_as(image, body, kind, TilePng())


def _choose_names(settings: Settings, exiles: Iterable[Exile]) -> list[tuple[Exile, str | None]]:
    """Names in ``quarantine/``, for each exile that has a file: its own path there, with a number where that is taken."""
    taken: set[str] = set()
    chosen: list[tuple[Exile, str | None]] = []
    for exile in exiles:
        if exile.file is None:
            chosen.append((exile, None))
            continue
        own = PurePosixPath(exile.file).relative_to(settings.library.name)
        names = (str(own.with_stem(f"{own.stem}.{n}") if n else own) for n in itertools.count())
        free = next(n for n in names if n not in taken and not os.path.lexists(settings.library / QUARANTINE / n))
        taken.add(free)
        chosen.append((exile, free))
    return chosen


def _note_exiles(settings: Settings, named: Iterable[tuple[Exile, str | None]]) -> None:
    """Add a line for each, in front of everything else that becomes of it; what a killed repair noted is not repeated."""
    path = settings.library / QUARANTINE / NOTES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = [json.loads(line) for line in lines]
    announced = {note["file"] for note in known} - {None}
    without_file = [(note["reason"], note["row"]) for note in known if note["file"] is None]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    fresh = []
    for exile, name in named:
        row = json.loads(json.dumps(exile.stored, default=repr))
        if name in announced or (name is None and (exile.reason, row) in without_file):
            continue
        fresh.append(json.dumps({"when": when, "reason": exile.reason, "from": exile.file, "file": name, "row": row}))
    if fresh:
        write_bytes(path, "".join(f"{line}\n" for line in lines + fresh).encode(), "noting what goes to quarantine")


def _move_away(settings: Settings, named: Iterable[tuple[Exile, str | None]]) -> None:
    folders = set()
    for exile, name in named:
        if exile.file is None or name is None:
            continue
        target = settings.library / QUARANTINE / name
        make_folder(target.parent)
        with explaining_refusals("moving a file to quarantine", target):
            (settings.home / exile.file).replace(target)
        folders.add(target.parent)
    with explaining_refusals("making the quarantine durable", settings.library):
        for folder in sorted(folders):
            sync(folder)
