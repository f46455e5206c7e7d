"""What a Deployment's status says.

Owns the counts and the conditions Available and Progressing, as ``kubectl rollout status`` reads
them. Pure: a function of the Deployment, its ReplicaSets and the time. Called by the Deployment
controller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from analysis.times import format_time, parse_time
from rollouts.kube.api import Obj
from rollouts.sandbox.controllers.objects import condition, meta, spec, status, without_condition
from rollouts.sandbox.controllers.revisions import wanted_replicas
from rollouts.sandbox.controllers.rolling import Limits, limits

# A Deployment without a progress deadline carries this number: it never times out.
NO_DEADLINE: Final = 2**31 - 1


class Reason(StrEnum):
    """Condition reasons, spelled as kubectl and dashboards read them."""

    AVAILABLE = "MinimumReplicasAvailable"
    UNAVAILABLE = "MinimumReplicasUnavailable"
    CREATED = "NewReplicaSetCreated"
    FOUND = "FoundNewReplicaSet"
    UPDATED = "ReplicaSetUpdated"
    COMPLETE = "NewReplicaSetAvailable"
    TIMED_OUT = "ProgressDeadlineExceeded"
    PAUSED = "DeploymentPaused"
    RESUMED = "DeploymentResumed"


@dataclass(frozen=True, slots=True)
class Family:
    """A Deployment with its ReplicaSets. ``now`` in seconds since the epoch."""

    deployment: Obj
    new: Obj | None
    old: Sequence[Obj]
    now: float

    @property
    def everyone(self) -> list[Obj]:
        return [*self.old, self.new] if self.new is not None else [*self.old]

    @property
    def replicas(self) -> int:
        return wanted_replicas(self.deployment)

    @property
    def recreates(self) -> bool:
        return (spec(self.deployment).get("strategy") or {}).get("type") == "Recreate"

    @property
    def limits(self) -> Limits:
        """MaxSurge and maxUnavailable in replicas; Recreate may take everything away."""
        if self.recreates:
            return Limits(0, self.replicas)
        rolling = (spec(self.deployment).get("strategy") or {}).get("rollingUpdate") or {}
        return limits(self.replicas, rolling.get("maxSurge"), rolling.get("maxUnavailable"))


def total(sets: Iterable[Obj], field: str) -> int:
    """The sum of one status count."""
    return sum(int(status(one).get(field) or 0) for one in sets)


def deploy_condition(
    conditions: Iterable[Obj], kind: str, state: str, reason: str, message: str, *, now: float
) -> list[Obj]:
    """Sets one condition; writing the same status and reason again changes nothing."""
    kept = list(conditions)
    old = next((found for found in kept if found.get("type") == kind), None)
    if old and (old.get("status"), old.get("reason")) == (state, reason):
        return kept
    same = old is not None and old.get("status") == state
    new = {
        "type": kind,
        "status": state,
        "lastUpdateTime": format_time(now),
        "lastTransitionTime": old["lastTransitionTime"] if same and old else format_time(now),
        "reason": reason,
        "message": message,
    }
    return [*without_condition(kept, kind), new]


def counts(family: Family) -> Obj:
    everyone = family.everyone
    available = total(everyone, "availableReplicas")
    wanted = sum(wanted_replicas(one) for one in everyone)
    return {
        "observedGeneration": meta(family.deployment).get("generation", 0),
        "replicas": total(everyone, "replicas"),
        "updatedReplicas": total([family.new] if family.new else [], "replicas"),
        "readyReplicas": total(everyone, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }


def complete(family: Family, now: Obj) -> bool:
    """All pods are of the present template, exist and are available."""
    wanted = family.replicas
    return bool(now["updatedReplicas"] == now["replicas"] == now["availableReplicas"] == wanted)


def _progressed(before: Obj, now: Obj) -> bool:
    def of(counted: Obj, field: str) -> int:
        return int(counted.get(field) or 0)

    def old(counted: Obj) -> int:
        return of(counted, "replicas") - of(counted, "updatedReplicas")

    grew = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(now) < old(before) or any(of(now, name) > of(before, name) for name in grew)


def deadline(deployment: Obj) -> float | None:
    """When the rollout counts as stuck, in seconds since the epoch; None when it cannot."""
    seconds = spec(deployment).get("progressDeadlineSeconds", 600)
    found = condition(deployment, "Progressing")
    settled = (Reason.COMPLETE, Reason.TIMED_OUT, Reason.PAUSED)
    if seconds is None or seconds == NO_DEADLINE or not found or found.get("reason") in settled:
        return None
    since = parse_time(found.get("lastUpdateTime"))
    return None if since is None else since + float(seconds)


def _progressing(family: Family, conditions: list[Obj], now: Obj) -> list[Obj]:
    deployment = family.deployment
    found = condition(deployment, "Progressing")
    known = found.get("reason") if found else None
    if known == Reason.COMPLETE and now["replicas"] == now["updatedReplicas"]:
        return conditions
    name = meta(family.new)["name"] if family.new else ""
    if spec(deployment).get("paused"):
        return conditions
    if complete(family, now):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return deploy_condition(
            conditions, "Progressing", "True", Reason.COMPLETE, message, now=family.now
        )
    if _progressed(status(deployment), now):
        # Removed first: each step forward restarts the deadline, also under the same reason.
        since = (found or {}).get("lastTransitionTime")
        message = f'ReplicaSet "{name}" is progressing.'
        fresh = deploy_condition(
            without_condition(conditions, "Progressing"),
            "Progressing",
            "True",
            Reason.UPDATED,
            message,
            now=family.now,
        )
        if since and (found or {}).get("status") == "True":
            fresh[-1]["lastTransitionTime"] = since
        return fresh
    due = deadline(deployment)
    if due is not None and family.now >= due:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return deploy_condition(
            conditions, "Progressing", "False", Reason.TIMED_OUT, message, now=family.now
        )
    return conditions


def pause_conditions(deployment: Obj, conditions: list[Obj], now: float) -> list[Obj]:
    """Pausing stops the progress deadline; resuming starts it anew."""
    known = (condition(deployment, "Progressing") or {}).get("reason")
    paused = bool(spec(deployment).get("paused"))
    if known == Reason.TIMED_OUT or paused == (known == Reason.PAUSED):
        return conditions
    reason = Reason.PAUSED if paused else Reason.RESUMED
    message = "Deployment is paused" if paused else "Deployment is resumed"
    return deploy_condition(conditions, "Progressing", "Unknown", reason, message, now=now)


def deployment_status(family: Family, conditions: list[Obj]) -> Obj:
    """The status to write, starting from ``conditions`` as this pass has changed them."""
    now = counts(family)
    floor = family.replicas - family.limits.unavailable
    enough = now["availableReplicas"] >= floor
    conditions = deploy_condition(
        conditions,
        "Available",
        "True" if enough else "False",
        Reason.AVAILABLE if enough else Reason.UNAVAILABLE,
        "enough replicas are available" if enough else "too few replicas are available",
        now=family.now,
    )
    conditions = _progressing(family, conditions, now)
    return {**now, "conditions": conditions}
