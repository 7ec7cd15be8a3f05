"""What may be wrong with a library, and how it is told from a tile's rows and picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import tile_bounds
from mosaic_assets.errors import GeometryError
from mosaic_assets.library.checks import PROVENANCE_TEXTS
from mosaic_assets.library.measuring import Look, Measured, as_number, place_of
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_repair import Values

BOUNDS_TOLERANCE = 1e-9
"""Largest difference between a tile's stored and true edges, degrees."""


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


def faults_of_picture(settings: Settings, values: Values, look: Look, measured: Measured | None) -> dict[Fault, str]:
    """Tell what is wrong with a tile's picture, or with what its row says of it."""
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


def faults_of_provenance(values: Values, there: bool) -> dict[Fault, str]:
    """Tell what is wrong with where a tile says it comes from; ``there`` is whether it has a row of provenance."""
    if not there:
        return {Fault.NO_PROVENANCE: "no row in provenance"}
    if empty := [name for name in PROVENANCE_TEXTS if not values[name]]:
        return {Fault.NO_PROVENANCE: f"empty: {', '.join(empty)}"}
    edges = true_bounds(values)
    if edges is None:
        return {Fault.NO_PROVENANCE: f"no tile {values['z']}/{values['x']}/{values['y']}"}
    wrong = [name for name, edge in edges.items() if not abs(as_number(values[name]) - edge) <= BOUNDS_TOLERANCE]
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
