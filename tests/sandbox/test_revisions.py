"""The store: one counter, a remembered past, and nothing lost between a list and a watch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.sandbox.revisions import Compacted, Key, Revisions

A, B = Key("default", "a"), Key("default", "b")


def thing(value: int) -> dict:
    return {"metadata": {}, "value": value}


def values(items) -> dict[Key, int]:
    return {key: obj["value"] for key, obj in items}


def test_every_write_takes_the_next_revision_whatever_its_bucket():
    store = Revisions()
    first = store.put("pods", A, thing(1))
    second = store.put("services", A, thing(1))
    gone = store.remove("pods", A)
    revisions = [int(one["metadata"]["resourceVersion"]) for one in (first, second, gone)]
    assert revisions == [2, 3, 4]
    assert store.revision == 4


def test_objects_come_by_namespace_and_name():
    store = Revisions()
    for key in (Key("b", "x"), Key("a", "z"), Key("a", "y")):
        store.put("pods", key, thing(0))
    assert [key for key, _ in store.items("pods")] == [
        Key("a", "y"),
        Key("a", "z"),
        Key("b", "x"),
    ]
    assert [key for key, _ in store.items("pods", "b")] == [Key("b", "x")]


def test_the_past_can_be_read_while_it_is_remembered():
    store = Revisions()
    store.put("pods", A, thing(1))
    then = store.revision
    store.put("pods", A, thing(2))
    store.put("pods", B, thing(3))
    store.remove("pods", A)
    assert values(store.items_at("pods", then)) == {A: 1}
    assert values(store.items("pods")) == {B: 3}


def test_what_fell_out_of_the_window_is_refused_with_the_oldest_revision_left():
    store = Revisions(window=2)
    for value in range(4):
        store.put("pods", A, thing(value))
    with pytest.raises(Compacted) as caught:
        store.after("pods", 2)
    assert (caught.value.asked, caught.value.oldest) == (2, 3)
    assert [change.revision for change in store.after("pods", 3)] == [4, 5]


def test_a_busy_bucket_does_not_compact_a_quiet_one():
    store = Revisions(window=2)
    store.put("services", A, thing(0))
    for value in range(10):
        store.put("pods", A, thing(value))
    assert len(store.after("services", 1)) == 1


def test_listeners_hear_their_bucket_until_they_stop():
    store = Revisions()
    heard: list[str] = []
    stop = store.listen("pods", lambda: heard.append("pods"))
    store.put("services", A, thing(0))
    store.put("pods", A, thing(0))
    stop()
    store.put("pods", A, thing(1))
    assert heard == ["pods"]


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3))), max_size=40
)


@given(steps=STEPS, window=st.integers(1, 50), start=st.integers(0, 40))
def test_replaying_from_any_remembered_revision_rebuilds_the_present(steps, window, start):
    store = Revisions(window)
    snapshots = {store.revision: {}}
    for name, value in steps:
        key = Key("default", name)
        if value is not None:
            store.put("things", key, thing(value))
        elif store.get("things", key) is not None:
            store.remove("things", key)
        snapshots[store.revision] = values(store.items("things"))
    revision = sorted(snapshots)[start % len(snapshots)]
    try:
        changes = store.after("things", revision)
    except Compacted:
        assert store.revision - revision > window
        return
    state = dict(snapshots[revision])
    for change in changes:
        if change.new is None:
            del state[change.key]
        else:
            state[change.key] = change.new["value"]
    assert state == snapshots[store.revision]
    assert values(store.items_at("things", revision)) == snapshots[revision]
