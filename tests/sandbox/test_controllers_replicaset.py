"""ReplicaSets: as many pods as wanted, the right ones given up, an honest status."""

import pytest

from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden
from rollouts.kube.resources import PODS, REPLICA_SETS, Resource
from rollouts.sandbox.controllers.objects import (
    annotations,
    condition,
    controller_uid,
    meta,
    ready,
    spec,
    status,
    uid,
)
from rollouts.sandbox.controllers.ranking import DELETION_COST
from rollouts.simulate.loop import run_virtual
from tests.sandbox.controllers_world import NS, World, replica_set, template, virtual, world

COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


@virtual
async def test_a_replica_set_gets_ready_pods() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=3))
        await w.settle()
        pods = await w.ready_pods("app=web")
        assert len(pods) == 3
        assert all(meta(pod)["name"].startswith("web-") for pod in pods)
        assert len({status(pod)["podIP"] for pod in pods}) == 3
        assert len({spec(pod)["nodeName"] for pod in pods}) == 3
        seen = status(await w.get(REPLICA_SETS, "web"))
        assert [seen[name] for name in (*COUNTS, "observedGeneration")] == [3, 3, 3, 3, 1]
        assert (await w.reasons("web")).count("SuccessfulCreate") == 3


@virtual
async def test_a_deleted_pod_is_replaced() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=2))
        await w.settle()
        victim = (await w.pods())[0]
        await w.api.delete(PODS, meta(victim)["name"], NS)
        await w.settle()
        pods = await w.ready_pods()
        assert len(pods) == 2
        assert uid(victim) not in {uid(pod) for pod in pods}


@virtual
async def test_scaling_down_gives_up_cheap_pods_first() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=4))
        await w.settle()
        names = [meta(pod)["name"] for pod in await w.pods()]
        for cost, name in enumerate(names):
            await w.patch(PODS, name, {"metadata": {"annotations": {DELETION_COST: str(cost)}}})
        await w.settle(1)
        await w.scale(REPLICA_SETS, "web", 2)
        await w.settle()
        left = {annotations(pod)[DELETION_COST] for pod in await w.pods()}
        assert left == {"2", "3"}


@virtual
async def test_scaling_down_gives_up_what_is_not_ready_first() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=2))
        await w.settle()
        good = {uid(pod) for pod in await w.pods()}
        change = {"spec": {"replicas": 4, "template": template("web", "web:never-ready")}}
        await w.patch(REPLICA_SETS, "web", change)
        await w.settle()
        assert len(await w.pods()) == 4
        await w.scale(REPLICA_SETS, "web", 2)
        await w.settle()
        assert {uid(pod) for pod in await w.pods()} == good


@virtual
async def test_pods_become_available_after_min_ready_seconds() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=2, minReadySeconds=20))
        await w.settle(10)
        seen = status(await w.get(REPLICA_SETS, "web"))
        assert (seen["readyReplicas"], seen.get("availableReplicas", 0)) == (2, 0)
        await w.settle(15)
        assert status(await w.get(REPLICA_SETS, "web"))["availableReplicas"] == 2


@virtual
async def test_orphans_are_adopted_and_strangers_released() -> None:
    async with world() as w:
        lone = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "lone", "namespace": NS, "labels": {"app": "web"}},
            "spec": template()["spec"],
        }
        await w.create(PODS, lone)
        await w.settle(2)
        await w.create(REPLICA_SETS, replica_set(replicas=2))
        await w.settle()
        owner = uid(await w.get(REPLICA_SETS, "web"))
        assert controller_uid(await w.get(PODS, "lone")) == owner
        assert len(await w.pods()) == 2

        await w.patch(PODS, "lone", {"metadata": {"labels": {"app": "debug"}}})
        await w.settle()
        assert controller_uid(await w.get(PODS, "lone")) == ""
        assert len(await w.pods("app=web")) == 2


class Quota:
    """A KubeApi that refuses pods beyond a number."""

    def __init__(self, api: KubeApi, limit: int) -> None:
        self._api, self.left, self.refused = api, limit, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)

    async def create(
        self, resource: Resource, body: Obj, namespace: str | None = None, **more: str
    ) -> Obj:
        if resource == PODS and not more.get("subresource"):
            if self.left <= 0:
                self.refused += 1
                raise Forbidden("exceeded quota: pods")
            self.left -= 1
        return await self._api.create(resource, body, namespace, **more)  # type: ignore[arg-type]


def test_a_refused_create_is_reported_tried_gently_and_heals() -> None:
    async def main() -> None:
        w = World()
        quota = Quota(w.api, 3)
        w.start(quota)  # type: ignore[arg-type]
        await w.create(REPLICA_SETS, replica_set(replicas=100))
        await w.settle(20)
        assert len(await w.pods()) == 3
        failure = condition(await w.get(REPLICA_SETS, "web"), "ReplicaFailure")
        assert failure is not None
        assert (failure["reason"], failure["message"]) == ("FailedCreate", "exceeded quota: pods")
        assert quota.refused < 40

        quota.left = 1000
        await w.settle(60)
        assert len(await w.ready_pods()) == 100
        assert condition(await w.get(REPLICA_SETS, "web"), "ReplicaFailure") is None
        await w.stop()

    run_virtual(main())


@pytest.mark.parametrize("seed", range(5))
def test_no_interleaving_creates_a_pod_too_many(seed: int) -> None:
    async def main() -> None:
        async with world(seed) as w:
            await w.create(REPLICA_SETS, replica_set(replicas=7))
            most = 0
            for _ in range(200):
                most = max(most, len(await w.pods()))
            await w.settle(5)
            assert max(most, len(await w.pods())) == 7
            assert (await w.reasons("web")).count("SuccessfulCreate") == 7

    run_virtual(main(), seed=seed, shuffle=True)


@virtual
async def test_killing_the_controllers_half_way_leads_to_the_same_end() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=6))
        for _ in range(6):
            await w.settle(0.07)
            await w.restart()
        await w.settle()
        pods = await w.all(PODS)
        assert len(pods) == 6
        assert all(ready(pod) for pod in pods)
        assert len({status(pod)["podIP"] for pod in pods}) == 6
