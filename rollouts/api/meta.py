"""The parts of Kubernetes' own API that our kinds embed: metadata, selectors, metadata to inject.

Owns their shape only; matching labels is the Kubernetes room's job. Used by the kinds of this
package and by whoever reads ``Rollout.metadata``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import Field

from analysis.times import parse_time
from rollouts.api.base import ApiModel, Obj, Str, StrMap


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the project reads of ``metadata``; instants in seconds since the epoch."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: StrMap = field(default_factory=dict)
    annotations: StrMap = field(default_factory=dict)
    creation_timestamp: float | None = None
    deletion_timestamp: float | None = None

    @classmethod
    def of(cls, obj: Obj) -> Self:
        """The metadata of any Kubernetes object; anything unreadable counts as absent."""
        meta: Any = obj.get("metadata")
        meta = meta if isinstance(meta, dict) else {}

        def text(key: str) -> str:
            value = meta.get(key)
            return value if isinstance(value, str) else ""

        generation = meta.get("generation")
        return cls(
            name=text("name"),
            namespace=text("namespace"),
            uid=text("uid"),
            generation=generation if isinstance(generation, int) else 0,
            resource_version=text("resourceVersion"),
            labels=_strings(meta.get("labels")),
            annotations=_strings(meta.get("annotations")),
            creation_timestamp=parse_time(meta.get("creationTimestamp")),
            deletion_timestamp=parse_time(meta.get("deletionTimestamp")),
        )


def _strings(value: Any) -> StrMap:
    if not isinstance(value, dict):
        return {}
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}


class PodTemplateMetadata(ApiModel):
    """Labels and annotations put onto pods."""

    labels: StrMap = Field(default={}, description="Labels to set.")
    annotations: StrMap = Field(default={}, description="Annotations to set.")


class LabelSelectorRequirement(ApiModel):
    key: Str = Field(default="", description="Label key.")
    operator: Str = Field(default="", description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[Str, ...] = Field(default=(), description="Values for In and NotIn.")


class LabelSelector(ApiModel):
    """Kubernetes' label selector: every listed requirement must hold."""

    match_labels: StrMap = Field(default={}, description="Labels that must have these values.")
    match_expressions: tuple[LabelSelectorRequirement, ...] = Field(
        default=(), description="Further requirements."
    )

    @property
    def empty(self) -> bool:
        """An empty selector matches everything."""
        return not self.match_labels and not self.match_expressions

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected; an unknown operator selects nothing."""
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(_holds(requirement, labels) for requirement in self.match_expressions)


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
