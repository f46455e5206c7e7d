"""An autoscaler beside a release: it reads and writes the scale subresource, and knows no Rollouts.

It computes as Kubernetes' own does: within a tenth of the target it writes back the number it has
read, else as many pods as the load needs.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.resources import CONFIG_MAPS, PODS, ROLLOUTS, SERVICES
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

SHOP = "default"
SIZE = 20
PER_POD = 10.0  # load one pod is meant for
EVERY_SECONDS = 15.0
ROUTED = {
    "canaryService": "canary",
    "stableService": "stable",
    "steps": [{"setWeight": weight} for weight in (5, 10, 50)],
    "trafficRouting": {"plugins": {"rollouts/memory": {"configMap": "split"}}},
}
PAUSES = {"steps": [each for step in ROUTED["steps"] for each in (step, {"pause": {}})]}
BY_PODS = {**PAUSES, "maxSurge": "25%", "maxUnavailable": "10%"}
BLUE_GREEN = {"activeService": "stable", "previewService": "canary", "autoPromotionEnabled": False}


class Autoscaler:
    """``load``: what comes in. ``external``: it is measured outside, not pod by pod."""

    def __init__(self, api: KubeApi, *, external: bool) -> None:
        self.api, self.external = api, external
        self.load = SIZE * PER_POD
        self.wrote: list[int] = []

    async def run(self) -> None:
        while True:
            scale = await self.api.get(ROLLOUTS, "web", SHOP, subresource="scale")
            wanted = await self._wanted(scale)
            if wanted != scale["spec"]["replicas"]:
                self.wrote.append(wanted)
                body = {"spec": {"replicas": wanted}}
                await self.api.patch(ROLLOUTS, "web", body, SHOP, subresource="scale")
            await asyncio.sleep(EVERY_SECONDS)

    async def _wanted(self, scale: Obj) -> int:
        counted = scale["status"].get("replicas", 0)
        selected = len(await pods(self.api, scale))
        have = counted if self.external else selected
        if not have or abs(self.load / (PER_POD * have) - 1) > 0.1:
            return math.ceil(self.load / PER_POD)
        return int(counted if self.external else scale["spec"]["replicas"])


async def pods(api: KubeApi, scale: Obj) -> list[Obj]:
    """What the scale's selector selects and has not been told to stop."""
    found = (await api.list(PODS, SHOP, labels=scale["status"]["selector"]))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def template(image: str) -> Obj:
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}


async def prepare(api: KubeApi, strategy: Obj) -> None:
    for name in ("canary", "stable"):
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        await api.create(SERVICES, body, SHOP)
    split = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "split"}}
    await api.create(CONFIG_MAPS, split, SHOP)
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": SIZE,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("web:1"),
            "strategy": strategy,
        },
    }
    await api.create(ROLLOUTS, rollout, SHOP)


def beside(
    strategy: Obj, story: Callable[[KubeApi, Autoscaler], Awaitable[None]], *, external: bool
) -> None:
    """Play ``story`` with version 1 rolled out and version 2 on its way."""

    async def main() -> None:
        clock, rng = virtual_clock(), random.Random(11)
        cluster = Cluster(clock, rng, pods="fast")
        await cluster.start()
        managers = controller_set(cluster.api, clock, rng)
        tasks = [asyncio.ensure_future(manager.run()) for manager in managers]
        await prepare(cluster.api, strategy)
        await asyncio.sleep(60)
        scaler = Autoscaler(cluster.api, external=external)
        scaling = asyncio.ensure_future(scaler.run())
        await cluster.api.patch(ROLLOUTS, "web", {"spec": {"template": template("web:2")}}, SHOP)
        await asyncio.sleep(120)
        await story(cluster.api, scaler)
        scaling.cancel()
        for manager in managers:
            manager.stop()
        await asyncio.gather(scaling, *tasks, return_exceptions=True)
        await cluster.stop()

    run_virtual(main())


async def promote(api: KubeApi) -> None:
    patch = {"status": {"pauseConditions": None}}
    await api.patch(ROLLOUTS, "web", patch, SHOP, subresource="status")
    await asyncio.sleep(120)


async def phase(api: KubeApi) -> str:
    return str((await api.get(ROLLOUTS, "web", SHOP))["status"]["phase"])


async def images(api: KubeApi) -> dict[str, int]:
    """Pods the autoscaler looks at, by image."""
    scale = await api.get(ROLLOUTS, "web", SHOP, subresource="scale")
    found: dict[str, int] = {}
    for pod in await pods(api, scale):
        image = pod["spec"]["containers"][0]["image"]
        found[image] = found.get(image, 0) + 1
    return found


def test_a_steady_load_leaves_the_size_alone_through_a_whole_release() -> None:
    for strategy in (ROUTED | PAUSES, BY_PODS):
        for external in (True, False):

            async def story(api: KubeApi, scaler: Autoscaler) -> None:
                for _ in range(3):
                    assert await phase(api) == "Paused"
                    await promote(api)
                assert await phase(api) == "Healthy"
                assert scaler.wrote == []

            beside({"canary": strategy}, story, external=external)


def test_it_looks_at_both_revisions_of_a_canary() -> None:
    async def story(api: KubeApi, scaler: Autoscaler) -> None:
        assert await images(api) == {"web:1": 20, "web:2": 1}
        await promote(api)
        assert await images(api) == {"web:1": 20, "web:2": 2}

    beside({"canary": ROUTED | PAUSES}, story, external=True)


def test_more_load_in_the_middle_of_a_release_grows_both_revisions_and_less_shrinks_them() -> None:
    async def story(api: KubeApi, scaler: Autoscaler) -> None:
        await promote(api)
        scaler.load *= 2
        await asyncio.sleep(120)
        assert scaler.wrote == [40]
        assert await images(api) == {"web:1": 40, "web:2": 4}
        scaler.load /= 4
        await asyncio.sleep(120)
        assert scaler.wrote == [40, 10]
        assert await images(api) == {"web:1": 10, "web:2": 1}
        assert await phase(api) == "Paused"

    beside({"canary": ROUTED | PAUSES}, story, external=True)


def test_of_a_blue_green_release_it_looks_at_what_serves() -> None:
    async def story(api: KubeApi, scaler: Autoscaler) -> None:
        assert await images(api) == {"web:1": 20}
        scaler.load *= 1.5
        await asyncio.sleep(120)
        assert await images(api) == {"web:1": 30}
        await promote(api)
        assert await images(api) == {"web:2": 30}
        assert scaler.wrote == [30]

    beside({"blueGreen": BLUE_GREEN}, story, external=True)
