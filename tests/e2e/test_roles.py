"""Pods that carry the metadata of their role, through a release and back."""

from rollouts.kube.resources import PODS, ROLLOUTS
from tests.e2e.world import World

LABELS = {"app": "roles"}


def rollout() -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "roles"},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "main", "image": "roles:1"}]},
            },
            "strategy": {
                "canary": {
                    "steps": [{"setWeight": 50}, {"pause": {}}],
                    "canaryMetadata": {
                        "labels": {"role": "canary"},
                        "annotations": {"example.com/watch": "closely"},
                    },
                    "stableMetadata": {"labels": {"role": "stable"}},
                }
            },
        },
    }


async def pods(world: World) -> list[dict]:
    found = (await world.api.list(PODS, world.namespace, labels="app=roles"))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


async def until_roles(world: World, **wanted: int) -> None:
    """Wait until this many pods have each role; ``none`` is the role of those without."""

    async def seen() -> dict[str, int]:
        counts: dict[str, int] = {}
        for pod in await pods(world):
            role = pod["metadata"]["labels"].get("role", "none")
            counts[role] = counts.get(role, 0) + 1
        return counts

    async def holds() -> bool:
        return await seen() == wanted

    await world.until(holds, show=seen)


def test_metadata_follows_the_role_on_pods_that_keep_running(play):
    async def story(world: World):
        await world.api.create(ROLLOUTS, rollout(), world.namespace)
        await world.until_phase("roles", "Healthy")
        await until_roles(world, stable=4)
        await world.set_image("roles", "roles:2")
        await world.until_phase("roles", "Paused")
        await until_roles(world, stable=2, canary=2)
        canaries = {
            pod["metadata"]["uid"]
            for pod in await pods(world)
            if "example.com/watch" in (pod["metadata"].get("annotations") or {})
        }
        assert len(canaries) == 2

        await world.promote("roles")
        await world.until_phase("roles", "Healthy")
        await until_roles(world, stable=4)
        after = {pod["metadata"]["uid"]: pod["metadata"] for pod in await pods(world)}
        assert canaries <= after.keys()
        assert not any("example.com/watch" in (m.get("annotations") or {}) for m in after.values())

        one = next(iter(after.values()))["name"]
        wrong = {"metadata": {"labels": {"role": "canary"}}}
        await world.api.patch(PODS, one, wrong, world.namespace)
        await until_roles(world, stable=4)

        gone = {"spec": {"strategy": {"canary": {"canaryMetadata": None, "stableMetadata": None}}}}
        await world.api.patch(ROLLOUTS, "roles", gone, world.namespace)
        await until_roles(world, none=4)
        assert canaries <= {pod["metadata"]["uid"] for pod in await pods(world)}

    play(story)
