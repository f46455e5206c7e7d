"""The in-process KubeApi: the same contract as over the wire, and nothing shared with the store."""

import asyncio
import random

import pytest

from rollouts.kube.api import KubeApi, PatchType
from rollouts.kube.errors import ApiError, Gone, NotFound
from rollouts.kube.resources import CONFIG_MAPS, PODS, Resource
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.direct import DirectApi
from rollouts.simulate.loop import run_virtual
from tests.sandbox.serverworld import StillClock, config_map, pod


@pytest.fixture
def api() -> KubeApi:
    return DirectApi(ApiServer(StillClock(), random.Random(1), window=5))


async def test_a_life_from_creation_to_deletion(api):
    made = await api.create(CONFIG_MAPS, config_map("a", x="1"), "default")
    made["data"]["x"] = "2"
    updated = await api.update(CONFIG_MAPS, made, "default")
    assert updated["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    patch = [{"op": "add", "path": "/data/y", "value": "3"}]
    await api.patch(CONFIG_MAPS, "a", patch, "default", type=PatchType.JSON)
    assert (await api.get(CONFIG_MAPS, "a", "default"))["data"] == {"x": "2", "y": "3"}
    await api.delete(CONFIG_MAPS, "a", "default")
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAPS, "a", "default")


async def test_changing_what_was_read_changes_nothing_in_the_cluster(api):
    await api.create(CONFIG_MAPS, config_map("a", x="1"), "default")
    (await api.get(CONFIG_MAPS, "a", "default"))["data"]["x"] = "spoiled"
    (await api.list(CONFIG_MAPS))["items"][0]["data"]["x"] = "spoiled"
    async for event in api.watch(CONFIG_MAPS):
        event.object["data"]["x"] = "spoiled"
        break
    assert (await api.get(CONFIG_MAPS, "a", "default"))["data"] == {"x": "1"}


async def test_everybody_gets_a_turn_between_two_calls(api):
    order: list[str] = []

    async def two_calls(name: str) -> None:
        for step in "12":
            await api.list(CONFIG_MAPS)
            order.append(name + step)

    await asyncio.gather(two_calls("a"), two_calls("b"))
    assert order == ["a1", "b1", "a2", "b2"]


async def test_a_watch_too_late_is_gone(api):
    for value in range(9):
        await api.create(CONFIG_MAPS, config_map(f"c{value}"), "default")
    with pytest.raises(Gone):
        await anext(api.watch(CONFIG_MAPS, resource_version="1"))


def test_a_watch_ends_after_its_timeout():
    async def story() -> float:
        loop = asyncio.get_running_loop()
        api = DirectApi(ApiServer(StillClock(), random.Random(1)))
        started = loop.time()
        async for _ in api.watch(CONFIG_MAPS, timeout_seconds=30):
            pass
        return loop.time() - started

    assert run_virtual(story()) == pytest.approx(30)


async def test_a_binding_and_an_eviction_go_by_the_pods_name(api):
    await api.create(PODS, pod("a"), "default")
    target = {"apiVersion": "v1", "kind": "Binding", "target": {"name": "node-1"}}
    await api.create(PODS, target, "default", name="a", subresource="binding")
    assert (await api.get(PODS, "a", "default"))["spec"]["nodeName"] == "node-1"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    await api.create(PODS, eviction, "default", name="a", subresource="eviction")
    assert "deletionTimestamp" in (await api.get(PODS, "a", "default"))["metadata"]


async def test_a_type_nobody_serves_is_not_found(api):
    with pytest.raises(NotFound, match="could not find the requested resource"):
        await api.list(Resource("example.com", "v1", "widgets", "Widget"))


async def test_server_side_apply_says_what_to_use_instead(api):
    with pytest.raises(ApiError, match="use kubectl apply without --server-side") as caught:
        await api.apply(CONFIG_MAPS, config_map("a"), "default", field_manager="me")
    assert caught.value.status["code"] == 415
