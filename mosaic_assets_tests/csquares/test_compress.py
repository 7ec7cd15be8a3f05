"""Compression: the published examples, and that nothing shorter would do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares import compress, cover, cover_many, expand, parse
from mosaic_assets.csquares.merging import keys_of, merge_blocks
from mosaic_assets.csquares.raster import Blocks
from mosaic_assets.errors import CodeError


@st.composite
def nearby_leaves(draw: st.DrawFn) -> list[str]:
    """Return leaves of one size inside one 10-degree square, with runs long enough to merge."""
    level = draw(st.integers(0, 4))
    inside = arrays.total_of(level) // 648
    start = draw(st.integers(0, 647)) * inside
    spans = draw(st.lists(st.tuples(st.integers(0, inside - 1), st.integers(1, inside)), max_size=4))
    ids = {start + at for first, length in spans for at in range(first, min(first + length, inside))}
    return sorted(arrays.codes_of_ids(np.array(sorted(ids), np.int64), level).tolist())


@pytest.mark.parametrize(
    ("pattern", "count", "first"),
    [  # R csquares' tests and examples; reference 5's slide 7: one code replaces 4, 25, 100 or 400
        ("1000:*", 4, "1000:1"),
        ("1***", 162, "1000"),
        ("*000", 4, "1000"),
        ("1000:***", 100, "1000:100"),
        ("1000:1**", 25, "1000:100"),
        ("1000:***:*", 400, "1000:100:1"),
        ("3414:1**:*", 100, "3414:100:1"),
        ("3414:100:%", 4, "3414:100:1"),
        ("1000:*0*", 10, "1000:100"),
        ("****", 648, "1000"),
    ],
)
def test_wildcards_stand_for_codes_that_obey_the_grammar(pattern: str, count: int, first: str) -> None:
    codes = expand([pattern])
    assert (len(codes), codes[0]) == (count, first)
    assert codes == sorted(set(codes))


@pytest.mark.parametrize(
    ("leaf", "full", "short"),
    [
        (0.5, "3414:100", "3414:100:*"),
        (0.5, "3414:1", "3414:1**:*"),
        (0.5, "3414", "3414:***:*"),
        (1, "3414:1", "3414:1**"),
        (1, "3414", "3414:***"),
        (5, "3414", "3414:*"),
        (10, "3414", "3414"),
        (0.1, "3414:100:1", "3414:100:1**"),
        (0.1, "3414", "3414:***:***"),
    ],
)
def test_a_full_square_becomes_one_code_as_long_as_its_leaves(leaf: float, full: str, short: str) -> None:
    from shapely import box

    from mosaic_assets.csquares import decode

    leaves = cover(box(*decode(full)[:4]), leaf)
    assert compress(leaves) == [short]
    assert expand([short]) == leaves
    assert compress(leaves[1:]) != [short]


@given(nearby_leaves())
def test_expansion_undoes_compression(leaves: list[str]) -> None:
    assert expand(compress(leaves)) == leaves
    assert compress(compress(leaves)) == compress(leaves)


@settings(max_examples=30)
@given(nearby_leaves())
def test_no_shorter_list_exists(leaves: list[str]) -> None:
    """Whatever square is full must lie in one code of the list, and the codes must not overlap."""
    short = compress(leaves)
    parts = [expand([code]) for code in short]
    assert sum(map(len, parts)) == len(leaves)
    held = set(leaves)
    for code in short:
        stars = code.count("*")
        wider = [prefix for prefix in _wider(code) if prefix.count("*") > stars]
        assert not any(set(expand([pattern])) <= held for pattern in wider)


def _wider(code: str) -> list[str]:
    """Return the compressed codes of the squares that hold a square, in the length of ``code``."""
    return [
        "".join(sign if at < cut or sign == ":" else "*" for at, sign in enumerate(code))
        for cut in range(4, len(code), 2)
    ]


@given(st.lists(nearby_leaves(), min_size=1, max_size=3))
def test_mixed_lists_are_compressed_by_size(lists: list[list[str]]) -> None:
    everything = [code for leaves in lists for code in leaves]
    assert expand(compress(everything)) == sorted(set(everything))


@given(nearby_leaves(), st.integers(0, 3))
def test_pictures_and_codes_compress_alike(leaves: list[str], owner: int) -> None:
    """The two ways to merge share no code below the 10-degree squares."""
    if not leaves:
        return
    level = (len(leaves[0]) - 4) // 2
    if level > 3:
        return
    ids = arrays.ids_of_codes(np.array(leaves), level)
    size = arrays.total_of(level) // 648
    picture = np.zeros((1, size), bool)
    picture[0, ids % size] = True
    owners, first, levels = merge_blocks(Blocks(np.array([owner]), ids[:1] // size, picture), level)
    assert (owners == owner).all()
    assert arrays.starred(first, levels, level).tolist() == compress(leaves)


def test_smallest_squares_of_far_apart_owners_do_not_run_into_each_other() -> None:
    ids = np.array([0, arrays.total_of(13) - 1])
    leaves = np.ones((2, 400 if 16 % 2 else 2500), bool)
    owners, first, levels = merge_blocks(Blocks(np.array([3, 2_000_000]), ids, leaves), 16)
    assert owners.tolist() == [3, 2_000_000]
    assert levels.tolist() == [13, 13]
    assert first.tolist() == [0, arrays.total_of(16) - 2500]


def test_keys_sort_as_codes_and_hold_their_insides() -> None:
    codes = ["1000:***:*", "1000:1**:*", "1000:100:*", "1000:100:1", "1000:100:4", "1000:101:*", "7817:499:4"]
    levels = np.array([0, 1, 2, 3, 3, 2, 3])
    first = np.array([arrays.ids_of_codes(np.array(expand([code])[:1]), 3)[0] for code in codes])
    keys = keys_of(first, levels, 3)
    assert codes == sorted(codes)
    assert (np.diff(keys) > 0).all()
    assert keys[-1] == 259_199 * 4 + 3  # the last of the 259,200 half-degree squares
    with pytest.raises(CodeError, match="only 10, 5, 1 and"):
        keys_of(first, levels, 4)


def test_batches_compress_as_single_lists_do() -> None:
    from shapely import Point, box

    shapes = [box(-20, -20, 20.5, 20), box(0, 0, 0.1, 0.1), box(9, 9, 31, 31), Point(5, 5)]
    for size in (10, 5, 1, 0.5, 0.1):
        covers = cover_many(shapes, size)
        for number in range(len(shapes)):
            assert covers.compressed(number) == compress(covers.codes(number))


def test_keys_of_a_batch_name_the_compressed_squares() -> None:
    from shapely import box

    for size in (10, 5, 1, 0.5):
        offsets, keys = cover_many([box(0, 0, 10, 10), box(5, 5, 10, 10.5)], size).compressed_keys()
        assert offsets.tolist()[1] == 1
        assert keys[0] == 0  # 1000, whole, in every size
        assert (keys[1:] // 4 < 259_200).all()


@pytest.mark.parametrize("bad", ["2***", "1000:5**", "10**0", "", "1000:***:*:", "*" * 38, "0000", "1000:127", "a***"])
def test_a_pattern_without_any_code_is_refused(bad: str) -> None:
    with pytest.raises(CodeError):
        expand(["1000", bad])


def test_a_pattern_for_too_many_squares_is_refused_before_it_fills_memory() -> None:
    with pytest.raises(CodeError, match="64,800,000,000 squares"):
        expand(["****:***:***:***:***"])


def test_nothing_stays_nothing() -> None:
    assert compress([]) == expand([]) == []


def test_a_published_list_shrinks_to_its_square() -> None:
    # Four half-degree squares of one degree written the mapper's way.
    assert compress(parse("3416:238:4|3416:238:3|3416:238:2|3416:238:1")) == ["3416:238:*"]
