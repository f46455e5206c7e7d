"""Scaling down what no longer serves, after its delay.

Owns the ``scale-down-deadline`` annotation: an instant, so that a restart changes nothing. A delay
of zero means at once; an aborted revision whose delay is switched off stays up. Pure; called by
both strategies.
"""

from analysis.times import format_time
from rollouts.planner.draft import Draft
from rollouts.planner.world import ReplicaSet


def scale_down_later(
    draft: Draft, old: tuple[ReplicaSet, ...], delay: int, revision_limit: int
) -> None:
    """Give each ReplicaSet its deadline, and end those whose deadline has passed.

    ``delay`` in seconds. ``revision_limit``: how many, newest first, may wait at once; the rest go
    at once. A deadline nobody can read counts as passed.
    """
    waiting = 0
    for rs in sorted(old, key=lambda r: (-r.revision, -r.created)):
        if rs.spec == 0:
            continue
        if waiting >= revision_limit or delay <= 0:
            draft.scale(rs, 0)
            continue
        if not rs.deadline:
            waiting += 1
            _set_deadline(draft, rs, delay)
        elif rs.deadline_at is not None and draft.now < rs.deadline_at:
            waiting += 1
            draft.wake(rs.deadline_at)
        else:
            draft.scale(rs, 0)


def abort_delay(draft: Draft, size: int, delay: int | None) -> None:
    """What happens to the new revision's pods after an abort.

    ``size``: what they would have without an abort. ``delay``: seconds until they go, counted from
    the moment the stable revision carries everything again; None keeps them.
    """
    new, stable = draft.new, draft.stable
    if delay is None:
        draft.scale(new, size)
    elif new.deadline:
        if new.deadline_at is not None and draft.now < new.deadline_at:
            draft.wake(new.deadline_at)
        else:
            draft.scale(new, 0)
    elif new.spec and stable is not None and stable.available >= draft.replicas:
        _set_deadline(draft, new, delay)


def _set_deadline(draft: Draft, rs: ReplicaSet, delay: int) -> None:
    until = draft.stamp + delay
    draft.scale(rs, rs.spec, deadline=format_time(until))
    draft.wake(until)
