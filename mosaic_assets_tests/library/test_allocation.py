"""Where within a biome the next tiles lie best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.library.allocation import NEIGHBOURS, focus

places = st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), min_size=1, max_size=40, unique=True)


def tiles(*found):
    return np.array(found, np.int64).reshape(-1, 2)


def test_tiles_among_useful_ones_are_chosen():
    judged = tiles((0, 0), (1, 1), (50, 50), (51, 51))
    useful = np.array([False, False, True, True])
    candidates = tiles((2, 0), (50, 52), (0, 3), (49, 50), (1, 2))
    assert focus(candidates, judged, useful, 2).tolist() == [1, 3]


def test_the_nearest_tile_counts_most():
    # Scores by rank 1, 1/2, 1/3, 1/4: (0, 0) alone gives 1, the other three 1/2 + 1/3 + 1/4 = 1.08.
    judged = tiles((0, 0), (10, 0), (20, 0), (30, 0))
    only_first, all_others = np.array([True, False, False, False]), np.array([False, True, True, True])
    candidates = tiles((100, 0), (1, 0))
    assert focus(candidates, judged, only_first, 1).tolist() == [1]
    assert focus(candidates, judged, all_others, 1).tolist() == [0]


def test_tiles_beyond_the_nearest_do_not_count():
    judged = tiles(*((n, 0) for n in range(NEIGHBOURS)), (NEIGHBOURS + 5, 0))
    useful = np.array([False] * NEIGHBOURS + [True])
    assert focus(tiles((0, 1), (NEIGHBOURS + 5, 1)), judged, useful, 1).tolist() == [1]
    assert focus(tiles((0, 1), (0, 2)), judged, useful, 1).tolist() == [0]  # both score nothing: the earlier


@pytest.mark.parametrize("judged", [tiles(), tiles((5, 5))], ids=["nothing judged", "nothing useful"])
def test_without_anything_useful_the_first_candidates_are_taken(judged):
    candidates = tiles((9, 9), (1, 1), (5, 5))
    assert focus(candidates, judged, np.zeros(len(judged), bool), 2).tolist() == [0, 1]


def test_few_candidates_are_all_taken():
    assert focus(tiles((1, 1), (2, 2)), tiles((2, 2)), np.array([True]), 5).tolist() == [0, 1]
    assert focus(tiles(), tiles((2, 2)), np.array([True]), 5).tolist() == []


@given(places, places, st.integers(0, 50), st.data())
def test_a_choice_is_ascending_without_repeats_and_as_long_as_asked(candidates, judged, count, data):
    useful = np.array(data.draw(st.lists(st.booleans(), min_size=len(judged), max_size=len(judged))))
    chosen = focus(tiles(*candidates), tiles(*judged), useful, count)
    assert len(chosen) == min(count, len(candidates))
    assert (np.diff(chosen) > 0).all()
    assert set(chosen.tolist()) <= set(range(len(candidates)))


@given(places, places, st.data())
def test_no_tile_left_out_scores_higher_than_one_chosen(candidates, judged, data):
    useful = np.array(data.draw(st.lists(st.booleans(), min_size=len(judged), max_size=len(judged))))
    all_candidates, all_judged = tiles(*candidates), tiles(*judged)
    chosen = focus(all_candidates, all_judged, useful, len(candidates) // 2)
    squares = ((all_candidates[:, None] - all_judged[None]) ** 2).sum(axis=2)
    ranked = np.sort(squares, axis=1)[:, :NEIGHBOURS]
    if (np.diff(np.sort(squares, axis=1), axis=1) == 0).any():
        return  # which of two tiles equally far away is nearer is not defined
    near = np.argsort(squares, axis=1)[:, : ranked.shape[1]]
    score = (useful[near] / np.arange(1, near.shape[1] + 1)).sum(axis=1)
    left = np.setdiff1d(np.arange(len(candidates)), chosen)
    if len(chosen) and useful.any():
        assert score[left].max(initial=0) <= score[chosen].min()
