"""Whether two pod templates mean the same pods.

Owns what does not count as a difference: defaults the API server fills in, the hash label, injected
anti-affinity and injected metadata. This is what lets a revision keep its ReplicaSet when the hash
algorithm changes (Argo Rollouts' behaviour). Pure; called by ``planner.revision``.
"""

import copy
import json
from typing import Any

from rollouts.api import labels as keys
from rollouts.kube.poddefaults import default_pod_template
from rollouts.planner.plan import Obj
from rollouts.planner.world import ReplicaSet


def same_template(replica_set: ReplicaSet, template: Obj) -> bool:
    """Whether the ReplicaSet's pods are what ``template`` of the Rollout asks for."""
    return _essence(_without_injections(replica_set)) == _essence(template)


def _essence(template: Obj) -> Obj:
    whole = default_pod_template(template)
    labels = (whole.get("metadata") or {}).get("labels") or {}
    labels.pop(keys.POD_TEMPLATE_HASH, None)
    whole.get("spec", {}).pop("serviceAccount", None)
    (whole.get("metadata") or {}).pop("creationTimestamp", None)
    essence: Obj = _without_empties(whole)
    return essence


def _without_empties(value: Any) -> Any:
    """Absent, null and empty are one thing to the API types."""
    if isinstance(value, dict):
        inner = {key: _without_empties(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in (None, {}, [], "")}
    if isinstance(value, list):
        return [_without_empties(item) for item in value]
    return value


def _without_injections(replica_set: ReplicaSet) -> Obj:
    template = copy.deepcopy(replica_set.template)
    injected = _injected_metadata(replica_set)
    metadata = template.get("metadata") or {}
    for part in ("labels", "annotations"):
        for key in injected.get(part) or {}:
            (metadata.get(part) or {}).pop(key, None)
    _drop_anti_affinity(template.get("spec") or {})
    return template


def _injected_metadata(replica_set: ReplicaSet) -> Obj:
    annotations = replica_set.raw["metadata"].get("annotations") or {}
    try:
        value = json.loads(annotations.get(keys.EPHEMERAL_METADATA, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _drop_anti_affinity(spec: Obj) -> None:
    """Remove the terms that keep revisions apart; they name another revision's hash."""
    rules = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    for key in (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    ):
        if key in rules:
            rules[key] = [term for term in rules[key] if not _is_injected(term)]


def _is_injected(term: Obj) -> bool:
    plain = term.get("podAffinityTerm", term)
    expressions = (plain.get("labelSelector") or {}).get("matchExpressions") or []
    return any(e.get("key") == keys.POD_TEMPLATE_HASH for e in expressions)
