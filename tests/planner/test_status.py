"""The phase of a Rollout, and what an invalid spec does, rule by rule."""

import pytest

from rollouts.api.conditions import Condition, get
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.planner import status as statuses
from rollouts.planner.phase import phase
from rollouts.planner.world import World
from tests.planner.model import START, at, rollout
from tests.planner.states import (
    ABORTED,
    ANALYSED,
    BLUE_GREEN,
    GOOD,
    INVALID,
    LATE,
    NO_STEPS,
    PAUSE,
    ROUTED,
    SECOND,
    settled,
    told,
)

PHASES = {
    "an invalid spec": (
        NO_STEPS, {}, {"conditions": [INVALID]},
        ("Degraded", "InvalidSpec: no selector"),
    ),
    "an abort": (
        NO_STEPS, {}, {"conditions": [ABORTED]},
        ("Degraded", "RolloutAborted: Rollout aborted update"),
    ),
    "a deadline exceeded": (
        NO_STEPS, {}, {"conditions": [LATE]},
        ("Degraded", "ProgressDeadlineExceeded: timed out"),
    ),
    "conditions count in stored order": (
        NO_STEPS, {}, {"conditions": [LATE, INVALID]},
        ("Degraded", "ProgressDeadlineExceeded: timed out"),
    ),
    "degraded outranks paused": (
        NO_STEPS, {"paused": True}, {"conditions": [ABORTED]},
        ("Degraded", "RolloutAborted: Rollout aborted update"),
    ),
    "a person paused": (NO_STEPS, {"paused": True}, {}, ("Paused", "manually paused")),
    "a person's pause outranks the controller's": (
        NO_STEPS, {"paused": True}, {"pauseConditions": [PAUSE]}, ("Paused", "manually paused"),
    ),
    "the first pause names the reason": (
        NO_STEPS, {}, {"pauseConditions": [PAUSE, SECOND]}, ("Paused", "CanaryPauseStep"),
    ),
    "a restart to do": (
        NO_STEPS, {"restartAt": at(0)}, {}, ("Progressing", "rollout is restarting"),
    ),
    "another restart to do": (
        NO_STEPS, {"restartAt": at(9)}, {"restartedAt": at(0)},
        ("Progressing", "rollout is restarting"),
    ),
    "a restart done": (NO_STEPS, {"restartAt": at(0)}, {"restartedAt": at(0)}, ("Healthy", "")),
    "pods missing": (
        NO_STEPS, {}, {"updatedReplicas": 4}, ("Progressing", "more replicas need to be updated"),
    ),
    "pods not available": (
        NO_STEPS, {}, {"availableReplicas": 4},
        ("Progressing", "updated replicas are still becoming available"),
    ),
    "blue-green: not switched": (
        BLUE_GREEN, {}, {"blueGreen": {"activeSelector": "old"}},
        ("Progressing", "active service cutover pending"),
    ),
    "blue-green: nothing selected": (
        BLUE_GREEN, {}, {"blueGreen": {}, "currentPodHash": "", "stableRS": ""},
        ("Progressing", "active service cutover pending"),
    ),
    "blue-green: analysis after the switch not begun": (
        ANALYSED, {}, {"stableRS": "old"}, ("Progressing", "waiting for analysis to complete"),
    ),
    "blue-green: analysis after the switch runs": (
        ANALYSED, {},
        {
            "stableRS": "old",
            "blueGreen": {
                "activeSelector": "new",
                "postPromotionAnalysisRunStatus": {"name": "r", "status": "Running"},
            },
        },
        ("Progressing", "waiting for analysis to complete"),
    ),
    "blue-green: analysis after the switch is over": (
        ANALYSED, {},
        {
            "stableRS": "old",
            "blueGreen": {
                "activeSelector": "new",
                "postPromotionAnalysisRunStatus": {"name": "r", "status": "Successful"},
            },
        },
        ("Progressing", "waiting for post-promotion verification to complete"),
    ),
    "blue-green: not promoted yet": (
        BLUE_GREEN, {}, {"stableRS": ""},
        ("Progressing", "waiting for post-promotion verification to complete"),
    ),
    "blue-green: pods of before do not matter": (
        BLUE_GREEN, {}, {"replicas": 10}, ("Healthy", ""),
    ),
    "canary: pods of before": (
        NO_STEPS, {}, {"replicas": 6}, ("Progressing", "old replicas are pending termination"),
    ),
    "canary: with a router they do not matter": (ROUTED, {}, {"replicas": 6}, ("Healthy", "")),
    "canary: not promoted": (
        NO_STEPS, {}, {"stableRS": "old"}, ("Progressing", "waiting for all steps to complete"),
    ),
    "canary: nothing promoted ever": (
        NO_STEPS, {}, {"stableRS": ""}, ("Progressing", "waiting for all steps to complete"),
    ),
    "all is well": (NO_STEPS, {}, {}, ("Healthy", "")),
}  # fmt: skip


@pytest.mark.parametrize(("strategy", "spec", "status", "expected"), PHASES.values(), ids=PHASES)
def test_phase(strategy, spec, status, expected):
    found = Rollout.decode({**rollout(strategy, **spec), "status": {**GOOD, **status}})
    assert phase(found.spec, found.status) == expected


# --- an invalid spec -----------------------------------------------------------------------------


def refused(message: str, *conditions: dict):
    found = Rollout.decode({**rollout(NO_STEPS), "status": {"conditions": list(conditions)}})
    return statuses.invalid(World(now=START, rollout=found), message)


def test_an_invalid_spec_is_told():
    status, events = refused("no selector")
    assert told_in(status) == ("True", "InvalidSpec", "no selector")
    assert (status.phase, status.message) == ("Degraded", "InvalidSpec: no selector")
    assert status.observed_generation == "1"
    assert [(event.type, event.reason) for event in events] == [("Warning", "InvalidSpec")]


def told_in(status: RolloutStatus) -> tuple[str, str, str] | None:
    found = get(status.conditions, "InvalidSpec")
    return None if found is None else (found.status, found.reason, found.message)


def test_the_same_mistake_is_told_once():
    status, events = refused("no selector", INVALID)
    assert get(status.conditions, "InvalidSpec") == Condition.model_validate(INVALID)
    assert events == ()


def test_another_mistake_replaces_the_message():
    status, events = refused("no template", INVALID)
    assert told_in(status) == ("True", "InvalidSpec", "no template")
    assert len(events) == 1


def test_a_mended_spec_forgets_the_mistake():
    assert told(settled(conditions=[INVALID]), "InvalidSpec") is None
