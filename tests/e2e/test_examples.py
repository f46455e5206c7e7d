"""Every example works: applied, healthy, a new image, and the end its comments promise."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.world import EXAMPLES, World

IMAGE = "argoproj/rollouts-demo"


def test_every_example_is_exercised_in_this_folder():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in EXAMPLES.glob("*.yaml") if f'"{path.name}"' not in text] == []


async def lowest_available(world: World, name: str, lowest: list[int]) -> None:
    """Watch how few pods were available, until cancelled."""
    while True:
        status = (await world.rollout(name)).get("status") or {}
        lowest.append(status.get("availableReplicas", 0))
        await asyncio.sleep(0.25)


def test_basic_canary_waits_for_a_human_and_then_goes_all_the_way(play):
    async def story(world: World):
        await world.apply("basic-canary.yaml")
        first = (await world.until_phase("basic-canary", "Healthy"))["stableRS"]
        lowest: list[int] = []
        watching = asyncio.create_task(lowest_available(world, "basic-canary", lowest))
        await world.set_image("basic-canary", f"{IMAGE}:green")
        paused = await world.until_phase("basic-canary", "Paused")
        assert paused["currentStepIndex"] == 1
        assert await world.images("basic-canary") == {"blue": 4, "green": 1}
        assert paused["stableRS"] == first
        await world.promote("basic-canary")
        healthy = await world.until_phase("basic-canary", "Healthy", 180)
        assert healthy["stableRS"] == healthy["currentPodHash"] != first
        assert await world.images("basic-canary") == {"green": 5}
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        assert min(lowest) >= 5

    play(story)


def metric_phases(run):
    return {each["name"]: each["phase"] for each in run["status"]["metricResults"]}


ANALYSED = "canary-background-analysis"


async def released_with_analysis(world: World, image: str):
    """Apply, become healthy, set the image; the first version's hash."""
    await world.apply("analysis-templates.yaml", "canary-background-analysis.yaml")
    first = (await world.until_phase(ANALYSED, "Healthy"))["stableRS"]
    await world.set_image(ANALYSED, f"{IMAGE}:{image}")
    return first


def test_a_good_canary_is_promoted_by_its_metrics(play):
    async def story(world: World):
        first = await released_with_analysis(world, "green")
        healthy = await world.until_rollout(
            ANALYSED, lambda s: s.get("phase") == "Healthy" and s["stableRS"] != first, 240
        )
        assert await world.images(ANALYSED) == {"green": 5}
        (run,) = await world.runs(ANALYSED, healthy["stableRS"])
        assert run["status"]["phase"] == "Successful"
        assert metric_phases(run) == {"success-rate": "Successful", "p95": "Successful"}

    play(story)


@pytest.mark.parametrize(("image", "guilty"), [("bad-red", "success-rate"), ("slow-yellow", "p95")])
def test_a_bad_canary_is_aborted_by_its_metrics(play, image, guilty):
    async def story(world: World):
        first = await released_with_analysis(world, image)
        degraded = await world.until_phase(ANALYSED, "Degraded")
        assert degraded["abort"] is True
        assert degraded["stableRS"] == first
        (run,) = await world.runs(ANALYSED, degraded["currentPodHash"])
        assert run["status"]["phase"] == "Failed"
        assert metric_phases(run)[guilty] == "Failed"

        async def only_blue() -> bool:
            return await world.images(ANALYSED) == {"blue": 5}

        await world.until(only_blue)

    play(story)


def test_a_canary_without_traffic_is_neither_promoted_nor_aborted(play):
    async def story(world: World):
        world.traffic.flowing = False
        first = await released_with_analysis(world, "green")
        paused = await world.until_rollout(
            ANALYSED,
            lambda s: any(
                each["reason"] == "InconclusiveAnalysisRun"
                for each in s.get("pauseConditions") or []
            ),
        )
        assert not paused.get("abort")
        assert paused["stableRS"] == first

    play(story)


def test_blue_green_as_the_tutorial_walks_it(play):
    async def story(world: World):
        await world.apply("bluegreen.yaml")
        first = (await world.until_phase("bluegreen", "Healthy"))["currentPodHash"]
        assert await world.selected("bluegreen-active") == first
        assert await world.selected("bluegreen-preview") == first

        await world.set_image("bluegreen", f"{IMAGE}:green")
        paused = await world.until_phase("bluegreen", "Paused")
        second = paused["currentPodHash"]
        assert second != first
        assert await world.selected("bluegreen-preview") == second
        assert await world.selected("bluegreen-active") == first
        assert await world.replica_set("bluegreen", second) == (2, 2, 2)

        await world.promote("bluegreen")
        await world.until_phase("bluegreen", "Healthy")
        assert await world.selected("bluegreen-active") == second
        assert await world.replica_set("bluegreen", first) == (2, 2, 2)

        async def old_is_gone() -> bool:
            return await world.replica_set("bluegreen", first) == (0, 0, 0)

        promoted = world.clock.monotonic()
        await world.until(old_is_gone)
        assert world.clock.monotonic() - promoted == pytest.approx(30, abs=5)

    play(story)


TESTED = "bluegreen-preanalysis"


async def switched_after_test(world: World, image: str):
    await world.apply("analysis-templates.yaml", "bluegreen-preanalysis.yaml")
    first = (await world.until_phase(TESTED, "Healthy"))["stableRS"]
    await world.set_image(TESTED, f"{IMAGE}:{image}")
    return first


def test_a_preview_that_answers_gets_the_users(play):
    async def story(world: World):
        first = await switched_after_test(world, "green")
        healthy = await world.until_rollout(
            TESTED, lambda s: s.get("phase") == "Healthy" and s["stableRS"] != first
        )
        assert await world.selected(f"{TESTED}-active") == healthy["stableRS"]
        (run,) = await world.runs(TESTED, healthy["stableRS"])
        assert run["status"]["phase"] == "Successful"
        assert run["status"]["metricResults"][0]["count"] == 3

    play(story)


def test_a_preview_that_fails_is_never_seen_by_users(play):
    async def story(world: World):
        first = await switched_after_test(world, "bad-red")
        degraded = await world.until_phase(TESTED, "Degraded")
        assert degraded["abort"] is True
        assert await world.selected(f"{TESTED}-active") == first
        (run,) = await world.runs(TESTED, degraded["currentPodHash"])
        assert run["status"]["phase"] == "Error"

    play(story)
