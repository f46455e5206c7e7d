"""One object, several versions: how a stored object looks in the version a client asked for.

Owns the renaming between the two Event types and the two autoscaler versions, and the reading of
custom objects (whose versions differ in name and schema only). Results are new objects or the
stored one itself; the stored one is never changed.
"""

from collections.abc import Callable
from typing import Final

from rollouts.kube.api import Obj
from rollouts.sandbox.objects import copied, dig, meta
from rollouts.sandbox.registry import ResourceInfo

_EVENT_FIELDS: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENT_FIELDS_BACK: Final = {new: old for old, new in _EVENT_FIELDS.items()}


def shown(info: ResourceInfo, obj: Obj) -> Obj:
    """A stored object as a client of ``info`` sees it; the same object where nothing differs."""
    if info.custom is not None:
        return _custom(info, obj)
    if info.storage is None:
        return obj
    return _from_storage(info)({**obj, "apiVersion": info.resource.api_version})


def stored(info: ResourceInfo, obj: Obj) -> Obj:
    """A client's object in the storage version. May share parts with the argument."""
    if info.storage is None:
        return obj
    changed = {**obj, "apiVersion": info.storage.api_version}
    return changed if info.custom is not None else _to_storage(info)(changed)


def current(info: ResourceInfo, obj: Obj) -> Obj:
    """The stored object as the write pipeline compares with: storage version, today's schema."""
    if info.custom is None or info.storage is None:
        return obj
    return {**_custom(info, obj), "apiVersion": info.storage.api_version}


def _custom(info: ResourceInfo, obj: Obj) -> Obj:
    """All versions share one shape; an object older than the schema is read anew by it."""
    same_version = obj["apiVersion"] == info.resource.api_version
    if same_version and int(obj["metadata"]["resourceVersion"]) > info.since:
        return obj
    fresh: Obj = copied(obj)
    fresh["apiVersion"] = info.resource.api_version
    if info.custom is not None:
        schema = info.custom.versions[info.resource.version]
        schema.prune(fresh)
        schema.default(fresh)
    return fresh


def _from_storage(info: ResourceInfo) -> Callable[[Obj], Obj]:
    return _event_to_new if info.resource.kind == "Event" else _hpa_to_v1


def _to_storage(info: ResourceInfo) -> Callable[[Obj], Obj]:
    return _event_to_core if info.resource.kind == "Event" else _hpa_to_v2


def _event_to_new(obj: Obj) -> Obj:
    return {_EVENT_FIELDS.get(name, name): value for name, value in obj.items()}


def _event_to_core(obj: Obj) -> Obj:
    return {_EVENT_FIELDS_BACK.get(name, name): value for name, value in obj.items()}


def _hpa_to_v1(obj: Obj) -> Obj:
    """CPU utilisation has its own field in v1; other metrics are not shown there."""
    spec = {k: v for k, v in (obj.get("spec") or {}).items() if k not in ("metrics", "behavior")}
    status = {
        k: v
        for k, v in (obj.get("status") or {}).items()
        if k not in ("currentMetrics", "conditions")
    }
    for metric in dig(obj, "spec", "metrics") or []:
        if _is_cpu(metric):
            spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"][
                "averageUtilization"
            ]
    return {**obj, "spec": spec, "status": status}


def _hpa_to_v2(obj: Obj) -> Obj:
    spec = dict(obj.get("spec") or {})
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        spec["metrics"] = [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": target},
                },
            }
        ]
    return {**obj, "spec": spec, "metadata": meta(obj)}


def _is_cpu(metric: Obj) -> bool:
    named = dig(metric, "resource", "name") == "cpu"
    return named and dig(metric, "resource", "target", "averageUtilization") is not None
