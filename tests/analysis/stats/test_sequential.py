"""The sequential test, look by look: what it calls worse, what it passes, what it leaves open."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.sequential import Counts, Rules, Verdict, assess, begin, look
from benchmarks import bench_sequential as made_up

RULES = Rules(alpha=0.01, margin=0.1, minimum=100)


def after(*intervals, rules=RULES, state=None):
    state = state or begin(1)
    found = assess(state, rules)
    for each in intervals:
        state, found = look(state, [Counts(*each)], rules)
    return state, found


def test_ten_times_the_errors_are_worse_after_a_few_looks():
    _, found = after(*[(3, 50, 2, 450)] * 6)
    assert found.verdict is Verdict.WORSE
    assert found.e >= math.log(100)
    assert found.p <= 0.01


def test_nothing_is_worse_before_it_is_certain():
    _, found = after((3, 50, 2, 450))
    assert found.verdict is Verdict.OPEN


def test_the_same_rate_is_left_open_and_speaks_for_neither():
    _, found = after(*[(1, 100, 9, 900)] * 100)
    assert found.verdict is Verdict.OPEN
    assert found.e < 0


def test_far_fewer_errors_on_enough_requests_are_shown_to_be_no_worse():
    _, found = after(*[(1, 250, 10, 250)] * 10)
    assert found.verdict is Verdict.NO_WORSE


def test_without_enough_requests_nothing_is_no_worse():
    strict = Rules(alpha=0.01, margin=0.1, minimum=5000)
    _, found = after(*[(1, 250, 10, 250)] * 10, rules=strict)
    assert found.verdict is Verdict.OPEN
    assert not found.powered


def test_one_burst_on_the_canary_decides_nothing():
    calm = [(0, 50, 2, 450)] * 10
    _, found = after(*calm, (40, 50, 2, 450), *calm)
    assert found.verdict is Verdict.OPEN


def test_a_canary_without_requests_adds_nothing():
    before, _ = after(*[(1, 50, 5, 450)] * 3)
    state, _ = look(before, [Counts(0, 0, 30, 450)], RULES)
    assert state.questions == before.questions
    assert state.total_stable == before.total_stable


def test_a_wide_margin_takes_longer_to_exceed():
    wide = Rules(alpha=0.01, margin=20.0, minimum=100)
    assert after(*[(3, 50, 2, 450)] * 6, rules=wide)[1].verdict is Verdict.OPEN


def test_a_changed_weight_begins_a_segment_and_keeps_what_was_found():
    first, one = after(*[(4, 50, 10, 450)] * 5)
    second, two = after(*[(20, 250, 5, 250)] * 2, state=first)
    assert first.all == 2500
    assert second.all == 1000
    assert second.questions[0].closed_more > 0
    assert two.e > one.e


def test_chance_alone_begins_no_segment():
    state, _ = after(*[(0, 50 + n, 2, 450 - n) for n in (0, 4, -5, 3, -2)])
    assert state.all == 2500


def test_questions_share_the_alpha_and_one_of_them_suffices():
    state = begin(2)
    for _ in range(8):
        state, found = look(state, [Counts(0, 50, 1, 450), Counts(5, 50, 4, 450)], RULES)
    assert found.verdict is Verdict.WORSE
    assert found.question == 1
    assert RULES.threshold(2) == pytest.approx(math.log(200))


def test_what_was_certain_once_stays_certain():
    state, found = after(*[(5, 50, 2, 450)] * 8)
    assert found.verdict is Verdict.WORSE
    state, found = after(*[(0, 50, 3, 450)] * 50, state=state)
    assert found.verdict is Verdict.WORSE


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(0, 4000), st.integers(0, 400), st.integers(0, 4000)
        ),
        max_size=12,
    )
)
def test_whatever_is_counted_there_is_a_verdict(rows):
    rows = [(min(a, b), b, min(c, d), d) for a, b, c, d in rows]
    state, found = after(*rows)
    assert found.verdict in Verdict
    assert not math.isnan(found.e)
    assert state.looks == len(rows)


@pytest.mark.parametrize("kind", made_up.HEALTHY, ids=lambda kind: kind.name)
def test_healthy_releases_are_hardly_ever_aborted(kind):
    # Of 60 releases, 4 or more would be wrong with a chance below 0.3 % if alpha were exceeded.
    assert made_up.false_aborts(kind, 60) <= 3 / 60


@pytest.mark.parametrize(("ratio", "seconds"), [(10, 45), (3, 240)])
def test_sick_releases_are_caught_in_time(ratio, seconds):
    kind = next(each for each in made_up.SICK if each.ratio == ratio)
    assert made_up.seconds_to_catch(kind, 100) <= seconds
