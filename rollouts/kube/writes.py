"""What we wrote for an owner and have not yet seen come back.

Owns the consistency gate: a reconcile that would decide from a cache older than our own last write
is put off (the rule Kubernetes' own controllers follow since 1.36). Keyed by owner and its uid, so
a namesake starts clean. Fails open: versions that are no numbers, and waits past their patience,
do not block. Used by the executor (records) and by reconcilers (ask first).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import Resource
from rollouts.kube.store import version_number
from rollouts.runtime.clock import Clock

PATIENCE_SECONDS: Final = 300.0
DELETE_PATIENCE_SECONDS: Final = 30.0


class Cache(Protocol):
    """The part of a Store the gate looks at."""

    seen_rv: int

    def get(self, namespace: str, name: str) -> Obj | None: ...


@dataclass(slots=True)
class _Pending:
    """Of one owner: the newest version written per resource, and the objects deleted."""

    uid: str
    versions: dict[Resource, tuple[int, float]] = field(default_factory=dict)
    deleted: dict[tuple[Resource, str, str, str], float] = field(default_factory=dict)


class WriteLog:
    """``stale_total`` counts how often a reconcile was put off."""

    def __init__(self, clock: Clock) -> None:
        self.stale_total = 0
        self._clock = clock
        self._pending: dict[Key, _Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def wrote(self, owner: Key, uid: str, resource: Resource, written: Obj) -> None:
        """The server answered a create, update or patch with ``written``."""
        version = version_number((written.get("metadata") or {}).get("resourceVersion"))
        if version is None:
            return
        versions = self._of(owner, uid).versions
        if version > versions.get(resource, (0, 0.0))[0]:
            versions[resource] = (version, self._clock.monotonic())

    def deleted(self, owner: Key, uid: str, resource: Resource, gone: Obj) -> None:
        """The server accepted the deletion of ``gone`` (as it was in the cache)."""
        metadata = gone["metadata"]
        item = (
            resource,
            metadata.get("namespace") or "",
            metadata["name"],
            metadata.get("uid", ""),
        )
        self._of(owner, uid).deleted[item] = self._clock.monotonic()

    def behind(self, owner: Key, uid: str, stores: Mapping[Resource, Cache]) -> Resource | None:
        """The resource whose cache has not seen our last write yet, or None: go ahead."""
        pending = self._pending.get(owner)
        if pending is None:
            return None
        if pending.uid != uid:
            del self._pending[owner]
            return None
        lagging = self._lagging(pending, stores)
        if lagging is None:
            del self._pending[owner]
        else:
            self.stale_total += 1
        return lagging

    def forget(self, owner: Key) -> None:
        """The owner is gone."""
        self._pending.pop(owner, None)

    def _of(self, owner: Key, uid: str) -> _Pending:
        pending = self._pending.get(owner)
        if pending is None or pending.uid != uid:
            pending = self._pending[owner] = _Pending(uid)
        return pending

    def _lagging(self, pending: _Pending, stores: Mapping[Resource, Cache]) -> Resource | None:
        now = self._clock.monotonic()
        for resource, (version, since) in pending.versions.items():
            store = stores.get(resource)
            if store is not None and store.seen_rv < version and now - since < PATIENCE_SECONDS:
                return resource
        for (resource, namespace, name, uid), since in pending.deleted.items():
            store = stores.get(resource)
            cached = store.get(namespace, name) if store is not None else None
            if (
                cached is not None
                and cached["metadata"].get("uid") == uid
                and "deletionTimestamp" not in cached["metadata"]
                and now - since < DELETE_PATIENCE_SECONDS
            ):
                return resource
        return None
