"""An Experiment as a Rollout sees it: what it came to, and the pods and Services it has.

Owns the reading of an Experiment's verdict in the Rollout's words: one that was stopped before its
time has not passed. Refuses to steer Experiments (``planner.experiment``) and to decide what a
verdict does to a release (``planner.experiments``). Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from analysis.times import parse_duration
from rollouts.api import labels as keys
from rollouts.api.conditions import Truth, get
from rollouts.api.experiment import Experiment
from rollouts.api.reasons import ConditionType, ExperimentPhase
from rollouts.planner.experiment.world import controller_uid, service_name
from rollouts.planner.plan import Obj
from rollouts.planner.world import ReplicaSet

_BAD = (ExperimentPhase.FAILED, ExperimentPhase.ERROR)


@dataclass(frozen=True, slots=True)
class Backend:
    """What stands behind one Service of an Experiment: ``available`` pods out of ``size``."""

    service: str
    hash: str
    available: int
    size: int


@dataclass(frozen=True, slots=True)
class Trial:
    """An Experiment in the Rollout's namespace; ``owned`` by this Rollout or a mere namesake.

    ``replica_sets`` and ``services``: those the Experiment owns and that exist, the latter by name.
    """

    experiment: Experiment
    owned: bool
    replica_sets: tuple[ReplicaSet, ...] = ()
    services: frozenset[str] = frozenset()

    @classmethod
    def of(cls, raw: Obj, owner_uid: str, sets: Iterable[Obj], services: Iterable[Obj]) -> Self:
        """Read an Experiment, and of ``sets`` and ``services`` those that are its own."""
        experiment = Experiment.decode(raw)
        uid = experiment.metadata.uid

        def own(objects: Iterable[Obj]) -> list[Obj]:
            return [each for each in objects if uid and controller_uid(each) == uid]

        return cls(
            experiment,
            controller_uid(raw) == owner_uid,
            tuple(ReplicaSet.of(each) for each in own(sets)),
            frozenset(each["metadata"]["name"] for each in own(services)),
        )

    def followed_by(self, raw: Obj, owner_uid: str) -> "Trial":
        """The same Experiment once it reads ``raw``; what it owns is as before."""
        owned = controller_uid(raw) == owner_uid
        return Trial(Experiment.decode(raw), owned, self.replica_sets, self.services)

    @property
    def raw(self) -> Obj:
        return self.experiment.raw

    @property
    def name(self) -> str:
        return self.experiment.metadata.name

    @property
    def labels(self) -> Mapping[str, str]:
        return self.experiment.metadata.labels

    @property
    def created(self) -> float:
        return self.experiment.metadata.creation_timestamp or 0.0

    @property
    def phase(self) -> str:
        return self.experiment.status.phase

    @property
    def message(self) -> str:
        return self.experiment.status.message

    @property
    def terminating(self) -> bool:
        return self.experiment.spec.terminate

    @property
    def failed(self) -> bool:
        """Whether it came to a bad end."""
        return self.phase in _BAD

    @property
    def undecided(self) -> bool:
        """Whether it is over and cannot tell: inconclusive, or stopped before its time."""
        return self.phase == ExperimentPhase.INCONCLUSIVE or self.cut_short

    @property
    def passed(self) -> bool:
        """Whether it came to a good end."""
        return self.phase == ExperimentPhase.SUCCESSFUL and not self.cut_short

    @property
    def completed(self) -> bool:
        return self.failed or self.undecided or self.passed

    @property
    def ends_at(self) -> float | None:
        """When its time is up (seconds since the epoch); None: no duration, or not begun."""
        begun, lasts = self.experiment.status.available_at, self.experiment.spec.duration
        if begun is None or not lasts:
            return None
        try:
            return begun + parse_duration(lasts)
        except ValueError:
            return None

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the analyses whose success ends it."""
        analyses = self.experiment.spec.analyses
        return tuple(each.name for each in analyses if each.required_for_completion)

    @property
    def cut_short(self) -> bool:
        """Whether somebody ended it although it was to last longer.

        One without a duration has no other end than being stopped; required analyses that were
        stopped say so themselves.
        """
        spec, status = self.experiment.spec, self.experiment.status
        if self.phase != ExperimentPhase.SUCCESSFUL or not spec.terminate or self.required:
            return False
        ends = self.ends_at
        if ends is None:
            return bool(spec.duration)
        times = [each.last_transition_time for each in status.template_statuses]
        return not times or any(time is None or time < ends for time in times)

    @property
    def refused(self) -> str:
        """What its spec is refused for, if it is."""
        found = get(self.experiment.status.conditions, ConditionType.INVALID_EXPERIMENT)
        return found.message if found is not None and found.status == Truth.TRUE else ""

    def replica_set(self, template: str) -> ReplicaSet | None:
        """The ReplicaSet of the template called so."""
        for rs in self.replica_sets:
            marks = rs.raw["metadata"].get("annotations") or {}
            if marks.get(keys.EXPERIMENT_TEMPLATE) == template:
                return rs
        return None

    def backend(self, template: str) -> Backend | None:
        """Where traffic of the template called so would go; None without its Service or pods."""
        wanted = next((t for t in self.experiment.spec.templates if t.name == template), None)
        rs = self.replica_set(template)
        name = service_name(self.experiment, wanted) if wanted is not None else ""
        if rs is None or rs.deleting or name not in self.services:
            return None
        return Backend(name, rs.hash, min(rs.spec, rs.certain), rs.spec)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Those of all its templates."""
        found = (self.backend(each.name) for each in self.experiment.spec.templates)
        return tuple(each for each in found if each is not None)
