"""Conditions: what is observed of an update, and whether it still makes progress.

Owns when each condition of a Rollout changes and the progress deadline (Argo Rollouts' behaviour).
Refuses to decide what to do about it, except to say that the deadline has passed. Pure; called once
at the end of every pass.
"""

from typing import Final

from rollouts.api.conditions import (
    Condition,
    Conditions,
    Truth,
    get,
    is_true,
    remove,
    replace,
    set_condition,
)
from rollouts.api.reasons import ConditionType as Type
from rollouts.api.reasons import EventReason, Reason
from rollouts.api.status import RolloutStatus
from rollouts.api.steps import StepKind
from rollouts.planner import steps
from rollouts.planner.draft import Draft
from rollouts.planner.revision import revision_number

_UNDECIDED: Final = ("", "Pending", "Running")  # phases of an AnalysisRun


def update(draft: Draft) -> None:
    """Set the conditions of the next status; everything else of it must be final."""
    conditions = _paused(draft, _invalid(draft, draft.previous.conditions))
    was_healthy = is_true(conditions, Type.HEALTHY)
    conditions = _healthy(draft, conditions)
    conditions = _progressing(draft, conditions, was_healthy=was_healthy)
    conditions = _available(draft, conditions)
    conditions = _replica_failure(draft, conditions)
    draft.set(conditions=_completed(draft, conditions))


def healthy(draft: Draft) -> bool:
    """Everything wanted is there, serves, and is what serves."""
    status, want = draft.status, draft.replicas
    if draft.previous.observed_generation != str(draft.rollout.metadata.generation):
        return False
    if not status.updated_replicas == status.available_replicas == want:
        return False
    if draft.spec.blue_green is not None:
        services = (status.blue_green.active_selector, status.blue_green.preview_selector)
        preview = bool(draft.spec.blue_green.preview_service)
        return services[0] == status.current_pod_hash and (
            not preview or services[1] == status.current_pod_hash
        )
    canary = draft.spec.canary
    at_end = canary is None or not canary.steps or status.current_step_index == len(canary.steps)
    return at_end and draft.fully_promoted and status.replicas == want


def made_progress(draft: Draft) -> bool:
    """Whether anything moved towards the wanted state since the stored status."""
    old, new = draft.previous, draft.status
    step_moved = (
        None not in (old.current_step_index, new.current_step_index)
        and old.current_step_index != new.current_step_index
    )
    return (
        new.updated_replicas != old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
        or new.blue_green.active_selector != old.blue_green.active_selector
        or new.blue_green.preview_selector != old.blue_green.preview_selector
        or new.stable_rs != old.stable_rs
        or step_moved
        or new.current_step_hash != old.current_step_hash
        or _verdicts(new) != _verdicts(old)
    )


def _verdicts(status: RolloutStatus) -> tuple[str, ...]:
    """Phases of the analyses around a blue-green switch."""
    part = status.blue_green
    runs = (part.pre_promotion_analysis_run_status, part.post_promotion_analysis_run_status)
    return tuple(run.status for run in runs if run is not None)


def timed_out(draft: Draft) -> bool:
    """Whether the deadline has passed since the last progress; notes when it will.

    Not while a person or a measurement is waited for, nor while an old ReplicaSet merely waits for
    its scale-down.
    """
    condition = get(draft.previous.conditions, Type.PROGRESSING)
    late = condition is not None and condition.reason == Reason.TIMED_OUT
    if late and not _waits_on_purpose(draft):
        return True
    ends = deadline(draft)
    if ends is None:
        return False
    if draft.now < ends:
        draft.wake(ends)
        return False
    return True


def deadline(draft: Draft) -> float | None:
    """When the release is late unless something moves (seconds since the epoch).

    A second after the deadline itself, since stored times are whole seconds. None while nothing is
    timed, and once it is late.
    """
    condition = get(draft.previous.conditions, Type.PROGRESSING)
    if condition is None or draft.status.abort or healthy(draft) or _waits_on_purpose(draft):
        return None
    if condition.reason in (Reason.ABORTED, Reason.PAUSED, Reason.TIMED_OUT):
        return None
    return (condition.last_update_time or draft.now) + draft.spec.progress_deadline + 1


def _waits_on_purpose(draft: Draft) -> bool:
    canary = draft.spec.canary
    step = steps.current(draft, canary) if canary is not None else None
    if step is not None and step.kind in (StepKind.EXPERIMENT, StepKind.ANALYSIS, StepKind.PAUSE):
        return True
    if _is_paused(draft) or is_true(draft.previous.conditions, Type.PAUSED):
        return True
    if any(verdict in _UNDECIDED for verdict in _verdicts(draft.status)):
        return True
    return any(rs.deadline for rs in draft.others)


def _is_paused(draft: Draft) -> bool:
    return bool(draft.status.pause_conditions) or draft.spec.paused


def _condition(draft: Draft, kind: Type, truth: Truth, reason: Reason, message: str) -> Condition:
    return Condition.at(draft.now, kind, truth, reason, message)


def _invalid(draft: Draft, conditions: Conditions) -> Conditions:
    """A spec that reads well can still ask for what cannot be built; otherwise it is valid now."""
    if not draft.invalid:
        return remove(conditions, Type.INVALID_SPEC)
    old = get(conditions, Type.INVALID_SPEC)
    message = f'The Rollout "{draft.name}" is invalid: {draft.invalid}'
    if old is not None and old.message == message:
        return conditions
    draft.event(EventReason.INVALID_SPEC, message, warning=True)
    new = _condition(draft, Type.INVALID_SPEC, Truth.TRUE, Reason.INVALID_SPEC, message)
    return replace(conditions, new)


def _paused(draft: Draft, conditions: Conditions) -> Conditions:
    """Say that it is paused, resumed or retried, and since when."""
    paused = _is_paused(draft)
    progressing = get(conditions, Type.PROGRESSING)
    reason = progressing.reason if progressing else ""
    if draft.status.abort:
        return conditions  # what was true when it was aborted stays on record until a retry
    if reason == Reason.ABORTED:
        message = "Retrying Rollout after abort"
        draft.event(EventReason.RETRY, message)
        retry = _condition(draft, Type.PROGRESSING, Truth.UNKNOWN, Reason.RETRY, message)
        conditions = set_condition(conditions, retry)
    if paused != (reason == Reason.PAUSED) and not draft.fully_promoted:
        word, why = ("paused", Reason.PAUSED) if paused else ("resumed", Reason.RESUMED)
        new = _condition(draft, Type.PROGRESSING, Truth.UNKNOWN, why, f"Rollout is {word}")
        conditions = set_condition(conditions, new)
    if paused != is_true(conditions, Type.PAUSED):
        truth = Truth.TRUE if paused else Truth.FALSE
        new = _condition(draft, Type.PAUSED, truth, Reason.PAUSED, "Rollout is paused")
        conditions = set_condition(conditions, new)
        if reason != Reason.ABORTED:
            _announce_pause(draft, paused=paused)
    return conditions


def _announce_pause(draft: Draft, *, paused: bool) -> None:
    if not paused:
        draft.event(EventReason.RESUMED, "Rollout is resumed")
        return
    causes = [c.reason for c in draft.status.pause_conditions] or ["manually paused"]
    draft.event(EventReason.PAUSED, f"Rollout is paused ({', '.join(causes)})")


def _healthy(draft: Draft, conditions: Conditions) -> Conditions:
    if not _is_paused(draft) and healthy(draft):
        good = _condition(draft, Type.HEALTHY, Truth.TRUE, Reason.HEALTHY, "Rollout is healthy")
        return set_condition(conditions, good)
    if get(conditions, Type.HEALTHY) is None:
        return conditions
    bad = _condition(draft, Type.HEALTHY, Truth.FALSE, Reason.HEALTHY, "Rollout is not healthy")
    return set_condition(conditions, bad)


def _progressing(draft: Draft, conditions: Conditions, *, was_healthy: bool) -> Conditions:
    if draft.status.abort:
        return _aborted(draft, conditions)
    name = draft.new.name
    if healthy(draft):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        done = _condition(
            draft, Type.PROGRESSING, Truth.TRUE, Reason.REPLICA_SET_AVAILABLE, message
        )
        return set_condition(conditions, done)
    if _is_paused(draft) and not draft.fully_promoted:
        return conditions
    if made_progress(draft) or was_healthy or get(conditions, Type.PROGRESSING) is None:
        reason = Reason.REPLICA_SET_UPDATED
        message = f'ReplicaSet "{name}" is progressing.'
        if was_healthy and draft.fully_promoted:
            reason = Reason.REPLICA_SET_NOT_AVAILABLE
            message = "Rollout does not have minimum availability"
        moved = _condition(draft, Type.PROGRESSING, Truth.TRUE, reason, message)
        return replace(conditions, moved)
    if timed_out(draft):
        message = f'ReplicaSet "{name}" has timed out progressing.'
        late = _condition(draft, Type.PROGRESSING, Truth.FALSE, Reason.TIMED_OUT, message)
        changed = set_condition(conditions, late)
        if changed is not conditions:
            draft.event(EventReason.TIMED_OUT, message, warning=True)
        return changed
    return conditions


def _aborted(draft: Draft, conditions: Conditions) -> Conditions:
    cause = f": {draft.abort_cause}" if draft.abort_cause else ""
    message = f"Rollout aborted update to revision {revision_number(draft)}{cause}"
    new = _condition(draft, Type.PROGRESSING, Truth.FALSE, Reason.ABORTED, message)
    changed = set_condition(conditions, new)
    if changed is not conditions:
        draft.event(EventReason.ABORTED, message, warning=True)
    return changed


def _available(draft: Draft, conditions: Conditions) -> Conditions:
    if draft.spec.blue_green is not None:
        active = draft.status.blue_green.active_selector
        enough = any(rs.hash == active and rs.saturated(draft.replicas) for rs in draft.all_sets)
    else:
        enough = sum(rs.available for rs in draft.all_sets) >= draft.replicas
    word = "has" if enough else "does not have"
    truth = Truth.TRUE if enough else Truth.FALSE
    message = f"Rollout {word} minimum availability"
    new = _condition(draft, Type.AVAILABLE, truth, Reason.AVAILABLE, message)
    return set_condition(conditions, new)


def _replica_failure(draft: Draft, conditions: Conditions) -> Conditions:
    """What a ReplicaSet's controller says it cannot do, in its own words; the new one's first."""
    for rs in draft.all_sets:
        for found in (rs.raw.get("status") or {}).get("conditions") or []:
            if found.get("type") == Type.REPLICA_FAILURE and found.get("status") == Truth.TRUE:
                copied = Condition.at(
                    draft.now,
                    Type.REPLICA_FAILURE,
                    Truth.TRUE,
                    str(found.get("reason", "")),
                    str(found.get("message", "")),
                )
                return set_condition(conditions, copied)
    return remove(conditions, Type.REPLICA_FAILURE)


def _completed(draft: Draft, conditions: Conditions) -> Conditions:
    done = bool(draft.status.stable_rs) and draft.fully_promoted
    was_done = is_true(conditions, Type.COMPLETED)
    truth = Truth.TRUE if done else Truth.FALSE
    new = _condition(draft, Type.COMPLETED, truth, Reason.COMPLETED, "RolloutCompleted")
    if was_done and not done:
        draft.event(
            EventReason.NOT_COMPLETED,
            f"Rollout not completed, started update to revision {revision_number(draft)} "
            f"({draft.new.hash})",
        )
    return set_condition(conditions, new)
