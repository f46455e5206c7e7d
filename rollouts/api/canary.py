"""``spec.strategy.canary``: fields and the default rules that go with them.

Owns what an unset field means; refuses to decide anything from the state of a cluster. Used by the
Rollout model, validation and the planner.
"""

from pydantic import Field

from rollouts.api.analysis import BackgroundAnalysis
from rollouts.api.base import REQUIRED, ApiModel, Bool, Int32, IntOrString, Str
from rollouts.api.delays import DelayedScaleDown
from rollouts.api.intstr import resolve_budgets
from rollouts.api.meta import PodTemplateMetadata
from rollouts.api.placement import AntiAffinity
from rollouts.api.steps import CanaryStep
from rollouts.api.trafficrouting import DEFAULT_MAX_WEIGHT, RolloutTrafficRouting


class PingPong(ApiModel):
    ping_service: Str = Field(
        default="", description="First of the two Services.", json_schema_extra=REQUIRED
    )
    pong_service: Str = Field(
        default="", description="Second of the two Services.", json_schema_extra=REQUIRED
    )


class ReplicaProgressThreshold(ApiModel):
    type: Str = Field(default="", description="Percent or Pods.", json_schema_extra=REQUIRED)
    value: Int32 = Field(
        default=0, description="How many must be available to go on.", json_schema_extra=REQUIRED
    )


class CanaryStrategy(DelayedScaleDown):
    """Shift traffic to the new revision step by step."""

    canary_service: Str = Field(default="", description="Service of the new revision.")
    stable_service: Str = Field(default="", description="Service of the stable revision.")
    steps: tuple[CanaryStep, ...] = Field(
        default=(), description="What to do in which order; without steps a rolling update."
    )
    traffic_routing: RolloutTrafficRouting | None = Field(
        default=None, description="Routers that split traffic; unset splits by replica counts."
    )
    max_surge: IntOrString | None = Field(
        default=None,
        description="Pods above spec.replicas: a number, or a percentage; 25% if unset.",
    )
    max_unavailable: IntOrString | None = Field(
        default=None,
        description="Pods that may be missing: a number, or a percentage; 25% if unset.",
    )
    analysis: BackgroundAnalysis | None = Field(
        default=None, description="Analysis that runs during the whole update."
    )
    anti_affinity: AntiAffinity | None = Field(
        default=None, description="Keep new pods away from old ones."
    )
    canary_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Set on pods while they are the canary."
    )
    stable_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Set on pods while they are stable."
    )
    dynamic_stable_scale: Bool = Field(
        default=False, description="Shrink the stable ReplicaSet as traffic moves away."
    )
    ping_pong: PingPong | None = Field(
        default=None, description="Two Services that take turns in being stable."
    )
    min_pods_per_replica_set: Int32 | None = Field(
        default=None, description="Smallest size of a ReplicaSet that gets traffic."
    )
    replica_progress_threshold: ReplicaProgressThreshold | None = Field(
        default=None, description="Availability that suffices to go on; all pods if unset."
    )

    @property
    def max_weight(self) -> int:
        """The weight that means all traffic."""
        return self.traffic_routing.max_weight if self.traffic_routing else DEFAULT_MAX_WEIGHT

    def budgets(self, replicas: int) -> tuple[int, int]:
        """(surge, unavailable) in replicas."""
        return resolve_budgets(self.max_surge, self.max_unavailable, replicas)

    @property
    def scale_down_delay(self) -> int:
        """Seconds old pods stay after a promotion; always 0 without traffic routing."""
        return 0 if self.traffic_routing is None else super().scale_down_delay
