"""Who owns whom, by uid, over all resource types.

Owns the graph the garbage collector walks; knows objects only by their metadata and never asks the
server. Pure bookkeeping, fed by the collector from its caches.
"""

from dataclasses import dataclass, field

from rollouts.kube.api import Obj
from rollouts.kube.resources import Resource
from rollouts.sandbox.controllers.objects import FOREGROUND, deleting, meta, uid


@dataclass(frozen=True, slots=True)
class Node:
    """One object as the graph knows it."""

    resource: Resource
    metadata: Obj

    @property
    def uid(self) -> str:
        return str(self.metadata.get("uid", ""))

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace") or "")

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def owners(self) -> list[Obj]:
        return list(self.metadata.get("ownerReferences") or ())

    @property
    def finalizers(self) -> list[str]:
        return list(self.metadata.get("finalizers") or ())

    @property
    def deleting(self) -> bool:
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def waits_for_dependents(self) -> bool:
        return self.deleting and FOREGROUND in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether this object holds up the foreground deletion of the owner with that uid."""
        return any(ref.get("uid") == owner and ref.get("blockOwnerDeletion") for ref in self.owners)


@dataclass(slots=True)
class Graph:
    """Nodes by uid, and the uids of each owner's dependents."""

    nodes: dict[str, Node] = field(default_factory=dict)
    _dependents: dict[str, set[str]] = field(default_factory=dict)

    def put(self, resource: Resource, obj: Obj) -> Node:
        self.remove(uid(obj))
        node = Node(resource, meta(obj))
        self.nodes[node.uid] = node
        for ref in node.owners:
            self._dependents.setdefault(str(ref.get("uid")), set()).add(node.uid)
        return node

    def remove(self, gone: str) -> None:
        node = self.nodes.pop(gone, None)
        for ref in node.owners if node else ():
            owner = str(ref.get("uid"))
            held = self._dependents.get(owner, set())
            held.discard(gone)
            if not held:
                self._dependents.pop(owner, None)

    def dependents(self, owner: str) -> list[Node]:
        """In a stable order: by resource, namespace, name."""
        found = [self.nodes[one] for one in self._dependents.get(owner, ())]
        return sorted(found, key=lambda n: (n.resource.group_resource, n.namespace, n.name))


def changed(old: Obj | None, new: Obj) -> bool:
    """Whether what the graph knows of an object changed."""
    if old is None:
        return True
    fields = ("ownerReferences", "finalizers", "uid")
    return deleting(old) != deleting(new) or any(
        meta(old).get(name) != meta(new).get(name) for name in fields
    )
