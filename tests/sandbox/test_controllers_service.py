"""Services: their slices follow the readiness of pods."""

from rollouts.kube.api import Obj
from rollouts.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES
from rollouts.sandbox.controllers.endpointslice import SERVICE_NAME
from rollouts.sandbox.controllers.objects import meta, status
from tests.sandbox.controllers_world import (
    NS,
    World,
    deployment,
    replica_set,
    template,
    virtual,
    world,
)


def service(name: str = "web", **more: object) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **more,
        },
    }


async def addresses(w: World, name: str = "web") -> set[str]:
    """Where traffic to the Service may go."""
    return {
        address
        for one in await w.all(ENDPOINT_SLICES, f"{SERVICE_NAME}={name}")
        for endpoint in one["endpoints"] or ()
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


async def ready_addresses(w: World, selector: str = "app=web") -> set[str]:
    return {status(pod)["podIP"] for pod in await w.ready_pods(selector)}


@virtual
async def test_endpoints_follow_readiness() -> None:
    async with world() as w:
        await w.create(SERVICES, service())
        await w.settle(1)
        assert await addresses(w) == set()
        await w.create(REPLICA_SETS, replica_set(replicas=3))
        await w.settle()
        assert await addresses(w) == await ready_addresses(w)
        assert len(await addresses(w)) == 3
        (only,) = await w.all(ENDPOINT_SLICES)
        assert only["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
        targets = {one["targetRef"]["name"] for one in only["endpoints"]}
        assert targets == {meta(pod)["name"] for pod in await w.pods()}

        await w.scale(REPLICA_SETS, "web", 1)
        await w.settle()
        assert await addresses(w) == await ready_addresses(w)
        assert len(await addresses(w)) == 1


@virtual
async def test_a_pod_that_shuts_down_gets_nothing_new_and_may_still_serve() -> None:
    async with world(profile="slow") as w:
        await w.create(SERVICES, service())
        await w.create(REPLICA_SETS, replica_set(replicas=1))
        await w.settle()
        (pod,) = await w.pods()
        await w.api.delete(PODS, meta(pod)["name"], NS)
        await w.settle(1)
        (only,) = await w.all(ENDPOINT_SLICES)
        leaving = [e for e in only["endpoints"] if e["targetRef"]["name"] == meta(pod)["name"]]
        assert [one["conditions"] for one in leaving] == [
            {"ready": False, "serving": True, "terminating": True}
        ]


@virtual
async def test_a_selector_that_moves_takes_the_traffic_with_it() -> None:
    async with world() as w:
        await w.create(SERVICES, service())
        await w.create(DEPLOYMENTS, deployment("web", replicas=2))
        await w.create(DEPLOYMENTS, deployment("other", replicas=2))
        await w.settle()
        await w.patch(SERVICES, "web", {"spec": {"selector": {"app": "other"}}})
        await w.settle(2)
        assert await addresses(w) == await ready_addresses(w, "app=other")


@virtual
async def test_slices_go_with_their_service() -> None:
    async with world() as w:
        await w.create(SERVICES, service())
        await w.create(SERVICES, service("bare", selector=None))
        await w.create(REPLICA_SETS, replica_set(replicas=1))
        await w.settle()
        assert len(await w.all(ENDPOINT_SLICES)) == 1
        await w.api.delete(SERVICES, "web", NS)
        await w.settle()
        assert await w.all(ENDPOINT_SLICES) == []


@virtual
async def test_a_foreign_slice_is_left_alone() -> None:
    async with world() as w:
        await w.create(SERVICES, service())
        foreign = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "by-hand", "namespace": NS, "labels": {SERVICE_NAME: "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
            "ports": [],
        }
        await w.create(ENDPOINT_SLICES, foreign)
        await w.create(REPLICA_SETS, replica_set(replicas=1, template=template()))
        await w.settle()
        assert "192.0.2.1" in await addresses(w)
        assert len(await addresses(w)) == 2
