"""Metadata of a revision's role, as the two strategies spell it, and what is wrong with it.

Owns which field is for which role: pods of the stable (active) revision, and pods of the one being
released (canary, preview). Refuses to apply it (``planner.metadata``). Pure.
"""

from collections.abc import Iterator

from rollouts.api import labels as keys
from rollouts.api import names
from rollouts.api.fielderror import FieldError
from rollouts.api.meta import PodTemplateMetadata
from rollouts.api.rollout import Rollout

NONE = PodTemplateMetadata()


def role_metadata(rollout: Rollout) -> dict[str, PodTemplateMetadata]:
    """By field name: first that of stable pods, then that of pods of an update."""
    canary, blue_green = rollout.spec.canary, rollout.spec.blue_green
    if canary is not None:
        found = {"stableMetadata": canary.stable_metadata, "canaryMetadata": canary.canary_metadata}
    elif blue_green is not None:
        found = {
            "activeMetadata": blue_green.active_metadata,
            "previewMetadata": blue_green.preview_metadata,
        }
    else:
        found = {"stableMetadata": None, "canaryMetadata": None}
    return {name: metadata or NONE for name, metadata in found.items()}


def role_errors(rollout: Rollout) -> Iterator[FieldError]:
    """What the API server would refuse on a pod template, and labels that select pods."""
    fixed = {keys.POD_TEMPLATE_HASH}
    if (selector := rollout.spec.selector) is not None:
        fixed |= {*selector.match_labels, *(each.key for each in selector.match_expressions)}
    for name, metadata in role_metadata(rollout).items():
        path = f"spec.strategy.{name}"
        for key, value in metadata.labels.items():
            if complaint := names.label_key(key):
                yield FieldError.invalid(f"{path}.labels", key, complaint)
            elif complaint := names.label_value(value):
                yield FieldError.invalid(f"{path}.labels", value, complaint)
            elif key in fixed:
                complaint = "pods are selected by this label, so it cannot follow their role"
                yield FieldError.invalid(f"{path}.labels", key, complaint)
        for key in metadata.annotations:
            if complaint := names.label_key(key.lower()):
                yield FieldError.invalid(f"{path}.annotations", key, complaint)
