"""Replica arithmetic: the known examples, and the bounds that always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.planner.replicas import Budget, Size, next_counts, split


@pytest.mark.parametrize(
    ("replicas", "weight", "unavailable", "surge", "new", "stable", "expected"),
    [
        (10, 10, 1, 1, 0, 10, (1, 9)),
        (10, 30, 0, 3, 0, 10, (3, 10)),
        (10, 30, 5, 0, 0, 10, (0, 7)),
        (10, 5, 1, 1, 0, 10, (1, 10)),
        (1, 5, 0, 1, 0, 1, (1, 1)),
    ],
)
def test_the_first_move(replicas, weight, unavailable, surge, new, stable, expected):
    budget = Budget(replicas, surge, unavailable)
    desired = split(replicas, weight, 100, surge)
    assert next_counts(budget, desired, Size(new, new), Size(stable, stable), 0) == expected


@pytest.mark.parametrize(
    ("replicas", "weight", "expected"), [(2, 75, (1, 1)), (5, 90, (4, 1)), (10, 95, (9, 1))]
)
def test_more_weight_never_means_no_canary(replicas, weight, expected):
    assert split(replicas, weight, 100, 0) == expected


@given(st.integers(0, 12), st.integers(0, 100), st.integers(0, 4))
def test_a_split_is_as_close_as_its_candidates_allow(replicas, weight, surge):
    canary, stable = split(replicas, weight, 100, surge)
    assert canary >= 0
    assert stable >= 0
    assert canary + stable in ({replicas, replicas + 1} if surge else {replicas})
    if 0 < weight < 100 and replicas >= 2:
        assert canary > 0
        assert stable > 0
    if weight == 100:
        assert (canary, stable) == (replicas, 0)
    if weight == 0:
        assert (canary, stable) == (0, replicas)


sizes = st.integers(0, 14).flatmap(lambda n: st.builds(Size, st.just(n), st.integers(0, n)))


@given(
    st.integers(1, 12),
    st.integers(0, 100),
    st.integers(0, 4),
    st.integers(0, 4),
    sizes,
    sizes,
)
def test_no_move_leaves_the_bounds(replicas, weight, surge, unavailable, canary, stable):
    if surge == unavailable == 0:
        unavailable = 1
    budget = Budget(replicas, surge, min(unavailable, replicas))
    desired = split(replicas, weight, 100, surge)
    new, old = next_counts(budget, desired, canary, stable, 0)
    assert new >= 0
    assert old >= 0
    before = canary.spec + stable.spec
    assert new + old <= max(budget.ceiling, before)
    available = canary.available + stable.available
    kept = min(canary.available, new) + min(stable.available, old)
    assert kept >= min(budget.floor, available)


@given(st.integers(1, 12), st.integers(0, 100), st.integers(0, 4), st.integers(0, 4))
def test_with_healthy_pods_every_split_is_reached(replicas, weight, surge, unavailable):
    if surge == unavailable == 0:
        unavailable = 1
    budget = Budget(replicas, surge, min(unavailable, replicas))
    desired = split(replicas, weight, 100, surge)
    new, old = 0, replicas
    for _ in range(100):
        new, old = next_counts(budget, desired, Size(new, new), Size(old, old), 0)
    assert (new, old) == desired
