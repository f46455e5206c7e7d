"""The embedded cluster: an API server, our kinds, and the controllers around them.

Owns putting these together, starting and stopping them. Needs no sockets and no threads, so it
runs in virtual time as well as under the HTTP front (``sandbox.http.server``), which is separate.
Used by ``rollouts sandbox``, the demo, the simulator and tests.
"""

import asyncio
import random
from collections.abc import Sequence

from rollouts.api.crdgen import crds
from rollouts.kube.resources import CRDS
from rollouts.runtime.clock import Clock
from rollouts.runtime.ids import uuids
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.controllers import (
    Part,
    PodRuntime,
    Profile,
    collectable,
    controllers,
    named,
)
from rollouts.sandbox.controllers.nodes import NAMES
from rollouts.sandbox.direct import DirectApi
from rollouts.sandbox.options import Options


class Cluster:
    """One cluster in this process. ``api`` is a KubeApi straight into ``server``.

    ``pods``: how pods behave that say nothing themselves, a Profile or the name of one.
    ``runtime``: what really runs behind a pod; ``run_commands``: run the commands of pods that are
    meant to end. ``window``: how many changes of each type a watch may look back.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        pods: Profile | str = "fast",
        runtime: PodRuntime | None = None,
        run_commands: bool = False,
        nodes: Sequence[str] = NAMES,
        window: int = 1000,
    ) -> None:
        self.server = ApiServer(clock, rng, window=window)
        self.api = DirectApi(self.server)
        definitions = self.server.info(CRDS.group, CRDS.version, CRDS.plural)
        for crd in crds():
            self.server.create(definitions, None, crd, Options())
        self._parts: list[Part] = controllers(
            self.api,
            clock,
            rng,
            uuids(rng),
            pods=named(pods) if isinstance(pods, str) else pods,
            resources=collectable(self.server.registry),
            runtime=runtime,
            run_commands=run_commands,
            nodes=nodes,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the controllers; the API server answers from the beginning."""
        if self._tasks:
            raise RuntimeError("the cluster runs already")
        self._tasks = [
            asyncio.create_task(_running(part), name=f"sandbox {part.name}") for part in self._parts
        ]

    async def failed(self) -> None:
        """Wait for ever; raises what ended a controller that should not have ended."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Cancel the controllers. Objects stay readable."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _running(part: Part) -> None:
    await part.run()
    raise RuntimeError(f"the sandbox's {part.name} ended by itself")
