"""Keeping new pods away from old ones: ``strategy.*.antiAffinity``.

Owns the shape; the planner injects the rule into ReplicaSets.
"""

from pydantic import Field

from rollouts.api.base import ApiModel, Int32


class Required(ApiModel):
    """The rule without parameters."""


class Preferred(ApiModel):
    weight: Int32 = Field(default=0, description="Strength of the preference, 1 to 100.")


class AntiAffinity(ApiModel):
    """Exactly one of the two rules."""

    required_during_scheduling_ignored_during_execution: Required | None = Field(
        default=None, description="New pods never share a node with pods of the old revision."
    )
    preferred_during_scheduling_ignored_during_execution: Preferred | None = Field(
        default=None, description="New pods avoid nodes with pods of the old revision."
    )
