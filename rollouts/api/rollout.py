"""Rollout: the kind itself, its spec, and reading one from an API object.

Owns top-level fields and their defaults, and tolerant decoding: a field that cannot be read is
listed in ``problems`` and otherwise as if it were absent. Refuses to judge (``api.validation``) and
to decide (the planner). Used by everything that reads Rollouts.
"""

from dataclasses import dataclass, field, replace
from typing import Self

from pydantic import Field

from analysis.decode import Problem, decode
from rollouts.api.base import ApiModel, Bool, FreeObject, Int32, Obj, Str, WholeInstant
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderror import FieldError
from rollouts.api.meta import LabelSelector, Metadata
from rollouts.api.status import RolloutStatus

API_VERSION = "argoproj.io/v1alpha1"
DEFAULT_REPLICAS = 1
DEFAULT_REVISION_HISTORY_LIMIT = 10
DEFAULT_PROGRESS_DEADLINE = 600
DEFAULT_RUN_HISTORY_LIMIT = 5


class WorkloadRef(ApiModel):
    api_version: Str = Field(default="", description="API version of the workload.")
    kind: Str = Field(default="", description="Deployment, ReplicaSet or PodTemplate.")
    name: Str = Field(default="", description="Name of the workload.")
    scale_down: Str = Field(
        default="", description="When to scale the workload down: never, onsuccess, progressively."
    )


class RollbackWindow(ApiModel):
    revisions: Int32 = Field(
        default=0, description="Going back at most this many revisions skips the steps."
    )


class AnalysisHistory(ApiModel):
    successful_run_history_limit: Int32 | None = Field(
        default=None, description="Successful runs and experiments to keep; 5 if unset."
    )
    unsuccessful_run_history_limit: Int32 | None = Field(
        default=None, description="Other finished runs and experiments to keep; 5 if unset."
    )

    @property
    def successful(self) -> int:
        """Successful runs to keep."""
        limit = self.successful_run_history_limit
        return DEFAULT_RUN_HISTORY_LIMIT if limit is None else limit

    @property
    def unsuccessful(self) -> int:
        """Failed, errored and inconclusive runs to keep."""
        limit = self.unsuccessful_run_history_limit
        return DEFAULT_RUN_HISTORY_LIMIT if limit is None else limit


class RolloutStrategy(ApiModel):
    """Exactly one strategy."""

    blue_green: BlueGreenStrategy | None = Field(
        default=None, description="Bring up the new revision beside the old one, then switch."
    )
    canary: CanaryStrategy | None = Field(
        default=None, description="Shift traffic to the new revision step by step."
    )


class RolloutSpec(ApiModel):
    replicas: Int32 | None = Field(default=None, description="Wanted pods; 1 if unset.")
    selector: LabelSelector | None = Field(
        default=None, description="Pods that belong to the Rollout; immutable."
    )
    template: FreeObject = Field(default={}, description="Pod template.")
    workload_ref: WorkloadRef | None = Field(
        default=None, description="Take the pod template from this workload instead."
    )
    min_ready_seconds: Int32 = Field(
        default=0, description="Seconds a pod must be ready to count as available."
    )
    revision_history_limit: Int32 | None = Field(
        default=None, description="Old ReplicaSets to keep; 10 if unset."
    )
    paused: Bool = Field(default=False, description="Stop making progress.")
    progress_deadline_seconds: Int32 | None = Field(
        default=None, description="Seconds without progress that count as failure; 600 if unset."
    )
    progress_deadline_abort: Bool = Field(
        default=False, description="Abort when the progress deadline has passed."
    )
    restart_at: WholeInstant | None = Field(
        default=None, description="Replace all pods created before this time."
    )
    rollback_window: RollbackWindow | None = Field(
        default=None, description="How far back a rollback skips the steps."
    )
    analysis: AnalysisHistory = Field(
        default=AnalysisHistory(), description="How many finished runs to keep."
    )
    strategy: RolloutStrategy = Field(
        default=RolloutStrategy(), description="How a new revision replaces the old one."
    )

    @property
    def replicas_or_default(self) -> int:
        """Wanted pods."""
        return DEFAULT_REPLICAS if self.replicas is None else self.replicas

    @property
    def history_limit(self) -> int:
        """Old ReplicaSets to keep."""
        limit = self.revision_history_limit
        return DEFAULT_REVISION_HISTORY_LIMIT if limit is None else limit

    @property
    def progress_deadline(self) -> int:
        """Seconds without progress that count as failure."""
        deadline = self.progress_deadline_seconds
        return DEFAULT_PROGRESS_DEADLINE if deadline is None else deadline

    @property
    def canary(self) -> CanaryStrategy | None:
        return self.strategy.canary

    @property
    def blue_green(self) -> BlueGreenStrategy | None:
        return self.strategy.blue_green

    @property
    def budgets(self) -> tuple[int, int]:
        """(surge, unavailable) in replicas; blue-green never surges by this rule."""
        replicas = self.replicas_or_default
        if self.canary is not None:
            return self.canary.budgets(replicas)
        if self.blue_green is not None:
            return 0, self.blue_green.unavailable(replicas)
        return 0, 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One Rollout as read; ``raw`` is the object it was read from, unknown fields included.

    ``verdicts``: what the checks of this very spec have found, kept from version to version because
    most versions differ in their status only. Filled by ``api.validation``.
    """

    metadata: Metadata
    spec: RolloutSpec
    status: RolloutStatus
    raw: Obj
    problems: tuple[Problem, ...] = ()
    verdicts: dict[bool, FieldError | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def decode(cls, obj: Obj) -> Self:
        """Read an API object; never fails, see ``problems``."""
        spec, in_spec = decode(RolloutSpec, obj.get("spec"), at="spec")
        status, in_status = decode(RolloutStatus, obj.get("status"), at="status")
        return cls(Metadata.of(obj), spec, status, obj, (*in_spec, *in_status))

    def followed_by(self, obj: Obj) -> Self:
        """Read another version of the same object; its spec only where that is another one."""
        if obj.get("spec") != self.raw.get("spec"):
            return self.decode(obj)
        in_spec = tuple(each for each in self.problems if each.path.startswith("spec"))
        status, in_status = decode(RolloutStatus, obj.get("status"), at="status")
        return replace(
            self,
            metadata=Metadata.of(obj),
            status=status,
            raw=obj,
            problems=(*in_spec, *in_status),
        )

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.metadata.namespace, self.metadata.name
