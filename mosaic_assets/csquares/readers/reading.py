"""A scene file from one end to the other: recognised, read, judged record by record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mosaic_assets.csquares.cover import cover_many
from mosaic_assets.csquares.readers.detect import Format, recognise
from mosaic_assets.csquares.readers.fields import scene_id, scene_of
from mosaic_assets.csquares.readers.frames import Frames
from mosaic_assets.csquares.readers.records import (
    MAX_BYTES,
    MAX_REJECTIONS,
    Lost,
    Raw,
    ReadFile,
    Rejection,
    SceneFootprint,
    excerpt,
    shortened,
)
from mosaic_assets.csquares.readers.shapes import shape_of

_AT_ONCE = 100
"""Footprints covered at a time."""
_SURPRISES = (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError)
"""What libraries raise of values that nobody thought of."""
_RESOLUTION = 0.5
"""Squares that each footprint must be good for, degrees: those of the index."""


def read_scene_file(path: Path, *, max_bytes: int = MAX_BYTES) -> ReadFile:
    r"""Read a file of scene footprints; what cannot be used is among the rejected.

    Parameters
    ----------
    path : Path
        GeoJSON, newline-delimited GeoJSON, STAC, GeoParquet, GeoPackage, CSV with WKT, a Sentinel-3 manifest or the folder
        of a product; text may be packed with gzip. The content tells which, not the name.
    max_bytes : int
        Size of the file, and of what it unpacks to, bytes; a larger one is rejected.

    Returns
    -------
    ReadFile
        Footprints in the order of the file, each with an id of its own and good for half-degree squares. Of records with
        the same id the last usable one is kept. Nothing that a file holds raises.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scenes.csv"
    >>> _ = path.write_text('id,satellite,wkt\nh1awj,NOAA-12,"POLYGON ((140 -50, 150 -50, 150 -40, 140 -50))"\nh1awl,,\n')
    >>> found = read_scene_file(path)
    >>> found.format, found.footprints[0].scene.platform, found.rejected
    ('CSV', 'NOAA-12', [Rejection(record='line 3 (scene h1awl)', reason='it has no geometry; expected the outline of the scene')])
    """
    judge, kind, name = _Judge(), None, f"file {shortened(path.name)}"
    try:
        kind = recognise(path)
        _read(path, kind, max_bytes, judge)
    except Lost as lost:
        judge.reject(lost.record or name, str(lost))
    except OSError as error:
        judge.reject(name, f"it cannot be read: {error.strerror or error}; give permission or copy it again")
    except MemoryError:
        judge.reject(name, "it takes more memory than there is; expected less: split the file")
    judge.flush()
    return judge.result(kind)


def _read(path: Path, kind: Format, max_bytes: int, judge: _Judge) -> None:
    size = 0 if path.is_dir() else path.stat().st_size
    if size > max_bytes:
        raise Lost(f"it holds {size:,} bytes; expected {max_bytes:,} at most: split the file")
    for found in kind.read(path, max_bytes):
        if isinstance(found, Rejection):
            judge.reject(found.record, found.reason)
        else:
            judge.add(found)


@dataclass(slots=True)
class _Entry:
    number: int
    where: str
    footprint: SceneFootprint


@dataclass(slots=True)
class _Judge:
    """Sorts the records of one file into those that can be used and those that cannot."""

    _kept: dict[str, _Entry] = field(default_factory=dict)
    _waiting: list[_Entry] = field(default_factory=list)
    _rejected: list[tuple[int, Rejection]] = field(default_factory=list)
    _frames: Frames = field(default_factory=Frames)
    _records: int = 0
    _unnamed: int = 0
    _stac: bool = True

    def add(self, raw: Raw) -> None:
        """Take a record; it is told apart once enough are together."""
        import shapely

        self._stac &= raw.stac
        self._records += 1
        try:
            scene = scene_of(raw.names)
            with np.errstate(all="ignore"):  # numbers beyond all bounds are refused, not remarked on
                geometry, crs = shape_of(raw.shape)
                placed = self._frames.placed(geometry, crs or raw.crs, spherical=raw.spherical)
        except Lost as lost:
            self._refuse(self._records, _named(raw), str(lost))
            return
        except (shapely.errors.ShapelyError, *_SURPRISES) as error:
            # Whatever a library makes of it; one record must not cost the others.
            self._refuse(self._records, _named(raw), f"it cannot be read: {excerpt(repr(error), 120)}; write it again")
            return
        self._waiting.append(_Entry(self._records, raw.where, SceneFootprint(scene, placed)))
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def reject(self, record: str, reason: str) -> None:
        """Note what a reader could not make a record of."""
        self._records += 1
        self._refuse(self._records, record, reason)

    def flush(self) -> None:
        """Cover what waits, and keep what can be covered."""
        waiting, self._waiting = self._waiting, []
        covers = cover_many([entry.footprint.geometry for entry in waiting], _RESOLUTION, keep_refused=True)
        offsets, _ = covers.ids()
        for number, entry in enumerate(waiting):
            if number in covers.refused or offsets[number] == offsets[number + 1]:
                reason = str(covers.refused.get(number, "it covers no square; give it an area, a length or a point"))
                prefix = f"covering geometry number {number} with c-squares: "
                self._refuse(entry.number, _label(entry), reason.removeprefix(prefix))
            else:
                self._keep(entry)

    def _keep(self, entry: _Entry) -> None:
        before = self._kept.pop(entry.footprint.scene.id, None)
        if before is not None:
            self._refuse(before.number, _label(before), f"superseded by {entry.where} of the same file")
        self._kept[entry.footprint.scene.id] = entry

    def _refuse(self, number: int, record: str, reason: str) -> None:
        if len(self._rejected) < MAX_REJECTIONS:
            self._rejected.append((number, Rejection(record, reason)))
        else:
            self._unnamed += 1

    def result(self, kind: Format | None) -> ReadFile:
        """Return what was found, in the order of the file."""
        rejected = [rejection for _, rejection in sorted(self._rejected, key=lambda one: one[0])]
        if self._unnamed:
            rejected.append(
                Rejection(f"{self._unnamed:,} further records", "not named here; mend those that are first")
            )
        footprints = [entry.footprint for entry in self._kept.values()]
        if kind is None:
            return ReadFile("unknown", footprints, rejected)
        if not footprints and not rejected:
            rejected = [Rejection("the whole file", "it holds no record; expected one at least")]
        return ReadFile(kind.stac_name if self._stac and footprints else kind.name, footprints, rejected)


def _label(entry: _Entry) -> str:
    return _with_id(entry.where, entry.footprint.scene.id)


def _named(raw: Raw) -> str:
    try:
        return _with_id(raw.where, scene_id(raw.names))
    except _SURPRISES:
        return raw.where


def _with_id(where: str, name: str) -> str:
    """Add the id to where a record is, if there is one and the place is not the scene itself."""
    return where if not name or where.startswith("scene ") else f"{where} (scene {shortened(name)})"
