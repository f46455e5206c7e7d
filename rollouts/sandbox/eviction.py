"""pods/eviction: a deletion that asks the disruption budgets first.

Owns the arithmetic of a PodDisruptionBudget, done on the spot from the pods that are there (there
is no disruption controller to keep its status). Called by ``subresources``.
"""

import math
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import ServerError, Throttled
from rollouts.kube.resources import PODS, REPLICA_SETS
from rollouts.kube.selectors import from_object
from rollouts.sandbox.builtins import POD_DISRUPTION_BUDGETS
from rollouts.sandbox.core import Core
from rollouts.sandbox.deleting import Deleter
from rollouts.sandbox.objects import controller_of, dig, group_of, meta
from rollouts.sandbox.options import DeleteOptions, Options
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Key
from rollouts.sandbox.scale import scale_of

_REFUSED: Final = "Cannot evict pod as it would violate the pod's disruption budget."


def evict(  # noqa: PLR0917 - what a request to this subresource consists of
    core: Core,
    deleter: Deleter,
    info: ResourceInfo,
    namespace: str | None,
    name: str,
    body: Obj,
    options: Options,
) -> Obj:
    """Delete the pod unless a budget forbids it. Raises Throttled (429) when one does."""
    pod = core.find(info, namespace, name)
    wanted = body.get("deleteOptions") or {}
    conditions = wanted.get("preconditions") or {}
    dry_run = options.dry_run or bool(wanted.get("dryRun"))
    if _needs_budget(pod):
        _check_budget(core, pod)
    deleter.delete(
        info,
        namespace,
        name,
        DeleteOptions(
            propagation=wanted.get("propagationPolicy", ""),
            uid=conditions.get("uid", ""),
            resource_version=conditions.get("resourceVersion", ""),
            grace_period_seconds=wanted.get("gracePeriodSeconds"),
        ),
        Options(dry_run=dry_run),
    )
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _needs_budget(pod: Obj) -> bool:
    """A pod that has ended, has not started, or is going anyway disrupts nothing."""
    idle = dig(pod, "status", "phase") in ("Pending", "Succeeded", "Failed")
    return not idle and "deletionTimestamp" not in pod["metadata"]


def _check_budget(core: Core, pod: Obj) -> None:
    budgets = _budgets_of(core, pod)
    if len(budgets) > 1:
        raise ServerError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
    if not budgets:
        return
    budget = budgets[0]
    pods = _pods_of(core, budget)
    healthy = sum(1 for one in pods if _is_ready(one))
    needed = _desired_healthy(core, budget, pods)
    if not _is_ready(pod):
        always = dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow"
        if always or (healthy >= needed > 0):
            return
    if healthy - 1 >= needed:
        return
    name = budget["metadata"]["name"]
    why = f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
    raise Throttled(_REFUSED, details={"causes": [{"reason": "DisruptionBudget", "message": why}]})


def _budgets_of(core: Core, pod: Obj) -> list[Obj]:
    namespace, labels = pod["metadata"]["namespace"], meta(pod).get("labels")
    return [
        budget
        for _, budget in core.store.items(POD_DISRUPTION_BUDGETS.group_resource, namespace)
        if from_object(dig(budget, "spec", "selector")).matches(labels)
    ]


def _pods_of(core: Core, budget: Obj) -> list[Obj]:
    selector = from_object(dig(budget, "spec", "selector"))
    return [
        pod
        for _, pod in core.store.items(PODS.group_resource, budget["metadata"]["namespace"])
        if selector.matches(meta(pod).get("labels"))
        and dig(pod, "status", "phase") not in ("Succeeded", "Failed")
    ]


def _is_ready(pod: Obj) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = dig(pod, "status", "conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _desired_healthy(core: Core, budget: Obj, pods: list[Obj]) -> int:
    spec = budget.get("spec") or {}
    expected = _expected(core, pods)
    if "maxUnavailable" in spec:
        return max(0, expected - _amount(spec["maxUnavailable"], expected))
    minimum = spec.get("minAvailable", 0)
    return _amount(minimum, expected)


def _amount(value: Any, total: int) -> int:
    """Percentages round up, for what must stay as for what may go."""
    if isinstance(value, int):
        return value
    return math.ceil(float(str(value).removesuffix("%")) * total / 100)


def _expected(core: Core, pods: list[Obj]) -> int:
    """How many pods their controllers want in total; a pod without a controller counts as one."""
    wanted: dict[str, int] = {}
    for pod in pods:
        owner = _controller(core, pod)
        if owner is None:
            wanted[pod["metadata"]["uid"]] = 1
            continue
        info, obj = owner
        above = _controller(core, obj)
        if above is not None and above[0].subresource("scale") is not None:
            info, obj = above
        shown = core.shown(info, obj)
        wanted[obj["metadata"]["uid"]] = int(scale_of(info, shown)["spec"]["replicas"])
    return sum(wanted.values())


def _controller(core: Core, obj: Obj) -> tuple[ResourceInfo, Obj] | None:
    """The object that controls another, if its kind is served and can be scaled."""
    owner = controller_of(obj)
    if owner is None:
        return None
    group, version = group_of(owner["apiVersion"]), owner["apiVersion"].rpartition("/")[2]
    info = core.registry.by_kind(group, version, owner["kind"])
    if info is None or not info.resource.namespaced:
        return None
    found = core.store.get(info.bucket, Key(obj["metadata"]["namespace"], owner["name"]))
    scalable = info.resource == REPLICA_SETS or info.subresource("scale") is not None
    if found is None or found["metadata"]["uid"] != owner["uid"] or not scalable:
        return None
    return info, found
