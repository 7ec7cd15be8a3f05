"""Nearest hashes, against comparing all pairs; and what nearness means for real pictures."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.core import near
from mosaic_assets.core.near import NearIndex
from mosaic_assets.core.phash import hamming, phash
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data
from mosaic_assets_tests.core.real_tiles import jpeg_tiles

Codes = NDArray[np.uint64]

K = 8
"""Bits within which two tiles count as the same picture."""


def codes(*values: int) -> Codes:
    return np.array(values, np.uint64)


def by_brute_force(stored: Codes, queries: Codes, distance: int) -> list[int]:
    found = []
    for query in queries.tolist():
        apart = [((query ^ code).bit_count(), at) for at, code in enumerate(stored.tolist())]
        least, at = min(apart, default=(65, -1))
        found.append(at if least <= distance else -1)
    return found


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Codes, Codes]:
    """Stored hashes and queries: clusters of any tightness about common centres, with repeats, and strangers."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    centres = random.integers(0, 2**64, draw(st.integers(1, 6)), np.uint64)

    def crowd(count: int) -> Codes:
        flips = draw(st.sampled_from([0.0, 0.02, 0.1, 0.15, 0.5]))  # share of the bits that differ from the centre
        noise = np.packbits(random.random((count, 64)) < flips, axis=1).view(np.uint64)[:, 0]
        return random.choice(centres, count) ^ noise

    stored = np.concatenate([crowd(draw(st.integers(0, 60))) for _ in range(3)])
    return stored, np.concatenate([crowd(draw(st.integers(0, 12))) for _ in range(2)])


WAYS = {"as it likes": near._SCAN_ADVANTAGE, "through the tables": 0, "tables until it is crowded": 0.5}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60)
@given(crowds(), st.integers(0, 14) | st.sampled_from([32, 64]), st.integers(0, 70))
def test_nearest_is_what_comparing_all_pairs_finds(
    way: str, crowd: tuple[Codes, Codes], distance: int, first: int
) -> None:
    stored, queries = crowd
    if WAYS[way] < near._SCAN_ADVANTAGE:
        distance = min(distance, 14)  # nobody should wait for millions of table entries
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "_SCAN_ADVANTAGE", WAYS[way])
        patch.setattr(near, "_LOOSE", 10)
        index = NearIndex(stored[:first])
        for at in range(first, len(stored), 7):
            index.add(stored[at : at + 7])
        found = index.nearest(queries, distance).tolist()
        near_any = index.near(queries, distance).tolist()
        crowded = index.crowded(distance).tolist()
    assert found == by_brute_force(stored, queries, distance)
    assert near_any == [position >= 0 for position in found]
    assert crowded == ((hamming(stored[:, None], stored) <= distance).sum(axis=1) > 1).tolist()


@pytest.mark.parametrize("cluster", [0.0, 0.05, 0.25])
def test_a_large_store_agrees_also_where_thousands_share_their_words(cluster: float) -> None:
    random = np.random.default_rng(11)
    noise = np.packbits(random.random((20_000, 64)) < cluster, axis=1).view(np.uint64)[:, 0]
    stored = np.concatenate([random.integers(0, 2**64, 20_000, np.uint64), np.uint64(0x0F0F_1234_ABCD_5A5A) ^ noise])
    flips = np.packbits(random.random((300, 64)) < 0.1, axis=1).view(np.uint64)[:, 0]
    queries = random.choice(stored, 300) ^ flips
    apart = hamming(queries[:, None], stored)
    expected = np.where(apart.min(axis=1) <= K, apart.argmin(axis=1), -1)
    index = NearIndex(stored[:39_000])
    index.add(stored[39_000:])
    assert (expected >= 0).sum() > 20
    assert index.nearest(queries, K).tolist() == expected.tolist()
    assert [int(index.nearest(queries[at : at + 1], K)[0]) for at in range(300)] == expected.tolist()
    sample = np.r_[:200, 38_900:40_000]
    assert index.crowded(K)[sample].tolist() == ((hamming(stored[sample, None], stored) <= K).sum(axis=1) > 1).tolist()


def spread(distance: int) -> Codes:
    """One hash for each way of sharing so many differing bits among the four words."""
    ways = (way for way in itertools.product(range(distance + 1), repeat=4) if sum(way) == distance)
    return codes(*(sum(((1 << bits) - 1) << 16 * word for word, bits in enumerate(way)) for way in ways))


@pytest.mark.parametrize("distance", range(13))
def test_however_the_bits_are_spread_a_hash_is_found_at_the_distance_and_not_beyond(
    distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "_SCAN_ADVANTAGE", 0)
    monkeypatch.setattr(near, "_LOOSE", 0)
    index = NearIndex(codes(0))
    assert index.near(spread(distance), distance).all()
    assert not index.near(spread(distance + 1), distance).any()


def test_of_equally_near_hashes_the_first_is_found() -> None:
    index = NearIndex(codes(0b11, 0b01, 0b10))
    index.add(codes(0b01, 0b100))
    assert index.nearest(codes(0, 0b01, 0b111), 1).tolist() == [1, 1, 0]


def test_of_equally_near_hashes_the_first_is_found_also_across_tables_and_additions() -> None:
    index = NearIndex(np.concatenate([codes(1), np.arange(2**40, 2**40 + 5_000, dtype=np.uint64)]))
    index.add(codes(1, 0))
    assert index.nearest(codes(1, 0), K).tolist() == [0, 5_002]


def test_what_is_added_is_seen_by_the_next_query() -> None:
    index = NearIndex(codes())
    assert not index.near(codes(5), 64).any()
    for code in range(0, 2**60, 2**53):
        assert not index.near(codes(code), 0).any()
        index.add(codes(code))
        assert index.near(codes(code), 0).all()
    assert len(index) == 128


def test_the_index_keeps_its_own_copy() -> None:
    given_codes = codes(1, 2)
    index = NearIndex(given_codes)
    given_codes[:] = 77
    index.codes[:] = 78
    assert index.codes.tolist() == [1, 2]


def test_nothing_asked_gives_nothing() -> None:
    index = NearIndex(codes(1))
    assert index.near(codes(), K).shape == index.nearest(codes(), K).shape == (0,)
    assert NearIndex(codes()).crowded(K).shape == (0,)


@pytest.mark.parametrize("wrong", [np.array([1]), np.array([[1]], np.uint64), np.array(1, np.uint64), np.array([0.5])])
def test_other_arrays_than_hashes_are_refused(wrong: NDArray[np.generic]) -> None:
    index = NearIndex(codes(1))
    for call in (NearIndex, index.add, lambda queries: index.near(queries, K)):
        with pytest.raises(ValueError, match=r"expected uint64 \(n,\)"):
            call(wrong)  # type: ignore[arg-type]
    assert len(index) == 1


@pytest.mark.parametrize("distance", [-1, 65])
def test_a_distance_that_no_hashes_have_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match=f"within {distance} bits; give a whole number from 0 to 64"):
        NearIndex(codes(1)).near(codes(1), distance)
    with pytest.raises(ValueError, match=f"within {distance} bits; give a whole number from 0 to 64"):
        NearIndex(codes(1)).crowded(distance)


# Real pictures. Expected numbers were counted with imagehash 4.3.2 and Pillow 13.0 on the same files.


def rsloc_windows(down: int = 0, right: int = 0) -> NDArray[np.uint8]:
    """396 windows of the 256 grid of five mosaics, shifted by some pixels."""
    import rasterio

    found = []
    for path in sorted((SHARED_DATA / "rsloc" / "RSimages").rglob("*.tiff")):
        with rasterio.open(path) as mosaic:
            pixels = np.moveaxis(mosaic.read(), 0, -1)[down:, right:]
        rows, columns = range(0, pixels.shape[0] - 263 + down, 256), range(0, pixels.shape[1] - 263 + right, 256)
        found += [pixels[row : row + 256, column : column + 256] for row in rows for column in columns]
    return np.stack(found)


def recompressed(images: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    def one(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return np.stack([one(image) for image in images])


@pytest.fixture(scope="module")
def windows() -> NDArray[np.uint8]:
    return rsloc_windows()


@needs_shared_data
@pytest.mark.parametrize(("quality", "same"), [(90, 390), (75, 369)])
def test_recompressed_copies_are_caught_all_of_them(windows: NDArray[np.uint8], quality: int, same: int) -> None:
    hashes, index = phash(recompressed(windows, quality)), NearIndex(phash(windows))
    assert index.nearest(hashes, K).tolist() == list(range(396))
    assert index.near(hashes, 0).sum() == same  # what comparing for equality would have caught


@needs_shared_data
@pytest.mark.parametrize(
    ("down", "right", "caught", "same"),
    [(0, 1, 396, 192), (1, 1, 396, 140), (0, 4, 396, 16), (4, 0, 389, 14), (2, 2, 396, 43), (4, 4, 354, 6)],
)
def test_shifted_copies_are_caught(windows: NDArray[np.uint8], down: int, right: int, caught: int, same: int) -> None:
    hashes, index = phash(rsloc_windows(down, right)), NearIndex(phash(windows))
    found = index.nearest(hashes, K)
    assert (found >= 0).sum() == caught
    assert set((found - np.arange(396))[found >= 0].tolist()) == {0}  # each by its own original
    assert index.near(hashes, 0).sum() == same


@needs_shared_data
def test_different_places_are_never_near(windows: NDArray[np.uint8]) -> None:
    hashes = phash(windows)
    apart = hamming(hashes[:, None], hashes)[np.triu_indices(len(hashes), 1)]
    assert apart.min() == 14
    assert not any(NearIndex(np.delete(hashes, at)).near(hashes[at : at + 1], K)[0] for at in range(0, 396, 5))


@needs_shared_data
def test_years_of_a_place_stay_apart_but_for_the_few_that_look_alike() -> None:
    places: dict[tuple[str, ...], list[NDArray[np.uint8]]] = {}
    for path in jpeg_tiles():
        if "naip_multidate" in path.parts:
            places.setdefault(path.parts[-2:], []).append(np.asarray(Image.open(path).convert("RGB")))
    hashes = {place: phash(np.stack(images)) for place, images in places.items()}
    pairs = [int(hamming(a, b)) for years in hashes.values() for a, b in itertools.combinations(years, 2)]
    assert len(hashes) == 6 and len(pairs) == 270
    assert np.percentile(pairs, [5, 50, 95]).tolist() == [10, 24, 38]
    assert sum(apart <= K for apart in pairs) == 8  # 3 %: fields in the same state, seen on another day
    for (_, ours), (_, theirs) in itertools.combinations(hashes.items(), 2):
        assert not NearIndex(ours).near(theirs, K).any()
