"""Controllers around workloads: caches that are filled on demand, and rights that are withheld."""

import asyncio
import random
from typing import Any

from rollouts.controllers.explain import explain
from rollouts.controllers.wiring import controller_set
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden
from rollouts.kube.resources import (
    DEPLOYMENTS,
    EVENTS,
    POD_TEMPLATES,
    REPLICA_SETS,
    ROLLOUTS,
    Resource,
)
from rollouts.planner.handover import REST_SECONDS
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock

HOME = "default"
PODS = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "main", "image": "web:1"}]},
}


class Told:
    """A KubeApi that notes what is listed and refuses to scale Deployments when told to."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.listed: set[tuple[Resource, str]] = set()
        self.scalable = True
        self.visible = True
        self.refused = 0

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._api, verb)

    async def list(self, resource: Resource, *given: Any, **more: Any) -> Obj:
        self.listed.add((resource, more.get("labels", "")))
        if resource == DEPLOYMENTS and not self.visible:
            self.refused += 1
            raise Forbidden('deployments.apps is forbidden: cannot list resource "deployments"')
        return await self._api.list(resource, *given, **more)

    async def patch(self, resource: Resource, *given: Any, **more: Any) -> Obj:
        if resource == DEPLOYMENTS and not self.scalable:
            self.refused += 1
            raise Forbidden('deployments.apps "old" is forbidden')
        return await self._api.patch(resource, *given, **more)


def workload(resource: Resource) -> Obj:
    holder: Obj = {"template": PODS}
    if resource != POD_TEMPLATES:
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, **holder}
        holder = {"spec": spec}
    named = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "old"}}
    return {**named, **holder}


def referring(resource: Resource, name: str = "web") -> Obj:
    ref = {"apiVersion": resource.api_version, "kind": resource.kind, "name": "old"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "workloadRef": {**ref, "scaleDown": "onsuccess"},
            "strategy": {"canary": {}},
        },
    }


def play(story: Any) -> None:
    """``story(api, told)`` with the whole controller around."""

    async def main() -> None:
        clock, rng = virtual_clock(), random.Random(5)
        cluster = Cluster(clock, rng, pods="fast")
        await cluster.start()
        told = Told(cluster.api)
        (manager,) = controller_set(told, clock, rng)  # type: ignore[arg-type]
        running = asyncio.ensure_future(manager.run())
        await story(cluster.api, told)
        manager.stop()
        await running
        await cluster.stop()

    run_virtual(main())


async def phase(api: KubeApi, name: str = "web") -> str:
    return str((await api.get(ROLLOUTS, name, HOME))["status"]["phase"])


def test_nothing_is_listed_that_no_rollout_refers_to() -> None:
    kinds = {(DEPLOYMENTS, ""), (POD_TEMPLATES, ""), (REPLICA_SETS, "")}

    async def story(api: KubeApi, told: Told) -> None:
        await asyncio.sleep(30)
        assert told.listed & kinds == set()
        await api.create(POD_TEMPLATES, workload(POD_TEMPLATES), HOME)
        await api.create(ROLLOUTS, referring(POD_TEMPLATES), HOME)
        await asyncio.sleep(30)
        assert told.listed & kinds == {(POD_TEMPLATES, "")}
        assert await phase(api) == "Healthy"

    play(story)


def test_a_replica_set_can_be_referred_to_but_not_a_rollouts_own() -> None:
    async def story(api: KubeApi, _: Told) -> None:
        await api.create(REPLICA_SETS, workload(REPLICA_SETS), HOME)
        await api.create(ROLLOUTS, referring(REPLICA_SETS), HOME)
        await asyncio.sleep(30)
        assert await phase(api) == "Healthy"
        sets = (await api.list(REPLICA_SETS, HOME))["items"]
        own = next(each["metadata"]["name"] for each in sets if each["metadata"]["name"] != "old")
        patch = {"spec": {"workloadRef": {"name": own}}}
        await api.patch(ROLLOUTS, "web", patch, HOME)
        await asyncio.sleep(30)
        status = (await api.get(ROLLOUTS, "web", HOME))["status"]
        assert status["phase"] == "Degraded"
        assert "belongs to no Rollout" in status["message"]

    play(story)


def test_a_workload_that_changes_is_noticed() -> None:
    async def story(api: KubeApi, _: Told) -> None:
        await api.create(POD_TEMPLATES, workload(POD_TEMPLATES), HOME)
        await api.create(ROLLOUTS, referring(POD_TEMPLATES), HOME)
        await asyncio.sleep(30)
        spec = {"containers": [{"name": "main", "image": "web:2"}]}
        await api.patch(POD_TEMPLATES, "old", {"template": {"spec": spec}}, HOME)
        await asyncio.sleep(60)
        found = await api.get(ROLLOUTS, "web", HOME)
        assert found["status"]["workloadObservedGeneration"] == "2"
        assert found["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "2"
        assert found["status"]["phase"] == "Healthy"

    play(story)


def test_a_right_that_is_withheld_is_told_asked_for_slowly_and_harms_nothing_else() -> None:
    async def story(api: KubeApi, told: Told) -> None:
        told.scalable = False
        await api.create(DEPLOYMENTS, workload(DEPLOYMENTS), HOME)
        await api.create(ROLLOUTS, referring(DEPLOYMENTS), HOME)
        await asyncio.sleep(600)
        assert await phase(api) == "Healthy"
        assert told.refused == 2
        status = (await api.get(ROLLOUTS, "web", HOME))["status"]
        noted = next(c for c in status["conditions"] if c["type"] == "WorkloadScaledDown")
        assert (noted["status"], noted["reason"]) == ("Unknown", "WorkloadScaleRefused")
        assert noted["message"].endswith('deployments.apps "old" is forbidden')
        _, _, blockers = await explain(api, HOME, "web", virtual_clock().wall())
        assert [blocker.code for blocker in blockers] == ["WorkloadScaleRefused"]
        events = (await api.list(EVENTS, HOME))["items"]
        (told_of,) = [each for each in events if each["reason"] == "ReconciliationError"]
        assert "Deployment old stays at 2 replicas" in told_of["message"]
        assert "scaleDown to never" in told_of["message"]
        told.scalable = True
        await asyncio.sleep(REST_SECONDS)
        assert (await api.get(DEPLOYMENTS, "old", HOME))["spec"]["replicas"] == 0

    play(story)


def test_two_rollouts_never_fight_over_one_deployment() -> None:
    async def story(api: KubeApi, _: Told) -> None:
        await api.create(DEPLOYMENTS, workload(DEPLOYMENTS), HOME)
        await api.create(ROLLOUTS, referring(DEPLOYMENTS), HOME)
        await asyncio.sleep(60)
        await api.create(ROLLOUTS, referring(DEPLOYMENTS, "young"), HOME)
        await asyncio.sleep(600)
        young = (await api.get(ROLLOUTS, "young", HOME))["status"]
        assert 'Rollout "web" takes its template' in young["message"]
        assert await phase(api) == "Healthy"
        before = (await api.get(DEPLOYMENTS, "old", HOME))["metadata"]["generation"]
        assert before == 2
        await api.delete(ROLLOUTS, "web", HOME)
        await asyncio.sleep(60)
        assert await phase(api, "young") == "Healthy"
        assert (await api.get(DEPLOYMENTS, "old", HOME))["metadata"]["generation"] == before

    play(story)


def test_workloads_that_may_not_be_seen_are_told_and_keep_nobody_else_waiting() -> None:
    async def story(api: KubeApi, told: Told) -> None:
        told.visible = False
        await api.create(DEPLOYMENTS, workload(DEPLOYMENTS), HOME)
        await api.create(ROLLOUTS, referring(DEPLOYMENTS), HOME)
        plain = referring(DEPLOYMENTS, "plain")
        plain["spec"] |= {"workloadRef": None, "template": PODS}
        await api.create(ROLLOUTS, plain, HOME)
        await asyncio.sleep(600)
        assert await phase(api, "plain") == "Healthy"
        status = (await api.get(ROLLOUTS, "web", HOME))["status"]
        assert status["phase"] == "Degraded"
        assert 'cannot list resource "deployments"; allow the controller' in status["message"]
        assert told.refused < 40
        told.visible = True
        await asyncio.sleep(120)
        assert await phase(api) == "Healthy"

    play(story)


def test_a_controller_starts_although_it_may_not_see_workloads() -> None:
    async def story(api: KubeApi, told: Told) -> None:
        told.visible = False
        await api.create(ROLLOUTS, referring(DEPLOYMENTS), HOME)
        (manager,) = controller_set(told, virtual_clock(), random.Random(6))  # type: ignore[arg-type]
        running = asyncio.ensure_future(manager.run())
        await asyncio.sleep(600)
        assert manager.not_ready() == ""
        manager.stop()
        await running

    play(story)
