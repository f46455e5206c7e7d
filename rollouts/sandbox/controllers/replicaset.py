"""The ReplicaSet controller: as many pods as wanted, and a status that says how they are.

Owns adoption and release of pods, creation in slow start, deletion by rank and the status. It does
not decide from a cache that lacks its own last write. Looks again by itself only when a pod becomes
available after minReadySeconds.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.events import EventRecorder
from rollouts.kube.queue import Key
from rollouts.kube.resources import PODS, REPLICA_SETS
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.adoption import Adopter, selector_of
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import (
    active,
    available,
    available_at,
    controller_of,
    controller_uid,
    deleting,
    key_of,
    labels,
    meta,
    ready,
    spec,
    status,
    subset_differs,
    uid,
    with_condition,
    without_condition,
)
from rollouts.sandbox.controllers.podcontrol import Outcome, PodControl, pod_from
from rollouts.sandbox.controllers.ranking import victims
from rollouts.sandbox.controllers.worker import STALE_RETRY, Gate, Worker

# One pass creates or deletes at most this many pods; the next pass sees the result first.
BURST: Final = 500


class ReplicaSetController(Worker):
    """Reconciles ReplicaSets of every owner, Deployments and Rollouts alike."""

    name = "replicaset"
    reads = (REPLICA_SETS, PODS)
    workers = 5

    def __init__(
        self, api: KubeApi, informers: Informers, clock: Clock, events: EventRecorder
    ) -> None:
        super().__init__(api, informers, clock)
        self._sets = informers.store(REPLICA_SETS)
        self._pods = informers.store(PODS)
        self._gate = Gate(informers, clock, *self.reads)
        self._control = PodControl(api, self._gate, events)
        self._adopter = Adopter(api, self._gate, REPLICA_SETS, PODS, self._pods)
        self._sets.subscribe(self._set_changed)
        self._pods.subscribe(self._pod_changed)

    def _set_changed(self, change: Change) -> None:
        if change.new is None:
            self._gate.forget(change.object)
        self.queue.add(key_of(change.object))

    def _pod_changed(self, change: Change) -> None:
        for pod in filter(None, (change.old, change.new)):
            owner = controller_of(pod)
            if owner is not None:
                if owner.get("kind") == REPLICA_SETS.kind:
                    self.queue.add(Key(meta(pod)["namespace"], owner["name"]))
                continue
            for found in self._sets.list(meta(pod)["namespace"]):
                if selector_of(found).matches(labels(pod)):
                    self.queue.add(key_of(found))

    async def reconcile(self, key: Key) -> float | None:
        found = self._sets.get(*key)
        if found is None:
            return None
        if self._gate.behind(found):
            return STALE_RETRY
        selector = selector_of(found)
        # A pod that ended is replaced and stays for the collector; it counts for nothing here.
        pods = [pod for pod in await self._adopter.claim(found, selector) if active(pod)]
        outcome = Outcome(0) if deleting(found) else await self._scale(found, pods)
        await self._write_status(found, pods, outcome)
        if outcome.error is not None:
            raise outcome.error
        return self._next_available(found, pods)

    async def _scale(self, found: Obj, pods: Sequence[Obj]) -> Outcome:
        surplus = len(pods) - _wanted(found)
        if surplus < 0:
            pod = pod_from(REPLICA_SETS, found, spec(found)["template"])
            return await self._control.create(found, pod, min(-surplus, BURST))
        if surplus > 0:
            chosen = victims(pods, min(surplus, BURST), self._neighbours(found), self.clock.wall())
            return await self._control.delete(found, chosen)
        return Outcome(0)

    def _neighbours(self, found: Obj) -> "_NodeCount":
        """Pods of all ReplicaSets of the same owner count: a rollout's old and new pods."""
        owner = controller_uid(found)
        family = self._sets.by_index("controller", owner) if owner else [found]
        pods = [pod for one in family for pod in self._pods.by_index("controller", uid(one))]
        return _NodeCount(pods)

    async def _write_status(self, found: Obj, pods: Sequence[Obj], outcome: Outcome) -> None:
        wanted = self._status(found, pods, outcome)
        if not subset_differs(_with_zeros(status(found)), wanted):
            return
        name, namespace = meta(found)["name"], meta(found)["namespace"]
        patch = {"metadata": {"uid": uid(found)}, "status": wanted}
        made = await self.api.patch(REPLICA_SETS, name, patch, namespace, subresource="status")
        self._gate.wrote(found, REPLICA_SETS, made)

    def _status(self, found: Obj, pods: Sequence[Obj], outcome: Outcome) -> Obj:
        now, wait = self.clock.wall(), _min_ready(found)
        wanted_labels = meta(spec(found)["template"]).get("labels") or {}
        conditions = without_condition(status(found).get("conditions") or [], "ReplicaFailure")
        if outcome.error is not None:
            conditions = with_condition(
                status(found).get("conditions") or [],
                "ReplicaFailure",
                "True",
                "FailedCreate" if len(pods) < _wanted(found) else "FailedDelete",
                outcome.error.message,
                now=now,
            )
        return {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(
                wanted_labels.items() <= labels(pod).items() for pod in pods
            ),
            "readyReplicas": sum(ready(pod) for pod in pods),
            "availableReplicas": sum(available(pod, wait, now) for pod in pods),
            "observedGeneration": meta(found).get("generation", 0),
            "conditions": conditions,
        }

    def _next_available(self, found: Obj, pods: Iterable[Obj]) -> float | None:
        """Seconds until the next ready pod has been ready for long enough."""
        now, wait = self.clock.wall(), _min_ready(found)
        if wait <= 0:
            return None
        due = [available_at(pod, wait) for pod in pods if not available(pod, wait, now)]
        return min((moment - now for moment in due if moment is not None), default=None)


class _NodeCount:
    """How many active pods a node holds."""

    def __init__(self, pods: Iterable[Obj]) -> None:
        self._counts: dict[str, int] = {}
        for pod in pods:
            if active(pod):
                node = str(spec(pod).get("nodeName") or "")
                self._counts[node] = self._counts.get(node, 0) + 1

    def __call__(self, node: str) -> int:
        return self._counts.get(node, 0)


def _wanted(found: Obj) -> int:
    value = spec(found).get("replicas")
    return 1 if value is None else int(value)


def _min_ready(found: Obj) -> float:
    return float(spec(found).get("minReadySeconds") or 0)


def _with_zeros(current: Obj) -> Obj:
    """A status as stored: servers leave out zeros and empty lists."""
    zeros: Obj = dict.fromkeys(
        (
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
        ),
        0,
    )
    return {**zeros, "conditions": [], **current}
