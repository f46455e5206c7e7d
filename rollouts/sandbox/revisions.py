"""The store: current objects, one revision counter, and the recent past.

Owns the numbering of writes and how far back a watch may start. Knows nothing of kinds, rules or
HTTP; the API server's verbs are the only callers. Objects are frozen by convention: they are
copied before they get here and never changed afterwards, so they may be handed out as they are.

Objects live in buckets (``replicasets.apps``) under a key (namespace, name). Each bucket keeps its
last ``window`` changes; older revisions of a bucket are gone, as after a compaction.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rollouts.kube.api import Obj


class Key(NamedTuple):
    """``namespace`` is "" for what is cluster-scoped."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write: ``old`` is None for a creation, ``new`` is None for a removal."""

    revision: int
    key: Key
    old: Obj | None
    new: Obj | None


class Compacted(Exception):
    """The asked revision is older than what is remembered; ``oldest`` is the first that is not."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} is older than {oldest}")
        self.asked = asked
        self.oldest = oldest


@dataclass(slots=True)
class _Bucket:
    objects: dict[Key, Obj] = field(default_factory=dict)
    order: list[Key] | None = None
    changes: list[Change] = field(default_factory=list)
    floor: int = 0
    listeners: list[Callable[[], None]] = field(default_factory=list)


def stamped(obj: Obj, revision: int) -> Obj:
    """The object with another resourceVersion; everything else is shared."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}


def _notify(room: _Bucket) -> None:
    for heard in tuple(room.listeners):
        heard()


class Revisions:
    """All objects of one cluster. ``window``: remembered changes per bucket."""

    def __init__(self, window: int = 1000) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window}")
        self.window = window
        self.revision = 1
        self._buckets: dict[str, _Bucket] = {}

    def get(self, bucket: str, key: Key) -> Obj | None:
        return self._bucket(bucket).objects.get(key)

    def items(self, bucket: str, namespace: str | None = None) -> list[tuple[Key, Obj]]:
        """Current objects by namespace and name; ``namespace=None`` means all of them."""
        room = self._bucket(bucket)
        if room.order is None:
            room.order = sorted(room.objects)
        if namespace is None:
            return [(key, room.objects[key]) for key in room.order]
        return [(key, room.objects[key]) for key in room.order if key.namespace == namespace]

    def count(self, bucket: str) -> int:
        return len(self._bucket(bucket).objects)

    def put(self, bucket: str, key: Key, obj: Obj) -> Obj:
        """Write an object under the next revision and return it with its resourceVersion."""
        room = self._bucket(bucket)
        self.revision += 1
        old = room.objects.get(key)
        new = stamped(obj, self.revision)
        room.objects[key] = new
        if old is None:
            room.order = None
        self._remember(room, Change(self.revision, key, old, new))
        return new

    def remove(self, bucket: str, key: Key) -> Obj:
        """Remove an object and return its last state, with the removal's revision.

        Raises KeyError when it is not there.
        """
        room = self._bucket(bucket)
        old = room.objects.pop(key)
        self.revision += 1
        room.order = None
        self._remember(room, Change(self.revision, key, old, None))
        return stamped(old, self.revision)

    def after(self, bucket: str, revision: int) -> Sequence[Change]:
        """The changes of a bucket later than a revision, in order. Raises Compacted."""
        room = self._bucket(bucket)
        if revision < room.floor:
            raise Compacted(revision, room.floor)
        start = bisect_right(room.changes, revision, key=lambda change: change.revision)
        return room.changes[start:]

    def items_at(
        self, bucket: str, revision: int, namespace: str | None = None
    ) -> list[tuple[Key, Obj]]:
        """The objects as they were at a revision not yet forgotten. Raises Compacted."""
        later = self.after(bucket, revision)
        if not later:
            return self.items(bucket, namespace)
        past = dict(self._bucket(bucket).objects)
        for change in reversed(later):
            if change.old is None:
                past.pop(change.key, None)
            else:
                past[change.key] = change.old
        return [(key, past[key]) for key in sorted(past) if namespace in (None, key.namespace)]

    def listen(self, bucket: str, heard: Callable[[], None]) -> Callable[[], None]:
        """Call ``heard`` after every change of a bucket, until the returned function is called."""
        listeners = self._bucket(bucket).listeners
        listeners.append(heard)

        def stop() -> None:
            if heard in listeners:
                listeners.remove(heard)

        return stop

    def wake(self, bucket: str) -> None:
        """Call the listeners of a bucket though nothing in it changed."""
        _notify(self._bucket(bucket))

    def compact(self, bucket: str | None = None) -> None:
        """Forget the past of one bucket, or of all."""
        for room in self._buckets.values() if bucket is None else [self._bucket(bucket)]:
            if room.changes:
                room.floor = room.changes[-1].revision
                room.changes = []

    def _bucket(self, name: str) -> _Bucket:
        room = self._buckets.get(name)
        if room is None:
            room = self._buckets[name] = _Bucket()
        return room

    def _remember(self, room: _Bucket, change: Change) -> None:
        room.changes.append(change)
        excess = len(room.changes) - self.window
        if excess > 0:
            room.floor = room.changes[excess - 1].revision
        # Trimming in bulk keeps a write cheap; the floor alone decides what may be read.
        if excess > self.window:
            room.changes = room.changes[excess:]
        _notify(room)
