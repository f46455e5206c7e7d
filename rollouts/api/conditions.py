"""Conditions: one observation per type, and when it last changed.

Owns the transition rules (Argo Rollouts' behaviour): the same status and reason change nothing, not
even the message; the transition time moves only when the status does; what changed moves to the
end. Refuses to know what is worth observing. Used by the planner and the controllers.
"""

from enum import StrEnum
from typing import Self

from pydantic import Field

from rollouts.api.base import REQUIRED, ApiModel, Instant, Str


class Truth(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    type: Str = Field(default="", description="What is observed.", json_schema_extra=REQUIRED)
    status: Str = Field(
        default="", description="True, False or Unknown.", json_schema_extra=REQUIRED
    )
    last_update_time: Instant | None = Field(default=None, description="When it was last written.")
    last_transition_time: Instant | None = Field(
        default=None, description="When the status last changed."
    )
    reason: Str = Field(default="", description="Why, as one word.", json_schema_extra=REQUIRED)
    message: Str = Field(default="", description="Why, in words.", json_schema_extra=REQUIRED)

    @classmethod
    def at(cls, now: float, kind: str, status: Truth, reason: str, message: str) -> Self:
        """An observation made at ``now`` (seconds since the epoch)."""
        return cls(
            type=kind,
            status=status,
            last_update_time=now,
            last_transition_time=now,
            reason=reason,
            message=message,
        )


Conditions = tuple[Condition, ...]


def get(conditions: Conditions, kind: str) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Conditions, kind: str) -> bool:
    """Whether the condition is there and holds."""
    found = get(conditions, kind)
    return found is not None and found.status == Truth.TRUE


def set_condition(conditions: Conditions, new: Condition) -> Conditions:
    """With ``new`` recorded, unless status and reason are the stored ones."""
    old = get(conditions, new.type)
    if old is not None and (old.status, old.reason) == (new.status, new.reason):
        return conditions
    return replace(conditions, new)


def replace(conditions: Conditions, new: Condition) -> Conditions:
    """With ``new`` recorded in any case; for conditions whose message or update time matters.

    The transition time is kept while the status stays the same.
    """
    old = get(conditions, new.type)
    if old is not None and old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return (*remove(conditions, new.type), new)


def remove(conditions: Conditions, kind: str) -> Conditions:
    """Without any condition of that type."""
    return tuple(c for c in conditions if c.type != kind)
