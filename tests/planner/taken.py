"""Clusters as Argo Rollouts leaves them, one file each, and the model that goes on from there."""

from dataclasses import replace
from pathlib import Path

import yaml

from analysis.times import parse_time
from rollouts.planner.world import ReplicaSet, Run
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
        self.world = replace(
            self.world,
            now=NOW,
            replica_sets=tuple(ReplicaSet.of(raw) for raw in of("ReplicaSet").values()),
            services=of("Service"),
            runs=tuple(Run.of(raw, uid) for raw in of("AnalysisRun").values()),
            templates=of("AnalysisTemplate"),
        )

    def rest(self, hours: int) -> None:
        """Look once an hour, as a resync does."""
        for _ in range(hours):
            self.settle()
            self.wait(3600)
        self.settle()

    def set_image(self, image: str) -> None:
        (container,) = self.world.rollout.spec.template["spec"]["containers"]
        containers = [{**container, "image": image}]
        self.change({"spec": {"template": {"spec": {"containers": containers}}}})

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
