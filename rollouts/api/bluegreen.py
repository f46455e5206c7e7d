"""``spec.strategy.blueGreen``: fields and the default rules that go with them.

Owns what an unset field means; refuses to decide anything from the state of a cluster. Used by the
Rollout model, validation and the planner.
"""

from pydantic import Field

from rollouts.api.analysis import RolloutAnalysis
from rollouts.api.base import REQUIRED, ApiModel, Bool, Int32, IntOrString, Str
from rollouts.api.canary import (
    DEFAULT_ABORT_SCALE_DOWN_DELAY,
    DEFAULT_SCALE_DOWN_DELAY,
    UNLIMITED,
)
from rollouts.api.intstr import DEFAULT_BUDGET, resolve
from rollouts.api.meta import PodTemplateMetadata
from rollouts.api.placement import AntiAffinity


class BlueGreenStrategy(ApiModel):
    """Bring up the new revision beside the old one, then switch a Service."""

    active_service: Str = Field(
        default="", description="Service that serves users.", json_schema_extra=REQUIRED
    )
    preview_service: Str = Field(
        default="", description="Service that reaches the new revision before the switch."
    )
    preview_replica_count: Int32 | None = Field(
        default=None, description="Size of the new revision before the switch; full if unset."
    )
    auto_promotion_enabled: Bool | None = Field(
        default=None, description="Switch without a person's approval; true if unset."
    )
    auto_promotion_seconds: Int32 = Field(
        default=0, description="Seconds to wait before the automatic switch."
    )
    max_unavailable: IntOrString | None = Field(
        default=None, description="Pods that may be missing during a restart; 25% if unset."
    )
    scale_down_delay_seconds: Int32 | None = Field(
        default=None, description="Seconds the old revision stays after the switch; 30 if unset."
    )
    scale_down_delay_revision_limit: Int32 | None = Field(
        default=None, description="How many old ReplicaSets may wait at once."
    )
    abort_scale_down_delay_seconds: Int32 | None = Field(
        default=None, description="Seconds preview pods stay after an abort; 30, and 0 is for ever."
    )
    pre_promotion_analysis: RolloutAnalysis | None = Field(
        default=None, description="Analysis that must succeed before the switch."
    )
    post_promotion_analysis: RolloutAnalysis | None = Field(
        default=None, description="Analysis after the switch; a failure switches back."
    )
    anti_affinity: AntiAffinity | None = Field(
        default=None, description="Keep new pods away from old ones."
    )
    preview_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Set on pods while they are the preview."
    )
    active_metadata: PodTemplateMetadata | None = Field(
        default=None, description="Set on pods while they are active."
    )

    @property
    def auto_promotion(self) -> bool:
        """Whether the switch needs no person."""
        return self.auto_promotion_enabled is not False

    def unavailable(self, replicas: int) -> int:
        """Pods that may be missing during a restart."""
        value = DEFAULT_BUDGET if self.max_unavailable is None else self.max_unavailable
        return min(resolve(value, replicas, round_up=False), replicas)

    @property
    def scale_down_delay(self) -> int:
        """Seconds the old revision stays after the switch."""
        if self.scale_down_delay_seconds is None:
            return DEFAULT_SCALE_DOWN_DELAY
        return self.scale_down_delay_seconds

    @property
    def abort_scale_down_delay(self) -> int | None:
        """Seconds preview pods stay after an abort; None means they are never scaled down."""
        if self.abort_scale_down_delay_seconds is None:
            return DEFAULT_ABORT_SCALE_DOWN_DELAY
        return self.abort_scale_down_delay_seconds or None

    @property
    def delay_revision_limit(self) -> int:
        """How many old ReplicaSets may wait for their scale-down at once."""
        limit = self.scale_down_delay_revision_limit
        return UNLIMITED if limit is None else limit
