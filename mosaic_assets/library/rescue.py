"""Finding again, from whatever is left of it, the picture of a tile and its right rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mosaic_assets.core.storage import TileFormat, suffix_of
from mosaic_assets.library.checks import PROVENANCE_TEXTS
from mosaic_assets.library.evidence import Evidence
from mosaic_assets.library.faults import Fault, true_bounds
from mosaic_assets.library.inspection import Suspect
from mosaic_assets.library.measuring import Measured, place_of
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_records import PROVENANCE_COLUMNS, LibraryRow
from mosaic_assets.store.library_repair import Values

_LOSSLESS = (".png", ".webp")


@dataclass(frozen=True, slots=True)
class Rescue:
    """A tile that stays, with rows that are right; its picture stands in its place already, or is to be written."""

    suspect: Suspect
    row: LibraryRow
    copy: str | None = None
    """The file to take the picture from, relative to the home."""
    remake: Evidence | None = None
    """The round file whose source bytes to make it of."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a suspect's picture and rows can be had from."""

    evidence: Evidence | None
    head: bytes | None
    """The first of the source bytes, where a round file still has them and they are a picture."""
    copies: list[str]
    """Files without a row that have the tile's name."""
    measure: Callable[[str], Measured | None]
    """Measure a sound picture by its path."""


def resolve(settings: Settings, suspect: Suspect, means: Means) -> Rescue | str:
    """Find a tile's picture and its right rows; or say why there are none."""
    known = means.evidence
    provenance = _provenance(suspect, known)
    if provenance is None:
        return f"nothing says where it comes from ({suspect.faults[Fault.NO_PROVENANCE]}), nor does any round file"
    measured, origin, remake = suspect.measured, suspect.file, None
    if measured is not None and not _is_its_own(suspect, measured, known):
        kept: dict[Fault, str] = {fault: text for fault, text in suspect.faults.items() if fault is Fault.NO_PROVENANCE}
        suspect.faults = {Fault.OTHER_PICTURE: "neither its colour nor its hash are the tile's", **kept}
        measured = None
    if measured is None:
        measured, origin = _from_a_copy(suspect, means)
    if measured is None and known is not None and means.head is not None:
        values, remake = known.values, known
        measured = Measured(
            values["bucket_id"], values["phash"], (values["mean_l"], values["mean_a"], values["mean_b"])
        )
    if measured is None:
        return f"{_worst(suspect)}; no copy and no source bytes are left to make it of"
    odd = origin is not None and origin == suspect.file and suspect.look.problem != ""
    suffix = _suffix(settings, suspect, PurePosixPath(origin).suffix if origin and not odd else "", means.head)
    filepath = place_of(settings, measured.bucket_id, f"{suspect.id}{suffix}")
    row = _row(suspect, provenance, measured, filepath)
    return Rescue(suspect, row, origin if odd or origin != filepath else None, remake)


def _provenance(suspect: Suspect, known: Evidence | None) -> Values | None:
    """Where a tile comes from: as its row says, or as the round file does."""
    stored, names = suspect.stored, PROVENANCE_COLUMNS[1:]
    if Fault.NO_PROVENANCE not in suspect.faults:
        return {name: stored[name] for name in names}
    if known is not None:
        return {name: known.values[name] for name in names}
    if suspect.has_provenance and all(stored[name] for name in PROVENANCE_TEXTS) and (edges := true_bounds(stored)):
        return {**{name: stored[name] for name in names}, **edges}
    return None


def _is_its_own(suspect: Suspect, measured: Measured, known: Evidence | None) -> bool:
    """Whether a sound picture is that of the tile in whose name it stands, as far as anything tells."""
    if measured.fits(suspect.stored) or (known is not None and measured.fits(known.values)):
        return True
    # One of two values being right is no chance: 64 bits, or three floats. With a round file at hand, that decides.
    alike = measured.phash == suspect.stored["phash"] or measured.fits_colour(suspect.stored)
    return alike and known is None


def _from_a_copy(suspect: Suspect, means: Means) -> tuple[Measured | None, str | None]:
    """Look for the tile's picture among the files that have its name."""
    for path in means.copies:
        measured = means.measure(path)
        if measured is None:
            continue
        known = means.evidence
        at_home = PurePosixPath(path).parent.name == f"bucket_{measured.bucket_id:04d}"
        if measured.fits(suspect.stored) or (known is not None and measured.fits(known.values)):
            return measured, path
        if not suspect.has_tile and known is None and at_home:  # its name and its bucket are all that is left
            return measured, path
    return None, None


def _suffix(settings: Settings, suspect: Suspect, given: str, head: bytes | None) -> str:
    """Choose the suffix of a picture's file: that of the file it is taken from, its own, or what the settings say."""
    if given:
        return given
    own = PurePosixPath(str(suspect.stored["filepath"] or "")).suffix
    if own in _LOSSLESS or (head is not None and own == suffix_of(head, TileFormat.SOURCE)):
        return own
    return suffix_of(head, TileFormat(settings.tile_format)) if head is not None else ".png"


def _row(suspect: Suspect, provenance: Values, measured: Measured, filepath: str) -> LibraryRow:
    lab: dict[str, Any] = dict(zip(("mean_l", "mean_a", "mean_b"), measured.lab, strict=True))
    if measured.fits_colour(suspect.stored):  # as close as rounding goes: leave it as it is
        lab = {name: suspect.stored[name] for name in lab}
    return LibraryRow(
        id=suspect.id, bucket_id=measured.bucket_id, filepath=filepath, phash=measured.phash, **lab, **provenance
    )


def _worst(suspect: Suspect) -> str:
    fault, detail = next(iter(suspect.faults.items()))
    return f"{fault.replace('_', ' ')}: {detail}"
