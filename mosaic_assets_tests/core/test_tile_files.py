"""Tiles read many at a time: by the compiled decoder the same as one by one, whatever the bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.core import jpegs as jpegs_module
from mosaic_assets.core import tile_files
from mosaic_assets.core.colour import mean_rgb
from mosaic_assets.core.imaging import new_canvas
from mosaic_assets.core.jpegs import Jpegs, ReadJpegs, jpegs
from mosaic_assets.core.records import Outcome
from mosaic_assets.core.tile_files import TileFiles, read_tiles
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.core.conftest import need_jpegs
from mosaic_assets_tests.core.real_tiles import jpeg_tiles
from mosaic_assets_tests.faults.mutations import mutant

BATCH = 32


@pytest.fixture(scope="module")
def compiled() -> Jpegs:
    need_jpegs()
    found = jpegs()
    assert found
    return found


def picture(seed: int = 1) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 40, (256, 256, 3))
    return np.asarray(np.add.outer(np.arange(256), np.arange(256))[..., None] // 3 + noise, np.uint8)


def file(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (256, 256), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture()).resize(size).convert(mode).save(out, kind, **options)
    return out.getvalue()


def one_by_one(bodies: Sequence[bytes], canvas: NDArray[np.uint8]) -> TileFiles:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile_files, "jpegs", lambda: None)
        return read_tiles(bodies, canvas)


def assert_both_ways_alike(bodies: Sequence[bytes]) -> TileFiles:
    """Read files both ways; compare all that is promised."""
    fast, slow = new_canvas(len(bodies)), new_canvas(len(bodies))
    read, expected = read_tiles(bodies, fast), one_by_one(bodies, slow)
    assert read.problems == expected.problems
    assert read.sha256 == expected.sha256 == [hashlib.sha256(body).hexdigest() for body in bodies]
    pictures = [place for place, problem in enumerate(read.problems) if problem is None]
    np.testing.assert_array_equal(fast[pictures], slow[pictures])
    np.testing.assert_array_equal(read.means[pictures], expected.means[pictures])
    np.testing.assert_array_equal(read.means[pictures], mean_rgb(np.ascontiguousarray(slow[pictures])))
    return read


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("seed", [3, 4])
def test_three_thousand_damaged_pictures_are_read_alike(seed: int) -> None:
    outcomes = []
    for first in range(0, 3_000, BATCH):
        read = assert_both_ways_alike([mutant(seed, number) for number in range(first, first + BATCH)])
        outcomes += [problem and problem[0] for problem in read.problems]
    assert min(outcomes.count(None), outcomes.count(Outcome.NOT_AN_IMAGE), outcomes.count(Outcome.WRONG_SIZE)) > 20


PLAIN = [
    file(quality=quality, subsampling=layout, **options)
    for layout in ("4:4:4", "4:2:2", "4:2:0")
    for quality in (5, 50, 85, 100)
    for options in ({}, {"optimize": True}, {"restart_marker_rows": 3}, {"exif": b"Exif\0\0" + bytes(300)})
]
SPECIAL = {
    "progressive": file(progressive=True),
    "grey": file(mode="L"),
    "CMYK": file(mode="CMYK"),
    "RGB kept": file(keep_rgb=True),
    "too small": file(size=(255, 256)),
    "too large": file(size=(512, 512)),
    "PNG": file("PNG"),
    "WebP": file("WEBP", lossless=True),
    "nothing": b"",
    "text": b"<html>",
}


def damaged(body: bytes) -> list[bytes]:
    """The file cut short, with bytes between its scan and its end, without its end, and with bytes behind it."""
    return [
        body[: len(body) // 2],
        body[:-2],
        body[:-2] + bytes(50) + body[-2:],
        body + b"behind",
        body[:-2] + b"\xff\xd9" * 3,
    ]


def test_plain_files_are_read_in_one_call(compiled: Jpegs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_both_ways_alike(PLAIN)
    monkeypatch.setattr(tile_files, "decode_tile", None)
    assert read_tiles(PLAIN, new_canvas(len(PLAIN))).problems == [None] * len(PLAIN)


def test_others_are_left_to_the_decoder_that_takes_them_one_by_one(compiled: Jpegs) -> None:
    bodies = [*SPECIAL.values()]
    assert not compiled.read(bodies, new_canvas(len(bodies))).decoded.any()
    read = assert_both_ways_alike(bodies)
    problems = {name: problem and str(problem[0]) for name, problem in zip(SPECIAL, read.problems, strict=True)}
    assert problems == {
        **dict.fromkeys(["progressive", "grey", "CMYK", "RGB kept", "PNG", "WebP"]),
        **dict.fromkeys(["too small", "too large"], "wrong_size"),
        **dict.fromkeys(["nothing", "text"], "not_an_image"),
    }


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("whole", PLAIN[::5])
def test_a_damaged_file_between_whole_ones_disturbs_none(whole: bytes) -> None:
    bodies = [part for body in damaged(whole) for part in (whole, body)]
    read = assert_both_ways_alike([*bodies, whole])
    assert read.problems[::2] == [None] * (len(damaged(whole)) + 1)
    assert read.problems[1] == (Outcome.NOT_AN_IMAGE, "a truncated JPEG")


@pytest.mark.usefixtures("compiled")
@needs_shared_data
def test_real_tiles_are_read_alike() -> None:
    bodies = [path.read_bytes() for path in jpeg_tiles()]
    for first in range(0, len(bodies), BATCH):
        assert_both_ways_alike(bodies[first : first + BATCH])


@pytest.mark.usefixtures("compiled")
def test_threads_do_not_disturb_each_other() -> None:
    batches = [PLAIN[first : first + 8] for first in range(0, len(PLAIN), 8)] * 4
    with ThreadPoolExecutor(4) as pool:
        for batch, (read, canvas) in zip(batches, pool.map(_read, batches), strict=True):
            expected = new_canvas(len(batch))
            assert one_by_one(batch, expected).sha256 == read.sha256
            np.testing.assert_array_equal(canvas, expected)


def _read(bodies: Sequence[bytes]) -> tuple[TileFiles, NDArray[np.uint8]]:
    canvas = new_canvas(len(bodies))
    return read_tiles(bodies, canvas), canvas


def test_no_files_are_no_tiles() -> None:
    assert read_tiles([], new_canvas(1)).sha256 == []


def test_a_canvas_too_small_is_refused_before_anything_is_written(compiled: Jpegs) -> None:
    with pytest.raises(ValueError, match=r"decoding 2 files onto a canvas of 1 tiles"):
        compiled.read(PLAIN[:2], new_canvas(1))


def test_a_decoder_that_makes_other_pixels_is_not_used(compiled: Jpegs) -> None:
    def read(bodies: Sequence[bytes], canvas: NDArray[np.uint8]) -> ReadJpegs:
        found = compiled.read(bodies, canvas)
        canvas[1, 7, 7, 0] ^= 1
        return found

    assert jpegs_module._agrees(compiled)
    assert not jpegs_module._agrees(SimpleNamespace(read=read))  # type: ignore[arg-type]
