"""The local copy of one resource type, indexed.

Owns objects, indexes and the version the copy has reached; knows nothing of requests. A reflector
writes, everyone else reads. What comes out is shared: treat it as read-only. Responses of writes
are never put in here, so there is one source of truth and one order of changes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from rollouts.kube.api import Obj, WatchEvent
from rollouts.kube.resources import Resource

Indexer: TypeAlias = Callable[[Obj], Iterable[str]]
Objects: TypeAlias = list[Obj]  # inside Store, ``list`` is the method
ObjectKey: TypeAlias = tuple[str, str]  # namespace ("" for cluster-scoped), name

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object. ``initial``: it is part of the first list, not news."""

    old: Obj | None
    new: Obj | None
    initial: bool = False

    @property
    def object(self) -> Obj:
        """The object after the change, or before it where it is gone."""
        found = self.new if self.new is not None else self.old
        if found is None:
            raise ValueError("a Change has an old or a new object")
        return found


def version_number(text: object) -> int | None:
    """A resourceVersion as a number, or None where it is not one (they need not be numbers)."""
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def trim(obj: Obj) -> Obj:
    """Without managedFields and the last-applied annotation: a fifth of the memory, read by nobody.

    The input stays as it is. An object trimmed so must be patched, never sent back whole.
    """
    metadata = obj.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if "managedFields" not in metadata and _LAST_APPLIED not in annotations:
        return obj
    metadata = {key: value for key, value in metadata.items() if key != "managedFields"}
    if _LAST_APPLIED in annotations:
        metadata["annotations"] = {k: v for k, v in annotations.items() if k != _LAST_APPLIED}
    return {**obj, "metadata": metadata}


def trim_pod(pod: Obj) -> Obj:
    """A pod reduced to what explains a rollout: identity, images, node, phase, conditions.

    Of its containers' states only what they wait for is kept, of its conditions whether it is
    ready and what does not hold.
    """
    pod = trim(pod)
    spec, status = pod.get("spec") or {}, dict(pod.get("status") or {})
    if "containerStatuses" in status:
        status["containerStatuses"] = [
            {"name": one.get("name", ""), "state": {"waiting": waiting}}
            for one in status["containerStatuses"] or ()
            if (waiting := (one.get("state") or {}).get("waiting"))
        ]
    containers = [
        {"name": c.get("name", ""), "image": c.get("image", "")}
        for c in spec.get("containers") or ()
    ]
    if "conditions" in status:
        status["conditions"] = [
            {key: value for key, value in one.items() if value is not None}
            for one in status["conditions"] or ()
            if one.get("type") == "Ready" or one.get("status") != "True"
        ]
    kept = ("phase", "reason", "message", "conditions", "containerStatuses")
    return {
        **{key: pod[key] for key in ("apiVersion", "kind", "metadata") if key in pod},
        "spec": {"nodeName": spec.get("nodeName", ""), "containers": containers},
        "status": {key: status[key] for key in kept if key in status},
    }


def by_owner(obj: Obj) -> Iterable[str]:
    """Indexer: the uid of the controlling owner."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            yield owner.get("uid", "")


def by_label(label: str) -> Indexer:
    """Indexer: ``namespace/value`` of one label."""

    def index(obj: Obj) -> Iterable[str]:
        metadata = obj["metadata"]
        value = (metadata.get("labels") or {}).get(label)
        return () if value is None else (f"{metadata.get('namespace', '')}/{value}",)

    return index


def key_of(obj: Obj) -> ObjectKey:
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


class Store:
    """Objects of one type by namespace and name. ``trim`` is applied to each on the way in.

    Indexers must tolerate any object a user can create: what they raise ends the process.
    """

    def __init__(
        self,
        resource: Resource,
        indexers: Mapping[str, Indexer] | None = None,
        trim: Callable[[Obj], Obj] = trim,
    ) -> None:
        self.resource: Final = resource
        self.seen_rv = 0
        self.synced = False
        self.withheld = ""  # why the server does not let us list the objects, while it does not
        self._trim = trim
        self._objects: dict[ObjectKey, Obj] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, set[ObjectKey]]] = {name: {} for name in self._indexers}
        self._handlers: tuple[Callable[[Change], None], ...] = ()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._objects.get((namespace, name))

    def list(self, namespace: str | None = None) -> Objects:
        """All objects, or those of one namespace, sorted by namespace and name."""
        keys = sorted(k for k in self._objects if namespace is None or k[0] == namespace)
        return [self._objects[key] for key in keys]

    def by_index(self, index: str, value: str) -> Objects:
        """Objects for which the indexer gave ``value``, sorted. KeyError for an unknown index."""
        return [self._objects[key] for key in sorted(self._indexes[index].get(value, ()))]

    def keys(self) -> set[ObjectKey]:
        return set(self._objects)

    def version(self, key: ObjectKey) -> str | None:
        """The resourceVersion held, or None where there is no such object."""
        obj = self._objects.get(key)
        return None if obj is None else _version(obj)

    def subscribe(self, handler: Callable[[Change], None]) -> None:
        """``handler`` hears every later change, and at once what is already here (as initial)."""
        self._handlers += (handler,)
        for obj in self.list():
            handler(Change(None, obj, initial=True))

    # What follows is for the reflector.

    def put(self, obj: Obj, *, initial: bool = False) -> ObjectKey:
        """Take over an object from a list; silent where this version is already here."""
        if "kind" not in obj:  # items of a list do not repeat it
            obj = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **obj}
        key, old = key_of(obj), self._objects.get(key_of(obj))
        if old is not None and not _same_object(old, obj):
            self.delete(key)  # the same name born again: nobody may take it for the old one
            old = None
        if old is not None and _version(old) == _version(obj):
            return key
        new = self._trim(obj)
        if old is not None:
            self._unindex(key, old)
        self._objects[key] = new
        for name, indexer in self._indexers.items():
            for value in indexer(new):
                self._indexes[name].setdefault(value, set()).add(key)
        self._notify(Change(old, new, initial))
        return key

    def delete(self, key: ObjectKey) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._unindex(key, old)
            self._notify(Change(old, None))

    def keep_only(self, keys: set[ObjectKey]) -> None:
        """Delete what a full list did not contain."""
        for key in sorted(self._objects.keys() - keys):
            self.delete(key)

    def observe(self, event: WatchEvent) -> None:
        """Take over one watch event; what is older than what is here is ignored.

        Servers repeat events after a reconnect; a repeated ADDED must not undo a later DELETED.
        """
        number = version_number(_version(event.object))
        if event.type != "BOOKMARK":
            key = key_of(event.object)
            old = self._objects.get(key)
            if not self._is_stale(number, old, event):
                if event.type == "DELETED":
                    self.delete(key)
                else:
                    self.put(event.object)
        if number is not None:
            self.seen_rv = max(self.seen_rv, number)

    def listed(self, resource_version: str) -> None:
        """A full list at this version has been taken over.

        It may be lower than before: a server restored from a backup starts again from there.
        """
        self.seen_rv = version_number(resource_version) or 0
        self.synced = True

    def _is_stale(self, number: int | None, old: Obj | None, event: WatchEvent) -> bool:
        if number is None:
            return False
        if old is None:
            return number <= self.seen_rv
        here = version_number(_version(old)) or 0
        return number < here or (event.type != "DELETED" and number == here)

    def _unindex(self, key: ObjectKey, old: Obj) -> None:
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for value in indexer(old):
                bucket = index.get(value)
                if bucket is not None:
                    bucket.discard(key)
                    if not bucket:
                        del index[value]

    def _notify(self, change: Change) -> None:
        for handler in self._handlers:
            handler(change)


def _version(obj: Obj) -> str:
    version: str = obj["metadata"].get("resourceVersion", "")
    return version


def _same_object(old: Obj, new: Obj) -> bool:
    return bool(old["metadata"].get("uid") == new["metadata"].get("uid"))
