"""Writing the kept tiles' pictures: decoded from a round's source bytes, encoded, made durable, moved into their buckets."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.storage import TileFormat, store_as
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.sources.limits import map_in_order
from mosaic_assets.store.files import explaining_refusals, make_folder, sync
from mosaic_assets.store.library_db import LibraryRow
from mosaic_assets.store.rounds import read_bodies

DISK_CALLS = 8
"""Pictures handed to the disk at a time: their threads wait for it, and it makes what comes together durable together."""

Job = tuple[LibraryRow, bytes | None]


def write_pictures(settings: Settings, path: Path, wanted: Mapping[int, LibraryRow]) -> int:
    """Write the pictures of a round's kept tiles; return the bytes written.

    Parameters
    ----------
    path : the round file, with the source bytes.
    wanted : rows of the kept tiles by their position in the round.

    Raises
    ------
    StoreError
        Source bytes are gone or damaged.
    HomeNotWritableError
        The disk refused.
    """
    if not wanted:
        return 0
    folders = {(settings.home / row.filepath).parent for row in wanted.values()}
    for folder in folders:
        make_folder(folder)
    with (
        ThreadPoolExecutor(settings.workers, thread_name_prefix="encode") as encoders,
        ThreadPoolExecutor(DISK_CALLS, thread_name_prefix="publish") as disk,
    ):
        encoded = map_in_order(_encoder(settings), _jobs(path, wanted), encoders, 2 * settings.workers)
        written = sum(map_in_order(lambda done: write_picture(settings, *done), encoded, disk, 2 * DISK_CALLS))
        with explaining_refusals("making pictures durable", settings.library):
            list(disk.map(sync, [*sorted(folders), settings.library]))
    return written


def remove_pictures(settings: Settings, filepaths: Iterable[str]) -> None:
    """Remove pictures that are no tiles of the library; those that are gone already are no matter."""
    for filepath in filepaths:
        with explaining_refusals("removing a picture that is no tile of the library", settings.home / filepath):
            (settings.home / filepath).unlink(missing_ok=True)


def _jobs(path: Path, wanted: Mapping[int, LibraryRow]) -> Generator[Job]:
    for position, body in read_bodies(path):
        if position in wanted:
            yield wanted[position], body


def _encoder(settings: Settings) -> Callable[[Job], tuple[LibraryRow, bytes]]:
    """Return a function that makes one picture's file, with memory to work in for each thread."""
    own = threading.local()

    def encode(job: Job) -> tuple[LibraryRow, bytes]:
        if not hasattr(own, "canvas"):
            own.canvas = np.empty((TILE_SIZE, TILE_SIZE, 3), np.uint8)
            own.scratch = np.empty((TILE_SIZE, 3 * TILE_SIZE + 1), np.uint8)
        row, body = job
        intact = body is not None and hashlib.sha256(body).hexdigest() == row.sha256
        image = decode_tile(body, own.canvas)[0] if body and intact else None
        if image is None or body is None:
            raise StoreError(
                f"the source bytes of tile {row.z}/{row.x}/{row.y} (round {row.round} of {row.biome}) are gone or damaged; "
                f"move that round file away so that the round is harvested anew"
            )
        return row, store_as(image, body, TileFormat(settings.tile_format), own.scratch)

    return encode


def write_picture(settings: Settings, row: LibraryRow, content: bytes) -> int:
    """Put a picture in its place, durably, so that it is there whole or not at all; return its size, bytes."""
    final = settings.home / row.filepath
    scratch = settings.library / "temp" / final.name
    with explaining_refusals(f"writing tile {row.id}", final):
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        scratch.replace(final)
    return len(content)
