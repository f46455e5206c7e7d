"""Raw counters: what grew between two looks, whatever happens to pods and scrapes."""

from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.counters import grown, remembered

BEFORE = {"a": (100, 3), "b": (50, 0)}


def test_what_grew_is_counted_over_all_pods():
    assert grown(BEFORE, {"a": (150, 5), "b": (60, 1)}, 2) == (60, 3)


def test_the_first_look_counts_nothing():
    assert grown(None, BEFORE, 2) == (0, 0)


def test_a_pod_that_began_anew_counts_from_its_next_look_on():
    fresh = {"a": (20, 2), "b": (60, 1)}
    assert grown(BEFORE, fresh, 2) == (10, 1)
    after = remembered(BEFORE, fresh)
    assert grown(after, {"a": (30, 2), "b": (60, 1)}, 2) == (10, 0)


def test_a_pod_nobody_knew_brings_no_past_with_it():
    assert grown(BEFORE, {**BEFORE, "c": (90_000, 700)}, 2) == (0, 0)


def test_a_missed_scrape_is_made_up_for():
    away = {"b": (60, 0)}
    known = remembered(BEFORE, away)
    assert grown(BEFORE, away, 2) == (10, 0)
    assert grown(known, {"a": (300, 9), "b": (70, 0)}, 2) == (210, 6)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 50), st.integers(0, 9))),
        max_size=12,
    )
)
def test_nothing_is_ever_counted_twice(steps):
    """Pods that only ever grow are counted exactly, however often they are away."""
    true = {}
    known, counted, first = None, [0, 0], {}
    for step in steps:
        now = {}
        for pod, (requests, bad) in step.items():
            before = true.get(pod, (0, 0))
            true[pod] = (before[0] + requests, before[1] + bad)
            now[pod] = true[pod]
            first.setdefault(pod, true[pod])
        counted = [a + b for a, b in zip(counted, grown(known, now, 2), strict=True)]
        known = remembered(known, now)
    expected = [sum(true[pod][at] - first[pod][at] for pod in first) for at in (0, 1)]
    assert counted == expected
