"""Restarts: pods from before ``spec.restartAt`` are replaced, a few at a time.

Owns which pods go next and when a restart is complete. Argo Rollouts' behaviour, with two
differences: pods that are not ready go, too, while too few are available, or a restart could not
mend what does not start; and pods that are about to be scaled away are not counted upon. Pods go
through the Eviction API, so disruption budgets have a say; their ReplicaSets replace them. Runs
whatever else is going on, also while paused. Pure; called at the end of every pass.
"""

from collections.abc import Iterator
from typing import Final

from analysis.times import format_time
from rollouts.kube.resources import PODS
from rollouts.planner import pods as live
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Blocker, Obj, Verb, Write
from rollouts.planner.world import ReplicaSet

RETRY_SECONDS: Final = 30.0  # what a disruption budget forbade, it may allow later


def run(draft: Draft) -> None:
    """Ask pods away as far as availability allows, and note when the last one is on its way."""
    at = _pending(draft)
    if at is None:
        return
    if draft.now < at:
        draft.wake(at)
        return
    if not _remaining(draft, at) and _all_seen(draft):
        draft.set(restarted_at=at)
        return
    draft.wake(draft.now + RETRY_SECONDS)
    if not draft.changed_sizes:  # otherwise the next pass, which knows the new sizes
        draft.writes += _evictions(draft, at)


def blockers(draft: Draft) -> Iterator[Blocker]:
    """What a restart waits for."""
    at = _pending(draft)
    if at is None:
        return
    rollout, field = f"Rollout/{draft.name}", "spec.restartAt"
    if draft.now < at:
        yield Blocker(
            "RestartScheduled",
            f"all pods are to be replaced at {format_time(at)}",
            object=rollout,
            field=field,
            until=at,
            then="the restart begins",
        )
        return
    old = [pod for _, pods in _by_set(draft) for pod in pods if live.created(pod) < at]
    unsure = sum(1 for pod in old if live.uid(pod) in draft.world.unconfirmed)
    going = sum(1 for pod in old if live.leaving(pod))
    yield Blocker(
        "Restarting",
        f"{len(old)} pods are older than {format_time(at)}: {max(going - unsure, 0)} are leaving, "
        f"{unsure} are asked to, as disruption budgets allow, {len(old) - going} wait until more "
        f"pods are available ({_concurrent(draft)} may be missing at once)",
        object=rollout,
        field=field,
        since=at,
        command=f"kubectl get poddisruptionbudgets -n {draft.rollout.metadata.namespace}",
    )


def _pending(draft: Draft) -> float | None:
    """The time of a restart that is not complete (seconds since the epoch)."""
    at = draft.spec.restart_at
    return None if at == draft.status.restarted_at else at


def _by_set(draft: Draft) -> list[tuple[ReplicaSet, list[Obj]]]:
    """ReplicaSets with their pods, the stable one first, then the new one, then by age."""
    pods = live.by_owner(draft.world)
    first = [rs for rs in (draft.stable, draft.new) if rs is not None]
    ordered = {rs.name: rs for rs in (*first, *draft.others)}
    return [(rs, pods.get(rs.uid, [])) for rs in ordered.values()]


def _remaining(draft: Draft, at: float) -> bool:
    """Whether any pod from before is not yet seen to be going."""
    return any(
        live.created(pod) < at
        and (not live.leaving(pod) or live.uid(pod) in draft.world.unconfirmed)
        for _, pods in _by_set(draft)
        for pod in pods
    )


def _all_seen(draft: Draft) -> bool:
    """Whether there is no pod that only the ReplicaSets know of yet."""
    return all(len(pods) >= rs.replicas for rs, pods in _by_set(draft))


def _concurrent(draft: Draft) -> int:
    """How many pods may be missing at once; one even where nothing may, or it would never end."""
    return max(draft.spec.budgets[1], 1)


def _spare(draft: Draft) -> int:
    """How many available pods can be given up now.

    A ReplicaSet that is being made smaller is going to lose pods of its controller's choice, so
    only as many as it is to keep are counted.
    """
    floor = max(draft.replicas, sum(rs.spec for rs in draft.all_sets)) - _concurrent(draft)
    kept = (
        min(rs.spec, rs.available, live.staying(draft.world, pods)) for rs, pods in _by_set(draft)
    )
    return sum(kept) - floor


def _evictions(draft: Draft, at: float) -> Iterator[Write]:
    """Pods to ask away: as many as can be spared, and some that serve nobody.

    Pods of one ReplicaSet are under the same disruption budget. So that a budget that allows
    nothing does not hold up the others, each further ReplicaSet offers pods in their place.
    """
    by_set = _by_set(draft)
    spare = max(_spare(draft), 0)
    left = spare
    idle: list[Obj] = []
    for _, pods in by_set:
        old = [pod for pod in pods if live.created(pod) < at and not live.leaving(pod)]
        idle += [pod for pod in old if live.ready_since(pod) is None]
        busy = [pod for pod in old if live.ready_since(pod) is not None]
        chosen = busy[:left]
        yield from (_evict(pod) for pod in chosen)
        yield from (_evict(pod, instead=True) for pod in busy[len(chosen) :][: spare - left])
        left -= len(chosen)
    going = sum(1 for _, pods in by_set for pod in pods if live.leaving(pod))
    slots = max(0, _concurrent(draft) - going - (spare - left))
    yield from (_evict(pod) for pod in idle[:slots])


def _evict(pod: Obj, *, instead: bool = False) -> Write:
    name, uid = str(pod["metadata"]["name"]), live.uid(pod)
    return Write(Verb.EVICT, PODS, name, {}, uid=uid, optional=True, instead=instead)
