"""Which pods' changes are worth a look at their Rollout.

Owns that question only. Pods change often and ReplicaSets already tell how many there are; single
pods matter while a restart replaces them and where they carry metadata of their role. Used by
``controllers.wiring``.
"""

from collections.abc import Callable, Iterator
from typing import Final

from analysis.times import parse_time
from rollouts.api import labels as keys
from rollouts.controllers.gather import Caches
from rollouts.controllers.manager import owner_key
from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import REPLICA_SETS, ROLLOUTS
from rollouts.planner.pods import created

_METADATA: Final = ("canaryMetadata", "stableMetadata", "previewMetadata", "activeMetadata")


def rollouts_of_pods(caches: Caches) -> Callable[[Obj], Iterator[Key]]:
    """The Rollout a pod belongs to, when the pod itself makes a difference to it."""
    sets_of = owner_key(REPLICA_SETS.kind, REPLICA_SETS.group)
    rollouts_of = owner_key(ROLLOUTS.kind, ROLLOUTS.group)

    def keys_of(pod: Obj) -> Iterator[Key]:
        for above in sets_of(pod):
            replica_set = caches.replica_sets.get(*above)
            for key in rollouts_of(replica_set) if replica_set is not None else ():
                rollout = caches.rollouts.get(*key)
                if rollout is not None and _matters(pod, rollout, replica_set or {}):
                    yield key

    return keys_of


def _matters(pod: Obj, rollout: Obj, replica_set: Obj) -> bool:
    spec, status = rollout.get("spec") or {}, rollout.get("status") or {}
    restart_at = parse_time(spec.get("restartAt"))
    if restart_at is not None and (
        restart_at != parse_time(status.get("restartedAt")) or created(pod) < restart_at
    ):
        return True
    if keys.EPHEMERAL_METADATA in (replica_set["metadata"].get("annotations") or {}):
        return True
    strategies = (spec.get("strategy") or {}).values()
    return any(strategy.get(field) for strategy in strategies if strategy for field in _METADATA)
