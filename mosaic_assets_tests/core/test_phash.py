"""The perceptual hash, against imagehash itself."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.core.phash import FLAT_PHASH, _grey, _shrink, from_hex, hamming, phash, to_hex
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.core.real_tiles import real_tiles

pytestmark = pytest.mark.usefixtures("each_way")

hashes = st.integers(0, 2**64 - 1)


def _by_imagehash(images: NDArray[np.uint8]) -> list[str]:
    return [str(imagehash.phash(Image.fromarray(image), hash_size=8)) for image in images]


@needs_shared_data
def test_real_tiles_hash_as_imagehash_says() -> None:
    images = real_tiles()
    assert len(images) > 800
    assert to_hex(phash(images)) == _by_imagehash(images)


def test_every_flat_grey_hashes_as_imagehash_says() -> None:
    images = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((256, 256, 3), np.uint8)
    assert to_hex(phash(images)) == _by_imagehash(images)


@settings(max_examples=100)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_flat_colours_share_one_hash(rgb: tuple[int, int, int]) -> None:
    image = np.broadcast_to(np.array(rgb, np.uint8), (1, 256, 256, 3))
    assert to_hex(phash(image)) == _by_imagehash(image)
    if Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0)):  # black alone has no coefficient above the median
        assert phash(image)[0] == FLAT_PHASH


@settings(max_examples=100)
@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from(["right", "down", "diagonal", "round"]))
def test_gradients_hash_as_imagehash_says(low: int, high: int, course: str) -> None:
    down, right = np.mgrid[0:1:256j, 0:1:256j]
    ramp = {"right": right, "down": down, "diagonal": (down + right) / 2, "round": np.hypot(down - 0.5, right - 0.5)}
    grey = np.rint(low + (high - low) * ramp[course]).astype(np.uint8)
    images = grey[None, ..., None].repeat(3, axis=3)
    assert to_hex(phash(images)) == _by_imagehash(images)


@settings(max_examples=100)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 8, 32, 64, 128]),
    st.sampled_from(["lr", "ud", "both", "turn", "diagonal"]),
)
def test_symmetric_pictures_hash_as_imagehash_says(seed: int, grain: int, symmetry: str) -> None:
    side = 256 // grain
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    image = image.repeat(grain, axis=0).repeat(grain, axis=1)
    half = image // 2
    symmetric = {
        "lr": half + half[:, ::-1],
        "ud": half + half[::-1],
        "both": half // 2 + half[::-1] // 2 + half[:, ::-1] // 2 + half[::-1, ::-1] // 2,
        "turn": half + half[::-1, ::-1],
        "diagonal": half + half.transpose(1, 0, 2),
    }[symmetry]
    assert to_hex(phash(symmetric[None])) == _by_imagehash(symmetric[None])


@settings(max_examples=60)
@given(st.integers(1, 128), st.integers(0, 255), st.integers(0, 255), st.booleans())
def test_stripes_and_checkers_hash_as_imagehash_says(period: int, one: int, other: int, checkers: bool) -> None:
    at = np.arange(256) // period
    pattern = (at[:, None] + at[None]) % 2 if checkers else np.broadcast_to(at % 2, (256, 256))
    images = np.where(pattern, one, other).astype(np.uint8)[None, ..., None].repeat(3, axis=3)
    assert to_hex(phash(images)) == _by_imagehash(images)


@needs_shared_data
def test_a_hash_does_not_depend_on_its_batch() -> None:
    images = real_tiles()[::50]
    np.testing.assert_array_equal(phash(images), np.concatenate([phash(image[None]) for image in images]))


@given(hashes)
def test_hexadecimal_digits_are_those_of_imagehash_and_lead_back(code: int) -> None:
    bits = np.array([code >> at & 1 for at in range(63, -1, -1)], bool).reshape(8, 8)
    assert to_hex(code) == str(imagehash.ImageHash(bits))
    assert from_hex(to_hex(code)) == code


@given(st.lists(hashes, max_size=5))
def test_arrays_are_written_and_read_as_single_hashes_are(codes: list[int]) -> None:
    array = np.array(codes, np.uint64)
    assert to_hex(array) == [to_hex(code) for code in codes]
    np.testing.assert_array_equal(from_hex(to_hex(array)), array)


@given(hashes, hashes)
def test_hamming_counts_the_bits_that_differ(a: int, b: int) -> None:
    assert hamming(np.array([a], np.uint64), np.array([b], np.uint64)).tolist() == [(a ^ b).bit_count()]


def test_hamming_broadcasts() -> None:
    distances = hamming(np.array([[0], [7]], np.uint64), np.array([0, 1, 2**64 - 1], np.uint64))
    assert distances.dtype == np.uint8
    assert distances.tolist() == [[0, 1, 64], [3, 2, 61]]


@pytest.mark.parametrize(
    "text", ["", "8", "g" * 16, "0" * 17, "0x00000000000000", "00 00 00 00 00 00 00", "80000000 0000000"]
)
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16 hexadecimal digits"):
        from_hex(text)


@pytest.mark.parametrize("code", [-1, 2**64])
def test_a_number_of_more_than_64_bits_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="perceptual hash"):
        to_hex(code)


def test_no_tiles_have_no_hashes() -> None:
    assert to_hex(phash(np.empty((0, 256, 256, 3), np.uint8))) == []


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["noise", "black and white", "steps", "smooth"]))
@settings(max_examples=60, deadline=None)
def test_the_resize_is_pillows_on_any_picture(seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    if kind == "noise":
        image = random.integers(0, 256, (256, 256, 3))
    elif kind == "black and white":  # the sharpest edges: where the filter overshoots and is clipped
        image = np.repeat(random.integers(0, 2, (256, 256, 1)) * 255, 3, axis=2)
    elif kind == "steps":
        image = np.kron(random.integers(0, 256, (16, 16, 3)), np.ones((16, 16, 1), int))
    else:
        image = random.integers(0, 128, 3) + np.add.outer(np.arange(256), np.arange(256))[..., None] // 4
    tile = image.astype(np.uint8)
    expected = Image.fromarray(tile).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(_shrink(tile[None], [0])[0], np.asarray(expected))


@pytest.mark.parametrize("red", range(0, 256, 5))
def test_luma_of_every_green_and_blue_is_pillows(red: int) -> None:
    """Run for every fifth red; all 16.7 million colours were tried once."""
    green, blue = np.divmod(np.arange(1 << 16).reshape(256, 256), 256)
    image = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
    assert (_grey(image[None])[0] == np.asarray(Image.fromarray(image).convert("L"))).all()
