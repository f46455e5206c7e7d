"""Releases judged by the sequential test: certain as soon as it can be, never without data."""

import asyncio

import pytest
import yaml

from analysis.times import parse_time
from tests.e2e.world import EXAMPLES, KINDS, World

NAME = "sequential-analysis"
IMAGE = "argoproj/rollouts-demo"


async def released(world: World, image: str) -> str:
    """Apply, become healthy, set the image; the first version's hash."""
    await world.apply("sequential-analysis.yaml")
    first = (await world.until_phase(NAME, "Healthy"))["stableRS"]
    await asyncio.sleep(15)  # so that stable has a past
    await world.set_image(NAME, f"{IMAGE}:{image}")
    return first


def results(run):
    return {each["name"]: each for each in run["status"]["metricResults"]}


def seconds(run):
    status = run["status"]
    return parse_time(status["completedAt"]) - parse_time(status["startedAt"])


def test_a_good_canary_is_promoted_when_its_time_is_up(play):
    async def story(world: World):
        first = await released(world, "green")
        healthy = await world.until_rollout(
            NAME, lambda s: s.get("phase") == "Healthy" and s["stableRS"] != first, 300
        )
        (run,) = await world.runs(NAME, healthy["stableRS"])
        assert run["status"]["phase"] == "Successful"
        assert seconds(run) == pytest.approx(90, abs=5)
        for result in results(run).values():
            (only,) = result["measurements"]
            assert only["phase"] == "Successful"
            assert "nothing speaks against the canary" in only["metadata"]["reason"]

    play(story)


@pytest.mark.parametrize(
    ("image", "guilty", "what", "alpha"),
    [
        ("bad-red", "errors", "20.00% bad", "0.005 (0.01 shared by 2 metrics)"),
        (
            "slow-yellow",
            "slow-requests",
            "100.00% slower than 0.1 s",
            "0.0025 (0.01 shared by 2 metrics and 2 bounds)",
        ),
    ],
)
def test_a_bad_canary_is_aborted_as_soon_as_it_is_certain(play, image, guilty, what, alpha):
    async def story(world: World):
        first = await released(world, image)
        degraded = await world.until_phase(NAME, "Degraded")
        assert degraded["abort"] is True
        assert degraded["stableRS"] == first
        (run,) = await world.runs(NAME, degraded["currentPodHash"])
        assert run["status"]["phase"] == "Failed"
        assert seconds(run) <= 70
        (only,) = results(run)[guilty]["measurements"]
        assert only["phase"] == "Failed"
        assert what in only["message"]
        assert only["metadata"]["alpha"] == alpha

    play(story)


def test_without_traffic_a_human_decides(play):
    async def story(world: World):
        await world.apply("sequential-analysis.yaml")
        first = (await world.until_phase(NAME, "Healthy"))["stableRS"]
        world.traffic.flowing = False
        await world.set_image(NAME, f"{IMAGE}:green")
        paused = await world.until_rollout(
            NAME,
            lambda s: any(
                each["reason"] == "InconclusiveAnalysisRun"
                for each in s.get("pauseConditions") or []
            ),
            300,
        )
        assert not paused.get("abort")
        assert paused["stableRS"] == first
        (run,) = await world.runs(NAME, paused["currentPodHash"])
        assert "too few requests to say: 0 of the canary" in run["status"]["message"]

    play(story)


@pytest.mark.parametrize("flowing", [True, False])
def test_a_release_that_is_over_ends_its_analysis_and_is_not_undone_by_it(play, flowing):
    """In the background the test is longer than the release; what it has seen by then counts."""

    async def story(world: World):
        template, rollout = yaml.safe_load_all((EXAMPLES / "sequential-analysis.yaml").read_text())
        for metric in template["spec"]["metrics"]:
            metric["provider"]["sequential"]["duration"] = "1h"
        canary = rollout["spec"]["strategy"]["canary"]
        canary["analysis"] = canary["steps"].pop(1)["analysis"]
        canary["steps"].insert(1, {"pause": {"duration": "40s"}})
        for obj in (template, rollout):
            await world.api.create(KINDS[obj["kind"]], obj, world.namespace)
        first = (await world.until_phase(NAME, "Healthy"))["stableRS"]
        world.traffic.flowing = flowing
        await world.set_image(NAME, f"{IMAGE}:green")
        healthy = await world.until_rollout(
            NAME, lambda s: s.get("phase") == "Healthy" and s["stableRS"] != first, 240
        )
        (run,) = await world.runs(NAME, healthy["stableRS"])
        assert run["spec"]["terminate"] is True

        async def over() -> bool:
            nonlocal run
            (run,) = await world.runs(NAME, healthy["stableRS"])
            return "completedAt" in run["status"]

        await world.until(over)
        assert run["status"]["phase"] == ("Successful" if flowing else "Inconclusive")
        await asyncio.sleep(30)
        after = await world.until_phase(NAME, "Healthy")
        assert after["stableRS"] == healthy["stableRS"]
        assert not after.get("abort")
        assert not after.get("pauseConditions")

    play(story)
