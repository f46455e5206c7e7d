"""Experiments from start to end: the example, and one that is ended by hand."""

import pytest
import yaml

from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from tests.e2e.world import EXAMPLES, World

ENDS = ("Successful", "Failed", "Error", "Inconclusive")


async def status(world: World, name: str) -> dict:
    return (await world.api.get(EXPERIMENTS, name, world.namespace)).get("status") or {}


async def until_phase(world: World, name: str, *phases: str, within: float = 240) -> dict:
    async def holds() -> bool:
        return (await status(world, name)).get("phase") in phases

    await world.until(holds, within, lambda: status(world, name))
    return await status(world, name)


async def names(world: World, resource: Resource) -> set[str]:
    found = (await world.api.list(resource, world.namespace))["items"]
    return {each["metadata"]["name"] for each in found}


async def until_empty(world: World, name: str) -> None:
    """The pods are gone, and the Services with them."""

    async def holds() -> bool:
        own = {each for each in await names(world, SERVICES) if each.startswith(f"{name}-")}
        return not own and not await names(world, PODS)

    await world.until(holds)


def variant(image: str) -> dict:
    """The example, whose candidate runs another image."""
    (example,) = yaml.safe_load_all((EXAMPLES / "experiment.yaml").read_text())
    (container,) = example["spec"]["templates"][1]["template"]["spec"]["containers"]
    container["image"] = f"argoproj/rollouts-demo:{image}"
    return example


def test_two_versions_that_are_as_good_end_in_success(play):
    async def story(world: World):
        await world.apply("analysis-templates.yaml", "experiment.yaml")
        await until_phase(world, "experiment", "Running")
        assert len(await names(world, PODS)) == 4
        done = await until_phase(world, "experiment", *ENDS)
        assert (done["phase"], done["message"]) == (
            "Successful",
            "Required AnalysisRuns completed",
        )
        assert {run["name"]: run["phase"] for run in done["analysisRuns"]} == {
            "baseline": "Successful",
            "candidate": "Successful",
        }
        await until_empty(world, "experiment")
        assert await names(world, REPLICA_SETS) == {"experiment-baseline", "experiment-candidate"}

    play(story)


def test_a_version_that_is_bad_is_found_out(play):
    async def story(world: World):
        await world.apply("analysis-templates.yaml")
        await world.api.create(EXPERIMENTS, variant("bad-red"), world.namespace)
        done = await until_phase(world, "experiment", *ENDS)
        assert done["phase"] == "Failed"
        phases = {run["name"]: run["phase"] for run in done["analysisRuns"]}
        assert phases["candidate"] == "Failed"
        await until_empty(world, "experiment")

    play(story)


@pytest.mark.parametrize("begun", [True, False])
def test_ended_by_hand_nothing_is_left(play, begun):
    async def story(world: World):
        await world.apply("analysis-templates.yaml", "experiment.yaml")
        if begun:
            await until_phase(world, "experiment", "Running")
        patch = {"spec": {"terminate": True}}
        await world.api.patch(EXPERIMENTS, "experiment", patch, world.namespace)
        done = await until_phase(world, "experiment", *ENDS)
        assert done["phase"] == "Inconclusive"
        await until_empty(world, "experiment")
        await world.api.delete(EXPERIMENTS, "experiment", world.namespace)

        async def gone() -> bool:
            return not (await names(world, REPLICA_SETS) | await names(world, ANALYSIS_RUNS))

        await world.until(gone)

    play(story)
