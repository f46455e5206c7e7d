"""The whole embedded cluster in virtual time: no sockets, no threads, the same run every time."""

import random

import pytest

from rollouts.kube.api import Obj
from rollouts.kube.errors import Invalid, NotFound
from rollouts.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, ROLLOUTS, SERVICES
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

LABELS = {"app": "web"}
TEMPLATE: Obj = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [{"name": "app", "image": "nginx:1", "ports": [{"containerPort": 80}]}]},
}


def deployment(replicas: int = 2) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    }


def service() -> Obj:
    spec = {"selector": LABELS, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


async def until(cluster: Cluster, resource, name: str, holds, namespace: str = "default") -> Obj:
    """The first state of an object for which ``holds``."""
    found = await cluster.api.get(resource, name, namespace)
    version = found["metadata"]["resourceVersion"]
    if holds(found):
        return found
    async for event in cluster.api.watch(
        resource, namespace, fields=f"metadata.name={name}", resource_version=version
    ):
        if event.type == "MODIFIED" and holds(event.object):
            return event.object
    raise AssertionError(f"{name} never got there")


def available(count: int):
    return lambda obj: obj.get("status", {}).get("availableReplicas") == count


class TestCluster:
    def test_a_deployment_and_its_service_come_up(self):
        async def story() -> tuple[list[str], list[str]]:
            cluster = Cluster(virtual_clock(), random.Random(1))
            await cluster.start()
            await cluster.api.create(SERVICES, service(), "default")
            await cluster.api.create(DEPLOYMENTS, deployment(), "default")
            await until(cluster, DEPLOYMENTS, "web", available(2))
            pods = await cluster.api.list(PODS, "default")
            phases = [pod["status"]["phase"] for pod in pods["items"]]
            (name,) = [
                one["metadata"]["name"]
                for one in (await cluster.api.list(ENDPOINT_SLICES, "default"))["items"]
            ]
            full = await until(
                cluster, ENDPOINT_SLICES, name, lambda found: len(found["endpoints"]) == 2
            )
            addresses = [address for one in full["endpoints"] for address in one["addresses"]]
            await cluster.stop()
            return phases, addresses

        phases, addresses = run_virtual(story())
        assert phases == ["Running", "Running"]
        assert len(set(addresses)) == 2

    def test_the_same_seed_is_the_same_run(self):
        async def story(seed: int) -> tuple[list[str], str]:
            cluster = Cluster(virtual_clock(), random.Random(seed))
            await cluster.start()
            await cluster.api.create(DEPLOYMENTS, deployment(3), "default")
            await until(cluster, DEPLOYMENTS, "web", available(3))
            pods = await cluster.api.list(PODS, "default")
            await cluster.stop()
            names = [pod["metadata"]["name"] for pod in pods["items"]]
            return names, pods["metadata"]["resourceVersion"]

        assert run_virtual(story(5)) == run_virtual(story(5))
        assert run_virtual(story(5))[0] != run_virtual(story(6))[0]

    def test_pods_behave_as_the_profile_says(self):
        async def story() -> str:
            cluster = Cluster(virtual_clock(), random.Random(1), pods="never-ready")
            await cluster.start()
            body = deployment(1)
            body["spec"]["progressDeadlineSeconds"] = 60
            await cluster.api.create(DEPLOYMENTS, body, "default")
            stuck = await until(
                cluster,
                DEPLOYMENTS,
                "web",
                lambda found: any(
                    one.get("reason") == "ProgressDeadlineExceeded"
                    for one in found.get("status", {}).get("conditions", [])
                ),
            )
            await cluster.stop()
            return str(stuck["status"].get("availableReplicas", 0))

        assert run_virtual(story()) == "0"

    def test_our_kinds_are_served_and_checked(self):
        async def story() -> None:
            cluster = Cluster(virtual_clock(), random.Random(1))
            with pytest.raises(NotFound):
                await cluster.api.get(ROLLOUTS, "web", "default")
            body = {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Rollout",
                "metadata": {"name": "web"},
                "spec": {"strategy": {"canary": {}, "blueGreen": {"activeService": "a"}}},
            }
            with pytest.raises(Invalid, match=r"spec\.strategy"):
                await cluster.api.create(ROLLOUTS, body, "default")

        run_virtual(story())

    def test_stopped_it_can_still_be_read_and_started_again(self):
        async def story() -> int:
            cluster = Cluster(virtual_clock(), random.Random(1))
            await cluster.start()
            with pytest.raises(RuntimeError, match="runs already"):
                await cluster.start()
            await cluster.stop()
            await cluster.api.create(DEPLOYMENTS, deployment(), "default")
            assert (await cluster.api.list(PODS, "default"))["items"] == []
            await cluster.start()
            await until(cluster, DEPLOYMENTS, "web", available(2))
            await cluster.stop()
            return len((await cluster.api.list(PODS, "default"))["items"])

        assert run_virtual(story()) == 2

    def test_a_controller_that_fails_is_heard_of(self, monkeypatch):
        async def story() -> None:
            cluster = Cluster(virtual_clock(), random.Random(1))

            async def broken() -> None:
                raise ValueError("a bug")

            monkeypatch.setattr(cluster._parts[1], "run", broken)
            await cluster.start()
            with pytest.raises(ValueError, match="a bug"):
                await cluster.failed()
            await cluster.stop()

        run_virtual(story())
