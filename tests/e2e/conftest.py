"""Where the end-to-end tests run: the embedded cluster in virtual time, or a real one.

``pytest tests/e2e --kubeconfig PATH`` runs the same tests, unchanged, against the cluster the
kubeconfig names. It needs something that plays pods (nodes, or ``rollouts sandbox kubelet``) and no
controller of ours: that runs in the test process, because the metrics it asks for live there.
"""

import asyncio
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from rollouts.api.crdgen import crds
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi
from rollouts.kube.client import HttpKubeApi
from rollouts.kube.config import ConnectOptions, connect
from rollouts.kube.errors import AlreadyExists, NotFound
from rollouts.kube.resources import CRDS, NAMESPACES, ROLLOUTS
from rollouts.runtime.clock import Clock, SystemClock
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.e2e.traffic import Traffic
from tests.e2e.world import World

Story = Callable[[World], Awaitable[None]]
SEED = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", help="Run the end-to-end tests against this cluster.")


def kubeconfig_of(config: pytest.Config) -> str | None:
    """The option, which exists only where pytest was told to start in this folder."""
    return config.getoption("--kubeconfig", default=None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Real time takes as long as the examples say."""
    if kubeconfig_of(config):
        for item in items:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Runs a story in a namespace of its own, with our controller watching."""
    path = kubeconfig_of(request.config)
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:45].strip("-")
    name = f"{words}-{zlib.crc32(request.node.name.encode()):08x}"  # long names begin alike

    def run(story: Story) -> None:
        if path:
            asyncio.run(_on_a_real_cluster(path, story, f"e2e-{name}"))
        else:
            run_virtual(_on_the_embedded_cluster(story, f"e2e-{name}"), seed=SEED, shuffle=True)

    return run


async def _on_the_embedded_cluster(story: Story, namespace: str) -> None:
    clock = virtual_clock()
    cluster = Cluster(clock, random.Random(SEED), pods="fast")
    await cluster.start()
    try:
        await _play(story, cluster.api, clock, namespace, cluster.failed())
    finally:
        await cluster.stop()


async def _on_a_real_cluster(path: str, story: Story, namespace: str) -> None:
    connection = await connect(ConnectOptions(kubeconfig=path))
    async with HttpKubeApi(connection, rng=random.Random()) as api:
        for crd in crds():
            with suppress(AlreadyExists):
                await api.create(CRDS, crd)
        await _served(api)
        await _play(story, api, SystemClock(), namespace)


async def _served(api: KubeApi) -> None:
    """A server needs a moment until a new type answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await api.list(ROLLOUTS, limit=1)
            except NotFound:
                await asyncio.sleep(0.2)
            else:
                return


async def _play(
    story: Story,
    api: KubeApi,
    clock: Clock,
    namespace: str,
    *others: Coroutine[Any, Any, None],
) -> None:
    """The story, and what must go on meanwhile; whatever ends first ends everything."""
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await api.create(NAMESPACES, home)
    traffic = Traffic(api, clock, namespace)
    controller = controller_set(api, clock, random.Random(SEED), http=traffic)
    tasks = [
        asyncio.ensure_future(each)
        for each in (traffic.run(), *(part.run() for part in controller), *others)
    ]
    telling = asyncio.ensure_future(story(World(api, clock, namespace, traffic)))
    try:
        await asyncio.wait([telling, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        await telling
    finally:
        for task in (telling, *tasks):
            task.cancel()
        await asyncio.gather(telling, *tasks, return_exceptions=True)
        await api.delete(NAMESPACES, namespace)
