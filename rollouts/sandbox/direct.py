"""A KubeApi straight into the API server of the same process: no sockets, no wire.

Owns nothing but the translation of calls. It lets other tasks run before each call, as a network
would, and hands out private copies, so that changing a result never changes the cluster. Used by
the simulator, by tests and by the controllers of an embedded cluster.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rollouts.kube.api import Obj, PatchType, WatchEvent
from rollouts.kube.resources import Resource
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.objects import copied
from rollouts.sandbox.options import DeleteOptions, ListOptions, Options, WatchOptions
from rollouts.sandbox.patching import unsupported_apply
from rollouts.sandbox.registry import ResourceInfo


class DirectApi:
    """Implements ``rollouts.kube.api.KubeApi`` over an ApiServer."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def _info(self, resource: Resource) -> ResourceInfo:
        return self.server.info(resource.group, resource.version, resource.plural)

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        await asyncio.sleep(0)
        return _own(self.server.get(self._info(resource), namespace, name, subresource))

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
        await asyncio.sleep(0)
        options = ListOptions(labels, fields, limit, continue_token, resource_version)
        return _own(self.server.list(self._info(resource), namespace, options))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout_seconds: float = 300.0,
    ) -> AsyncIterator[WatchEvent]:
        await asyncio.sleep(0)
        options = WatchOptions(
            labels=labels,
            fields=fields,
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
            allow_bookmarks=True,
        )
        watch = self.server.watch(self._info(resource), namespace, options)
        try:
            async for event in watch:
                yield WatchEvent(event.type, _own(event.object))
        finally:
            watch.close()

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
        await asyncio.sleep(0)
        info, options = self._info(resource), Options(dry_run=dry_run)
        return _own(
            self.server.create(info, namespace, body, options, name=name, subresource=subresource)
        )

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        await asyncio.sleep(0)
        info, name = self._info(resource), body["metadata"]["name"]
        return _own(
            self.server.update(info, namespace, name, body, Options(), subresource=subresource)
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
        await asyncio.sleep(0)
        info, options = self._info(resource), Options()
        return _own(
            self.server.patch(info, namespace, name, patch, type, options, subresource=subresource)
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
        """Raises 415: this cluster has no server-side apply."""
        del body, namespace, field_manager, force, subresource
        await asyncio.sleep(0)
        self._info(resource)
        raise unsupported_apply()

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
        await asyncio.sleep(0)
        wanted = DeleteOptions(propagation, uid, resource_version, grace_period_seconds)
        return _own(self.server.delete(self._info(resource), namespace, name, wanted, Options()))


def _own(obj: Obj) -> Obj:
    result: Obj = copied(obj)
    return result
