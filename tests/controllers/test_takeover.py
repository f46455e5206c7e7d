"""Whole controllers that take over a running cluster: nothing is written, and only ours is touched.

The same clusters as the planner's, put into an API server with pods behind them.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from rollouts.api.labels import INSTANCE_ID, REVISION
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.settings import Settings
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.resources import (
    ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.planner.taken import FIXTURES

PLACES = {"list": 0, "watch": 0, "create": 1, "update": 1, "get": 1, "delete": 1, "patch": 2}
"""Where the namespace stands among the arguments after the resource."""
KINDS = {
    each.kind: each
    for each in (REPLICA_SETS, SERVICES, ANALYSIS_TEMPLATES, CONFIG_MAPS, DEPLOYMENTS)
}
SEED = 7


class Recorded:
    """A KubeApi that keeps what was asked: (verb, kind, namespace, name)."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.requests: list[tuple[str, str, str | None, str]] = []

    def __getattr__(self, verb: str) -> Any:
        call, place = getattr(self._api, verb), PLACES[verb]

        def recorded(resource: Any, *given: Any, **more: Any) -> Any:
            namespace = given[place] if len(given) > place else more.get("namespace")
            name = ""
            if verb not in ("list", "watch"):
                first = given[0]
                name = first if isinstance(first, str) else first["metadata"]["name"]
            self.requests.append((verb, resource.kind, namespace, name))
            return call(resource, *given, **more)

        return recorded

    @property
    def writes(self) -> list[tuple[str, str, str | None, str]]:
        return [asked for asked in self.requests if asked[0] not in ("list", "watch", "get")]

    def written_names(self) -> set[str]:
        """Names of what was written, events by what they are about."""
        kind = EVENTS.kind
        return {name.partition(".")[0] if k == kind else name for _, k, _, name in self.writes}


async def put(
    api: KubeApi, namespace: str, fixture: str, name: str, instance: str = "", **recorded: str
) -> None:
    """The fixture's cluster, its Rollout called ``name``; returns once its pods are there.

    ``recorded``: fields of the status that shall read otherwise.
    """
    text = (FIXTURES / f"{fixture}.yaml").read_text()
    text = re.sub(r"(workload-generation|workloadObservedGeneration): '\d+'", r"\1: '1'", text)
    found = list(yaml.safe_load_all(text.replace("canary-scaledowndelay", name)))
    found = yaml.safe_load(yaml.safe_dump(found).replace("shop", name))
    rollout, *others = (_fresh(obj) for obj in found)
    status = {**rollout.pop("status"), "observedGeneration": "1", **recorded}
    if instance:
        rollout["metadata"]["labels"] = {INSTANCE_ID: instance}
    made = await api.create(ROLLOUTS, rollout, namespace)
    for obj in others:
        for owner in obj["metadata"].get("ownerReferences") or []:
            owner["uid"] = made["metadata"]["uid"]
        await api.create(KINDS[obj["kind"]], obj, namespace)
    await api.patch(ROLLOUTS, name, {"status": status}, namespace, subresource="status")
    for obj in others:
        if obj["kind"] == "ReplicaSet":
            await _available(api, namespace, obj["metadata"]["name"])


def _fresh(obj: Obj) -> Obj:
    """As somebody would create it: without what the server fills in."""
    kept = {"name", "labels", "annotations", "ownerReferences"}
    obj["metadata"] = {key: value for key, value in obj["metadata"].items() if key in kept}
    obj.get("spec", {}).pop("clusterIP", None)
    return obj


async def _available(api: KubeApi, namespace: str, name: str) -> None:
    async with asyncio.timeout(120):
        while True:
            found = await api.get(REPLICA_SETS, name, namespace)
            if found.get("status", {}).get("availableReplicas", 0) == found["spec"]["replicas"]:
                return
            await asyncio.sleep(1)


@asynccontextmanager
async def running(api: KubeApi, settings: Settings, metrics: Metrics | None = None):
    """A controller beside the story; yields what it asks of the API server."""
    recorded = Recorded(api)
    parts = controller_set(
        recorded, virtual_clock(), random.Random(SEED), settings=settings, metrics=metrics
    )
    tasks = [asyncio.ensure_future(part.run()) for part in parts]
    try:
        yield recorded
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def play(story: Callable[[KubeApi], Awaitable[None]]) -> None:
    async def whole() -> None:
        cluster = Cluster(virtual_clock(), random.Random(SEED), pods="fast")
        await cluster.start()
        try:
            for namespace in ("home", "away"):
                home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                await cluster.api.create(NAMESPACES, home)
            await story(cluster.api)
        finally:
            await cluster.stop()

    run_virtual(whole(), seed=SEED)


async def set_image(api: KubeApi, namespace: str, name: str, image: str) -> None:
    found = await api.get(ROLLOUTS, name, namespace)
    containers = found["spec"]["template"]["spec"]["containers"]
    spec = {"template": {"spec": {"containers": [{**containers[0], "image": image}]}}}
    await api.patch(ROLLOUTS, name, {"spec": spec}, namespace)


async def status_of(api: KubeApi, namespace: str, name: str) -> Obj:
    return (await api.get(ROLLOUTS, name, namespace))["status"]


def settings(**fields: Any) -> Settings:
    return Settings(leader_elect=False, **fields)


def test_a_running_canary_is_taken_over_without_a_write_and_goes_on():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-paused", "shop")
        metrics = Metrics()
        async with running(api, settings(), metrics) as controller:
            await asyncio.sleep(3600)
            assert controller.writes == []
            patch = {"status": {"pauseConditions": None}}
            await api.patch(ROLLOUTS, "shop", patch, "home", subresource="status")
            await asyncio.sleep(60)
            assert (await status_of(api, "home", "shop"))["currentStepIndex"] == 3
            await asyncio.sleep(3700)
        status = await status_of(api, "home", "shop")
        assert status["phase"] == "Healthy"
        assert status["stableRS"] == "5f7d9c8b64"
        assert ("create", "ReplicaSet") not in {asked[:2] for asked in controller.writes}
        count = 'rollout_duration_seconds_count{status="Promoted"} 1.0'
        assert count in metrics.text().decode().splitlines()

    play(story)


def test_steps_somebody_else_hashed_go_on_when_the_first_thing_done_is_another_size():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-timed-pause", "shop", currentStepHash="5c6d8f9b7b")
        async with running(api, settings()) as controller:
            await asyncio.sleep(60)
            assert controller.writes == []
            await api.patch(ROLLOUTS, "shop", {"spec": {"replicas": 10}}, "home")
            await asyncio.sleep(60)
        status = await status_of(api, "home", "shop")
        assert status["observedGeneration"] == "2"
        assert status["currentStepIndex"] == 3
        assert status["currentStepHash"] == "6ff65987d"
        assert status["phase"] == "Paused"

    play(story)


def test_an_annotation_nobody_can_read_is_told_once_and_nothing_else_is_written():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "bluegreen-healthy", "shop")
        found = (await api.list(REPLICA_SETS, "home"))["items"]
        old = next(each["metadata"] for each in found if each["spec"]["replicas"] == 0)
        broken = {"metadata": {"annotations": {REVISION: "first"}}}
        await api.patch(REPLICA_SETS, old["name"], broken, "home")
        async with running(api, settings()) as controller:
            await asyncio.sleep(24 * 3600)
        assert [asked[:2] for asked in controller.writes] == [("create", "Event")]

    play(story)


@pytest.mark.parametrize(
    "fixture",
    ["routed-paused", "routed-dynamic-paused", "workload-never", "workload-progressively"],
)
def test_routers_and_workloads_are_taken_over_without_a_write(fixture):
    async def story(api: KubeApi) -> None:
        await put(api, "home", fixture, "shop")
        async with running(api, settings()) as controller:
            await asyncio.sleep(1800)
        assert controller.writes == []

    play(story)


def test_a_blue_green_release_is_taken_over_without_a_write():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "bluegreen-healthy", "shop")
        async with running(api, settings()) as controller:
            await asyncio.sleep(24 * 3600)
        assert controller.writes == []

    play(story)


def test_every_instance_leaves_the_rollouts_of_the_others_alone():
    """Three Rollouts side by side; two controllers, and a third instance that is not running."""

    async def story(api: KubeApi) -> None:
        names = ("plain", "blue", "green")
        for name in names:
            await put(api, "home", "canary-paused", name, "" if name == "plain" else name)
        before = await status_of(api, "home", "green")
        async with (
            running(api, settings()) as plain,
            running(api, settings(instance_id="blue")) as blue,
        ):
            await asyncio.sleep(60)
            assert plain.writes == blue.writes == []
            for name in names:
                await set_image(api, "home", name, "nginx:1.25-alpine")
            await asyncio.sleep(120)
        for name, controller in (("plain", plain), ("blue", blue)):
            assert (await status_of(api, "home", name))["observedGeneration"] == "2"
            assert controller.writes != []
            assert {each.partition("-")[0] for each in controller.written_names()} == {name}
        assert await status_of(api, "home", "green") == before

    play(story)


def test_a_namespaced_controller_sees_and_touches_its_namespace_only():
    async def story(api: KubeApi) -> None:
        for namespace in ("home", "away"):
            await put(api, namespace, "canary-paused", "shop")
        before = await status_of(api, "away", "shop")
        async with running(api, settings(namespaced=True, namespace="home")) as controller:
            await asyncio.sleep(60)
            assert controller.writes == []
            for namespace in ("home", "away"):
                await set_image(api, namespace, "shop", "nginx:1.25-alpine")
            await asyncio.sleep(120)
        assert (await status_of(api, "home", "shop"))["observedGeneration"] == "2"
        assert await status_of(api, "away", "shop") == before
        assert {namespace for _, _, namespace, _ in controller.requests} == {"home"}

    play(story)
