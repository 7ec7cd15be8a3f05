"""A small archive to test with: scene files that need no reader of ours, and looks at everything that lies there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import shapely

from mosaic_assets.csquares.footprints import queue_path, read_footprints
from mosaic_assets.csquares.inbox import TakeReport, take_inbox
from mosaic_assets.csquares.index import update_index
from mosaic_assets.csquares.readers import ReadFile, Rejection, SceneFootprint
from mosaic_assets.csquares.uploading import publish_footprints, publish_pairs, waiting_batches
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.csquare_db import Scene

ACQUIRED = datetime(2003, 6, 21, 6, 23, tzinfo=UTC)


def archive(home: Path, *, batch_size: int = 3, settle_s: float = 0, **more: Any) -> Settings:
    settings = load_settings(home=home, archive={"batch_size": batch_size, "settle_s": settle_s}, **more)
    settings.inbox.mkdir(parents=True, exist_ok=True)
    return settings


def footprint(name: str, west: float = 140.0, south: float = -41.0, *, platform: str = "NOAA-12") -> SceneFootprint:
    """A scene of 2 x 3 degrees."""
    scene = Scene(name, platform=platform, time=ACQUIRED + timedelta(minutes=len(name)), image_location=f"tape/{name}")
    return SceneFootprint(scene, shapely.box(west, south, west + 2, south + 3))


def drop(settings: Settings, name: str, *records: str | tuple[str, float, float]) -> Path:
    """Put a file in the inbox: ids, or (id, west, south); an id that begins with ``bad`` is a bad record."""
    path = settings.inbox / name
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def read_lines(path: Path) -> ReadFile:
    """Read what `drop` wrote."""
    good: list[SceneFootprint] = []
    rejected: list[Rejection] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        record = json.loads(line)
        name, *corner = [record] if isinstance(record, str) else record
        if name.startswith("bad"):
            rejected.append(Rejection(f"line {number}", f"{name} is bad"))
        else:
            good.append(footprint(name, *corner))
    return ReadFile("lines", good, rejected)


def take(settings: Settings, *, minutes: float = 0) -> TakeReport:
    """Take what is in the inbox, some minutes after noon, but at least now."""
    report = take_inbox(settings, later(minutes), read_lines)
    assert report
    return report


def later(minutes: float) -> datetime:
    """A time at which every file of the test has settled; the system's clock gives files their times."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=1, minutes=minutes)


def upload(settings: Settings) -> None:
    """Bring every waiting batch into the index."""
    for batch in waiting_batches(settings):
        publish_footprints(settings, batch)
        publish_pairs(settings, batch)
    update_index(settings.csquares)


def ids_of(settings: Settings, batch: str) -> list[str]:
    """Ids of the scenes that wait in a batch, in their order."""
    return [one.scene.id for one in read_footprints(queue_path(settings, batch)).footprints]


def everything(settings: Settings) -> dict[str, bytes]:
    """Every file below the home by its path, but for locks and databases."""
    return {
        path.relative_to(settings.home).as_posix(): path.read_bytes()
        for path in sorted(settings.home.rglob("*"))
        if path.is_file() and path.suffix not in (".lock", ".db")
    }
