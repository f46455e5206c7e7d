"""Questions every controller asks about a raw object, answered once.

Owns the reading of metadata, owner references, pod readiness and condition lists. Pure: no clock of
its own, no writes; every time is a parameter in seconds since the epoch. Objects that come in are
never changed. Called by all controllers of this package.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from analysis.times import format_time, parse_time
from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import Resource

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


def meta(obj: Mapping[str, Any]) -> Obj:
    found: Obj = obj.get("metadata") or {}
    return found


def spec(obj: Mapping[str, Any]) -> Obj:
    found: Obj = obj.get("spec") or {}
    return found


def status(obj: Mapping[str, Any]) -> Obj:
    found: Obj = obj.get("status") or {}
    return found


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return meta(obj).get("labels") or {}


def annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    return meta(obj).get("annotations") or {}


def uid(obj: Mapping[str, Any]) -> str:
    return str(meta(obj).get("uid", ""))


def key_of(obj: Mapping[str, Any]) -> Key:
    return Key(meta(obj).get("namespace", ""), meta(obj)["name"])


def deleting(obj: Mapping[str, Any]) -> bool:
    return bool(meta(obj).get("deletionTimestamp"))


def created_at(obj: Mapping[str, Any]) -> float:
    """Seconds since the epoch; 0 for an object that was never stored."""
    return parse_time(meta(obj).get("creationTimestamp")) or 0.0


def controller_of(obj: Mapping[str, Any]) -> Obj | None:
    """The owner reference that says ``controller: true``, if there is one."""
    references: list[Obj] = meta(obj).get("ownerReferences") or []
    return next((ref for ref in references if ref.get("controller")), None)


def controller_uid(obj: Mapping[str, Any]) -> str:
    return str((controller_of(obj) or {}).get("uid", ""))


def owner_reference(resource: Resource, owner: Mapping[str, Any]) -> Obj:
    """What a child carries to say that ``owner`` manages it."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": meta(owner)["name"],
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def finished(pod: Mapping[str, Any]) -> bool:
    return status(pod).get("phase") in ("Succeeded", "Failed")


def active(pod: Mapping[str, Any]) -> bool:
    """Counts towards the replicas its owner wants: neither finished nor on its way out."""
    return not finished(pod) and not deleting(pod)


def condition(obj: Mapping[str, Any], kind: str) -> Obj | None:
    conditions: list[Obj] = (obj.get("status") or {}).get("conditions") or []
    for found in conditions:
        if found.get("type") == kind:
            return found
    return None


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    return (condition(obj, kind) or {}).get("status") == "True"


def ready(pod: Mapping[str, Any]) -> bool:
    return is_true(pod, "Ready")


def available_at(pod: Mapping[str, Any], min_ready_seconds: float) -> float | None:
    """When a ready pod counts as available (seconds since the epoch).

    None while it is not ready, and where nobody wrote down since when it is.
    """
    if not ready(pod):
        return None
    since = parse_time((condition(pod, "Ready") or {}).get("lastTransitionTime"))
    return None if since is None else since + min_ready_seconds


def available(pod: Mapping[str, Any], min_ready_seconds: float, now: float) -> bool:
    if min_ready_seconds <= 0:
        return ready(pod)
    due = available_at(pod, min_ready_seconds)
    return due is not None and due <= now


def restarts(pod: Mapping[str, Any]) -> int:
    """The restarts of all containers together."""
    statuses = [
        *(status(pod).get("initContainerStatuses") or ()),
        *(status(pod).get("containerStatuses") or ()),
    ]
    return sum(int(one.get("restartCount", 0)) for one in statuses)


def with_condition(
    conditions: Iterable[Obj], kind: str, state: str, reason: str, message: str, *, now: float
) -> list[Obj]:
    """``conditions`` with one of them set; its transition time moves only when its status does."""
    kept = list(conditions)
    old = next((found for found in kept if found.get("type") == kind), None)
    same = old is not None and old.get("status") == state
    if same and old and (old.get("reason"), old.get("message")) == (reason, message):
        return kept
    moment = old.get("lastTransitionTime") if same and old else None
    new = {
        "type": kind,
        "status": state,
        "lastTransitionTime": moment or format_time(now),
        "reason": reason,
        "message": message,
    }
    return [new if found is old else found for found in kept] if old else [*kept, new]


def without_condition(conditions: Iterable[Obj], kind: str) -> list[Obj]:
    return [found for found in conditions if found.get("type") != kind]


def share_of(value: int | str | None, total: int, *, default: int | str, round_up: bool) -> int:
    """An int-or-percent field in replicas of ``total``; percentages round up or down."""
    wanted = default if value is None else value
    if isinstance(wanted, int):
        return wanted
    if not wanted.endswith("%"):
        return int(wanted)
    exact = int(wanted[:-1]) * total
    return -(-exact // 100) if round_up else exact // 100


def by_name(objects: Iterable[Obj]) -> list[Obj]:
    return sorted(objects, key=lambda found: str(meta(found).get("name", "")))


def drop_managed_fields(obj: Obj) -> Obj:
    """The object as a cache of this package keeps it: whole, without the field ledger."""
    if "managedFields" not in meta(obj):
        return obj
    kept = {name: value for name, value in meta(obj).items() if name != "managedFields"}
    return {**obj, "metadata": kept}


def subset_differs(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether writing ``wanted`` over ``current`` would change anything (None means absent)."""
    return any(current.get(name) != value for name, value in wanted.items())


def container_names(pod_spec: Mapping[str, Any], field: str = "containers") -> Sequence[str]:
    return [str(one.get("name", "")) for one in pod_spec.get(field) or ()]
