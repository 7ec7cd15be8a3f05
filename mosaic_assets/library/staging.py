"""Pictures made ahead: a harvest encodes what will probably be kept, while it has the pixels and waits for further tiles.

A staged picture is a head start and nothing else. The round's file still holds the source bytes, and says how many bytes
each staged picture has and their CRC: a merge moves it into its bucket if it is that very file, and makes the picture of
the source bytes where it is not. So the library is the same, to the byte, whatever was staged, lost or damaged.

Staged is what the buckets have room for, and one picture of each hash in a bucket, or a few more where tiles were judged out of
their order; so much disk, some 125 kB a picture, an unmerged round takes beside its file. The pictures of a harvest stand in a
hidden folder of its own until its round is published, then in ``round-00001.staged`` until the merge, which removes what it did
not take.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Container, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.storage import TileFormat, store_as
from mosaic_assets.core.tile_png import TilePng
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.library.judge import Judgement
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import make_folder, remove, sweep, temporary_beside, write_durably
from mosaic_assets.store.library_records import LibraryRow
from mosaic_assets.store.rounds import staged_folder

DISK_CALLS = 8
"""Pictures handed to the disk at a time: their threads wait for it, and it makes what comes together durable together."""

ON_THE_WAY = 32
"""Encoded pictures in memory, at most: while a slow disk has so many, encoding waits."""

LARGEST_PICTURE = 3 * TILE_SIZE * TILE_SIZE + (1 << 14)
"""Bytes that a picture of noise takes; there must be room for so many of each planned tile, or nothing is staged."""


class Staged(NamedTuple):
    """What a staged picture's file must be to be taken."""

    bytes: int
    crc32: int


class Stager:
    """Encodes candidates that will probably be kept and has them written; for the threads of one harvest.

    Parameters
    ----------
    folder : where the pictures go; made with the first of them.
    tiles : of the round, in the order of the plan.
    room : int64 (buckets,), how many more tiles each bucket may hold.
    chosen : how pictures are stored.
    """

    def __init__(self, folder: Path, tiles: Sequence[Tile], room: NDArray[np.int64], chosen: TileFormat) -> None:
        self._folder, self._chosen = folder, chosen
        self._positions = {tile: position for position, tile in enumerate(tiles)}
        self._room = room.copy()
        self._first: dict[tuple[int | None, str | None], int] = {}  # position of the first of each hash in a bucket
        self._last: dict[int | None, int] = {}  # of the last in a bucket
        self._staged: dict[Tile, Staged] = {}
        self._lock, self._own = threading.Lock(), threading.local()
        self._disk = ThreadPoolExecutor(DISK_CALLS, thread_name_prefix="stage")
        self._waiting = threading.BoundedSemaphore(ON_THE_WAY)
        self._made = self._refused = False

    def offer(self, item: Judgement, image: NDArray[np.uint8]) -> None:
        """Stage a candidate, uint8 (256, 256, 3), unless it will hardly be kept."""
        if not self._expects(item):
            return
        if not hasattr(self._own, "png"):
            self._own.png = TilePng()
        content = store_as(image, b"", self._chosen, self._own.png)
        tile = item.fetched.tile
        self._staged[tile] = _measured(content)
        self._waiting.acquire()
        self._disk.submit(self._write, _name(tile, f".{self._chosen}"), content)

    def staged(self, tile: Tile) -> Staged | None:
        """What is being staged of a tile; None where nothing is. A file that the disk then refuses, the merge makes anew."""
        return self._staged.pop(tile, None)

    def close(self) -> None:
        """Wait for the disk."""
        self._disk.shutdown()
        if self._refused:  # what others were writing when it was cleared
            shutil.rmtree(self._folder, ignore_errors=True)

    def _expects(self, item: Judgement) -> bool:
        """Whether a merge, which goes by position, would keep a candidate, as far as those say that were offered before.

        Threads judge batches side by side: one that lies before what is staged already may take the place of that.
        """
        bucket, position = item.bucket_id, self._positions[item.fetched.tile]
        key = (bucket, item.phash)
        with self._lock:
            if self._refused or self._first.get(key, position) < position:
                return False
            if self._room[bucket] <= 0 and self._last.get(bucket, -1) < position:
                return False
            self._first[key] = position
            self._last[bucket] = max(self._last.get(bucket, -1), position)
            self._room[bucket] -= 1
        return True

    def _write(self, name: str, content: bytes) -> None:
        try:
            if not self._refused:
                if not self._made:
                    self._folder.mkdir(exist_ok=True)
                    self._made = True
                write_durably(self._folder / name, content)
        except OSError:  # a full disk, say: what is staged may not take the room that the round itself needs
            self._refused = True
            shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            self._waiting.release()


@contextlib.contextmanager
def staging(
    settings: Settings, biome: str, number: int, tiles: Sequence[Tile], room: NDArray[np.int64]
) -> Generator[Stager | None]:
    """Stage pictures of a round; the body publishes it. When the body raises, they go.

    Parameters
    ----------
    tiles : of the round, in the order of the plan.
    room : int64 (buckets,), how many more tiles each bucket may hold.

    Yields
    ------
    None where nothing is to be staged: sources' own bytes need no work, and a disk without room is left in peace.
    """
    folder = staged_folder(settings.harvest, biome, number)
    chosen = TileFormat(settings.tile_format)
    sweep(folder.with_name("round-*.staged"))
    free = shutil.disk_usage(make_folder(folder.parent)).free
    if chosen is TileFormat.SOURCE or free < len(tiles) * LARGEST_PICTURE:
        yield None
        return
    temporary = temporary_beside(folder)
    stager = Stager(temporary, tiles, room, chosen)
    try:
        yield stager
        stager.close()
        with contextlib.suppress(OSError):  # as of here the round is published, and a head start is not worth an error
            remove(folder)  # of a round of that number that somebody moved away
            temporary.rename(folder)
    finally:
        stager.close()
        shutil.rmtree(temporary, ignore_errors=True)


def take_staged(settings: Settings, wanted: Mapping[int, LibraryRow], staged: Mapping[int, Staged]) -> dict[int, int]:
    """Move staged pictures into their buckets, whose folders are there already.

    Parameters
    ----------
    wanted : rows of a round's kept tiles, by position.
    staged : what their pictures must be, by position, of those that were staged.

    Returns
    -------
    Size of each picture moved, by position, bytes; those that are missing, or are not what they must be, are left out.
    """
    sizes: dict[int, int] = {}
    rounds = {(row.biome, row.round) for row in wanted.values()}
    folders = {one: str(staged_folder(settings.harvest, *one)) for one in rounds}
    home = str(settings.home)  # texts: a path of pathlib takes as long to make as a file to open

    def take(positions: Sequence[int]) -> None:
        memory = memoryview(bytearray(LARGEST_PICTURE))  # used anew: fresh pages would cost more than reading
        for position in positions:
            row, picture = wanted[position], staged[position]
            folder = folders[row.biome, row.round]
            suffix = row.filepath[row.filepath.rindex(".") :]
            if _take(f"{folder}/{_name(row, suffix)}", picture, f"{home}/{row.filepath}", memory):
                sizes[position] = picture.bytes

    with ThreadPoolExecutor(settings.workers, thread_name_prefix="take") as threads:
        places = sorted(staged)
        list(threads.map(take, (places[first :: settings.workers] for first in range(settings.workers))))
    return sizes


def _take(path: str, picture: Staged, target: str, memory: memoryview) -> bool:
    """Move one picture if it is what it must be; a file larger than ``memory`` is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size = os.readv(descriptor, (memory,))
        finally:
            os.close(descriptor)
        if _measured(memory[:size]) != picture:
            return False
        os.replace(path, target)  # noqa: PTH105 - texts, see above
    except OSError:  # gone, say, or on another disk
        return False
    return True


def _measured(content: bytes | memoryview) -> Staged:
    from isal import isal_zlib

    return Staged(len(content), isal_zlib.crc32(content))


def clear_leftovers(settings: Settings, merged: Container[tuple[int, str]]) -> int:
    """Remove what killed harvests and merges left of their pictures; return how many bytes.

    Parameters
    ----------
    merged : (round, biome) of the rounds in the library.
    """
    freed = 0
    for folder in settings.harvest.glob("*/round-*.staged"):
        number = folder.stem.removeprefix("round-")
        if number.isdecimal() and (int(number), folder.parent.name) in merged:
            with contextlib.suppress(OSError):
                freed += remove(folder)
    return freed + sum(sweep(folder / "round-*.staged") for folder in settings.harvest.glob("*"))


def drop_staged(settings: Settings, biome: str, number: int) -> None:
    """Remove what a merge did not take of a round's staged pictures; where that fails, the next merge does."""
    with contextlib.suppress(OSError):
        remove(staged_folder(settings.harvest, biome, number))


def _name(tile: Tile | LibraryRow, suffix: str) -> str:
    return f"{tile.z}-{tile.x}-{tile.y}{suffix}"
