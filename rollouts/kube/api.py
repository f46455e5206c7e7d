"""The seam to an API server.

KubeApi is all the product knows of Kubernetes' wire: raw JSON objects in and out, errors from
``kube.errors``. Two implementations exist: over HTTP (``kube.client``) and straight into the
sandbox's store (``sandbox.direct``). Faults are injected by wrapping one of them. Objects that
come out may be shared with a cache: treat them as read-only.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from rollouts.kube.resources import Resource

Obj: TypeAlias = dict[str, Any]


class PatchType(StrEnum):
    """Patch media types of the API server."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: ``type`` is ADDED, MODIFIED, DELETED or BOOKMARK.

    An ERROR line never gets this far: the iterator raises the ApiError it stands for.
    """

    type: str
    object: Obj


class KubeApi(Protocol):
    """Raw access to one API server. ``namespace=None`` means cluster-wide or cluster-scoped."""

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj: ...

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
        """One page, the List object itself: ``items``, ``metadata`` with version and continue."""
        ...

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
        """Changes after ``resource_version``, and bookmarks, until the server ends the watch."""
        ...

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
        """Create; with ``subresource`` (``eviction``, ``binding``) on the object ``name``."""
        ...

    async def update(
        self, resource: Resource, body: Obj, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj: ...

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        type: PatchType = PatchType.MERGE,  # noqa: A002 - Kubernetes' own word
        subresource: str = "",
    ) -> Obj: ...

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
        """Server-side apply."""
        ...

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
    ) -> Obj: ...
