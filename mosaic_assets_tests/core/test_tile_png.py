"""Tiles as PNG: valid files that other readers understand, with the compiled kernels and without."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.core import tile_png
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.tile_png import TilePng
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.core.conftest import need_kernels
from mosaic_assets_tests.core.png_chunks import chunks_of
from mosaic_assets_tests.core.real_tiles import real_tiles


@pytest.fixture(scope="module", params=["compiled", "library"])
def png(request: pytest.FixtureRequest) -> Iterator[TilePng]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            need_kernels()
        else:
            patch.setattr(tile_png, "kernels", lambda: None)
        yield TilePng()


def _made_up(kind: str, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    if kind == "noise":
        return random.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    if kind == "flat":
        return np.full((256, 256, 3), random.integers(0, 256, 3), np.uint8)
    if kind == "blocks":
        return np.kron(random.integers(0, 256, (8, 8, 3)), np.ones((32, 32, 1), int)).astype(np.uint8)
    ramp = np.add.outer(np.arange(256), np.arange(256))[..., None] * random.integers(1, 9, 3)
    return (ramp % 256).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["noise", "flat", "blocks", "ramps"]), st.integers(0, 2**32))
def test_a_tile_leads_back_to_its_pixels(png: TilePng, kind: str, seed: int) -> None:
    image = _made_up(kind, seed)
    body = png.encode(image)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), image)
    np.testing.assert_array_equal(decode_tile(body)[0], image)


@needs_shared_data
def test_real_tiles_lead_back_to_their_pixels_and_are_hardly_larger_than_pillows(png: TilePng) -> None:
    import cv2

    sizes = []
    for image in real_tiles()[::20]:
        body, pillows = png.encode(image), io.BytesIO()
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), image)
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(body, np.uint8), 1)[..., ::-1], image)
        Image.fromarray(image).save(pillows, "PNG")
        sizes.append((len(body), pillows.tell()))
    ours, theirs = np.sum(sizes, axis=0)
    assert ours < 1.2 * theirs


def test_a_flat_tile_is_small(png: TilePng) -> None:
    assert len(png.encode(np.full((256, 256, 3), 90, np.uint8))) < 2_000


def test_a_tile_is_strictly_valid(png: TilePng) -> None:
    """Signature, chunks with their checksums, one zlib stream with its own, and the size and kind of the picture."""
    body = png.encode(_made_up("noise", 3))
    chunks = chunks_of(body)
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[0][1] == struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    assert len(zlib.decompress(chunks[1][1])) == 256 * 769


def test_equal_pixels_give_equal_files(png: TilePng) -> None:
    image = _made_up("noise", 4)
    assert png.encode(image) == TilePng().encode(np.asfortranarray(image)) == png.encode(image[:, ::-1][:, ::-1])


def test_memory_that_is_used_anew_leaves_nothing_behind(png: TilePng) -> None:
    flat = _made_up("flat", 1)
    before = png.encode(flat)
    png.encode(_made_up("noise", 2))
    assert png.encode(flat) == before


@pytest.mark.parametrize("shape", [(256, 256), (255, 256, 3), (256, 256, 4), (1, 256, 256, 3)])
def test_what_is_no_tile_is_refused(png: TilePng, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        png.encode(np.zeros(shape, np.uint8))
