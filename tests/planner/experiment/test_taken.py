"""Experiments as Argo Rollouts leaves them: nothing is written, and they go on from there."""

import pytest

from rollouts.planner.world import ReplicaSet, Run
from tests.planner.experiment.model import Model, analysis, at, experiment, template

HASHES = {"a": "7d9c8f6b5c", "b": "5f7b9d6c4d"}  # of another release of it: not what we compute


def replica_set(name: str, size: int, *, age: str = "") -> ReplicaSet:
    labels = {"app": "shop", "variant": name, "rollouts-pod-template-hash": HASHES[name]}
    annotations = {
        "experiment.argoproj.io/name": "trial",
        "experiment.argoproj.io/template-name": name,
        **({"scale-down-deadline": age} if age else {}),
    }
    pods = template(name)["template"]
    pods = {
        "metadata": {"labels": labels, "creationTimestamp": None},
        "spec": {
            **pods["spec"],
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
        },
    }
    return ReplicaSet.of(
        {
            "metadata": {
                "name": f"trial-{name}",
                "uid": f"uid-{name}",
                "generation": 2,
                "resourceVersion": "900",
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [{"uid": "uid-trial", "controller": True}],
            },
            "spec": {"replicas": size, "selector": {"matchLabels": labels}, "template": pods},
            "status": {
                "replicas": size,
                "readyReplicas": size,
                "availableReplicas": size,
                "observedGeneration": 2,
            },
        }
    )


def run(phase: str, *, terminate: bool = False) -> Run:
    return Run.of(
        {
            "metadata": {
                "name": "trial-x",
                "ownerReferences": [{"uid": "uid-trial", "controller": True}],
            },
            "spec": {"metrics": [], **({"terminate": True} if terminate else {})},
            "status": {"phase": phase},
        },
        "uid-trial",
    )


def entry(name: str, size: int, state: str, **more) -> dict:
    counts = ("availableReplicas", "readyReplicas", "replicas", "updatedReplicas")
    return {
        "name": name,
        "status": state,
        "lastTransitionTime": at(-500),
        **dict.fromkeys(counts, size),
        **more,
    }


def condition(status: str, reason: str) -> dict:
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": 'Experiment "trial" is as it is.',
        "lastTransitionTime": at(-500),
        "lastUpdateTime": at(-500),
    }


def taken(status: dict, sets, runs=(), **spec) -> Model:
    raw = experiment(**spec)
    model = Model({**raw, "status": status})
    model.take(sets, runs)
    return model


def mid_run() -> Model:
    status = {
        "phase": "Running",
        "availableAt": at(-400),
        "conditions": [condition("True", "NewReplicaSetAvailable")],
        "templateStatuses": [
            entry("a", 1, "Running"),
            entry("b", 1, "Running", podTemplateHash=HASHES["b"]),
        ],
        "analysisRuns": [{"name": "x", "analysisRun": "trial-x", "phase": "Running"}],
    }
    sets = [replica_set("a", 1), replica_set("b", 1)]
    return taken(status, sets, [run("Running")], duration="10m", analyses=[analysis("x")])


def pending() -> Model:
    status = {
        "phase": "Pending",
        "conditions": [condition("True", "ReplicaSetUpdated")],
        "templateStatuses": [entry("a", 1, "Running"), entry("b", 1, "Progressing")],
    }
    sets = [replica_set("a", 1), replica_set("b", 1)]
    status["templateStatuses"][1] |= {"availableReplicas": 0, "readyReplicas": 0}
    model = taken(status, sets, duration="10m")
    model.patch_set("b", {"status": {"availableReplicas": 0, "readyReplicas": 0}})
    return model


def in_delay() -> Model:
    status = {
        "phase": "Successful",
        "availableAt": at(-400),
        "conditions": [condition("False", "ExperimentCompleted")],
        "templateStatuses": [entry("a", 1, "Successful"), entry("b", 1, "Successful")],
        "analysisRuns": [{"name": "x", "analysisRun": "trial-x", "phase": "Running"}],
    }
    sets = [replica_set("a", 1, age=at(20)), replica_set("b", 1, age=at(20))]
    runs = [run("Successful", terminate=True)]
    return taken(status, sets, runs, duration="5m", analyses=[analysis("x")])


def finished() -> Model:
    status = {
        "phase": "Successful",
        "message": "Required AnalysisRuns completed",
        "availableAt": at(-400),
        "conditions": [condition("False", "ExperimentCompleted")],
        "templateStatuses": [
            entry("a", 0, "Successful"),
            entry("b", 0, "Successful", serviceName="trial-b", podTemplateHash=HASHES["b"]),
        ],
        "analysisRuns": [{"name": "x", "analysisRun": "trial-x", "phase": "Successful"}],
    }
    sets = [replica_set("a", 0, age=at(-300)), replica_set("b", 0, age=at(-300))]
    required = analysis("x", requiredForCompletion=True)
    return taken(status, sets, [run("Successful")], analyses=[required])


def failed() -> Model:
    status = {
        "phase": "Failed",
        "message": "too slow",
        "availableAt": at(-400),
        "conditions": [condition("True", "NewReplicaSetAvailable")],
        "templateStatuses": [entry("a", 0, "Successful"), entry("b", 0, "Successful")],
        "analysisRuns": [
            {"name": "x", "analysisRun": "trial-x", "phase": "Failed", "message": "too slow"}
        ],
    }
    sets = [replica_set("a", 0), replica_set("b", 0)]
    return taken(status, sets, [run("Failed")], analyses=[analysis("x")])


@pytest.mark.parametrize("found", [mid_run, pending, in_delay, finished, failed])
def test_taking_over_writes_nothing(found):
    assert found().reconcile().writes == ()


@pytest.mark.parametrize("found", [finished, failed])
def test_what_is_over_stays_untouched_for_a_day(found):
    model = found()
    for _ in range(24):
        assert model.reconcile().writes == ()
        model.wait(3600)


def test_one_taken_over_in_its_middle_comes_to_its_end():
    model = mid_run()
    model.settle()
    model.wait(200)
    model.settle()
    assert (model.phase, model.stopping()) == ("Successful", ["trial-x"])
    model.wait(31)
    model.settle()
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_one_that_was_stuck_after_its_end_was_asked_for_comes_to_it():
    """Argo Rollouts leaves it Running for ever: it does not read verdicts while it stops."""
    status = {
        "phase": "Running",
        "availableAt": at(-400),
        "conditions": [condition("True", "NewReplicaSetAvailable")],
        "templateStatuses": [entry("a", 0, "Successful"), entry("b", 0, "Successful")],
        "analysisRuns": [{"name": "x", "analysisRun": "trial-x", "phase": "Running"}],
    }
    sets = [replica_set("a", 0), replica_set("b", 0)]
    required = analysis("x", requiredForCompletion=True)
    runs = [run("Successful", terminate=True)]
    model = taken(status, sets, runs, terminate=True, analyses=[required])
    model.settle()
    assert model.phase == "Inconclusive"
