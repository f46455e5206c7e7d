"""E-values of counts: their formula, their tails, and what one may expect of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.stats.beta import log_beta, log_sum, log_tails
from analysis.stats.bursts import CORRELATIONS, log_ratio
from analysis.stats.mixture import CONCENTRATION, log_e, with_margin

SHARES = st.floats(0.01, 0.99)


@given(SHARES, st.floats(0.05, 5000), st.floats(0.05, 5000))
def test_tails_of_the_beta_distribution_are_scipys(x, a, b):
    below, above = log_tails(x, a, b)
    assert math.exp(below) == pytest.approx(special.betainc(a, b, x), rel=1e-8, abs=1e-14)
    assert math.exp(above) == pytest.approx(special.betaincc(a, b, x), rel=1e-8, abs=1e-14)
    assert log_beta(a, b) == pytest.approx(special.betaln(a, b), rel=1e-9, abs=1e-9)


def test_tails_far_out_are_still_numbers():
    below, above = log_tails(0.1, 900_000.0, 100_000.0)
    assert below < -100_000
    assert above == pytest.approx(0.0, abs=1e-12)


def test_a_sum_of_logarithms_neither_overflows_nor_vanishes():
    assert log_sum(1000.0, 1000.0) == pytest.approx(1000 + math.log(2))
    assert log_sum(-2000.0, -math.inf) == pytest.approx(-2000)


@given(st.integers(0, 300), st.integers(0, 300), SHARES)
def test_the_mixture_over_every_share_is_the_closed_form(canary, stable, share):
    a, b = CONCENTRATION * share, CONCENTRATION * (1 - share)
    closed = special.betaln(a + canary, b + stable) - special.betaln(a, b)
    closed -= canary * math.log(share) + stable * math.log1p(-share)
    assert log_e(canary, canary + stable, share).both == pytest.approx(closed, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("canary", "bad", "share"), [(7, 20, 0.1), (1, 30, 0.3), (50, 90, 0.5)])
def test_one_sided_mixtures_are_integrals_over_one_side(canary, bad, share):
    prior = stats.beta(CONCENTRATION * share, CONCENTRATION * (1 - share))

    def weighed(p):
        return prior.pdf(p) * (p / share) ** canary * ((1 - p) / (1 - share)) ** (bad - canary)

    found = log_e(canary, bad, share)
    more = integrate.quad(weighed, share, 1)[0] / prior.sf(share)
    fewer = integrate.quad(weighed, 0, share, limit=200)[0] / prior.cdf(share)
    assert math.exp(found.more) == pytest.approx(more, rel=1e-4)
    assert math.exp(found.fewer) == pytest.approx(fewer, rel=1e-4)


@given(st.integers(1, 60), SHARES, st.floats(0.01, 1.0))
def test_a_canary_that_is_no_worse_is_expected_to_prove_nothing(bad, share, part):
    """The mean of an E-value is at most 1, for every rate that is no worse."""
    true = share * part
    chances = stats.binom(bad, true).pmf(range(bad + 1))
    mean = sum(p * math.exp(log_e(k, bad, share).more) for k, p in enumerate(chances))
    assert mean <= 1 + 1e-6


def test_millions_of_events_are_counted_without_trouble():
    equal = log_e(1_000_000, 10_000_000, 0.1)
    worse = log_e(1_010_000, 10_000_000, 0.1)
    assert equal.more < 0
    assert worse.more > 40
    assert log_e(990_000, 10_000_000, 0.1).fewer > 40


def test_the_margin_moves_the_share():
    # 5 % of requests, rates 1.1 to 1: of bad events 0.055 to 0.95.
    assert with_margin(0.05, 0.1) == pytest.approx(0.055 / (0.055 + 0.95))
    assert with_margin(0.3, 0.0) == 0.3


@given(st.integers(0, 40), st.integers(0, 40), SHARES, st.sampled_from(CORRELATIONS))
def test_bursts_are_beta_binomial(canary, stable, share, correlation):
    size = (1 - correlation) / correlation
    with_bursts = stats.betabinom(canary + stable, share * size, (1 - share) * size)
    independent = stats.binom(canary + stable, share)
    expected = with_bursts.logpmf(canary) - independent.logpmf(canary)
    found = log_ratio(canary, canary + stable, share, share, correlation)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
