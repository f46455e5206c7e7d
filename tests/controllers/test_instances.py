"""Services of Rollouts that belong to another instance, while these are there and after."""

import asyncio

from rollouts.api.labels import MANAGED_BY, POD_TEMPLATE_HASH
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.resources import ROLLOUTS, SERVICES
from tests.controllers.test_takeover import play, put, running, settings


async def pinned(api: KubeApi) -> bool:
    """Whether the Service still is as a Rollout left it."""
    service: Obj = await api.get(SERVICES, "shop-stable", "home")
    marked = MANAGED_BY in (service["metadata"].get("annotations") or {})
    selected = POD_TEMPLATE_HASH in service["spec"]["selector"]
    assert marked == selected
    return marked


def test_a_service_of_anothers_rollout_stays_with_it_even_when_the_rollout_is_gone():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-paused", "shop", "blue")
        async with running(api, settings()) as plain:
            await asyncio.sleep(60)
            await api.delete(ROLLOUTS, "shop", "home")
            await asyncio.sleep(3600)
            touch = {"metadata": {"annotations": {"seen": "yes"}}}
            await api.patch(SERVICES, "shop-stable", touch, "home")
            await asyncio.sleep(3600)
            assert plain.writes == []
        assert await pinned(api)

    play(story)


def test_nor_is_one_touched_that_anothers_rollout_no_longer_names():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-paused", "shop", "blue")
        async with running(api, settings()) as plain:
            await asyncio.sleep(60)
            spec = {"strategy": {"canary": {"stableService": None, "canaryService": None}}}
            await api.patch(ROLLOUTS, "shop", {"spec": spec}, "home")
            touch = {"metadata": {"annotations": {"seen": "yes"}}}
            await api.patch(SERVICES, "shop-stable", touch, "home")
            await asyncio.sleep(60)
            assert plain.writes == []
        assert await pinned(api)

    play(story)


def test_whoever_owns_the_rollout_gives_the_service_back():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-paused", "shop", "blue")
        async with (
            running(api, settings()) as plain,
            running(api, settings(instance_id="blue")) as blue,
        ):
            await asyncio.sleep(60)
            await api.delete(ROLLOUTS, "shop", "home")
            await asyncio.sleep(60)
            assert plain.writes == []
            assert {name for _, _, _, name in blue.writes} == {"shop-stable", "shop-canary"}
        assert not await pinned(api)

    play(story)


def test_a_rollout_that_went_while_nobody_looked_leaves_nothing_behind():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-paused", "shop")
        await api.delete(ROLLOUTS, "shop", "home")
        async with running(api, settings()):
            await asyncio.sleep(60)
        assert not await pinned(api)

    play(story)
