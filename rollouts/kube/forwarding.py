"""A KubeApi in front of another one.

Owns passing every request on unchanged; what happens around a request is one method of a subclass.
Decides nothing. Base of the guard of the lease and of the simulator's faults.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from rollouts.kube.api import KubeApi, Obj, PatchType, WatchEvent
from rollouts.kube.resources import Resource

Send = Callable[[], Awaitable[Obj]]
_READS: Final = frozenset({"get", "list"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request; ``name`` is empty for a list and for a name the server is to make up."""

    verb: str
    resource: Resource
    name: str = ""

    @property
    def writes(self) -> bool:
        return self.verb not in _READS


class ForwardingApi:
    """Passes everything on to ``api``; requests other than watches go through ``_around``."""

    def __init__(self, api: KubeApi) -> None:
        self._api: Final = api

    async def _around(self, call: Call, send: Send) -> Obj:
        """Send the request, or do not. ``call`` says which one it is."""
        del call
        return await send()

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        return await self._around(
            Call("get", resource, name),
            lambda: self._api.get(resource, name, namespace, subresource=subresource),
        )

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Obj:
        return await self._around(
            Call("list", resource),
            lambda: self._api.list(
                resource,
                namespace,
                labels=labels,
                fields=fields,
                limit=limit,
                continue_token=continue_token,
                resource_version=resource_version,
            ),
        )

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout_seconds: float = 300.0,
    ) -> AsyncIterator[WatchEvent]:
        return self._api.watch(
            resource,
            namespace,
            labels=labels,
            fields=fields,
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
        )

    async def create(
        self,
        resource: Resource,
        body: Obj,
        namespace: str | None = None,
        *,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Obj:
        named = name or str((body.get("metadata") or {}).get("name", ""))
        return await self._around(
            Call("create", resource, named),
            lambda: self._api.create(
                resource, body, namespace, name=name, subresource=subresource, dry_run=dry_run
            ),
        )

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        return await self._around(
            Call("update", resource, body["metadata"]["name"]),
            lambda: self._api.update(resource, body, namespace, subresource=subresource),
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        type: PatchType = PatchType.MERGE,  # noqa: A002 - Kubernetes' own word
        subresource: str = "",
    ) -> Obj:
        return await self._around(
            Call("patch", resource, name),
            lambda: self._api.patch(
                resource, name, patch, namespace, type=type, subresource=subresource
            ),
        )

    async def apply(
        self,
        resource: Resource,
        body: Obj,
        namespace: str | None = None,
        *,
        field_manager: str,
        force: bool = False,
        subresource: str = "",
    ) -> Obj:
        return await self._around(
            Call("patch", resource, body["metadata"]["name"]),
            lambda: self._api.apply(
                resource,
                body,
                namespace,
                field_manager=field_manager,
                force=force,
                subresource=subresource,
            ),
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
    ) -> Obj:
        return await self._around(
            Call("delete", resource, name),
            lambda: self._api.delete(
                resource,
                name,
                namespace,
                propagation=propagation,
                uid=uid,
                resource_version=resource_version,
                grace_period_seconds=grace_period_seconds,
            ),
        )
