"""A Deployment becomes a Rollout while users are served, with the real controllers around."""

import asyncio
from contextlib import suppress

import pytest
import yaml

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.api import Obj, PatchType
from rollouts.kube.resources import DEPLOYMENTS, PODS, ROLLOUTS, SERVICES
from tests.e2e.world import EXAMPLES, World

NAME = "from-deployment"
IMAGE = "argoproj/rollouts-demo"
SIZE = 4


def documents(down: str) -> tuple[Obj, Obj, Obj]:
    """Service, Deployment and Rollout of the example, with that ``scaleDown``."""
    found = tuple(yaml.safe_load_all((EXAMPLES / "from-deployment.yaml").read_text()))
    service, deployment, rollout = found
    rollout["spec"]["workloadRef"]["scaleDown"] = down
    return service, deployment, rollout


def serves(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


async def serving(world: World) -> list[Obj]:
    """The pods behind the Service, the Deployment's and the Rollout's."""
    found = await world.api.list(PODS, world.namespace, labels=f"app={NAME}")
    return [pod for pod in found["items"] if serves(pod)]


async def of_the_rollout(world: World) -> int:
    return sum(POD_TEMPLATE_HASH in pod["metadata"]["labels"] for pod in await serving(world))


async def watch(world: World, counts: list[int]) -> None:
    """Note how many pods serve, until cancelled."""
    while True:
        counts.append(len(await serving(world)))
        await asyncio.sleep(0.1)


async def left(world: World) -> int:
    return (await world.api.get(DEPLOYMENTS, NAME, world.namespace))["spec"]["replicas"]


async def deployed(world: World) -> Obj:
    """Service and Deployment are there and serve; returns what the Rollout will be."""
    service, deployment, _ = documents("")
    await world.api.create(SERVICES, service, world.namespace)
    await world.api.create(DEPLOYMENTS, deployment, world.namespace)

    async def up() -> bool:
        return len(await serving(world)) == SIZE

    await world.until(up)
    return deployment


async def taken_over(world: World) -> None:
    async def done() -> bool:
        return await left(world) == 0 and len(await serving(world)) == SIZE

    await world.until_phase(NAME, "Healthy")
    await world.until(done)
    assert await of_the_rollout(world) == SIZE


@pytest.mark.parametrize("down", ["onsuccess", "progressively"])
def test_a_takeover_costs_no_pod(play, down):
    async def story(world: World):
        await deployed(world)
        counts: list[int] = []
        watching = asyncio.create_task(watch(world, counts))
        await world.api.create(ROLLOUTS, documents(down)[2], world.namespace)
        await taken_over(world)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        assert min(counts) >= SIZE
        stored = (await world.rollout(NAME))["spec"]
        assert "template" not in stored
        assert "selector" not in stored

    play(story)


def test_a_new_image_in_the_deployment_is_released_by_the_rollout(play):
    async def story(world: World):
        await world.apply("from-deployment.yaml")
        await taken_over(world)
        path = "/spec/template/spec/containers/0/image"
        patch = [{"op": "replace", "path": path, "value": f"{IMAGE}:green"}]
        await world.api.patch(DEPLOYMENTS, NAME, patch, world.namespace, type=PatchType.JSON)
        paused = await world.until_phase(NAME, "Paused")
        assert paused["currentPodHash"] != paused["stableRS"]
        assert paused["updatedReplicas"] == 1
        await world.promote(NAME)
        healthy = await world.until_phase(NAME, "Healthy")
        assert healthy["stableRS"] == paused["currentPodHash"]
        workload = await world.api.get(DEPLOYMENTS, NAME, world.namespace)
        assert healthy["workloadObservedGeneration"] == str(workload["metadata"]["generation"])
        assert workload["spec"]["replicas"] == 0

    play(story)


def test_a_deployment_that_git_scales_up_again_goes_down_after_a_while(play):
    async def story(world: World):
        await world.apply("from-deployment.yaml")
        await taken_over(world)
        await world.api.patch(DEPLOYMENTS, NAME, {"spec": {"replicas": SIZE}}, world.namespace)

        async def doubled() -> bool:
            return len(await serving(world)) == 2 * SIZE

        await world.until(doubled)
        await world.until(lambda: _is_zero(world), 400)
        assert (await world.rollout(NAME))["status"]["phase"] == "Healthy"

    play(story)


async def _is_zero(world: World) -> bool:
    return await left(world) == 0


def test_a_rollout_waits_for_a_workload_that_comes_later(play):
    async def story(world: World):
        service, deployment, rollout = documents("onsuccess")
        await world.api.create(SERVICES, service, world.namespace)
        await world.api.create(ROLLOUTS, rollout, world.namespace)
        degraded = await world.until_phase(NAME, "Degraded")
        assert f'deployments.apps "{NAME}" not found' in degraded["message"]
        await world.api.create(DEPLOYMENTS, deployment, world.namespace)
        await taken_over(world)

    play(story)
