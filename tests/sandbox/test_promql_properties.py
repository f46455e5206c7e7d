"""What holds of PromQL whatever the samples are."""

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from rollouts.sandbox.promql.answer import number
from rollouts.sandbox.promql.evaluate import evaluate, parse
from rollouts.sandbox.promql.model import NAME, labels_of
from rollouts.sandbox.promql.store import SeriesStore

START = 1_000_000
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
counts = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@st.composite
def times(draw):
    gaps = draw(st.lists(st.integers(min_value=1, max_value=9_000), min_size=2, max_size=12))
    moments = [START]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    return moments


def series(points, **labels):
    store = SeriesStore()
    for time, value in points:
        store.append(labels_of({NAME: "m", **labels}), time, value)
    return store


def values(query, store, time):
    return [element.value for element in evaluate(parse(query), store, time).elements]


@given(times(), st.data())
def test_a_counter_never_goes_down_however_often_it_restarts(moments, data):
    points = [(time, data.draw(counts)) for time in moments]
    store, now = series(points), moments[-1]
    (increase,) = values("increase(m[5m])", store, now) or [0.0]
    (rate,) = values("rate(m[5m])", store, now) or [0.0]
    assert increase >= 0
    assert math.isclose(rate * 300, increase, rel_tol=1e-9, abs_tol=1e-9)


@given(times(), finite)
def test_what_does_not_change_has_no_rate_and_is_its_own_average(moments, value):
    store, now = series([(time, value) for time in moments]), moments[-1]
    assert values("delta(m[5m])", store, now) == [0.0]
    (average,) = values("avg_over_time(m[5m])", store, now)
    assert math.isclose(average, value, rel_tol=1e-9)
    assert values("max_over_time(m[5m]) == min_over_time(m[5m])", store, now) == [value]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), finite), min_size=1, max_size=9), st.integers(1, 5)
)
def test_groups_add_up_and_the_greatest_are_the_greatest(members, count):
    store = SeriesStore()
    for index, (group, value) in enumerate(members):
        store.append(labels_of({NAME: "m", "g": group, "i": str(index)}), START, value)
    (whole,) = values("sum(m)", store, START)
    assert math.isclose(
        math.fsum(values("sum by (g) (m)", store, START)), whole, rel_tol=1e-9, abs_tol=1e-6
    )
    ranked = sorted((value for _, value in members), reverse=True)
    assert values(f"topk({count}, m)", store, START) == ranked[:count]
    assert len(values("m and on(g) m{i='0'}", store, START)) + len(
        values("m unless on(g) m{i='0'}", store, START)
    ) == len(members)


@given(st.lists(counts, min_size=3, max_size=3), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_quantile_is_never_a_lower_value(grown, low, high):
    assume(sum(grown) > 0)
    store, total = SeriesStore(), 0.0
    for bound, more in zip(("0.1", "1", "+Inf"), grown, strict=True):
        total += more
        store.append(labels_of({NAME: "b", "le": bound}), START, total)
    small, large = sorted((low, high))
    (first,) = values(f"histogram_quantile({number(small)}, b)", store, START)
    (second,) = values(f"histogram_quantile({number(large)}, b)", store, START)
    assert first <= second or math.isclose(first, second) or math.isnan(first)


@given(st.floats())
def test_a_number_is_read_back_as_it_was(value):
    text = number(value)
    assert "e" not in text.lower() or text in {"+Inf", "-Inf"}
    assert float(text) == value or (math.isnan(value) and text == "NaN")
