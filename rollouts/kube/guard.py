"""No writes without the lease.

Owns one rule: a write is sent only while we lead, and is given up when the lease could pass to
somebody else. Reads pass through. Everything the controller writes goes through here; the election
itself does not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from rollouts.kube.api import KubeApi, Obj, PatchType, WatchEvent
from rollouts.kube.errors import ApiError, Unreachable
from rollouts.kube.resources import Resource


class NotLeader(ApiError):
    """The write was not sent: another process may be leading."""

    code, reason = 0, "NotLeader"


class GuardedApi:
    """``remaining``: seconds for which writes are allowed, 0 or less where they are not."""

    def __init__(self, api: KubeApi, remaining: Callable[[], float]) -> None:
        self._api: Final = api
        self._remaining = remaining

    async def _write(self, send: Callable[[], Awaitable[Obj]]) -> Obj:
        seconds = self._remaining()
        if seconds <= 0:
            raise NotLeader("not the leader: nothing is written")
        try:
            async with asyncio.timeout(seconds):
                return await send()
        except TimeoutError as error:
            raise Unreachable("the lease ended while a write was on its way") from error

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        return await self._api.get(resource, name, namespace, subresource=subresource)

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
        return await self._api.list(
            resource,
            namespace,
            labels=labels,
            fields=fields,
            limit=limit,
            continue_token=continue_token,
            resource_version=resource_version,
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
        return await self._write(
            lambda: self._api.create(
                resource, body, namespace, name=name, subresource=subresource, dry_run=dry_run
            )
        )

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        return await self._write(
            lambda: self._api.update(resource, body, namespace, subresource=subresource)
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
        return await self._write(
            lambda: self._api.patch(
                resource, name, patch, namespace, type=type, subresource=subresource
            )
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
        return await self._write(
            lambda: self._api.apply(
                resource,
                body,
                namespace,
                field_manager=field_manager,
                force=force,
                subresource=subresource,
            )
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
        return await self._write(
            lambda: self._api.delete(
                resource,
                name,
                namespace,
                propagation=propagation,
                uid=uid,
                resource_version=resource_version,
                grace_period_seconds=grace_period_seconds,
            )
        )
