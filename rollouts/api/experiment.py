"""Experiment: pods of several templates side by side, judged by analyses.

Owns the shape and defaults of spec and status and reading one from an API object; the experiment
controller decides. The step of a Rollout that creates one is in ``api.steps``.
"""

from dataclasses import dataclass
from typing import Self

from pydantic import Field

from analysis.decode import Problem, decode
from analysis.spec import DryRun, MeasurementRetention
from rollouts.api.base import REQUIRED, ApiModel, Bool, FreeObject, Instant, Int32, Obj, Str
from rollouts.api.conditions import Condition
from rollouts.api.meta import LabelSelector, Metadata, PodTemplateMetadata
from rollouts.api.steps import ExperimentAnalysisRef, ExperimentService

DEFAULT_PROGRESS_DEADLINE = 600
DEFAULT_SCALE_DOWN_DELAY = 30


class ExperimentTemplate(ApiModel):
    """Pods of one kind; becomes one ReplicaSet."""

    name: Str = Field(default="", description="Name of the template.", json_schema_extra=REQUIRED)
    replicas: Int32 | None = Field(default=None, description="Number of pods; 1 if unset.")
    min_ready_seconds: Int32 = Field(
        default=0, description="Seconds a pod must be ready to count as available."
    )
    selector: LabelSelector | None = Field(
        default=None, description="Pods of this template.", json_schema_extra=REQUIRED
    )
    template: FreeObject = Field(
        default={}, description="Pod template.", json_schema_extra=REQUIRED
    )
    service: ExperimentService | None = Field(
        default=None, description="Create a Service for the pods."
    )

    @property
    def replicas_or_default(self) -> int:
        """Wanted pods."""
        return 1 if self.replicas is None else self.replicas


class ExperimentSpec(ApiModel):
    templates: tuple[ExperimentTemplate, ...] = Field(
        default=(), description="Pods to run.", json_schema_extra=REQUIRED
    )
    duration: Str = Field(
        default="", description="How long to run once available; unbounded if unset."
    )
    progress_deadline_seconds: Int32 | None = Field(
        default=None, description="Seconds a template may take to become available; 600 if unset."
    )
    terminate: Bool = Field(default=False, description="End the experiment.")
    analyses: tuple[ExperimentAnalysisRef, ...] = Field(
        default=(), description="Analyses to run while it lasts."
    )
    scale_down_delay_seconds: Int32 | None = Field(
        default=None, description="Seconds the pods stay after the end; 30 if unset."
    )
    dry_run: tuple[DryRun, ...] = Field(
        default=(), description="Metrics that are measured but never decide."
    )
    measurement_retention: tuple[MeasurementRetention, ...] = Field(
        default=(), description="How many measurements to keep, per metric."
    )
    analysis_run_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Labels and annotations for the AnalysisRuns."
    )

    @property
    def progress_deadline(self) -> int:
        """Seconds a template may take to become available."""
        deadline = self.progress_deadline_seconds
        return DEFAULT_PROGRESS_DEADLINE if deadline is None else deadline

    @property
    def scale_down_delay(self) -> int:
        """Seconds the pods stay after the end."""
        delay = self.scale_down_delay_seconds
        return DEFAULT_SCALE_DOWN_DELAY if delay is None else delay


class TemplateStatus(ApiModel):
    name: Str = Field(default="", description="Name of the template.", json_schema_extra=REQUIRED)
    replicas: Int32 = Field(default=0, description="Pods.")
    updated_replicas: Int32 = Field(default=0, description="Pods of the current template.")
    ready_replicas: Int32 = Field(default=0, description="Ready pods.")
    available_replicas: Int32 = Field(default=0, description="Available pods.")
    collision_count: Int32 | None = Field(default=None, description="Name collisions met.")
    status: Str = Field(
        default="", description="Progressing, Running, Successful, Failed or Error."
    )
    message: Str = Field(default="", description="Why it has this status.")
    last_transition_time: Instant | None = Field(
        default=None, description="When the status last changed."
    )
    service_name: Str = Field(default="", description="Service of the pods.")
    pod_template_hash: Str = Field(default="", description="Hash of the pod template.")


class ExperimentAnalysisRunStatus(ApiModel):
    name: Str = Field(default="", description="Name of the analysis.", json_schema_extra=REQUIRED)
    analysis_run: Str = Field(
        default="", description="Name of the AnalysisRun.", json_schema_extra=REQUIRED
    )
    phase: Str = Field(default="", description="Phase of the run.", json_schema_extra=REQUIRED)
    message: Str = Field(default="", description="Message of the run.")


class ExperimentStatus(ApiModel):
    phase: Str = Field(
        default="", description="Pending, Running, Successful, Failed, Error or Inconclusive."
    )
    message: Str = Field(default="", description="Why it has this phase.")
    available_at: Instant | None = Field(
        default=None, description="When all templates were first available."
    )
    conditions: tuple[Condition, ...] = Field(default=(), description="Latest observations.")
    template_statuses: tuple[TemplateStatus, ...] = Field(
        default=(), description="State of the templates."
    )
    analysis_runs: tuple[ExperimentAnalysisRunStatus, ...] = Field(
        default=(), description="State of the analyses."
    )


@dataclass(frozen=True, slots=True)
class Experiment:
    """One Experiment as read; ``raw`` is the object it was read from."""

    metadata: Metadata
    spec: ExperimentSpec
    status: ExperimentStatus
    raw: Obj
    problems: tuple[Problem, ...] = ()

    @classmethod
    def decode(cls, obj: Obj) -> Self:
        """Read an API object; never fails, see ``problems``."""
        spec, in_spec = decode(ExperimentSpec, obj.get("spec"), at="spec")
        status, in_status = decode(ExperimentStatus, obj.get("status"), at="status")
        return cls(Metadata.of(obj), spec, status, obj, (*in_spec, *in_status))
