"""Budgets written as numbers or percentages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.api.intstr import resolve, resolve_budgets


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        (None, None, 10, (3, 2)),
        (None, None, 1, (1, 0)),
        ("25%", "25%", 4, (1, 1)),
        (0, 0, 4, (0, 1)),
        ("0%", "10%", 5, (0, 1)),
        ("5", 0, 100, (5, 0)),
        ("5", 0, 10, (1, 0)),
        (5, 0, 10, (5, 0)),
        (0, 9, 3, (0, 3)),
        (None, None, 0, (0, 0)),
        ("lots", 0, 10, (0, 1)),
    ],
)
def test_budgets(surge, unavailable, replicas, expected):
    assert resolve_budgets(surge, unavailable, replicas) == expected


@given(st.integers(0, 100), st.integers(0, 10_000))
def test_rounding_up_and_down_differ_by_at_most_one(percent, total):
    up = resolve(f"{percent}%", total, round_up=True)
    down = resolve(f"{percent}%", total, round_up=False)
    assert 0 <= down <= percent * total / 100 <= up <= total
    assert up - down <= 1


@given(st.integers(0, 20) | st.text(), st.integers(0, 20) | st.text(), st.integers(1, 50))
def test_there_is_always_room_to_move(surge, unavailable, replicas):
    more, fewer = resolve_budgets(surge, unavailable, replicas)
    assert more != 0 or fewer != 0
    assert fewer <= replicas
