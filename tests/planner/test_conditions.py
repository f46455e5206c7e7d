"""The conditions of a Rollout, rule by rule, as Argo Rollouts documents them."""

import pytest

from rollouts.api.conditions import Condition, get
from tests.planner.model import START, at
from tests.planner.states import (
    BLUE_GREEN,
    CANARY,
    FAILURE,
    GOOD,
    LATE,
    NO_STEPS,
    PAUSE,
    UPDATING,
    condition,
    replica_set,
    settled,
    told,
)

HEALTHY = condition("Healthy", "True", "RolloutHealthy")
SAYS_HEALTHY = ("True", "RolloutHealthy", "Rollout is healthy")
SAYS_NOT = ("False", "RolloutHealthy", "Rollout is not healthy")

HEALTH = {
    "all is well": (NO_STEPS, {}, SAYS_HEALTHY),
    "at the end of the steps": (CANARY, {}, SAYS_HEALTHY),
    "blue-green": (BLUE_GREEN, {}, SAYS_HEALTHY),
    "blue-green with pods of before": (BLUE_GREEN, {"replicas": 10}, SAYS_HEALTHY),
    "fewer updated pods": (NO_STEPS, {"updatedReplicas": 4}, SAYS_NOT),
    "fewer available pods": (NO_STEPS, {"availableReplicas": 4}, SAYS_NOT),
    "pods of before": (NO_STEPS, {"replicas": 6}, SAYS_NOT),
    "another generation seen": (NO_STEPS, {"observedGeneration": "0"}, SAYS_NOT),
    "in the middle of the steps": (CANARY, {"currentStepIndex": 1}, SAYS_NOT),
    "not promoted": (NO_STEPS, {"stableRS": "old"}, SAYS_NOT),
    "nothing promoted ever": (NO_STEPS, {"stableRS": "", "currentPodHash": "x"}, SAYS_NOT),
    "active Service elsewhere": (BLUE_GREEN, {"blueGreen": {"activeSelector": "old"}}, SAYS_NOT),
    "preview Service elsewhere": (
        BLUE_GREEN, {"blueGreen": {"activeSelector": "new", "previewSelector": "old"}}, SAYS_NOT,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("strategy", "status", "expected"), HEALTH.values(), ids=HEALTH)
def test_healthy(strategy, status, expected):
    known = [condition("Healthy", "Unknown", "None")]
    draft = settled(strategy, before={**GOOD, **status}, conditions=known)
    assert told(draft, "Healthy") == expected


def test_what_was_never_healthy_is_not_called_unhealthy():
    assert told(settled(before=UPDATING), "Healthy") is None


def test_paused_is_not_healthy():
    assert told(settled(conditions=[HEALTHY], paused=True), "Healthy") == SAYS_NOT


DONE = condition("Progressing", "True", "NewReplicaSetAvailable")
MOVING = condition("Progressing", "True", "ReplicaSetUpdated")
WAITING = condition("Progressing", "Unknown", "RolloutPaused")
GIVEN_UP = condition("Progressing", "False", "RolloutAborted", "Rollout aborted update", age=900)
RECENT = condition("Progressing", "True", "ReplicaSetUpdated", age=599)
OLD = condition("Progressing", "True", "ReplicaSetUpdated", age=601)
SAYS_DONE = (
    "True", "NewReplicaSetAvailable", 'ReplicaSet "app-new" has successfully progressed.',
)  # fmt: skip
SAYS_MOVING = ("True", "ReplicaSetUpdated", 'ReplicaSet "app-new" is progressing.')
SAYS_LATE = (
    "False", "ProgressDeadlineExceeded", 'ReplicaSet "app-new" has timed out progressing.',
)  # fmt: skip
AS_BEFORE = ("True", "ReplicaSetUpdated", "as before")
HELD = {"pauseConditions": [PAUSE], "controllerPause": True}
GONE = {"abort": True, "abortedAt": at(0)}

PROGRESS = {
    "nothing known yet": ({"conditions": []}, SAYS_MOVING),
    "healthy": ({"before": GOOD}, SAYS_DONE),
    "healthy for long": (
        {"before": GOOD, "conditions": [DONE]}, ("True", "NewReplicaSetAvailable", "as before"),
    ),
    "healthy though paused by a person": (
        {"before": GOOD, "conditions": [HEALTHY, DONE], "paused": True},
        ("True", "NewReplicaSetAvailable", "as before"),
    ),
    "more updated pods": ({"after": {"updatedReplicas": 2}}, SAYS_MOVING),
    "fewer updated pods": ({"after": {"updatedReplicas": 0}}, SAYS_MOVING),
    "fewer pods of before": ({"after": {"replicas": 4}}, SAYS_MOVING),
    "more ready pods": ({"after": {"readyReplicas": 6}}, SAYS_MOVING),
    "more available pods": ({"after": {"availableReplicas": 6}}, SAYS_MOVING),
    "fewer available pods": ({"after": {"availableReplicas": 4}}, AS_BEFORE),
    "another step": ({"after": {"currentStepIndex": 1}}, SAYS_MOVING),
    "a first step": ({"before": {**UPDATING, "currentStepIndex": None}}, AS_BEFORE),
    "other steps": ({"after": {"currentStepHash": "x"}}, SAYS_MOVING),
    "a promotion": ({"after": {"stableRS": "x"}}, SAYS_MOVING),
    "a switch of the active Service": (
        {
            "strategy": BLUE_GREEN,
            "after": {"blueGreen": {"activeSelector": "x", "previewSelector": "new"}},
        },
        SAYS_MOVING,
    ),
    "a switch of the preview Service": (
        {
            "strategy": BLUE_GREEN,
            "after": {"blueGreen": {"activeSelector": "old", "previewSelector": "x"}},
        },
        SAYS_MOVING,
    ),
    "no longer healthy, though promoted": (
        {"conditions": [HEALTHY, DONE], "before": GOOD, "after": {"availableReplicas": 4}},
        ("True", "ReplicaSetNotAvailable", "Rollout does not have minimum availability"),
    ),
    "no longer healthy for another template": (
        {"conditions": [HEALTHY, DONE], "before": GOOD, "after": {"stableRS": "old"}}, SAYS_MOVING,
    ),
    "before the deadline": ({"conditions": [RECENT]}, AS_BEFORE),
    "after the deadline": ({"conditions": [OLD]}, SAYS_LATE),
    "after another deadline": ({"conditions": [MOVING], "progressDeadlineSeconds": 99}, SAYS_LATE),
    "late already": ({"conditions": [LATE]}, ("False", "ProgressDeadlineExceeded", "timed out")),
    "late until something moves": (
        {"conditions": [LATE], "after": {"availableReplicas": 6}}, SAYS_MOVING,
    ),
    "no deadline in an analysis step": (
        {"strategy": CANARY, "before": {**UPDATING, "currentStepIndex": 2}, "conditions": [OLD]},
        AS_BEFORE,
    ),
    "no deadline in a pause step": (
        {"strategy": CANARY, "before": {**UPDATING, "currentStepIndex": 1}, "conditions": [OLD]},
        AS_BEFORE,
    ),
    "a deadline in a weight step": ({"strategy": CANARY, "conditions": [OLD]}, SAYS_LATE),
    "no deadline while pods merely wait for their end": (
        {"conditions": [OLD], "others": [replica_set("older", 1, 5, delayed=True)]}, AS_BEFORE,
    ),
    "paused": (
        {"after": HELD, "conditions": [MOVING]},
        ("Unknown", "RolloutPaused", "Rollout is paused"),
    ),
    "paused by a person": (
        {"paused": True, "conditions": [MOVING]},
        ("Unknown", "RolloutPaused", "Rollout is paused"),
    ),
    "paused for long": (
        {"before": {**UPDATING, **HELD}, "conditions": [WAITING]},
        ("Unknown", "RolloutPaused", "as before"),
    ),
    "resumed": ({"conditions": [WAITING]}, ("Unknown", "RolloutResumed", "Rollout is resumed")),
    "aborted": (
        {"after": GONE, "conditions": [MOVING]},
        ("False", "RolloutAborted", "Rollout aborted update to revision 2"),
    ),
    "aborted for a cause": (
        {"after": GONE, "conditions": [MOVING], "abort_cause": "too slow"},
        ("False", "RolloutAborted", "Rollout aborted update to revision 2: too slow"),
    ),
    "aborted for long": (
        {"before": {**UPDATING, **GONE}, "conditions": [GIVEN_UP]},
        ("False", "RolloutAborted", "Rollout aborted update"),
    ),
    "retried": (
        {"conditions": [GIVEN_UP]}, ("Unknown", "RolloutRetry", "Retrying Rollout after abort"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), PROGRESS.values(), ids=PROGRESS)
def test_progressing(given, expected):
    draft = settled(**{"before": UPDATING, "conditions": [MOVING], **given})
    assert told(draft, "Progressing") == expected


def test_progress_renews_the_update_time_but_not_the_transition():
    draft = settled(before=UPDATING, after={"availableReplicas": 6}, conditions=[MOVING])
    found = get(draft.status.conditions, "Progressing")
    assert found is not None
    assert (found.last_update_time, found.last_transition_time) == (START, START - 100)


PAUSED = condition("Paused", "True", "RolloutPaused")
UNPAUSED = condition("Paused", "False", "RolloutPaused")
SAYS_PAUSED = ("True", "RolloutPaused", "Rollout is paused")
SAYS_UNPAUSED = ("False", "RolloutPaused", "Rollout is paused")

PAUSES = {
    "never paused": ({}, None),
    "paused by the controller": ({"after": HELD}, SAYS_PAUSED),
    "paused by a person": ({"paused": True}, SAYS_PAUSED),
    "resumed": ({"conditions": [PAUSED, WAITING]}, SAYS_UNPAUSED),
    "resumed for long": (
        {"conditions": [UNPAUSED, MOVING]}, ("False", "RolloutPaused", "as before"),
    ),
    "aborted while paused: left as it was": (
        {"after": GONE, "conditions": [PAUSED, WAITING]}, ("True", "RolloutPaused", "as before"),
    ),
    "aborted for long: left as it was": (
        {"before": {**UPDATING, **GONE}, "conditions": [PAUSED, GIVEN_UP]},
        ("True", "RolloutPaused", "as before"),
    ),
    "retried": ({"conditions": [PAUSED, GIVEN_UP]}, SAYS_UNPAUSED),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), PAUSES.values(), ids=PAUSES)
def test_paused(given, expected):
    assert told(settled(**{"before": UPDATING, **given}), "Paused") == expected


ENOUGH = ("True", "AvailableReason", "Rollout has minimum availability")
TOO_FEW = ("False", "AvailableReason", "Rollout does not have minimum availability")
BEFORE = replica_set("old", 1, 2)

AVAILABILITY = {
    "canary: all revisions together": (
        {"new": replica_set("new", 2, 3), "others": [BEFORE]}, ENOUGH,
    ),
    "canary: too few together": ({"new": replica_set("new", 2, 2), "others": [BEFORE]}, TOO_FEW),
    "blue-green: the active revision": ({"strategy": BLUE_GREEN}, ENOUGH),
    "blue-green: not all of its pods": (
        {"strategy": BLUE_GREEN, "new": replica_set("new", 2, 5, available=4)}, TOO_FEW,
    ),
    "blue-green: its size is not the wanted one yet": (
        {"strategy": BLUE_GREEN, "new": replica_set("new", 2, 5, desired=4)}, TOO_FEW,
    ),
    "blue-green: another revision does not count": (
        {"strategy": BLUE_GREEN, "before": {**GOOD, "blueGreen": {"activeSelector": "old"}}},
        TOO_FEW,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), AVAILABILITY.values(), ids=AVAILABILITY)
def test_available(given, expected):
    assert told(settled(**given), "Available") == expected


COMPLETION = {
    "promoted": ("new", "new", "True"),
    "another template": ("old", "new", "False"),
    "nothing promoted ever": ("", "", "False"),
}


@pytest.mark.parametrize(("stable", "current", "truth"), COMPLETION.values(), ids=COMPLETION)
def test_completed(stable, current, truth):
    draft = settled(before={**GOOD, "stableRS": stable, "currentPodHash": current})
    assert told(draft, "Completed") == (truth, "RolloutCompleted", "RolloutCompleted")


def test_that_it_is_not_completed_any_more_is_told_once():
    was = condition("Completed", "True", "RolloutCompleted")
    draft = settled(before=UPDATING, conditions=[was, MOVING])
    assert [event.reason for event in draft.events] == ["RolloutNotCompleted"]
    was = condition("Completed", "False", "RolloutCompleted")
    assert settled(before=UPDATING, conditions=[was, MOVING]).events == []


def test_what_a_replica_set_cannot_do_is_copied_the_new_one_first():
    other = {**FAILURE, "message": "of before"}
    new = replica_set("new", 2, 5, conditions=[FAILURE])
    old = replica_set("old", 1, 5, conditions=[other])
    says = ("True", "FailedCreate")
    assert told(settled(new=new, others=[old]), "ReplicaFailure") == (*says, "exceeded quota")
    assert told(settled(others=[old]), "ReplicaFailure") == (*says, "of before")


def test_a_failure_that_is_over_is_forgotten():
    assert told(settled(conditions=[FAILURE]), "ReplicaFailure") is None


def test_what_changed_moves_to_the_end_and_the_rest_keeps_its_place():
    stored = [
        condition("Available", "True", "AvailableReason"),
        condition("Healthy", "False", "RolloutHealthy"),
        condition("Completed", "True", "RolloutCompleted"),
        condition("Progressing", "True", "NewReplicaSetAvailable"),
    ]
    draft = settled(conditions=stored)
    kinds = [each.type for each in draft.status.conditions]
    assert kinds == ["Available", "Completed", "Progressing", "Healthy"]
    kept = [Condition.model_validate(each) for each in stored if each["type"] != "Healthy"]
    assert list(draft.status.conditions[:3]) == kept
