"""Statuses and passes for the tables of phases and conditions."""

from rollouts.api.conditions import get
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.planner import progress
from rollouts.planner.draft import Draft
from rollouts.planner.world import ReplicaSet, World
from tests.planner.model import START, at, rollout

STEPS = [{"setWeight": 20}, {"pause": {}}, {"analysis": {"templates": [{"templateName": "t"}]}}]
CANARY = {"canary": {"steps": STEPS}}
NO_STEPS = {"canary": {}}
BLUE_GREEN = {"blueGreen": {"activeService": "active", "previewService": "preview"}}
ANALYSED = {"blueGreen": {"activeService": "active", "postPromotionAnalysis": {"templates": []}}}
ROUTED = {"canary": {"trafficRouting": {"nginx": {"stableIngress": "web"}}}}

GOOD = {
    "observedGeneration": "1",
    "replicas": 5,
    "updatedReplicas": 5,
    "readyReplicas": 5,
    "availableReplicas": 5,
    "currentPodHash": "new",
    "stableRS": "new",
    "currentStepIndex": 3,
    "blueGreen": {"activeSelector": "new", "previewSelector": "new"},
}
"""The status of a Rollout with which all is well."""
UPDATING = {
    **GOOD,
    "updatedReplicas": 1,
    "stableRS": "old",
    "currentStepIndex": 0,
    "blueGreen": {"activeSelector": "old", "previewSelector": "new"},
}
"""The status in the middle of an update."""


def condition(kind: str, truth: str, reason: str, message: str = "as before", age=100) -> dict:
    return {
        "type": kind,
        "status": truth,
        "reason": reason,
        "message": message,
        "lastUpdateTime": at(-age),
        "lastTransitionTime": at(-age),
    }


INVALID = condition("InvalidSpec", "True", "InvalidSpec", "no selector")
ABORTED = condition("Progressing", "False", "RolloutAborted", "Rollout aborted update")
LATE = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")
PAUSE = {"reason": "CanaryPauseStep", "startTime": at(0)}
SECOND = {"reason": "InconclusiveAnalysisRun", "startTime": at(0)}


def replica_set(pod_hash: str, revision: int, size: int, **more) -> ReplicaSet:
    available = more.get("available", size)
    return ReplicaSet.of(
        {
            "metadata": {
                "name": f"app-{pod_hash}",
                "labels": {"rollouts-pod-template-hash": pod_hash},
                "annotations": {
                    "rollout.argoproj.io/revision": str(revision),
                    "rollout.argoproj.io/desired-replicas": str(more.get("desired", 5)),
                    **({"scale-down-deadline": at(60)} if more.get("delayed") else {}),
                },
                "creationTimestamp": at(-9000 + revision),
            },
            "spec": {"replicas": size},
            "status": {
                "replicas": size,
                "readyReplicas": available,
                "availableReplicas": available,
                "conditions": more.get("conditions", []),
            },
        }
    )


NEW = replica_set("new", 2, 5)
FAILURE = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": "exceeded quota",
}


def settled(
    strategy=NO_STEPS,
    *,
    before=GOOD,
    after=None,
    conditions=(),
    new=NEW,
    others=(),
    abort_cause="",
    **spec,
) -> Draft:
    """A pass at whose end conditions are set. ``before`` and ``after``: fields of the status."""
    raw = rollout(strategy, **spec)
    stored = {**before, "conditions": list(conditions)}
    found = Rollout.decode({**raw, "status": stored})
    draft = Draft(
        World(now=START, rollout=found),
        new,
        None,
        tuple(others),
        RolloutStatus.model_validate({**stored, **(after or {})}),
    )
    draft.abort_cause = abort_cause
    progress.update(draft)
    return draft


def told(draft: Draft, kind: str) -> tuple[str, str, str] | None:
    found = get(draft.status.conditions, kind)
    return None if found is None else (found.status, found.reason, found.message)
