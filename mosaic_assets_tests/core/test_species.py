"""Estimators of the unseen, against published worked examples and their own limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core.species import chao1, discovery_rate, expected_new

abundances = st.lists(st.integers(1, 40), min_size=1, max_size=60)

# Malayan butterflies, Fisher, Corbet & Williams (1943), J. Anim. Ecol. 12, table 1: species caught 1..24 times.
BUTTERFLIES = [118, 74, 44, 24, 29, 22, 20, 19, 20, 15, 12, 14, 6, 12, 6, 9, 9, 6, 10, 10, 11, 5, 3, 3]


def test_chao1_adds_the_bias_corrected_term_to_the_seen_kinds():
    # Worked by hand from the formula: 5 seen, f1 = 3, f2 = 1 -> 5 + 3*2 / (2*2).
    assert chao1([1, 1, 1, 2, 5]) == 6.5


def test_a_census_without_singletons_is_complete():
    assert chao1([2, 3, 9]) == 3
    assert discovery_rate([2, 3, 9]) == 0
    assert expected_new([2, 3, 9], 5) == pytest.approx(0, abs=1.3)


def test_nothing_met_means_everything_is_new():
    assert chao1([]) == 0
    assert discovery_rate([]) == 1
    assert expected_new([], 40) == 40


def test_good_toulmin_predicts_the_butterflies_of_a_second_expedition():
    # Efron & Thisted (1976), Biometrika 63, section 1: 118 - 74 + 44 - 24 + ... = 75 new species expected.
    counts = np.repeat(np.arange(1, 25), BUTTERFLIES)
    assert expected_new(counts, int(counts.sum())) == pytest.approx(75, abs=0.5)


@given(abundances)
def test_the_estimate_never_falls_below_what_was_seen(counts):
    assert chao1(counts) >= len(counts)


@given(abundances, st.integers(0, 5000))
def test_expected_new_kinds_lie_between_none_and_all_of_the_further_individuals(counts, further):
    assert 0 <= expected_new(counts, further) <= further


@given(abundances)
def test_far_beyond_the_sample_the_prediction_approaches_chao1(counts):
    unseen = chao1(counts) - len(counts)
    assert expected_new(counts, 10_000_000) == pytest.approx(unseen, abs=0.01 + unseen * 0.01)


def test_an_even_world_is_estimated_about_right():
    world = np.random.default_rng(3).integers(0, 300, 600)
    counts = np.bincount(world)
    assert chao1(counts) == pytest.approx(300, rel=0.1)
