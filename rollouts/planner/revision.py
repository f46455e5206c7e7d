"""Revisions: which ReplicaSet a pod template belongs to, its number, and how long it is kept.

Owns finding, naming and creating the new ReplicaSet, the revision annotations and the history
limit. Refuses to size anything: a ReplicaSet is born with zero replicas. Pure; called at the start
of every pass.
"""

import copy
from dataclasses import dataclass
from typing import Final

from rollouts.api import labels as keys
from rollouts.api.reasons import EventReason
from rollouts.api.rollout import API_VERSION, Rollout
from rollouts.kube.resources import ANALYSIS_RUNS, REPLICA_SETS
from rollouts.planner import affinity, creation, metadata
from rollouts.planner.draft import Draft
from rollouts.planner.hashing import template_hash
from rollouts.planner.plan import Event, Obj, Verb, Write
from rollouts.planner.template import same_template
from rollouts.planner.world import ReplicaSet, World

_HISTORY_SEPARATOR: Final = ","


@dataclass(frozen=True, slots=True)
class Revisions:
    """The Rollout's ReplicaSets by role; ``hash`` is what a new one would be labelled with."""

    hash: str
    new: ReplicaSet | None
    stable: ReplicaSet | None
    others: tuple[ReplicaSet, ...]


def sort_out(world: World) -> Revisions:
    """Find the new and the stable ReplicaSet.

    The new one is found by its hash label, else by a template that means the same pods, the
    current revision first and then the oldest; what exists keeps its label for ever.
    """
    rollout = world.rollout
    computed = template_hash(rollout.spec.template, rollout.status.collision_count)
    ordered = sorted(world.replica_sets, key=lambda rs: (rs.created, rs.revision, rs.name))
    new = next((rs for rs in ordered if rs.hash == computed and not rs.deleting), None)
    if new is None:
        current = rollout.status.current_pod_hash
        candidates = sorted(ordered, key=lambda rs: rs.hash != current)
        same = (rs for rs in candidates if same_template(rs, rollout.spec.template))
        new = next((rs for rs in same if not rs.deleting), None)
    wanted = rollout.status.stable_rs
    stable = next((rs for rs in ordered if wanted and rs.hash == wanted), None)
    chosen = {rs.name for rs in (new, stable) if rs}
    return Revisions(computed, new, stable, tuple(r for r in ordered if r.name not in chosen))


def create(world: World, revisions: Revisions) -> tuple[Write, tuple[Event, ...]]:
    """The new ReplicaSet, without replicas, and what to tell users."""
    rollout = world.rollout
    meta = rollout.metadata
    number = _next_number(world.replica_sets, "")
    name = f"{meta.name}-{revisions.hash}"
    template = copy.deepcopy(rollout.spec.template)
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels[keys.POD_TEMPLATE_HASH] = revisions.hash
    own = dict(labels)
    injected = metadata.dress(template, rollout, update=revisions.stable is not None)
    affinity.inject(template, rollout, rollout.status.stable_rs, revisions.hash)
    annotations = (
        _copied(rollout)
        | injected
        | {
            keys.REVISION: str(number),
            keys.DESIRED_REPLICAS: str(rollout.spec.replicas_or_default),
        }
    )
    spec: Obj = {
        "replicas": 0,
        "selector": _selector(rollout, revisions.hash),
        "template": template,
    }
    if rollout.spec.min_ready_seconds:
        spec["minReadySeconds"] = rollout.spec.min_ready_seconds
    body: Obj = {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": own,
            "annotations": annotations,
            "ownerReferences": [owner_reference(rollout)],
        },
        "spec": spec,
    }
    message = f"Created ReplicaSet {name} (revision {number})"
    events = (
        Event("Normal", EventReason.UPDATED, f"Rollout updated to revision {number}"),
        Event("Normal", EventReason.NEW_REPLICA_SET, message),
    )
    refused = creation.otherwise(world, name)
    return Write(Verb.CREATE, REPLICA_SETS, name, body, otherwise=refused), events


def owner_reference(rollout: Rollout) -> Obj:
    """The controller reference every child of the Rollout carries."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "name": rollout.metadata.name,
        "uid": rollout.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def sync(draft: Draft) -> None:
    """Keep the new ReplicaSet's annotations and the Rollout's revision up to date.

    A template that comes back gets a new, highest revision number; the old ones are remembered.
    """
    new, rollout = draft.new, draft.rollout
    existing = new.raw["metadata"].get("annotations") or {}
    wanted = _copied(rollout)
    number = _next_number(draft.world.replica_sets, new.name)
    if new.revision < number:
        wanted[keys.REVISION] = str(number)
        if new.revision:
            history = existing.get(keys.REVISION_HISTORY)
            passed = [history] if history else []
            wanted[keys.REVISION_HISTORY] = _HISTORY_SEPARATOR.join([*passed, str(new.revision)])
    body: Obj = {}
    changed = {key: value for key, value in wanted.items() if existing.get(key) != value}
    if changed:
        body["metadata"] = {"annotations": changed}
    ready_seconds = rollout.spec.min_ready_seconds
    if (new.raw["spec"].get("minReadySeconds") or 0) != ready_seconds:
        body["spec"] = {"minReadySeconds": ready_seconds}
    if body:
        draft.patch_set(new, body)
    current = str(max(number, new.revision))
    if rollout.metadata.annotations.get(keys.REVISION) != current:
        draft.patch_rollout({"metadata": {"annotations": {keys.REVISION: current}}})
        if new.revision and new.revision < number:
            draft.event(EventReason.UPDATED, f"Rollout updated to revision {current}")


def revision_number(draft: Draft) -> int:
    """The number the new ReplicaSet has, or is about to get."""
    return max(draft.new.revision, _next_number(draft.world.replica_sets, draft.new.name))


def clean_history(draft: Draft) -> None:
    """Delete the oldest ReplicaSets beyond the limit, and the runs that belong to them.

    Only what is empty, settled and not in use is a candidate.
    """
    kept = [rs for rs in draft.others if not rs.deleting]
    surplus = len(kept) - draft.spec.history_limit
    for old in kept[: max(0, surplus)]:
        if old.spec or old.replicas or not old.observed:
            continue
        draft.writes.append(
            Write(
                Verb.DELETE,
                REPLICA_SETS,
                old.name,
                {},
                resource_version=old.resource_version,
                uid=old.uid,
            )
        )
        for run in draft.world.runs:
            if run.owned and run.labels.get(keys.POD_TEMPLATE_HASH) == old.hash:
                uid = str(run.raw["metadata"].get("uid", ""))
                draft.writes.append(Write(Verb.DELETE, ANALYSIS_RUNS, run.name, {}, uid=uid))


def _next_number(replica_sets: tuple[ReplicaSet, ...], but: str) -> int:
    return max((rs.revision for rs in replica_sets if rs.name != but), default=0) + 1


def _copied(rollout: Rollout) -> dict[str, str]:
    annotations = rollout.metadata.annotations
    return {key: value for key, value in annotations.items() if key not in keys.NOT_COPIED}


def _selector(rollout: Rollout, pod_hash: str) -> Obj:
    selector = copy.deepcopy((rollout.raw.get("spec") or {}).get("selector") or {})
    selector.setdefault("matchLabels", {})[keys.POD_TEMPLATE_HASH] = pod_hash
    result: Obj = selector
    return result
