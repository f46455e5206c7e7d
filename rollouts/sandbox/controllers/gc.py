"""The garbage collector: what an owner leaves behind goes too.

Owns the three ways of deletion: background (dependents go after their owner), foreground (before
it), orphan (they stay and lose the reference). An owner counts as absent only after the server said
so; an owner in another namespace is absent by definition. It watches every type that the callable
``resources`` names, those of custom types included, which may come and go.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.queue import Key
from rollouts.kube.resources import CRDS, EVENTS, Resource
from rollouts.kube.store import Change
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import FOREGROUND, ORPHAN, deleting, meta, uid
from rollouts.sandbox.controllers.ownership import Graph, Node, changed
from rollouts.sandbox.controllers.worker import Worker

# How soon to look again for an owner whose watch has not shown it, or whose type nobody serves yet.
UNSEEN_RETRY: Final = 10.0
_TYPES: Final = Key("", "types")


class GarbageCollector(Worker):
    """Keys of its queue are uids, put where a name would be."""

    name = "gc"
    reads = (CRDS,)

    def __init__(
        self,
        api: KubeApi,
        informers: Informers,
        clock: Clock,
        resources: Callable[[], Iterable[Resource]],
    ) -> None:
        super().__init__(api, informers, clock)
        self._resources = resources
        self._watched: dict[Resource, None] = {}
        self._graph = Graph()
        informers.store(CRDS).subscribe(lambda _change: self.queue.add(_TYPES))
        self.queue.add(_TYPES)

    async def run(self) -> None:
        self._watch_types()
        await self.informers.synced(*self._watched)
        await super().run()

    def _watch_types(self) -> None:
        """Watch what is new, forget what is no longer served. Events have no owners."""
        wanted = {one: None for one in self._resources() if one.plural != EVENTS.plural}
        for resource in [one for one in self._watched if one not in wanted]:
            del self._watched[resource]
            self.informers.drop(resource)
            for node in [n for n in self._graph.nodes.values() if n.resource == resource]:
                self._gone(node.uid)
        for resource in [one for one in wanted if one not in self._watched]:
            self._watched[resource] = None
            self.informers.store(resource).subscribe(self._listener(resource))

    def _listener(self, resource: Resource) -> Callable[[Change], None]:
        def heard(change: Change) -> None:
            if change.new is None:
                self._gone(uid(change.object))
            elif changed(change.old, change.new):
                self._seen(self._graph.put(resource, change.new))

        return heard

    def _seen(self, node: Node) -> None:
        if node.owners or node.deleting:
            self._look(node.uid)
        if node.deleting:
            # Its dependents may have to go first, and its owners may be waiting for it.
            for dependent in self._graph.dependents(node.uid):
                self._look(dependent.uid)

    def _gone(self, gone: str) -> None:
        node = self._graph.nodes.get(gone)
        self._graph.remove(gone)
        for dependent in self._graph.dependents(gone):
            self._look(dependent.uid)
        for ref in node.owners if node else ():
            self._look(str(ref.get("uid")))

    def _look(self, one: str) -> None:
        self.queue.add(Key("", one))

    async def reconcile(self, key: Key) -> float | None:
        if key == _TYPES:
            self._watch_types()
            return None
        node = self._graph.nodes.get(key.name)
        if node is None:
            return None
        if node.deleting:
            await self._finish(node)
            return None
        return await self._judge(node)

    async def _finish(self, node: Node) -> None:
        """Do what the collector's finalizers on an object under deletion ask for."""
        dependents = self._graph.dependents(node.uid)
        if ORPHAN in node.finalizers:
            for dependent in dependents:
                await self._unlink(dependent, {node.uid})
            await self._drop_finalizer(node, ORPHAN)
        elif FOREGROUND in node.finalizers:
            blocking = [one for one in dependents if one.blocks(node.uid)]
            if not blocking:
                await self._drop_finalizer(node, FOREGROUND)
            for dependent in blocking:
                if not dependent.deleting:
                    self._look(dependent.uid)

    async def _judge(self, node: Node) -> float | None:
        """Whether an object still has an owner that keeps it."""
        keeping: list[str] = []
        waiting: list[str] = []
        absent: set[str] = set()
        unseen = False
        for ref in node.owners:
            owner_uid = str(ref.get("uid"))
            owner = self._graph.nodes.get(owner_uid)
            if owner is not None and owner.namespace in ("", node.namespace):
                (waiting if owner.waits_for_dependents else keeping).append(owner_uid)
            elif await self._exists(ref, node):
                keeping.append(owner_uid)
                unseen = True
            else:
                absent.add(owner_uid)
        if keeping:
            if absent or waiting:
                await self._unlink(node, absent | set(waiting))
            return UNSEEN_RETRY if unseen else None
        if waiting and self._graph.dependents(node.uid):
            await self._delete(node, "Foreground")
        elif waiting or absent:
            await self._delete(node, _policy(node))
        return None

    async def _exists(self, ref: Obj, node: Node) -> bool:
        """Asks the server. A type nobody serves keeps its dependents: nothing proves it absent."""
        resource = self._resource_of(ref)
        if resource is None or (resource.namespaced and not node.namespace):
            return True
        try:
            live = await self.api.get(
                resource, ref["name"], node.namespace if resource.namespaced else None
            )
        except NotFound:
            return False
        return uid(live) == ref.get("uid")

    def _resource_of(self, ref: Obj) -> Resource | None:
        group = str(ref.get("apiVersion", "")).rpartition("/")[0]
        return next(
            (one for one in self._watched if (one.group, one.kind) == (group, ref.get("kind"))),
            None,
        )

    async def _unlink(self, node: Node, owners: set[str]) -> None:
        live = await self._live(node)
        if live is None:
            return
        before = meta(live).get("ownerReferences") or []
        kept = [ref for ref in before if ref.get("uid") not in owners]
        if len(kept) != len(before):
            await self._patch(node, live, {"ownerReferences": kept or None})

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        live = await self._live(node)
        if live is None or not deleting(live):
            return
        before: Sequence[str] = meta(live).get("finalizers") or ()
        if finalizer in before:
            kept = [one for one in before if one != finalizer]
            await self._patch(node, live, {"finalizers": kept or None})

    async def _live(self, node: Node) -> Obj | None:
        try:
            live = await self.api.get(node.resource, node.name, node.namespace or None)
        except NotFound:
            return None
        return live if uid(live) == node.uid else None

    async def _patch(self, node: Node, live: Obj, metadata: Obj) -> None:
        version = meta(live).get("resourceVersion")
        patch = {"metadata": {"resourceVersion": version, **metadata}}
        await self.api.patch(node.resource, node.name, patch, node.namespace or None)

    async def _delete(self, node: Node, policy: str) -> None:
        live = await self._live(node)
        if live is None or meta(live).get("ownerReferences") != node.metadata.get(
            "ownerReferences"
        ):
            return  # the cache will tell what changed
        await self.api.delete(
            node.resource,
            node.name,
            node.namespace or None,
            propagation=policy,
            uid=node.uid,
            resource_version=str(meta(live).get("resourceVersion", "")),
        )


def _policy(node: Node) -> str:
    """An object that says how it wants to be deleted is deleted so."""
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"
