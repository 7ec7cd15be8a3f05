"""What of a scene file cannot be used, and the report that says so."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.csquares.cover import cover_many
from mosaic_assets.errors import MosaicError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import make_folder, publishing, write_bytes

if TYPE_CHECKING:
    from mosaic_assets.csquares.readers import ReadFile, Rejection, SceneFootprint

_AT_ONCE = 200
"""Footprints covered at a time: 4 MB of large scenes."""


def read_usable(path: Path, read: Callable[[Path], ReadFile]) -> ReadFile:
    """Read a scene file; what cannot be indexed is among the rejected, and nothing that the file holds is an error.

    A footprint that no squares can be made of would stop its whole batch later, so each is covered once here.

    Examples
    --------
    >>> import shapely; from mosaic_assets.csquares.readers import ReadFile, SceneFootprint
    >>> from mosaic_assets.store.csquare_db import Scene
    >>> flat = SceneFootprint(Scene("flat"), shapely.Polygon())
    >>> read_usable(Path("a.csv"), lambda _: ReadFile("csv", [flat], [])).rejected
    [Rejection(record='scene flat', reason='its footprint covers no square; give it an area, a length or a point')]
    """
    from mosaic_assets.csquares.readers import ReadFile

    found = _read(path, read)
    good: list[SceneFootprint] = []
    rejected = list(found.rejected)
    for start in range(0, len(found.footprints), _AT_ONCE):
        usable, refused = _sort_out(found.footprints[start : start + _AT_ONCE])
        good += usable
        rejected += refused
    return ReadFile(found.format, good, rejected)


def _read(path: Path, read: Callable[[Path], ReadFile]) -> ReadFile:
    from mosaic_assets.csquares.readers import ReadFile, Rejection

    try:
        return read(path)
    except MosaicError as error:
        reason = str(error)
    except Exception as error:  # a bug of ours; were it raised, this file would stand in the way of all others
        reason = f"reading it failed in a way nobody thought of: {error!r}; please report this with the file"
    return ReadFile("unknown", [], [Rejection("the whole file", reason)])


def _sort_out(footprints: list[SceneFootprint]) -> tuple[list[SceneFootprint], list[Rejection]]:
    from mosaic_assets.csquares.readers import Rejection

    covers = cover_many([footprint.geometry for footprint in footprints], 0.5, keep_refused=True)
    offsets, _ = covers.ids()
    good, rejected = [], []
    for number, footprint in enumerate(footprints):
        if offsets[number] < offsets[number + 1]:
            good.append(footprint)
            continue
        empty = "its footprint covers no square; give it an area, a length or a point"
        rejected.append(Rejection(f"scene {footprint.scene.id}", str(covers.refused.get(number, empty))))
    return good, rejected


def report_rejections(settings: Settings, path: Path, found: ReadFile, *, take: int, taken_at: str) -> Path:
    """Put a file with rejected records beside a report on them in ``inbox/rejected/``; return the report's path.

    ``<name>.report.json`` is for programs, ``<name>.report.txt`` for people. A later file of that name replaces all
    three; what was taken stays in ``inbox/taken/``.
    """
    folder = make_folder(settings.inbox.parent / "rejected")
    content = {
        "file": path.name,
        "take": take,
        "taken_at": taken_at,
        "format": found.format,
        "accepted": len(found.footprints),
        "rejected": [{"record": one.record, "reason": one.reason} for one in found.rejected],
        "original": path.relative_to(settings.home).as_posix(),
    }
    _put(path, folder / path.name)
    attempt = f"reporting what was rejected of {path.name}"
    write_bytes(folder / f"{path.name}.report.txt", _readable(path.name, found).encode("utf-8", "replace"), attempt)
    target = folder / f"{path.name}.report.json"
    write_bytes(target, json.dumps(content, indent=1).encode(), attempt)
    return target


def _put(source: Path, target: Path) -> None:
    """Make a file appear a second time, without a second copy of its bytes where the disk can do that."""
    if source.is_dir():  # a product of gigabytes stays where it is; the report names the place
        return
    with publishing(target, f"putting {source.name} beside its report") as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            with contextlib.suppress(FileExistsError):
                shutil.copyfile(source, temporary)


def _readable(name: str, found: ReadFile) -> str:
    head = (
        f"{name} ({found.format}): {len(found.rejected)} record(s) rejected, {len(found.footprints)} accepted.\n"
        "Accepted records are in the archive. Mend the others and drop the file again: scenes that are there already are\n"
        "updated, never doubled.\n\n"
    )
    return head + "".join(f"{one.record}: {one.reason}\n" for one in found.rejected)
