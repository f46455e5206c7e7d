"""How long pods that are not needed any more stay up: fields both strategies have.

Owns what an unset delay means. Whether a delay applies is the strategy's and the planner's
business. Base of the models of both strategies.
"""

from typing import Final

from pydantic import Field

from rollouts.api.base import ApiModel, Int32

DEFAULT_SECONDS: Final = 30
_UNLIMITED: Final = 2**31 - 1


class DelayedScaleDown(ApiModel):
    """Old pods stay for a fast way back, aborted ones for a look at them."""

    scale_down_delay_seconds: Int32 | None = Field(
        default=None,
        description="Seconds old pods stay after a promotion; 30 if unset, 0 for a canary without "
        "trafficRouting.",
    )
    scale_down_delay_revision_limit: Int32 | None = Field(
        default=None, description="How many old ReplicaSets may wait at once."
    )
    abort_scale_down_delay_seconds: Int32 | None = Field(
        default=None, description="Seconds new pods stay after an abort; 30, and 0 is for ever."
    )

    @property
    def scale_down_delay(self) -> int:
        """Seconds old pods stay after a promotion."""
        seconds = self.scale_down_delay_seconds
        return DEFAULT_SECONDS if seconds is None else seconds

    @property
    def abort_scale_down_delay(self) -> int | None:
        """Seconds new pods stay after an abort; None means they are never scaled down."""
        seconds = self.abort_scale_down_delay_seconds
        return DEFAULT_SECONDS if seconds is None else seconds or None

    @property
    def delay_revision_limit(self) -> int:
        """How many old ReplicaSets may wait for their scale-down at once."""
        limit = self.scale_down_delay_revision_limit
        return _UNLIMITED if limit is None else limit
