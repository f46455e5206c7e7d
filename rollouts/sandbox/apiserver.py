"""What a request does once it is decoded: the API server without its wire.

Owns the routing of a verb to what carries it out, and the cluster's first objects. Every method
is synchronous and therefore atomic on one event loop. Errors are ``rollouts.kube.errors``. What
comes out may be the store's own object: read it, never change it. Called by ``direct`` and by the
HTTP front.
"""

import random
from typing import Any, Final

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.resources import NAMESPACES
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import IdFactory
from rollouts.sandbox.builtins import builtin_registry
from rollouts.sandbox.core import Core
from rollouts.sandbox.deleting import Deleter
from rollouts.sandbox.options import DeleteOptions, ListOptions, Options, WatchOptions
from rollouts.sandbox.reading import Reader
from rollouts.sandbox.registry import Registry, ResourceInfo
from rollouts.sandbox.revisions import Revisions
from rollouts.sandbox.subresources import Subresources
from rollouts.sandbox.watching import Watch
from rollouts.sandbox.writing import Writer

FIRST_NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")


class ApiServer:
    """One cluster. ``window``: changes per type a watch may look back; ``ids`` makes uids."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        window: int = 1000,
        ids: IdFactory | None = None,
    ) -> None:
        self.core = Core(clock, rng, builtin_registry(), Revisions(window), ids)
        self._reader = Reader(self.core)
        self._writer = Writer(self.core)
        self._deleter = Deleter(self.core)
        self._subresources = Subresources(self.core, self._writer, self._deleter)
        for name in FIRST_NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.create(self.info(NAMESPACES.group, "v1", "namespaces"), None, body, Options())

    @property
    def registry(self) -> Registry:
        return self.core.registry

    @property
    def store(self) -> Revisions:
        return self.core.store

    def info(self, group: str, version: str, plural: str) -> ResourceInfo:
        """Raises NotFound when the type is not served."""
        return self.core.registry.resolve(group, version, plural)

    def get(
        self, info: ResourceInfo, namespace: str | None, name: str, subresource: str = ""
    ) -> Obj:
        if subresource:
            return self._subresources.get(info, namespace, name, subresource)
        return self._reader.get(info, namespace, name)

    def watch(self, info: ResourceInfo, namespace: str | None, options: WatchOptions) -> Watch:
        """What can be refused is refused at once; a Gone may still end the iteration later."""
        return self._reader.watch(info, namespace, options)

    def create(
        self,
        info: ResourceInfo,
        namespace: str | None,
        body: Any,
        options: Options,
        *,
        name: str = "",
        subresource: str = "",
    ) -> Obj:
        """With ``subresource`` (binding, eviction) on the object called ``name``."""
        if subresource:
            return self._subresources.create(
                info, namespace, name, body, options, subresource=subresource
            )
        return self._subresources.reviewed(info, body) or self._writer.create(
            info, namespace, body, options
        )

    def update(
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        body: Any,
        options: Options,
        *,
        subresource: str = "",
    ) -> Obj:
        if subresource == "scale":
            return self._subresources.update_scale(info, namespace, name, body, options)
        return self._writer.update(info, namespace, name, body, options, subresource)

    def patch(  # noqa: PLR0917 - the agreed order of what a request consists of
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        patch: Any,
        patch_type: PatchType,
        options: Options,
        *,
        subresource: str = "",
    ) -> Obj:
        """``patch`` is decoded JSON: an object, or an array for a JSON patch."""
        if subresource == "scale":
            return self._subresources.patch_scale(info, namespace, name, patch, patch_type, options)
        return self._writer.patch(info, namespace, name, patch, patch_type, options, subresource)

    def delete(
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        wanted: DeleteOptions,
        options: Options,
    ) -> Obj:
        """The object where it stays for now, a Status of success where it is gone."""
        return self._deleter.delete(info, namespace, name, wanted, options)

    def delete_collection(
        self,
        info: ResourceInfo,
        namespace: str | None,
        chosen: ListOptions,
        wanted: DeleteOptions,
        options: Options,
    ) -> Obj:
        return self._deleter.delete_collection(info, namespace, chosen, wanted, options)

    def list(self, info: ResourceInfo, namespace: str | None, options: ListOptions) -> Obj:
        """One page as a List object; ``namespace=None`` for all namespaces."""
        return self._reader.page(info, namespace, options)
