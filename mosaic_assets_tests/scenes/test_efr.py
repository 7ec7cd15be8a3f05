"""Windows of netCDF files: equal to what the netCDF library reads, and clear errors over damaged files."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.chunks import MEMORY_BYTES, Inflaters
from mosaic_assets.scenes.efr import Window, centre_window, open_netcdf
from mosaic_assets.scenes.local import CountingFile, MissingFileError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "olci"
SHAPE = (90, 77)
SOME = Window(3, 5, 40, 41)
VALUES = np.random.default_rng(1).integers(0, 60_000, SHAPE).astype(np.uint16)


def file_with(values: np.ndarray = VALUES, attributes: dict[str, Any] | None = None, **layout: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        variable = file.create_dataset("Oa08_radiance", data=values, **layout)
        for name, value in (
            attributes or {"scale_factor": np.float32([0.5]), "_FillValue": np.uint16([65535])}
        ).items():
            variable.attrs[name] = value
    return buffer.getvalue()


def read(content: bytes | BinaryIO, window: Window = SOME, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    handle = io.BytesIO(content) if isinstance(content, bytes) else content
    with open_netcdf(handle, "a file") as file:
        return file.plane("Oa08_radiance", window, shape).raw


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (4091, 4865, (1533, 1920, 1024, 1024)),
        (1024, 1024, (0, 0, 1024, 1024)),
        (1025, 1026, (0, 1, 1024, 1024)),
        (1023, 4865, None),
        (4091, 1023, None),
    ],
)
def test_a_crop_is_the_exact_middle_or_nothing(rows: int, columns: int, expected: tuple[int, ...] | None) -> None:
    assert centre_window(rows, columns) == expected


LAYOUTS: list[dict[str, Any]] = [
    {"chunks": (32, 20), "compression": "gzip"},
    {"chunks": (32, 20), "compression": "gzip", "shuffle": True},
    {"chunks": (90, 77), "compression": "gzip", "compression_opts": 9},
    {"chunks": (32, 20), "compression": "gzip", "fletcher32": True},
    {"chunks": (32, 20), "compression": "lzf"},
    {"chunks": (32, 20)},
    {},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "window", [Window(3, 5, 40, 41), Window(0, 0, 90, 77), Window(32, 20, 32, 20), Window(89, 76, 1, 1)]
)
def test_a_window_equals_the_same_part_of_the_whole_whatever_the_layout(layout: dict[str, Any], window: Window) -> None:
    assert (read(file_with(**layout), window) == VALUES[window.slices]).all()


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 77)),
    st.tuples(st.integers(0, 89), st.integers(0, 76)),
    st.tuples(st.integers(1, 90), st.integers(1, 77)),
    st.booleans(),
)
def test_any_window_of_any_chunks(
    chunks: tuple[int, int], corner: tuple[int, int], size: tuple[int, int], shuffle: bool
) -> None:
    window = Window(*corner, min(size[0], 90 - corner[0]), min(size[1], 77 - corner[1]))
    if np.prod(chunks) < 60:
        chunks = (
            (chunks[0] + 30, chunks[1]) if chunks[0] < 60 else (chunks[0], 20)
        )  # a file of thousands of chunks is slow
    content = file_with(chunks=chunks, compression="gzip", compression_opts=1, shuffle=shuffle)
    assert (read(content, window) == VALUES[window.slices]).all()


def test_chunks_that_were_never_written_hold_the_fill_value() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        made = file.create_dataset("Oa08_radiance", SHAPE, "u2", chunks=(32, 20), compression="gzip", fillvalue=65535)
        made[:10, :10] = 7
    found = read(buffer.getvalue(), Window(0, 0, 40, 40))
    assert (found[:10, :10] == 7).all()
    assert (found[10:] == 65535).all()


def test_only_the_chunks_of_the_window_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 60_000, (1024, 1024)).astype(np.uint16)
    path = tmp_path / "Oa08_radiance.nc"
    path.write_bytes(file_with(values, chunks=(128, 128), compression="gzip"))
    with CountingFile(path) as handle:
        found = read(cast(BinaryIO, handle), Window(300, 300, 80, 80), (1024, 1024))
        share = handle.bytes_read / path.stat().st_size
    assert (found == values[300:380, 300:380]).all()
    assert share < 4 / 64 + 0.02  # four of 64 chunks, and the directory


class Far(io.BytesIO):
    """A handle that is asked for ranges, and counts their bytes."""

    fetched = 0

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        bodies = [self.getvalue()[place : place + size] for place, size in ranges]
        self.fetched += sum(map(len, bodies))
        return bodies


EVEN = np.random.default_rng(4).integers(0, 60_000, (1000, 200)).astype(np.uint16)
UPPER = np.where(np.arange(1000)[:, None] < 500, EVEN, 0).astype(
    np.uint16
)  # the upper rows take nearly all of the bytes
MIDDLE = Window(100, 50, 400, 100)


@pytest.mark.parametrize(("values", "most"), [(EVEN, 0.6), (UPPER, 1.7)])
def test_a_far_chunk_is_fetched_as_far_down_as_the_window_reaches_and_further_when_that_does_not_do(
    values: np.ndarray, most: float
) -> None:
    content = file_with(values, chunks=(1000, 200), compression="gzip")
    handle = Far(content)
    assert (read(handle, MIDDLE, values.shape) == values[MIDDLE.slices]).all()
    assert 0.3 < handle.fetched / len(content) < most


def test_a_far_file_that_ends_too_early_is_damaged_not_half_read() -> None:
    class Cut(Far):
        def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
            return [body[: len(body) // 3] for body in super().read_ranges(ranges)]

    with pytest.raises(ProductError, match="cut short"):
        read(Cut(file_with(EVEN, chunks=(1000, 200), compression="gzip")), MIDDLE, EVEN.shape)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("window", [Window(100, 50, 400, 100), Window(0, 0, 1000, 200), Window(990, 130, 10, 70)])
def test_threads_read_what_one_thread_reads_also_when_the_file_is_closed_before(
    window: Window, shuffle: bool, tmp_path: Path
) -> None:
    path = tmp_path / "Oa08_radiance.nc"
    path.write_bytes(file_with(EVEN, chunks=(300, 70), compression="gzip", shuffle=shuffle))
    with CountingFile(path) as handle, Inflaters() as pool:
        with open_netcdf(cast(BinaryIO, handle), "a file", pool) as file:
            begun = [file.begin_plane("Oa08_radiance", window, EVEN.shape) for _ in range(3)]
            alone = file.plane("Oa08_radiance", window, EVEN.shape).raw
        planes = [finish().raw for finish in begun]
    for raw in (alone, *planes):
        assert (raw == EVEN[window.slices]).all()


def test_a_near_file_that_shrinks_while_it_is_read_is_damaged_not_half_read(tmp_path: Path) -> None:
    path = tmp_path / "Oa08_radiance.nc"
    path.write_bytes(file_with(EVEN, chunks=(300, 70), compression="gzip"))
    with (
        CountingFile(path) as handle,
        Inflaters() as pool,
        open_netcdf(cast(BinaryIO, handle), "a file", pool) as file,
    ):
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(ProductError, match="too early"):
            file.begin_plane("Oa08_radiance", Window(0, 0, 1000, 200), EVEN.shape)()


def test_arrays_of_a_scene_do_not_overlap_and_go_on_when_its_memory_is_used_up() -> None:
    with Inflaters() as pool:
        arrays = [pool.array((3, 5), np.uint16), *(pool.array((MEMORY_BYTES // 3,), np.uint8) for _ in range(4))]
        for number, array in enumerate(arrays):
            array[...] = number
        assert [int(array.min()) for array in arrays] == [int(array.max()) for array in arrays] == [0, 1, 2, 3, 4]


def test_the_real_300_m_subset_reads_as_by_the_netcdf_library() -> None:
    path = SHARED / "efr_subset_300m_20x20.nc"
    if not path.is_file():
        pytest.skip("no ../shared beside the project")
    with netCDF4.Dataset(path) as reference:
        expected = {name: reference[name][2:12, 3:20].filled(np.nan) for name in ("Oa08_radiance", "latitude")}
    with path.open("rb") as handle, open_netcdf(handle, path.name) as file:
        for name, values in expected.items():
            plane = file.plane(name, Window(2, 3, 10, 17), (20, 20))
            assert np.allclose(np.where(plane.missing, np.nan, plane.physical()), values, rtol=2e-7, equal_nan=True)
        assert file.plane("Oa08_radiance", Window(0, 0, 20, 20), (20, 20)).fill == 65535  # stored as -1, unsigned


def spoilt_chunk(body: bytes, mask: int = 0) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        made = file.create_dataset("Oa08_radiance", SHAPE, "u2", chunks=SHAPE, compression="gzip")
        made.id.write_direct_chunk((0, 0), body, mask)
    return buffer.getvalue()


GOOD = zlib.compress(VALUES.tobytes())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Sorry</html>",
        file_with(chunks=(32, 20), compression="gzip")[:3_000],
        file_with(chunks=(32, 20), compression="gzip")[:-200],
        file_with(VALUES.astype("S4")),
        file_with(VALUES[:50]),
        file_with(VALUES, {"scale_factor": np.float32([0])}),
        file_with(VALUES, {"scale_factor": np.float32([np.nan])}),
        file_with(VALUES, {"scale_factor": "one"}),
        spoilt_chunk(GOOD[:-20]),
        spoilt_chunk(GOOD[:-2] + bytes([GOOD[-2] ^ 1, GOOD[-1]])),
        spoilt_chunk(b"\0" * 200),
        spoilt_chunk(zlib.compress(bytes(50_000_000))),
        spoilt_chunk(zlib.compress(VALUES.tobytes()[:-2])),
    ],
    ids=[
        "empty", "a page", "cut early", "cut late", "texts", "too few rows", "scale 0", "scale NaN", "scale a text",
        "chunk cut", "chunk with a wrong checksum", "chunk that is no deflate", "chunk that is a bomb", "chunk too short",
    ],
)  # fmt: skip
def test_damage_is_a_product_error_that_names_the_file(content: bytes) -> None:
    with pytest.raises(ProductError, match="a file"):
        read(content, Window(0, 0, 90, 77))


def test_a_file_without_the_variable_says_so() -> None:
    with (
        pytest.raises(MissingFileError, match="no variable Oa09_radiance"),
        open_netcdf(io.BytesIO(file_with()), "a file") as file,
    ):
        file.plane("Oa09_radiance", Window(0, 0, 1, 1), SHAPE)
