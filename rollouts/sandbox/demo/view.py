"""The demo's eyes: a cache of everything it talks about, and waiting for it to become so.

Owns the stores and their reflectors. It only reads, and through the same watches any client would
use; what the demo claims, it claims from here. Used by ``narrate`` and ``acts``.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ENDPOINT_SLICES,
    EVENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Resource,
)
from rollouts.kube.store import Store, by_owner
from rollouts.runtime.clock import Clock
from rollouts.sandbox.demo.proxy import by_service

_WATCHED: Final[Sequence[Resource]] = (
    ROLLOUTS,
    REPLICA_SETS,
    PODS,
    ANALYSIS_RUNS,
    SERVICES,
    ENDPOINT_SLICES,
    EVENTS,
)


def _service_of(endpoint_slice: Obj) -> Iterable[str]:
    return by_service(endpoint_slice)


class ClusterView:
    """One namespace, as its objects are now."""

    def __init__(self, api: KubeApi, clock: Clock, rng: random.Random, namespace: str) -> None:
        self.namespace = namespace
        self._clock = clock
        self._changed = asyncio.Event()
        self._stores = {
            resource: Store(resource, {"owner": by_owner, "service": _service_of})
            for resource in _WATCHED
        }
        self._reflectors = [
            Reflector(api, store, namespace=namespace, clock=clock, rng=rng)
            for store in self._stores.values()
        ]
        for store in self._stores.values():
            store.subscribe(lambda _: self._changed.set())

    def store(self, resource: Resource) -> Store:
        return self._stores[resource]

    async def run(self) -> None:
        """Keep the stores fresh, for ever."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())

    async def synced(self) -> None:
        for reflector in self._reflectors:
            await reflector.wait_synced()

    async def until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds; False when it still does not after ``seconds``."""
        deadline = self._clock.monotonic() + seconds
        while not true():
            left = deadline - self._clock.monotonic()
            if left < 0.001:  # less than any timer is exact to
                return False
            self._changed.clear()
            try:
                # Some things that are waited for are counts of traffic, which no watch reports.
                await asyncio.wait_for(self._changed.wait(), min(left, 0.1))
            except TimeoutError:
                continue
        return True

    def get(self, resource: Resource, name: str) -> Obj:
        """The object, or an empty one where there is none (yet)."""
        return self._stores[resource].get(self.namespace, name) or {}

    def status(self, rollout: str) -> dict[str, Any]:
        """A Rollout's status; empty while it speaks of an older generation of the spec."""
        found = self.get(ROLLOUTS, rollout)
        status: dict[str, Any] = found.get("status") or {}
        generation = (found.get("metadata") or {}).get("generation")
        return status if str(status.get("observedGeneration")) == str(generation) else {}

    def selected_hash(self, service: str) -> str:
        """The version a Service selects, or empty while it selects none in particular."""
        spec = self.get(SERVICES, service).get("spec") or {}
        return str((spec.get("selector") or {}).get(POD_TEMPLATE_HASH, ""))

    def runs(self, rollout: str) -> list[Obj]:
        """The AnalysisRuns of a Rollout's newest version."""
        pod_hash = self.status(rollout).get("currentPodHash", "")
        uid = (self.get(ROLLOUTS, rollout).get("metadata") or {}).get("uid", "")
        return [
            run
            for run in self._stores[ANALYSIS_RUNS].by_index("owner", uid)
            if (run["metadata"].get("labels") or {}).get(POD_TEMPLATE_HASH) == pod_hash
        ]

    def pods_of(self, rollout: str, pod_hash: str) -> int:
        """How many pods a version has or is still to get."""
        found = self.get(REPLICA_SETS, f"{rollout}-{pod_hash}")
        wanted = (found.get("spec") or {}).get("replicas") or 0
        return max(int(wanted), int((found.get("status") or {}).get("replicas") or 0))

    def version_of(self, pod_hash: str) -> str:
        """The image tag behind a hash, for readers; the hash itself when nothing has it."""
        for replica_set in self._stores[REPLICA_SETS].list(self.namespace):
            if (replica_set["metadata"].get("labels") or {}).get(POD_TEMPLATE_HASH) == pod_hash:
                containers = replica_set["spec"]["template"]["spec"]["containers"]
                return str(containers[0]["image"]).rpartition(":")[2]
        return pod_hash or "(none)"
