"""A cluster and our controller in virtual time, for benchmarks that count instead of waiting.

Owns starting and stopping them, and the counting of what the controller asks the API server.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from analysis.providers.http import HttpClient, Request, Response
from benchmarks import objects
from rollouts.controllers.rollout import RolloutReconciler
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj, PatchType
from rollouts.kube.resources import EVENTS, ROLLOUTS, Resource
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import virtual_clock

_WRITES: Final = frozenset({"create", "update", "patch", "apply", "delete"})
_WARNING: Final = 30


class CountingApi:
    """Passes every call on; ``asked`` counts them by verb and resource."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.asked: Counter[tuple[str, str]] = Counter()

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._api, verb)

        def counted(resource: Resource, *args: Any, **options: Any) -> Any:
            named = resource.plural
            if options.get("subresource"):
                named += f"/{options['subresource']}"
            self.asked[verb, named] += 1
            return call(resource, *args, **options)

        return counted

    def writes(self) -> int:
        """Writes so far, events aside."""
        return sum(
            count
            for (verb, named), count in self.asked.items()
            if verb in _WRITES and named != EVENTS.plural
        )


class NoMetrics(HttpClient):
    """Answers every query as Prometheus does for a healthy service."""

    async def send(self, request: Request) -> Response:
        del request
        value = b'{"metric":{},"value":[0,"0.99"]}'
        body = b'{"status":"success","data":{"resultType":"vector","result":[' + value + b"]}}"
        return Response(200, body)


@dataclass(frozen=True, slots=True)
class Stage:
    """``api`` is a user's, ``ours`` the controller's own."""

    api: KubeApi
    ours: CountingApi
    reconciler: RolloutReconciler

    async def release(self, name: str, version: int) -> None:
        patch = objects.new_image(version)
        await self.api.patch(ROLLOUTS, name, patch, objects.NAMESPACE, type=PatchType.JSON)

    async def until_phase(self, name: str, phase: str) -> Obj:
        """Wait, in virtual time, until the status speaks of the current spec and has the phase."""
        async with asyncio.timeout(3600):
            while True:
                found = await self.api.get(ROLLOUTS, name, objects.NAMESPACE)
                status: Obj = found.get("status") or {}
                current = str(found["metadata"]["generation"])
                if (status.get("observedGeneration"), status.get("phase")) == (current, phase):
                    return found
                await asyncio.sleep(1)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """For use inside ``run_virtual``."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_WARNING))
    clock, rng = virtual_clock(), random.Random(1)
    cluster = Cluster(clock, rng, pods="fast")
    ours = CountingApi(cluster.api)
    (manager,) = controller_set(ours, clock, rng, http=NoMetrics())
    (reconciler,) = (
        one.reconciler
        for one in manager.controllers
        if isinstance(one.reconciler, RolloutReconciler)
    )
    await cluster.start()
    running = asyncio.create_task(manager.run())
    try:
        yield Stage(cluster.api, ours, reconciler)
    finally:
        manager.stop()
        await running
        await cluster.stop()
