"""Annotations of ReplicaSets that cannot be read: ignored, and told to users.

Owns which annotations are numbers or instants to us and the sentence about one that is not. What
it means to ignore it is decided where it is read: a revision counts as none, a deadline as passed,
a noted size as outdated. Most are replaced by the next write to the object; one of an old revision
may stay for ever, so it is remarked upon, not announced with a write. Pure; asked once per plan.
"""

from collections.abc import Iterator

from rollouts.api import labels as keys
from rollouts.api.reasons import EventReason
from rollouts.planner.plan import Event
from rollouts.planner.world import ReplicaSet, World, annotation_number

_LONGEST_QUOTE = 40


def remarks(world: World) -> tuple[Event, ...]:
    """A remark for each annotation nobody can read."""
    return tuple(
        Event(
            "Warning",
            EventReason.MALFORMED_ANNOTATION,
            f"Ignored annotation {key} of ReplicaSet {rs.name}: {expected} expected, "
            f"not {rs.raw['metadata']['annotations'][key][:_LONGEST_QUOTE]!r}",
        )
        for rs in world.replica_sets
        for key, expected in _unreadable(rs)
    )


def _unreadable(rs: ReplicaSet) -> Iterator[tuple[str, str]]:
    present = rs.raw["metadata"].get("annotations") or {}
    for key in (keys.REVISION, keys.DESIRED_REPLICAS):
        if key in present and annotation_number(rs.raw, key) is None:
            yield key, "a number"
    if keys.SCALE_DOWN_DEADLINE in present and rs.deadline_at is None:
        yield keys.SCALE_DOWN_DEADLINE, "a time such as 2026-01-02T03:04:05Z"
