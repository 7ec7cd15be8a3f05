"""Deciding what to do about each fault of a library: a plan that a dry run shows and a repair carries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.phash import from_hex
from mosaic_assets.library.evidence import find_evidence, source_bytes
from mosaic_assets.library.faults import Fault
from mosaic_assets.library.inspection import Inspection, Suspect
from mosaic_assets.library.measuring import Measured, look_at, measure, picture_path
from mosaic_assets.library.rescue import Means, Rescue, resolve
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets.store.library_repair import Changes, RoundKey, Values, ages, wrong_counts

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

MENDED, QUARANTINED = "mended", "quarantined"

_LAST = (2**62,)
"""Age of a tile whose merge is not known: younger than all others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was wrong, and what became of it."""

    fault: Fault
    what: str
    """The file, row, bucket or round."""
    detail: str
    done: str
    """``mended`` or ``quarantined``."""


@dataclass(slots=True)
class Exile:
    """A tile or a file that leaves the library for ``quarantine/``."""

    file: str | None
    """Path of its picture, relative to the home; None where there is none, or where it is another tile's."""
    stored: Values | None
    """Its rows; None where it has none."""
    reason: str


@dataclass(slots=True)
class Plan:
    """What a repair will do; `mosaic_assets.library.repair` carries it out."""

    findings: list[Finding] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    """What stands in ``temp/``."""
    abandoned: list[str] = field(default_factory=list)
    """Announced pictures without rows, relative to the home."""
    rescues: list[Rescue] = field(default_factory=list)
    exiles: list[Exile] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)

    def note(self, fault: Fault, what: str, detail: str, done: str = MENDED) -> None:
        """Add a finding."""
        self.findings.append(Finding(fault, what, detail, done))


def make_plan(settings: Settings, database: LibraryDatabase, tree: cKDTree, found: Inspection) -> Plan:
    """Decide on everything but the ledger, which follows from the rest; reads files and database, changes nothing."""
    plan = Plan()
    _plan_leftovers(settings, database, found, plan)
    _plan_suspects(settings, tree, found, plan)
    _plan_buckets(settings, database, found, plan)
    for rescue in plan.rescues:
        for fault, detail in rescue.suspect.faults.items():
            plan.note(fault, rescue.suspect.name, detail)
    _plan_files(settings, database, found, plan)
    _plan_tables(database, found, plan)
    return plan


def _plan_leftovers(settings: Settings, database: LibraryDatabase, found: Inspection, plan: Plan) -> None:
    rows = database.query("SELECT filepath FROM tiles WHERE filepath IN (SELECT filepath FROM pending)")
    announced = {path for path in database.abandoned() if picture_path(settings, path)}
    plan.abandoned = sorted(announced - {row[0] for row in rows})
    plan.leftovers = sorted((settings.library / "temp").glob("*"))
    found.files -= set(plan.abandoned)
    for name in [f"temp/{path.name}" for path in plan.leftovers] + plan.abandoned:
        plan.note(Fault.LEFTOVER, name, "of an interrupted merge or repair")


def _plan_suspects(settings: Settings, tree: cKDTree, found: Inspection, plan: Plan) -> None:
    wanted: dict[str, RoundKey | None] = {
        one.id: (str(one.stored["biome"]), int(one.stored["round"])) if one.has_provenance else None
        for one in found.suspects
    }
    evidence = find_evidence(settings, wanted) if wanted else {}
    heads = {key: body[:16] for key, body in source_bytes(evidence.values()) if decode_tile(body)[0] is not None}
    copies: dict[str, list[str]] = {}
    for path in sorted(found.files):
        copies.setdefault(PurePosixPath(path).stem, []).append(path)

    def measured(path: str) -> Measured | None:
        look = look_at(settings.home / path)
        return None if look.problem else measure([look.image], tree)[0]

    for one in found.suspects:
        means = Means(evidence.get(one.id), heads.get(one.id), copies.get(one.id, []), measured)
        rescue = resolve(settings, one, means)
        if isinstance(rescue, Rescue):
            plan.rescues.append(rescue)
        else:
            _exile(plan, one, rescue)


def _exile(plan: Plan, suspect: Suspect, reason: str) -> None:
    plan.exiles.append(Exile(suspect.file, suspect.stored, reason))
    for fault, detail in suspect.faults.items():
        plan.note(fault, suspect.name, detail, QUARANTINED)


def _plan_buckets(settings: Settings, database: LibraryDatabase, found: Inspection, plan: Plan) -> None:
    """Send away what is beyond the cap, or has the hash of an older tile: those that move in first, then the newest."""
    members: dict[int, list[tuple[str, str]]] = {bucket: list(tiles) for bucket, tiles in found.sound.items()}
    for rescue in plan.rescues:
        members.setdefault(rescue.row.bucket_id, []).append((rescue.suspect.id, rescue.row.phash))
    rescues = {rescue.suspect.id: rescue for rescue in plan.rescues}
    for bucket, tiles in sorted(members.items()):
        if len(tiles) <= settings.bucket_cap and len({code for _, code in tiles}) == len(tiles):
            continue
        known = ages(database, [key for key, _ in tiles])
        moving = {key for key, _ in tiles if key in rescues and rescues[key].suspect.stored["bucket_id"] != bucket}
        tiles.sort(key=lambda tile: (tile[0] in moving, known.get(tile[0], _LAST), tile[0]))
        seen: set[str] = set()
        for key, code in tiles:
            if code in seen:
                _send_away(
                    database,
                    found,
                    plan,
                    rescues.get(key),
                    key,
                    Fault.DUPLICATE,
                    f"a tile of bucket {bucket} has its hash",
                )
            elif len(seen) >= settings.bucket_cap:
                full = f"bucket {bucket} holds {settings.bucket_cap} other tiles"
                _send_away(database, found, plan, rescues.get(key), key, Fault.OVER_FULL_BUCKET, full)
            else:
                seen.add(code)


def _send_away(
    database: LibraryDatabase, found: Inspection, plan: Plan, rescue: Rescue | None, key: str, fault: Fault, reason: str
) -> None:
    if rescue is not None:
        plan.rescues = [other for other in plan.rescues if other is not rescue]
        rescue.suspect.faults[fault] = reason
        _exile(plan, rescue.suspect, reason)
        return
    (row,) = database.rows("id = ?", (key,))
    stored = {name: getattr(row, name) for name in LibraryRow.__slots__}
    found.files.add(row.filepath)
    plan.exiles.append(Exile(row.filepath, stored, reason))
    plan.note(fault, row.filepath, reason, QUARANTINED)


def _plan_files(settings: Settings, database: LibraryDatabase, found: Inspection, plan: Plan) -> None:
    """Decide which files go, and where to; a picture that a row will name is left alone."""
    stay = {rescue.row.filepath for rescue in plan.rescues}
    moved = {
        path for rescue in plan.rescues for path in (rescue.suspect.file, rescue.copy) if path
    } & found.files - stay
    gone: set[str] = set()
    for exile in plan.exiles:
        if exile.file in found.files - stay - moved - gone:
            gone.add(exile.file)
        else:
            exile.file = None
    orphans = found.files - stay - moved - gone
    copies = _copies_of_tiles(settings, database, plan, orphans)
    for path in sorted(orphans - copies):
        plan.exiles.append(Exile(path, None, "no row names it"))
        plan.note(Fault.ORPHAN_FILE, path, "no row names it", QUARANTINED)
    for path in sorted(copies):
        plan.note(Fault.ORPHAN_FILE, path, "a second copy of a tile's picture, to the byte")
    plan.changes.remove_files = sorted(moved | copies)
    plan.changes.write = [rescue.row for rescue in plan.rescues]
    plan.changes.remove = {str(exile.stored["id"]) for exile in plan.exiles if exile.stored is not None}


def _copies_of_tiles(settings: Settings, database: LibraryDatabase, plan: Plan, orphans: set[str]) -> set[str]:
    """Files that have a tile's name and its picture's very bytes: also what a killed repair took a picture from."""
    rescued = {
        rescue.suspect.id: None if rescue.remake else rescue.copy or rescue.row.filepath for rescue in plan.rescues
    }
    copies = set()
    for path in orphans:
        name = PurePosixPath(path).stem
        rows = database.query("SELECT filepath FROM tiles WHERE id = ?", (name,))
        own = rescued[name] if name in rescued else rows[0][0] if rows else None
        standing = picture_path(settings, own)
        if standing and standing.is_file() and (settings.home / path).is_file():
            same = standing.read_bytes() == (settings.home / path).read_bytes()
            copies |= {path} if same else set()
    return copies


def _plan_tables(database: LibraryDatabase, found: Inspection, plan: Plan) -> None:
    changes, wrong = plan.changes, wrong_counts(database)
    for bucket, count, rows in wrong:
        plan.note(Fault.WRONG_COUNTS, f"bucket {bucket}", f"its count says {count}, there are {rows} rows")
    changes.recount = bool(wrong or changes.write or changes.remove)
    try:
        changes.repack = not np.array_equal(np.sort(database.hashes()), np.sort(from_hex(found.hashes)))
    except ValueError:  # a hash that is none, or half of one
        changes.repack = True
    if changes.repack:
        plan.note(Fault.WRONG_COUNTS, "packed hashes", "they are not those of the rows")
