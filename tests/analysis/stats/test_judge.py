"""The judge: classification of pairs, and the score, by Kayenta's documented rules."""

import math
import random

import pytest

from analysis.stats.judge import (
    Direction,
    Effect,
    Outcome,
    Pair,
    Result,
    compare,
    percentile,
    score,
)

RNG = random.Random(5)
FLAT = [10 + RNG.gauss(0, 1) for _ in range(50)]
AGAIN = [10 + RNG.gauss(0, 1) for _ in range(50)]
HIGHER = [15 + RNG.gauss(0, 1) for _ in range(50)]
NAN = math.nan


def outcome(canary, stable, **settings):
    return compare(Pair("m", "g", **settings), canary, stable).outcome


@pytest.mark.parametrize(
    ("canary", "stable", "settings", "expected"),
    [
        (FLAT, AGAIN, {}, Outcome.PASS),
        (FLAT, FLAT, {}, Outcome.PASS),
        (HIGHER, FLAT, {}, Outcome.HIGH),
        (FLAT, HIGHER, {}, Outcome.LOW),
        (HIGHER, FLAT, {"direction": Direction.DECREASE}, Outcome.PASS),
        (FLAT, HIGHER, {"direction": Direction.INCREASE}, Outcome.PASS),
        (FLAT, HIGHER, {"direction": Direction.DECREASE}, Outcome.LOW),
        (HIGHER, FLAT, {"allowed_increase": 1.2}, Outcome.HIGH),
        (HIGHER, FLAT, {"allowed_increase": 2.0}, Outcome.PASS),
        (HIGHER, FLAT, {"effect": Effect.CLES, "allowed_increase": 0.9}, Outcome.HIGH),
        ([], FLAT, {}, Outcome.NODATA),
        ([NAN] * 9, FLAT, {}, Outcome.NODATA),
        ([NAN] * 9, FLAT, {"must_have_data": True}, Outcome.MISSING),
        ([NAN] * 50, FLAT, {"nan_is_zero": True}, Outcome.LOW),
        ([0.0] * 20, [0.0] * 20, {}, Outcome.PASS),
        ([5.0] * 20, [1.0] * 20, {}, Outcome.HIGH),
        ([5.0] * 20, [5.0] * 9, {}, Outcome.PASS),
    ],
)
def test_pairs_are_classified(canary, stable, settings, expected):
    assert outcome(canary, stable, **settings) is expected


def test_a_small_shift_within_a_quarter_of_itself_is_no_difference():
    """The whole interval must lie beyond a quarter of the estimate."""
    noisy = [10 + RNG.gauss(0, 3) for _ in range(50)]
    shifted = [11 + RNG.gauss(0, 3) for _ in range(50)]
    assert outcome(shifted, noisy) is Outcome.PASS


def test_outliers_are_removed_only_where_they_are_asked_to_be():
    ordered = sorted([*map(float, range(200)), 10_000.0, 20_000.0, 30_000.0])
    assert percentile(ordered, 50) == 101
    wild = [1.0] * 4 + [1e9] * 2 + [1.0 + n / 1000 for n in range(300)]
    tame = [1.0 + n / 1000 for n in range(300)]
    kept = compare(Pair("m", "g"), wild, tame).reason
    removed = compare(Pair("m", "g", without_outliers=True), wild, tame).reason
    assert "e+06 against" in kept
    assert "e+06 against" not in removed


def result(outcome, group="g", *, critical=False):
    return Result(f"m{id(outcome) % 97}", group, outcome, critical, "")


P, H, L, N, M = Outcome.PASS, Outcome.HIGH, Outcome.LOW, Outcome.NODATA, Outcome.MISSING


@pytest.mark.parametrize(
    ("results", "weights", "points"),
    [
        ([result(P), result(P)], {}, 100),
        ([result(P), result(H)], {}, 50),
        ([result(P), result(L), result(M), result(P)], {}, 50),
        ([result(P), result(P), result(N)], {}, 100),  # what has no data does not count
        ([result(P), result(N)], {}, 0),  # but half of all without data is too much
        ([result(P), result(P), result(H, critical=True)], {}, 0),
        ([result(P, critical=True), result(H)], {}, 50),
        ([result(P, "a"), result(H, "b")], {"a": 80, "b": 20}, 80),
        ([result(P, "a"), result(H, "b"), result(P, "c")], {"a": 50}, 75),
        ([result(P, "a"), result(P, "a"), result(N, "b")], {"a": 60, "b": 40}, 100),
    ],
)
def test_results_become_a_score(results, weights, points):
    assert score(results, weights).points == pytest.approx(points)


def test_a_score_says_what_it_is_made_of():
    results = [Result("latency", "g", H, False, ""), Result("errors", "g", P, False, "")]
    assert score(results, {}).reason == "latency is High"
