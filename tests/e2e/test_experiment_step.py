"""A release that begins with an experiment, from start to end: "canary-experiment.yaml"."""

from rollouts.kube.resources import EXPERIMENTS, REPLICA_SETS
from tests.e2e.world import World

NAME = "canary-experiment"
IMAGE = "argoproj/rollouts-demo"


async def released(world: World, image: str) -> str:
    """Apply, become healthy, set the image; the first version's hash."""
    await world.apply("analysis-templates.yaml", "canary-experiment.yaml")
    first = (await world.until_phase(NAME, "Healthy"))["stableRS"]
    await world.set_image(NAME, f"{IMAGE}:{image}")
    return first


async def until_experiment(world: World, *phases: str):
    """The Experiment of the Rollout, once it is in one of these phases."""
    found = {}

    async def holds() -> bool:
        for each in (await world.api.list(EXPERIMENTS, world.namespace))["items"]:
            if each["metadata"]["name"].startswith(NAME):
                found.update(each)
        return (found.get("status") or {}).get("phase") in phases

    await world.until(holds, 240)
    return found


async def sizes(world: World, experiment: str) -> dict[str, int]:
    found = (await world.api.list(REPLICA_SETS, world.namespace))["items"]
    pairs = ((each["metadata"]["name"], each["spec"]["replicas"]) for each in found)
    return {name.removeprefix(experiment): n for name, n in pairs if name.startswith(experiment)}


def test_a_good_version_passes_its_experiment_and_is_released(play):
    async def story(world: World):
        first = await released(world, "green")
        running = await until_experiment(world, "Running")
        name = running["metadata"]["name"]
        status = (await world.rollout(NAME))["status"]
        assert status["canary"]["currentExperiment"] == name
        assert await sizes(world, name) == {"-baseline": 1, "-candidate": 1}
        assert await world.replica_set(NAME, status["currentPodHash"]) == (0, 0, 0)
        healthy = await world.until_rollout(
            NAME, lambda s: s.get("phase") == "Healthy" and s["stableRS"] != first, 240
        )
        assert await world.replica_set(NAME, healthy["stableRS"]) == (5, 5, 5)
        assert (await until_experiment(world, "Successful"))["metadata"]["name"] == name
        assert await sizes(world, name) == {"-baseline": 0, "-candidate": 0}

    play(story)


def test_a_bad_version_never_has_a_pod_of_its_own(play):
    async def story(world: World):
        first = await released(world, "bad-red")
        degraded = await world.until_phase(NAME, "Degraded", 240)
        assert "Experiment analysis phase is error/failed" in degraded["message"]
        assert degraded["stableRS"] == first
        assert await world.replica_set(NAME, degraded["currentPodHash"]) == (0, 0, 0)
        assert await world.replica_set(NAME, first) == (5, 5, 5)
        failed = await until_experiment(world, "Failed")

        async def gone() -> bool:
            return set((await sizes(world, failed["metadata"]["name"])).values()) == {0}

        await world.until(gone)

    play(story)
