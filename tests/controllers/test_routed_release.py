"""A whole controller releases behind a router that takes its time, in the embedded cluster."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from rollouts.controllers.explain import explain
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.resources import CONFIG_MAPS, REPLICA_SETS, ROLLOUTS, SERVICES
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

SHOP = "default"
CANARY = {
    "canaryService": "canary",
    "stableService": "stable",
    "dynamicStableScale": True,
    "steps": [{"setWeight": 50}, {"pause": {}}],
    "trafficRouting": {"plugins": {"rollouts/memory": {"configMap": "split"}}},
}


def template(image: str) -> Obj:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def service(name: str) -> Obj:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def released(
    story: Callable[[KubeApi, Callable[[], Awaitable[list[str]]]], Awaitable[None]],
) -> None:
    """Play ``story`` with version 1 rolled out; its second argument tells why nothing happens."""

    async def main() -> None:
        clock, rng = virtual_clock(), random.Random(5)
        cluster = Cluster(clock, rng, pods="fast")
        await cluster.start()
        managers = controller_set(cluster.api, clock, rng)
        tasks = [asyncio.ensure_future(manager.run()) for manager in managers]
        for name in ("canary", "stable"):
            await cluster.api.create(SERVICES, service(name), SHOP)
        split = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "split"}}
        await cluster.api.create(CONFIG_MAPS, {**split, "data": {"inEffect": "0"}}, SHOP)
        spec = {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("web:1"),
            "strategy": {"canary": CANARY},
        }
        kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
        made = {**kind, "metadata": {"name": "web"}, "spec": spec}
        await cluster.api.create(ROLLOUTS, made, SHOP)
        await asyncio.sleep(60)

        async def why() -> list[str]:
            _, _, blockers = await explain(cluster.api, SHOP, "web", clock.wall())
            return [blocker.code for blocker in blockers]

        await story(cluster.api, why)
        for manager in managers:
            manager.stop()
        await asyncio.gather(*tasks)
        await cluster.stop()

    run_virtual(main())


async def sizes(api: KubeApi) -> dict[str, int]:
    found = (await api.list(REPLICA_SETS, SHOP))["items"]
    images = {
        each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"]
        for each in found
    }
    return {image: count for image, count in images.items() if count}


async def update(api: KubeApi) -> None:
    await api.patch(ROLLOUTS, "web", {"spec": {"template": template("web:2")}}, SHOP)
    await asyncio.sleep(60)


async def obey(api: KubeApi, weight: str) -> None:
    """The data plane follows; the controller asks every ten seconds."""
    await api.patch(CONFIG_MAPS, "split", {"data": {"inEffect": weight}}, SHOP)
    await asyncio.sleep(60)


def test_pods_leave_once_the_router_obeys_and_not_before() -> None:
    async def story(api: KubeApi, why: Callable[[], Awaitable[list[str]]]) -> None:
        await update(api)
        split = (await api.get(CONFIG_MAPS, "split", SHOP))["data"]
        assert (split["canary.weight"], split["stable.weight"]) == ("50", "50")
        assert await sizes(api) == {"web:1": 4, "web:2": 2}
        assert (await why())[0] == "WeightNotVerified"
        await obey(api, "50")
        assert await sizes(api) == {"web:1": 2, "web:2": 2}
        assert await why() == ["CanaryPauseStep"]
        weights = (await api.get(ROLLOUTS, "web", SHOP))["status"]["canary"]["weights"]
        assert weights["verified"] is True

    released(story)


def test_a_split_that_is_gone_is_told_and_heals_when_it_is_back() -> None:
    async def story(api: KubeApi, why: Callable[[], Awaitable[list[str]]]) -> None:
        split = await api.get(CONFIG_MAPS, "split", SHOP)
        await api.delete(CONFIG_MAPS, "split", SHOP)
        await update(api)
        assert await why() == ["InvalidSpec"]
        assert await sizes(api) == {"web:1": 4}
        again = {"metadata": {"name": "split"}, "data": split["data"]}
        body = {"apiVersion": "v1", "kind": "ConfigMap", **again}
        await api.create(CONFIG_MAPS, body, SHOP)
        await asyncio.sleep(60)
        assert await sizes(api) == {"web:1": 4, "web:2": 2}

    released(story)
