"""Looking at every tile of a library: what its row says, what its picture says, and where the two differ."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mosaic_assets.library.faults import Fault, faults_of_picture, faults_of_provenance
from mosaic_assets.library.measuring import Look, Measured, look_at, measure, picture_path
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_repair import Values, lone_provenance, pages

if TYPE_CHECKING:
    from scipy.spatial import cKDTree


@dataclass(slots=True)
class Suspect:
    """A tile with which something is wrong."""

    stored: Values
    """The columns of `LibraryRow`; None where the row of that table is not there."""
    has_tile: bool
    has_provenance: bool
    look: Look
    measured: Measured | None
    faults: dict[Fault, str]
    """What is wrong, each with its details."""

    @property
    def id(self) -> str:
        """The tile's id."""
        return str(self.stored["id"])

    @property
    def name(self) -> str:
        """What to call it to a person: its picture's path, or its id."""
        return str(self.stored["filepath"] or f"tile {self.id}")

    @property
    def file(self) -> str | None:
        """Path of the tile's picture, where there is a file at all."""
        return str(self.stored["filepath"]) if self.look.there else None


@dataclass(slots=True)
class Inspection:
    """What was found in a library."""

    tiles: int = 0
    measured: int = 0
    misplaced: int = 0
    """Tiles whose colour belongs to another bucket than the row's."""
    suspects: list[Suspect] = field(default_factory=list)
    sound: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """Bucket -> (id, hash) of the tiles with which nothing is wrong."""
    hashes: list[str] = field(default_factory=list)
    """Of all rows, as stored."""
    files: set[str] = field(default_factory=set)
    """Files in the buckets that are no sound tile's picture, relative to the home."""


def inspect(
    settings: Settings, database: LibraryDatabase, tree: cKDTree, progress: Callable[[int], None] | None = None
) -> Inspection:
    """Look at every row and every file in the buckets; changes nothing, and holds some 50 MB of pictures at a time.

    Raises
    ------
    StoreError
        A file is there but the system does not let it be read.
    """
    found = Inspection()
    found.files = {path.relative_to(settings.home).as_posix() for path in settings.library.glob("bucket_*/*")}
    with ThreadPoolExecutor(settings.workers) as pool:
        for page in pages(database):
            looks = list(pool.map(partial(_look_at_row, settings), [values for values, _ in page]))
            measured = measure([look.image for look in looks], tree)
            for (values, provenance), look, measures in zip(page, looks, measured, strict=True):
                _compare(settings, found, values, provenance, look, measures)
            if progress:
                progress(len(page))
    nothing = Look(False, None, "")
    for values in lone_provenance(database):
        faults = {Fault.LONE_PROVENANCE: "no row in tiles", **faults_of_provenance(values, True)}
        found.suspects.append(Suspect(values, False, True, nothing, None, faults))
    return found


def _look_at_row(settings: Settings, values: Values) -> Look:
    path = picture_path(settings, values["filepath"])
    return Look(False, None, "there is no file") if path is None else look_at(path, values["sha256"])


def _compare(
    settings: Settings, found: Inspection, values: Values, provenance: bool, look: Look, measured: Measured | None
) -> None:
    faults = {**faults_of_picture(settings, values, look, measured), **faults_of_provenance(values, provenance)}
    found.tiles += 1
    found.hashes.append(str(values["phash"]))
    if measured is not None:
        found.measured += 1
        found.misplaced += measured.bucket_id != values["bucket_id"]
    if faults or measured is None:
        found.suspects.append(Suspect(values, True, provenance, look, measured, faults))
    else:
        found.sound.setdefault(measured.bucket_id, []).append((str(values["id"]), measured.phash))
        found.files.discard(str(values["filepath"]))
