"""The nodes pods are bound to, and the choice among them.

Owns Node objects with a fixed set of names, and the pure rule where a pod fits. A real cluster
takes a node that says nothing for dead, so there it reports every few seconds; the sandbox has
nobody who would ask, and at rest nothing is written. Called by ``controllers``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from analysis.times import format_time
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.queue import Key
from rollouts.kube.resources import NODES
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import condition, is_true, key_of, labels, meta, spec
from rollouts.sandbox.controllers.podstatus import NODE_IP
from rollouts.sandbox.controllers.worker import Worker

NAMES: Final = ("sandbox-node-1", "sandbox-node-2", "sandbox-node-3")
_CAPACITY: Final = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}


def node_named(name: str, zone: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": zone,
            },
        },
        "spec": {},
    }


def node_status(node: Mapping[str, Any], now: float) -> Obj:
    """Status of a healthy node; ``now`` (seconds since the epoch) is its heartbeat."""
    old = condition(node, "Ready") or {}
    same = old.get("status") == "True"
    healthy = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "scripted pods are ready to run",
        "lastHeartbeatTime": format_time(now),
        "lastTransitionTime": old["lastTransitionTime"] if same else format_time(now),
    }
    return {
        "capacity": _CAPACITY,
        "allocatable": _CAPACITY,
        "conditions": [healthy],
        "addresses": [
            {"type": "InternalIP", "address": NODE_IP},
            {"type": "Hostname", "address": meta(node)["name"]},
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "sandbox://1",
            "kernelVersion": "",
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.36.0-sandbox",
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "scripted",
            "systemUUID": "",
        },
    }


def fits(pod: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether the pod may go there: the node is open, ready and carries the labels asked for."""
    wanted: dict[str, str] = spec(pod).get("nodeSelector") or {}
    open_ = not spec(node).get("unschedulable") and is_true(node, "Ready")
    return open_ and wanted.items() <= labels(node).items()


def choose(pod: Mapping[str, Any], nodes: Iterable[Obj], load: Mapping[str, int]) -> str | None:
    """The fitting node with the fewest pods (``load`` by node name); None where none fits."""
    names = [str(meta(node)["name"]) for node in nodes if fits(pod, node)]
    return min(names, key=lambda name: (load.get(name, 0), name), default=None)


class NodeKeeper(Worker):
    """Sees to it that the nodes are there. ``heartbeat`` in seconds; None: never again."""

    name = "nodes"
    reads = (NODES,)
    workers = 1

    def __init__(
        self,
        api: KubeApi,
        informers: Informers,
        clock: Clock,
        *,
        names: Sequence[str] = NAMES,
        heartbeat: float | None = None,
    ) -> None:
        super().__init__(api, informers, clock)
        self.names, self._heartbeat = tuple(names), heartbeat
        self._nodes = informers.store(NODES)
        self._nodes.subscribe(self._changed)
        for name in self.names:
            self.queue.add(Key("", name))

    def _changed(self, change: Change) -> None:
        known = meta(change.object)["name"] in self.names
        if known and (change.new is None or not is_true(change.new, "Ready")):
            self.queue.add(key_of(change.object))

    async def reconcile(self, key: Key) -> float | None:
        node = self._nodes.get(*key)
        if node is None:
            zone = f"zone-{self.names.index(key.name) + 1}"
            try:
                node = await self.api.create(NODES, node_named(key.name, zone))
            except AlreadyExists:
                node = await self.api.get(NODES, key.name)
        if self._heartbeat is not None or not is_true(node, "Ready"):
            patch = {"status": node_status(node, self.clock.wall())}
            await self.api.patch(NODES, key.name, patch, subresource="status")
        return self._heartbeat
