"""How long an update takes: ``status.duration``.

Owns when an update starts, ends and how it ended, and the time it waited for people (Argo Rollouts'
behaviour). Refuses to be the only reason for a write, and to give a record to what was going on
already when we first saw it: a Rollout that is taken over at rest stays as it is. Pure; called once
at the end of every pass.
"""

from rollouts.api.reasons import CompletionStatus, PauseReason
from rollouts.api.status import RolloutDuration
from rollouts.planner import promotion, steps
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Timing


def update(draft: Draft) -> None:
    """Bring the record of the next status up to date; everything else of it must be final.

    Nothing is recorded while the spec is invalid.
    """
    record = draft.previous.duration
    if draft.invalid or draft.status == draft.previous:
        return
    if _changed(draft):
        record = _on_change(draft, record)
    elif _retried(draft) and not _in_progress(record):
        record = _start(draft)
    if record is not None and _in_progress(record):
        record = _on_course(draft, record)
    draft.set(duration=record)


def _in_progress(record: RolloutDuration | None) -> bool:
    return (
        record is not None and record.rollout_started_at is not None and record.finished_at is None
    )


def _changed(draft: Draft) -> bool:
    """Whether this pass found other pods wanted, or for a canary other steps."""
    old, new = draft.previous, draft.status
    if old.current_pod_hash != new.current_pod_hash:
        return True
    return draft.spec.canary is not None and old.current_step_hash != new.current_step_hash


def _retried(draft: Draft) -> bool:
    old, new = draft.previous, draft.status
    ended = old.aborted_at is not None and new.aborted_at is None and not new.abort
    return ended and not draft.fully_promoted


def _start(draft: Draft) -> RolloutDuration:
    return RolloutDuration(rollout_started_at=draft.stamp)


def _on_change(draft: Draft, record: RolloutDuration | None) -> RolloutDuration | None:
    """A change starts an update, turns the one in progress around, or takes its place."""
    at_target = promotion.is_rollback_to_stable(draft)
    if record is None or not _in_progress(record):
        return record if at_target else _start(draft)
    stable = draft.stable
    if at_target or (stable is not None and draft.new.older_than(stable)):
        word = CompletionStatus.ROLLED_BACK
        if at_target or promotion.within_rollback_window(draft) or _still_up(draft):
            word = CompletionStatus.FAST_ROLLED_BACK
        return record.model_copy(update={"completion_status": str(word)})
    _finish(draft, record, CompletionStatus.SUPERSEDED)
    return _start(draft)


def _still_up(draft: Draft) -> bool:
    """Whether a blue-green revision that comes back has not even been scaled down."""
    deadline = draft.new.deadline_at
    return draft.spec.blue_green is not None and deadline is not None and draft.now < deadline


def _on_course(draft: Draft, record: RolloutDuration) -> RolloutDuration:
    """Count the time people take, and end the record when the update has ended."""
    waits, since = _waits_for_person(draft), record.manual_pause_started_at
    if waits and since is None:
        record = record.model_copy(update={"manual_pause_started_at": draft.stamp})
    elif since is not None and not waits:
        record = _with_pause_counted(draft, record)
    if draft.status.abort:
        return _finish(draft, record, CompletionStatus.ABORTED)
    in_full = draft.previous.promote_full and not draft.status.promote_full
    if in_full and draft.previous.stable_rs != draft.status.stable_rs:
        fast = str(CompletionStatus.FAST_PROMOTED)
        record = record.model_copy(update={"completion_status": fast})
    if promotion.is_rollback_to_stable(draft) and draft.new.available >= draft.replicas:
        return _finish(draft, record, record.completion_status or CompletionStatus.PROMOTED)
    return record


def _with_pause_counted(draft: Draft, record: RolloutDuration) -> RolloutDuration:
    """The record without an open pause: its time so far is added up."""
    since = record.manual_pause_started_at
    if since is None:
        return record
    total = record.total_manual_pause_duration_seconds + max(0, int(draft.stamp - since))
    return record.model_copy(
        update={"manual_pause_started_at": None, "total_manual_pause_duration_seconds": total}
    )


def _finish(draft: Draft, record: RolloutDuration, word: str) -> RolloutDuration:
    """The record at its end, which is told to the metrics once it is stored."""
    done = _with_pause_counted(draft, record).model_copy(
        update={"finished_at": draft.stamp, "completion_status": str(word)}
    )
    started = draft.stamp if done.rollout_started_at is None else done.rollout_started_at
    total = max(0.0, draft.stamp - started)
    paused = float(done.total_manual_pause_duration_seconds)
    draft.timings.append(Timing(str(word), total, paused))
    return done


def _waits_for_person(draft: Draft) -> bool:
    """Whether nothing but a person makes the update go on."""
    if draft.spec.paused:
        return True
    return any(_needs_person(draft, pause.reason) for pause in draft.status.pause_conditions)


def _needs_person(draft: Draft, reason: str) -> bool:
    if reason == PauseReason.BLUE_GREEN:
        return draft.spec.blue_green is not None and not draft.spec.blue_green.auto_promotion
    if reason == PauseReason.CANARY_STEP:
        canary = draft.spec.canary
        step = steps.current(draft, canary) if canary is not None else None
        return step is not None and step.pause is not None and step.pause.seconds is None
    return reason in (PauseReason.INCONCLUSIVE_ANALYSIS, PauseReason.INCONCLUSIVE_EXPERIMENT)
