"""Estimators of the unseen, against published worked examples and their own limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core.species import chao1, discovery_rate, expected_filled, expected_new

abundances = st.lists(st.integers(1, 40), min_size=1, max_size=60)

# Malayan butterflies, Fisher, Corbet & Williams (1943), J. Anim. Ecol. 12, table 1: species caught 1..24 times.
BUTTERFLIES = [118, 74, 44, 24, 29, 22, 20, 19, 20, 15, 12, 14, 6, 12, 6, 9, 9, 6, 10, 10, 11, 5, 3, 3]

# Shakespeare's words, Efron & Thisted (1976), Biometrika 63, table 1: words used 1..100 times. Their sum, 30,688, is the
# paper's 31,534 different words less the 846 used more than 100 times.
SHAKESPEARE = [
    14376, 4343, 2292, 1463, 1043, 837, 638, 519, 430, 364, 305, 259, 242, 223, 187, 181, 179, 130, 127, 128,
    104, 105, 99, 112, 93, 74, 83, 76, 72, 63, 73, 47, 56, 59, 53, 45, 34, 49, 45, 52,
    49, 41, 30, 35, 37, 21, 41, 30, 28, 19, 25, 19, 28, 27, 31, 19, 19, 22, 23, 14,
    30, 19, 21, 18, 15, 10, 15, 14, 11, 16, 13, 12, 10, 16, 18, 11, 8, 15, 12, 7,
    13, 12, 11, 8, 10, 11, 7, 12, 9, 8, 4, 7, 6, 7, 10, 10, 15, 7, 7, 5,
]  # fmt: skip
WORDS = 884_647

# Spiders of the hemlock experiment, as iNEXT documents its data set `spider` (DataInfo): site, n, S, f1, f2, coverage,
# and the richness that ChaoRichness prints, S + (n - 1) / n * f1^2 / (2 f2).
SPIDERS = [("girdled", 168, 26, 12, 4, 0.9289, 43.893), ("logged", 252, 37, 14, 4, 0.9446, 61.403)]


def spiders(individuals, kinds, singles, doubles):
    """Abundances with those figures; how the rest is spread over the other kinds does not matter."""
    others = kinds - singles - doubles
    rest = individuals - singles - 2 * doubles
    return [1] * singles + [2] * doubles + [3] * (others - 1) + [rest - 3 * (others - 1)]


def shakespeare():
    """How often each word was used, the 846 commonest taken together: they weigh nothing in the series."""
    counts = np.repeat(np.arange(1, 101), SHAKESPEARE)
    return np.append(counts, WORDS - counts.sum())


def test_chao1_adds_the_bias_corrected_term_to_the_seen_kinds():
    # Worked by hand from the formula: 5 seen, f1 = 3, f2 = 1 -> 5 + 3*2 / (2*2).
    assert chao1([1, 1, 1, 2, 5]) == 6.5


def test_chao1_equals_estimates_bias_corrected_value():
    # Origin: PyCogent's and scikit-bio's test of chao1, whose comment says that EstimateS gives 9.75 for these counts.
    assert chao1([0, 1, 1, 4, 2, 5, 2, 4, 1, 2]) == 9.75


@pytest.mark.parametrize(("site", "individuals", "kinds", "singles", "doubles", "coverage", "richness"), SPIDERS)
def test_chao1_and_coverage_lie_near_inext_which_corrects_bias_in_another_way(
    site, individuals, kinds, singles, doubles, coverage, richness
):
    counts = spiders(individuals, kinds, singles, doubles)
    assert (sum(counts), len(counts)) == (individuals, kinds)
    # The bias-corrected form: f1 (f1 - 1) / (2 (f2 + 1)) where iNEXT has (n - 1) / n * f1^2 / (2 f2).
    unseen = (richness - kinds) * individuals / (individuals - 1) * (singles - 1) / singles * doubles / (doubles + 1)
    assert chao1(counts) == pytest.approx(kinds + unseen, abs=0.001)
    # iNEXT multiplies Turing's f1 / n by a factor just below 1.
    assert 1 - discovery_rate(counts) == pytest.approx(coverage, abs=0.0005)


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


def test_good_toulmin_predicts_the_new_words_of_a_poem():
    # Thisted & Efron (1987), Biometrika 74: 6.97 new words expected in a poem of 429 words.
    assert expected_new(shakespeare(), 429) == pytest.approx(6.97, abs=0.005)


def test_good_toulmin_predicts_the_new_words_of_as_much_again():
    # Efron & Thisted (1976): 11,430 with a standard error of 178; the words used more than 100 times are not printed.
    assert expected_new(shakespeare(), WORDS) == pytest.approx(11_430, abs=178)


def test_beyond_the_sample_the_prediction_of_an_even_world_is_its_expectation():
    # Colwell's extrapolation is exact for a world of equal kinds: 400 of them, sampled 600 times, then 1,800 more.
    drawn = np.random.default_rng(5).integers(0, 400, (200, 2_400))
    first = [np.bincount(world[:600], minlength=400) for world in drawn]
    predicted = [expected_new(counts, 1_800) for counts in first]
    found = [len(np.unique(world)) - np.count_nonzero(counts) for world, counts in zip(drawn, first, strict=True)]
    assert np.mean(predicted) == pytest.approx(np.mean(found), rel=0.02)


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


# Kinds completed


@pytest.mark.parametrize(
    ("hits", "need", "met", "further", "expected"),
    [
        # Origin: scipy.stats.nbinom.sf(need - 1, hits, met / (met + further)).
        (1, 1, 100, 100, 0.5),
        (1, 2, 100, 100, 0.25),
        (4, 2, 100, 100, 0.8125),
        (3, 5, 1000, 500, 0.0452674897119342),
        (2, 1, 1000, 1000, 0.75),
    ],
)
def test_completed_kinds_follow_the_negative_binomial_distribution(hits, need, met, further, expected):
    assert expected_filled([hits], [need], met, further) == pytest.approx(expected, rel=1e-12)


def test_completed_kinds_add_up_and_none_comes_of_nothing():
    assert expected_filled([1, 4], [1, 2], 100, 100) == pytest.approx(0.5 + 0.8125)
    assert expected_filled([], [], 100, 100) == 0
    assert expected_filled([1, 4], [1, 2], 100, 0) == 0


def test_completed_kinds_of_a_varied_world_are_about_as_many_as_predicted():
    # Rates drawn from a Gamma distribution, which is what the formula takes them for once a kind was met.
    random = np.random.default_rng(11)
    rates = random.gamma(0.3, 8.0, 20_000)
    met, more = random.poisson(rates), random.poisson(rates)
    seen = (met > 0) & (met < 5)
    completed = np.count_nonzero(met[seen] + more[seen] >= 5)
    assert expected_filled(met[seen], 5 - met[seen], met.sum(), more.sum()) == pytest.approx(completed, rel=0.15)


@given(abundances, st.integers(1, 20), st.integers(1, 5000))
def test_more_individuals_complete_more_kinds_and_a_larger_need_fewer(counts, need, further):
    done = expected_filled(counts, [need] * len(counts), sum(counts), further)
    assert 0 <= done <= len(counts) + 1e-9
    assert done <= expected_filled(counts, [need] * len(counts), sum(counts), further + 100) + 1e-9
    assert done >= expected_filled(counts, [need + 1] * len(counts), sum(counts), further) - 1e-9
