"""Whether two pod templates mean the same pods.

Owns what does not count as a difference: defaults the API server fills in, empty values, and what
the controller itself put there (``api.injected``). This is what lets a revision keep its ReplicaSet
when the hash algorithm changes (Argo Rollouts' behaviour). Pure; called by ``planner.revision`` and
by ``undo``.
"""

from typing import Any

from rollouts.api import labels as keys
from rollouts.api.injected import without_injections
from rollouts.kube.poddefaults import default_pod_template
from rollouts.planner.plan import Obj
from rollouts.planner.world import ReplicaSet


def same_template(replica_set: ReplicaSet, template: Obj) -> bool:
    """Whether the ReplicaSet's pods are what ``template`` of the Rollout asks for."""
    if _images(replica_set.template) != _images(template):
        return False
    return same_pods(without_injections(replica_set.raw), template)


def same_pods(one: Obj, other: Obj) -> bool:
    """Whether two pod templates mean the same pods."""
    return _essence(one) == _essence(other)


def _images(template: Obj) -> list[Any]:
    """What nobody defaults or injects: unequal images are unequal pods, at no cost."""
    spec = template.get("spec") or {}
    containers = spec.get("containers") or []
    return [each.get("image") for each in containers if isinstance(each, dict)]


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
