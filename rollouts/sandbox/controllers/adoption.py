"""Whose child is whose: adoption and release by selector and controller reference.

Owns the writes of one owner reference. A child nobody controls that the selector matches is
adopted; a controlled child the selector no longer matches is released. Before adopting, the owner
is read live: a cache may still show an owner that is being deleted. Called by the ReplicaSet and
the Deployment controller.
"""

from collections.abc import Mapping
from typing import Any

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import BadRequest, Conflict, Invalid, NotFound
from rollouts.kube.resources import Resource
from rollouts.kube.selectors import NOTHING, LabelSelector, from_object
from rollouts.kube.store import Store
from rollouts.sandbox.controllers.objects import (
    controller_uid,
    deleting,
    labels,
    meta,
    owner_reference,
    spec,
    uid,
)
from rollouts.sandbox.controllers.worker import Gate


def selector_of(owner: Mapping[str, Any]) -> LabelSelector:
    """The owner's selector; one that is empty or unreadable selects nothing, never everything."""
    wanted = spec(owner).get("selector")
    if not wanted:
        return NOTHING
    try:
        return from_object(wanted) or NOTHING
    except BadRequest:
        return NOTHING


class Adopter:
    """Claims children of one type for owners of another."""

    def __init__(
        self, api: KubeApi, gate: Gate, owners: Resource, children: Resource, store: Store
    ) -> None:
        self._api, self._gate = api, gate
        self._owners, self._children, self._store = owners, children, store

    async def claim(self, owner: Obj, selector: LabelSelector) -> list[Obj]:
        """The children of ``owner`` after adopting and releasing."""
        mine: list[Obj] = []
        for child in self._store.by_index("controller", uid(owner)):
            if selector.matches(labels(child)):
                mine.append(child)
            elif not deleting(owner):
                await self._release(owner, child)
        orphans = [
            child
            for child in self._store.by_index("orphans", meta(owner)["namespace"])
            if selector.matches(labels(child)) and not deleting(child)
        ]
        if orphans and not deleting(owner) and await self._still_there(owner):
            mine += [child for child in orphans if await self._adopt(owner, child)]
        return mine

    async def _still_there(self, owner: Obj) -> bool:
        try:
            live = await self._api.get(self._owners, meta(owner)["name"], meta(owner)["namespace"])
        except NotFound:
            return False
        return uid(live) == uid(owner) and not deleting(live)

    async def _adopt(self, owner: Obj, child: Obj) -> bool:
        references = [
            *(meta(child).get("ownerReferences") or ()),
            owner_reference(self._owners, owner),
        ]
        return await self._write(owner, child, references)

    async def _release(self, owner: Obj, child: Obj) -> None:
        references = [
            ref for ref in meta(child).get("ownerReferences") or () if ref.get("uid") != uid(owner)
        ]
        await self._write(owner, child, references)

    async def _write(self, owner: Obj, child: Obj, references: list[Obj]) -> bool:
        """False when the child moved on or went: the next pass sees what is true then."""
        patch = {
            "metadata": {
                "uid": uid(child),
                "resourceVersion": meta(child).get("resourceVersion"),
                "ownerReferences": references,
            }
        }
        try:
            made = await self._api.patch(
                self._children, meta(child)["name"], patch, meta(child).get("namespace")
            )
        except (NotFound, Conflict, Invalid):
            return False
        self._gate.wrote(owner, self._children, made)
        return controller_uid(made) == uid(owner)
