"""What belongs to a Rollout when it goes and comes back, with the real controllers and cluster."""

import asyncio
import random

import pytest

from rollouts.controllers.wiring import controller_set
from rollouts.kube.resources import PODS, REPLICA_SETS, ROLLOUTS, SERVICES
from rollouts.planner.hashing import template_hash
from rollouts.runtime.clock import LoopClock
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

HASH = "rollouts-pod-template-hash"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "active"},
    "spec": {"selector": {"app": "app"}, "ports": [{"port": 80}]},
}
ROLLOUT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "app"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "app"}},
        "template": {
            "metadata": {"labels": {"app": "app"}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        },
        "strategy": {"blueGreen": {"activeService": "active"}},
    },
}


@pytest.fixture
def play():
    """Runs a story against a cluster with one healthy blue-green Rollout."""

    def run(story) -> None:
        async def main() -> None:
            clock: LoopClock = virtual_clock()
            cluster = Cluster(clock, random.Random(1))
            await cluster.start()
            (manager,) = controller_set(cluster.api, clock, random.Random(2))
            running = asyncio.create_task(manager.run())
            await cluster.api.create(SERVICES, SERVICE, "default")
            await cluster.api.create(ROLLOUTS, ROLLOUT, "default")
            await asyncio.sleep(10)
            await story(cluster.api)
            manager.stop()
            await running
            await cluster.stop()

        run_virtual(main(), seed=3)

    return run


def test_deleting_a_rollout_gives_its_service_back(play):
    async def story(api) -> None:
        before = await api.get(SERVICES, "active", "default")
        assert HASH in before["spec"]["selector"]
        await api.delete(ROLLOUTS, "app", "default")
        await asyncio.sleep(10)
        after = await api.get(SERVICES, "active", "default")
        assert after["spec"]["selector"] == {"app": "app"}
        assert "annotations" not in after["metadata"] or not after["metadata"]["annotations"]
        assert (await api.list(PODS, "default"))["items"] == []

    play(story)


def test_a_service_no_longer_named_is_given_back(play):
    async def story(api) -> None:
        other = {**SERVICE, "metadata": {"name": "other"}}
        await api.create(SERVICES, other, "default")
        patch = {"spec": {"strategy": {"blueGreen": {"activeService": "other"}}}}
        await api.patch(ROLLOUTS, "app", patch, "default")
        await asyncio.sleep(10)
        assert HASH not in (await api.get(SERVICES, "active", "default"))["spec"]["selector"]
        assert HASH in (await api.get(SERVICES, "other", "default"))["spec"]["selector"]

    play(story)


def test_a_rollout_made_anew_takes_its_orphans_in(play):
    async def story(api) -> None:
        pods = {pod["metadata"]["uid"] for pod in (await api.list(PODS, "default"))["items"]}
        await api.delete(ROLLOUTS, "app", "default", propagation="Orphan")
        await asyncio.sleep(10)
        await api.create(ROLLOUTS, ROLLOUT, "default")
        await asyncio.sleep(10)
        (replica_set,) = (await api.list(REPLICA_SETS, "default"))["items"]
        rollout = await api.get(ROLLOUTS, "app", "default")
        (owner,) = replica_set["metadata"]["ownerReferences"]
        assert owner["uid"] == rollout["metadata"]["uid"]
        now = {pod["metadata"]["uid"] for pod in (await api.list(PODS, "default"))["items"]}
        assert now == pods
        assert rollout["status"]["phase"] == "Healthy"

    play(story)


def test_a_name_that_somebody_else_has_is_avoided(play):
    async def story(api) -> None:
        again = {
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}}
        }
        wanted = {**ROLLOUT["spec"]["template"], **again["spec"]["template"]}
        labels = {"app": "somebody"}
        pods = {"metadata": {"labels": labels}, "spec": wanted["spec"]}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}
        name = f"app-{template_hash(wanted)}"
        head = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}}
        await api.create(REPLICA_SETS, {**head, "spec": spec}, "default")
        await api.patch(ROLLOUTS, "app", again, "default")
        await asyncio.sleep(60)
        status = (await api.get(ROLLOUTS, "app", "default"))["status"]
        assert (status["phase"], status["collisionCount"]) == ("Healthy", 1)
        assert (await api.get(REPLICA_SETS, name, "default"))["spec"]["replicas"] == 0

    play(story)
