"""The loop every controller of this package is: take a key, look, act, say when to look again.

Owns the queue, the workers and what becomes of an error: a conflict is decided again quietly,
anything else is logged and retried with backoff. It never decides. Subclassed by the controllers.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import structlog

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import ApiError, Conflict, NotFound
from rollouts.kube.queue import Key, WorkQueue
from rollouts.kube.resources import Resource
from rollouts.kube.writes import WriteLog
from rollouts.runtime.clock import Clock
from rollouts.sandbox.controllers.informers import Informers
from rollouts.sandbox.controllers.objects import key_of, uid

_log = structlog.get_logger(__name__)
# How soon a controller looks again when a cache has not yet seen its own last write.
STALE_RETRY: Final = 0.01
# Wall times are rounded: what is due sooner would be looked at again at the same instant.
SOONEST: Final = 0.001


def namespace_ends(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is being deleted."""
    causes: Sequence[Obj] = error.details.get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class Worker(ABC):
    """One controller. ``name`` is for logs; ``reads`` must be in the caches before it starts."""

    name: str
    reads: Sequence[Resource] = ()
    workers: int = 2

    def __init__(self, api: KubeApi, informers: Informers, clock: Clock) -> None:
        self.api, self.informers, self.clock = api, informers, clock
        self.queue = WorkQueue(clock)

    @abstractmethod
    async def reconcile(self, key: Key) -> float | None:
        """Bring one object closer; seconds until it wants to be looked at again, or None."""

    async def run(self) -> None:
        await self.informers.synced(*self.reads)
        async with asyncio.TaskGroup() as group:
            for number in range(self.workers):
                group.create_task(self._work(), name=f"{self.name} {number}")

    async def _work(self) -> None:
        while (key := await self.queue.get()) is not None:
            try:
                again = await self.reconcile(key)
            except (Conflict, NotFound):
                # Somebody else was faster; the cache will tell. Look again with what is true then.
                self.queue.retry(key)
            except ApiError as error:
                if namespace_ends(error):
                    continue  # what cannot be created there will soon not be wanted any more
                _log.warning(
                    "reconcile failed", controller=self.name, object=str(key), error=str(error)
                )
                self.queue.retry(key)
            except Exception:  # noqa: BLE001 - logged whole, and retried like any failure
                # One object nobody thought of must not stop the whole cluster.
                _log.exception("reconcile crashed", controller=self.name, object=str(key))
                self.queue.retry(key)
            else:
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, max(again, SOONEST))
            finally:
                self.queue.done(key)


class Gate:
    """What an owner's controller wrote and its caches have not shown yet.

    Deciding from a cache that lacks one's own last create would create it twice, and the names are
    generated, so nothing else would stop that. ``behind`` is asked before every decision.
    """

    def __init__(self, informers: Informers, clock: Clock, *resources: Resource) -> None:
        self._log = WriteLog(clock)
        self._stores = {resource: informers.store(resource) for resource in resources}

    def wrote(self, owner: Obj, resource: Resource, result: Obj) -> None:
        """``result``: what the server answered to a create, update or patch."""
        self._log.wrote(key_of(owner), uid(owner), resource, result)

    def deleted(self, owner: Obj, resource: Resource, gone: Obj) -> None:
        """``gone``: the object as the cache had it."""
        self._log.deleted(key_of(owner), uid(owner), resource, gone)

    def behind(self, owner: Obj) -> bool:
        """Whether some cache has not caught up with what was written for ``owner``."""
        return self._log.behind(key_of(owner), uid(owner), self._stores) is not None

    def forget(self, owner: Obj) -> None:
        """The owner is gone: nothing will be decided for it again."""
        self._log.forget(key_of(owner))
