"""The kinds of analysis: templates, runs, their metrics and what was measured.

Owns the fields, their descriptions and the few facts that follow from fields alone (what is
completed, how many measurements a metric wants). Refuses to decide: ``analysis.validation`` judges
specs, ``analysis.assess`` judges measurements. The CRDs and ``explain`` are generated from here.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from analysis.model import (
    REQUIRED,
    Duration,
    Int32,
    IntOrString,
    Model,
    Time,
)
from analysis.providers.config import Provider

DEFAULT_CONSECUTIVE_ERROR_LIMIT: Final = 4


class Phase(StrEnum):
    """Of a measurement, a metric or a run. NONE is a run nobody has looked at yet."""

    NONE = ""
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"

    @property
    def completed(self) -> bool:
        return self in _COMPLETED


_PHASES: Final = frozenset(phase.value for phase in Phase)
_COMPLETED: Final = frozenset({Phase.SUCCESSFUL, Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE})


def _as_phase(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in _PHASES:
        raise ValueError("is not a phase of an analysis")
    return Phase(value)


PhaseField: TypeAlias = Annotated[
    Phase, BeforeValidator(_as_phase), WithJsonSchema({"type": "string"})
]


# --- arguments -----------------------------------------------------------------------------------


class SecretKeyRef(Model):
    name: str = Field("", description="Name of the Secret.", json_schema_extra=REQUIRED)
    key: str = Field("", description="Key within the Secret.", json_schema_extra=REQUIRED)


class FieldRef(Model):
    field_path: str = Field(
        "", description="Path of the field, e.g. `metadata.name`.", json_schema_extra=REQUIRED
    )


class ValueFrom(Model):
    secret_key_ref: SecretKeyRef | None = Field(
        None, description="A key of a Secret in the run's own namespace."
    )
    field_ref: FieldRef | None = Field(None, description="A field of the Rollout.")


class Argument(Model):
    """A value that metrics refer to as ``{{args.name}}``."""

    name: str = Field("", description="Name metrics refer to.", json_schema_extra=REQUIRED)
    value: str | None = Field(None, description="The value, or the default in a template.")
    value_from: ValueFrom | None = Field(None, description="Where the value is found.")


# --- metrics -------------------------------------------------------------------------------------


class Metric(Model):
    """What to measure, how often, and what the answers mean."""

    name: str = Field(
        "", description="Name of the metric, unique in the run.", json_schema_extra=REQUIRED
    )
    interval: Duration = Field(
        "", description="Time between two measurements; without it one measurement is taken."
    )
    initial_delay: Duration = Field(
        "", description="Time from the start of the run to the first measurement."
    )
    count: IntOrString | None = Field(
        None,
        description="Measurements wanted, errors not counted; with an interval and no count, "
        "measuring goes on until the run is stopped.",
    )
    success_condition: str = Field(
        "", description="Condition on `result` under which a measurement is Successful."
    )
    failure_condition: str = Field(
        "", description="Condition on `result` under which a measurement is Failed."
    )
    failure_limit: IntOrString | None = Field(
        None, description="Failed measurements tolerated (0); -1 for any number."
    )
    inconclusive_limit: IntOrString | None = Field(
        None, description="Inconclusive measurements tolerated (0)."
    )
    consecutive_error_limit: IntOrString | None = Field(
        None, description="Errors in a row tolerated (4)."
    )
    consecutive_success_limit: IntOrString | None = Field(
        None, description="Successes in a row after which the metric is Successful (0: off)."
    )
    provider: Provider = Field(
        default_factory=Provider,
        description="Where the value comes from.",
        json_schema_extra=REQUIRED,
    )


class DryRun(Model):
    metric_name: str = Field(
        "",
        description="Regular expression; metrics whose name it matches never decide the run.",
        json_schema_extra=REQUIRED,
    )


class MeasurementRetention(Model):
    metric_name: str = Field(
        "",
        description="Regular expression of metric names this applies to.",
        json_schema_extra=REQUIRED,
    )
    limit: Int32 = Field(
        0, description="Measurements kept in the status (10).", json_schema_extra=REQUIRED
    )


# --- templates -----------------------------------------------------------------------------------


class TemplateRef(Model):
    template_name: str = Field("", description="Name of the template.")
    cluster_scope: bool = Field(False, description="It is a ClusterAnalysisTemplate.")


class TemplateSpec(Model):
    """Of AnalysisTemplate and ClusterAnalysisTemplate alike."""

    metrics: list[Metric] = Field(default_factory=list, description="What is measured.")
    args: list[Argument] = Field(
        default_factory=list, description="Arguments; those without a value must be given."
    )
    dry_run: list[DryRun] = Field(
        default_factory=list, description="Metrics that are measured but never decide."
    )
    measurement_retention: list[MeasurementRetention] = Field(
        default_factory=list, description="How many measurements are kept."
    )
    templates: list[TemplateRef] = Field(
        default_factory=list, description="Other templates this one includes."
    )


# --- runs ----------------------------------------------------------------------------------------


class TTLStrategy(Model):
    seconds_after_completion: Int32 | None = Field(
        None, description="Seconds a completed run is kept."
    )
    seconds_after_failure: Int32 | None = Field(None, description="Seconds a failed run is kept.")
    seconds_after_success: Int32 | None = Field(
        None, description="Seconds a successful run is kept."
    )


class RunSpec(Model):
    metrics: list[Metric] = Field(
        default_factory=list, description="What is measured.", json_schema_extra=REQUIRED
    )
    args: list[Argument] = Field(default_factory=list, description="Arguments with their values.")
    terminate: bool = Field(False, description="Stop measuring and conclude from what is there.")
    dry_run: list[DryRun] = Field(
        default_factory=list, description="Metrics that are measured but never decide."
    )
    measurement_retention: list[MeasurementRetention] = Field(
        default_factory=list, description="How many measurements are kept."
    )
    ttl_strategy: TTLStrategy | None = Field(
        None, description="When a completed run is deleted; never, without it."
    )


class Measurement(Model):
    """One answer of a provider, and what it meant."""

    phase: PhaseField = Field(
        Phase.NONE, description="What the answer meant.", json_schema_extra=REQUIRED
    )
    message: str = Field("", description="Why, when it is not obvious.")
    started_at: Time | None = Field(None, description="When measuring began.")
    finished_at: Time | None = Field(None, description="When the answer was complete.")
    value: str = Field("", description="The answer as text.")
    metadata: dict[str, str] = Field(
        default_factory=dict, description="What the provider adds, e.g. warnings or a Job's name."
    )
    resume_at: Time | None = Field(None, description="When to ask for the answer again.")


class MetricResult(Model):
    """All that is known of one metric of a run."""

    name: str = Field("", description="Name of the metric.", json_schema_extra=REQUIRED)
    phase: PhaseField = Field(
        Phase.NONE, description="What the measurements amount to.", json_schema_extra=REQUIRED
    )
    measurements: list[Measurement] = Field(
        default_factory=list, description="The latest measurements, oldest first."
    )
    message: str = Field("", description="Why the metric has its phase.")
    count: Int32 = Field(0, description="Measurements taken, errors not counted.")
    successful: Int32 = Field(0, description="Successful measurements.")
    failed: Int32 = Field(0, description="Failed measurements.")
    inconclusive: Int32 = Field(0, description="Inconclusive measurements.")
    error: Int32 = Field(0, description="Measurements that ended in an error.")
    consecutive_error: Int32 = Field(0, description="Errors in a row, up to the latest.")
    consecutive_success: Int32 = Field(0, description="Successes in a row, up to the latest.")
    dry_run: bool = Field(False, description="The metric never decides the run.")
    metadata: dict[str, str] = Field(
        default_factory=dict, description="What the provider says of the metric, e.g. its query."
    )


class RunSummary(Model):
    """How many metrics came to which end."""

    count: Int32 = Field(0, description="Metrics.")
    successful: Int32 = Field(0, description="Successful metrics.")
    failed: Int32 = Field(0, description="Failed metrics.")
    inconclusive: Int32 = Field(0, description="Inconclusive metrics.")
    error: Int32 = Field(0, description="Metrics that ended in an error.")


class RunStatus(Model):
    phase: PhaseField = Field(
        Phase.NONE, description="What the metrics amount to.", json_schema_extra=REQUIRED
    )
    message: str = Field("", description="Why the run has its phase.")
    metric_results: list[MetricResult] = Field(
        default_factory=list, description="Per metric, in the order of their first measurement."
    )
    started_at: Time | None = Field(None, description="When the run was first looked at.")
    completed_at: Time | None = Field(None, description="When the run was decided.")
    run_summary: RunSummary = Field(
        default_factory=RunSummary, description="Metrics that decide, by outcome."
    )
    dry_run_summary: RunSummary | None = Field(
        None, description="Metrics that never decide, by outcome."
    )
