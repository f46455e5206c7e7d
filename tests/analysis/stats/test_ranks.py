"""The rank test against scipy's, and the shift against its definition."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.bands import constant, radius
from analysis.stats.ranks import common_language, mean_ratio, p_value, shift, u_statistic

FLOATS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
GROUPS = st.lists(FLOATS, min_size=2, max_size=60)
TIED = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=60)


@given(st.one_of(st.tuples(GROUPS, GROUPS), st.tuples(TIED, TIED)))
def test_the_test_is_scipys_exact_without_ties_in_small_groups(groups):
    first, second = groups
    tied = len({*first, *second}) < len(first) + len(second)
    exact = not tied and len(first) < 50 and len(second) < 50
    expected = stats.mannwhitneyu(first, second, method="exact" if exact else "asymptotic")
    assert u_statistic(first, second) == expected.statistic
    if len({*first, *second}) > 1:
        assert p_value(first, second) == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)


def test_values_that_are_all_the_same_do_not_differ():
    assert p_value([2.0] * 5, [2.0] * 7) == 1.0


@given(GROUPS, GROUPS)
def test_the_shift_is_the_median_of_all_differences_within_its_interval(first, second):
    found = shift(first, second, 0.98)
    assert found.estimate == statistics.median(x - y for x in first for y in second)
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize("sizes", [(8, 9), (12, 20), (30, 30)])
def test_the_interval_holds_the_shifts_the_test_does_not_reject(sizes):
    """Moved by anything inside, the groups do not differ; moved by anything outside, they do."""
    first = [float(value) for value in stats.norm.rvs(1, 1, sizes[0], random_state=3)]
    second = [float(value) for value in stats.norm.rvs(0, 1, sizes[1], random_state=4)]
    found = shift(first, second, 0.98)

    def moved(by):
        return stats.mannwhitneyu([x - by for x in first], second, method="exact").pvalue

    hair = 1e-9
    assert moved(found.low + hair) > 0.02
    assert moved(found.high - hair) > 0.02
    assert moved(found.low - hair) <= 0.02
    assert moved(found.high + hair) <= 0.02


def test_effects_have_their_usual_meaning():
    assert mean_ratio([2.0, 4.0], [1.0, 2.0]) == 2.0
    assert common_language([5.0, 6.0], [1.0, 2.0]) == 1.0
    assert common_language([1.0, 2.0], [1.0, 2.0]) == 0.5


def test_the_band_has_its_published_radius():
    assert radius(1000, 100, 0.05) == pytest.approx(0.08204769, abs=1e-5)
    assert constant(0.01) == pytest.approx(9.284, abs=1e-3)
    assert constant(0.001) == pytest.approx(10.943, abs=1e-3)


def test_the_band_holds_only_from_its_beginning_on():
    with pytest.raises(ValueError, match="from 100 observations on"):
        radius(99, 100, 0.05)
