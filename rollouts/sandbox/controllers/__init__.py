"""The controllers a rollout needs around an API server, and the nodes its pods run on.

Owns their composition only. All of them talk through a KubeApi, so the same objects serve the
embedded cluster, a real API server without nodes, and tests in virtual time. Each part has a
``name`` and an ``async run()`` that ends by cancellation; a part that ends by itself is broken.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rollouts.kube.api import KubeApi
from rollouts.kube.events import EventRecorder
from rollouts.kube.resources import Resource
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import IdFactory
from rollouts.sandbox.controllers.deployment import DeploymentController
from rollouts.sandbox.controllers.endpointslice import EndpointSliceController
from rollouts.sandbox.controllers.gc import GarbageCollector
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.job import JobController
from rollouts.sandbox.controllers.kubelet import Kubelet
from rollouts.sandbox.controllers.namespace import NamespaceController
from rollouts.sandbox.controllers.nodes import NAMES, NodeKeeper
from rollouts.sandbox.controllers.profiles import PROFILES, Profile, named
from rollouts.sandbox.controllers.replicaset import ReplicaSetController
from rollouts.sandbox.controllers.runtime import NoRuntime, PodAddress, PodRuntime
from rollouts.sandbox.controllers.scheduler import Scheduler
from rollouts.sandbox.registry import Registry

# A real cluster takes a node for dead after forty seconds of silence.
HEARTBEAT: Final = 10.0


class Part(Protocol):
    """Something that runs until it is cancelled."""

    @property
    def name(self) -> str: ...

    def run(self) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class _Events:
    """An event recorder under a name."""

    name: str
    recorder: EventRecorder

    async def run(self) -> None:
        await self.recorder.run()


@dataclass(slots=True)
class _Assembly:
    """What all controllers of one process share."""

    api: KubeApi
    clock: Clock
    rng: random.Random
    ids: IdFactory
    informers: Informers
    recorders: list[_Events]

    def events(self, component: str) -> EventRecorder:
        recorder = EventRecorder(self.api, self.clock, self.ids, component=component)
        self.recorders.append(_Events(f"events of {component}", recorder))
        return recorder


def _assembly(api: KubeApi, clock: Clock, rng: random.Random, ids: IdFactory) -> _Assembly:
    return _Assembly(api, clock, rng, ids, Informers(api, clock, rng), [])


def _kubelet_parts(
    shared: _Assembly,
    pods: Profile,
    runtime: PodRuntime | None,
    *,
    run_commands: bool,
    nodes: Sequence[str],
    heartbeat: float | None,
) -> list[Part]:
    api, informers, clock = shared.api, shared.informers, shared.clock
    keeper = NodeKeeper(api, informers, clock, names=nodes, heartbeat=heartbeat)
    kubelet = Kubelet(
        api,
        informers,
        clock,
        shared.events("kubelet"),
        default=pods,
        mine=frozenset(nodes).__contains__,
        runtime=runtime,
        run_commands=run_commands,
    )
    return [
        keeper,
        Scheduler(api, informers, clock, shared.events("default-scheduler")),
        kubelet,
    ]


def controllers(
    api: KubeApi,
    clock: Clock,
    rng: random.Random,
    ids: IdFactory,
    *,
    pods: Profile,
    resources: Callable[[], Iterable[Resource]],
    runtime: PodRuntime | None = None,
    run_commands: bool = False,
    nodes: Sequence[str] = NAMES,
) -> list[Part]:
    """Everything around the embedded API server.

    ``pods``: how pods behave that say nothing themselves. ``resources``: the types that can be
    listed, watched and deleted at this moment, each once (see ``collectable``). ``run_commands``:
    run the commands of pods that are meant to end, as subprocesses of this process.
    """
    shared = _assembly(api, clock, rng, ids)
    informers = shared.informers
    around: list[Part] = [
        ReplicaSetController(api, informers, clock, shared.events("replicaset-controller")),
        DeploymentController(api, informers, clock, shared.events("deployment-controller")),
        JobController(api, informers, clock, shared.events("job-controller")),
        EndpointSliceController(api, informers, clock),
        GarbageCollector(api, informers, clock, resources),
        NamespaceController(api, informers, clock, resources),
    ]
    nodes_parts = _kubelet_parts(
        shared, pods, runtime, run_commands=run_commands, nodes=nodes, heartbeat=None
    )
    return [informers, *around, *nodes_parts, *shared.recorders]


def kubelet_controllers(
    api: KubeApi,
    clock: Clock,
    rng: random.Random,
    ids: IdFactory,
    *,
    pods: Profile,
    runtime: PodRuntime | None = None,
    run_commands: bool = False,
    nodes: Sequence[str] = NAMES,
    heartbeat: float | None = HEARTBEAT,
) -> list[Part]:
    """Nodes, scheduler and kubelet alone, for a real API server that has no nodes."""
    shared = _assembly(api, clock, rng, ids)
    parts = _kubelet_parts(
        shared, pods, runtime, run_commands=run_commands, nodes=nodes, heartbeat=heartbeat
    )
    return [shared.informers, *parts, *shared.recorders]


def collectable(registry: Registry) -> Callable[[], list[Resource]]:
    """The callable ``controllers`` wants: one served version of each stored type, at any moment."""

    def resources() -> list[Resource]:
        found: dict[str, Resource] = {}
        for info in registry.all():
            if {"list", "watch", "delete"} <= set(info.verbs):
                stored = info.resource == info.stored
                if stored or info.bucket not in found:
                    found[info.bucket] = info.resource
        return list(found.values())

    return resources


__all__ = [
    "PROFILES",
    "NoRuntime",
    "Part",
    "PodAddress",
    "PodRuntime",
    "Profile",
    "collectable",
    "controllers",
    "kubelet_controllers",
    "named",
]
