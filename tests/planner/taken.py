"""Clusters as Argo Rollouts leaves them, one file each, and the model that goes on from there."""

from dataclasses import replace
from pathlib import Path

import yaml

from analysis.times import parse_time
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import CONFIG_MAPS
from rollouts.planner.experiment.world import controller_uid
from rollouts.planner.trials import Trial
from rollouts.planner.world import ReplicaSet, Run
from rollouts.traffic.router import Ref
from tests.planner.model import Model

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.yaml"))
NOW = parse_time("2026-03-02T09:00:00Z") or 0.0
"""When the new controller first looks."""


def objects(name: str) -> list[dict]:
    return list(yaml.safe_load_all((FIXTURES / f"{name}.yaml").read_text()))


class Taken(Model):
    """What a new controller finds, at 09:00."""

    def __init__(self, name: str) -> None:
        found = objects(name)

        def of(kind: str) -> dict[str, dict]:
            return {o["metadata"]["name"]: o for o in found if o["kind"] == kind}

        (rollout,) = of("Rollout").values()
        super().__init__(rollout)
        uid = self.world.rollout.metadata.uid
        sets = list(of("ReplicaSet").values())
        self.world = replace(
            self.world,
            now=NOW,
            replica_sets=tuple(ReplicaSet.of(raw) for raw in sets if controller_uid(raw) == uid),
            services=of("Service"),
            runs=tuple(Run.of(raw, uid) for raw in of("AnalysisRun").values()),
            experiments=tuple(
                Trial.of(raw, uid, sets, of("Service").values())
                for raw in of("Experiment").values()
            ),
            templates=of("AnalysisTemplate"),
            workload=next(iter(of("Deployment").values()), None),
            router_objects={
                Ref(CONFIG_MAPS, "shop", key): raw for key, raw in of("ConfigMap").items()
            },
        )

    def rest(self, hours: int) -> None:
        """Look once an hour, as a resync does."""
        for _ in range(hours):
            self.settle()
            self.wait(3600)
        self.settle()

    def set_image(self, image: str) -> None:
        holder = self.world.workload or self.world.rollout.raw
        (container,) = holder["spec"]["template"]["spec"]["containers"]
        patch = {"spec": {"template": {"spec": {"containers": [{**container, "image": image}]}}}}
        if self.world.workload is None:
            self.change(patch)
        else:
            self.edit(patch)

    def edit(self, patch: dict) -> None:
        """Somebody changes the workload."""
        changed = apply_merge(self.world.workload, patch)
        meta = {**changed["metadata"], "generation": changed["metadata"]["generation"] + 1}
        self.world = replace(self.world, workload={**changed, "metadata": meta})

    @property
    def workload_size(self) -> int:
        return self.world.workload["spec"]["replicas"]

    @property
    def split(self) -> tuple[int, int]:
        """What the router was told last: the weights of canary and stable."""
        (kept,) = self.world.router_objects.values()
        return int(kept["data"]["canary.weight"]), int(kept["data"]["stable.weight"])

    @property
    def by_hash(self) -> dict[str, int]:
        return {rs.hash: rs.spec for rs in self.world.replica_sets if rs.spec}

    def added(self, known: set[str]) -> str:
        """The hash of the one ReplicaSet that was not there before."""
        (new,) = {rs.hash for rs in self.world.replica_sets} - known
        return new

    @property
    def hashes(self) -> set[str]:
        return {rs.hash for rs in self.world.replica_sets}
