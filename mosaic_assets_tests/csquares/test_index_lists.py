"""Lists of the index: packed, grown and read again, and which of them a square is on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic_assets.csquares import encode
from mosaic_assets.csquares.lists import LIST_BITS, TOUCH, flags_of, lists_of
from mosaic_assets.csquares.pairs import codes_of_keys
from mosaic_assets.csquares.places import keys_of_codes
from mosaic_assets.store.csquare_packing import (
    BITS,
    BLOCK,
    extend_places,
    pack_keys,
    pack_places,
    unpack_keys,
    unpack_places,
)


def subsets(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=1, unique=True).map(sorted)


@given(subsets(4 * 259_200 - 1))
def test_packed_keys_come_back(keys: list[int]) -> None:
    assert unpack_keys(pack_keys(np.array(keys))).tolist() == keys


@given(subsets(BLOCK - 1))
def test_packed_places_come_back_in_no_more_than_a_bit_a_place_or_two_bytes_each(places: list[int]) -> None:
    kind, packed = pack_places(np.array(places))
    assert unpack_places(kind, packed).tolist() == places
    assert len(packed) <= min(2 * len(places), places[-1] // 8 + 1)


@given(subsets(BLOCK - 1), st.data())
def test_places_added_to_packed_ones_come_back_with_them(places: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(places)))
    kind, packed = pack_places(np.array(places[:cut]))
    if places[cut:]:
        kind, packed = extend_places(kind, packed, np.array(places[cut:]))
    assert unpack_places(kind, packed).tolist() == places


@pytest.mark.parametrize("gap", [1, 2, 9, 15, 16, 17, 100, 254, 255, 256, 257, 510, 511, 700])
def test_places_at_even_distances_take_a_bit_a_place_or_a_byte_or_two_each(gap: int) -> None:
    places = np.arange(gap - 1, BLOCK, gap)
    kind, packed = pack_places(places)
    assert unpack_places(kind, packed).tolist() == places.tolist()
    # A step of up to 255 places is one byte, of up to 510 two; more than one place in 16 is a bit a place.
    assert len(packed) == (places[-1] // 8 + 1 if gap < 16 else len(places) if gap <= 255 else 2 * len(places))


@pytest.mark.parametrize("gap", [3, 15, 16, 17, 100, 254, 255, 256, 257, 510, 511, 700])
@pytest.mark.parametrize("step", [1, 7, 200])
def test_long_lists_grown_bit_by_bit_are_those_packed_at_once(gap: int, step: int) -> None:
    places = np.arange(gap - 1, BLOCK, gap)
    kind, packed = pack_places(places[:1])
    for start in range(1, len(places), step):
        kind, packed = extend_places(kind, packed, places[start : start + step])
    assert unpack_places(kind, packed).tolist() == places.tolist()
    assert kind == BITS or (kind, packed) == pack_places(places)  # a bitset stays one, however thin it gets


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 900), st.integers(0, 99)), max_size=8),
    st.integers(0, 3 * BLOCK),
    st.integers(0, 3 * BLOCK),
)
@example([(1, 0, 900, 0)], 0, BLOCK)  # a list of a block behind a range of whole blocks
@example([(0, 0, 900, 0)], BLOCK, 2 * BLOCK)  # and of one before it
def test_scenes_on_any_lists_in_any_range_of_slots(
    lists: list[tuple[int, int, int, int]], one: int, other: int
) -> None:
    low, high = sorted((one, other))
    held: set[int] = set()
    packed = []
    for block, key, gap, first in lists:
        places = np.arange(first, BLOCK, gap)
        packed.append((block << LIST_BITS | key, *pack_places(places)))
        held |= {block * BLOCK + place for place in places.tolist()}
    found = flags_of(packed, low, high)
    assert found.shape == (high - low,)
    assert set((np.flatnonzero(found) + low).tolist()) == {slot for slot in held if low <= slot < high}


def _squares() -> Iterator[str]:
    for lng, lat in ((147.3, -42.8), (-0.1, 0.0), (179.9, 89.9), (-180, -90), (0, 0)):
        for resolution in (10, 5, 1, 0.5):
            yield encode(lng, lat, resolution)


@pytest.mark.parametrize("code", list(_squares()))
def test_the_lists_of_a_square_are_those_around_and_inside(code: str) -> None:
    """Texts as the judge: a compressed code around or inside shares its digits."""
    (key,) = keys_of_codes(code)
    numbers = [number for number in lists_of(key) if number < TOUCH]
    named = {text.rstrip(":*") for text in codes_of_keys(np.array(numbers, np.int64)).tolist()}
    around = {code[:length] for length in range(4, len(code), 2)}
    inside = {code, *(f"{code}:{place}" for place in range(1, 5))} if len(code) == 8 else {code} - {code[:6]}
    touching = [number for number in lists_of(key) if number >= TOUCH]
    assert named == around | inside
    assert touching == ([TOUCH | key] if len(code) <= 6 else [])
