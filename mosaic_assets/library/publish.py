"""The kept tiles' pictures: made ahead by the harvest or of a round's source bytes, durable, moved into their buckets."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from mosaic_assets.core.imaging import decode_tile, new_canvas
from mosaic_assets.core.storage import TileFormat, store_as
from mosaic_assets.core.tile_png import TilePng
from mosaic_assets.errors import StoreError
from mosaic_assets.library.staging import DISK_CALLS, Staged, take_staged
from mosaic_assets.settings import Settings
from mosaic_assets.sources.limits import map_in_order
from mosaic_assets.store.files import explaining_refusals, make_folder, sync, write_durably
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets.store.round_reading import read_bodies

FEW = 16
"""Folders for which one more thread of the disk's is not worth its start."""

Job = tuple[LibraryRow, bytes | None]


def write_pictures(
    settings: Settings, path: Path, wanted: Mapping[int, LibraryRow], staged: Mapping[int, Staged] | None = None
) -> int:
    """Write the pictures of a round's kept tiles; return the bytes written.

    Parameters
    ----------
    path : the round file, with the source bytes.
    wanted : rows of the kept tiles by their position in the round.
    staged : what the pictures must be that the harvest made ahead, by position; those it lost are made here.

    Raises
    ------
    StoreError
        Source bytes are gone or damaged.
    HomeNotWritableError
        The disk refused.
    """
    if not wanted:
        return 0
    folders = {settings.home / name for name in {row.filepath.rpartition("/")[0] for row in wanted.values()}}
    for folder in folders:
        make_folder(folder)
    moved = take_staged(settings, wanted, staged) if staged else {}
    rest = {position: row for position, row in wanted.items() if position not in moved}
    threads = min(DISK_CALLS, max(len(rest), 1 + len(folders) // FEW))
    with ThreadPoolExecutor(threads, thread_name_prefix="publish") as disk:
        written = _make_pictures(settings, path, rest, disk)
        with explaining_refusals("making pictures durable", settings.library):
            list(disk.map(sync, [*sorted(folders), settings.library]))
    return written + sum(moved.values())


def _make_pictures(settings: Settings, path: Path, wanted: Mapping[int, LibraryRow], disk: Executor) -> int:
    """Make pictures of the source bytes; return the bytes written."""
    if not wanted:
        return 0
    threads = min(settings.workers, len(wanted))
    with ThreadPoolExecutor(threads, thread_name_prefix="encode") as encoders:
        jobs = ((wanted[position], body) for position, body in read_bodies(path, wanted))
        encoded = map_in_order(_encoder(settings), jobs, encoders, 2 * settings.workers)
        sizes = list(map_in_order(lambda done: write_picture(settings, *done), encoded, disk, 2 * DISK_CALLS))
    if len(sizes) != len(wanted):
        raise StoreError(
            f"{path} holds {len(sizes)} of the {len(wanted)} tiles looked for; move it away so that the round is harvested anew"
        )
    return sum(sizes)


def remove_pictures(settings: Settings, filepaths: Iterable[str]) -> None:
    """Remove pictures that are no tiles of the library; those that are gone already are no matter."""
    for filepath in filepaths:
        with explaining_refusals("removing a picture that is no tile of the library", settings.home / filepath):
            (settings.home / filepath).unlink(missing_ok=True)


def _encoder(settings: Settings) -> Callable[[Job], tuple[LibraryRow, bytes]]:
    """Return a function that makes one picture's file, with memory to work in for each thread."""
    own = threading.local()

    def encode(job: Job) -> tuple[LibraryRow, bytes]:
        if not hasattr(own, "canvas"):
            own.canvas = new_canvas(1)[0]
            own.png = TilePng()
        row, body = job
        intact = body is not None and hashlib.sha256(body).hexdigest() == row.sha256
        image = decode_tile(body, own.canvas)[0] if body and intact else None
        if image is None or body is None:
            raise StoreError(
                f"the source bytes of tile {row.z}/{row.x}/{row.y} (round {row.round} of {row.biome}) are gone or damaged; "
                f"move that round file away so that the round is harvested anew"
            )
        return row, store_as(image, body, TileFormat(settings.tile_format), own.png)

    return encode


def write_picture(settings: Settings, row: LibraryRow, content: bytes) -> int:
    """Put a picture in its place, durably, so that it is there whole or not at all; return its size, bytes."""
    final = settings.home / row.filepath
    scratch = settings.library / "temp" / final.name
    with explaining_refusals(f"writing tile {row.id}", final):
        write_durably(scratch, content)
        scratch.replace(final)
    return len(content)
