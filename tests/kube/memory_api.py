"""A KubeApi that is a dictionary: single objects, optimistic concurrency, planned misfortune."""

import asyncio
from collections.abc import Callable
from typing import Any

from rollouts.kube.api import Obj
from rollouts.kube.errors import AlreadyExists, Conflict, NotFound
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import Resource


class MemoryApi:
    """get, create, update, patch and delete. ``fault(verb, committed)`` may raise before or after."""

    def __init__(self, fault: Callable[[str, bool], Any] | None = None) -> None:
        self.objects: dict[tuple[str, str, str], Obj] = {}
        self.revision = 0
        self.calls: list[str] = []
        self.fault = fault or (lambda _verb, _committed: None)

    def of(self, resource: Resource) -> list[Obj]:
        return [obj for key, obj in sorted(self.objects.items()) if key[0] == resource.plural]

    async def _before(self, verb: str) -> None:
        self.calls.append(verb)
        await asyncio.sleep(0.01)
        await self._misfortune(verb, committed=False)

    async def _misfortune(self, verb: str, *, committed: bool) -> None:
        result = self.fault(verb, committed)
        if asyncio.iscoroutine(result):
            await result

    def _store(self, key: tuple[str, str, str], body: Obj) -> Obj:
        self.revision += 1
        stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.revision)}}
        self.objects[key] = stored
        return stored

    def _present(self, key: tuple[str, str, str]) -> Obj:
        if key not in self.objects:
            raise NotFound(f"{key[0]} {key[2]!r} not found")
        return self.objects[key]

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, **_: Any
    ) -> Obj:
        await self._before("get")
        return self._present((resource.plural, namespace or "", name))

    async def create(
        self, resource: Resource, body: Obj, namespace: str | None = None, **_: Any
    ) -> Obj:
        await self._before("create")
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise AlreadyExists(f"{key[0]} {key[2]!r} already exists")
        stored = self._store(key, body)
        await self._misfortune("create", committed=True)
        return stored

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, **_: Any
    ) -> Obj:
        await self._before("update")
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if self._present(key)["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        stored = self._store(key, body)
        await self._misfortune("update", committed=True)
        return stored

    async def patch(
        self, resource: Resource, name: str, patch: Any, namespace: str | None = None, **_: Any
    ) -> Obj:
        await self._before("patch")
        key = (resource.plural, namespace or "", name)
        stored = self._store(key, apply_merge(self._present(key), patch))
        await self._misfortune("patch", committed=True)
        return stored

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, **_: Any
    ) -> Obj:
        await self._before("delete")
        self._present((resource.plural, namespace or "", name))
        return self.objects.pop((resource.plural, namespace or "", name))
