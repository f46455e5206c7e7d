"""How a Rollout refers to analysis: which templates to run, with which arguments.

Owns the reference side only; templates and runs belong to the ``analysis`` package. Used by the
strategies, the canary steps and experiments.
"""

from pydantic import Field

from analysis.spec import DryRun, FieldRef, MeasurementRetention, TemplateRef
from rollouts.api.base import REQUIRED, ApiModel, Int32, Str
from rollouts.api.meta import PodTemplateMetadata


class ArgumentValueFrom(ApiModel):
    """Exactly one source."""

    pod_template_hash_value: Str | None = Field(
        default=None, description="Stable or Latest: the pod template hash of that ReplicaSet."
    )
    field_ref: FieldRef | None = Field(default=None, description="A field of the Rollout.")


class AnalysisRunArgument(ApiModel):
    name: Str = Field(
        default="", description="Name the template declares.", json_schema_extra=REQUIRED
    )
    value: Str | None = Field(default=None, description="Literal value.")
    value_from: ArgumentValueFrom | None = Field(
        default=None, description="Where to take the value from."
    )


class RolloutAnalysis(ApiModel):
    """One analysis: templates that are merged into one run."""

    templates: tuple[TemplateRef, ...] = Field(
        default=(), description="Templates merged into one AnalysisRun."
    )
    args: tuple[AnalysisRunArgument, ...] = Field(
        default=(), description="Arguments handed to the templates."
    )
    dry_run: tuple[DryRun, ...] = Field(
        default=(), description="Metrics that are measured but never decide."
    )
    measurement_retention: tuple[MeasurementRetention, ...] = Field(
        default=(), description="How many measurements to keep, per metric."
    )
    analysis_run_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Labels and annotations for the AnalysisRun."
    )


class BackgroundAnalysis(RolloutAnalysis):
    starting_step: Int32 | None = Field(
        default=None, description="Index of the first step during which it runs; 0 if unset."
    )
