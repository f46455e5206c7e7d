"""The scheduler: gives every waiting pod a node, or says that none fits.

Owns the binding and the condition PodScheduled of pods that cannot be bound. Pods that ask for
another scheduler or hold scheduling gates are left alone. Capacity is not its concern.
"""

from typing import Final

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.events import EventRecorder
from rollouts.kube.queue import Key
from rollouts.kube.resources import NODES, PODS
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.nodes import choose
from rollouts.sandbox.controllers.objects import (
    active,
    condition,
    key_of,
    meta,
    spec,
    status,
    uid,
    with_condition,
)
from rollouts.sandbox.controllers.worker import Worker

SCHEDULER: Final = "default-scheduler"


def waits(pod: Obj) -> bool:
    """Whether the pod wants a node from this scheduler."""
    return (
        active(pod)
        and not spec(pod).get("nodeName")
        and not spec(pod).get("schedulingGates")
        and (spec(pod).get("schedulerName") or SCHEDULER) == SCHEDULER
    )


class Scheduler(Worker):
    """Binds pods to the least loaded node that fits."""

    name = "scheduler"
    reads = (NODES, PODS)
    workers = 4

    def __init__(
        self, api: KubeApi, informers: Informers, clock: Clock, events: EventRecorder
    ) -> None:
        super().__init__(api, informers, clock)
        self._nodes, self._pods = informers.store(NODES), informers.store(PODS)
        self._events = events
        self._bound: dict[str, str] = {}  # uid -> node
        self._load: dict[str, int] = {}
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)

    def _pod_changed(self, change: Change) -> None:
        pod = change.object
        if change.new is None or not active(pod):
            node = self._bound.pop(uid(pod), "")
            if node:
                self._load[node] -= 1
        elif spec(pod).get("nodeName"):
            self._assume(pod, spec(pod)["nodeName"])
        elif waits(pod):
            self.queue.add(key_of(pod))

    def _node_changed(self, _change: Change) -> None:
        for pod in self._pods.list():
            if waits(pod):
                self.queue.add(key_of(pod))

    def _assume(self, pod: Obj, node: str) -> None:
        if uid(pod) not in self._bound:
            self._bound[uid(pod)] = node
            self._load[node] = self._load.get(node, 0) + 1

    async def reconcile(self, key: Key) -> float | None:
        pod = self._pods.get(*key)
        if pod is None or not waits(pod) or uid(pod) in self._bound:
            return None
        node = choose(pod, self._nodes.list(), self._load)
        if node is None:
            await self._say_unschedulable(pod)
            return None
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._assume(pod, node)
        try:
            await self.api.create(
                PODS, binding, key.namespace, name=key.name, subresource="binding"
            )
        except AlreadyExists:
            return None
        except BaseException:
            self._bound.pop(uid(pod), None)
            self._load[node] -= 1
            raise
        message = f"Successfully assigned {key.namespace}/{key.name} to {node}"
        self._events.record(pod, "Normal", "Scheduled", message)
        return None

    async def _say_unschedulable(self, pod: Obj) -> None:
        if (condition(pod, "PodScheduled") or {}).get("reason") == "Unschedulable":
            return
        message = (
            f"0/{len(self._nodes.list())} nodes are available: none is open and has the labels"
        )
        conditions = with_condition(
            status(pod).get("conditions") or [],
            "PodScheduled",
            "False",
            "Unschedulable",
            message,
            now=self.clock.wall(),
        )
        patch = {
            "metadata": {"resourceVersion": meta(pod).get("resourceVersion")},
            "status": {"conditions": conditions},
        }
        name, namespace = meta(pod)["name"], meta(pod)["namespace"]
        await self.api.patch(PODS, name, patch, namespace, subresource="status")
        self._events.record(pod, "Warning", "FailedScheduling", message)
