"""Jobs of metrics in another cluster than the controller's own.

Owns finding the way there, when the first Job is due and not before, and telling of all that goes
wrong there as errors of a measurement: a cluster that is away must not be waited for without end.
Where it is comes from the controller's environment alone, never from an object. What is asked of it
is ``job_runner``'s. Put together by ``wiring``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from analysis.providers.base import ProviderError
from analysis.providers.job import KUBECONFIG_VARIABLE
from rollouts.controllers.job_runner import KubeJobRunner
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.client import HttpKubeApi
from rollouts.kube.config import ConfigError, connect_to
from rollouts.kube.errors import ApiError
from rollouts.kube.guard import NotLeader

Opened: TypeAlias = tuple[KubeApi, Callable[[], Awaitable[None]]]
"""A cluster, and what closes it."""
_T = TypeVar("_T")


class RemoteJobRunner:
    """JobRunner over a cluster that ``opened`` opens. ``guard``: around all that is written.

    Raises ProviderError, and NotLeader where nothing may be written any more.
    """

    def __init__(
        self, opened: Callable[[], Awaitable[Opened]], guard: Callable[[KubeApi], KubeApi]
    ) -> None:
        self._open = opened
        self._guard = guard
        self._opening = asyncio.Lock()
        self._runner: KubeJobRunner | None = None
        self._close: Callable[[], Awaitable[None]] | None = None

    async def create(self, job: Obj) -> Obj:
        return await self._ask(lambda runner: runner.create(job))

    async def get(self, namespace: str, name: str) -> Obj | None:
        return await self._ask(lambda runner: runner.get(namespace, name))

    async def labelled(self, namespace: str, labels: str) -> list[Obj]:
        return await self._ask(lambda runner: runner.labelled(namespace, labels))

    async def pods(self, namespace: str, job: str) -> list[Obj]:
        return await self._ask(lambda runner: runner.pods(namespace, job))

    async def delete(self, namespace: str, name: str) -> None:
        await self._ask(lambda runner: runner.delete(namespace, name))

    async def close(self) -> None:
        if self._close is not None:
            await self._close()

    async def _ask(self, question: Callable[[KubeJobRunner], Awaitable[_T]]) -> _T:
        try:
            return await question(await self._connected())
        except NotLeader:
            raise
        except ApiError as error:
            raise ProviderError(f"the cluster for Jobs: {error.message}") from error
        except ConfigError as error:
            # The reason may quote the file, and the file holds credentials.
            raise ProviderError(
                f"there is no way to the cluster for Jobs: {KUBECONFIG_VARIABLE} on the controller "
                "must be the path of a kubeconfig that works, or in-cluster"
            ) from error

    async def _connected(self) -> KubeJobRunner:
        async with self._opening:
            if self._runner is None:
                api, self._close = await self._open()
                self._runner = KubeJobRunner(self._guard(api))
            return self._runner


def over_http(place: str, rng: random.Random) -> Callable[[], Awaitable[Opened]]:
    """Opens the cluster at ``place``: a kubeconfig's path, or ``in-cluster``."""

    async def opened() -> Opened:
        api = HttpKubeApi(await connect_to(place), rng=rng)
        return api, api.close

    return opened
