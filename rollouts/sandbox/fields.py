"""Which fields a type can be selected by, and where their values are.

Owns the list per kind and the refusal of everything else. Parsing and matching are
``rollouts.kube.selectors``; custom types bring their own ``selectableFields``.
"""

from collections.abc import Callable, Mapping
from typing import Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest
from rollouts.kube.selectors import FieldSelector, field_value
from rollouts.sandbox.objects import dig
from rollouts.sandbox.registry import ResourceInfo

_EVERY: Final = frozenset({"metadata.name", "metadata.namespace"})
_INVOLVED: Final = (
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
)
_EVENT_COMMON: Final = frozenset({"reason", "type"})

SELECTABLE: Final[Mapping[str, frozenset[str]]] = {
    "v1/pods": frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        }
    ),
    "v1/events": _EVENT_COMMON
    | {"source", "reportingComponent"}
    | {f"involvedObject.{name}" for name in _INVOLVED},
    "events.k8s.io/v1/events": _EVENT_COMMON
    | {"reportingController"}
    | {f"regarding.{name}" for name in _INVOLVED},
    "v1/nodes": frozenset({"spec.unschedulable"}),
    "v1/namespaces": frozenset({"status.phase"}),
    "v1/secrets": frozenset({"type"}),
    "v1/services": frozenset({"spec.clusterIP", "spec.type"}),
    "apps/v1/replicasets": frozenset({"status.replicas"}),
    "batch/v1/jobs": frozenset({"status.successful"}),
}


def checked_fields(info: ResourceInfo, selector: FieldSelector) -> Callable[[Obj, str], str]:
    """How to read a field of this type's objects. Raises BadRequest for one it does not support."""
    resource = info.resource
    allowed = _EVERY | SELECTABLE.get(f"{resource.api_version}/{resource.plural}", frozenset())
    allowed |= info.selectable
    for requirement in selector.requirements:
        if requirement.field not in allowed:
            raise BadRequest(f"field label not supported: {requirement.field}")
    return _event_value if resource.kind == "Event" else _value


def _value(obj: Obj, field: str) -> str:
    if field == "status.podIPs":
        return ",".join(str(one.get("ip", "")) for one in dig(obj, "status", "podIPs") or [])
    if field == "spec.hostNetwork":
        return field_value(obj, field) or "false"
    if field == "status.successful":
        return field_value(obj, "status.succeeded") or "0"
    return field_value(obj, field)


def _event_value(obj: Obj, field: str) -> str:
    if field == "source":
        return field_value(obj, "source.component") or field_value(obj, "reportingComponent")
    return field_value(obj, field)
