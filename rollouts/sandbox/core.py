"""What the verbs of the API server share: the store, the types, the clock, and how errors sound.

Owns looking an object up and turning a stored object into the version a client asked for. Decides
nothing about writes. Used by the modules behind ``apiserver.ApiServer`` only.
"""

import random

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, BadRequest, NotFound
from rollouts.kube.resources import NAMESPACES
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import IdFactory, uuids
from rollouts.sandbox import conversion
from rollouts.sandbox.objects import generated_name, timestamp
from rollouts.sandbox.registry import Registry, ResourceInfo
from rollouts.sandbox.revisions import Key, Revisions


class Core:
    """One cluster's state. ``ids`` makes uids; by default they come from ``rng``."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        registry: Registry,
        store: Revisions,
        ids: IdFactory | None = None,
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.registry = registry
        self.store = store
        self.uid = ids or uuids(rng)

    def now(self, ahead: float = 0.0) -> str:
        """The time ``ahead`` seconds from now, as objects carry it."""
        return timestamp(self.clock.wall() + ahead)

    def suffix(self, base: str) -> str:
        return generated_name(base, self.rng)

    def key(self, info: ResourceInfo, namespace: str | None, name: str) -> Key:
        if not info.resource.namespaced:
            return Key("", name)
        if not namespace:
            raise BadRequest("an empty namespace may not be set when a resource name is provided")
        return Key(namespace, name)

    def find(self, info: ResourceInfo, namespace: str | None, name: str) -> Obj:
        """The stored object, in its storage version. Raises NotFound."""
        obj = self.store.get(info.bucket, self.key(info, namespace, name))
        if obj is None:
            raise not_found(info, name)
        return obj

    def shown(self, info: ResourceInfo, obj: Obj) -> Obj:
        """A stored object in the version of ``info``; the very same object if that is it."""
        return conversion.shown(info, obj)

    def namespace(self, name: str) -> Obj | None:
        return self.store.get(NAMESPACES.group_resource, Key("", name))


def not_found(info: ResourceInfo, name: str) -> NotFound:
    resource = info.resource
    return NotFound(f'{resource.group_resource} "{name}" not found', details=naming(info, name))


def naming(info: ResourceInfo, name: str) -> Obj:
    """The details of a Status about one object."""
    resource = info.resource
    details: Obj = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return details


def not_allowed() -> ApiError:
    return ApiError(
        "the server does not allow this method on the requested resource",
        code=405,
        reason="MethodNotAllowed",
    )


def check_verb(info: ResourceInfo, verb: str, subresource: str = "") -> None:
    """Raises NotFound for an unknown subresource, 405 for a verb the type does not have."""
    if not subresource:
        if verb not in info.verbs:
            raise not_allowed()
        return
    sub = info.subresource(subresource)
    if sub is None:
        raise NotFound("the server could not find the requested resource")
    if verb not in sub.verbs:
        raise not_allowed()
