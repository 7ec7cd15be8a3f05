"""Windows of the netCDF files of a product, from any handle that can seek.

Only what a window needs is read: of a file on a server, the directory and the chunks that the window meets. The
chunks of netCDF-4 are deflated; here they are fetched together and inflated by two threads, each only as far down as the window
reaches. A file laid out in any other way is read by h5py.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product as pairs
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.local import MissingFileError
from mosaic_assets.scenes.records import RangeReader

if TYPE_CHECKING:
    import h5py

CROP_SIDE = 1024
"""Rows and columns of a crop."""

MAX_CHUNK_BYTES = 1 << 28
"""Inflated size of a chunk beyond which a file is not believed: a whole band of the largest scene has 40 MB."""

PREFIX_MARGIN = 1.15
"""Part of a chunk that is fetched, over the part of its rows that is needed."""
PREFIX_BYTES = 4096
"""Bytes that are fetched on top of that."""

THREADS = 2
"""Threads that inflate."""

_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError, OverflowError, MemoryError, zlib.error)
_DEFLATE, _SHUFFLE = 1, 2  # numbers of HDF5's registered filters


class Window(NamedTuple):
    """Rows and columns of a scene, counted from its upper left pixel."""

    row: int
    column: int
    rows: int
    columns: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array of the whole scene."""
        return slice(self.row, self.row + self.rows), slice(self.column, self.column + self.columns)


@dataclass(frozen=True, slots=True)
class Plane:
    """Numbers of a window as they are stored, and what they mean: ``values * scale + offset``, but for ``fill``."""

    raw: NDArray[Any]
    """Integers or floats, (rows, columns)."""
    scale: float
    offset: float
    fill: int | float | None
    """The value that stands for "no data"; None: there is none."""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where there is no data, bool (rows, columns)."""
        if self.fill is None:
            return np.zeros(self.raw.shape, bool)
        return np.asarray(self.raw == self.fill)

    def physical(self) -> NDArray[np.float32]:
        """Return the numbers in their unit, float32; what is missing holds anything."""
        return np.asarray(self.raw * np.float32(self.scale) + np.float32(self.offset), np.float32)


def centre_window(rows: int, columns: int, side: int = CROP_SIDE) -> Window | None:
    """Return the window in the middle of a scene, or None when the scene is smaller; an odd rest goes below and right.

    >>> centre_window(4091, 4865)
    Window(row=1533, column=1920, rows=1024, columns=1024)
    >>> centre_window(1023, 4865) is None
    True
    """
    if min(rows, columns) < side:
        return None
    return Window((rows - side) // 2, (columns - side) // 2, side, side)


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


class Netcdf:
    """An open netCDF-4 file. Raises `ProductError` for whatever is not as it should be."""

    def __init__(self, file: h5py.File, handle: BinaryIO, label: str) -> None:
        self._file = file
        self._handle = handle
        self._label = label

    def variable(self, name: str, shape: tuple[int, ...] | None = None) -> h5py.Dataset:
        """Return a variable. Raises `MissingFileError` when there is none, `ProductError` when it has another shape."""
        import h5py

        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise MissingFileError(f"reading {self._label} failed: it has no variable {name}; expected one")
        if found.ndim == 0 or found.dtype.kind not in "iuf" or (shape is not None and found.shape != shape):
            expected = f"{shape}" if shape else "a field of numbers"
            raise ProductError(
                f"reading {name} of {self._label} failed: it is {found.dtype} {found.shape}; expected {expected}"
            )
        return found

    def plane(self, name: str, window: Window, shape: tuple[int, int]) -> Plane:
        """Read a window of a variable that has this shape as a whole."""
        with explaining_damage(f"{name} of {self._label}"):
            variable = self.variable(name, shape)
            raw = read_window(variable, window, self._handle)
            return _plane(variable, raw, f"{name} of {self._label}")

    def whole(self, name: str, shape: tuple[int, ...] | None = None) -> Plane:
        """Read a small variable as a whole."""
        with explaining_damage(f"{name} of {self._label}"):
            variable = self.variable(name, shape)
            if variable.size * variable.dtype.itemsize > MAX_CHUNK_BYTES:
                raise ValueError(f"it has {variable.size:,} numbers")
            return _plane(variable, variable[...], f"{name} of {self._label}")

    def attribute(self, name: str, *, of: str | None = None) -> Any:
        """Return an attribute of the file or of a variable; None when there is none."""
        with explaining_damage(self._label):
            holder = self._file if of is None else self.variable(of)
            return holder.attrs.get(name)

    def number(self, name: str, default: float) -> float:
        """Return a global attribute that is a number."""
        found = self.attribute(name)
        return default if found is None else _number(found, name, self._label)


@contextlib.contextmanager
def open_netcdf(handle: BinaryIO, label: str) -> Iterator[Netcdf]:
    """Open a netCDF-4 file by a seekable handle.

    Raises
    ------
    ProductError
        It is none, is cut short or damaged.
    """
    import h5py

    with explaining_damage(label):
        file = h5py.File(handle, "r")
    try:
        yield Netcdf(file, handle, label)
    finally:
        file.close()


@contextlib.contextmanager
def explaining_damage(label: str) -> Iterator[None]:
    """Turn what libraries raise over damaged files into a `ProductError`."""
    from isal import isal_zlib

    inflating = cast("type[Exception]", isal_zlib.error)
    try:
        yield
    except (*_DAMAGE, inflating) as error:
        raise ProductError(
            f"reading {label} failed: {str(error)[:160] or type(error).__name__}; expected a whole netCDF-4 file. Fetch it again"
        ) from error


def read_window(variable: h5py.Dataset, window: Window, handle: BinaryIO) -> NDArray[Any]:
    """Read a window of a variable of two dimensions, (rows, columns) of the stored type.

    Parameters
    ----------
    variable : an open data set of ``handle``.
    window : inside the variable.
    handle : where the bytes are; one with `RangeReader.read_ranges` is asked for all chunks at a time.
    """
    chunks = _chunks_met(variable, window)
    if chunks is None:
        return np.asarray(variable[window.slices])
    found = np.empty((window.rows, window.columns), variable.dtype)
    shuffled = _filters(variable) == [_SHUFFLE, _DEFLATE]
    # Of a file on this machine, more bytes cost less than a second look; and whole chunks have their checksum compared.
    entire = shuffled or not isinstance(handle, RangeReader)
    bodies = _read_ranges(handle, [(chunk.place, chunk.size if entire else chunk.enough) for chunk in chunks])

    def inflate(chunk: _Chunk, body: bytes) -> tuple[_Chunk, bytes] | None:
        values = _inflated(chunk, body, variable, shuffled)
        if values is None:
            return chunk, body
        _lay(found, window, chunk.corner, values)
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        short = [one for one in pool.map(inflate, chunks, bodies) if one is not None]
        rest = _read_ranges(handle, [(chunk.place + len(body), chunk.size - len(body)) for chunk, body in short])
        list(pool.map(lambda one, more: inflate(one[0], one[1] + more), short, rest))
    return found


def _filters(variable: h5py.Dataset) -> list[int]:
    plan = variable.id.get_create_plist()
    return [int(plan.get_filter(number)[0]) for number in range(plan.get_nfilters())]


def _chunks_met(variable: h5py.Dataset, window: Window) -> list[_Chunk] | None:
    """Return the chunks that a window meets; None when h5py has to read it."""
    if variable.chunks is None or variable.ndim != 2 or _filters(variable) not in ([_DEFLATE], [_SHUFFLE, _DEFLATE]):
        return None
    high, wide = variable.chunks
    if high * wide * variable.dtype.itemsize > MAX_CHUNK_BYTES:
        raise ValueError(f"its chunks of {variable.chunks} are larger than any real one")
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


def _inflated(chunk: _Chunk, body: bytes, variable: h5py.Dataset, shuffled: bool) -> NDArray[Any] | None:
    """Return the needed rows of a chunk, or all; None when more of its bytes are needed.

    A body that inflates to more than a chunk is stopped there. Of a body that is whole, the checksum is compared.
    """
    from isal import isal_zlib

    (high, wide), item = variable.chunks, variable.dtype.itemsize
    whole = len(body) == chunk.size
    rows = high if whole else chunk.rows
    inflater = isal_zlib.decompressobj()
    data = inflater.decompress(body, rows * wide * item)
    if len(data) != rows * wide * item:
        if not whole and len(body) == chunk.enough and not shuffled:
            return None
        raise ValueError(f"a chunk inflates to {len(data):,} bytes, fewer than it should")
    if whole:
        inflater.decompress(inflater.unconsumed_tail, 1)
        if not inflater.eof:  # the checksum at the end is only looked at when the end is reached
            raise ValueError("a chunk is cut short, or larger than the file says")
    flat: NDArray[Any] = np.frombuffer(data, np.uint8)
    if shuffled:
        flat = np.ascontiguousarray(flat.reshape(item, -1).T)
    values: NDArray[Any] = flat.reshape(-1).view(variable.dtype).reshape(rows, wide)
    return values


def _lay(out: NDArray[Any], window: Window, corner: tuple[int, int], chunk: NDArray[Any]) -> None:
    """Copy the part of a chunk that lies in the window."""
    down, across = corner[0] - window.row, corner[1] - window.column
    top, left = max(0, down), max(0, across)
    bottom, right = min(window.rows, down + chunk.shape[0]), min(window.columns, across + chunk.shape[1])
    out[top:bottom, left:right] = chunk[top - down : bottom - down, left - across : right - across]


def _plane(variable: h5py.Dataset, raw: NDArray[Any], label: str) -> Plane:
    attributes = variable.attrs
    if raw.dtype.kind == "i" and str(_text(attributes.get("_Unsigned", ""))).lower() == "true":
        raw = raw.view(raw.dtype.str.replace("i", "u"))
    scale = _number(attributes.get("scale_factor", 1.0), "scale_factor", label)
    offset = _number(attributes.get("add_offset", 0.0), "add_offset", label)
    if scale <= 0:
        raise ProductError(f"reading {label} failed: its scale_factor is {scale}; expected a number above 0")
    fill = attributes.get("_FillValue")
    if fill is None:
        return Plane(raw, scale, offset, None)
    stored = np.ravel(fill)[:1].astype(raw.dtype if raw.dtype.kind == "f" else np.int64)
    return Plane(raw, scale, offset, stored.astype(raw.dtype)[0].item())


def _text(value: Any) -> Any:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _number(value: Any, name: str, label: str) -> float:
    try:
        number = float(np.ravel(value)[0])
    except (TypeError, ValueError, IndexError) as error:
        raise ProductError(f"reading {label} failed: its {name} is {value!r}; expected a number") from error
    if not np.isfinite(number):
        raise ProductError(f"reading {label} failed: its {name} is {number}; expected a finite number")
    return number
