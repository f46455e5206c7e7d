"""How conditions change."""

from rollouts.api import conditions
from rollouts.api.conditions import Condition, Truth


def seen(
    kind: str, status: Truth = Truth.TRUE, reason: str = "R", message: str = "", at: float = 1
):
    return Condition.at(at, kind, status, reason, message)


def test_the_same_status_and_reason_change_nothing():
    stored = (seen("Progressing", message="first"),)
    assert conditions.set_condition(stored, seen("Progressing", message="second", at=9)) is stored


def test_a_new_reason_keeps_the_transition_time():
    stored = (seen("Progressing"), seen("Available"))
    after = conditions.set_condition(stored, seen("Progressing", reason="Other", at=9))
    assert [c.type for c in after] == ["Available", "Progressing"]
    assert (after[-1].last_update_time, after[-1].last_transition_time) == (9, 1)


def test_a_new_status_moves_the_transition_time():
    after = conditions.set_condition((seen("Healthy"),), seen("Healthy", Truth.FALSE, at=9))
    assert after[0].last_transition_time == 9


def test_replacing_refreshes_the_message_and_the_update_time():
    after = conditions.replace((seen("Progressing"),), seen("Progressing", message="new", at=9))
    assert (after[0].message, after[0].last_update_time, after[0].last_transition_time) == (
        "new",
        9,
        1,
    )


def test_removing_and_finding():
    stored = (seen("Healthy"), seen("Paused", Truth.FALSE))
    assert conditions.remove(stored, "Healthy") == stored[1:]
    assert conditions.get(stored, "Absent") is None
    assert conditions.is_true(stored, "Healthy")
    assert not conditions.is_true(stored, "Paused")
