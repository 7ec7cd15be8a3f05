"""Chunks of netCDF-4 variables: which of them a window meets, fetched together, inflated side by side.

Of the chunks that a window meets, only the beginning is inflated, as far down as the window reaches; of a file on a server,
only that is fetched. Variables that are not laid out in deflated chunks are read by h5py.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from itertools import product as pairs
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mosaic_assets.scenes.records import NearReader, RangeReader

if TYPE_CHECKING:
    import h5py

    from mosaic_assets.scenes.efr import Window

MAX_CHUNK_BYTES = 1 << 28
"""Inflated size of a chunk beyond which a file is not believed: a whole band of the largest scene has 40 MB."""

PREFIX_MARGIN = 1.15
"""Part of a chunk that is fetched, over the part of its rows that is needed."""
PREFIX_BYTES = 4096
"""Bytes that are fetched on top of that."""

THREADS = 2
"""Threads that work on a scene."""

MEMORY_BYTES = 30 << 20
"""Memory of a scene. Below 32 MiB, glibc keeps what is freed for the next scene; larger pieces it gives back at once."""
ALIGNMENT = 64
"""Bytes; arrays begin at multiples of it."""

_DEFLATE, _SHUFFLE = 1, 2  # numbers of HDF5's registered filters

Bytes = NDArray[np.uint8]
Finish = Callable[[], NDArray[Any]]
Run = Callable[..., Iterator[Any]]


class _Chunk(NamedTuple):
    """A deflated chunk that a window meets."""

    corner: tuple[int, int]
    place: int
    """In the file, bytes."""
    size: int
    rows: int
    """From its first row down to the last that the window needs."""
    share: float
    """These rows, of all its rows."""

    @property
    def enough(self) -> int:
        """Bytes from its beginning that are likely to hold the rows: what follows need not be fetched nor inflated."""
        return min(self.size, int(self.size * self.share * PREFIX_MARGIN) + PREFIX_BYTES)


class _Layout(NamedTuple):
    """How a variable lies in its file."""

    high: int
    """Rows of a chunk."""
    wide: int
    dtype: np.dtype[Any]
    shuffled: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a chunk."""
        return self.wide * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk when it is inflated."""
        return self.high * self.row_bytes


class Inflaters(ThreadPoolExecutor):
    """Threads that work on one scene, and the memory of its arrays.

    The memory is one piece, which the system hands out in large pages: thousands of small ones take it longer than it
    takes us to fill them. What has no place in it gets memory of its own.
    """

    def __init__(self) -> None:
        super().__init__(THREADS)
        self._free = np.empty(MEMORY_BYTES, np.uint8)
        self._rooms: list[Bytes] = []
        self._own = threading.local()
        self._numbers = count()

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a new array, of anything; for the thread that hands out the work."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > self._free.size:
            return np.empty(shape, dtype)
        taken, self._free = np.split(self._free, [size + -size % ALIGNMENT])
        return taken[:size].view(dtype).reshape(shape)

    def reserve(self, size: int) -> None:
        """Have rooms of at least this size from now on; those in use stay what they are."""
        if not self._rooms or size > self._rooms[0].size:
            self._rooms = [self.array((size,), np.uint8) for _ in range(THREADS + 1)]  # one for who hands out the work

    def room(self) -> Bytes:
        """Return the room of the thread that asks, to inflate in; until it asks again, nobody else writes there."""
        if not hasattr(self._own, "number"):
            self._own.number = next(self._numbers)
        room: Bytes = self._rooms[self._own.number]
        return room


class _Target(NamedTuple):
    """Where the chunks of a window go."""

    out: NDArray[Any]
    """(rows, columns) of the window, of the stored type."""
    window: Window
    layout: _Layout
    pool: Inflaters

    def take(self, chunk: _Chunk, body: bytes | Bytes) -> bool:
        """Inflate a chunk or its beginning and copy what lies in the window; False when that takes more bytes."""
        layout = self.layout
        if layout.shuffled or chunk.rows == layout.high:
            data: Bytes | None = _whole(body, self.pool.room()[: layout.chunk_bytes])
        else:
            data = _beginning(body, chunk.rows * layout.row_bytes)
        if data is not None:
            self._lay(chunk.corner, data)
        return data is not None

    def _lay(self, corner: tuple[int, int], data: Bytes) -> None:
        layout, item = self.layout, self.layout.dtype.itemsize
        rows = data.size // layout.row_bytes
        down, across = corner[0] - self.window.row, corner[1] - self.window.column
        top, left = max(0, down), max(0, across)
        bottom, right = min(self.window.rows, down + rows), min(self.window.columns, across + layout.wide)
        inside = slice(top - down, bottom - down), slice(left - across, right - across)
        if not layout.shuffled:
            self.out[top:bottom, left:right] = data.view(layout.dtype).reshape(rows, layout.wide)[inside]
            return
        single = self.out.view(np.uint8).reshape(*self.out.shape, item)[top:bottom, left:right]
        for number, plane in enumerate(data.reshape(item, rows, layout.wide)):  # all first bytes, all second bytes ...
            single[..., number] = plane[inside]


def begin_window(variable: h5py.Dataset, window: Window, handle: BinaryIO, pool: Inflaters, *, beside: bool) -> Finish:
    """Begin to read a window of a variable of two dimensions; return what waits for it.

    The array has (rows, columns) of the window and the stored type. The file may be closed before it is asked for, but
    not the handle.

    Parameters
    ----------
    variable : an open data set of ``handle``.
    window : inside the variable.
    handle : where the bytes are; a `NearReader` is read by the threads that inflate, a `RangeReader` is asked for the
        beginnings of all chunks at a time, and again where one was not enough.
    pool : has the memory, and the threads.
    beside : inflate in these threads; else that is done when the array is asked for.
    """
    layout = _layout_of(variable)
    chunks = None if layout is None else _chunks_met(variable, window, layout)
    if layout is None or chunks is None:
        read = np.asarray(variable[window.slices])
        return lambda: read
    pool.reserve(layout.chunk_bytes + max(chunk.size for chunk in chunks))
    target = _Target(pool.array((window.rows, window.columns), variable.dtype), window, layout, pool)
    run: Run = pool.map if beside else map
    if isinstance(handle, NearReader):
        return _begin_near(target, chunks, handle, run)
    return _begin_far(target, chunks, handle, run)


def _begin_near(target: _Target, chunks: Sequence[_Chunk], handle: NearReader, run: Run) -> Finish:
    """Have chunks read by the threads that inflate them."""

    def work(chunk: _Chunk) -> bool:
        body = target.pool.room()[target.layout.chunk_bytes :][: chunk.size]  # behind what it is inflated to
        handle.read_at(chunk.place, body)
        return target.take(chunk, body)

    return partial(_finish, target, run(work, chunks))


def _begin_far(target: _Target, chunks: Sequence[_Chunk], handle: BinaryIO, run: Run) -> Finish:
    """Fetch the beginnings of chunks; those that were not enough are fetched as a whole when the array is asked for."""
    # Shuffled bytes of the first rows are spread over the chunk, and what cannot fetch ranges reads whole chunks.
    entire = target.layout.shuffled or not isinstance(handle, RangeReader)
    bodies = _read_ranges(handle, [(chunk.place, chunk.size if entire else chunk.enough) for chunk in chunks])
    begun = run(target.take, chunks, bodies)

    def finish() -> NDArray[Any]:
        short = [(chunk, body) for chunk, body, done in zip(chunks, bodies, begun, strict=True) if not done]
        rest = _read_ranges(handle, [(chunk.place + len(body), chunk.size - len(body)) for chunk, body in short])
        again = (target.take(chunk, body + more) for (chunk, body), more in zip(short, rest, strict=True))
        return _finish(target, again)

    return finish


def _finish(target: _Target, enough: Iterable[bool]) -> NDArray[Any]:
    if not all(enough):
        raise ValueError("a chunk is cut short")
    return target.out


def _layout_of(variable: h5py.Dataset) -> _Layout | None:
    """Return the layout of a variable; None when h5py has to read it."""
    if variable.chunks is None or variable.ndim != 2:
        return None
    plan = variable.id.get_create_plist()
    filters = [int(plan.get_filter(number)[0]) for number in range(plan.get_nfilters())]
    if filters not in ([_DEFLATE], [_SHUFFLE, _DEFLATE]):
        return None
    high, wide = variable.chunks
    found = _Layout(high, wide, variable.dtype, filters[0] == _SHUFFLE)
    if found.chunk_bytes > MAX_CHUNK_BYTES:
        raise ValueError(f"its chunks of {variable.chunks} are larger than any real one")
    return found


def _chunks_met(variable: h5py.Dataset, window: Window, layout: _Layout) -> list[_Chunk] | None:
    """Return the chunks that a window meets; None when h5py has to read one of them."""
    high, wide = layout.high, layout.wide
    found = []
    for corner in pairs(
        range(window.row // high * high, window.row + window.rows, high),
        range(window.column // wide * wide, window.column + window.columns, wide),
    ):
        info = variable.id.get_chunk_info_by_coord(corner)
        if info.byte_offset is None or info.filter_mask:  # never written, or written without its filters
            return None
        rows = min(high, window.row + window.rows - corner[0])
        found.append(_Chunk(corner, int(info.byte_offset), int(info.size), rows, rows / high))
    return found


def _read_ranges(handle: BinaryIO, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    if isinstance(handle, RangeReader):
        return handle.read_ranges(spans) if spans else []
    bodies = []
    for place, size in spans:
        handle.seek(place)
        bodies.append(handle.read(size))
    return bodies


def _whole(body: bytes | Bytes, room: Bytes) -> Bytes:
    """Inflate a chunk, which must fill its room and have the right checksum.

    libdeflate takes two thirds of the time of others, but cannot stop early.
    """
    from imagecodecs import deflate_decode

    data = cast(Bytes, deflate_decode(cast(Any, body), out=cast(Any, room)))
    if data.size != room.size:
        raise ValueError(f"a chunk inflates to {data.size:,} bytes; expected {room.size:,}")
    return data


def _beginning(body: bytes | Bytes, size: int) -> Bytes | None:
    """Inflate a chunk as far as needed; None when its bytes end before."""
    from isal import isal_zlib

    data = isal_zlib.decompressobj().decompress(body, size)
    return np.frombuffer(data, np.uint8) if len(data) == size else None
