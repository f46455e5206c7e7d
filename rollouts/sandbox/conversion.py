"""One object, several versions: how a stored object looks in the version a client asked for.

Owns the renaming between the two Event types and the two autoscaler versions, and the reading of
custom objects (whose versions differ in name and schema only). Results are new objects or the
stored one itself; the stored one is never changed.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest
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


_KEPT_BY: Final = "autoscaling.alpha.kubernetes.io/"
_SPEC_KEPT: Final = ("metrics", "behavior")


def _hpa_to_v1(obj: Obj) -> Obj:
    """CPU utilisation has its own field in v1; what v1 cannot say travels in annotations."""
    spec = dict(obj.get("spec") or {})
    metrics = spec.pop("metrics", None) or []
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    if cpu is not None:
        target = cpu["resource"]["target"]
        spec["targetCPUUtilizationPercentage"] = target["averageUtilization"]
    unsaid = {
        "metrics": [metric for metric in metrics if metric is not cpu],
        "behavior": spec.pop("behavior", None),
    }
    annotations = dict(meta(obj).get("annotations") or {})
    for field, value in unsaid.items():
        if value:
            annotations[_KEPT_BY + field] = orjson.dumps(value).decode()
    metadata = {**meta(obj), "annotations": annotations} if annotations else meta(obj)
    status = dict(obj.get("status") or {})
    status.pop("currentMetrics", None)
    status.pop("conditions", None)
    return {**obj, "metadata": metadata, "spec": spec, "status": status}


def _hpa_to_v2(obj: Obj) -> Obj:
    spec, metadata = dict(obj.get("spec") or {}), dict(meta(obj))
    annotations = dict(metadata.pop("annotations", None) or {})
    for field in _SPEC_KEPT:
        text = annotations.pop(_KEPT_BY + field, None)
        if text is not None:
            spec[field] = _read(field, text)
    if annotations:
        metadata["annotations"] = annotations
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        spec["metrics"] = [*spec.get("metrics", []), cpu]
    return {**obj, "spec": spec, "metadata": metadata}


def _read(field: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest(f"annotation {_KEPT_BY}{field} is not JSON") from None


def _is_cpu(metric: Obj) -> bool:
    named = dig(metric, "resource", "name") == "cpu"
    return named and dig(metric, "resource", "target", "averageUtilization") is not None
