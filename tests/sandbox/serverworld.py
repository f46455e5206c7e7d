"""A small API server to tell stories on: a clock that stands still, short verbs, sample objects."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from rollouts.kube.api import Obj, PatchType, WatchEvent
from rollouts.kube.resources import (
    DEPLOYMENTS,
    REPLICA_SETS,
    Resource,
)
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.options import DeleteOptions, ListOptions, Options, WatchOptions
from rollouts.sandbox.watching import Watch


@dataclass
class StillClock:
    """Noon of the first day of 2026 (UTC), until moved."""

    seconds: float = 1767268800.0

    def wall(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class World:
    """One API server and the verbs of its clients, in the namespace ``default``."""

    def __init__(self, window: int = 1000) -> None:
        self.clock = StillClock()
        self.server = ApiServer(self.clock, random.Random(7), window=window)

    def info(self, resource: Resource):
        return self.server.info(resource.group, resource.version, resource.plural)

    def create(self, resource: Resource, body: Obj, namespace: str = "default", **options: Any):
        scope = namespace if resource.namespaced else None
        return self.server.create(self.info(resource), scope, body, Options(**options))

    def get(self, resource: Resource, name: str, subresource: str = "") -> Obj:
        return self.server.get(self.info(resource), self._scope(resource), name, subresource)

    def update(self, resource: Resource, body: Obj, subresource: str = "", **options: Any) -> Obj:
        name = body["metadata"]["name"]
        return self.server.update(
            self.info(resource),
            self._scope(resource),
            name,
            body,
            Options(**options),
            subresource=subresource,
        )

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        kind: PatchType = PatchType.MERGE,
        subresource: str = "",
        **options: Any,
    ) -> Obj:
        return self.server.patch(
            self.info(resource),
            self._scope(resource),
            name,
            patch,
            kind,
            Options(**options),
            subresource=subresource,
        )

    def delete(self, resource: Resource, name: str, **wanted: Any) -> Obj:
        return self.server.delete(
            self.info(resource), self._scope(resource), name, DeleteOptions(**wanted), Options()
        )

    def names(self, resource: Resource, **options: Any) -> list[str]:
        return [one["metadata"]["name"] for one in self.list(resource, **options)["items"]]

    def watch(self, resource: Resource, namespace: str | None = "default", **options: Any) -> Watch:
        return self.server.watch(self.info(resource), namespace, WatchOptions(**options))

    def exists(self, resource: Resource, name: str) -> bool:
        return name in self.names(resource)

    @staticmethod
    def _scope(resource: Resource) -> str | None:
        return "default" if resource.namespaced else None

    def list(self, resource: Resource, namespace: str | None = "default", **options: Any) -> Obj:
        return self.server.list(self.info(resource), namespace, ListOptions(**options))


async def drained(watch: Watch) -> list[WatchEvent]:
    """Everything a watch has to say now."""
    events: list[WatchEvent] = []
    while True:
        step = asyncio.ensure_future(anext(watch))
        for _ in range(3):
            await asyncio.sleep(0)
        if not step.done():
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
            return events
        events.append(step.result())


def spelled(events: list[WatchEvent]) -> list[str]:
    """``ADDED a`` for each event."""
    return [f"{one.type} {one.object['metadata'].get('name', '')}".strip() for one in events]


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Obj:
    metadata: Obj = {"name": name} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod_spec(image: str = "nginx:1.27") -> Obj:
    return {"containers": [{"name": "app", "image": image}]}


def pod(name: str, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": pod_spec() | spec,
    }


def workload(resource: Resource, name: str, replicas: int = 2) -> Obj:
    labels = {"app": name}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        },
    }


def replica_set(name: str, replicas: int = 2) -> Obj:
    return workload(REPLICA_SETS, name, replicas)


def deployment(name: str, replicas: int = 2) -> Obj:
    return workload(DEPLOYMENTS, name, replicas)


def service(name: str, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]} | spec,
    }
