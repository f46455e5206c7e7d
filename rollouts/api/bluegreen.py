"""``spec.strategy.blueGreen``: fields and the default rules that go with them.

Owns what an unset field means; refuses to decide anything from the state of a cluster. Used by the
Rollout model, validation and the planner.
"""

from pydantic import Field

from rollouts.api.analysis import RolloutAnalysis
from rollouts.api.base import REQUIRED, Bool, Int32, IntOrString, Str
from rollouts.api.delays import DelayedScaleDown
from rollouts.api.intstr import DEFAULT_BUDGET, resolve
from rollouts.api.meta import PodTemplateMetadata
from rollouts.api.placement import AntiAffinity


class BlueGreenStrategy(DelayedScaleDown):
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
