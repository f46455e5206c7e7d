"""Annotations of ReplicaSets that cannot be read: ignored, and told to users.

Owns which annotations are numbers or instants to us and the sentence about one that is not. What
it means to ignore it is decided where it is read: a revision counts as none, a deadline as passed,
a noted size as outdated; the next write to the object replaces it. Pure; called in every pass.
"""

from collections.abc import Iterator

from rollouts.api import labels as keys
from rollouts.api.reasons import EventReason
from rollouts.planner.draft import Draft
from rollouts.planner.world import ReplicaSet, annotation_number

_LONGEST_QUOTE = 40


def report(draft: Draft) -> None:
    """An event for each annotation nobody can read; it goes out with the next write."""
    for rs in draft.all_sets:
        for key, expected in _unreadable(rs):
            value = (rs.raw["metadata"].get("annotations") or {})[key]
            draft.event(
                EventReason.MALFORMED_ANNOTATION,
                f"Ignored annotation {key} of ReplicaSet {rs.name}: {expected} expected, "
                f"not {value[:_LONGEST_QUOTE]!r}",
                warning=True,
            )


def _unreadable(rs: ReplicaSet) -> Iterator[tuple[str, str]]:
    if rs.revision and rs.desired_annotation is not None and not rs.deadline:
        return
    present = rs.raw["metadata"].get("annotations") or {}
    for key in (keys.REVISION, keys.DESIRED_REPLICAS):
        if key in present and annotation_number(rs.raw, key) is None:
            yield key, "a number"
    if keys.SCALE_DOWN_DEADLINE in present and rs.deadline_at is None:
        yield keys.SCALE_DOWN_DEADLINE, "a time such as 2026-01-02T03:04:05Z"
