"""Windows of the netCDF files of a product, from any handle that can seek.

Only what a window needs is read: the directory of a file, and of a variable the chunks that the window meets (`chunks`).
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import MAX_CHUNK_BYTES, Inflaters, begin_window
from mosaic_assets.scenes.local import MissingFileError

if TYPE_CHECKING:
    import h5py

CROP_SIDE = 1024
"""Rows and columns of a crop."""

STRIP = 128
"""Rows that are worked on together: few enough for the processor's cache, and enough for threads not to wait for each other."""

_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError, OverflowError, MemoryError, zlib.error)


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


class Netcdf:
    """An open netCDF-4 file. Raises `ProductError` for whatever is not as it should be."""

    def __init__(self, file: h5py.File, handle: BinaryIO, label: str, pool: Inflaters | None = None) -> None:
        self._file = file
        self._handle = handle
        self._label = label
        self._pool = pool
        self._variables: dict[str, h5py.Dataset] = {}

    def variable(self, name: str, shape: tuple[int, ...] | None = None) -> h5py.Dataset:
        """Return a variable. Raises `MissingFileError` when there is none, `ProductError` when it has another shape."""
        import h5py

        found = self._variables.get(name) or self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise MissingFileError(f"reading {self._label} failed: it has no variable {name}; expected one")
        if found.ndim == 0 or found.dtype.kind not in "iuf" or (shape is not None and found.shape != shape):
            expected = f"{shape}" if shape else "a field of numbers"
            raise ProductError(
                f"reading {name} of {self._label} failed: it is {found.dtype} {found.shape}; expected {expected}"
            )
        self._variables[name] = found  # to open one takes a quarter of a millisecond
        return found

    def plane(self, name: str, window: Window, shape: tuple[int, int]) -> Plane:
        """Read a window of a variable that has this shape as a whole."""
        return self._begin(name, window, shape, beside=False)()

    def begin_plane(self, name: str, window: Window, shape: tuple[int, int]) -> Callable[[], Plane]:
        """Begin to read a window in the threads of the pool; return what waits for it, also when the file is closed."""
        return self._begin(name, window, shape, beside=True)

    def _begin(self, name: str, window: Window, shape: tuple[int, int], *, beside: bool) -> Callable[[], Plane]:
        label = f"{name} of {self._label}"
        with explaining_damage(label):
            variable = self.variable(name, shape)
            pool = self._pool or Inflaters()
            read = begin_window(variable, window, self._handle, pool, beside=beside and self._pool is not None)
            blank = _plane(variable, np.empty((0, 0), variable.dtype), label)

        def finished() -> Plane:
            with explaining_damage(label):
                return replace(blank, raw=read().view(blank.raw.dtype))

        return finished

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
def open_netcdf(handle: BinaryIO, label: str, pool: Inflaters | None = None) -> Iterator[Netcdf]:
    """Open a netCDF-4 file by a seekable handle; its planes are inflated in ``pool``.

    Raises
    ------
    ProductError
        It is none, is cut short or damaged.
    """
    import h5py

    with explaining_damage(label):
        file = h5py.File(handle, "r")
    try:
        yield Netcdf(file, handle, label, pool)
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
