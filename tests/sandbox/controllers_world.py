"""A cluster in virtual time: API server, controllers, and the words tests are written in."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, Resource
from rollouts.runtime.ids import hex_ids, uuids
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.controllers import PROFILES, Part, collectable, controllers
from rollouts.sandbox.controllers.objects import (
    active,
    available,
    is_true,
    labels,
    meta,
    ready,
    spec,
    status,
)
from rollouts.sandbox.direct import DirectApi
from rollouts.simulate.loop import run_virtual, virtual_clock

NS = "default"


def template(app: str = "web", image: str = "web:1", **more: Any) -> Obj:
    pod = {
        "containers": [
            {
                "name": "main",
                "image": image,
                "ports": [{"name": "http", "containerPort": 8080}],
            }
        ]
    }
    return {"metadata": {"labels": {"app": app}}, "spec": {**pod, **more}}


def replica_set(name: str = "web", replicas: int = 3, **more: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            **more,
        },
    }


def deployment(name: str = "web", replicas: int = 4, image: str = "web:1", **more: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
            **more,
        },
    }


class World:
    """One cluster; ``restart`` kills all controllers and starts new ones."""

    def __init__(self, seed: int = 0, profile: str = "fast") -> None:
        self.clock = virtual_clock()
        self.seed, self.profile = seed, profile
        self.server = ApiServer(self.clock, random.Random(seed), ids=uuids(random.Random(seed + 1)))
        self.api: KubeApi = DirectApi(self.server)
        self.parts: list[Part] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._starts = 0

    def start(self, api: KubeApi | None = None) -> None:
        self._starts += 1
        rng = random.Random(f"{self.seed}/{self._starts}")
        self.parts = controllers(
            api or DirectApi(self.server),
            self.clock,
            rng,
            hex_ids(rng),
            pods=PROFILES[self.profile],
            resources=collectable(self.server.registry),
        )
        self._tasks = [asyncio.ensure_future(part.run()) for part in self.parts]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            assert isinstance(result, asyncio.CancelledError), result

    async def restart(self) -> None:
        await self.stop()
        self.start()

    # Asking

    async def get(self, resource: Resource, name: str, namespace: str | None = NS) -> Obj:
        return await self.api.get(resource, name, namespace if resource.namespaced else None)

    async def exists(self, resource: Resource, name: str, namespace: str | None = NS) -> bool:
        try:
            await self.get(resource, name, namespace)
        except NotFound:
            return False
        return True

    async def all(self, resource: Resource, selector: str = "", namespace: str = NS) -> list[Obj]:
        page = await self.api.list(
            resource, namespace if resource.namespaced else None, labels=selector
        )
        return page["items"]

    async def pods(self, selector: str = "") -> list[Obj]:
        return [pod for pod in await self.all(PODS, selector) if active(pod)]

    async def ready_pods(self, selector: str = "") -> list[Obj]:
        return [pod for pod in await self.pods(selector) if ready(pod)]

    async def reasons(self, name: str) -> list[str]:
        found = await self.all(EVENTS)
        return [one["reason"] for one in found if one["involvedObject"]["name"] == name]

    @property
    def revision(self) -> int:
        """How many writes the server has accepted."""
        return self.server.store.revision

    # Doing

    async def create(self, resource: Resource, body: Obj, namespace: str | None = NS) -> Obj:
        return await self.api.create(resource, body, namespace if resource.namespaced else None)

    async def patch(self, resource: Resource, name: str, patch: Any, **more: Any) -> Obj:
        return await self.api.patch(
            resource, name, patch, NS if resource.namespaced else None, **more
        )

    async def scale(self, resource: Resource, name: str, replicas: int) -> None:
        await self.patch(resource, name, {"spec": {"replicas": replicas}})

    async def set_image(self, name: str, image: str) -> None:
        body = {"spec": {"template": {"spec": template(name, image)["spec"]}}}
        await self.patch(DEPLOYMENTS, name, body)

    # Waiting

    async def until(
        self, what: Callable[[], Awaitable[Any]], within: float = 60.0, every: float = 0.1
    ) -> None:
        """Virtual seconds pass until ``what`` holds."""
        end = self.clock.monotonic() + within
        while not await what():
            assert self.clock.monotonic() < end, f"still not so after {within} s"
            await asyncio.sleep(every)

    async def settle(self, seconds: float = 30.0) -> None:
        await asyncio.sleep(seconds)

    async def complete(self, name: str = "web") -> bool:
        """What ``kubectl rollout status`` asks of a Deployment."""
        found = await self.get(DEPLOYMENTS, name)
        seen, wanted = status(found), spec(found)["replicas"]
        return (
            seen.get("observedGeneration", 0) >= meta(found)["generation"]
            and seen.get("updatedReplicas", 0) == wanted
            and seen.get("replicas", 0) == wanted
            and seen.get("availableReplicas", 0) == wanted
        )

    async def sets_of(self, name: str = "web") -> list[Obj]:
        return await self.all(REPLICA_SETS, f"app={name}")


@asynccontextmanager
async def world(seed: int = 0, profile: str = "fast") -> AsyncIterator[World]:
    made = World(seed, profile)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


def virtual(main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that runs in virtual time."""

    def test() -> None:
        run_virtual(main())

    test.__name__, test.__doc__ = main.__name__, main.__doc__
    return test


__all__ = ["available", "is_true", "labels", "virtual", "world"]
