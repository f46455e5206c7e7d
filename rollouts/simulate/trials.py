"""The rules for Experiments, judged on the store.

Owns what no write of a controller may do to an Experiment or its children: take back an end, make
pods for what is over, begin a run before its pods are there, or leave anything behind. Used by
``invariants``.
"""

from collections.abc import Iterator

from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, SERVICES
from rollouts.planner.experiment.draft import COMPLETED
from rollouts.sandbox.objects import controller_of
from rollouts.simulate.ledger import Ledger, Seen, size, status_of


def rules_of_trials(ledger: Ledger, seen: Seen) -> Iterator[str]:
    """What is wrong with one change a controller made."""
    if seen.new is None:
        return
    if seen.resource == EXPERIMENTS and seen.old is not None:
        yield from _end_is_kept(seen.name, status_of(seen.old), status_of(seen.new))
    experiment = experiment_of(ledger, seen.new)
    if experiment is None:
        return
    status = status_of(experiment)
    grows = seen.resource == REPLICA_SETS and size(seen.new) > size(seen.old)
    if grows and status.get("phase") in COMPLETED:
        yield f"ReplicaSet {seen.name} grows though it is over"
    if seen.verb != "create":
        return
    if seen.resource == REPLICA_SETS and size(seen.new):
        yield f"ReplicaSet {seen.name} is born with {size(seen.new)} pods"
    if seen.resource == ANALYSIS_RUNS:
        named = [each["analysisRun"] for each in status.get("analysisRuns") or ()]
        if not status.get("availableAt"):
            yield f"run {seen.name} begins before the pods are there"
        if seen.name not in named:
            yield f"run {seen.name} is made before it is named"


def _end_is_kept(name: str, old: Obj, new: Obj) -> Iterator[str]:
    if old.get("phase") in COMPLETED and new.get("phase") != old["phase"]:
        yield f"{name} was {old['phase']} and becomes {new.get('phase')}"
    if old.get("availableAt") and new.get("availableAt") != old["availableAt"]:
        yield f"{name} is available for the first time once more"


def leftovers(ledger: Ledger) -> Iterator[str]:
    """What is wrong when nothing moves any more."""
    for resource in (REPLICA_SETS, SERVICES, ANALYSIS_RUNS):
        for obj in ledger.all(resource):
            if (controller_of(obj) or {}).get("kind") != EXPERIMENTS.kind:
                continue
            name, experiment = obj["metadata"]["name"], experiment_of(ledger, obj)
            if experiment is None:
                yield f"{resource.kind} {name} has lost its owner"
            elif status_of(experiment).get("phase") not in COMPLETED:
                continue
            elif resource == SERVICES or size(obj):
                yield f"{resource.kind} {name} is still there though it is over"
            elif resource == ANALYSIS_RUNS and status_of(obj).get("phase") not in COMPLETED:
                yield f"run {name} goes on though it is over"


def experiment_of(ledger: Ledger, obj: Obj) -> Obj | None:
    """The Experiment that controls an object, if it exists."""
    uid = (controller_of(obj) or {}).get("uid")
    found = (each for each in ledger.all(EXPERIMENTS) if each["metadata"]["uid"] == uid)
    return next(found, None)
