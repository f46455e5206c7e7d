"""Service selectors: which revision's pods a Service reaches.

Owns the write that points a Service at a revision. Whether that is safe is decided once more for
every plan in ``planner.safety``. Pure; called by both strategies.
"""

from rollouts.api import labels as keys
from rollouts.api.reasons import EventReason
from rollouts.kube.resources import SERVICES
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Obj, Switch, Verb, Write
from rollouts.planner.world import ReplicaSet


def selected_hash(service: Obj | None) -> str:
    """The revision a Service is pinned to, empty when it is not."""
    if service is None:
        return ""
    selector = (service.get("spec") or {}).get("selector") or {}
    return str(selector.get(keys.POD_TEMPLATE_HASH, ""))


def managed(service: Obj) -> bool:
    """Whether some Rollout has taken the Service over already."""
    return keys.MANAGED_BY in (service["metadata"].get("annotations") or {})


def switch(draft: Draft, name: str, target: str) -> None:
    """Point the Service at the revision with hash ``target``; nothing when it already does."""
    service = draft.world.services.get(name)
    before = selected_hash(service)
    if service is None or before == target:
        return
    body: Obj = {"spec": {"selector": {keys.POD_TEMPLATE_HASH: target}}}
    if not managed(service):
        body["metadata"] = {"annotations": {keys.MANAGED_BY: draft.name}}
    draft.writes.append(
        Write(
            Verb.PATCH,
            SERVICES,
            name,
            body,
            resource_version=str(service["metadata"].get("resourceVersion", "")),
            effect=Switch(name, before, target),
        )
    )
    draft.event(
        EventReason.SWITCH_SERVICE,
        f"Switched selector for service '{name}' from '{before}' to '{target}'",
    )


def ensure(draft: Draft, name: str, target: ReplicaSet | None) -> bool:
    """Point a canary's Service at ``target`` once it can serve; False while it cannot yet.

    A Service nobody manages yet is taken over only when every pod is available, so that taking
    over never makes the Service smaller; afterwards one available pod suffices.
    """
    service = draft.world.services.get(name) if name else None
    if service is None or target is None or selected_hash(service) == target.hash:
        return True
    able = target.available > 0 if managed(service) else target.fully_available
    if able:
        switch(draft, name, target.hash)
    return able
