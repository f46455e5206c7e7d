"""Each rule is broken once, by hand: a judge that sees nothing would be worth nothing."""

import asyncio
import random

import pytest

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.controllers.execute import Executor
from rollouts.kube.api import PatchType
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    CONFIG_MAPS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.options import Options
from rollouts.simulate.actors import CLUSTER, USER, acting_as
from rollouts.simulate.faults import FaultPlan
from rollouts.simulate.invariants import Judge
from rollouts.simulate.loop import run_virtual, virtual_clock
from rollouts.simulate.runner import differences, play
from rollouts.simulate.scenarios import SCENARIOS, rollout, service

STEPS = [{"setWeight": 20}, {"pause": {"duration": "10s"}}, {"setWeight": 60}, {"pause": {}}]
CANARY = {"canary": {"steps": STEPS, "stableService": "stable", "maxSurge": 1, "maxUnavailable": 0}}
SPLIT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "split"}}
MIDWAY = {"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 1}


class Court:
    """A store with a Rollout between two revisions, and a controller that does as it is told."""

    def __init__(self) -> None:
        clock = virtual_clock()
        self.server = Cluster(clock, random.Random(1)).server
        self.judge = Judge(self.server.store, clock.wall)

    def write(self, resource, body, *, actor="controller-0.0", status=False):
        """Create, or merge into what is there."""
        info = self.server.info(resource.group, resource.version, resource.plural)
        name = body["metadata"]["name"]
        with acting_as(actor):
            known = [obj["metadata"]["name"] for obj in self.judge.ledger.all(resource)]
            if name not in known:
                self.server.create(info, "default", body, Options())
            if name in known or status:
                self.server.patch(
                    info,
                    "default",
                    name,
                    body,
                    PatchType.MERGE,
                    Options(),
                    subresource="status" if status else "",
                )

    def rollout(self, status, **how):
        self.write(ROLLOUTS, {"metadata": {"name": "app"}, "status": status}, status=True, **how)

    def revision(self, pod_hash, replicas, pods=0):
        """A ReplicaSet as the controller left it, and as many ready pods."""
        labels = {"app": "app", POD_TEMPLATE_HASH: pod_hash}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        meta = {"name": f"app-{pod_hash}", "labels": labels, "ownerReferences": [self.owner()]}
        self.write(
            REPLICA_SETS,
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec},
            actor=CLUSTER,
        )
        for number in range(pods):
            name = {"name": f"{pod_hash}-{number}", "labels": labels}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": template["spec"]}
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.write(PODS, {**pod, "status": ready}, actor=CLUSTER, status=True)

    def owner(self):
        uid = self.judge.ledger.all(ROLLOUTS)[0]["metadata"]["uid"]
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "name": "app",
            "uid": uid,
            "controller": True,
        }

    def run(self, name, phase="", owned=True):
        labels = {POD_TEMPLATE_HASH: "new", "rollout-type": "Step", "step-index": "1"}
        meta = {"name": name, "labels": labels, "ownerReferences": [self.owner()] if owned else []}
        head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": meta}
        self.write(ANALYSIS_RUNS, {**head, "spec": {"metrics": []}})
        if phase:
            self.write(ANALYSIS_RUNS, {"metadata": {"name": name}, "status": {"phase": phase}})

    def scale(self, pod_hash, replicas):
        name = {"name": f"app-{pod_hash}"}
        self.write(REPLICA_SETS, {"metadata": name, "spec": {"replicas": replicas}})

    def select(self, name, pod_hash, **how):
        selector = {"selector": {POD_TEMPLATE_HASH: pod_hash}}
        self.write(SERVICES, {"metadata": {"name": name}, "spec": selector}, **how)

    def broken(self) -> set[str]:
        return {text.partition("_")[0] for text in self.judge.violations}


def s1_switch_to_nothing(court):
    court.select("stable", "old", actor=USER)
    court.select("stable", "new")


async def routed(court):
    """The Rollout gets a router, whose Services are pinned and which sends everything to old."""
    routing = {"plugins": {"rollouts/memory": {"configMap": "split"}}}
    canary = {"canaryService": "canary", "trafficRouting": routing}
    spec = {"strategy": {"canary": canary}}
    court.write(ROLLOUTS, {"metadata": {"name": "app"}, "spec": spec}, actor=USER)
    await asyncio.sleep(5)
    court.write(SERVICES, service("canary"), actor=USER)
    court.select("stable", "old", actor=USER)
    court.select("canary", "new", actor=USER)
    court.write(CONFIG_MAPS, {**SPLIT, "data": {"canary.weight": "0"}}, actor=USER)
    assert court.broken() == set()


async def s2_more_traffic_than_pods(court):
    await routed(court)
    court.write(CONFIG_MAPS, {**SPLIT, "data": {"canary.weight": "40"}})


async def s2_fewer_pods_than_traffic(court):
    await routed(court)
    court.scale("old", 3)


def s3_too_many(court):
    court.scale("new", 3)


def s3_too_few(court):
    court.scale("old", 2)


def s4_emptied_in_use(court):
    court.select("stable", "old", actor=USER)
    court.scale("old", 0)


def s6_two_steps_at_once(court):
    court.rollout({"currentStepIndex": 3})


async def s7_on_after_a_failure(court):
    court.run("app-new-2-1", "Failed")
    await asyncio.sleep(5)
    court.rollout({"currentStepIndex": 2})


async def s9_growing_after_an_abort(court):
    court.rollout({"abort": True}, actor=USER)
    await asyncio.sleep(5)
    court.scale("new", 2)


async def s10_short_pause(court):
    start = "2026-01-01T00:00:05Z"
    court.rollout({"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": start}]})
    await asyncio.sleep(8)
    court.rollout({"currentStepIndex": 2, "pauseConditions": None})


async def s10_endless_pause_ends(court):
    court.rollout({"currentStepIndex": 2})
    await asyncio.sleep(20)
    court.rollout({"currentStepIndex": 3})
    await asyncio.sleep(1000)
    court.rollout({"currentStepIndex": 4})


async def s10_moving_while_paused(court):
    court.write(ROLLOUTS, {"metadata": {"name": "app"}, "spec": {"paused": True}}, actor=USER)
    await asyncio.sleep(5)
    court.scale("new", 2)


def s12_a_second_run(court):
    court.run("app-new-2-1")
    court.run("app-new-2-1.1")


def s12_a_run_of_nobody(court):
    court.run("app-new-2-1", owned=False)


async def s14_swinging(court):
    await asyncio.sleep(5)
    for replicas in (2, 1, 2):
        court.scale("new", replicas)


CRIMES = [
    s1_switch_to_nothing,
    s2_more_traffic_than_pods,
    s2_fewer_pods_than_traffic,
    s3_too_many,
    s3_too_few,
    s4_emptied_in_use,
    s6_two_steps_at_once,
    s7_on_after_a_failure,
    s9_growing_after_an_abort,
    s10_short_pause,
    s10_endless_pause_ends,
    s10_moving_while_paused,
    s12_a_second_run,
    s12_a_run_of_nobody,
    s14_swinging,
]


@pytest.mark.parametrize("crime", CRIMES, ids=lambda crime: crime.__name__)
def test_a_broken_rule_is_seen(crime):
    async def main():
        court = Court()
        court.write(SERVICES, service("stable"), actor=USER)
        court.write(ROLLOUTS, rollout(CANARY), actor=USER)
        court.rollout(MIDWAY, actor=USER)
        court.revision("old", 4, pods=4)
        court.revision("new", 1)
        await asyncio.sleep(5)
        assert court.broken() == set()
        done = crime(court)
        if done is not None:
            await done
        assert crime.__name__.partition("_")[0] in court.broken(), court.judge.violations

    run_virtual(main())


def test_a_controller_that_trusts_old_caches_is_found_out(monkeypatch):
    async def trust(*_):
        return None

    monkeypatch.setattr(Executor, "_confirm_decided_from", trust)
    plan = FaultPlan(seed=1, leaders=2, lags=(0.5, 0.0), shuffle=True)
    scenario = SCENARIOS["canary-failing"]
    assert any(
        "no_black_hole" in text for text in differences(play(scenario), play(scenario, plan))
    )
