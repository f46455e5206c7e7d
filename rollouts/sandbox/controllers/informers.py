"""The caches all controllers share: one Store and one Reflector per resource type.

Owns which types are watched and that each is watched once. It refuses to trim objects (pods are
needed whole here) and never writes. Created by ``controllers``; every controller asks it for the
stores it reads, and ``run`` keeps them fresh until cancelled.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import PODS, SERVICES, Resource
from rollouts.kube.store import Indexer, Store
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.objects import (
    controller_uid,
    drop_managed_fields,
    labels,
    meta,
    spec,
)


def _by_controller(obj: Obj) -> Iterable[str]:
    found = controller_uid(obj)
    return (found,) if found else ()


def _orphans(obj: Obj) -> Iterable[str]:
    """Objects nobody controls, by namespace: the candidates for adoption."""
    return () if controller_uid(obj) else (str(meta(obj).get("namespace", "")),)


def pair(namespace: str, key: str, value: object) -> str:
    """What the indexes ``labels`` and ``selector`` are asked with."""
    return f"{namespace}/{key}={value}"


def _by_labels(obj: Obj) -> Iterable[str]:
    namespace = str(meta(obj).get("namespace", ""))
    return [pair(namespace, *each) for each in labels(obj).items()]


def _by_selector(service: Obj) -> Iterable[str]:
    """One pair of the selector: a pod without it is none of the Service's."""
    namespace = str(meta(service).get("namespace", ""))
    selector = spec(service).get("selector") or {}
    return [pair(namespace, *min(selector.items()))] if selector else ()


_MORE_INDEXES: Final[dict[Resource, dict[str, Indexer]]] = {
    PODS: {"labels": _by_labels},
    SERVICES: {"selector": _by_selector},
}


@dataclass(slots=True)
class _Informer:
    store: Store
    reflector: Reflector
    task: asyncio.Task[None] | None = None


class Informers:
    """Stores by resource, made on first request, kept fresh while ``run`` runs."""

    name = "informers"

    def __init__(self, api: KubeApi, clock: Clock, rng: random.Random) -> None:
        self._api, self._clock, self._rng = api, clock, rng
        self._informers: dict[Resource, _Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def store(self, resource: Resource) -> Store:
        """The store of ``resource``, with indexes ``controller`` (uid), ``orphans`` (namespace).

        Pods also by ``labels`` and Services by ``selector``, both asked with a ``pair``.
        """
        if resource not in self._informers:
            indexers: dict[str, Indexer] = {
                "controller": _by_controller,
                "orphans": _orphans,
                **_MORE_INDEXES.get(resource, {}),
            }
            store = Store(resource, indexers, trim=drop_managed_fields)
            reflector = Reflector(
                self._api, store, clock=self._clock, rng=random.Random(self._rng.random())
            )
            self._informers[resource] = _Informer(store, reflector)
            self._start(resource)
        return self._informers[resource].store

    def drop(self, resource: Resource) -> None:
        """Stop watching a type that is no longer served."""
        informer = self._informers.pop(resource, None)
        if informer and informer.task:
            informer.task.cancel()

    async def synced(self, *resources: Resource) -> None:
        """Returns once the first list of each of ``resources`` is in its store."""
        for resource in resources:
            self.store(resource)
            await self._informers[resource].reflector.wait_synced()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for resource in self._informers:
                    self._start(resource)
                await asyncio.Event().wait()
            finally:
                self._group = None
                for informer in self._informers.values():
                    informer.task = None

    def _start(self, resource: Resource) -> None:
        informer = self._informers[resource]
        if self._group is not None and informer.task is None:
            informer.task = self._group.create_task(
                informer.reflector.run(), name=f"informer {resource.group_resource}"
            )
