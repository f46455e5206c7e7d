"""``spec.strategy.canary.steps``: one entry per step, one kind per entry.

Owns the shape of steps and which kind an entry counts as; what a step does is the planner's
business. Used by the canary strategy and by validation.
"""

from enum import StrEnum
from functools import cached_property

from pydantic import Field

from analysis.spec import DryRun
from rollouts.api.analysis import AnalysisRunArgument, RolloutAnalysis
from rollouts.api.base import REQUIRED, ApiModel, Bool, FreeValue, Int32, IntOrString, Str
from rollouts.api.intstr import duration_seconds
from rollouts.api.meta import LabelSelector, PodTemplateMetadata


class StepKind(StrEnum):
    """Kinds of steps; the order is the precedence when an entry holds several."""

    PAUSE = "pause"
    SET_CANARY_SCALE = "setCanaryScale"
    SET_WEIGHT = "setWeight"
    EXPERIMENT = "experiment"
    ANALYSIS = "analysis"
    SET_HEADER_ROUTE = "setHeaderRoute"
    SET_MIRROR_ROUTE = "setMirrorRoute"
    PLUGIN = "plugin"


class PauseStep(ApiModel):
    duration: IntOrString | None = Field(
        default=None, description="Seconds, or a duration such as 10m; unset waits for a person."
    )

    @property
    def seconds(self) -> int | None:
        """Whole seconds; None waits for a person, -1 is a duration that cannot be read."""
        return None if self.duration is None else duration_seconds(self.duration)


class SetCanaryScale(ApiModel):
    weight: Int32 | None = Field(default=None, description="Percent of spec.replicas.")
    replicas: Int32 | None = Field(default=None, description="Number of canary replicas.")
    match_traffic_weight: Bool = Field(
        default=False, description="Follow the traffic weight again."
    )


class StringMatch(ApiModel):
    """Exactly one way to match."""

    exact: Str = Field(default="", description="The whole value.")
    prefix: Str = Field(default="", description="The beginning of the value.")
    regex: Str = Field(default="", description="A regular expression.")


class HeaderMatch(ApiModel):
    header_name: Str = Field(
        default="", description="Name of the header.", json_schema_extra=REQUIRED
    )
    header_value: StringMatch | None = Field(
        default=None, description="What it must hold.", json_schema_extra=REQUIRED
    )


class SetHeaderRoute(ApiModel):
    name: Str = Field(
        default="",
        description="Name of the route, listed in managedRoutes.",
        json_schema_extra=REQUIRED,
    )
    match: tuple[HeaderMatch, ...] | None = Field(
        default=None, description="Requests that go to the canary; unset removes the route."
    )


class RouteMatch(ApiModel):
    method: StringMatch | None = Field(default=None, description="HTTP method.")
    path: StringMatch | None = Field(default=None, description="Request path.")
    headers: dict[Str, StringMatch] = Field(default={}, description="Headers by name.")


class SetMirrorRoute(ApiModel):
    name: Str = Field(
        default="",
        description="Name of the route, listed in managedRoutes.",
        json_schema_extra=REQUIRED,
    )
    match: tuple[RouteMatch, ...] | None = Field(
        default=None, description="Requests that are copied to the canary; unset removes the route."
    )
    percentage: Int32 | None = Field(
        default=None, description="Percent of matching requests that are copied; 100 if unset."
    )


class PluginStep(ApiModel):
    name: Str = Field(
        default="", description="Name of the step plug-in.", json_schema_extra=REQUIRED
    )
    config: FreeValue = Field(default=None, description="Settings of the plug-in.")


class ExperimentService(ApiModel):
    name: Str = Field(default="", description="Name of the Service; the ReplicaSet's if unset.")


class ExperimentStepTemplate(ApiModel):
    name: Str = Field(default="", description="Name of the template.", json_schema_extra=REQUIRED)
    spec_ref: Str = Field(
        default="", description="Whose pods: canary or stable.", json_schema_extra=REQUIRED
    )
    replicas: Int32 | None = Field(default=None, description="Number of pods; 1 if unset.")
    metadata: PodTemplateMetadata | None = Field(
        default=None, description="Labels and annotations added to the pods."
    )
    selector: LabelSelector | None = Field(
        default=None, description="Selector of the ReplicaSet; the source's if unset."
    )
    weight: Int32 | None = Field(default=None, description="Traffic weight it receives.")
    service: ExperimentService | None = Field(
        default=None, description="Create a Service for the pods."
    )


class ExperimentAnalysisRef(ApiModel):
    name: Str = Field(default="", description="Name of the analysis.", json_schema_extra=REQUIRED)
    template_name: Str = Field(
        default="", description="Name of the template.", json_schema_extra=REQUIRED
    )
    cluster_scope: Bool = Field(
        default=False, description="Look for a ClusterAnalysisTemplate instead."
    )
    args: tuple[AnalysisRunArgument, ...] = Field(
        default=(), description="Arguments handed to the template."
    )
    required_for_completion: Bool = Field(
        default=False, description="The experiment ends when this analysis has succeeded."
    )


class ExperimentStep(ApiModel):
    templates: tuple[ExperimentStepTemplate, ...] = Field(
        default=(), description="Pods to run beside the release.", json_schema_extra=REQUIRED
    )
    duration: Str = Field(default="", description="How long to run; unbounded if unset.")
    analyses: tuple[ExperimentAnalysisRef, ...] = Field(
        default=(), description="Analyses to run during the experiment."
    )
    dry_run: tuple[DryRun, ...] = Field(
        default=(), description="Metrics that are measured but never decide."
    )
    analysis_run_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Labels and annotations for the AnalysisRuns."
    )
    scale_down_delay_seconds: Int32 | None = Field(
        default=None, description="Seconds the pods stay after the end; 30 if unset."
    )


class CanaryStep(ApiModel):
    """One step; exactly one field is meant to be set."""

    set_weight: Int32 | None = Field(default=None, description="Send this weight to the canary.")
    pause: PauseStep | None = Field(default=None, description="Wait.")
    experiment: ExperimentStep | None = Field(
        default=None, description="Run an experiment and wait for its success."
    )
    analysis: RolloutAnalysis | None = Field(
        default=None, description="Run an analysis and wait for its success."
    )
    set_canary_scale: SetCanaryScale | None = Field(
        default=None, description="Size the canary apart from its traffic weight."
    )
    set_header_route: SetHeaderRoute | None = Field(
        default=None, description="Send requests with certain headers to the canary."
    )
    set_mirror_route: SetMirrorRoute | None = Field(
        default=None, description="Copy requests to the canary."
    )
    plugin: PluginStep | None = Field(default=None, description="Run a step plug-in.")

    @cached_property
    def kind(self) -> StepKind | None:
        """The kind that is executed, by precedence; None for an empty entry."""
        present = {
            StepKind.PAUSE: self.pause,
            StepKind.SET_CANARY_SCALE: self.set_canary_scale,
            StepKind.SET_WEIGHT: self.set_weight,
            StepKind.EXPERIMENT: self.experiment,
            StepKind.ANALYSIS: self.analysis,
            StepKind.SET_HEADER_ROUTE: self.set_header_route,
            StepKind.SET_MIRROR_ROUTE: self.set_mirror_route,
            StepKind.PLUGIN: self.plugin,
        }
        return next((kind for kind, payload in present.items() if payload is not None), None)
