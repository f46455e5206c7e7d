"""A model of a cluster for planner stories: plans are applied at once, pods follow when told to.

No API server and no time but its own; every plan is checked to be complete: planning again right
after applying it must find nothing to write.
"""

import copy
from dataclasses import replace

from analysis.times import format_time
from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.api.rollout import Rollout
from rollouts.kube.patches import apply_merge
from rollouts.planner.plan import Event, Plan, Scale, Verb, Write
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import ReplicaSet, Run, World

START = 1_800_000_000.0


def rollout(strategy: dict, *, replicas: int = 5, image: str = "app:1", **spec) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": "app",
            "namespace": "shop",
            "uid": "uid-app",
            "generation": 1,
            "resourceVersion": "1",
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": {"app": "app"}},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
            "strategy": strategy,
            **spec,
        },
    }


def service(name: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": "app"}, "ports": [{"port": 80}]},
    }


class Model:
    """One Rollout and what belongs to it."""

    def __init__(self, raw: dict, *services: str, templates: dict | None = None) -> None:
        self.world = World(
            now=START,
            rollout=Rollout.decode(raw),
            services={name: service(name) for name in services},
            templates=templates or {},
        )
        self.events: list[Event] = []
        self.writes: list[Write] = []
        self.remarked: tuple[Event, ...] = ()
        self.plan = Plan()
        self.ready = True
        self.protected: set[str] = set()  # pods no disruption budget lets go
        self.born = 0

    # --- what the controller does

    def reconcile(self) -> Plan:
        """Plan and apply, and check that nothing was left undone."""
        self.plan = plan(self.world)
        self.world = project(self.world, self.plan.writes)
        self.events += [each for each in self.plan.remarks if each not in self.remarked]
        self.remarked = self.plan.remarks
        self.events += self.plan.events
        self.writes += self.plan.writes
        again = plan(self.world)
        assert again.writes == (), "planning after applying must find nothing to do"
        assert again.why, "a plan without writes must say why"
        self._answer()
        self.plan = replace(self.plan, why=again.why, wake_at=again.wake_at)
        return self.plan

    def settle(self) -> None:
        """Reconcile and let pods follow until nothing moves any more."""
        for _ in range(200):
            before = (len(self.writes), self.counts, self.born)
            self.reconcile()
            self.pods_follow()
            if (len(self.writes), self.counts, self.born) == before:
                return
        raise AssertionError("does not settle")

    # --- what the cluster does

    def _answer(self) -> None:
        """Evictions are granted, but for protected pods; others may go in their place."""
        asked = [w for w in self.plan.writes if w.verb is Verb.EVICT]
        refused = {w.name for w in asked if not w.instead} & self.protected
        instead = [w.name for w in asked if w.instead and w.name not in self.protected]
        granted = set(instead[: len(refused)])
        pods = []
        for pod in self.world.pods:
            meta = pod["metadata"]
            if meta["name"] in refused:
                meta = {k: v for k, v in meta.items() if k != "deletionTimestamp"}
            elif meta["name"] in granted:
                meta = {**meta, "deletionTimestamp": format_time(self.world.now)}
            pods.append({**pod, "metadata": meta})
        self.world = replace(self.world, pods=tuple(pods), unconfirmed=frozenset())

    def pods_follow(self, *, limit: int | None = None, of: int = 0) -> None:
        """Every ReplicaSet gets the pods it asks for; new ones become available if ``ready``.

        ``of``: only that revision's controller gets round to it.
        """
        sets = []
        for rs in self.world.replica_sets:
            if of and rs.revision != of:
                sets.append(rs)
                continue
            available = min(rs.available, rs.spec)
            available -= sum(1 for pod in self.pods_of(rs) if _going(pod) and _is_ready(pod))
            if self.ready and limit is None:
                available = rs.spec
            elif self.ready and limit is not None:
                available = min(rs.spec, available + limit)
            raw = copy.deepcopy(rs.raw)
            raw["metadata"].setdefault("uid", f"uid-{rs.name}")
            raw["status"] = {
                "replicas": rs.spec,
                "readyReplicas": available,
                "availableReplicas": available,
                "observedGeneration": raw["metadata"].get("generation", 0),
            }
            sets.append(ReplicaSet.of(raw))
        pods = tuple(pod for rs in sets for pod in self._replaced(rs))
        self.world = replace(self.world, replica_sets=tuple(sets), pods=pods)

    def _replaced(self, rs: ReplicaSet) -> list[dict]:
        """The pods of a ReplicaSet once those asked away are gone and others have come."""
        if any(rs is other for other in self.world.replica_sets):
            return self.pods_of(rs)
        staying = [pod for pod in self.pods_of(rs) if not _going(pod)][: rs.spec]
        while len(staying) < rs.spec:
            self.born += 1
            staying.append(_pod(rs, self.born, self.world.now))
        return [
            {**pod, "status": _state(pod, ready=at < rs.available, now=self.world.now)}
            for at, pod in enumerate(staying)
        ]

    def lose(self, count: int) -> None:
        """That many available pods stop being so, those of the newest revisions first."""
        sets = []
        for rs in sorted(self.world.replica_sets, key=lambda rs: -rs.revision):
            gone = min(count, rs.available)
            count -= gone
            left = rs.available - gone
            status = {**(rs.raw.get("status") or {}), "readyReplicas": left}
            sets.append(ReplicaSet.of({**rs.raw, "status": {**status, "availableReplicas": left}}))
        self.world = replace(self.world, replica_sets=tuple(sets))

    def finish_run(self, phase: str, message: str = "") -> str:
        """The newest unfinished run comes to an end; returns its name."""
        run = [r for r in self.world.runs if not r.completed][-1]
        raw = {**run.raw, "status": {"phase": phase, "message": message}}
        uid = self.world.rollout.metadata.uid
        runs = tuple(Run.of(raw, uid) if r.name == run.name else r for r in self.world.runs)
        self.world = replace(self.world, runs=runs)
        return run.name

    def wait(self, seconds: float) -> None:
        self.world = replace(self.world, now=self.world.now + seconds)

    # --- what users do

    def change(self, patch: dict) -> None:
        raw = apply_merge(self.world.rollout.raw, patch)
        if "spec" in patch:
            generation = raw["metadata"]["generation"] + 1
            raw = {**raw, "metadata": {**raw["metadata"], "generation": generation}}
        self.world = replace(self.world, rollout=Rollout.decode(raw))

    def set_image(self, image: str) -> None:
        self.change(
            {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
        )

    def promote(self) -> None:
        self.change({"status": {"pauseConditions": None}})

    def abort(self) -> None:
        self.change({"status": {"abort": True}})

    def retry(self) -> None:
        self.change({"status": {"abort": False}})

    # --- what can be seen

    @property
    def status(self) -> dict:
        return self.world.rollout.raw.get("status") or {}

    @property
    def phase(self) -> tuple[str, str]:
        return self.status.get("phase", ""), self.status.get("message", "")

    @property
    def counts(self) -> dict[int, tuple[int, int]]:
        """Revision → (asked for, available), without empty ones."""
        return {
            rs.revision: (rs.spec, rs.available)
            for rs in self.world.replica_sets
            if rs.spec or rs.available
        }

    @property
    def sizes(self) -> dict[int, int]:
        return {revision: spec for revision, (spec, _) in self.counts.items()}

    def pods_of(self, rs: ReplicaSet) -> list[dict]:
        owners = ((pod, pod["metadata"]["ownerReferences"][0]) for pod in self.world.pods)
        return [pod for pod, owner in owners if owner["name"] == rs.name]

    def hash_of(self, revision: int) -> str:
        return next(rs.hash for rs in self.world.replica_sets if rs.revision == revision)

    def selects(self, name: str) -> str:
        return self.world.services[name]["spec"]["selector"].get(POD_TEMPLATE_HASH, "")

    def reasons(self) -> list[str]:
        return [str(event.reason) for event in self.events]

    def codes(self) -> list[str]:
        return [blocker.code for blocker in self.plan.why]

    def scales(self) -> list[tuple[int, int]]:
        return [(w.effect.old, w.effect.new) for w in self.writes if isinstance(w.effect, Scale)]


def _pod(rs: ReplicaSet, number: int, now: float) -> dict:
    meta = rs.template.get("metadata") or {}
    return {
        "metadata": {
            "name": f"{rs.name}-{number:03}",
            "namespace": "shop",
            "uid": f"uid-{number}",
            "creationTimestamp": format_time(now),
            "labels": dict(meta.get("labels") or {}),
            "annotations": dict(meta.get("annotations") or {}),
            "ownerReferences": [{"name": rs.name, "uid": rs.uid, "controller": True}],
        },
    }


def _state(pod: dict, *, ready: bool, now: float) -> dict:
    old = pod.get("status")
    if old and _is_ready(pod) == ready:
        return old
    truth = "True" if ready else "False"
    return {"conditions": [_ready_condition(truth, now)]}


def _ready_condition(truth: str, now: float) -> dict:
    return {"type": "Ready", "status": truth, "lastTransitionTime": format_time(now)}


def _is_ready(pod: dict) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["status"] == "True" for each in conditions)


def _going(pod: dict) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def at(seconds: float) -> str:
    return format_time(START + seconds)
