"""Handing a cluster back: what we leave is what Argo Rollouts itself would have left.

The checks here are of the contract alone: keys, names, spellings and types, and the conditions its
controller would otherwise change at its first look.
"""

import re

import pytest

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.resources import ANALYSIS_RUNS
from tests.planner.model import Model, rollout
from tests.planner.routed_model import deployed, routed
from tests.planner.test_workload import Migration
from tests.planner.walk import ANALYSIS, Walk

STEPS = [{"setWeight": 20}, {"pause": {}}, {"analysis": ANALYSIS}, {"pause": {}}]
OURS_ALONE = {"WorkloadScaledDown"}
CONDITIONS = {"InvalidSpec", "Healthy", "Completed", "Available", "Paused", "Progressing"}
NUMBERS = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "HPAReplicas"}
TEXTS = {
    "observedGeneration",
    "workloadObservedGeneration",
    "currentPodHash",
    "stableRS",
    "currentStepHash",
    "selector",
    "phase",
    "message",
}
OTHERS = {
    "abort",
    "abortedAt",
    "blueGreen",
    "canary",
    "collisionCount",
    "conditions",
    "controllerPause",
    "currentStepIndex",
    "duration",
    "pauseConditions",
    "promoteFull",
    "restartedAt",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
HASH = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{1,10}")


def told(model: Model, kind: str) -> tuple[str, str]:
    found = next((c for c in model.status["conditions"] if c["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


def times(value):
    """Every value of a field that is a time by its name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.endswith(("At", "Time")) and isinstance(inner, str):
                yield inner
            yield from times(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from times(inner)


def judge(model: Model) -> None:
    """Everything of the Rollout reads as Argo Rollouts writes it."""
    judge_status(model)
    judge_rest(model)
    name = model.world.rollout.metadata.name
    for rs in model.world.replica_sets:
        meta, spec = rs.raw["metadata"], rs.raw["spec"]
        assert HASH.fullmatch(rs.hash)
        assert meta["name"] == f"{name}-{rs.hash}"
        assert meta["labels"].items() >= {"app": "app", POD_TEMPLATE_HASH: rs.hash}.items()
        assert spec["selector"]["matchLabels"] == {"app": "app", POD_TEMPLATE_HASH: rs.hash}
        assert spec["template"]["metadata"]["labels"][POD_TEMPLATE_HASH] == rs.hash
        annotations = meta["annotations"]
        assert annotations["rollout.argoproj.io/revision"].isdigit()
        assert annotations["rollout.argoproj.io/desired-replicas"].isdigit()
        deadline = annotations.get("scale-down-deadline")
        assert deadline is None or TIME.fullmatch(deadline)
        (owner,) = meta["ownerReferences"]
        assert owner == {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "name": name,
            "uid": model.world.rollout.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    newest = max(rs.revision for rs in model.world.replica_sets)
    annotations = model.world.rollout.metadata.annotations
    assert annotations["rollout.argoproj.io/revision"] == str(newest)
    for service in model.world.services.values():
        if POD_TEMPLATE_HASH in service["spec"]["selector"]:
            managed = service["metadata"]["annotations"]
            assert managed == {"argo-rollouts.argoproj.io/managed-by-rollouts": name}


def judge_status(model: Model) -> None:
    status = model.status
    assert status.keys() <= NUMBERS | TEXTS | OTHERS
    assert all(type(status.get(key, 0)) is int for key in NUMBERS)
    assert all(type(status.get(key, "")) is str for key in TEXTS)
    assert all(TIME.fullmatch(text) for text in times(status))
    assert status["observedGeneration"] == str(model.world.rollout.metadata.generation)
    kinds = [condition["type"] for condition in status["conditions"]]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) <= CONDITIONS | OURS_ALONE
    for condition in status["conditions"]:
        assert condition.keys() == {
            "type",
            "status",
            "reason",
            "message",
            "lastUpdateTime",
            "lastTransitionTime",
        }


def judge_rest(model: Model) -> None:
    """Its own first look would change no condition."""
    status = model.status
    paused = bool(status.get("pauseConditions")) or model.world.rollout.spec.paused
    completed = status["stableRS"] == status["currentPodHash"]
    assert told(model, "Completed") == ("True" if completed else "False", "RolloutCompleted")
    aborted = told(model, "Progressing")[1] == "RolloutAborted"
    assert aborted == bool(status.get("abort"))
    if not aborted:
        assert paused == (told(model, "Paused")[0] == "True")
        if not completed:
            assert paused == (told(model, "Progressing") == ("Unknown", "RolloutPaused"))
    assert bool(status.get("controllerPause")) == bool(status.get("pauseConditions"))


def updated(strategy: dict) -> Walk:
    walk = Walk(strategy)
    walk.settle()
    judge(walk)
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    judge(walk)
    return walk


def test_a_canary_through_pause_analysis_abort_and_retry():
    services = {"stableService": "stable", "canaryService": "canary"}
    walk = updated({"canary": {"steps": STEPS, **services}})
    walk.user_promote()
    walk.settle()
    judge(walk)
    (run,) = walk.world.runs
    assert run.name == f"app-{walk.hash_of(2)}-2-2"
    assert run.labels == {
        "app": "app",
        "rollout-type": "Step",
        "step-index": "2",
        POD_TEMPLATE_HASH: walk.hash_of(2),
    }
    assert run.raw["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "2"
    assert walk.status["canary"]["currentStepAnalysisRunStatus"]["name"] == run.name
    walk.run_ends(0, "Failed")
    walk.settle()
    judge(walk)
    walk.user({"status": {"abort": False}})
    walk.settle()
    judge(walk)
    again = walk.world.runs
    walk.user_promote()
    walk.settle()
    assert {run.name for run in walk.world.runs} - {run.name for run in again} == {
        f"app-{walk.hash_of(2)}-2-2.1"
    }
    walk.finish()
    judge(walk)


def test_a_blue_green_release_through_preview_switch_and_delay():
    walk = updated(
        {
            "blueGreen": {
                "activeService": "active",
                "previewService": "preview",
                "autoPromotionEnabled": False,
                "prePromotionAnalysis": ANALYSIS,
            }
        }
    )
    assert [run.name for run in walk.world.runs] == [f"app-{walk.hash_of(2)}-2-pre"]
    walk.run_ends(0, "Successful")
    walk.settle()
    judge(walk)
    assert walk.status["blueGreen"]["activeSelector"] == walk.hash_of(1)
    assert walk.status["selector"] == f"app=app,{POD_TEMPLATE_HASH}={walk.hash_of(1)}"
    walk.user_promote()
    walk.settle()
    judge(walk)
    walk.wait(31)
    walk.settle()
    judge(walk)
    assert walk.phase == ("Healthy", "")


def test_a_routed_canary_and_its_weights():
    model = deployed(routed([{"setWeight": 20}, {"pause": {}}]))
    model.set_image("app:2")
    model.settle()
    judge(model)
    assert model.status["canary"]["weights"] == {
        "canary": {"weight": 20, "serviceName": "canary", "podTemplateHash": model.hash_of(2)},
        "stable": {"weight": 80, "serviceName": "stable", "podTemplateHash": model.hash_of(1)},
    }
    model.abort()
    model.settle()
    judge(model)


@pytest.mark.parametrize("down", ["never", "onsuccess", "progressively"])
def test_a_workloads_generation_and_what_is_left_of_it(down):
    model = Migration(down)
    model.settle()
    judge(model)
    model.set_image("app:2")
    model.settle()
    judge(model)
    annotations = model.world.rollout.metadata.annotations
    seen = annotations["rollout.argoproj.io/workload-generation"]
    assert seen == model.status["workloadObservedGeneration"]
    assert {"template", "selector"}.isdisjoint(model.world.rollout.raw["spec"])


def test_no_more_kinds_of_objects_than_it_knows():
    walk = updated({"canary": {"steps": STEPS, "analysis": ANALYSIS}})
    walk.finish()
    assert {write.resource.kind for write in walk.writes} <= {
        "Rollout",
        "ReplicaSet",
        "Service",
        ANALYSIS_RUNS.kind,
    }


@pytest.mark.parametrize(
    ("steps", "digest"),
    [
        ([{"pause": {}}], "6b9b86fbd5"),
        ([{"pause": {}}, {"pause": {}}], "79c9b9f6bf"),
        (None, "5ffbfbbd64"),
    ],
)
def test_the_hash_of_steps_is_the_one_it_would_store(steps, digest):
    model = Model(rollout({"canary": {"steps": steps} if steps else {}}))
    model.settle()
    assert model.status["currentStepHash"] == digest
