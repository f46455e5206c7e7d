"""The demo's parts on an embedded cluster: what a Service selects is what its users get."""

import asyncio
import random
from contextlib import asynccontextmanager

from rollouts.kube.resources import ENDPOINT_SLICES, REPLICA_SETS, SERVICES
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.controllers.profiles import becomes_ready
from rollouts.sandbox.demo.load import LoadGenerator
from rollouts.sandbox.demo.pods import DemoPods
from rollouts.sandbox.demo.proxy import ServiceProxy, ready_pods
from rollouts.sandbox.demo.view import ClusterView

CLOCK = SystemClock()


def replica_set(version, replicas):
    labels = {"app": "shop", "rollouts-pod-template-hash": version}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": f"shop-{version}", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {
                            "name": "colours",
                            "image": f"demo/colours:{version}",
                            "ports": [{"containerPort": 8080}],
                        }
                    ]
                },
            },
        },
    }


@asynccontextmanager
async def shop():
    """A cluster with three blue pods and one green behind the Service ``shop``."""
    rng = random.Random(5)
    pods = DemoPods(CLOCK, rng)
    cluster = Cluster(CLOCK, rng, pods=becomes_ready("soon", 0.1), runtime=pods)
    view = ClusterView(cluster.api, CLOCK, rng, "default")
    await cluster.start()
    watching = asyncio.create_task(view.run())
    proxy = ServiceProxy(view.store(ENDPOINT_SLICES), pods.address_of, "default")
    try:
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "shop"},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
        await cluster.api.create(SERVICES, service, "default")
        for version, count in (("blue", 3), ("green", 1)):
            await cluster.api.create(REPLICA_SETS, replica_set(version, count), "default")
        assert await view.until(lambda: len(ready(view)) == 4, 10)
        yield cluster.api, view, await proxy.listen("shop")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await proxy.close()
        await cluster.stop()
        await pods.close()


def ready(view):
    return ready_pods(view.store(ENDPOINT_SLICES).list("default"))


async def users(url, view, count=40):
    """What the first users see: at least so many, however slow the machine."""
    load = LoadGenerator(url, CLOCK, rate=200)
    using = asyncio.create_task(load.run())
    assert await view.until(lambda: load.tally.requests.total() >= count, 10)
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    return load.tally


async def test_traffic_follows_the_pods():
    async with shop() as (_, view, url):
        tally = await users(url, view)
    assert tally.errors.total() == 0
    assert abs(tally.shares()["green"] - 0.25) < 0.1


async def test_traffic_follows_the_selector():
    async with shop() as (api, view, url):
        selector = {"app": "shop", "rollouts-pod-template-hash": "green"}
        await api.patch(SERVICES, "shop", {"spec": {"selector": selector}}, "default")
        assert await view.until(lambda: len(ready(view)) == 1, 10)
        tally = await users(url, view)
        assert view.selected_hash("shop") == "green"
        assert view.version_of("green") == "green"
    assert set(tally.requests) == {"green"}


async def test_nobody_notices_that_pods_are_scaled_away():
    async with shop() as (api, view, url):
        load = LoadGenerator(url, CLOCK, rate=200)
        using = asyncio.create_task(load.run())
        assert await view.until(lambda: load.tally.requests.total() >= 20, 10)
        await api.patch(REPLICA_SETS, "shop-blue", {"spec": {"replicas": 1}}, "default")
        assert await view.until(lambda: len(ready(view)) == 2, 10)
        shrunk = load.tally.requests.total()
        assert await view.until(lambda: load.tally.requests.total() >= shrunk + 20, 10)
        using.cancel()
        await asyncio.gather(using, return_exceptions=True)
    assert load.tally.errors.total() == 0
