"""Restarting pods under a disruption budget."""

from rollouts.kube.resources import EVENTS, PODS, REPLICA_SETS, ROLLOUTS, Resource
from tests.e2e.world import World

BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LABELS = {"app": "restarted"}


def rollout() -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "restarted"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "main", "image": "restarted:1"}]},
            },
            "strategy": {"canary": {"maxUnavailable": 2}},
        },
    }


def budget(minimum: int) -> dict:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "restarted"},
        "spec": {"minAvailable": minimum, "selector": {"matchLabels": LABELS}},
    }


async def pods(world: World) -> dict[str, dict]:
    found = await world.api.list(PODS, world.namespace, labels="app=restarted")
    return {pod["metadata"]["uid"]: pod for pod in found["items"]}


async def reasons(world: World) -> set[str]:
    return {each["reason"] for each in (await world.api.list(EVENTS, world.namespace))["items"]}


def test_a_restart_replaces_every_pod_and_keeps_the_disruption_budget(play):
    async def story(world: World):
        await world.api.create(BUDGETS, budget(3), world.namespace)
        await world.api.create(ROLLOUTS, rollout(), world.namespace)
        await world.until_phase("restarted", "Healthy")
        before = await pods(world)
        newest = max(pod["metadata"]["creationTimestamp"] for pod in before.values())
        at = newest.replace("Z", ".999Z")  # after the pods that are there, and past at once
        patch = {"spec": {"restartAt": at}}
        await world.api.patch(ROLLOUTS, "restarted", patch, world.namespace)

        async def told() -> bool:
            return "PodEvictionRefused" in await reasons(world)

        await world.until(told)
        assert (await pods(world)).keys() == before.keys()
        assert "restartedAt" not in (await world.rollout("restarted"))["status"]

        patch = {"spec": {"minAvailable": 2}}
        await world.api.patch(BUDGETS, "restarted", patch, world.namespace)
        await world.until_rollout("restarted", lambda s: "restartedAt" in s, 240)
        await world.until_phase("restarted", "Healthy")

        async def settled() -> bool:
            return len(await pods(world)) == 3

        await world.until(settled)
        assert not (await pods(world)).keys() & before.keys()
        assert len((await world.api.list(REPLICA_SETS, world.namespace))["items"]) == 1

    play(story)
