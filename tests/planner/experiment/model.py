"""A model of a cluster for stories of Experiments: plans are applied at once, pods and runs follow.

Every plan is checked to be complete: planning again right after applying it writes nothing and says
why.
"""

import copy
from dataclasses import replace

from analysis.times import format_time
from rollouts.api.experiment import Experiment
from rollouts.api.labels import INSTANCE_ID
from rollouts.kube.errors import ApiError
from rollouts.kube.patches import apply_merge
from rollouts.planner.experiment.planner import plan
from rollouts.planner.experiment.project import project
from rollouts.planner.experiment.world import World
from rollouts.planner.plan import Event, Plan, Verb, Write
from rollouts.planner.world import ReplicaSet, Run

START = 1_800_000_000.0
RATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AnalysisTemplate",
    "metadata": {"name": "rate", "namespace": "shop"},
    "spec": {
        "args": [{"name": "hash", "value": "none"}],
        "metrics": [
            {
                "name": "rate",
                "interval": "10s",
                "successCondition": "result[0] > 0.9",
                "provider": {"prometheus": {"address": "http://p", "query": "up"}},
            }
        ],
    },
}


def template(name: str, *, replicas: int | None = None, **fields) -> dict:
    labels = {"app": "shop", "variant": name}
    return {
        "name": name,
        **({} if replicas is None else {"replicas": replicas}),
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": f"shop:{name}"}]},
        },
        **fields,
    }


def analysis(name: str, **fields) -> dict:
    return {"name": name, "templateName": "rate", **fields}


def experiment(*templates: dict, **spec) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": {
            "name": "trial",
            "namespace": "shop",
            "uid": "uid-trial",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": format_time(START),
        },
        "spec": {"templates": list(templates or (template("a"), template("b"))), **spec},
    }


class Model:
    """One Experiment and what belongs to it."""

    def __init__(self, raw: dict, *templates: dict) -> None:
        known = {each["metadata"]["name"]: each for each in templates or (RATE,)}
        self.world = World(now=START, experiment=Experiment.decode(raw), templates=known)
        self.events: list[Event] = []
        self.writes: list[Write] = []
        self.plan = Plan()
        self.broken: set[str] = set()  # templates whose pods never become available

    def take(self, sets, runs) -> None:
        """ReplicaSets and runs that are there already."""
        self.world = replace(self.world, replica_sets=tuple(sets), runs=tuple(runs))

    # --- what the controller does

    def reconcile(self) -> Plan:
        """Plan and apply, and check that nothing was left undone."""
        decided = plan(self.world)
        self.world = project(self.world, decided.writes)
        self.events += decided.events
        self.writes += decided.writes
        again = plan(self.world)
        assert again.writes == (), "planning after applying must find nothing to do"
        assert again.why, "a plan without writes must say why"
        self.plan = replace(decided, why=again.why, wake_at=again.wake_at)
        return decided

    def apply_only(self, count: int) -> None:
        """Plan, and die after that many writes."""
        self.world = project(self.world, plan(self.world).writes[:count])

    def refuse(self, error: ApiError, kind: str) -> Write:
        """Plan; the server takes everything up to the first creation of ``kind``, and not that."""
        for write in plan(self.world).writes:
            if write.verb is Verb.CREATE and write.resource.kind == kind:
                assert write.otherwise is not None
                other = write.otherwise(error)
                assert other is not None
                self.world = project(self.world, [other])
                return write
            self.world = project(self.world, [write])
        raise AssertionError(f"no {kind} is created")

    def settle(self) -> None:
        """Reconcile and let pods follow until nothing moves any more."""
        for _ in range(100):
            before = (len(self.writes), self.sizes, self.available)
            self.reconcile()
            self.pods_follow()
            if (len(self.writes), self.sizes, self.available) == before:
                return
        raise AssertionError("does not settle")

    # --- what the cluster does

    def pods_follow(self) -> None:
        """Every ReplicaSet gets the pods it asks for, and those become available."""
        self._sets(lambda rs: 0 if self._template_of(rs) in self.broken else rs.spec)

    def patch_set(self, name: str, body: dict) -> None:
        """Somebody changes the ReplicaSet of a template."""
        changed = tuple(
            ReplicaSet.of(apply_merge(rs.raw, body)) if self._template_of(rs) == name else rs
            for rs in self.world.replica_sets
        )
        self.world = replace(self.world, replica_sets=changed)

    def lose_set(self, name: str) -> None:
        """Somebody deletes the ReplicaSet of a template."""
        left = tuple(rs for rs in self.world.replica_sets if self._template_of(rs) != name)
        self.world = replace(self.world, replica_sets=left)

    def give(self, raw: dict, *, owner: str | None) -> None:
        """A ReplicaSet that is there already, and whose it is."""
        owners = [{"uid": owner, "controller": True}] if owner else None
        rs = ReplicaSet.of(apply_merge(raw, {"metadata": {"ownerReferences": owners}}))
        self.world = replace(self.world, replica_sets=(*self.world.replica_sets, rs))

    def put_service(self, raw: dict) -> None:
        """A Service that is there already."""
        self.world = replace(self.world, services=(*self.world.services, raw))

    def lose(self, name: str, count: int = 1) -> None:
        """Pods of a template stop being available."""
        self._sets(
            lambda rs: (
                max(0, rs.available - count) if self._template_of(rs) == name else rs.available
            )
        )

    def _template_of(self, rs: ReplicaSet) -> str:
        annotations = rs.raw["metadata"].get("annotations") or {}
        return annotations.get("experiment.argoproj.io/template-name", "")

    def _sets(self, available) -> None:
        sets = []
        for rs in self.world.replica_sets:
            raw = copy.deepcopy(rs.raw)
            raw["metadata"].setdefault("uid", f"uid-{rs.name}")
            up = min(rs.spec, available(rs))
            counts = {"replicas": rs.spec, "readyReplicas": up, "availableReplicas": up}
            counts["observedGeneration"] = raw["metadata"].get("generation", 0)
            sets.append(ReplicaSet.of({**raw, "status": counts}))
        self.world = replace(self.world, replica_sets=tuple(sets))

    def run(self, analysis: str, phase: str, message: str = "") -> None:
        """The current run of an analysis gets into a phase."""
        name = self.analysis(analysis)["analysisRun"]
        self._runs(
            lambda run: (
                apply_merge(run, {"status": {"phase": phase, "message": message}})
                if run["metadata"]["name"] == name
                else run
            )
        )

    def runs_stop(self) -> None:
        """Runs that were asked to stop have stopped."""
        self._runs(
            lambda run: (
                apply_merge(run, {"status": {"phase": "Successful"}})
                if run["spec"].get("terminate")
                and (run.get("status") or {}).get("phase") in (None, "Pending", "Running")
                else run
            )
        )

    def remove_run(self, analysis: str) -> None:
        name = self.analysis(analysis)["analysisRun"]
        left = tuple(run for run in self.world.runs if run.name != name)
        self.world = replace(self.world, runs=left)

    def foreign_run(self, name: str) -> None:
        """A run of somebody else."""
        raw = {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Running"}}
        run = Run.of(raw, self.world.experiment.metadata.uid)
        self.world = replace(self.world, runs=(*self.world.runs, run))

    def versions(self, version: str) -> None:
        """The resourceVersion all runs have by now."""
        body = {"metadata": {"resourceVersion": version}}
        self._runs(lambda run: apply_merge(run, body))

    def know(self, raw: dict, *, cluster: bool = False) -> None:
        """An AnalysisTemplate, or one of the cluster, that is there from now on."""
        field = "cluster_templates" if cluster else "templates"
        known = {**getattr(self.world, field), raw["metadata"]["name"]: raw}
        self.world = replace(self.world, **{field: known})

    def become(self, instance_id: str) -> None:
        """The Experiment and the controller belong to an instance."""
        self.change({"metadata": {"labels": {INSTANCE_ID: instance_id}}})
        self.world = replace(self.world, instance_id=instance_id)

    def _runs(self, change) -> None:
        uid = self.world.experiment.metadata.uid
        self.world = replace(
            self.world, runs=tuple(Run.of(change(run.raw), uid) for run in self.world.runs)
        )

    def wait(self, seconds: float) -> None:
        self.world = replace(self.world, now=self.world.now + seconds)

    # --- what users do

    def change(self, patch: dict) -> None:
        raw = apply_merge(self.world.experiment.raw, patch)
        self.world = replace(self.world, experiment=Experiment.decode(raw))

    def terminate(self) -> None:
        self.change({"spec": {"terminate": True}})

    def retry(self) -> None:
        self.change({"status": None})

    # --- what can be seen

    @property
    def status(self) -> dict:
        return self.world.experiment.raw.get("status") or {}

    @property
    def phase(self) -> str:
        return self.status.get("phase", "")

    @property
    def states(self) -> dict[str, str]:
        return {each["name"]: each["status"] for each in self.status.get("templateStatuses") or []}

    @property
    def phases(self) -> dict[str, str]:
        return {each["name"]: each["phase"] for each in self.status.get("analysisRuns") or []}

    @property
    def sizes(self) -> dict[str, int]:
        return {rs.name: rs.spec for rs in self.world.replica_sets}

    @property
    def available(self) -> dict[str, int]:
        return {rs.name: rs.available for rs in self.world.replica_sets}

    @property
    def services(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.world.services]

    def analysis(self, name: str) -> dict:
        return next(each for each in self.status["analysisRuns"] if each["name"] == name)

    def set_of(self, name: str) -> dict:
        return next(rs.raw for rs in self.world.replica_sets if self._template_of(rs) == name)

    def stopping(self) -> list[str]:
        return [run.name for run in self.world.runs if run.terminating]

    def condition(self) -> tuple[str, str, str]:
        found = [c for c in self.status["conditions"] if c["type"] == "Progressing"]
        return found[0]["status"], found[0]["reason"], found[0]["message"]

    def reasons(self) -> list[str]:
        return [str(event.reason) for event in self.events]

    def codes(self) -> list[str]:
        return [blocker.code for blocker in self.plan.why]


def at(seconds: float) -> str:
    return format_time(START + seconds)
