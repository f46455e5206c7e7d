"""The objects around a Rollout: read once, or kept up to date while somebody watches.

Owns the questions asked of the API server: which kinds, which selectors. What a person may not read
is left out of the picture rather than being an error. Used by ``get``, ``list`` and ``status``.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rollouts.api import labels
from rollouts.cli.common import Client
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden, NotFound
from rollouts.kube.reflector import Reflector
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, PODS, REPLICA_SETS, Resource
from rollouts.kube.store import Store

_PAGE: Final = 500
_REDRAW_SECONDS: Final = 0.2
_KINDS: Final = (
    (REPLICA_SETS, labels.POD_TEMPLATE_HASH),
    (PODS, labels.POD_TEMPLATE_HASH),
    (ANALYSIS_RUNS, ""),
    (EXPERIMENTS, ""),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a tree is drawn from. ``root`` is the Rollout or Experiment."""

    root: Obj
    replica_sets: list[Obj] = field(default_factory=list)
    pods: list[Obj] = field(default_factory=list)
    runs: list[Obj] = field(default_factory=list)
    experiments: list[Obj] = field(default_factory=list)

    @classmethod
    def of(cls, root: Obj, found: Mapping[Resource, list[Obj]]) -> "Snapshot":
        lists: list[Any] = [found.get(resource, []) for resource, _ in _KINDS]
        return cls(root, *lists)


async def list_all(
    api: KubeApi, resource: Resource, namespace: str | None, selector: str = ""
) -> list[Obj]:
    """All objects, page by page."""
    items: list[Obj] = []
    token = ""
    while True:
        page = await api.list(
            resource, namespace, labels=selector, limit=_PAGE, continue_token=token
        )
        items += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return items


async def read(client: Client, resource: Resource, name: str) -> Snapshot:
    """The object called ``name`` and everything that may belong to it. Raises NotFound."""
    root = await client.api.get(resource, name, client.namespace)
    lists = await asyncio.gather(
        *(_readable(client, kind, selector) for kind, selector in _KINDS),
    )
    found = {
        kind: items for (kind, _), items in zip(_KINDS, lists, strict=True) if items is not None
    }
    return Snapshot.of(root, found)


async def _readable(client: Client, resource: Resource, selector: str) -> list[Obj] | None:
    try:
        return await list_all(client.api, resource, client.namespace, selector)
    except (NotFound, Forbidden):
        return None


async def watch(client: Client, resource: Resource, name: str) -> AsyncIterator[Snapshot]:
    """The same again after every change, at most five times a second. Raises NotFound when the
    object is, or becomes, absent.
    """
    await client.api.get(resource, name, client.namespace)
    kinds = [
        (kind, selector)
        for kind, selector in _KINDS
        if await _readable(client, kind, selector) is not None
    ]
    async with following(client, [(resource, ""), *kinds], name=name) as (stores, changed):
        while True:
            changed.clear()
            root = stores[resource].get(client.namespace, name)
            if root is None:
                raise NotFound(f'{resource.group_resource} "{name}" not found')
            yield Snapshot.of(root, {kind: stores[kind].list() for kind, _ in kinds})
            await changed.wait()
            await asyncio.sleep(_REDRAW_SECONDS)


@contextlib.asynccontextmanager
async def following(
    client: Client,
    kinds: list[tuple[Resource, str]],
    *,
    name: str = "",
    namespace: str | None = "",
) -> AsyncIterator[tuple[dict[Resource, Store], asyncio.Event]]:
    """Stores of ``kinds`` that follow the cluster, and an event that is set by every change.

    ``name`` restricts the first kind to one object; ``namespace=None`` is all namespaces.
    """
    where = client.namespace if namespace == "" else namespace
    changed = asyncio.Event()
    stores: dict[Resource, Store] = {}
    reflectors = []
    for index, (kind, selector) in enumerate(kinds):
        store = stores[kind] = Store(kind)
        store.subscribe(lambda _change: changed.set())
        fields = f"metadata.name={name}" if name and index == 0 else ""
        reflectors.append(
            Reflector(
                client.api,
                store,
                namespace=where,
                labels=selector,
                fields=fields,
                clock=client.clock,
                rng=random.Random(),
            )
        )
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    try:
        await asyncio.gather(*(reflector.wait_synced() for reflector in reflectors))
        yield stores, changed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
