"""Each rule for Experiments is broken once, by hand: a judge that sees nothing would be worth nothing."""

import random

import pytest

from rollouts.kube.api import PatchType
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, SERVICES
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.options import DeleteOptions, Options
from rollouts.simulate.actors import USER, acting_as
from rollouts.simulate.invariants import Judge
from rollouts.simulate.scenarios import experiment

LABELS = {"trial": "old"}
WHEN = "2026-01-02T03:04:05Z"


class Court:
    """A store with an Experiment that runs, and a controller that does as it is told."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.server = Cluster(clock, random.Random(1)).server
        self.judge = Judge(self.server.store, clock.wall)
        status = {"phase": "Running", "availableAt": WHEN}
        self.write(EXPERIMENTS, {**experiment(), "status": status}, actor=USER)

    def write(self, resource, body, *, actor="controller-0.0"):
        """Create, or merge into what is there."""
        info = self.server.info(resource.group, resource.version, resource.plural)
        name = body["metadata"]["name"]
        with acting_as(actor):
            if name in [obj["metadata"]["name"] for obj in self.judge.ledger.all(resource)]:
                merge = PatchType.MERGE
                self.server.patch(info, "default", name, body, merge, Options())
            else:
                self.server.create(info, "default", body, Options())

    def status(self, **fields):
        self.write(EXPERIMENTS, {"metadata": {"name": "app"}, "status": fields})

    def child(self, resource, name, spec):
        (above,) = self.judge.ledger.all(EXPERIMENTS)
        owner = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Experiment",
            "name": "app",
            "uid": above["metadata"]["uid"],
            "controller": True,
        }
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        meta = {"name": name, "ownerReferences": [owner]}
        self.write(resource, {**head, "metadata": meta, "spec": spec})

    def replica_set(self, replicas):
        pods = {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
        selector = {"matchLabels": LABELS}
        spec = {"replicas": replicas, "selector": selector, "template": pods}
        self.child(REPLICA_SETS, "app-old", spec)

    def run(self):
        self.child(ANALYSIS_RUNS, "app-check", {"metrics": []})

    def name_run(self):
        entry = {"name": "check", "analysisRun": "app-check", "phase": ""}
        self.status(analysisRuns=[entry])


def an_end_taken_back(court):
    court.status(phase="Successful")
    court.status(phase="Running")


def a_second_beginning(court):
    court.status(availableAt="2026-01-02T03:05:05Z")


def pods_for_what_is_over(court):
    court.replica_set(0)
    court.status(phase="Failed")
    court.write(REPLICA_SETS, {"metadata": {"name": "app-old"}, "spec": {"replicas": 1}})


def born_with_pods(court):
    court.replica_set(1)


def a_run_without_a_name_in_the_status(court):
    court.run()


def a_run_before_the_pods(court):
    court.write(
        EXPERIMENTS,
        {"metadata": {"name": "app"}, "status": {"availableAt": None}},
        actor=USER,
    )
    court.name_run()
    court.run()


@pytest.mark.parametrize(
    ("breach", "complaint"),
    [
        (an_end_taken_back, "was Successful and becomes Running"),
        (a_second_beginning, "available for the first time once more"),
        (pods_for_what_is_over, "grows though it is over"),
        (born_with_pods, "is born with 1 pods"),
        (a_run_without_a_name_in_the_status, "is made before it is named"),
        (a_run_before_the_pods, "begins before the pods are there"),
    ],
)
def test_a_breach_is_seen(breach, complaint):
    court = Court()
    breach(court)
    (told,) = court.judge.violations
    assert complaint in told


def test_what_is_right_is_not_complained_about():
    court = Court()
    court.replica_set(0)
    court.write(REPLICA_SETS, {"metadata": {"name": "app-old"}, "spec": {"replicas": 2}})
    court.name_run()
    court.run()
    court.status(phase="Failed")
    court.write(REPLICA_SETS, {"metadata": {"name": "app-old"}, "spec": {"replicas": 0}})
    stopped = {"metadata": {"name": "app-check"}, "status": {"phase": "Successful"}}
    court.write(ANALYSIS_RUNS, stopped)
    court.judge.at_rest()
    assert court.judge.violations == []


def test_what_is_left_behind_is_seen_at_rest():
    court = Court()
    court.replica_set(0)
    court.write(REPLICA_SETS, {"metadata": {"name": "app-old"}, "spec": {"replicas": 1}})
    court.child(SERVICES, "app-old", {"selector": LABELS, "ports": [{"port": 80}]})
    court.name_run()
    court.run()
    court.status(phase="Failed")
    court.judge.at_rest()
    assert len(court.judge.violations) == 3
    info = court.server.info(EXPERIMENTS.group, EXPERIMENTS.version, EXPERIMENTS.plural)
    with acting_as(USER):
        court.server.delete(info, "default", "app", DeleteOptions("Background"), Options())
    court.judge.violations.clear()
    court.judge.at_rest()
    assert ["has lost its owner" in told for told in court.judge.violations] == [True] * 3
