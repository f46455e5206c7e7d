"""``status`` of a Rollout: what the controller remembers and what everybody reads.

Owns the shape and how it is written (Go's ``omitempty``, field by field); the planner computes it.
Every instant is in seconds since the epoch.
"""

from pydantic import Field

from rollouts.api.base import (
    REQUIRED,
    ApiModel,
    Bool,
    FreeValue,
    Instant,
    Int32,
    Int64,
    Obj,
    Str,
)
from rollouts.api.conditions import Condition


class PauseCondition(ApiModel):
    reason: Str = Field(default="", description="Why it is paused.", json_schema_extra=REQUIRED)
    start_time: Instant | None = Field(
        default=None, description="Since when.", json_schema_extra=REQUIRED
    )


class AnalysisRunStatus(ApiModel):
    """The run that counts now."""

    name: Str = Field(
        default="", description="Name of the AnalysisRun.", json_schema_extra=REQUIRED
    )
    status: Str = Field(default="", description="Its phase.", json_schema_extra=REQUIRED)
    message: Str = Field(default="", description="Its message.")


class WeightDestination(ApiModel):
    weight: Int32 = Field(default=0, description="Share of traffic.", json_schema_extra=REQUIRED)
    service_name: Str = Field(default="", description="Service that receives it.")
    pod_template_hash: Str = Field(default="", description="Revision behind the Service.")


class TrafficWeights(ApiModel):
    canary: WeightDestination = Field(
        default=WeightDestination(),
        description="Share of the new revision.",
        json_schema_extra=REQUIRED,
    )
    stable: WeightDestination = Field(
        default=WeightDestination(),
        description="Share of the stable revision.",
        json_schema_extra=REQUIRED,
    )
    additional: tuple[WeightDestination, ...] = Field(
        default=(), description="Shares of experiments."
    )
    verified: Bool | None = Field(
        default=None, description="Whether the router was seen to obey; unset if it cannot tell."
    )


class StepPluginStatus(ApiModel):
    index: Int32 = Field(default=0, description="Index of the step.", json_schema_extra=REQUIRED)
    name: Str = Field(default="", description="Name of the plug-in.", json_schema_extra=REQUIRED)
    operation: Str = Field(default="", description="Run, Terminate or Abort.")
    phase: Str = Field(default="", description="Running, Successful, Failed or Error.")
    message: Str = Field(default="", description="What the plug-in says.")
    started_at: Instant | None = Field(default=None, description="Start.")
    updated_at: Instant | None = Field(default=None, description="Last answer.")
    finished_at: Instant | None = Field(default=None, description="End.")
    backoff: Str = Field(default="", description="Time until the next call.")
    executions: Int32 = Field(default=0, description="Number of calls.")
    disabled: Bool = Field(default=False, description="The plug-in is switched off.")
    status: FreeValue = Field(default=None, description="What the plug-in remembers.")


class CanaryStatus(ApiModel):
    weights: TrafficWeights | None = Field(default=None, description="Traffic split in force.")
    current_step_analysis_run_status: AnalysisRunStatus | None = Field(
        default=None, description="Run of the current step."
    )
    current_background_analysis_run_status: AnalysisRunStatus | None = Field(
        default=None, description="Run that accompanies the update."
    )
    current_experiment: Str = Field(default="", description="Running Experiment.")
    stable_ping_pong: Str = Field(default="", description="ping or pong: which one is stable.")
    step_plugin_statuses: tuple[StepPluginStatus, ...] = Field(
        default=(), description="State of step plug-ins."
    )


class BlueGreenStatus(ApiModel):
    preview_selector: Str = Field(default="", description="Hash the preview Service selects.")
    active_selector: Str = Field(default="", description="Hash the active Service selects.")
    scale_up_preview_check_point: Bool = Field(
        default=False, description="The preview may grow to full size."
    )
    pre_promotion_analysis_run_status: AnalysisRunStatus | None = Field(
        default=None, description="Run before the switch."
    )
    post_promotion_analysis_run_status: AnalysisRunStatus | None = Field(
        default=None, description="Run after the switch."
    )


class AwsResource(ApiModel):
    name: Str = Field(default="", description="Name.", json_schema_extra=REQUIRED)
    arn: Str = Field(
        default="", alias="arn", description="Resource name.", json_schema_extra=REQUIRED
    )
    full_name: Str = Field(default="", description="Part of the ARN that metrics use.")


class AlbStatus(ApiModel):
    ingress: Str = Field(default="", description="Ingress.")
    load_balancer: AwsResource | None = Field(default=None, description="Its load balancer.")
    canary_target_group: AwsResource | None = Field(
        default=None, description="Target group of the new revision."
    )
    stable_target_group: AwsResource | None = Field(
        default=None, description="Target group of the stable revision."
    )


class RolloutDuration(ApiModel):
    """How long the current or last update took."""

    rollout_started_at: Instant | None = Field(default=None, description="Start of the update.")
    manual_pause_started_at: Instant | None = Field(
        default=None, description="Since when it waits for a person."
    )
    total_manual_pause_duration_seconds: Int64 = Field(
        default=0, description="Seconds spent waiting for people."
    )
    finished_at: Instant | None = Field(default=None, description="End of the update.")
    completion_status: Str = Field(default="", description="How it ended.")


class RolloutStatus(ApiModel):
    observed_generation: Str = Field(default="", description="Generation of the spec acted upon.")
    workload_observed_generation: Str = Field(
        default="", description="Generation of the referenced workload acted upon."
    )
    current_pod_hash: Str = Field(default="", description="Hash of the wanted revision.")
    stable_rs: Str = Field(
        default="", alias="stableRS", description="Hash of the promoted revision."
    )
    current_step_hash: Str = Field(default="", description="Hash of the canary steps.")
    current_step_index: Int32 | None = Field(default=None, description="Step in progress.")
    collision_count: Int32 | None = Field(
        default=None, description="Name collisions the hash avoided."
    )
    replicas: Int32 = Field(default=0, description="Pods of all revisions.")
    updated_replicas: Int32 = Field(default=0, description="Pods of the wanted revision.")
    ready_replicas: Int32 = Field(default=0, description="Ready pods.")
    available_replicas: Int32 = Field(default=0, description="Available pods.")
    hpa_replicas: Int32 = Field(
        default=0, alias="HPAReplicas", description="Pods the autoscaler shall count."
    )
    selector: Str = Field(default="", description="Selector the autoscaler shall use.")
    restarted_at: Instant | None = Field(
        default=None, description="Value of restartAt that has been carried out."
    )
    promote_full: Bool = Field(default=False, description="Skip what is left of the update.")
    abort: Bool = Field(default=False, description="Go back to the stable revision.")
    aborted_at: Instant | None = Field(default=None, description="When the abort was seen.")
    pause_conditions: tuple[PauseCondition, ...] = Field(
        default=(), description="Why it is paused."
    )
    controller_pause: Bool = Field(default=False, description="The controller paused the update.")
    phase: Str = Field(default="", description="Healthy, Progressing, Paused or Degraded.")
    message: Str = Field(default="", description="Why it has this phase.")
    conditions: tuple[Condition, ...] = Field(default=(), description="Latest observations.")
    canary: CanaryStatus = Field(
        default=CanaryStatus(), description="State of the canary strategy."
    )
    blue_green: BlueGreenStatus = Field(
        default=BlueGreenStatus(), description="State of the blue-green strategy."
    )
    alb: AlbStatus | None = Field(default=None, description="AWS resources of the first Ingress.")
    albs: tuple[AlbStatus, ...] = Field(default=(), description="AWS resources of all Ingresses.")
    duration: RolloutDuration | None = Field(default=None, description="Times of the update.")

    def to_wire(self, only: set[str] | None = None) -> Obj:
        """As Argo Rollouts writes it: both strategy parts are there, even when empty."""
        return {"blueGreen": {}, "canary": {}, **super().to_wire(only)}

    @property
    def unpausing(self) -> bool:
        """A person has resumed, and the controller has not acted on it yet."""
        return self.controller_pause and not self.pause_conditions
