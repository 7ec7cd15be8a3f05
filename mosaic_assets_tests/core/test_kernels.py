"""The compiled kernels: that they are there, that stale ones are not used, and their deflate against zlib."""

from __future__ import annotations

import ctypes
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import hatch_build
from mosaic_assets.core.colour import mean_rgb
from mosaic_assets.core.kernels import SOURCE, Kernels, kernels, library_path
from mosaic_assets.core.phash import phash
from mosaic_assets_tests.core.conftest import need_kernels

EDGE = 0xA5


@pytest.fixture(scope="module")
def compiled() -> Kernels:
    need_kernels()
    found = kernels()
    assert found
    return found


def _deflated(compiled: Kernels, data: bytes) -> bytes:
    """Deflate into memory of exactly the promised size, with a margin that must stay as it was."""
    bound = compiled.deflate_bound(len(data))
    out = np.full(bound + 64, EDGE, np.uint8)
    size = compiled.deflate(np.frombuffer(data, np.uint8), out[:bound])
    assert size <= bound
    assert (out[bound:] == EDGE).all()
    return out[:size].tobytes()


def _inflated(body: bytes) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    data = stream.decompress(body)
    assert stream.eof
    assert stream.unused_data == b""
    return data


pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.integers(1, 900).map(bytes),  # zeros, around every limit of a run's length
        st.tuples(st.integers(0, 255), st.integers(1, 60)).map(lambda run: bytes([run[0]]) * run[1]),
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(pieces)
@example([b"\1", bytes(8)])
@example([b"\1", bytes(7), b"\1" * 9])
@example([bytes(1 + 258)])
@example([bytes(1 + 258 + 8)])
@example([bytes(1 + 257), b"\2"])
def test_what_is_deflated_inflates_to_itself(compiled: Kernels, parts: list[bytes]) -> None:
    data = b"".join(parts) or b"\0"
    assert _inflated(_deflated(compiled, data)) == data


@pytest.mark.parametrize("length", [*range(1, 40), *range(250, 290), 515, 516, 517, 770, 1_000, 65_536])
def test_runs_of_every_length_inflate_to_themselves(compiled: Kernels, length: int) -> None:
    data = b"\7" + bytes(length) + b"\7"
    assert _inflated(_deflated(compiled, data)) == data


def test_codes_stay_short_enough_however_unequal_the_counts(compiled: Kernels) -> None:
    """Counts like Fibonacci's numbers would give Huffman codes as long as there are symbols."""
    counts, data = [1, 1], bytearray(b"\0")
    while sum(counts) < 200_000:
        counts.append(counts[-1] + counts[-2])
    for symbol, count in enumerate(counts):
        data += bytes([symbol + 1]) * (32 * count)  # of which a fourth is counted
    assert _inflated(_deflated(compiled, bytes(data))) == data


@pytest.mark.parametrize("values", [1, 2, 3, 16, 256])
def test_noise_stays_within_the_bound(compiled: Kernels, values: int) -> None:
    data = np.random.default_rng(values).integers(0, values, 256 * 769, dtype=np.uint8).tobytes()
    assert _inflated(_deflated(compiled, data)) == data


def test_what_was_not_counted_is_written_all_the_same(compiled: Kernels) -> None:
    """Three words of four are not looked at before codes are given: these hold bytes that the counted ones lack."""
    word, others = bytes(range(1, 9)), bytes(range(200, 224))
    data = b"\0" + (word + others) * 500
    body = _deflated(compiled, data)
    assert _inflated(body) == data
    assert len(body) <= compiled.deflate_bound(len(data))


def test_threads_do_not_disturb_each_other(compiled: Kernels) -> None:
    images = np.random.default_rng(5).integers(0, 256, (8, 256, 256, 3), dtype=np.uint8)
    colours, hashes = mean_rgb(images), phash(images)
    with ThreadPoolExecutor(4) as pool:
        again = list(
            pool.map(lambda place: (mean_rgb(images[place : place + 1]), phash(images, [place])), [*range(8)] * 20)
        )
    for turn, (colour, code) in enumerate(again):
        assert (colour[0] == colours[turn % 8]).all()
        assert code[0] == hashes[turn % 8]


def test_a_library_compiled_from_another_text_is_never_used(tmp_path: Path) -> None:
    source = tmp_path / "kernels.c"
    source.write_bytes(SOURCE.read_bytes())
    before = library_path(source)
    source.write_bytes(SOURCE.read_bytes() + b"/* changed */\n")
    assert library_path(source) != before
    assert library_path(SOURCE).name == before.name


def test_where_nothing_can_be_compiled_it_is_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "kernels.so"
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "no-such-compiler" in hatch_build.compiled(SOURCE, target)
    monkeypatch.setenv("CC", "false")
    assert hatch_build.compiled(SOURCE, target) == "false ended with 1"
    assert list(tmp_path.iterdir()) == []


def test_what_a_compiler_refuses_is_quoted(compiled: Kernels, tmp_path: Path) -> None:
    source = tmp_path / "kernels.c"
    source.write_text("this is no C")
    assert "error" in hatch_build.compiled(source, tmp_path / "kernels.so")
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.c"]


GREYS = """
#include "{source}"

/* Every green and blue beside one red: grey of 65,536 pixels. */
void greys(uint8_t red, int16_t *out)
{{
    uint8_t row[ROW];
    for (int green = 0; green < 256; green++) {{
        for (int blue = 0; blue < 256; blue++)
            row[3 * blue] = red, row[3 * blue + 1] = (uint8_t)green, row[3 * blue + 2] = (uint8_t)blue;
        grey_of(row, out + 256 * green);
    }}
}}
"""


def test_grey_of_every_colour_is_pillows(compiled: Kernels, tmp_path: Path) -> None:
    source = tmp_path / "greys.c"
    source.write_text(GREYS.format(source=SOURCE))
    assert hatch_build.compiled(source, tmp_path / "greys.so") == ""
    greys = ctypes.CDLL(str(tmp_path / "greys.so")).greys
    out, colours = np.empty((256, 256), np.int16), np.empty((256, 256, 3), np.uint8)
    colours[..., 1], colours[..., 2] = np.arange(256)[:, None], np.arange(256)
    for red in range(256):
        greys(ctypes.c_uint8(red), ctypes.c_void_p(out.ctypes.data))
        colours[..., 0] = red
        assert (out == np.asarray(Image.fromarray(colours).convert("L"))).all(), red
