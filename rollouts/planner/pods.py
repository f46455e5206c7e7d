"""What pods say of themselves, and which revision they belong to.

Owns the reading of live pods: whose they are, how old, whether they serve. Refuses to decide
anything about them. Pure; used by whatever works on single pods (restarts, metadata), while sizes
and availability are otherwise read from ReplicaSets.
"""

from collections.abc import Sequence

from analysis.times import parse_time
from rollouts.planner.world import Obj, ReplicaSet, World


def by_owner(world: World) -> dict[str, list[Obj]]:
    """Pods by the uid of the ReplicaSet that controls them, each list in the order of names."""
    found: dict[str, list[Obj]] = {}
    for pod in sorted(world.pods, key=lambda p: str(p["metadata"]["name"])):
        for owner in pod["metadata"].get("ownerReferences") or ():
            if owner.get("controller"):
                found.setdefault(str(owner.get("uid", "")), []).append(pod)
    return found


def uid(pod: Obj) -> str:
    return str(pod["metadata"].get("uid", ""))


def created(pod: Obj) -> float:
    """Seconds since the epoch; a pod without a time is as old as can be."""
    return parse_time(pod["metadata"].get("creationTimestamp")) or 0.0


def leaving(pod: Obj) -> bool:
    """Whether it has been told to stop."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def ready_since(pod: Obj) -> float | None:
    """Since when it has been ready (seconds since the epoch); None when it is not."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return parse_time(condition.get("lastTransitionTime")) or 0.0
    return None


def available(pod: Obj, min_ready_seconds: float, now: float) -> bool:
    """Ready for long enough, and staying: what a ReplicaSet counts as available."""
    since = ready_since(pod)
    return since is not None and not leaving(pod) and since + min_ready_seconds <= now


def serving(world: World, rs: ReplicaSet) -> int:
    """How many available pods the ReplicaSet keeps, in replicas.

    Its own count still includes pods that a restart has sent away, until its controller notices;
    those must not be counted upon a second time by whatever else takes pods away.
    """
    at = world.rollout.spec.restart_at
    if at is None or world.now < at or not world.pods:
        return rs.available
    mine = by_owner(world).get(rs.uid, [])
    sent_away = sum(1 for pod in mine if leaving(pod) and created(pod) < at)
    if not sent_away:
        return rs.available
    return max(min(rs.available, staying(world, mine)), rs.available - sent_away)


def staying(world: World, pods: list[Obj]) -> int:
    """How many of ``pods`` are available now, by what they say themselves."""
    seconds = world.rollout.spec.min_ready_seconds
    return sum(1 for pod in pods if available(pod, seconds, world.now))


def trouble(pods: Sequence[Obj], rs: ReplicaSet) -> str:
    """What keeps pods of ``rs`` from coming, as they and their controller say; else empty."""
    reasons: dict[str, str] = {}
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or []
        if not any(owner.get("uid") == rs.uid for owner in owners):
            continue
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") and waiting["reason"] != "ContainerCreating":
                where = f"pod {pod['metadata']['name']}, container {container.get('name')}"
                reasons.setdefault(waiting["reason"], f"{where}: {waiting['reason']}")
    failure = next(
        (
            str(c.get("message"))
            for c in (rs.raw.get("status") or {}).get("conditions") or []
            if c.get("type") == "ReplicaFailure" and c.get("status") == "True"
        ),
        "",
    )
    told = [*([failure] if failure else []), *reasons.values()]
    return "; " + "; ".join(told[:3]) if told else ""
