"""Scripted pods: where they land, what their status says, how they end."""

import asyncio
import random
import sys
from typing import Any

import pytest

from rollouts.kube.api import Obj
from rollouts.kube.resources import NODES, PODS
from rollouts.runtime.clock import SystemClock
from rollouts.runtime.ids import hex_ids
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.controllers import (
    PROFILES,
    PodAddress,
    collectable,
    controllers,
    kubelet_controllers,
)
from rollouts.sandbox.controllers.kubelet import PORTS
from rollouts.sandbox.controllers.objects import annotations, condition, is_true, meta, spec, status
from rollouts.sandbox.controllers.profiles import PROFILE, READY_AFTER
from rollouts.sandbox.direct import DirectApi
from rollouts.simulate.loop import run_virtual
from tests.sandbox.controllers_world import NS, World, virtual, world


def pod(name: str = "one", image: str = "web:1", notes: Any = None, **more: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NS, "annotations": notes or {}},
        "spec": {"containers": [{"name": "main", "image": image}], **more},
    }


async def container(w: World, name: str = "one") -> Obj:
    (only,) = status(await w.get(PODS, name))["containerStatuses"]
    return dict(only)


@virtual
async def test_a_pod_runs() -> None:
    async with world() as w:
        await w.create(PODS, pod())
        await w.settle(5)
        found = await w.get(PODS, "one")
        assert status(found)["phase"] == "Running"
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
            assert is_true(found, kind)
        seen = await container(w)
        assert (seen["ready"], seen["started"], seen["restartCount"]) == (True, True, 0)
        assert "sha256:" in seen["imageID"]
        assert seen["state"]["running"]["startedAt"]
        assert (await w.reasons("one")).count("Started") == 1


@virtual
async def test_a_pod_takes_the_time_it_says() -> None:
    async with world() as w:
        await w.create(PODS, pod(notes={READY_AFTER: "30"}))
        await w.settle(29)
        assert not is_true(await w.get(PODS, "one"), "Ready")
        await w.settle(2)
        assert is_true(await w.get(PODS, "one"), "Ready")


@virtual
async def test_a_crash_loop_counts_its_restarts() -> None:
    async with world() as w:
        await w.create(PODS, pod(image="web:crash"))
        await w.settle(6)
        seen = await container(w)
        assert seen["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert seen["lastState"]["terminated"]["exitCode"] == 1
        assert seen["restartCount"] == 0
        await w.settle(60)
        assert (await container(w))["restartCount"] >= 2
        assert not is_true(await w.get(PODS, "one"), "Ready")


@virtual
async def test_a_pod_that_crashes_late_was_ready_before() -> None:
    async with world() as w:
        await w.create(PODS, pod(notes={PROFILE: "crash-after-40s"}))
        await w.settle(30)
        assert is_true(await w.get(PODS, "one"), "Ready")
        await w.settle(15)
        assert not is_true(await w.get(PODS, "one"), "Ready")


@virtual
async def test_an_image_nobody_has_is_reported_as_clusters_do() -> None:
    async with world() as w:
        await w.create(PODS, pod(image="registry/does-not-exist:1"))
        await w.settle(2)
        assert (await container(w))["state"]["waiting"]["reason"] == "ErrImagePull"
        await w.settle(10)
        seen = await container(w)
        assert seen["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert seen["imageID"] == ""
        assert status(await w.get(PODS, "one"))["phase"] == "Pending"


@virtual
async def test_readiness_gates_hold_a_pod_back() -> None:
    async with world() as w:
        await w.create(PODS, pod(readinessGates=[{"conditionType": "example.com/lb"}]))
        await w.settle(5)
        found = await w.get(PODS, "one")
        assert is_true(found, "ContainersReady")
        assert (condition(found, "Ready") or {})["reason"] == "ReadinessGatesNotReady"
        conditions = [*status(found)["conditions"], {"type": "example.com/lb", "status": "True"}]
        change = {"status": {"conditions": conditions}}
        await w.patch(PODS, "one", change, subresource="status")
        await w.settle(1)
        found = await w.get(PODS, "one")
        assert is_true(found, "Ready")
        assert is_true(found, "example.com/lb")


@virtual
async def test_init_containers_come_first() -> None:
    async with world(profile="slow") as w:
        first = [{"name": "first", "image": "init"}]
        await w.create(PODS, pod(initContainers=first))
        await w.settle(0.2)
        assert not is_true(await w.get(PODS, "one"), "Initialized")
        await w.settle(20)
        found = await w.get(PODS, "one")
        assert is_true(found, "Initialized")
        assert status(found)["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


@virtual
async def test_a_deleted_pod_gets_its_time_but_not_more_than_its_grace() -> None:
    async with world(profile="slow") as w:
        for name in ("patient", "hasty", "now"):
            await w.create(PODS, pod(name))
        await w.settle(20)
        await w.api.delete(PODS, "patient", NS)
        await w.api.delete(PODS, "hasty", NS, grace_period_seconds=1)
        await w.api.delete(PODS, "now", NS, grace_period_seconds=0)
        assert not await w.exists(PODS, "now")
        await w.settle(1.5)
        assert not await w.exists(PODS, "hasty")
        assert await w.exists(PODS, "patient")
        await w.settle(1)
        assert not await w.exists(PODS, "patient")


@virtual
async def test_a_pod_no_node_takes_says_so_until_one_does() -> None:
    async with world() as w:
        await w.create(PODS, pod(nodeSelector={"disk": "fast"}))
        await w.settle(5)
        waiting = condition(await w.get(PODS, "one"), "PodScheduled") or {}
        assert (waiting["status"], waiting["reason"]) == ("False", "Unschedulable")
        assert "FailedScheduling" in await w.reasons("one")
        await w.patch(NODES, "sandbox-node-2", {"metadata": {"labels": {"disk": "fast"}}})
        await w.settle(5)
        found = await w.get(PODS, "one")
        assert spec(found)["nodeName"] == "sandbox-node-2"
        assert is_true(found, "Ready")


@virtual
async def test_a_cordoned_node_gets_nothing_new() -> None:
    async with world() as w:
        await w.settle(1)
        await w.patch(NODES, "sandbox-node-1", {"spec": {"unschedulable": True}})
        for number in range(6):
            await w.create(PODS, pod(f"p{number}"))
        await w.settle(5)
        used = [spec(one)["nodeName"] for one in await w.pods()]
        assert sorted(used) == ["sandbox-node-2"] * 3 + ["sandbox-node-3"] * 3


@virtual
async def test_a_new_kubelet_goes_on_where_the_old_one_stopped() -> None:
    async with world() as w:
        await w.create(PODS, pod(notes={READY_AFTER: "30"}))
        await w.settle(20)
        await w.restart()
        await w.settle(12)
        assert is_true(await w.get(PODS, "one"), "Ready")


class Served:
    """A runtime that counts what runs."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.starts = 0

    async def start(self, one: Obj) -> PodAddress:
        self.starts += 1
        self.running[meta(one)["uid"]] = 40_000 + self.starts
        return PodAddress("127.0.0.1", {8080: 40_000 + self.starts})

    async def stop(self, one: Obj) -> None:
        self.running.pop(meta(one)["uid"], None)


def test_a_runtime_serves_while_containers_are_up() -> None:
    async def main() -> None:
        w, served = World(), Served()
        rng = random.Random(1)
        parts = controllers(
            w.api,
            w.clock,
            rng,
            hex_ids(rng),
            pods=PROFILES["fast"],
            resources=collectable(w.server.registry),
            runtime=served,
        )
        tasks = [asyncio.ensure_future(part.run()) for part in parts]
        await w.create(PODS, pod())
        await w.create(PODS, pod("broken", image="invalid"))
        await w.settle(5)
        found = await w.get(PODS, "one")
        assert status(found)["podIP"] == "127.0.0.1"
        assert annotations(found)[PORTS] == '{"8080":40001}'
        assert list(served.running.values()) == [40_001]
        await w.api.delete(PODS, "one", NS)
        await w.settle(5)
        assert served.running == {}
        for task in tasks:
            task.cancel()

    run_virtual(main())


@pytest.mark.parametrize(
    ("code", "policy", "phase"), [(0, "Never", "Succeeded"), (3, "Never", "Failed")]
)
async def test_a_command_decides_how_its_pod_ends(code: int, policy: str, phase: str) -> None:
    """The one thing that needs real time: a subprocess."""
    rng, clock = random.Random(1), SystemClock()
    api = DirectApi(ApiServer(clock, rng))
    parts = kubelet_controllers(
        api, clock, rng, hex_ids(rng), pods=PROFILES["instant"], run_commands=True, heartbeat=None
    )
    tasks = [asyncio.ensure_future(part.run()) for part in parts]
    words = [sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"]
    main = {
        "name": "main",
        "image": "python",
        "command": words,
        "env": [{"name": "CODE", "value": str(code)}],
    }
    await api.create(PODS, pod(restartPolicy=policy, containers=[main]), NS)
    async with asyncio.timeout(20):
        async for event in api.watch(PODS, NS):
            if status(event.object).get("phase") == phase:
                (only,) = status(event.object)["containerStatuses"]
                assert only["state"]["terminated"]["exitCode"] == code
                break
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@virtual
async def test_nodes_are_there_again_after_they_were_deleted() -> None:
    async with world() as w:
        await w.settle(1)
        await w.api.delete(NODES, "sandbox-node-1")
        await w.settle(1)
        nodes = await w.all(NODES)
        assert [meta(node)["name"] for node in nodes if is_true(node, "Ready")] == [
            "sandbox-node-1",
            "sandbox-node-2",
            "sandbox-node-3",
        ]


def test_on_a_real_cluster_nodes_keep_reporting() -> None:
    async def main() -> None:
        w = World()
        rng = random.Random(1)
        parts = kubelet_controllers(w.api, w.clock, rng, hex_ids(rng), pods=PROFILES["fast"])
        tasks = [asyncio.ensure_future(part.run()) for part in parts]

        async def heard() -> str:
            node = await w.get(NODES, "sandbox-node-1")
            return str((condition(node, "Ready") or {})["lastHeartbeatTime"])

        await w.settle(1)
        first = await heard()
        await w.settle(30)
        assert await heard() > first
        for task in tasks:
            task.cancel()

    run_virtual(main())
