"""Looking at every tile of a library: what its row says, what its picture says, and where the two differ."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import lab_of
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.records import Tile
from mosaic_assets.core.storage import TileFormat, suffix_of
from mosaic_assets.core.tiles import tile_bounds
from mosaic_assets.errors import GeometryError, StoreError
from mosaic_assets.library.checks import LAB_TOLERANCE
from mosaic_assets.library.judge import assign_buckets
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_repair import Values, lone_provenance, pages

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

BOUNDS_TOLERANCE = 1e-9
"""Largest difference between a tile's stored and true edges, degrees."""

_BUCKET_FOLDER = re.compile(r"bucket_\d{4}")
PROVENANCE_TEXTS = (
    "source",
    "imagery",
    "release",
    "biome",
    "fetched_at",
    "sha256",
    "licence",
    "attribution",
    "csquare",
)


class Fault(StrEnum):
    """What may be wrong with a library."""

    LEFTOVER = "leftover"
    """A file in ``temp/``, or an announced picture that never got its row."""
    MISSING_FILE = "missing_file"
    ORPHAN_FILE = "orphan_file"
    """A file in a bucket's folder that no row names."""
    DAMAGED_PICTURE = "damaged_picture"
    """Truncated, no picture, of another size, not RGB, or in another format than its name says."""
    OTHER_PICTURE = "other_picture"
    """A sound picture, but not that of the tile whose name it has."""
    WRONG_BUCKET = "wrong_bucket"
    """The row, or the folder that the picture stands in, names another bucket than the colour does."""
    WRONG_COLOUR = "wrong_colour"
    WRONG_HASH = "wrong_hash"
    NO_PROVENANCE = "no_provenance"
    """A tile that does not say, in full, where it comes from and where it lies."""
    LONE_PROVENANCE = "lone_provenance"
    """Provenance of a tile that has no row."""
    DUPLICATE = "duplicate"
    """A tile whose hash an older one of the bucket has."""
    OVER_FULL_BUCKET = "over_full_bucket"
    WRONG_COUNTS = "wrong_counts"
    """The table of bucket counts, or the packed hashes, differ from the rows."""
    LEDGER = "ledger"
    """A round's outcomes do not add up, or the library does not say which centroids it was built with."""
    INDEX = "index"
    """An index of the database does not fit its table."""


class Measured(NamedTuple):
    """What a picture says of its tile."""

    bucket_id: int
    phash: str
    lab: tuple[float, float, float]

    def fits_colour(self, values: Values) -> bool:
        """Whether a row has this colour."""
        stored = [_number(values[name]) for name in ("mean_l", "mean_a", "mean_b")]
        return all(abs(a - b) <= LAB_TOLERANCE for a, b in zip(self.lab, stored, strict=True))

    def fits(self, values: Values) -> bool:
        """Whether a row has this colour and this hash."""
        return values["phash"] == self.phash and self.fits_colour(values)


class Look(NamedTuple):
    """A picture's file as it was found."""

    there: bool
    image: NDArray[np.uint8] | None
    problem: str
    """Why there is no picture, or why it cannot stay as it is though there is one."""


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
        faults = {Fault.LONE_PROVENANCE: "no row in tiles", **_faults_of_provenance(values, True)}
        found.suspects.append(Suspect(values, False, True, nothing, None, faults))
    return found


def measure(images: Sequence[NDArray[np.uint8] | None], tree: cKDTree) -> list[Measured | None]:
    """Measure pictures, uint8 (256, 256, 3) each; None stays None."""
    pictures = [image for image in images if image is not None]
    if not pictures:
        return [None] * len(images)
    batch = np.stack(pictures)
    lab = lab_of(batch)
    values = zip(assign_buckets(lab, tree).tolist(), to_hex(phash(batch)), map(tuple, lab.tolist()), strict=True)
    return [None if image is None else Measured(*next(values)) for image in images]


def look_at(path: Path, sha256: object = None) -> Look:
    """Read and decode a picture.

    Parameters
    ----------
    sha256 : of the tile's source bytes. A picture of just these bytes is in order whatever its colour model.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Look(False, None, "there is no file")
    except IsADirectoryError:
        return Look(True, None, "a folder")
    except OSError as error:
        raise StoreError(
            f"reading {path} failed: {error.strerror}. Nothing was changed; give permission or look after the disk, then "
            f"run again"
        ) from error
    image, _, detail = decode_tile(content)
    return Look(True, image, detail or _oddness(content, path.suffix, sha256))


def picture_path(settings: Settings, filepath: object) -> Path | None:
    """Where a row's picture stands; None where the text is not a file of a bucket, and is not to be touched.

    Examples
    --------
    >>> picture_path(Settings(home="/data"), "mosaic_library/bucket_0042/a.png").as_posix()
    '/data/mosaic_library/bucket_0042/a.png'
    >>> picture_path(Settings(home="/data"), "mosaic_library/bucket_0042/../a.png") is None
    True
    """
    parts = PurePosixPath(filepath).parts if isinstance(filepath, str) else ()
    if len(parts) != 3 or parts[0] != settings.library.name or not _BUCKET_FOLDER.fullmatch(parts[1]):
        return None
    return None if parts[2] == ".." else settings.home.joinpath(*parts)


def place_of(settings: Settings, bucket_id: int, name: str) -> str:
    """The ``filepath`` of a picture that is called ``name`` in a bucket.

    Examples
    --------
    >>> place_of(Settings(home="/data"), 42, "88037979-de86-4fbc-910e-6aee2047553a.png")
    'mosaic_library/bucket_0042/88037979-de86-4fbc-910e-6aee2047553a.png'
    """
    return f"{settings.library.name}/bucket_{bucket_id:04d}/{name}"


def _look_at_row(settings: Settings, values: Values) -> Look:
    path = picture_path(settings, values["filepath"])
    return Look(False, None, "there is no file") if path is None else look_at(path, values["sha256"])


def _oddness(content: bytes, suffix: str, sha256: object) -> str:
    """Tell why a picture that decodes cannot stay; tiles are 8-bit RGB, or the very bytes of the source."""
    kind = suffix_of(content, TileFormat.SOURCE)
    if kind != suffix.lower().replace(".jpeg", ".jpg"):
        return f"a picture of the kind {kind} under the suffix {suffix!r}"
    bits_and_colours = content[24:26]  # of a PNG; 2 is RGB, https://www.w3.org/TR/png-3/#11IHDR
    if kind == ".png" and bits_and_colours != b"\x08\x02" and hashlib.sha256(content).hexdigest() != sha256:
        return "a PNG that is not 8-bit RGB"
    return ""


def _compare(
    settings: Settings, found: Inspection, values: Values, provenance: bool, look: Look, measured: Measured | None
) -> None:
    faults = {**_faults_of_picture(settings, values, look, measured), **_faults_of_provenance(values, provenance)}
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


def _faults_of_picture(settings: Settings, values: Values, look: Look, measured: Measured | None) -> dict[Fault, str]:
    if not look.there:
        return {Fault.MISSING_FILE: "there is no file"}
    faults = {Fault.DAMAGED_PICTURE: look.problem} if look.problem else {}
    if measured is None:
        return faults
    if not measured.fits_colour(values):
        stored = tuple(values[name] for name in ("mean_l", "mean_a", "mean_b"))
        faults[Fault.WRONG_COLOUR] = f"stored LAB {stored}, recomputed {measured.lab}"
    if values["phash"] != measured.phash:
        faults[Fault.WRONG_HASH] = f"stored hash {values['phash']}, recomputed {measured.phash}"
    if values["bucket_id"] != measured.bucket_id:
        faults[Fault.WRONG_BUCKET] = f"stored bucket {values['bucket_id']}, recomputed {measured.bucket_id}"
    elif values["filepath"] != place_of(settings, measured.bucket_id, f"{values['id']}{_suffix(values)}"):
        faults[Fault.WRONG_BUCKET] = f"its picture stands at {values['filepath']}"
    return faults


def _faults_of_provenance(values: Values, there: bool) -> dict[Fault, str]:
    if not there:
        return {Fault.NO_PROVENANCE: "no row in provenance"}
    if empty := [name for name in PROVENANCE_TEXTS if not values[name]]:
        return {Fault.NO_PROVENANCE: f"empty: {', '.join(empty)}"}
    edges = true_bounds(values)
    if edges is None:
        return {Fault.NO_PROVENANCE: f"no tile {values['z']}/{values['x']}/{values['y']}"}
    wrong = [name for name, edge in edges.items() if not abs(_number(values[name]) - edge) <= BOUNDS_TOLERANCE]
    return {Fault.NO_PROVENANCE: f"wrong edges: {', '.join(wrong)}"} if wrong else {}


def true_bounds(values: Values) -> dict[str, float] | None:
    """Edges of a row's tile, degrees, by column; None where there is no such tile.

    Examples
    --------
    >>> true_bounds({"z": 0, "x": 0, "y": 0})["east"], true_bounds({"z": 0, "x": 1, "y": 0})
    (180.0, None)
    """
    try:
        return tile_bounds(Tile(int(values["x"]), int(values["y"]), int(values["z"])))._asdict()
    except (GeometryError, TypeError, ValueError):
        return None


def _suffix(values: Values) -> str:
    return PurePosixPath(str(values["filepath"])).suffix


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
