"""The namespace controller: a namespace that is being deleted is emptied, then let go.

Owns the deletion of everything inside and the finalizer ``kubernetes`` of the namespace. What is
inside is found through the callable ``resources``, custom types included. While something refuses
to go (a finalizer of somebody else, a pod that is shutting down) it comes back with growing pauses.
"""

from collections.abc import Callable, Iterable
from typing import Final

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Conflict, NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import NAMESPACES, Resource
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import (
    deleting,
    key_of,
    meta,
    spec,
    status,
    uid,
    with_condition,
)
from rollouts.sandbox.controllers.worker import Worker

FINALIZER: Final = "kubernetes"
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0


class NamespaceController(Worker):
    """Empties namespaces under deletion."""

    name = "namespace"
    reads = (NAMESPACES,)

    def __init__(
        self,
        api: KubeApi,
        informers: Informers,
        clock: Clock,
        resources: Callable[[], Iterable[Resource]],
    ) -> None:
        super().__init__(api, informers, clock)
        self._resources = resources
        self._namespaces = informers.store(NAMESPACES)
        self._pauses: dict[str, float] = {}  # by uid, as the next
        self._emptied: dict[str, set[Resource]] = {}
        self._namespaces.subscribe(self._changed)

    def _changed(self, change: Change) -> None:
        if change.new is None:
            self._pauses.pop(uid(change.object), None)
            self._emptied.pop(uid(change.object), None)
        elif deleting(change.new):
            self.queue.add(key_of(change.new))

    async def reconcile(self, key: Key) -> float | None:
        namespace = self._namespaces.get(*key)
        if namespace is None or FINALIZER not in (spec(namespace).get("finalizers") or ()):
            return None
        # Nothing can be created in a namespace that ends: what was found empty stays empty, so
        # a server that fails now and then delays the end but cannot prevent it.
        emptied = self._emptied.setdefault(uid(namespace), set())
        left: dict[str, int] = {}
        for resource in self._resources():
            if resource.namespaced and resource not in emptied:
                count = await self._empty(resource, key.name)
                if count:
                    left[resource.group_resource] = count
                else:
                    emptied.add(resource)
        if left:
            await self._say_what_is_left(namespace, left)
            pause = self._pauses.get(uid(namespace), FIRST_PAUSE)
            self._pauses[uid(namespace)] = min(pause * 2, LONGEST_PAUSE)
            return pause
        await self._let_go(namespace)
        return None

    async def _empty(self, resource: Resource, namespace: str) -> int:
        """Delete all objects of one type; how many there were."""
        items: list[Obj] = (await self.api.list(resource, namespace)).get("items") or []
        for one in items:
            if deleting(one):
                continue
            try:
                await self.api.delete(resource, meta(one)["name"], namespace, uid=uid(one))
            except (NotFound, Conflict):
                continue
        return len(items)

    async def _say_what_is_left(self, namespace: Obj, left: dict[str, int]) -> None:
        """Users ask why a namespace hangs: the condition names what holds it."""
        if uid(namespace) not in self._pauses:
            return  # most of it goes at once; only what stays is worth a write
        shown = ", ".join(f"{count} {name}" for name, count in sorted(left.items()))
        before = status(namespace).get("conditions") or []
        after = with_condition(
            before,
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            f"still there: {shown}",
            now=self.clock.wall(),
        )
        if after != before:
            patch = {"status": {"conditions": after}}
            await self.api.patch(NAMESPACES, meta(namespace)["name"], patch, subresource="status")

    async def _let_go(self, namespace: Obj) -> None:
        live = await self.api.get(NAMESPACES, meta(namespace)["name"])
        if uid(live) != uid(namespace):
            return
        kept = [one for one in spec(live).get("finalizers") or () if one != FINALIZER]
        body = {**live, "spec": {**spec(live), "finalizers": kept}}
        await self.api.update(NAMESPACES, body, subresource="finalize")
