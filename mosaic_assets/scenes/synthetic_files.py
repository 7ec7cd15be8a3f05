"""Writing the netCDF files of a synthetic product: dimensions, names, types and attributes as in real ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import h5py

NOTE = "SYNTHETIC: made by mosaic_assets for demonstration and tests; not acquired by any satellite"
"""Stands in every file and in the manifest."""

_PHONY = "This is a netCDF dimension but not a netCDF variable."  # what the netCDF library writes, and looks for


class NetcdfWriter:
    """A netCDF-4 file being written; made by `writing_netcdf`."""

    def __init__(self, file: h5py.File, dimensions: Mapping[str, int]) -> None:
        self._file = file
        self._scales: dict[str, Any] = {}
        for number, (name, length) in enumerate(dimensions.items()):
            scale = file.create_dataset(name, (length,), ">f4", track_order=True)
            scale.make_scale(f"{_PHONY}{length:10d}")
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
            self._scales[name] = scale

    def variable(
        self,
        name: str,
        dimensions: tuple[str, ...],
        values: NDArray[Any],
        *,
        chunks: tuple[int, ...] | None = None,
        shuffle: bool = False,
        level: int = 3,
        **attributes: Any,
    ) -> None:
        """Write a variable; ``_FillValue``, ``scale_factor`` and the like are given as numpy scalars of their type.

        ``level`` is the effort of deflating, 0..3.
        """
        fill = attributes.get("_FillValue")
        variable = self._file.create_dataset(
            name, values.shape, values.dtype, track_order=True, fillvalue=fill, **_layout(values.shape, chunks, shuffle)
        )
        for axis, dimension in enumerate(dimensions):
            variable.dims[axis].attach_scale(self._scales[dimension])
        for key, value in attributes.items():
            variable.attrs[key] = np.bytes_(value) if isinstance(value, str) else np.atleast_1d(value)
        if chunks is None:
            variable[...] = values
        else:
            _write_chunks(variable, values, shuffle, 0 if fill is None else fill, level)


@contextlib.contextmanager
def writing_netcdf(path: Path, dimensions: Mapping[str, int], attributes: Mapping[str, Any]) -> Iterator[NetcdfWriter]:
    """Create a netCDF-4 file; the same content gives the same bytes."""
    import h5py

    with h5py.File(path, "w", libver=("earliest", "v108"), track_order=True) as file:
        for name, value in attributes.items():
            file.attrs[name] = np.bytes_(value) if isinstance(value, str) else np.atleast_1d(value)
        yield NetcdfWriter(file, dimensions)


def chunk_shape(rows: int, columns: int) -> tuple[int, int]:
    """Return chunks of about a quarter of each side, as the netCDF library lays out a whole scene.

    >>> chunk_shape(4091, 4865)
    (1023, 1217)
    """
    return -(-rows // 4), -(-columns // 4)


def _layout(shape: tuple[int, ...], chunks: tuple[int, ...] | None, shuffle: bool) -> dict[str, Any]:
    if chunks is None:
        return {}
    fitting = tuple(min(chunk, side) for chunk, side in zip(chunks, shape, strict=True))
    return {"chunks": fitting, "compression": "gzip", "compression_opts": 4, "shuffle": shuffle}


def _write_chunks(variable: h5py.Dataset, values: NDArray[Any], shuffle: bool, fill: Any, level: int) -> None:
    """Deflate here and hand over whole chunks: ten times as fast as by way of the filters of HDF5."""
    from isal import isal_zlib

    high, wide = variable.chunks
    for row in range(0, values.shape[0], high):
        for column in range(0, values.shape[1], wide):
            part = values[row : row + high, column : column + wide]
            if part.shape != (high, wide):
                padded = np.full((high, wide), fill, values.dtype)
                padded[: part.shape[0], : part.shape[1]] = part
                part = padded
            data = np.ascontiguousarray(part)
            if shuffle:
                data = np.ascontiguousarray(data.view(np.uint8).reshape(-1, data.dtype.itemsize).T)
            variable.id.write_direct_chunk((row, column), isal_zlib.compress(data.tobytes(), level=level))
