"""Releases with an experiment step, by a whole controller in the embedded cluster."""

import asyncio
from dataclasses import replace
from typing import Any

from rollouts.api.experiment import Experiment
from rollouts.controllers.experiment_world import with_traffic
from rollouts.controllers.explain import explain
from rollouts.controllers.trials import rollouts_of_belongings
from rollouts.kube.api import Obj
from rollouts.kube.queue import Key
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    CONFIG_MAPS,
    EXPERIMENTS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.kube.store import Store
from rollouts.planner.experiment.world import World
from tests.controllers.experiments_world import ARGO, SHOP, Shop, metric, story

STEP = {
    "templates": [
        {"name": "baseline", "specRef": "stable", "weight": 10},
        {"name": "canary", "specRef": "canary", "weight": 10},
    ],
    "analyses": [{"name": "ok", "templateName": "ok"}],
    "duration": "1m",
}
NAMES = {"canaryService": "canary", "stableService": "stable"}
ROUTER = {"trafficRouting": {"plugins": {"rollouts/memory": {"configMap": "split"}}}}


def template(image: str) -> Obj:
    container = {"name": "main", "image": image, "ports": [{"containerPort": 80}]}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def service(name: str) -> Obj:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def rollout(step: Obj) -> Obj:
    steps = [{"setWeight": 25}, {"experiment": step}, {"pause": {}}]
    spec = {
        "replicas": 4,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template("web:1"),
        "strategy": {"canary": {"steps": steps, **NAMES, **ROUTER}},
    }
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    return {**kind, "metadata": {"name": "web"}, "spec": spec}


class Release:
    """A shop in which version 2 of a Rollout is on its way; every moment is judged."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.api = shop, shop.api
        self.judging: asyncio.Task[None] | None = None

    async def begin(self, **step: Any) -> None:
        ok = metric("ok", interval="10s", failureLimit=0)
        await self.shop.apply(ok, service("canary"), service("stable"))
        split = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "split"}}
        await self.api.create(CONFIG_MAPS, split, SHOP)
        await self.api.create(ROLLOUTS, rollout({**STEP, **step}), SHOP)
        await self.until("Healthy")
        await self.api.patch(ROLLOUTS, "web", {"spec": {"template": template("web:2")}}, SHOP)
        self.judging = asyncio.create_task(self._judge())

    async def end(self) -> None:
        assert self.judging is not None
        if self.judging.done():
            self.judging.result()
        self.judging.cancel()

    async def _judge(self) -> None:
        """No share without pods that stay, at any moment."""
        while True:
            shares = (await self.split()).get("additional", "")
            sets = await self.shop.all(REPLICA_SETS)
            for each in shares.split(",") if shares else ():
                name = each.partition("=")[0]
                assert sets[name]["spec"]["replicas"] == 1, f"{name} goes with traffic"
                assert sets[name]["status"]["availableReplicas"] == 1
            await asyncio.sleep(0.1)

    async def rollout(self) -> Obj:
        return await self.api.get(ROLLOUTS, "web", SHOP)

    async def status(self) -> Obj:
        return (await self.rollout()).get("status") or {}

    async def split(self) -> dict[str, str]:
        return (await self.api.get(CONFIG_MAPS, "split", SHOP)).get("data") or {}

    async def until(self, phase: str, seconds: float = 300.0) -> Obj:
        deadline = self.shop.clock.monotonic() + seconds
        while (status := await self.status()).get("phase") != phase:
            assert self.shop.clock.monotonic() < deadline, f"still {status}"
            await asyncio.sleep(0.25)
        return status

    async def experiment(self, phase: str, seconds: float = 300.0) -> Obj:
        """The only Experiment, once it is in that phase."""
        deadline = self.shop.clock.monotonic() + seconds
        while True:
            found = list((await self.shop.all(EXPERIMENTS)).values())
            if len(found) == 1 and (found[0].get("status") or {}).get("phase") == phase:
                return found[0]
            assert self.shop.clock.monotonic() < deadline, f"still {found}"
            await asyncio.sleep(0.25)

    async def why(self) -> list[str]:
        now = self.shop.clock.wall()
        _, _, blockers = await explain(self.api, SHOP, "web", now)
        return [blocker.code for blocker in blockers]

    async def sizes(self, name: str) -> dict[str, int]:
        """Replicas of what belongs to the Experiment called so."""
        found = await self.shop.sizes()
        return {each.removeprefix(name): n for each, n in found.items() if each.startswith(name)}


@story()
async def test_it_runs_with_its_shares_for_its_time_and_leaves_no_trace(shop: Shop) -> None:
    release = Release(shop)
    await release.begin()
    running = await release.experiment("Running")
    name = running["metadata"]["name"]
    assert running["metadata"]["ownerReferences"][0]["name"] == "web"
    await asyncio.sleep(5)
    split = await release.split()
    assert split["additional"] == f"{name}-baseline=10,{name}-canary=10"
    assert (split["canary.weight"], split["stable.weight"]) == ("25", "55")
    status = await release.status()
    assert status["canary"]["currentExperiment"] == name
    assert await release.why() == ["ExperimentRunning"]
    assert ("ExperimentCreated", f"Created Experiment '{name}'") in await shop.told("Rollout")
    slices = await shop.all(SERVICES)
    assert {f"{name}-baseline", f"{name}-canary"} <= slices.keys()

    await release.until("Paused")
    await asyncio.sleep(20)
    assert await release.sizes(name) == {"-baseline": 1, "-canary": 1}
    assert "additional" not in await release.split()
    await asyncio.sleep(20)
    assert await release.sizes(name) == {"-baseline": 0, "-canary": 0}
    runs = await shop.all(ANALYSIS_RUNS)
    assert [run["status"]["phase"] for run in runs.values()] == ["Successful"]
    assert "currentExperiment" not in (await release.status())["canary"]
    await release.end()


@story()
async def test_what_is_on_record_is_asked_of_the_server_before_pods_go(shop: Shop) -> None:
    """However late a cache may be: it knows nothing of any share here."""
    release = Release(shop)
    await release.begin()
    running = await release.experiment("Running")
    await asyncio.sleep(5)
    name = running["metadata"]["name"]
    late = World(now=shop.clock.wall(), experiment=Experiment.decode(running))
    found = await with_traffic(shop.api, late)
    assert found.in_traffic == {f"{name}-baseline", f"{name}-canary"}
    other = {**running, "metadata": {**running["metadata"], "ownerReferences": []}}
    alone = await with_traffic(shop.api, replace(late, experiment=Experiment.decode(other)))
    assert alone.in_traffic == frozenset()
    await release.end()


def test_what_belongs_to_an_experiment_concerns_its_rollout() -> None:
    def child(kind: str, owner: str, name: str) -> Obj:
        reference = {"apiVersion": ARGO, "kind": kind, "name": owner, "controller": True}
        return {"metadata": {"name": name, "namespace": SHOP, "ownerReferences": [reference]}}

    known = Store(EXPERIMENTS)
    for each in (child("Rollout", "web", "web-1"), child("Other", "x", "free")):
        known.put(each)
    keys_of = rollouts_of_belongings(known)
    assert list(keys_of(child("Experiment", "web-1", "web-1-a"))) == [Key(SHOP, "web")]
    assert list(keys_of(child("Experiment", "free", "free-a"))) == []
    assert list(keys_of(child("Experiment", "gone", "gone-a"))) == []
    assert list(keys_of(child("ReplicaSet", "web-1", "pod"))) == []


@story()
async def test_a_bad_verdict_brings_everybody_back(shop: Shop) -> None:
    release = Release(shop)
    await release.begin(scaleDownDelaySeconds=0)
    await release.experiment("Running")
    shop.answers.good = False
    status = await release.until("Degraded")
    assert "Experiment analysis phase is error/failed: Metric" in status["message"]
    failed = await release.experiment("Failed")
    await asyncio.sleep(60)
    assert set((await release.sizes(failed["metadata"]["name"])).values()) == {0}
    split = await release.split()
    assert (split["canary.weight"], split.get("additional")) == ("0", None)

    shop.answers.good = True
    await shop.api.patch(ROLLOUTS, "web", {"status": {"abort": False}}, SHOP, subresource="status")
    await release.until("Paused")
    phases = {name: each["status"]["phase"] for name, each in (await shop.all(EXPERIMENTS)).items()}
    first = failed["metadata"]["name"]
    assert phases == {first: "Failed", f"{first}-1": "Successful"}
    await release.end()


@story()
async def test_pods_stay_for_their_traffic_while_nobody_is_there_to_take_it_away(
    shop: Shop,
) -> None:
    """The controller is gone when the time is up, and comes back long after the delay."""
    release = Release(shop)
    await release.begin(scaleDownDelaySeconds=0)
    await release.experiment("Running")
    await asyncio.sleep(5)
    assert "additional" in await release.split()
    await shop.kill_controller()
    await asyncio.sleep(600)
    shop.start_controller()
    await release.until("Paused")
    assert "additional" not in await release.split()
    await asyncio.sleep(10)
    ended = await release.experiment("Successful")
    assert set((await release.sizes(ended["metadata"]["name"])).values()) == {0}
    await release.end()


@story()
async def test_an_abort_ends_it_at_once(shop: Shop) -> None:
    release = Release(shop)
    await release.begin(scaleDownDelaySeconds=0)
    running = await release.experiment("Running")
    await asyncio.sleep(5)
    await shop.api.patch(ROLLOUTS, "web", {"status": {"abort": True}}, SHOP, subresource="status")
    await release.until("Degraded")
    await asyncio.sleep(10)
    assert (await release.split())["canary.weight"] == "0"
    name = running["metadata"]["name"]
    assert (await shop.get(name))["spec"]["terminate"] is True
    assert set((await release.sizes(name)).values()) == {0}
    await release.end()


@story()
async def test_one_that_somebody_deletes_is_run_again(shop: Shop) -> None:
    release = Release(shop)
    await release.begin(templates=[{"name": "canary", "specRef": "canary"}])
    running = await release.experiment("Running")
    await shop.api.delete(EXPERIMENTS, running["metadata"]["name"], SHOP)
    await asyncio.sleep(5)
    again = await release.experiment("Running")
    assert again["metadata"]["uid"] != running["metadata"]["uid"]
    await release.until("Paused")
    await release.end()
